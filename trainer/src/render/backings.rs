//! Recordings that something else is laid over.

use crate::audio::{MonoStream, Notices};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha12Rng;
use std::path::PathBuf;
use tagvane_engine::SAMPLE_RATE;

/// The recordings, from which excerpts are drawn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Backings(Vec<PathBuf>);

impl Backings {
    /// The recordings in these files; their order matters.
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self(files)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A random excerpt of at most `frames` of a random recording: mono, at the sample rate of the engine.
    ///
    /// # Errors
    /// A message where there is no recording, or this one cannot be decoded.
    pub fn excerpt(&self, frames: usize, random: &mut ChaCha12Rng) -> Result<Vec<f32>, String> {
        let path = self.0.choose(random).ok_or("there is no recording for the backing")?;
        let position = random.random_range(0.0..1.0);
        let mut stream = MonoStream::open(path, SAMPLE_RATE, Notices::Silent).map_err(|error| error.to_string())?;
        let stated = stream.stated_seconds().map(|seconds| (seconds * f64::from(SAMPLE_RATE)) as usize);
        let start = |length: usize| (position * length.saturating_sub(frames) as f64) as usize;
        // Where the length is not known, the whole recording is decoded.
        let mut first = stated.map_or(0, start);
        let wanted = stated.map_or(usize::MAX, |_| frames);
        let (mut decoded, mut excerpt) = (0, Vec::new());
        while excerpt.len() < wanted
            && let Some(block) = stream.next_block()
        {
            let skipped = first.saturating_sub(decoded).min(block.len());
            decoded += block.len();
            excerpt.extend_from_slice(&block[skipped..]);
        }
        if stated.is_none() {
            first = start(excerpt.len());
            excerpt.drain(..first);
        }
        excerpt.truncate(frames);
        match excerpt.is_empty() {
            true => Err(format!("{} is shorter than it states", path.display())),
            false => Ok(excerpt),
        }
    }
}
