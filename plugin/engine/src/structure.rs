//! Where a new section begins, by the novelty of the music.
//!
//! The novelty is Foote's ("Automatic audio segmentation using a measure of audio novelty", ICME 2000): a checkerboard kernel
//! with a Gaussian taper on the matrix of similarities between the moments before a point and those after it. The taper is
//! separable and the similarity is a product, so it is the squared distance between two weighted means. The kernel reaches
//! further back than ahead, because what is ahead delays it.

use std::collections::VecDeque;
use std::time::Duration;

/// The display name of the tag.
pub(crate) const SECTION_TAG: &str = "new section";

/// The name of its vocabulary.
pub(crate) const STRUCTURE: &str = "Structure";

/// The length of a block, whose embeddings are averaged, in seconds.
const BLOCK: f64 = 0.4;

/// Blocks before the point.
const BEFORE: usize = 32;

/// Blocks before the point without which there is no novelty.
const MIN_BEFORE: usize = 6;

/// Blocks after the point.
const AFTER: usize = 6;

/// How much later than the point the novelty has its peak, in seconds, as measured on joined recordings: a window that has only
/// a little of what is new is still like those before it.
const LATENESS: f64 = 0.6;

/// The squared distance of the two means that counts as 1.
const FULL: f32 = 1.8;

/// The tag that tells where a new section begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SectionTag {
    /// Its index.
    pub index: usize,
    /// How long its value comes after the point of the music that it is about.
    pub delay: Duration,
}

/// The novelty of a stream of embeddings.
pub(crate) struct NoveltyCurve {
    per_block: usize,
    /// The sum of the embeddings of the block that is not complete, and their number.
    sum: Vec<f32>,
    count: usize,
    /// The directions of the latest blocks, the oldest first.
    blocks: VecDeque<Vec<f32>>,
    value: f32,
}

impl NoveltyCurve {
    /// No novelty, for embeddings of this size at this distance.
    pub(crate) fn new(size: usize, hop: Duration) -> Self {
        let per_block = (BLOCK / hop.as_secs_f64().max(1e-3)).round().max(1.0) as usize;
        Self { per_block, sum: vec![0.0; size], count: 0, blocks: VecDeque::new(), value: 0.0 }
    }

    /// How long the value comes after the point that it is about.
    pub(crate) fn delay(&self, hop: Duration) -> Duration {
        hop * (AFTER * self.per_block) as u32 + Duration::from_secs_f64(LATENESS)
    }

    /// Forgets all embeddings: the next ones do not continue them.
    pub(crate) fn reset(&mut self) {
        self.sum.fill(0.0);
        self.blocks.clear();
        (self.count, self.value) = (0, 0.0);
    }

    /// Takes the next embedding, in steps, and gives the novelty, 0..=1. It changes with each block.
    pub(crate) fn push(&mut self, embedding: &[i8]) -> f32 {
        self.sum.iter_mut().zip(embedding).for_each(|(sum, step)| *sum += f32::from(*step));
        self.count += 1;
        if self.count == self.per_block {
            let length = self.sum.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            if self.blocks.len() == BEFORE + AFTER {
                self.blocks.pop_front();
            }
            self.blocks.push_back(self.sum.iter().map(|value| value / length).collect());
            self.sum.fill(0.0);
            self.count = 0;
            self.value = self.novelty();
        }
        self.value
    }

    fn novelty(&self) -> f32 {
        let Some(before) = self.blocks.len().checked_sub(AFTER).filter(|before| *before >= MIN_BEFORE) else {
            return 0.0;
        };
        let size = self.sum.len();
        let before = weighted_mean(self.blocks.range(..before).rev(), BEFORE, size);
        let after = weighted_mean(self.blocks.range(self.blocks.len() - AFTER..), AFTER, size);
        let distance: f32 = before.iter().zip(&after).map(|(before, after)| (before - after).powi(2)).sum();
        (distance / FULL).min(1.0)
    }
}

