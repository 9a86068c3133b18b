//! The lock-free queue between the audio thread and the thread that runs the model.
//!
//! Besides samples, which are always finite, two marks travel in the queue: [`GAP`] and
//! [`DISCONTINUITY`].

use crate::downmix::Downmix;
use crate::model::SAMPLE_RATE;
use crate::observer::StreamPosition;
use crate::resample::{RateError, Resampler};
use ringbuf::traits::{Consumer as _, Observer as _, Producer as _, Split as _};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The capacity of the queue: six seconds at [`SAMPLE_RATE`].
const CAPACITY: usize = 6 * SAMPLE_RATE as usize;

/// Frames that are mixed down at a time, in a buffer on the stack.
const MIX_FRAMES: usize = 128;

/// Stands for the mean of all channels in the place of a channel.
const MEAN: usize = usize::MAX;

/// Marks that audio was lost here.
const GAP: f32 = f32::NAN;

/// Marks that the audio after it does not continue the audio before it.
const DISCONTINUITY: f32 = f32::INFINITY;

/// The audio thread's end: takes blocks of the host, pushes mono samples at [`SAMPLE_RATE`].
///
/// After its construction nothing here locks, allocates, waits or calls the system.
pub struct AudioProducer {
    downmix: Downmix,
    /// The only channel that is used, or [`MEAN`].
    channel: Arc<AtomicUsize>,
    resampler: Resampler,
    ring: HeapProd<f32>,
    /// A mark to push before the next samples.
    pending_mark: Option<f32>,
    /// Its segment is the number of marks pushed so far.
    position: StreamPosition,
}

/// The worker thread's end.
pub(crate) struct AudioConsumer {
    ring: HeapCons<f32>,
    channel: Arc<AtomicUsize>,
}

/// Makes both ends for a host that runs at `rate` hertz.
///
/// # Errors
/// [`RateError`] if the rate cannot be resampled.
pub(crate) fn audio_queue(rate: f64) -> Result<(AudioProducer, AudioConsumer), RateError> {
    let resampler = Resampler::new(rate, f64::from(SAMPLE_RATE))?;
    let (producer, consumer) = HeapRb::new(CAPACITY).split();
    let channel = Arc::new(AtomicUsize::new(MEAN));
    let producer_end = AudioProducer {
        downmix: Downmix::new(rate),
        channel: Arc::clone(&channel),
        resampler,
        ring: producer,
        pending_mark: Some(DISCONTINUITY),
        position: StreamPosition::default(),
    };
    Ok((producer_end, AudioConsumer { ring: consumer, channel }))
}

impl AudioProducer {
    /// Pushes one block: channels of the same length, at the host's rate. They are averaged; if they
    /// cancel, the loudest one is used (see [`TagBoard::channel`](crate::TagBoard::channel)). Channels
    /// beyond [`MAX_CHANNELS`](crate::MAX_CHANNELS) are ignored. A sample that is not finite counts as
    /// zero.
    pub fn push<C: AsRef<[f32]>>(&mut self, channels: &[C]) {
        let frames = channels.iter().map(|channel| channel.as_ref().len()).min().unwrap_or(0);
        let Self { downmix, channel: used, resampler, ring, pending_mark, position } = self;
        let mut mono = [0.0; MIX_FRAMES];
        let mut first = 0;
        while first < frames {
            let count = downmix.process(channels, first, &mut mono[..MIX_FRAMES.min(frames - first)]);
            let mono = &mono[..count];
            first += count;
            let before = *pending_mark;
            resampler.push(mono, |run| push_run(ring, pending_mark, run));
            if let (Some(mark), None) = (before, *pending_mark) {
                position.segment += 1;
                // After a discontinuity the frames have been counted since the host marked it.
                if mark.is_nan() {
                    position.frames = 0;
                }
            }
            position.frames += mono.len() as u64;
        }
        used.store(downmix.channel().unwrap_or(MEAN), Ordering::Relaxed);
    }

