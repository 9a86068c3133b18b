//! Batches for training and evaluation, prefetched on a thread of their own.

use super::cache::{Cache, Example};
use super::label_transform::LabelTransform;
use super::mixup::Mixup;
use super::waveforms::{Waveforms, widen};
use crate::error::Result;
use crate::kernels::NetworkBackend;
use burn::tensor::{Tensor, TensorPrimitive};
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};
use std::sync::mpsc::{Receiver, sync_channel};

/// A batch of windows and their labels, row-major.
pub struct Batch {
    /// The samples, `[rows, window]`.
    pub waveforms: Waveforms,
    /// Labels, 0 to 1: `[rows, tags]`.
    pub targets: Vec<f32>,
    /// Number of windows.
    pub rows: usize,
}

impl Batch {
    /// Splits the batch into at most `parts` parts of nearly equal size. Each part has at least two rows, because
    /// batch normalisation has no variance over a single row.
    pub fn split(&self, parts: usize) -> Vec<Self> {
        let parts = parts.min(self.rows / 2).max(1);
        let (window, tags) = (self.waveforms.len() / self.rows.max(1), self.targets.len() / self.rows.max(1));
        let edge = |part: usize| part * self.rows / parts;
        let rows_of = |part: usize| Self {
            waveforms: self.waveforms.rows(edge(part), edge(part + 1), window),
            targets: self.targets[edge(part) * tags..edge(part + 1) * tags].to_vec(),
            rows: edge(part + 1) - edge(part),
        };
        (0..parts).map(rows_of).collect()
    }
}

/// Copies a batch to a device: waveforms `[rows, window]` and targets `[rows, tags]`.
pub fn to_tensors<B: NetworkBackend>(batch: &Batch, device: &B::Device) -> (Tensor<B, 2>, Tensor<B, 2>) {
    let tensor = |primitive| Tensor::from_primitive(TensorPrimitive::Float(primitive));
    let shape = |length: usize| [batch.rows, length / batch.rows];
    let waveforms = match &batch.waveforms {
        Waveforms::Single(samples) => B::upload(samples, shape(samples.len()), device),
        Waveforms::Pcm { samples, gains } => B::upload_samples(samples, gains, shape(samples.len()), device),
    };
    (tensor(waveforms), tensor(B::upload(&batch.targets, shape(batch.targets.len()), device)))
}

/// Augmentation applied to each training window when it is loaded; only mixup changes labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OnlineAugmentation {
    /// Maximum time shift of the window either way, in samples at 22050 Hz; the shift is drawn uniformly and keeps the
    /// window inside the track. 0 shifts nothing.
    pub shift: usize,
    /// Lowest and highest gain, as factors above 0; the gain is drawn log-uniformly. `(1, 1)` changes nothing.
    pub gain: (f32, f32),
    /// Whether the polarity of half of the windows, drawn at random, is inverted.
    pub polarity: bool,
    /// Maximum standard deviation of added Gaussian noise, 0 to 1, where 1 is full scale; the deviation is drawn
    /// uniformly from 0 to this.
    pub noise: f32,
    /// Mixup of the windows of a batch, after all of the above; by default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mixup: Option<Mixup>,
}

impl OnlineAugmentation {
    /// No augmentation.
    pub const NONE: Self = Self { shift: 0, gain: (1.0, 1.0), polarity: false, noise: 0.0, mixup: None };

    /// The factor for a window.
    fn draw_gain(&self, random: &mut ChaCha12Rng) -> f32 {
        let (low, high) = (self.gain.0.ln(), self.gain.1.ln());
        let factor = (low + (high - low) * random.random::<f32>()).exp();
        if self.polarity && random.random() { -factor } else { factor }
    }

    fn add_noise(&self, waveform: &mut [f32], random: &mut ChaCha12Rng) {
        let deviation = self.noise * random.random::<f32>();
        waveform.iter_mut().for_each(|sample| *sample += deviation * random.sample::<f32, _>(StandardNormal));
    }
}

impl Default for OnlineAugmentation {
    fn default() -> Self {
        Self::NONE
    }
}

