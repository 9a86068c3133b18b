//! The tags in audio files, in whichever kind a format has: ID3v2, Vorbis comments, MP4 atoms or APE.

use lofty::ape::{ApeFile, ApeItem, ApeTag};
use lofty::config::{GlobalOptions, ParseOptions, ParsingMode, WriteOptions, apply_global_options};
use lofty::file::{AudioFile, FileType, TaggedFileExt as _};
use lofty::flac::FlacFile;
use lofty::id3::v1::GENRES;
use lofty::id3::v2::{Frame, FrameId, Id3v2Tag, Id3v2Version, TextInformationFrame};
use lofty::mp4::{Atom, AtomData, AtomIdent, Ilst, Mp4File};
use lofty::mpeg::MpegFile;
use lofty::musepack::MpcFile;
use lofty::ogg::tag::VorbisComments;
use lofty::ogg::{OggPictureStorage as _, OpusFile, SpeexFile, VorbisFile};
use lofty::probe::Probe;
use lofty::tag::{ItemValue, Tag, TagExt as _, TagType};
use lofty::wavpack::WavPackFile;
use lofty::{TextEncoding, aac::AacFile, iff::aiff::AiffFile, iff::wav::WavFile};
use std::borrow::Cow;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// The largest picture or text that is read, in bytes.
const MAX_ITEM: usize = 256 << 20;

/// The most bytes before the first frame of an MP3 file.
const MAX_JUNK: usize = 1 << 16;

/// The genre in ID3v2, MP4 and the two others.
const TCON: FrameId<'static> = FrameId::Valid(Cow::Borrowed("TCON"));
const MP4_GENRE: AtomIdent<'static> = AtomIdent::Fourcc(*b"\xa9gen");
const MP4_GENRE_NUMBER: AtomIdent<'static> = AtomIdent::Fourcc(*b"gnre");
const GENRE: &str = "GENRE";

/// The tags of an audio file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EmbeddedTags {
    kind: Kind,
    /// Whether the file has several logical streams, as a chained Ogg file does.
    has_streams: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Id3v2(Id3v2Tag),
    VorbisComments(VorbisComments),
    Ilst(Ilst),
    Ape(ApeTag),
}

impl EmbeddedTags {
    /// Reads the tags of the file at `path`. A file without tags of its format's kind has those of other kinds that are
    /// in it, so that they stay visible to programs that read only the first kind. In a strict reading no damaged
    /// item is left out.
    ///
    /// # Errors
    /// A sentence, without the name of the file.
    pub(super) fn read(path: &Path, is_strict: bool) -> Result<Self, String> {
        let unreadable = |error: io::Error| format!("its tags cannot be read: {error}");
        // The options are those of this thread.
        apply_global_options(GlobalOptions::new().allocation_limit(MAX_ITEM).use_custom_resolvers(false));
        let mut reader = BufReader::new(File::open(path).map_err(unreadable)?);
        let Some(file_type) = file_type(&mut reader, path, parse_options(is_strict)).map_err(unreadable)? else {
            return Err(
                "tags cannot be written into this kind of file; convert it to flac, mp3, m4a, ogg or opus".into()
            );
        };
        let mut without_id3v1 = WithoutId3v1::new(&mut reader).map_err(unreadable)?;
        let parsed = read_kind(&mut without_id3v1, file_type, parse_options(is_strict));
        let kind = parsed.map_err(|error| {
            let why = causes(&error);
            format!("its tags are damaged, and writing would lose a part of them: {why}; mend them with a tag editor")
        })?;
        let kind = match kind {
            Some(kind) => kind,
            None => Kind::of_others(path, file_type),
        };
        let has_streams = matches!(file_type, FileType::Vorbis | FileType::Opus | FileType::Speex)
            && ogg_streams(&mut reader).map_err(unreadable)? > 1;
        Ok(Self { kind, has_streams })
    }

    /// Whether the file has several logical streams, each with tags of its own.
    pub(super) fn has_streams(&self) -> bool {
        self.has_streams
    }

