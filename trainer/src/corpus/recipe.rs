//! The recipe for a cache: what the section `[recipe]` of a package list says.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How to fill a cache from a corpus.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Maximum number of labelled segments per recording, at least 1.
    pub max_segments: usize,
    /// Number of augmented copies of each training recording; 0 for none.
    pub augmented_copies: usize,
    /// Whether voices are mixed into a third of the augmented copies.
    pub voices: bool,
    /// Number of rendered pieces; 0 for none.
    pub pieces: usize,
    /// Length of a piece in seconds, 3 to 600.
    pub piece_seconds: f64,
    /// Number of phrases played with the single notes of the listed recordings, each `piece_seconds` long; 0 for none.
    #[serde(default)]
    pub phrases: usize,
    /// Number of recordings that each listed voice is laid over; 0 for none.
    #[serde(default)]
    pub voice_backings: usize,
    /// Number of recordings that each singer made of speech is laid over; 0 for none.
    #[serde(default)]
    pub singer_backings: usize,
    /// How far the labels of pieces, phrases and singers go from what the teachers predict, 0, to what is known, 1, in the
    /// tags that name an instrument or a voice.
    #[serde(default)]
    pub known_share: f32,
    /// A TOML file beside this one with the weights of the teachers and the classes that they share; by default they count
    /// alike and share none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ensemble: Option<PathBuf>,
    /// Seed of segments, augmentation, pieces and phrases.
    pub seed: u64,
    /// Seed for training recordings instead of `seed`. Another value gives a different training set from the same music
    /// with unchanged held-out segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_seed: Option<u64>,
    /// Whether the pseudo-labels of training recordings are computed in bfloat16, which needs OpenVINO and a
    /// processor with bfloat16. Held-out recordings are always labelled in single precision.
    #[serde(default)]
    pub bf16_labels: bool,
    /// The packages, and repositories of listed recordings, that are held out for validation and test; their recordings are
    /// not augmented, and their single notes and voices not used.
    pub held_out: Vec<String>,
}
