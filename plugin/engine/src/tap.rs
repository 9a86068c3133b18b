//! From the audio thread into the ring.

use crate::downmix::Downmix;
use crate::model::SAMPLE_RATE;
use crate::resample::{RateError, Resampler};
use ringbuf::traits::{Consumer as _, Observer as _, Producer as _, Split as _};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the ring holds: six seconds at [`SAMPLE_RATE`].
const CAPACITY: usize = 6 * SAMPLE_RATE as usize;

/// Frames that are mixed down at a time, on the stack.
const CHUNK: usize = 128;

/// In the place of a channel: the mean of all of them.
const MEAN: usize = usize::MAX;

/// In the ring between samples, which are always finite: audio was lost here.
const LOST: f32 = f32::NAN;
/// In the ring between samples: the host started afresh here.
const AFRESH: f32 = f32::INFINITY;

/// The audio thread's end: takes host blocks, leaves mono samples at
/// [`SAMPLE_RATE`] in the ring.
///
/// Once it is made, nothing here locks, allocates, waits or calls the system.
pub struct Tap {
    downmix: Downmix,
    /// The channel that is listened to, or [`MEAN`].
    channel: Arc<AtomicUsize>,
    resampler: Resampler,
    ring: HeapProd<f32>,
    /// A mark to be left before the next samples.
    mark: Option<f32>,
    /// Marks that were left.
    start: u32,
    /// Frames heard since the last of them.
    since_start: u64,
}

/// The listener's end of the ring.
pub(crate) struct Feed {
    ring: HeapCons<f32>,
    channel: Arc<AtomicUsize>,
}

/// Makes the two ends, for a host that runs at `rate` hertz.
///
/// # Errors
/// [`RateError`] where the rate cannot be resampled.
pub(crate) fn tap(rate: f64) -> Result<(Tap, Feed), RateError> {
    let resampler = Resampler::new(rate, f64::from(SAMPLE_RATE))?;
    let (producer, consumer) = HeapRb::new(CAPACITY).split();
    let channel = Arc::new(AtomicUsize::new(MEAN));
    let tap = Tap {
        downmix: Downmix::new(rate),
        channel: Arc::clone(&channel),
        resampler,
        ring: producer,
        mark: Some(AFRESH),
        start: 0,
        since_start: 0,
    };
    Ok((tap, Feed { ring: consumer, channel }))
}

impl Tap {
    /// Hears one block: any number of channels, all of one length. Channels are averaged, or the
    /// loudest is taken where they cancel (see [`TagBoard::channel`](crate::TagBoard::channel)); of more
    /// than [`MAX_CHANNELS`](crate::MAX_CHANNELS) the first ones count. A sample that is not finite
    /// counts as silence.
    pub fn hear<C: AsRef<[f32]>>(&mut self, channels: &[C]) {
        let frames = channels.iter().map(|channel| channel.as_ref().len()).min().unwrap_or(0);
        let Self { downmix, channel: listened, resampler, ring, mark, start: starts, since_start } = self;
        let mut mono = [0.0; CHUNK];
        let mut first = 0;
        while first < frames {
            let count = downmix.process(channels, first, &mut mono[..CHUNK.min(frames - first)]);
            let mono = &mono[..count];
            first += count;
            let pending = *mark;
            resampler.push(mono, |run| deliver(ring, mark, run));
            if let (Some(sign), None) = (pending, *mark) {
                *starts += 1;
                // After a start of the host's the frames were counted from the start on.
                if sign.is_nan() {
                    *since_start = 0;
                }
            }
            *since_start += mono.len() as u64;
        }
        listened.store(downmix.channel().unwrap_or(MEAN), Ordering::Relaxed);
    }