    /// The value of a field that no standard knows.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        match &self.kind {
            Kind::Id3v2(tag) => tag.get_user_text(name),
            Kind::VorbisComments(tag) => tag.get(name),
            Kind::Ilst(tag) => tag.get(&freeform(name)).and_then(|atom| atom.data().find_map(text_of)),
            Kind::Ape(tag) => tag.get(name).and_then(|item| item.text_values()?.next()),
        }
    }

    /// Sets a field that no standard knows, or removes it.
    pub(super) fn set_field(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match &mut self.kind {
            Kind::Id3v2(tag) => {
                tag.remove_user_text(name);
                value.and_then(|value| tag.insert_user_text(name.into(), value));
            }
            Kind::VorbisComments(tag) => {
                tag.remove(name).for_each(drop);
                value.into_iter().for_each(|value| tag.push(name.into(), value));
            }
            Kind::Ilst(tag) => {
                let ident = AtomIdent::Freeform { mean: "com.apple.iTunes".into(), name: name.to_owned().into() };
                tag.remove(&ident).for_each(drop);
                value.into_iter().for_each(|value| tag.insert(Atom::new(ident.clone(), AtomData::UTF8(value))));
            }
            Kind::Ape(tag) => {
                tag.remove(name);
                // The names of the fields are valid.
                let item = value.and_then(|value| ApeItem::new(name.into(), ItemValue::Text(value)).ok());
                item.into_iter().for_each(|item| tag.insert(item));
            }
        }
    }

    /// The genres.
    pub(super) fn genres(&self) -> Vec<String> {
        match &self.kind {
            Kind::Id3v2(tag) => {
                let genres = tag.genres().into_iter().flatten();
                // Before version 2.4 a field has one value, in which programs list several genres like this.
                let separator = if is_before_v4(tag) { '/' } else { '\0' };
                genres.flat_map(|genre| genre.split(separator)).map(str::to_owned).collect()
            }
            Kind::VorbisComments(tag) => tag.get_all(GENRE).map(str::to_owned).collect(),
            Kind::Ilst(tag) => {
                let words = tag.get(&MP4_GENRE).into_iter().flat_map(|atom| atom.data().filter_map(text_of));
                let number = tag.get(&MP4_GENRE_NUMBER).and_then(|atom| atom.data().find_map(number_of));
                let numbered = number.and_then(|number| GENRES.get(number.checked_sub(1)?));
                let mut genres: Vec<String> = words.map(str::to_owned).collect();
                genres.extend(numbered.filter(|_| genres.is_empty()).map(|genre| (*genre).to_owned()));
                genres
            }
            Kind::Ape(tag) => {
                let values = tag.get(GENRE).and_then(|item| item.text_values());
                values.into_iter().flatten().map(str::to_owned).collect()
            }
        }
    }

    /// Replaces the genres.
    pub(super) fn set_genres(&mut self, genres: &[String]) {
        match &mut self.kind {
            Kind::Id3v2(tag) => {
                let separator = if is_before_v4(tag) { "/" } else { "\0" };
                tag.remove(&TCON).for_each(drop);
                if !genres.is_empty() {
                    let text = genres.join(separator);
                    tag.insert(Frame::Text(TextInformationFrame::new(TCON, TextEncoding::UTF8, text)));
                }
            }
            Kind::VorbisComments(tag) => {
                tag.remove(GENRE).for_each(drop);
                genres.iter().for_each(|genre| tag.push(GENRE.into(), genre.clone()));
            }
            Kind::Ilst(tag) => {
                tag.remove(&MP4_GENRE_NUMBER).for_each(drop);
                tag.remove(&MP4_GENRE).for_each(drop);
                let data = genres.iter().cloned().map(AtomData::UTF8).collect();
                Atom::from_collection(MP4_GENRE, data).into_iter().for_each(|atom| tag.insert(atom));
            }
            Kind::Ape(tag) => {
                tag.remove(GENRE);
                let value = ItemValue::Text(genres.join("\0"));
                let item = ApeItem::new("Genre".into(), value).ok().filter(|_| !genres.is_empty());
                item.into_iter().for_each(|item| tag.insert(item));
            }
        }
    }

    /// The ways to save the tags, best first: whether as version 2.3 of ID3. A file keeps its version where that loses
    /// nothing.
    pub(super) fn versions(&self) -> &'static [bool] {
        match &self.kind {
            Kind::Id3v2(tag) if is_before_v4(tag) => &[true, false],
            _ => &[false],
        }
    }

    /// Writes the tags into the file at `path`, which has the same format as the one that they were read from.
    ///
    /// # Errors
    /// A sentence, without the name of the file. The file may be damaged then.
    pub(super) fn save(&self, path: &Path, is_id3v23: bool) -> Result<(), String> {
        let mut options = WriteOptions::new().preferred_padding(0).respect_read_only(false);
        let options = options.use_id3v23(is_id3v23).lossy_text_encoding(false).parse_options(parse_options(false));
        let saved = match &self.kind {
            Kind::Id3v2(tag) => tag.save_to_path(path, options),
            Kind::VorbisComments(tag) => tag.save_to_path(path, options),
            Kind::Ilst(tag) => tag.save_to_path(path, options),
            Kind::Ape(tag) => tag.save_to_path(path, options),
        };
        saved.map_err(|error| format!("its tags cannot be written: {}", causes(&error)))
    }

    /// Whether both have the same items, in any order, apart from `fields` and, on demand, the genres.
    pub(super) fn is_same_apart_from(&self, other: &Self, fields: &[&str], with_genres: bool) -> bool {
        let without = |tags: &Self| {
            let mut tags = tags.clone();
            fields.iter().for_each(|name| tags.set_field(name, None));
            if !with_genres {
                tags.set_genres(&[]);
            }
            tags.kind
        };
        match (without(self), without(other)) {
            (Kind::Id3v2(a), Kind::Id3v2(b)) => are_permuted(a.iter(), b.iter()),
            (Kind::VorbisComments(a), Kind::VorbisComments(b)) => {
                // An empty value is as good as none, and is not written.
                let items = |tag: &VorbisComments| -> Vec<(String, String)> {
                    let items = tag.items().filter(|(_, value)| !value.is_empty());
                    items.map(|(key, value)| (key.to_uppercase(), value.to_owned())).collect()
                };
                are_permuted(items(&a).iter(), items(&b).iter())
                    && are_permuted(a.pictures().iter(), b.pictures().iter())
            }
            (Kind::Ilst(a), Kind::Ilst(b)) => are_permuted((&a).into_iter(), (&b).into_iter()),
            (Kind::Ape(a), Kind::Ape(b)) => are_permuted((&a).into_iter(), (&b).into_iter()),
            _ => false,
        }
    }
}

