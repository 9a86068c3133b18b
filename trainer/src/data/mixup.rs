//! Mixup: windows of a batch mixed in pairs (Zhang et al. 2018).

use crate::error::{Result, TrainerError};
use rand::Rng as _;
use rand_chacha::ChaCha12Rng;
use rand_distr::Beta;
use serde::{Deserialize, Serialize};

/// Mixup of the windows of a batch: each is mixed with the next one, and the last with the first, in the waveform and in
/// the labels (Zhang et al. 2018).
///
/// The mix of the windows a and b is `l a + (1 - l) b`; `l` is drawn for each pair from Beta(alpha, alpha). A batch of one
/// window stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixup {
    /// Both parameters of the beta distribution, above 0 and at most 100. Below 1 most mixes are close to one of
    /// their two windows; at 1 all mixes are equally likely.
    pub alpha: f64,
}

impl Mixup {
    /// Checks the value of a configuration.
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        if self.alpha > 0.0 && self.alpha <= 100.0 {
            return Ok(());
        }
        Err("in [training.augmentation], alpha of mixup must be above 0 and at most 100".into())
    }

    /// Mixes the rows of a batch, row-major.
    ///
    /// # Errors
    /// [`TrainerError::Request`] if alpha is not above 0.
    pub(super) fn mix(
        &self,
        waveforms: &mut [f32],
        targets: &mut [f32],
        rows: usize,
        random: &mut ChaCha12Rng,
    ) -> Result<()> {
        let beta = Beta::new(self.alpha, self.alpha);
        let beta = beta.map_err(|error| TrainerError::Request(format!("mixup needs another alpha: {error}")))?;
        if rows > 1 {
            let weights: Vec<f32> = (0..rows).map(|_| random.sample(beta) as f32).collect();
            mix_rows(waveforms, &weights);
            mix_rows(targets, &weights);
        }
        Ok(())
    }
}

/// Mixes each row with the next one, and the last with the first, by the weight of the row itself.
fn mix_rows(values: &mut [f32], weights: &[f32]) {
    let length = values.len() / weights.len();
    let first = values[..length].to_vec();
    for (row, weight) in weights.iter().enumerate() {
        let (own, following) = values[row * length..].split_at_mut(length);
        // The first row has changed when the last one needs it.
        let other = if following.is_empty() { &first } else { &following[..length] };
        for (own, other) in own.iter_mut().zip(other) {
            *own = weight * *own + (1.0 - weight) * other;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    const MIXUP: Mixup = Mixup { alpha: 0.4 };

    fn mixed(rows: usize, seed: u64) -> (Vec<f32>, Vec<f32>) {
        // The square of the row tells the pairs apart.
        let mut waveforms: Vec<f32> = (0..rows).flat_map(|row| [row as f32, (row * row) as f32, -1.0]).collect();
        let mut targets: Vec<f32> = (0..rows).flat_map(|row| [0.1 * row as f32, 1.0]).collect();
        MIXUP.mix(&mut waveforms, &mut targets, rows, &mut ChaCha12Rng::seed_from_u64(seed)).unwrap();
        (waveforms, targets)
    }

    #[test]
    fn each_row_is_mixed_with_the_next_by_its_weight_and_the_labels_likewise() {
        for rows in [2, 5] {
            let (waveforms, targets) = mixed(rows, 7);
            let mut random = ChaCha12Rng::seed_from_u64(7);
            for row in 0..rows {
                let weight: f32 = random.sample(Beta::new(0.4, 0.4).unwrap()) as f32;
                let mix = |own: f32, other: f32| weight * own + (1.0 - weight) * other;
                let (own, other) = (row as f32, ((row + 1) % rows) as f32);
                assert_eq!(waveforms[3 * row..3 * row + 2], [mix(own, other), mix(own * own, other * other)]);
                assert!((waveforms[3 * row + 2] + 1.0).abs() < 1e-6);
                assert!((targets[2 * row] - 0.1 * mix(own, other)).abs() < 1e-6);
                assert!((targets[2 * row + 1] - 1.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn a_batch_of_one_window_stays_as_it_is() {
        let (mut waveform, mut targets) = (vec![0.3, -0.7], vec![0.2]);
        let mut random = ChaCha12Rng::seed_from_u64(1);
        MIXUP.mix(&mut waveform, &mut targets, 1, &mut random).unwrap();
        assert_eq!((waveform, targets), (vec![0.3, -0.7], vec![0.2]));
        assert_eq!(random, ChaCha12Rng::seed_from_u64(1), "nothing is drawn");
    }

    #[test]
    fn weights_are_within_0_to_1_for_every_alpha_that_a_configuration_may_have() {
        let mut random = ChaCha12Rng::seed_from_u64(3);
        for alpha in [f64::MIN_POSITIVE, 1e-9, 0.2, 1.0, 1.5, 100.0] {
            Mixup { alpha }.check().unwrap();
            for _ in 0..1_000 {
                let (mut waveforms, mut targets) = ([1.0, 0.0], [0.0, 1.0]);
                Mixup { alpha }.mix(&mut waveforms, &mut targets, 2, &mut random).unwrap();
                let is_weight = |weight: &f32| (0.0..=1.0).contains(weight);
                assert!(waveforms.iter().chain(&targets).all(is_weight), "{alpha}: {waveforms:?} {targets:?}");
            }
        }
        assert!(Mixup { alpha: 0.0 }.mix(&mut [1.0, 0.0], &mut [], 2, &mut random).is_err());
    }
}
