"""Writes short audio files with other people's programs, each beside what has to come out of it.

    python make_audio.py FOLDER      # needs ffmpeg, sox, lame

Every file has the same half second: a tone of 440 Hz on the left and one of 1000 Hz on the right, or one tone for each
channel, 440, 1000, 1500, 2000, 2500, 3000 Hz. NAME.expected.json says how many channels, what rate, how many
seconds, and the words of a notice or of an error. trainer/audio/tests/foreign_audio.rs compares them.
"""

import base64
import json
import struct
import subprocess
import sys
from pathlib import Path

SECONDS = 0.5
TONES = [440, 1000, 1500, 2000, 2500, 3000]


def run(*command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Writer:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, name):
        return self.folder / name

    def expect(self, name, channels=2, rate=44100, seconds=SECONDS, tones=None, **words):
        expected = {"channels": channels, "rate": rate, "seconds": seconds,
                    "tones": TONES[:channels] if tones is None else tones, **words}
        self.path(name + ".expected.json").write_text(json.dumps(expected) + "\n")
        print(f"{name}: {self.path(name).stat().st_size} bytes")

    def fail(self, name, words, **others):
        self.path(name + ".expected.json").write_text(json.dumps({"error": words, **others}) + "\n")
        print(f"{name}: {self.path(name).stat().st_size} bytes")

    def ffmpeg(self, name, *options, channels=2, rate=44100, seconds=SECONDS):
        """Encodes the tones with ffmpeg; options follow the input."""
        sines = "|".join(f"0.3*sin(2*PI*{tone}*t)" for tone in TONES[:channels])
        layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
        source = f"aevalsrc={sines}:s={rate}:d={seconds}:c={layout}"
        run("ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", source, *options, "-bitexact", self.path(name))


def id3v2(version, frames):
    """An ID3v2 tag of version 2, 3 or 4; frames are pairs of an identifier and the content."""
    synchsafe = lambda size: bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    body = b""
    for name, content in frames:
        if version == 2:
            body += name + struct.pack(">I", len(content))[1:] + content
        else:
            body += name + (synchsafe(len(content)) if version == 4 else struct.pack(">I", len(content))) + b"\0\0" + content
    return b"ID3" + bytes([version, 0, 0]) + synchsafe(len(body)) + body


