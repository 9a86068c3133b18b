//! A track of a cache and its labels.

use serde::{Deserialize, Serialize};

/// A decoded recording: its position in the audio of its part, and its labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// Name of the recording in the data set.
    pub source: String,
    /// The unit of the data split, which is held out as a whole: `training`, `validation` or `test` where the data set
    /// has a split of its own, else a folder, a package of the corpus or a sound font.
    pub group: String,
    /// First sample, counted from the start of the part's audio.
    pub offset: u64,
    /// Length in samples.
    pub samples: usize,
    /// Labels of the whole track or of its segments.
    pub labels: Labels,
    /// The XXH3 hash of the audio in `audio.pcm`, in hexadecimal digits, which detects duplicates.
    #[serde(rename = "fingerprint")]
    pub audio_hash: String,
    /// The XXH3 hash of the recording's file, in hexadecimal digits, which tells whose copies altered audio is; `None`
    /// where there is no file, and in caches of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_hash: Option<String>,
}

/// The labels of a track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Labels {
    /// One value per tag, 0 to 1, for the whole clip and thus for each of its windows.
    Clip(Vec<f32>),
    /// Segments with labels of their own.
    Segments(Vec<Segment>),
}

/// A labelled segment of a track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// First sample, counted from the start of the track.
    pub start: usize,
    /// Length in samples.
    pub length: usize,
    /// Pseudo-labels of the teachers: the probability of each tag.
    pub probabilities: Vec<f32>,
}
