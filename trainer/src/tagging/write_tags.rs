//! Writes the mean predictions of recordings into the audio files themselves, as tags.

use super::embedded::EmbeddedTags;
use super::replace::replace_file;
use super::tagger::TaggedRecording;
use crate::error::{Result, TrainerError};
use crate::files;
use std::fmt;
use std::path::{Path, PathBuf};
use tagvane_audio::{AudioStream, metadata_values};
use xxhash_rust::xxh3::Xxh3Default;

/// The field with the tags and their mean probabilities, highest first: `guitar 0.83; rock 0.71`.
pub const TAGS_FIELD: &str = "TAGVANE";
/// The field with the model and the settings that the tags are from.
pub const MODEL_FIELD: &str = "TAGVANE_MODEL";
/// The field with the genres that were added to those of the file.
pub const GENRES_FIELD: &str = "TAGVANE_GENRES";

/// All fields that are written.
const FIELDS: [&str; 3] = [TAGS_FIELD, MODEL_FIELD, GENRES_FIELD];

/// Digits of the hash of the model in [`MODEL_FIELD`].
const HASH_DIGITS: usize = 16;

/// Between the values of a field.
const SEPARATOR: &str = "; ";

/// Writes tags into audio files.
#[derive(Debug)]
pub struct TagWriter {
    /// What [`MODEL_FIELD`] gets: the name of the model, then what its tags depend on.
    model: String,
    threshold: f32,
    /// The tags that are also genres.
    genres: Vec<String>,
}

/// What is written into a file.
#[derive(Debug, Clone, PartialEq)]
pub struct TagChange {
    /// The audio file.
    pub file: PathBuf,
    /// The tags and their probabilities; empty if none reaches the threshold.
    pub tags: String,
    /// The genres that are added.
    pub added_genres: Vec<String>,
    /// The genres that are taken back, which an earlier change had added.
    pub removed_genres: Vec<String>,
}

impl fmt::Display for TagChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags = if self.tags.is_empty() { "no tag reaches the threshold" } else { &self.tags };
        write!(f, "{}: {tags}", self.file.display())?;
        for (sign, genres) in [("+", &self.added_genres), ("-", &self.removed_genres)] {
            if !genres.is_empty() {
                write!(f, " [genre {sign} {}]", genres.join(", "))?;
            }
        }
        Ok(())
    }
}

impl TagWriter {
    /// Writes the tags of the ONNX file at `model` whose mean reaches `threshold`; `hop` is in seconds. Those that are
    /// in `genres` are also added to the genres of the file.
    ///
    /// # Errors
    /// [`TrainerError`] where the model cannot be read.
    pub fn new(model: &Path, threshold: f32, hop: f64, genres: &[String]) -> Result<Self> {
        let name = model.file_stem().unwrap_or_default().to_string_lossy();
        let mut hash = files::sha256_file(model)?;
        hash.truncate(HASH_DIGITS);
        let mut model = format!("{name}; sha256 {hash}; threshold {threshold}; hop {hop:.6} s");
        if !genres.is_empty() {
            model += &format!("; genres {}", genres.join(", "));
        }
        Ok(Self { model, threshold, genres: genres.to_vec() })
    }

    /// Whether the file has the tags of this model with these settings already.
    pub fn is_written(&self, file: &Path) -> bool {
        // A renamed model is the same model.
        let settings = |model: &str| model.split_once("; sha256 ").map(|(_, settings)| settings.to_owned());
        let tags = EmbeddedTags::read(file, false).ok();
        let model = tags.as_ref().and_then(|tags| tags.field(MODEL_FIELD));
        model.is_some_and(|model| settings(model).is_some() && settings(model) == settings(&self.model))
    }

    /// What [`write`](Self::write) would write.
    ///
    /// # Errors
    /// [`TrainerError::Content`] where the file cannot be written.
    pub fn plan(&self, tagged: &TaggedRecording) -> Result<TagChange> {
        self.change(tagged).map(|(_, _, change)| change)
    }

    /// Writes the tags into the file. A copy of it is written, and replaces it if its audio and all else in it are the
    /// same.
    ///
    /// # Errors
    /// [`TrainerError`], with the file as before, where it cannot be written or the copy differs in anything else.
    pub fn write(&self, tagged: &TaggedRecording) -> Result<TagChange> {
        let file = &tagged.file;
        let wrong = |what: String| TrainerError::content(file, what);
        let (before, after, change) = self.change(tagged)?;
        replace_file(file, |copy| {
            let mut why = None;
            for is_id3v23 in after.versions() {
                match after.save(copy, *is_id3v23).and_then(|()| self.verify(file, &before, copy, &after)) {
                    Ok(()) => return Ok(()),
                    Err(error) => why = why.or(Some(error)),
                }
                std::fs::copy(file, copy).map_err(TrainerError::file(file))?;
            }
            Err(wrong(why.unwrap_or_default()))
        })?;
        Ok(change)
    }

