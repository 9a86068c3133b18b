//! The queue of predictions between the thread that runs the model and the audio thread.
//!
//! Headers and probabilities travel in two rings. A header is pushed after its probabilities, so that
//! a reader who sees the header finds all of them.

use ringbuf::traits::{Consumer as _, Observer as _, Producer as _, Split as _};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use tagvane_engine::{MAX_TAGS, StreamTime};

/// Probabilities that can wait: over six hundred predictions of fifty tags, 32 of the largest model.
const PROBABILITIES: usize = 32 * 1_024;

/// Headers that can wait.
const HEADERS: usize = 1_024;

/// The end of the thread that runs the model.
pub(crate) struct PredictionSender {
    headers: HeapProd<PredictionHeader>,
    probabilities: HeapProd<f32>,
}

/// The end of the audio thread.
pub(crate) struct PredictionReceiver {
    headers: HeapCons<PredictionHeader>,
    probabilities: HeapCons<f32>,
    /// The probabilities of the prediction that was taken last.
    buffer: Box<[f32]>,
}

/// A prediction without its probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PredictionHeader {
    /// The end of its window.
    pub(crate) time: StreamTime,
    /// The version of the tag list that the indices of the probabilities refer to.
    pub(crate) tags_version: u64,
    /// The number of probabilities, at most [`MAX_TAGS`].
    count: usize,
}

/// A queue of predictions.
pub(crate) fn prediction_channel() -> (PredictionSender, PredictionReceiver) {
    let (header_sender, headers) = HeapRb::new(HEADERS).split();
    let (probability_sender, probabilities) = HeapRb::new(PROBABILITIES).split();
    let sender = PredictionSender { headers: header_sender, probabilities: probability_sender };
    (sender, PredictionReceiver { headers, probabilities, buffer: vec![0.0; MAX_TAGS].into() })
}

impl PredictionSender {
    /// Pushes a prediction; one that does not fit as a whole is dropped.
    pub(crate) fn send(&mut self, time: StreamTime, tags_version: u64, probabilities: &[f32]) {
        let probabilities = &probabilities[..probabilities.len().min(MAX_TAGS)];
        if self.headers.is_full() || self.probabilities.vacant_len() < probabilities.len() {
            return;
        }
        self.probabilities.push_slice(probabilities);
        // There is room, which only this end takes.
        let _ = self.headers.try_push(PredictionHeader { time, tags_version, count: probabilities.len() });
    }
}

impl PredictionReceiver {
    /// The header of the next prediction, which stays in the queue.
    pub(crate) fn peek(&self) -> Option<PredictionHeader> {
        self.headers.try_peek().copied()
    }

    /// Takes the next prediction and returns its probabilities; an empty slice if there is none.
    pub(crate) fn pop(&mut self) -> &[f32] {
        let count = self.headers.try_pop().map_or(0, |header| header.count);
        let taken = self.probabilities.pop_slice(&mut self.buffer[..count]);
        &self.buffer[..taken]
    }

    /// Drops all predictions in the queue, one by one: more may be pushed at the same time.
    pub(crate) fn clear(&mut self) {
        while let Some(header) = self.headers.try_pop() {
            self.probabilities.skip(header.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(number: u32) -> StreamTime {
        StreamTime { segment: number, seconds: f64::from(number) / 3.0 }
    }

    #[test]
    fn predictions_come_out_whole_and_in_order_until_none_fits() {
        let (mut sender, mut receiver) = prediction_channel();
        let probabilities: Vec<f32> = (0..MAX_TAGS).map(|tag| tag as f32 / 2_000.0).collect();
        (0..100).for_each(|number| sender.send(time(number), 7, &probabilities));
        let mut number = 0;
        while let Some(header) = receiver.peek() {
            assert_eq!((header.time, header.tags_version), (time(number), 7));
            assert_eq!(receiver.pop(), probabilities);
            number += 1;
        }
        assert_eq!(number as usize, HEADERS.min(PROBABILITIES / MAX_TAGS));
        sender.send(time(1), 8, &[]);
        assert_eq!(receiver.peek().map(|header| header.time), Some(time(1)));
        assert!(receiver.pop().is_empty());
        assert_eq!(receiver.peek(), None);
    }

    #[test]
    fn silent_windows_fit_until_the_headers_are_full() {
        let (mut sender, mut receiver) = prediction_channel();
        (0..2_000).for_each(|number| sender.send(time(number), 1, &[]));
        for number in 0..HEADERS as u32 {
            assert_eq!(receiver.peek().map(|header| header.time), Some(time(number)));
            receiver.pop();
        }
        assert_eq!(receiver.peek(), None);
    }

    #[test]
    fn clearing_drops_headers_with_their_probabilities() {
        let (mut sender, mut receiver) = prediction_channel();
        (0..5).for_each(|number| sender.send(time(number), 1, &[0.1, 0.2]));
        receiver.clear();
        assert_eq!(receiver.peek(), None);
        sender.send(time(9), 2, &[0.7, 0.8, 0.9]);
        assert_eq!(receiver.pop(), [0.7, 0.8, 0.9]);
    }
}