    /// Says that what follows does not continue what was heard: a seek, a loop, a
    /// stop.
    pub fn start_afresh(&mut self) {
        self.downmix.reset();
        self.resampler.reset();
        // At once, so that the tags go to zero even if no more audio comes.
        self.mark = self.ring.try_push(AFRESH).err();
        self.start += u32::from(self.mark.is_none());
        self.since_start = 0;
    }

    /// How many starts there were, and the frames heard since the last: of a gap, a seek,
    /// a stop, and of the tap itself. A [`Moment`](crate::Moment) counts from there.
    pub fn start(&self) -> (u32, u64) {
        (self.start, self.since_start)
    }
}

/// Leaves `run` in the ring. What does not fit is lost and marked, and nothing
/// more is left until half of the ring is free again: a listener that far behind
/// gains nothing from shreds.
fn deliver(ring: &mut HeapProd<f32>, mark: &mut Option<f32>, run: &[f32]) {
    if let Some(sign) = *mark {
        let room = if sign.is_nan() { CAPACITY / 2 } else { 1 };
        if ring.vacant_len() < room || ring.try_push(sign).is_err() {
            *mark = Some(LOST);
            return;
        }
        *mark = None;
    }
    if ring.push_slice(run) < run.len() {
        *mark = Some(LOST);
    }
}

/// What comes out of the ring next.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// So many samples, at the start of the buffer.
    Samples(usize),
    /// Audio was lost between what came before and what comes next.
    Gap,
    /// The host started afresh.
    Afresh,
    /// The ring is empty.
    Nothing,
}

impl Feed {
    /// Takes what comes next: a mark, or as many samples as fit `buffer` and stand
    /// before the next mark.
    pub(crate) fn take(&mut self, buffer: &mut [f32]) -> Heard {
        let taken = self.ring.peek_slice(buffer);
        if taken == 0 {
            return Heard::Nothing;
        }
        let samples = buffer[..taken].iter().position(|sample| !sample.is_finite()).unwrap_or(taken);
        self.ring.skip(samples.max(1));
        match samples {
            0 if buffer[0].is_nan() => Heard::Gap,
            0 => Heard::Afresh,
            samples => Heard::Samples(samples),
        }
    }

    /// The channel that is listened to alone, from 0; `None` while it is the mean of all.
    pub(crate) fn channel(&self) -> Option<usize> {
        Some(self.channel.load(Ordering::Relaxed)).filter(|channel| *channel != MEAN)
    }