def write_tagged(writer):
    """Files with tags, covers and fields of other programs, all of which have to survive when a tag is added."""
    cover = writer.path("cover.png")
    run("ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", "testsrc=s=16x16", "-frames:v", "1", "-bitexact", cover)
    png = cover.read_bytes()
    writer.ffmpeg("frames.mp3", "-c:a", "libmp3lame", "-b:a", "128k", "-id3v2_version", "0", "-write_xing", "0")
    frames = writer.path("frames.mp3").read_bytes()
    writer.path("frames.mp3").unlink()
    text = lambda words: b"\0" + words.encode("latin1")
    wide = lambda words: b"\1" + words.encode("utf-16")
    common = [(b"TPE1", wide("Nöbody \u266b")), (b"TALB", text("Tones")), (b"TRCK", text("3/7")),
              (b"COMM", b"\0eng\0a comment"), (b"COMM", b"\0deuiTunNORM\0 00000A2B"), (b"USLT", b"\0eng\0la la la"),
              (b"TXXX", b"\0MusicBrainz Album Id\0" + b"0123-4567"), (b"TXXX", b"\0replaygain_track_gain\0-3.21 dB"),
              (b"UFID", b"http://musicbrainz.org\0abcdef"), (b"POPM", b"me@example.org\0\xc4\0\0\0\7"),
              (b"PRIV", b"WM/MediaClassPrimaryID\0\1\2\3\4"), (b"GEOB", b"\0application/x\0file\0what\0\5\6\7"),
              (b"WXXX", b"\0where\0http://example.org"), (b"APIC", b"\0image/png\0\3front\0" + png),
              (b"APIC", b"\0image/png\0\4back\0" + png[::-1]), (b"XABC", b"what only one program knows")]
    year3 = [(b"TIT2", text("tagged")), (b"TYER", text("2003")), (b"TDAT", text("3112")), (b"TCON", text("(17)")), (b"TBPM", text("120"))]
    year4 = [(b"TIT2", b"\3" + "tägged".encode()), (b"TDRC", text("2003-12-31")), (b"TCON", text("Rock\0Tones")), (b"TSOP", text("body, no")),
             (b"CHAP", b"one\0" + struct.pack(">4I", 0, 250, 0xFFFFFFFF, 0xFFFFFFFF))]
    old = [(b"TT2", text("tagged")), (b"TP1", wide("Nöbody")), (b"TYE", text("2003")), (b"COM", b"\0eng\0a comment"),
           (b"PIC", b"\0PNG\3front\0" + png), (b"TXX", b"\0own\0field")]
    tail = b"TAG" + b"tagged".ljust(30, b"\0") + b"Nobody".ljust(30, b"\0") + b"Tones".ljust(30, b"\0") + b"2003" + bytes(30) + b"\x11"
    for name, version, items, end in (("tagged_v22.mp3", 2, old, b""), ("tagged_v23.mp3", 3, year3 + common, tail),
                                      ("tagged_v23_sorted.mp3", 3, year3[:2] + common + [(b"TSOP", text("body, no"))], b""),
                                      ("tagged_v24.mp3", 4, year4 + common, tail)):
        writer.path(name).write_bytes(id3v2(version, items) + frames + end)
        writer.expect(name)
    items = [(b"Title", 0, "Tägged".encode()), (b"Genre", 0, b"Rock"), (b"Cover Art (Front)", 2, b"front.png\0" + png), (b"Own", 0, b"field")]
    body = b"".join(struct.pack("<II", len(value), flags) + name + b"\0" + value for name, flags, value in items)
    head, foot = (b"APETAGEX" + struct.pack("<IIII8x", 2000, len(body) + 32, len(items), flags) for flags in (0xA0000000, 0x80000000))
    writer.path("tagged_ape.mp3").write_bytes(frames + head + body + foot + tail)
    writer.expect("tagged_ape.mp3")
    words = ["-metadata", "title=Tägged", "-metadata", "artist=Nöbody", "-metadata", "genre=Rock", "-metadata", "date=2003-12-31",
             "-metadata", "comment=a comment", "-metadata", "MUSICBRAINZ_ALBUMID=0123-4567"]
    for name, rate, options in (("tagged.wav", 22050, []), ("tagged.aiff", 22050, ["-write_id3v2", "1"]), ("tagged.wv", 22050, ["-c:a", "wavpack"])):
        writer.ffmpeg(name, *words, *options, rate=rate)
        if name.endswith("wv"):
            writer.expect(name, rate=rate, seconds=None, without_ffmpeg="a WavPack file")
        else:
            writer.expect(name, rate=rate)
    for name, codec in (("tagged.flac", "flac"), ("tagged.m4a", "aac")):
        rate = 22050
        sines = "|".join(f"0.3*sin(2*PI*{tone}*t)" for tone in TONES[:2])
        run("ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", f"aevalsrc={sines}:s={rate}:d={SECONDS}:c=stereo", "-i", cover, "-map", "0:a",
            "-map", "1:v", "-c:v", "copy", "-c:a", codec, "-disposition:v", "attached_pic", "-bitexact", *words, writer.path(name))
        writer.expect(name, rate=rate)
    picture = struct.pack(">II", 3, 9) + b"image/png" + struct.pack(">I", 5) + b"front" + struct.pack(">5I", 16, 16, 24, 0, len(png)) + png
    picture = ["-metadata", "METADATA_BLOCK_PICTURE=" + base64.b64encode(picture).decode()]
    for name, codec, rate in (("tagged.ogg", "libvorbis", 44100), ("tagged.opus", "libopus", 48000)):
        writer.ffmpeg(name, "-c:a", codec, *words, *picture, rate=rate)
        writer.expect(name, rate=rate)
    cover.unlink()