/// Loads the batches of one epoch. Order and augmentation depend on the seed alone, also when loading resumes
/// in the middle of an epoch.
#[derive(Clone, Copy)]
pub struct DataLoader<'a> {
    /// The cache that holds the examples.
    pub cache: &'a Cache,
    /// The windows to load.
    pub examples: &'a [Example],
    /// Samples per window.
    pub window: usize,
    /// Windows per batch; the last batch may have fewer.
    pub batch_size: usize,
    /// Augmentation of each window.
    pub augmentation: &'a OnlineAugmentation,
    /// Change to the labels, before mixup.
    pub labels: LabelTransform,
    /// Seed of shuffling and augmentation; `None` keeps the order of `examples`.
    pub shuffle_seed: Option<u64>,
    /// Leading batches to leave out, because they were trained on before an interruption.
    pub skip_batches: usize,
}

/// Batches that are prefetched.
const PREFETCH: usize = 4;

impl<'a> DataLoader<'a> {
    /// Loads the examples in their given order, without augmentation, with their own labels.
    pub fn sequential(cache: &'a Cache, examples: &'a [Example], window: usize, batch_size: usize) -> Self {
        let augmentation = &OnlineAugmentation::NONE;
        let labels = LabelTransform::NONE;
        Self { cache, examples, window, batch_size, augmentation, labels, shuffle_seed: None, skip_batches: 0 }
    }

    /// Spawns a thread in `scope` that sends the batches in order. The thread ends after the last batch, or when the
    /// receiver is dropped.
    pub fn spawn<'scope>(self, scope: &'scope std::thread::Scope<'scope, '_>) -> Receiver<Result<Batch>>
    where
        'a: 'scope,
    {
        let (sender, receiver) = sync_channel(PREFETCH);
        scope.spawn(move || {
            let mut order = self.examples.to_vec();
            if let Some(seed) = self.shuffle_seed {
                order.shuffle(&mut ChaCha12Rng::seed_from_u64(seed));
            }
            for (number, rows) in order.chunks(self.batch_size).enumerate().skip(self.skip_batches) {
                // Each batch has its own seed, so that an epoch can resume at any batch.
                let seed =
                    self.shuffle_seed.unwrap_or(0).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(number as u64);
                let mut random = ChaCha12Rng::seed_from_u64(seed);
                if sender.send(self.load(rows, &mut random)).is_err() {
                    return;
                }
            }
        });
        receiver
    }

    fn load(&self, rows: &[Example], random: &mut ChaCha12Rng) -> Result<Batch> {
        let augmentation = self.augmentation;
        let mut samples = vec![0; rows.len() * self.window];
        let mut targets = Vec::with_capacity(rows.len() * self.cache.info.tags.len());
        let (mut gains, mut noisy) = (Vec::new(), Vec::new());
        for (example, samples) in rows.iter().zip(samples.chunks_exact_mut(self.window)) {
            let earliest = example.start.saturating_sub(augmentation.shift);
            let latest =
                (example.start + augmentation.shift).min(self.cache.track(example.track).samples - self.window);
            self.cache.read_samples(example.track, random.random_range(earliest..=latest), samples)?;
            if *augmentation != OnlineAugmentation::NONE {
                gains.push(augmentation.draw_gain(random));
            }
            if augmentation.noise > 0.0 {
                let from = noisy.len();
                noisy.extend(widen(samples, &gains[gains.len() - 1..], self.window));
                augmentation.add_noise(&mut noisy[from..], random);
            }
            targets.extend(self.cache.labels(*example).iter().map(|label| self.labels.apply(*label)));
        }
        let mut waveforms = if noisy.is_empty() { Waveforms::Pcm { samples, gains } } else { Waveforms::Single(noisy) };
        if let Some(mixup) = &augmentation.mixup
            && rows.len() > 1
        {
            let mut mixed = waveforms.into_single(self.window);
            mixup.mix(&mut mixed, &mut targets, rows.len(), random)?;
            waveforms = Waveforms::Single(mixed);
        }
        Ok(Batch { waveforms, targets, rows: rows.len() })
    }
}