    /// Marks that the next block does not continue the last one: after a seek, a loop or a stop.
    pub fn mark_discontinuity(&mut self) {
        self.downmix.reset();
        self.resampler.reset();
        // At once, so that the tags go to zero even if no more audio comes.
        self.pending_mark = self.ring.try_push(DISCONTINUITY).err();
        self.position.segment += u32::from(self.pending_mark.is_none());
        self.position.frames = 0;
    }

    /// The end of what was pushed.
    pub fn position(&self) -> StreamPosition {
        self.position
    }
}

/// Pushes samples. What does not fit is lost and marked; then nothing is pushed until half of the queue
/// is free, because short pieces of audio are of no use.
fn push_run(ring: &mut HeapProd<f32>, pending_mark: &mut Option<f32>, run: &[f32]) {
    if let Some(mark) = *pending_mark {
        let room = if mark.is_nan() { CAPACITY / 2 } else { 1 };
        if ring.vacant_len() < room || ring.try_push(mark).is_err() {
            *pending_mark = Some(GAP);
            return;
        }
        *pending_mark = None;
    }
    if ring.push_slice(run) < run.len() {
        *pending_mark = Some(GAP);
    }
}

/// What comes out of the queue next.
#[derive(Debug, PartialEq)]
pub(crate) enum QueueItem {
    /// This many samples, at the start of the buffer.
    Samples(usize),
    /// Audio was lost here.
    Gap,
    /// The audio after it does not continue the audio before it.
    Discontinuity,
    /// The queue is empty.
    Empty,
}

impl AudioConsumer {
    /// Takes the next mark, or the samples before it that fit into `buffer`.
    pub(crate) fn pop(&mut self, buffer: &mut [f32]) -> QueueItem {
        let taken = self.ring.peek_slice(buffer);
        if taken == 0 {
            return QueueItem::Empty;
        }
        let samples = buffer[..taken].iter().position(|sample| !sample.is_finite()).unwrap_or(taken);
        self.ring.skip(samples.max(1));
        match samples {
            0 if buffer[0].is_nan() => QueueItem::Gap,
            0 => QueueItem::Discontinuity,
            samples => QueueItem::Samples(samples),
        }
    }

    /// The only channel that is used, from 0; `None` while the mean of all is used.
    pub(crate) fn channel(&self) -> Option<usize> {
        Some(self.channel.load(Ordering::Relaxed)).filter(|channel| *channel != MEAN)
    }

