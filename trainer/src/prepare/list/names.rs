//! What the names of columns, groups and files in a list mean.

use crate::files;
use std::path::Path;

/// What the name of a column says about its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The path of the recording.
    Path,
    /// A tag.
    Tag,
    /// Several tags in a cell.
    Tags,
    /// The group of the split.
    Group,
    /// An artist, album or title, which is a tag only where nothing else is.
    Metadata,
    /// Nothing that is used: an identifier, a length and the like.
    Ignored,
    /// The name says nothing: it may be a tag itself.
    Unknown,
}

impl Meaning {
    /// Whether a name with this meaning can only be one of a column.
    pub(super) fn is_certain(self) -> bool {
        matches!(self, Self::Path | Self::Tag | Self::Tags | Self::Group)
    }
}

/// A name without case and without what joins words: `MP3_Path` is `mp3path`.
fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '_', '-', '.'], "")
}

/// What the name of a column says.
pub(super) fn meaning(name: &str) -> Meaning {
    let plain = plain(name);
    // `tag 2` is a tag as `tag` is; a name of digits only, such as 1980, stays.
    let word = plain.trim_end_matches(|letter: char| letter.is_ascii_digit());
    match if word.is_empty() { plain.as_str() } else { word } {
        "path" | "file" | "files" | "filename" | "filenames" | "filepath" | "fname" | "relativepath" | "relpath"
        | "fullpath" | "audio" | "audiopath" | "audiofile" | "audiofilename" | "audiofilepath" | "mp3path"
        | "mp3file" | "mp3filename" | "wavpath" | "wavfile" | "wavfilename" | "trackpath" | "songpath" | "clippath"
        | "soundfile" | "slicefilename" => Meaning::Path,
        "tag" | "label" | "genre" | "class" | "category" => Meaning::Tag,
        "tags" | "labels" | "genres" | "classes" | "categories" => Meaning::Tags,
        "group" | "split" | "partition" | "subset" | "fold" | "datasplit" => Meaning::Group,
        "artist" | "artistname" | "album" | "albumname" | "title" | "tracktitle" => Meaning::Metadata,
        "" | "duration" | "seconds" | "start" | "end" | "starttime" | "endtime" | "url" | "bitrate" | "samplerate"
        | "md5" | "sha" | "index" => Meaning::Ignored,
        _ if is_identifier(name.trim()) => Meaning::Ignored,
        _ => Meaning::Unknown,
    }
}

/// Whether a name is one of an identifier: `id`, `clip_id`, `TRACK_ID`, `trackID`; `acid` is none.
fn is_identifier(name: &str) -> bool {
    let Some(split) = name.len().checked_sub(2).filter(|split| name.is_char_boundary(*split)) else { return false };
    let (start, end) = name.split_at(split);
    let follows_word = start.is_empty() || start.ends_with(['_', ' ', '-', '.']);
    end.eq_ignore_ascii_case("id") && (follows_word || end.starts_with('I') && start.ends_with(char::is_lowercase))
}

/// The group that a word stands for: `training`, `validation` or `test`.
pub(super) fn group(word: &str) -> Option<&'static str> {
    match plain(word).as_str() {
        "training" | "train" => Some("training"),
        "validation" | "valid" | "validate" | "val" | "dev" | "development" => Some("validation"),
        "test" | "testing" | "eval" | "evaluation" => Some("test"),
        _ => None,
    }
}

/// Whether a cell is the name of an audio file, by its extension.
pub(super) fn is_audio_name(cell: &str) -> bool {
    files::is_audio(Path::new(cell.trim()))
}

/// A label in a cell: a number from 0 to 1, or a word for one. `None` where it is something else.
pub(super) fn label(cell: &str) -> Option<f32> {
    match cell.to_lowercase().as_str() {
        "true" | "yes" => return Some(1.0),
        "false" | "no" => return Some(0.0),
        _ => {}
    }
    // Where commas are decimal points, they do not separate cells.
    let value: f32 = cell.replace(',', ".").parse().ok()?;
    (0.0..=1.0).contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_what_they_say_in_any_case() {
        for (names, expected) in [
            (&["path", "File", "FILE_NAME", "filename", "mp3_path", "Audio File", "audio"][..], Meaning::Path),
            (&["tag", "LABEL", "genre", "tag_2", "Tag 3"], Meaning::Tag),
            (&["TAGS", "labels", "genres"], Meaning::Tags),
            (&["group", "Split", "fold", "subset"], Meaning::Group),
            (&["clip_id", "TRACK_ID", "id", "trackID", "DURATION", ""], Meaning::Ignored),
            (&["Artist", "album_name"], Meaning::Metadata),
            (&["acid", "rock", "mood", "pathos", "hybrid", "1980", "é"], Meaning::Unknown),
        ] {
            for name in names {
                assert_eq!(meaning(name), expected, "{name}");
            }
        }
        let groups = ["Train", "training", "val", "VALID", "dev", "testing", "test", "1", "heldout"].map(group);
        assert_eq!(groups[..2], [Some("training"); 2]);
        assert_eq!(groups[2..5], [Some("validation"); 3]);
        assert_eq!(groups[5..], [Some("test"), Some("test"), None, None]);
    }

    #[test]
    fn labels_are_numbers_from_0_to_1_or_words_for_them() {
        let labels = ["0", "1.0", "0.25", "0,25", "True", "FALSE", "Y", "-0.1", "NaN", "rock", ""].map(label);
        let [a, b, c, d, e, f] = [0.0, 1.0, 0.25, 0.25, 1.0, 0.0].map(Some);
        assert_eq!(labels, [a, b, c, d, e, f, None, None, None, None, None]);
    }
}