impl Kind {
    /// New tags of the kind of a format, with what tags of other kinds in the file say.
    fn of_others(path: &Path, file_type: FileType) -> Self {
        let target = file_type.primary_tag_type();
        let others = lofty::read_from_path(path).map(|file| file.tags().to_vec()).unwrap_or_default();
        let mut tag = others.into_iter().find(|tag| !tag.is_empty()).unwrap_or_else(|| Tag::new(target));
        tag.re_map(target);
        match target {
            TagType::VorbisComments => Self::VorbisComments(tag.into()),
            TagType::Mp4Ilst => Self::Ilst(tag.into()),
            TagType::Ape => Self::Ape(tag.into()),
            _ => Self::Id3v2(tag.into()),
        }
    }
}

fn parse_options(is_strict: bool) -> ParseOptions {
    let mode = if is_strict { ParsingMode::Strict } else { ParsingMode::BestAttempt };
    let mut options = ParseOptions::new().parsing_mode(mode).max_junk_bytes(MAX_JUNK);
    options.read_properties(false).implicit_conversions(false)
}

/// An error and its causes.
fn causes(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// The format of a file that can get tags, by its content; `None` for all others.
fn file_type(reader: &mut BufReader<File>, path: &Path, options: ParseOptions) -> io::Result<Option<FileType>> {
    let mut start = [0; 4];
    let length = reader.read(&mut start)?;
    reader.rewind()?;
    let guess = Probe::new(&mut *reader).options(options).guess_file_type()?.file_type();
    reader.rewind()?;
    let is_stream = |file_type: FileType| matches!(file_type, FileType::Mpeg | FileType::Aac);
    // Frames of MPEG and ADTS are also looked for after other bytes, and are found there by chance.
    let has_frame = length == 4 && (start.starts_with(b"ID3") || (start[0] == 0xff && start[1] & 0xe0 == 0xe0));
    let is_by_chance =
        |file_type: FileType| is_stream(file_type) && !has_frame && !FileType::from_path(path).is_some_and(is_stream);
    Ok(guess.filter(|file_type| !is_by_chance(*file_type)))
}

/// A file without the ID3v1 tag at its end, which is not written and need not be right.
struct WithoutId3v1<'a> {
    reader: &'a mut BufReader<File>,
    end: u64,
}

impl<'a> WithoutId3v1<'a> {
    fn new(reader: &'a mut BufReader<File>) -> io::Result<Self> {
        const LENGTH: u64 = 128;
        let mut end = reader.seek(SeekFrom::End(0))?;
        if let Some(start) = end.checked_sub(LENGTH) {
            let mut name = [0; 3];
            reader.seek(SeekFrom::Start(start))?;
            reader.read_exact(&mut name)?;
            end = if &name == b"TAG" { start } else { end };
        }
        reader.rewind()?;
        Ok(Self { reader, end })
    }
}

impl Read for WithoutId3v1<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.end.saturating_sub(self.reader.stream_position()?);
        let count = buffer.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        self.reader.read(&mut buffer[..count])
    }
}