    /// The number of samples and marks in the queue.
    pub(crate) fn len(&self) -> usize {
        self.ring.occupied_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything in the queue: the samples, and the marks with their positions.
    fn drain(consumer: &mut AudioConsumer) -> (Vec<f32>, Vec<(usize, QueueItem)>) {
        let (mut samples, mut marks, mut buffer) = (Vec::new(), Vec::new(), [0.0; 100]);
        loop {
            match consumer.pop(&mut buffer) {
                QueueItem::Samples(count) => samples.extend_from_slice(&buffer[..count]),
                QueueItem::Empty => return (samples, marks),
                mark => marks.push((samples.len(), mark)),
            }
        }
    }

    #[test]
    fn channels_are_averaged_and_infinite_samples_are_zero() {
        let (mut producer, mut consumer) = audio_queue(22_050.0).unwrap();
        producer.push(&[[1.0, f32::NAN, f32::INFINITY, 1e30], [0.0, 0.5, 0.5, 1e30]]);
        producer.push::<[f32; 1]>(&[]);
        let (samples, marks) = drain(&mut consumer);
        assert_eq!(samples, [0.5, 0.25, 0.25, 4.0]);
        assert_eq!(marks, [(0, QueueItem::Discontinuity)]);
    }

    #[test]
    fn a_full_queue_marks_where_audio_is_lost() {
        let (mut producer, mut consumer) = audio_queue(22_050.0).unwrap();
        let block = vec![0.25; CAPACITY];
        producer.push(&[&block]);
        producer.push(&[&block]);
        let (samples, marks) = drain(&mut consumer);
        assert_eq!((samples.len(), marks), (CAPACITY - 1, vec![(0, QueueItem::Discontinuity)]));
        producer.push(&[&block[..500]]);
        let (samples, marks) = drain(&mut consumer);
        assert_eq!((samples.len(), marks), (500, vec![(0, QueueItem::Gap)]));
    }

    #[test]
    fn after_a_loss_the_queue_must_be_half_free() {
        let (mut producer, mut consumer) = audio_queue(22_050.0).unwrap();
        let block = vec![0.25; CAPACITY + 1];
        producer.push(&[&block]);
        consumer.pop(&mut vec![0.0; 1_000]);
        consumer.pop(&mut vec![0.0; 1_000]);
        producer.push(&[&block[..500]]);
        assert_eq!(drain(&mut consumer).0.len(), CAPACITY - 1 - 1_000);
    }

    /// Each sample has a number, so that the consumer knows what is missing.
    #[test]
    fn two_threads_agree_where_audio_was_lost() {
        const SAMPLES: u32 = 60 * SAMPLE_RATE;
        let value = |number: u32| (number + 1) as f32 / (1 << 20) as f32;
        let (mut producer, mut consumer) = audio_queue(f64::from(SAMPLE_RATE)).unwrap();
        let (overflows, overflowed) = std::sync::mpsc::channel();
        let audio = std::thread::spawn(move || {
            let numbers: Vec<f32> = (0..SAMPLES).map(value).collect();
            let (first, rest) = numbers.split_at(2 * CAPACITY);
            producer.push(&[first]);
            overflows.send(()).unwrap();
            for (block, samples) in rest.chunks(700).enumerate() {
                producer.push(&[samples]);
                if block % 64 == 0 {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            }
            producer
        });
        overflowed.recv().unwrap();
        let (mut next, mut gaps, mut taken, mut buffer) = (0, 0, 0_u32, [0.0; 300]);
        let mut lost_before = false;
        while next < SAMPLES {
            match consumer.pop(&mut buffer) {
                QueueItem::Samples(count) => {
                    let first = (buffer[0] * (1 << 20) as f32) as u32 - 1;
                    assert_eq!(first > next, lost_before, "{next} is followed by {first}");
                    assert!(buffer[..count].iter().zip(first..).all(|(sample, number)| *sample == value(number)));
                    (next, taken, lost_before) = (first + count as u32, taken + count as u32, false);
                }
                QueueItem::Gap => (gaps, lost_before) = (gaps + 1, true),
                QueueItem::Discontinuity => assert_eq!(next, 0),
                QueueItem::Empty if audio.is_finished() && consumer.len() == 0 => break,
                QueueItem::Empty => {}
            }
        }
        assert!(gaps > 0 && taken < SAMPLES, "{gaps} gaps, {taken} samples");
        drop(audio.join().unwrap());
    }

    /// A position depends neither on the host's block size nor on the resampler's.
    #[test]
    fn frames_are_counted_since_the_discontinuity() {
        for block in [1, 64, 441, 5_000] {
            let (mut producer, _consumer) = audio_queue(48_000.0).unwrap();
            (0..5_000 / block).for_each(|_| producer.push(&[&vec![0.1; block][..]]));
            let frames = (5_000 / block * block) as u64;
            assert_eq!(producer.position(), StreamPosition { segment: 1, frames }, "{block}");
            producer.mark_discontinuity();
            producer.push(&[&vec![0.1; 600][..]]);
            assert_eq!(producer.position(), StreamPosition { segment: 2, frames: 600 }, "{block}");
        }
    }

    #[test]
    fn a_discontinuity_stands_between_the_samples() {
        let (mut producer, mut consumer) = audio_queue(22_050.0).unwrap();
        producer.push(&[[0.1; 7]]);
        producer.mark_discontinuity();
        producer.push(&[[0.2; 5]]);
        let (samples, marks) = drain(&mut consumer);
        assert_eq!(samples.len(), 12);
        assert_eq!(marks, [(0, QueueItem::Discontinuity), (7, QueueItem::Discontinuity)]);
    }
}
