//! From the thread that listens to the audio thread: judgements, each with its moment.

use ringbuf::traits::{Consumer as _, Observer as _, Producer as _, Split as _};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use tagvane_engine::{MAX_TAGS, Moment};

/// Words that the ring holds: over six hundred judgements of fifty tags, thirty of the
/// largest model.
const CAPACITY: usize = 32 * 1_024;

/// Words before the probabilities of a judgement: the start, the version of the tags, the
/// seconds, and how many probabilities follow.
const HEADER: usize = 5;

/// The end that the listening thread writes to.
pub(crate) struct Reporter {
    ring: HeapProd<u32>,
    words: Vec<u32>,
}

/// The audio thread's end.
pub(crate) struct Judgements {
    ring: HeapCons<u32>,
    words: Box<[u32]>,
}

/// A judgement, without what was judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) moment: Moment,
    /// Which numbering of the tags it speaks of.
    pub(crate) tags_version: u32,
    count: usize,
}

pub(crate) fn judgements() -> (Reporter, Judgements) {
    let (producer, consumer) = HeapRb::new(CAPACITY).split();
    let words = Vec::with_capacity(HEADER + MAX_TAGS);
    (Reporter { ring: producer, words }, Judgements { ring: consumer, words: vec![0; MAX_TAGS].into() })
}

impl Reporter {
    /// Leaves a judgement; one that does not fit is lost.
    pub(crate) fn report(&mut self, moment: Moment, tags_version: u64, probabilities: &[f32]) {
        let seconds = moment.seconds.to_bits();
        self.words.clear();
        self.words.extend([moment.start, tags_version as u32, seconds as u32, (seconds >> 32) as u32]);
        self.words.push(probabilities.len().min(MAX_TAGS) as u32);
        self.words.extend(probabilities.iter().take(MAX_TAGS).map(|probability| probability.to_bits()));
        // All of it or nothing: a reader who sees the first word sees the last.
        if self.ring.vacant_len() >= self.words.len() {
            self.ring.push_slice(&self.words);
        }
    }
}

impl Judgements {
    /// Takes the header of the next judgement; [`values`](Self::values) must follow.
    pub(crate) fn next(&mut self) -> Option<Judgement> {
        let mut header = [0; HEADER];
        if self.ring.occupied_len() < HEADER {
            return None;
        }
        self.ring.pop_slice(&mut header);
        let [start, tags_version, low, high, count] = header;
        let seconds = f64::from_bits(u64::from(high) << 32 | u64::from(low));
        Some(Judgement { moment: Moment { start, seconds }, tags_version, count: count as usize })
    }

    /// Takes what `judgement`, which came last, says of each tag.
    pub(crate) fn values(&mut self, judgement: &Judgement) -> impl Iterator<Item = f32> {
        let taken = self.ring.pop_slice(&mut self.words[..judgement.count]);
        self.words[..taken].iter().map(|word| f32::from_bits(*word))
    }

    /// Forgets everything that waits.
    pub(crate) fn clear(&mut self) {
        self.ring.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judgements_come_out_as_they_went_in_until_none_fits() {
        let (mut reporter, mut judgements) = judgements();
        let moment = |number: u32| Moment { start: number, seconds: f64::from(number) / 3.0 };
        let probabilities: Vec<f32> = (0..MAX_TAGS).map(|tag| tag as f32 / 2_000.0).collect();
        (0..100).for_each(|number| reporter.report(moment(number), 7, &probabilities));
        let mut number = 0;
        while let Some(judgement) = judgements.next() {
            assert_eq!((judgement.moment, judgement.tags_version), (moment(number), 7));
            assert_eq!(judgements.values(&judgement).collect::<Vec<_>>(), probabilities);
            number += 1;
        }
        assert_eq!(number as usize, CAPACITY / (HEADER + MAX_TAGS));
        reporter.report(moment(1), 8, &[]);
        let silence = judgements.next().unwrap();
        assert_eq!(judgements.values(&silence).count(), 0);
        assert_eq!(judgements.next(), None);
    }
}