    /// Samples (and marks) that wait to be taken.
    pub(crate) fn waiting(&self) -> usize {
        self.ring.occupied_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything in the ring: the samples, and the marks by where they stand.
    fn drain(feed: &mut Feed) -> (Vec<f32>, Vec<(usize, Heard)>) {
        let (mut samples, mut marks, mut buffer) = (Vec::new(), Vec::new(), [0.0; 100]);
        loop {
            match feed.take(&mut buffer) {
                Heard::Samples(count) => samples.extend_from_slice(&buffer[..count]),
                Heard::Nothing => return (samples, marks),
                mark => marks.push((samples.len(), mark)),
            }
        }
    }

    #[test]
    fn channels_are_averaged_and_nonsense_is_silence() {
        let (mut tap, mut feed) = tap(22_050.0).unwrap();
        tap.hear(&[[1.0, f32::NAN, f32::INFINITY, 1e30], [0.0, 0.5, 0.5, 1e30]]);
        tap.hear::<[f32; 1]>(&[]);
        let (samples, marks) = drain(&mut feed);
        assert_eq!(samples, [0.5, 0.25, 0.25, 4.0]);
        assert_eq!(marks, [(0, Heard::Afresh)]);
    }

    #[test]
    fn a_full_ring_loses_and_says_where() {
        let (mut tap, mut feed) = tap(22_050.0).unwrap();
        let block = vec![0.25; CAPACITY];
        tap.hear(&[&block]);
        tap.hear(&[&block]);
        let (samples, marks) = drain(&mut feed);
        assert_eq!((samples.len(), marks), (CAPACITY - 1, vec![(0, Heard::Afresh)]));
        tap.hear(&[&block[..500]]);
        let (samples, marks) = drain(&mut feed);
        assert_eq!((samples.len(), marks), (500, vec![(0, Heard::Gap)]));
    }

    #[test]
    fn after_a_loss_the_ring_must_be_half_free_again() {
        let (mut tap, mut feed) = tap(22_050.0).unwrap();
        let block = vec![0.25; CAPACITY + 1];
        tap.hear(&[&block]);
        feed.take(&mut vec![0.0; 1_000]);
        feed.take(&mut vec![0.0; 1_000]);
        tap.hear(&[&block[..500]]);
        assert_eq!(drain(&mut feed).0.len(), CAPACITY - 1 - 1_000);
    }

    /// Each sample has a number, so that the listener knows what it did not get.
    #[test]
    fn two_threads_agree_where_audio_was_lost() {
        const SAMPLES: u32 = 60 * SAMPLE_RATE;
        let value = |number: u32| (number + 1) as f32 / (1 << 20) as f32;
        let (mut tap, mut feed) = tap(f64::from(SAMPLE_RATE)).unwrap();
        let (overflows, overflowed) = std::sync::mpsc::channel();
        let audio = std::thread::spawn(move || {
            let numbers: Vec<f32> = (0..SAMPLES).map(value).collect();
            let (first, rest) = numbers.split_at(2 * CAPACITY);
            tap.hear(&[first]);
            overflows.send(()).unwrap();
            for (block, samples) in rest.chunks(700).enumerate() {
                tap.hear(&[samples]);
                if block % 64 == 0 {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            }
            tap
        });
        overflowed.recv().unwrap();
        let (mut next, mut gaps, mut taken, mut buffer) = (0, 0, 0_u32, [0.0; 300]);
        let mut lost_before = false;
        while next < SAMPLES {
            match feed.take(&mut buffer) {
                Heard::Samples(count) => {
                    let first = (buffer[0] * (1 << 20) as f32) as u32 - 1;
                    assert_eq!(first > next, lost_before, "{next} is followed by {first}");
                    assert!(buffer[..count].iter().zip(first..).all(|(sample, number)| *sample == value(number)));
                    (next, taken, lost_before) = (first + count as u32, taken + count as u32, false);
                }
                Heard::Gap => (gaps, lost_before) = (gaps + 1, true),
                Heard::Afresh => assert_eq!(next, 0),
                Heard::Nothing if audio.is_finished() && feed.waiting() == 0 => break,
                Heard::Nothing => {}
            }
        }
        assert!(gaps > 0 && taken < SAMPLES, "{gaps} gaps, {taken} samples");
        drop(audio.join().unwrap());
    }

    /// What a moment says must not depend on how the host cuts its blocks, nor on how the
    /// resampler does.
    #[test]
    fn frames_are_counted_from_the_start_on() {
        for block in [1, 64, 441, 5_000] {
            let (mut tap, _feed) = tap(48_000.0).unwrap();
            (0..5_000 / block).for_each(|_| tap.hear(&[&vec![0.1; block][..]]));
            assert_eq!(tap.start(), (1, (5_000 / block * block) as u64), "{block}");
            tap.start_afresh();
            tap.hear(&[&vec![0.1; 600][..]]);
            assert_eq!(tap.start(), (2, 600), "{block}");
        }
    }

    #[test]
    fn starting_afresh_is_marked_between_what_was_and_what_comes() {
        let (mut tap, mut feed) = tap(22_050.0).unwrap();
        tap.hear(&[[0.1; 7]]);
        tap.start_afresh();
        tap.hear(&[[0.2; 5]]);
        let (samples, marks) = drain(&mut feed);
        assert_eq!(samples.len(), 12);
        assert_eq!(marks, [(0, Heard::Afresh), (7, Heard::Afresh)]);
    }
}
