//! What a file is that cannot be decoded, by its first bytes.

/// Where the first bytes of a kind of file stand, the bytes, and what the file is.
type Signature = (usize, &'static [u8], &'static str);

/// Audio that is not supported, but that ffmpeg may decode.
const AUDIO: &[Signature] = &[
    (0, b"#!AMR", "an AMR file"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file"),
    (0, b"\x0b\x77", "an AC-3 file"),
    (0, b"\x7f\xfe\x80\x01", "a DTS file"),
    (0, b"wvpk", "a WavPack file"),
    (0, b"MAC ", "a Monkey's Audio file"),
    (0, b"MPCK", "a Musepack file"),
    (0, b"MP+", "a Musepack file"),
    (0, b"TTA1", "a True Audio file"),
    (0, b"DSD ", "a DSD file"),
    (0, b"FRM8", "a DSD file"),
    (0, b".RMF", "a RealMedia file"),
    (0, b".snd", "a Sun audio file"),
    (0, b"FLV\x01", "a Flash video"),
    (28, b"Speex   ", "a Speex file"),
    (0, b"OggS", "an Ogg file with an unsupported codec"),
    (0, b"RIFF", "a RIFF file with an unsupported codec"),
    (0, b"FORM", "an AIFF file with an unsupported codec"),
    (0, b"caff", "a CAF file with an unsupported codec"),
    (4, b"ftyp", "an MPEG-4 file with an unsupported codec"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska file with an unsupported codec"),
];

/// Files without audio.
const OTHERS: &[Signature] = &[
    (0, b"MThd", "a MIDI file, which has notes instead of sound"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x89PNG", "a picture"),
    (0, b"\xff\xd8\xff", "a picture"),
    (0, b"GIF8", "a picture"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\x1f\x8b", "a compressed archive"),
    (0, b"Rar!", "an archive"),
    (0, b"7z\xbc\xaf", "an archive"),
    (0, b"<!DOCTYPE", "a web page"),
    (0, b"<html", "a web page"),
    (0, b"#EXTM3U", "a playlist"),
    (0, b"[playlist]", "a playlist"),
];

/// The number of first bytes that tell what a file is.
pub(crate) const HEADER: usize = 64;

/// What an audio file is that begins with these bytes; `None` if it is not known.
pub(crate) fn audio(header: &[u8]) -> Option<&'static str> {
    find(AUDIO, header)
}

/// What a file without audio is that begins with these bytes; `None` if it is not known.
pub(crate) fn other(header: &[u8]) -> Option<&'static str> {
    find(OTHERS, header)
}

fn find(signatures: &[Signature], header: &[u8]) -> Option<&'static str> {
    let is_at_its_place = |(at, bytes, _): &&Signature| header.get(*at..).is_some_and(|rest| rest.starts_with(bytes));
    signatures.iter().find(is_at_its_place).map(|(_, _, what)| *what)
}