/// The mean of blocks by their distance from the point, with the taper of a side of this length.
fn weighted_mean<'a>(blocks: impl Iterator<Item = &'a Vec<f32>>, length: usize, size: usize) -> Vec<f32> {
    let (mut mean, mut total) = (vec![0.0; size], 0.0);
    for (distance, block) in blocks.enumerate() {
        let place = (distance as f32 + 0.5) / length as f32;
        let weight = (-0.5 * place * place).exp();
        mean.iter_mut().zip(block).for_each(|(mean, value)| *mean += weight * value);
        total += weight;
    }
    mean.iter_mut().for_each(|mean| *mean /= total);
    mean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::network::SeededRng;

    const HOP: Duration = Duration::from_millis(100);
    const SIZE: usize = 8;

    /// The novelty at each embedding of sections, each with a length in embeddings and a direction.
    fn curve(sections: &[(usize, usize)], rng: &mut SeededRng) -> Vec<f32> {
        let mut curve = NoveltyCurve::new(SIZE, HOP);
        let mut values = Vec::new();
        for (length, direction) in sections {
            for _ in 0..*length {
                let embedding: Vec<i8> = (0..SIZE)
                    .map(|value| rng.between(-8.0, 8.0) as i8 + if value == *direction { 24 } else { 0 })
                    .collect();
                values.push(curve.push(&embedding));
            }
        }
        values
    }

    #[test]
    fn the_novelty_peaks_where_a_section_begins_after_its_delay() {
        let mut rng = SeededRng(1);
        let values = curve(&[(150, 0), (150, 3), (150, 5)], &mut rng);
        // These embeddings are not those of windows that overlap.
        let delay = NoveltyCurve::new(SIZE, HOP).delay(HOP).as_secs_f64() - LATENESS;
        for border in [150, 300] {
            let around = border..border + 100;
            let peak = around.clone().max_by(|a, b| values[*a].total_cmp(&values[*b])).unwrap();
            let expected = border + (delay / HOP.as_secs_f64()).round() as usize;
            assert!(peak.abs_diff(expected) <= 8, "{peak} instead of {expected}");
            assert!(values[peak] > 0.6, "{}", values[peak]);
        }
        let within = values[100..150].iter().chain(&values[250..300]).chain(&values[400..]);
        assert!(within.clone().all(|value| *value < 0.2), "{:?}", within.copied().fold(0.0, f32::max));
    }

    /// The checkerboard kernel on the matrix of similarities, written out.
    #[test]
    fn it_is_footes_novelty() {
        let mut rng = SeededRng(2);
        let mut curve = NoveltyCurve::new(SIZE, Duration::from_millis(400));
        let mut blocks: Vec<Vec<f64>> = Vec::new();
        for number in 0..100 {
            let embedding: Vec<i8> = (0..SIZE).map(|_| rng.between(-100.0, 100.0) as i8).collect();
            let value = curve.push(&embedding);
            let length = embedding.iter().map(|step| f64::from(*step).powi(2)).sum::<f64>().sqrt();
            blocks.push(embedding.iter().map(|step| f64::from(*step) / length).collect());
            let point = blocks.len().saturating_sub(AFTER);
            let first = point.saturating_sub(BEFORE);
            if point - first < MIN_BEFORE {
                assert_eq!(value, 0.0, "block {number}");
                continue;
            }
            let taper = |block: usize| {
                let (distance, side) = if block < point { (point - 1 - block, BEFORE) } else { (block - point, AFTER) };
                (-0.5 * ((distance as f64 + 0.5) / side as f64).powi(2)).exp()
            };
            let total = |range: std::ops::Range<usize>| range.map(taper).sum::<f64>();
            let totals = [total(first..point), total(point..blocks.len())];
            let weight = |block: usize| taper(block) / totals[usize::from(block >= point)];
            let mut expected = 0.0;
            for row in first..blocks.len() {
                for column in first..blocks.len() {
                    let similarity: f64 = blocks[row].iter().zip(&blocks[column]).map(|(a, b)| a * b).sum();
                    let sign = if (row < point) == (column < point) { 1.0 } else { -1.0 };
                    expected += sign * weight(row) * weight(column) * similarity;
                }
            }
            let expected = (expected / f64::from(FULL)).min(1.0);
            assert!((f64::from(value) - expected).abs() < 1e-5, "block {number}: {value} {expected}");
        }
    }

    #[test]
    fn silence_and_a_reset_are_no_new_section() {
        let mut curve = NoveltyCurve::new(SIZE, HOP);
        assert!((0..400).all(|_| curve.push(&[0; SIZE]) == 0.0));
        curve.reset();
        let values: Vec<f32> = (0..100).map(|_| curve.push(&[9; SIZE])).collect();
        assert!(values.iter().all(|value| *value < 1e-6), "{values:?}");
    }
}