def main(folder):
    writer = Writer(folder)
    write_tagged(writer)
    make, expect = writer.ffmpeg, writer.expect
    wav = writer.path("tones.wav")
    make("tones.wav")
    expect("tones.wav")

    # Formats and codecs.
    for name, options in {
        "pcm24.wav": ["-c:a", "pcm_s24le"], "pcm32.wav": ["-c:a", "pcm_s32le"], "float.wav": ["-c:a", "pcm_f32le"],
        "double.wav": ["-c:a", "pcm_f64le"], "unsigned8.wav": ["-c:a", "pcm_u8"],
        "adpcm_ms.wav": ["-c:a", "adpcm_ms"], "adpcm_ima.wav": ["-c:a", "adpcm_ima_wav"],
        "alaw.wav": ["-c:a", "pcm_alaw"], "mulaw.wav": ["-c:a", "pcm_mulaw"],
        "pcm.aiff": [], "float.aiff": ["-c:a", "pcm_f32be"], "little_endian.aifc": ["-f", "aiff", "-c:a", "pcm_s16le"],
        "pcm.caf": [], "alac.caf": ["-c:a", "alac"],
        "aac.m4a": ["-c:a", "aac"], "alac.m4a": ["-c:a", "alac"], "aac.mp4": ["-c:a", "aac"], "aac.mov": ["-c:a", "aac"],
        "fragmented.m4a": ["-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"],
        "faststart.m4a": ["-c:a", "aac", "-movflags", "+faststart"],
        "mp3.m4a": ["-f", "mp4", "-c:a", "libmp3lame"], "flac.mp4": ["-c:a", "flac", "-strict", "-2"],
        "adts.aac": ["-c:a", "aac"], "layer2.mp2": ["-c:a", "mp2"],
        "vbr.mp3": ["-c:a", "libmp3lame", "-q:a", "4"], "cbr.mp3": ["-c:a", "libmp3lame", "-b:a", "128k"],
        "plain.flac": [], "flac24.flac": ["-sample_fmt", "s32"], "flac.ogg": ["-c:a", "flac"],
        "vorbis.ogg": ["-c:a", "libvorbis"], "vorbis.webm": ["-c:a", "libvorbis"], "vorbis.mka": ["-c:a", "libvorbis"],
        "aac.mkv": ["-c:a", "aac"], "pcm.mka": ["-c:a", "pcm_s16le"], "mp3.mkv": ["-c:a", "libmp3lame"],
    }.items():
        make(name, *options)
        expect(name)
    make("opus.opus", "-c:a", "libopus", rate=48000)
    expect("opus.opus", rate=48000)
    make("opus.webm", "-c:a", "libopus", rate=48000)
    expect("opus.webm", rate=48000)
    make("opus.mkv", "-c:a", "libopus", rate=48000)
    expect("opus.mkv", rate=48000)
    for name, options in {"surround.wav": [], "surround.flac": [], "surround.m4a": ["-c:a", "aac", "-b:a", "256k"],
                          "surround.ogg": ["-c:a", "libvorbis"]}.items():
        make(name, *options, channels=6)
        # The channel for low frequencies has no tone left, and codecs order the channels in their own ways.
        aac = {"without_ffmpeg": "an MPEG-4 file"} if name.endswith("m4a") else {}
        expect(name, channels=6, tones=[], **aac)
    make("surround.opus", "-c:a", "libopus", "-b:a", "256k", channels=6, rate=48000)
    expect("surround.opus", channels=6, rate=48000, tones=[])
    for rate in (8000, 22050, 96000, 192000):
        make(f"rate{rate}.wav", rate=rate)
        expect(f"rate{rate}.wav", rate=rate)
    make("mono.mp3", "-c:a", "libmp3lame", channels=1)
    expect("mono.mp3", channels=1)

    # Tags and pictures.
    picture = writer.path("cover.png")
    run("ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", "nullsrc=s=900x900,geq=random(1)*255:128:128", "-frames:v", "1", picture)
    for version in ("3", "4"):
        name = f"cover_id3v2{version}.mp3"
        run("ffmpeg", "-y", "-v", "error", "-i", wav, "-i", picture, "-map", "0:a", "-map", "1:v", "-c:v", "copy",
            "-c:a", "libmp3lame", "-id3v2_version", version, "-metadata", "title=Tönë", writer.path(name))
        expect(name)
    for name, codec in (("cover.flac", "flac"), ("cover.m4a", "aac")):
        run("ffmpeg", "-y", "-v", "error", "-i", wav, "-i", picture, "-map", "0:a", "-map", "1:v", "-c:v", "copy",
            "-c:a", codec, "-disposition:v", "attached_pic", writer.path(name))
        expect(name)
    picture.unlink()
    run("lame", "--quiet", "--id3v1-only", "--tt", "tones", "--ta", "nobody", wav, writer.path("id3v1.mp3"))
    expect("id3v1.mp3")
    ape = b"APETAGEX" + struct.pack("<IIII8x", 2000, 32 + 21, 1, 0) + struct.pack("<II", 5, 0) + b"Title\0tones"
    data = writer.path("cbr.mp3").read_bytes()
    writer.path("ape.mp3").write_bytes(data + ape[32:] + ape[:32])
    expect("ape.mp3")
    writer.path("junk_before.mp3").write_bytes(b"\0" * 3000 + data)
    expect("junk_before.mp3")

    # Headers that lie.
    good = wav.read_bytes()
    at = good.index(b"data") + 4
    for name, riff, size in (("size_zero.wav", 0, 0), ("size_unknown.wav", 0xFFFFFFFF, 0xFFFFFFFF),
                             ("size_placeholder.wav", 0x7FFFFFFF + 36, 0x7FFFFFFF), ("size_too_large.wav", len(good), 10**8)):
        writer.path(name).write_bytes(good[:4] + struct.pack("<I", riff) + good[8:at] + struct.pack("<I", size) + good[at + 4:])
        expect(name)
    make("rf64.wav", "-rf64", "always")
    expect("rf64.wav")
    writer.path("trailing_list.wav").write_bytes(writer.path("rf64.wav").read_bytes() + b"LIST" + struct.pack("<I", 40) + b"\x7f" * 40)
    expect("trailing_list.wav")
    run("sox", wav, "-t", "wavpcm", writer.path("sox.wav"))
    expect("sox.wav")
    for name in ("vorbis.ogg", "plain.flac", "cbr.mp3", "tones.wav"):
        make("truncated_" + name, seconds=3)
        data = writer.path("truncated_" + name).read_bytes()
        writer.path("truncated_" + name).write_bytes(data[: len(data) * 3 // 4])
        expect("truncated_" + name, seconds=None)
    writer.path("renamed.mp3").write_bytes(good)
    expect("renamed.mp3")
    writer.path("no_extension").write_bytes(writer.path("plain.flac").read_bytes())
    expect("no_extension")

    # Streams that change.
    vorbis = writer.path("vorbis.ogg").read_bytes()
    make("other.ogg", "-c:a", "libvorbis", "-serial_offset", "77")
    writer.path("chained.ogg").write_bytes(vorbis + writer.path("other.ogg").read_bytes())
    writer.path("other.ogg").unlink()
    expect("chained.ogg", seconds=1)
    make("mono.ogg", "-c:a", "libvorbis", "-serial_offset", "78", channels=1)
    writer.path("chained_mono.ogg").write_bytes(vorbis + writer.path("mono.ogg").read_bytes())
    writer.path("mono.ogg").unlink()
    expect("chained_mono.ogg", seconds=1, tones=[440], notice="channels are converted")
    make("slow.ogg", "-c:a", "libvorbis", "-serial_offset", "79", rate=22050)
    writer.path("chained_rate.ogg").write_bytes(vorbis + writer.path("slow.ogg").read_bytes())
    writer.path("slow.ogg").unlink()
    expect("chained_rate.ogg", notice="sample rate changes from 44100 to 22050 Hz")
    writer.path("mono_then_stereo.mp3").write_bytes(writer.path("mono.mp3").read_bytes() + writer.path("cbr.mp3").read_bytes())
    expect("mono_then_stereo.mp3", channels=1, seconds=1, tones=[], notice="channels are converted")

    # What ffmpeg decodes, and what nothing decodes.
    for name, kind, options in (("speech.wma", "a Windows Media file", ["-c:a", "wmav2"]), ("film.ac3", "an AC-3 file", ["-c:a", "ac3"]),
                                ("sun.au", "a Sun audio file", []), ("loss_less.tta", "a True Audio file", ["-c:a", "tta"]),
                                ("packed.wv", "a WavPack file", ["-c:a", "wavpack"])):
        make(name, *options)
        expect(name, seconds=None, without_ffmpeg=kind)
    writer.path("picture.wav").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    writer.fail("picture.wav", "this is a picture")
    writer.path("score.mid").write_bytes(b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk\0\0\0\x04\0\xff\x2f\0")
    writer.fail("score.mid", "this is a MIDI file")
    writer.path("page.mp3").write_bytes(b"<!DOCTYPE html><title>404</title>" + b" " * 200)
    writer.fail("page.mp3", "this is a web page")
    writer.path("text.mp3").write_bytes(b"These are words, not music. " * 20)
    writer.fail("text.mp3", "not a supported audio file")
    writer.path("empty.wav").write_bytes(b"")
    writer.fail("empty.wav", "has no audio")
    writer.path("header_only.wav").write_bytes(good[:at + 4])
    writer.fail("header_only.wav", "has no audio")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
