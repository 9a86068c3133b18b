//! Where the tags stand, for everyone to read at any time.

use crate::engine::ModelSource;
use crate::model::{Inference, MAX_TAGS, Metadata};
use crate::observer::{Moment, Observer};
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Instant, Mutex, MutexGuard};
use crate::workers::lock;
use atomic_float::AtomicF32;
use std::sync::Arc;
use std::time::Duration;

/// In the place of a channel: the mean of all of them.
const MEAN: usize = usize::MAX;

/// The latest probability of every tag, written by the [`Listener`] and read by
/// the outputs, the editor and the host, on any thread.
///
/// Reading values is wait-free. The [`Status`], which changes with the model only,
/// is behind a lock and is not for the audio thread.
///
/// [`Listener`]: crate::Listener
pub struct TagBoard {
    tags: Box<[AtomicF32]>,
    clear: AtomicBool,
    version: AtomicU64,
    inferences: AtomicU64,
    gaps: AtomicU64,
    skips: AtomicU64,
    made: Instant,
    /// When the last values were written, in microseconds after `made`.
    written: AtomicU64,
    status: Mutex<Status>,
    about: Mutex<About>,
    /// The channel that is listened to alone, or [`MEAN`].
    channel: AtomicUsize,
    /// Processor time that listening took, in nanoseconds.
    busy: AtomicU64,
    /// Counts the changes of the tags' names.
    names_version: AtomicU64,
    observer: Arc<dyn Observer>,
}

/// What is listening.
#[derive(Debug, Clone, PartialEq)]
pub enum Status {
    /// The first model is being loaded; tags stay at zero.
    Loading {
        /// The tags it will have, if that is known already.
        tags: Vec<String>,
    },
    /// A model is loaded.
    Ready {
        /// Its tags, in the order of the board.
        tags: Vec<String>,
        /// Which of them the model is weak in, by what it says of itself.
        weak: Vec<bool>,
        /// What the model is called in front of a person.
        name: String,
        /// How long its window is.
        window: Duration,
        /// How long after one window the next follows.
        hop: Duration,
        /// How it is run.
        inference: Inference,
        /// The rate that it listens at, in hertz.
        sample_rate: u32,
        /// Whether that rate is assumed, since the model's file does not tell it.
        is_sample_rate_assumed: bool,
    },
    /// The model cannot be used, and why, in one sentence; tags stay at zero.
    Failed(String),
}

/// Which model is loaded, and what there is to say of that.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct About {
    /// Where the model came from; `None` without one.
    pub source: Option<ModelSource>,
    /// The SHA-256 of its file, in hexadecimal digits.
    pub hash: String,
    /// What it says of itself.
    pub metadata: Arc<Metadata>,
    /// What went wrong when a model was last asked for, in one sentence, though one listens.
    pub notice: Option<String>,
}

impl Status {
    /// Whether the model says of itself that it is weak in this tag.
    pub fn is_weak(&self, tag: usize) -> bool {
        matches!(self, Self::Ready { weak, .. } if weak.get(tag) == Some(&true))
    }

    /// The names of the tags, as far as they are known.
    pub fn tags(&self) -> &[String] {
        match self {
            Self::Ready { tags, .. } | Self::Loading { tags } => tags,
            Self::Failed(_) => &[],
        }
    }
}

impl TagBoard {
    /// A board whose tags are all at zero, and which tells nobody.
    pub fn new() -> Self {
        Self::observed(Arc::new(()))
    }

    /// A board whose tags are all at zero; `observer` is told of what is written to it.
    pub fn observed(observer: Arc<dyn Observer>) -> Self {
        Self {
            observer,
            tags: (0..MAX_TAGS).map(|_| AtomicF32::new(0.0)).collect(),
            clear: AtomicBool::new(true),
            version: AtomicU64::new(0),
            inferences: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
            skips: AtomicU64::new(0),
            made: Instant::now(),
            written: AtomicU64::new(0),
            status: Mutex::new(Status::Loading { tags: Vec::new() }),
            about: Mutex::default(),
            channel: AtomicUsize::new(MEAN),
            busy: AtomicU64::new(0),
            names_version: AtomicU64::new(0),
        }
    }

    /// The probability of tag `index`, in 0..=1; zero for one that does not exist.
    pub fn tag(&self, index: usize) -> f32 {
        self.tags.get(index).map_or(0.0, |tag| tag.load(Ordering::Relaxed))
    }

    /// A number that is another one after each change of the values, so that a
    /// reader can tell without looking at them.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// A number that is another one after each change of the tags' names.
    pub fn names_version(&self) -> u64 {
        self.names_version.load(Ordering::Acquire)
    }