impl Seek for WithoutId3v1<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.reader.seek(match to {
            SeekFrom::End(offset) => SeekFrom::Start(self.end.saturating_add_signed(offset)),
            to => to,
        })
    }
}

/// Reads the tags of a file that programs read first; `None` if there are none.
fn read_kind(
    reader: &mut WithoutId3v1<'_>,
    file_type: FileType,
    options: ParseOptions,
) -> Result<Option<Kind>, lofty::error::FileParseError> {
    Ok(match file_type {
        FileType::Aac => AacFile::read_from(reader, options)?.id3v2().cloned().map(Kind::Id3v2),
        FileType::Aiff => AiffFile::read_from(reader, options)?.id3v2().cloned().map(Kind::Id3v2),
        FileType::Wav => WavFile::read_from(reader, options)?.id3v2().cloned().map(Kind::Id3v2),
        FileType::Mpeg => {
            let file = MpegFile::read_from(reader, options)?;
            let ape = || file.ape().cloned().map(Kind::Ape);
            file.id3v2().cloned().map(Kind::Id3v2).or_else(ape)
        }
        FileType::Mp4 => Mp4File::read_from(reader, options)?.ilst().cloned().map(Kind::Ilst),
        FileType::Ape => ApeFile::read_from(reader, options)?.ape().cloned().map(Kind::Ape),
        FileType::Mpc => MpcFile::read_from(reader, options)?.ape().cloned().map(Kind::Ape),
        FileType::WavPack => WavPackFile::read_from(reader, options)?.ape().cloned().map(Kind::Ape),
        FileType::Vorbis => {
            Some(Kind::VorbisComments(VorbisFile::read_from(reader, options)?.vorbis_comments().clone()))
        }
        FileType::Opus => Some(Kind::VorbisComments(OpusFile::read_from(reader, options)?.vorbis_comments().clone())),
        FileType::Speex => Some(Kind::VorbisComments(SpeexFile::read_from(reader, options)?.vorbis_comments().clone())),
        FileType::Flac => {
            // The pictures of a FLAC file are beside its comments, but are written with them.
            let file = FlacFile::read_from(reader, options)?;
            let mut comments = file.vorbis_comments().cloned().unwrap_or_default();
            for (picture, information) in file.pictures() {
                let _ = comments.insert_picture(picture.clone(), Some(*information));
            }
            let is_new = file.vorbis_comments().is_none() && file.pictures().is_empty();
            (!is_new).then_some(Kind::VorbisComments(comments))
        }
        _ => None,
    })
}

/// The number of logical streams of an Ogg file: its pages that begin one (RFC 3533, section 6).
fn ogg_streams(reader: &mut BufReader<File>) -> io::Result<usize> {
    const BEGINS_STREAM: u8 = 2;
    reader.rewind()?;
    let (mut count, mut header) = (0, [0; 27]);
    loop {
        match reader.read_exact(&mut header) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(count),
            result => result?,
        }
        if &header[..4] != b"OggS" {
            return Ok(count);
        }
        count += usize::from(header[5] & BEGINS_STREAM != 0);
        let mut segments = vec![0; usize::from(header[26])];
        match reader.read_exact(&mut segments) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(count),
            result => result?,
        }
        reader.seek_relative(segments.iter().map(|length| i64::from(*length)).sum())?;
    }
}

fn is_before_v4(tag: &Id3v2Tag) -> bool {
    tag.original_version() != Id3v2Version::V4
}

fn freeform(name: &str) -> AtomIdent<'_> {
    AtomIdent::Freeform { mean: "com.apple.iTunes".into(), name: name.into() }
}

fn text_of(data: &AtomData) -> Option<&str> {
    match data {
        AtomData::UTF8(text) | AtomData::UTF16(text) => Some(text),
        _ => None,
    }
}

/// The number in the last two bytes of an atom.
fn number_of(data: &AtomData) -> Option<usize> {
    match data {
        AtomData::Unknown { data, .. } => Some(usize::from(u16::from_be_bytes(*data.last_chunk()?))),
        AtomData::SignedInteger(number) => usize::try_from(*number).ok(),
        AtomData::UnsignedInteger(number) => usize::try_from(*number).ok(),
        _ => None,
    }
}

/// Whether `b` has the items of `a` in any order.
fn are_permuted<'a, T: PartialEq + 'a>(a: impl Iterator<Item = &'a T>, b: impl Iterator<Item = &'a T>) -> bool {
    let mut rest: Vec<&T> = b.collect();
    for item in a {
        let Some(index) = rest.iter().position(|other| *other == item) else { return false };
        rest.swap_remove(index);
    }
    rest.is_empty()
}
