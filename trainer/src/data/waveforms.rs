//! The samples of a batch, as they are sent to a device.

/// The windows of a batch, row-major: `[rows, window]`.
#[derive(Debug, Clone)]
pub enum Waveforms {
    /// Samples, nominally in -1..1.
    Single(Vec<f32>),
    /// Samples of 16 bits, which a device gets as they are and widens itself.
    Pcm {
        /// Samples, where 32767 is full scale.
        samples: Vec<i16>,
        /// A factor for each row; empty where all are 1.
        gains: Vec<f32>,
    },
}

/// Full scale of 16-bit samples.
pub(crate) const FULL_SCALE: f32 = 32_767.0;

impl Waveforms {
    /// Number of samples.
    pub fn len(&self) -> usize {
        match self {
            Self::Single(samples) => samples.len(),
            Self::Pcm { samples, .. } => samples.len(),
        }
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples as [`Single`](Self::Single) has them, of rows of `window`.
    pub(crate) fn into_single(self, window: usize) -> Vec<f32> {
        match self {
            Self::Single(samples) => samples,
            Self::Pcm { samples, gains } => widen(&samples, &gains, window),
        }
    }

    /// The rows from `from` to `to`, of `window` samples each.
    pub(super) fn rows(&self, from: usize, to: usize, window: usize) -> Self {
        match self {
            Self::Single(samples) => Self::Single(samples[from * window..to * window].to_vec()),
            Self::Pcm { samples, gains } => Self::Pcm {
                samples: samples[from * window..to * window].to_vec(),
                gains: gains.get(from..to).unwrap_or_default().to_vec(),
            },
        }
    }
}

/// Samples as [`Waveforms::Single`] has them, from those of [`Waveforms::Pcm`] with rows of `window`.
pub(crate) fn widen(samples: &[i16], gains: &[f32], window: usize) -> Vec<f32> {
    let widened = samples.iter().map(|sample| f32::from(*sample) / FULL_SCALE);
    if gains.is_empty() {
        return widened.collect();
    }
    widened.enumerate().map(|(index, sample)| sample * gains[index / window]).collect()
}

impl From<Vec<f32>> for Waveforms {
    fn from(samples: Vec<f32>) -> Self {
        Self::Single(samples)
    }
}

impl FromIterator<f32> for Waveforms {
    fn from_iter<I: IntoIterator<Item = f32>>(samples: I) -> Self {
        Self::Single(samples.into_iter().collect())
    }
}
