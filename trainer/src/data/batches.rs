//! Batches for training, made on a thread of their own while the last one trains.

use super::cache::{Cache, Example};
use crate::error::Result;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};
use std::sync::mpsc::{Receiver, sync_channel};

/// Windows and their labels, row by row.
pub struct Batch {
    /// `[rows, window]`.
    pub waveforms: Vec<f32>,
    /// `[rows, tags]`.
    pub targets: Vec<f32>,
    /// How many rows.
    pub rows: usize,
}

impl Batch {
    /// The batch in at most so many parts of nearly as many rows, each of at least two:
    /// a single row has no variance to normalise by.
    pub fn split(&self, parts: usize) -> Vec<Self> {
        let parts = parts.min(self.rows / 2).max(1);
        let (window, tags) = (self.waveforms.len() / self.rows.max(1), self.targets.len() / self.rows.max(1));
        let edge = |part: usize| part * self.rows / parts;
        let share = |part: usize| Self {
            waveforms: self.waveforms[edge(part) * window..edge(part + 1) * window].to_vec(),
            targets: self.targets[edge(part) * tags..edge(part + 1) * tags].to_vec(),
            rows: edge(part + 1) - edge(part),
        };
        (0..parts).map(share).collect()
    }
}

/// How training varies what it hears; the labels stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// A window starts up to so many samples earlier or later.
    pub shift: usize,
    /// It is multiplied by a factor in this range, even in its logarithm.
    pub gain: (f32, f32),
    /// Half of all windows are turned upside down.
    pub polarity: bool,
    /// Gaussian noise is added, up to this deviation, even from zero on.
    pub noise: f32,
}

impl Augmentation {
    /// Nothing varies.
    pub const NONE: Self = Self { shift: 0, gain: (1.0, 1.0), polarity: false, noise: 0.0 };

    fn vary(&self, waveform: &mut [f32], random: &mut StdRng) {
        let (low, high) = (self.gain.0.ln(), self.gain.1.ln());
        let mut factor = (low + (high - low) * random.random::<f32>()).exp();
        if self.polarity && random.random() {
            factor = -factor;
        }
        waveform.iter_mut().for_each(|sample| *sample *= factor);
        if self.noise > 0.0 {
            let deviation = self.noise * random.random::<f32>();
            waveform.iter_mut().for_each(|sample| *sample += deviation * random.sample::<f32, _>(StandardNormal));
        }
    }
}

impl Default for Augmentation {
    fn default() -> Self {
        Self::NONE
    }
}

/// The order and the variations of one pass over examples: the same for the same
/// seed, whatever the machine does meanwhile, and from whichever batch it starts.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    /// Where the examples are from.
    pub cache: &'a Cache,
    /// The examples.
    pub examples: &'a [Example],
    /// Samples a row.
    pub window: usize,
    /// Rows a batch; the last may have fewer.
    pub rows: usize,
    /// How windows vary.
    pub augmentation: &'a Augmentation,
    /// `None` keeps the examples' own order.
    pub shuffle: Option<u64>,
    /// Batches that were seen before.
    pub skip: usize,
}

/// Batches a loader makes ahead.
const AHEAD: usize = 4;

impl<'a> Pass<'a> {
    /// A pass in the examples' own order, with nothing varied.
    pub fn plain(cache: &'a Cache, examples: &'a [Example], window: usize, rows: usize) -> Self {
        Self { cache, examples, window, rows, augmentation: &Augmentation::NONE, shuffle: None, skip: 0 }
    }

    /// Starts making the batches in `scope`; they arrive in order and end when all
    /// examples have been seen. Dropping the receiver ends the thread.
    pub fn start<'scope>(self, scope: &'scope std::thread::Scope<'scope, '_>) -> Receiver<Result<Batch>>
    where
        'a: 'scope,
    {
        let (sender, receiver) = sync_channel(AHEAD);
        scope.spawn(move || {
            let mut order = self.examples.to_vec();
            if let Some(seed) = self.shuffle {
                order.shuffle(&mut StdRng::seed_from_u64(seed));
            }
            for (number, rows) in order.chunks(self.rows).enumerate().skip(self.skip) {
                // Each batch has its own seed, so that a pass can start anywhere.
                let seed = self.shuffle.unwrap_or(0).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(number as u64);
                let mut random = StdRng::seed_from_u64(seed);
                if sender.send(self.batch(rows, &mut random)).is_err() {
                    return;
                }
            }
        });
        receiver
    }

    fn batch(&self, rows: &[Example], random: &mut StdRng) -> Result<Batch> {
        let mut batch = Batch {
            waveforms: vec![0.0; rows.len() * self.window],
            targets: Vec::with_capacity(rows.len() * self.cache.info.tags.len()),
            rows: rows.len(),
        };
        for (example, waveform) in rows.iter().zip(batch.waveforms.chunks_exact_mut(self.window)) {
            let shift = self.augmentation.shift;
            let earliest = example.start.saturating_sub(shift);
            let latest = (example.start + shift).min(self.cache.track(example.track).samples - self.window);
            self.cache.read(example.track, random.random_range(earliest..=latest), waveform)?;
            if *self.augmentation != Augmentation::NONE {
                self.augmentation.vary(waveform, random);
            }
            batch.targets.extend_from_slice(self.cache.labels(*example));
        }
        Ok(batch)
    }
}