    /// Windows that the model has judged so far.
    pub fn inferences(&self) -> u64 {
        self.inferences.load(Ordering::Relaxed)
    }

    /// Times that audio was lost, because it came faster than it could be taken.
    pub fn gaps(&self) -> u64 {
        self.gaps.load(Ordering::Relaxed)
    }

    /// Windows that were let go, because the next was due already.
    pub fn skips(&self) -> u64 {
        self.skips.load(Ordering::Relaxed)
    }

    /// How long ago the values were written; `None` before the first time.
    pub fn age(&self) -> Option<Duration> {
        let written = Duration::from_micros(self.written.load(Ordering::Relaxed));
        (self.version() > 0).then(|| self.made.elapsed().saturating_sub(written))
    }

    /// What is listening. Takes a lock: not for the audio thread.
    pub fn status(&self) -> Status {
        self.lock().clone()
    }

    /// Which model is loaded. Takes a lock.
    pub fn about(&self) -> About {
        lock(&self.about).clone()
    }

    /// The channel that is listened to alone, from 0, because the channels cancel so that their mean
    /// has lost more than 12 dB against it; `None` while it is the mean of all.
    pub fn channel(&self) -> Option<usize> {
        Some(self.channel.load(Ordering::Relaxed)).filter(|channel| *channel != MEAN)
    }

    /// Processor time that listening took since the board was made.
    pub fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy.load(Ordering::Relaxed))
    }

    /// The name of tag `index`, where there is one. Takes a lock.
    pub fn name(&self, index: usize) -> Option<String> {
        self.lock().tags().get(index).cloned()
    }

    /// Writes the model's answer to the window that ended at `moment`; tags beyond it go
    /// to zero.
    pub(crate) fn publish(&self, moment: Moment, probabilities: &[f32]) {
        self.inferences.fetch_add(1, Ordering::Relaxed);
        self.observer.judged(moment, probabilities);
        self.write(probabilities);
    }

    /// The window that ended at `moment` was silence: puts every tag to zero, unless they
    /// are all there.
    pub(crate) fn publish_silence(&self, moment: Moment) {
        if !self.is_clear() {
            self.observer.judged(moment, &[]);
            self.write(&[]);
        }
    }

    /// Whether every tag is at zero.
    pub fn is_clear(&self) -> bool {
        self.clear.load(Ordering::Relaxed)
    }

    /// Puts every tag to zero, unless they are all there.
    pub(crate) fn clear(&self) {
        if !self.is_clear() {
            self.write(&[]);
        }
    }

    fn write(&self, values: &[f32]) {
        let zeros = std::iter::repeat(&0.0);
        for (tag, value) in self.tags.iter().zip(values.iter().chain(zeros)) {
            tag.store(*value, Ordering::Relaxed);
        }
        self.clear.store(values.iter().all(|value| *value == 0.0), Ordering::Relaxed);
        self.written.store(self.made.elapsed().as_micros() as u64, Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn count_gap(&self) {
        self.gaps.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_skip(&self) {
        self.skips.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn set_channel(&self, channel: Option<usize>) {
        self.channel.store(channel.unwrap_or(MEAN), Ordering::Relaxed);
    }

    pub(crate) fn add_busy(&self, time: Duration) {
        self.busy.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    pub(crate) fn set_about(&self, about: About) {
        *lock(&self.about) = about;
    }

    pub(crate) fn set_notice(&self, notice: String) {
        lock(&self.about).notice = Some(notice);
    }

    pub(crate) fn set_status(&self, status: Status) {
        let mut current = self.lock();
        let renamed = current.tags() != status.tags();
        *current = status;
        self.observer.changed(&current);
        if renamed {
            self.names_version.fetch_add(1, Ordering::Release);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        lock(&self.status)
    }
}

impl Default for TagBoard {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment { start: 1, seconds: 3.0 };

    #[test]
    fn a_shorter_answer_leaves_nothing_of_a_longer_one() {
        let board = TagBoard::new();
        assert_eq!((board.version(), board.age()), (0, None));
        board.publish(NOW, &[0.1, 0.2, 0.3]);
        board.publish(NOW, &[0.5]);
        assert_eq!([board.tag(0), board.tag(1), board.tag(2), board.tag(MAX_TAGS)], [0.5, 0.0, 0.0, 0.0]);
        assert_eq!((board.version(), board.inferences()), (2, 2));
        assert!(board.age().is_some());
    }

    #[test]
    fn clearing_what_is_clear_is_no_change() {
        let board = TagBoard::new();
        board.clear();
        assert_eq!(board.version(), 0);
        board.publish(NOW, &[0.1]);
        board.clear();
        board.clear();
        assert_eq!((board.version(), board.inferences(), board.tag(0)), (2, 1, 0.0));
    }
}
