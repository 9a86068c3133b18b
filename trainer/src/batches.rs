//! Batches for training, made on a thread of their own while the last one trains.

use crate::cache::Cache;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
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

/// How training varies what it hears; the labels stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// A segment starts up to so many samples earlier or later.
    pub shift: usize,
    /// It is multiplied by a factor in this range, even in its logarithm.
    pub gain: (f32, f32),
    /// Half of all segments are turned upside down.
    pub polarity: bool,
}

impl Augmentation {
    /// Nothing varies.
    pub const NONE: Self = Self { shift: 0, gain: (1.0, 1.0), polarity: false };
}

/// The order and the variations of one pass over a cache: the same for the same
/// seed, whatever the machine does meanwhile.
pub struct Pass<'a> {
    /// The segments.
    pub cache: &'a Cache,
    /// Rows a batch; the last may have fewer.
    pub rows: usize,
    /// How segments vary.
    pub augmentation: &'a Augmentation,
    /// `None` keeps the cache's own order.
    pub shuffle: Option<u64>,
}

/// Batches a loader makes ahead.
const AHEAD: usize = 4;

impl<'a> Pass<'a> {
    /// Starts making the batches in `scope`; they arrive in order and end when all
    /// segments have been seen. Dropping the receiver ends the thread.
    pub fn start<'scope>(self, scope: &'scope std::thread::Scope<'scope, '_>) -> Receiver<Batch>
    where
        'a: 'scope,
    {
        let (sender, receiver) = sync_channel(AHEAD);
        scope.spawn(move || {
            let mut order = self.cache.segments();
            let mut random = StdRng::seed_from_u64(self.shuffle.unwrap_or(0));
            if self.shuffle.is_some() {
                order.shuffle(&mut random);
            }
            for rows in order.chunks(self.rows) {
                if sender.send(self.batch(rows, &mut random)).is_err() {
                    return;
                }
            }
        });
        receiver
    }

    fn batch(&self, rows: &[(usize, usize)], random: &mut StdRng) -> Batch {
        let (window, tags) = (self.cache.info.window, self.cache.info.tags.len());
        let mut batch = Batch {
            waveforms: vec![0.0; rows.len() * window],
            targets: Vec::with_capacity(rows.len() * tags),
            rows: rows.len(),
        };
        for ((track, segment), waveform) in rows.iter().zip(batch.waveforms.chunks_exact_mut(window)) {
            let track = &self.cache.tracks[*track];
            let segment = &track.track.segments[*segment];
            let Augmentation { shift, gain, polarity } = self.augmentation;
            let earliest = segment.start.saturating_sub(*shift);
            let latest = (segment.start + shift).min(track.track.samples - window);
            track.read(random.random_range(earliest..=latest), waveform);
            let (low, high) = (gain.0.ln(), gain.1.ln());
            let mut factor = (low + (high - low) * random.random::<f32>()).exp();
            if *polarity && random.random() {
                factor = -factor;
            }
            waveform.iter_mut().for_each(|sample| *sample *= factor);
            batch.targets.extend_from_slice(&segment.probabilities);
        }
        batch
    }
}