    /// The tags of the file, those with the change, and the change.
    fn change(&self, tagged: &TaggedRecording) -> Result<(EmbeddedTags, EmbeddedTags, TagChange)> {
        let file = &tagged.file;
        let wrong = |what: String| TrainerError::content(file, what);
        let metadata = std::fs::symlink_metadata(file).map_err(TrainerError::file(file))?;
        if metadata.is_symlink() {
            return Err(wrong("this is a symbolic link; give the file that it points to".into()));
        }
        if metadata.permissions().readonly() {
            return Err(wrong("the file is read-only; make it writable".into()));
        }
        let before = EmbeddedTags::read(file, true).map_err(wrong)?;
        if before.has_streams() {
            return Err(wrong("it has several Ogg streams, each with tags of its own; split it first".into()));
        }
        let chosen: Vec<(&str, f32)> =
            tagged.ranked_tags().into_iter().filter(|(_, mean)| *mean >= self.threshold).collect();
        let tags: Vec<String> = chosen.iter().map(|(tag, mean)| format!("{tag} {mean:.2}")).collect();
        let tags = tags.join(SEPARATOR);

        let mut after = before.clone();
        let (added_genres, removed_genres) = self.change_genres(&mut after, &chosen);
        after.set_field(TAGS_FIELD, Some(tags.as_str()).filter(|tags| !tags.is_empty()));
        after.set_field(MODEL_FIELD, Some(&self.model));
        Ok((before, after, TagChange { file: file.clone(), tags, added_genres, removed_genres }))
    }

    /// Appends the genres among the `chosen` tags to those of a file, takes back those that were appended before, and
    /// leaves all others. Returns what was added and removed.
    fn change_genres(&self, tags: &mut EmbeddedTags, chosen: &[(&str, f32)]) -> (Vec<String>, Vec<String>) {
        if self.genres.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let is_in = |genre: &str, genres: &[String]| genres.iter().any(|other| other.eq_ignore_ascii_case(genre));
        let before = tags.genres();
        let ours: Vec<String> =
            tags.field(GENRES_FIELD).into_iter().flat_map(|text| text.split(SEPARATOR)).map(str::to_owned).collect();
        let theirs: Vec<String> = before.iter().filter(|genre| !is_in(genre, &ours)).cloned().collect();
        let wanted = chosen.iter().map(|(tag, _)| (*tag).to_owned());
        let new: Vec<String> = wanted.filter(|tag| self.genres.contains(tag) && !is_in(tag, &theirs)).collect();
        let after: Vec<String> = theirs.into_iter().chain(new.iter().cloned()).collect();
        if after != before {
            tags.set_genres(&after);
        }
        tags.set_field(GENRES_FIELD, Some(new.join(SEPARATOR).as_str()).filter(|genres| !genres.is_empty()));
        let missing = |from: &[String], of: &[String]| -> Vec<String> {
            of.iter().filter(|genre| !is_in(genre, from)).cloned().collect()
        };
        (missing(&before, &after), missing(&after, &before))
    }

    /// Checks that `copy` has the wanted tags, and everything else that `file` has.
    fn verify(
        &self,
        file: &Path,
        before: &EmbeddedTags,
        copy: &Path,
        wanted: &EmbeddedTags,
    ) -> std::result::Result<(), String> {
        let written = EmbeddedTags::read(copy, true)?;
        let has_fields = FIELDS.iter().all(|name| written.field(name) == wanted.field(name));
        if !has_fields || !are_same_genres(&written, wanted) {
            return Err("the tags are not found again after they were written; nothing is changed".into());
        }
        let keeps_genres = self.genres.is_empty();
        if !written.is_same_apart_from(before, &FIELDS, keeps_genres) {
            return Err("writing would change other tags of it; nothing is changed".into());
        }
        // Symphonia reads them independently.
        let mut values = metadata_values(copy);
        let own: Vec<&str> = FIELDS.iter().filter_map(|name| before.field(name)).collect();
        for value in metadata_values(file) {
            let text = String::from_utf8_lossy(&value);
            let is_own = own.contains(&text.as_ref()) || (!keeps_genres && is_genre(&text, before));
            match values.iter().position(|other| *other == value) {
                Some(index) => drop(values.swap_remove(index)),
                None if is_own => {}
                None => {
                    let what: String = text.chars().filter(|letter| !letter.is_control()).take(40).collect();
                    return Err(format!("writing would lose \"{what}\" in its tags; nothing is changed"));
                }
            }
        }
        // A copy that cannot be decoded is not the same either.
        if audio_hash(copy).is_none_or(|hash| audio_hash(file) != Some(hash)) {
            return Err("writing tags would change its audio; convert it, for example to flac".into());
        }
        Ok(())
    }
}

/// Whether a text has genres of a file, in any notation: words, numbers, several of them.
fn is_genre(text: &str, tags: &EmbeddedTags) -> bool {
    let is_number = text.trim_matches(['(', ')']).parse::<u8>().is_ok();
    is_number || tags.genres().iter().any(|genre| text.contains(genre.as_str()))
}

/// Whether two files have the same genres. ID3v2.3 has them in one text, and 2.4 in several.
fn are_same_genres(a: &EmbeddedTags, b: &EmbeddedTags) -> bool {
    let sorted = |tags: &EmbeddedTags| {
        let mut genres: Vec<String> =
            tags.genres().iter().flat_map(|genre| genre.split('/')).map(str::to_owned).collect();
        genres.sort();
        genres
    };
    sorted(a) == sorted(b)
}

/// The sample rate, the length and the hash of each channel of the decoded audio; `None` if it cannot be decoded.
fn audio_hash(path: &Path) -> Option<(u32, u64, Vec<u64>)> {
    let mut stream = AudioStream::open(path).ok()?;
    let mut hashers = vec![Xxh3Default::new(); stream.channels()];
    let mut bytes = Vec::new();
    while let Some(channels) = stream.next_block() {
        for (hasher, samples) in hashers.iter_mut().zip(channels) {
            bytes.clear();
            bytes.extend(samples.iter().flat_map(|sample| sample.to_bits().to_le_bytes()));
            hasher.update(&bytes);
        }
    }
    Some((stream.sample_rate(), stream.frames(), hashers.iter().map(Xxh3Default::digest).collect()))
}
