//! The latest prediction, readable from any thread.

use crate::model::MAX_TAGS;
use crate::observer::{EngineObserver, StreamTime};
use crate::status::{ModelInfo, Status};
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Instant, Mutex, MutexGuard, lock};
use atomic_float::AtomicF32;
use std::sync::Arc;
use std::time::Duration;

/// Stands for the mean of all channels in the place of a channel.
const MEAN: usize = usize::MAX;

/// The latest probability of every tag, written by the thread that runs the model and read by the
/// outputs, the editor and the host on any thread.
///
/// Reading a value is wait-free. The [`Status`], which changes with the model only, is behind a lock
/// and not for the audio thread.
pub struct TagBoard {
    tags: Box<[AtomicF32]>,
    is_clear: AtomicBool,
    version: AtomicU64,
    inferences: AtomicU64,
    gaps: AtomicU64,
    skips: AtomicU64,
    created: Instant,
    /// When the last values were written, in microseconds after `created`.
    written: AtomicU64,
    status: Mutex<Status>,
    model_info: Mutex<ModelInfo>,
    /// The only channel that is used, or [`MEAN`].
    channel: AtomicUsize,
    /// Processor time of this instance, in nanoseconds.
    cpu_time: AtomicU64,
    /// The number of changes of the tags' names.
    names_version: AtomicU64,
    observer: Arc<dyn EngineObserver>,
}

impl TagBoard {
    /// A board with all tags at zero and no observer.
    pub fn new() -> Self {
        Self::with_observer(Arc::new(()))
    }

    /// A board with all tags at zero; `observer` is told of its status and its predictions.
    pub fn with_observer(observer: Arc<dyn EngineObserver>) -> Self {
        Self {
            observer,
            tags: (0..MAX_TAGS).map(|_| AtomicF32::new(0.0)).collect(),
            is_clear: AtomicBool::new(true),
            version: AtomicU64::new(0),
            inferences: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
            skips: AtomicU64::new(0),
            created: Instant::now(),
            written: AtomicU64::new(0),
            status: Mutex::new(Status::Loading { tags: Vec::new() }),
            model_info: Mutex::default(),
            channel: AtomicUsize::new(MEAN),
            cpu_time: AtomicU64::new(0),
            names_version: AtomicU64::new(0),
        }
    }

    /// The probability of tag `index`, in 0..=1; zero if there is no such tag.
    pub fn probability(&self, index: usize) -> f32 {
        self.tags.get(index).map_or(0.0, |tag| tag.load(Ordering::Relaxed))
    }

    /// A number that changes with every change of the values.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// A number that changes with every change of the tags' names.
    pub fn names_version(&self) -> u64 {
        self.names_version.load(Ordering::Acquire)
    }

    /// The number of windows that the model has predicted.
    pub fn inferences(&self) -> u64 {
        self.inferences.load(Ordering::Relaxed)
    }

    /// The number of times that audio was lost because the queue was full.
    pub fn gaps(&self) -> u64 {
        self.gaps.load(Ordering::Relaxed)
    }

    /// The number of windows that were skipped because the next one was due.
    pub fn skips(&self) -> u64 {
        self.skips.load(Ordering::Relaxed)
    }

    /// The time since the values were written; `None` before the first time.
    pub fn age(&self) -> Option<Duration> {
        let written = Duration::from_micros(self.written.load(Ordering::Relaxed));
        (self.version() > 0).then(|| self.created.elapsed().saturating_sub(written))
    }

    /// The state of the model. Takes a lock: not for the audio thread.
    pub fn status(&self) -> Status {
        lock(&self.status).clone()
    }

    /// The loaded model. Takes a lock: not for the audio thread.
    pub fn model_info(&self) -> ModelInfo {
        lock(&self.model_info).clone()
    }

    /// The only channel that is used, from 0, because the channels cancel and their mean is more than
    /// 12 dB below it; `None` while the mean of all channels is used.
    pub fn channel(&self) -> Option<usize> {
        Some(self.channel.load(Ordering::Relaxed)).filter(|channel| *channel != MEAN)
    }

    /// Processor time that the worker threads have spent on this instance.
    pub fn cpu_time(&self) -> Duration {
        Duration::from_nanos(self.cpu_time.load(Ordering::Relaxed))
    }

    /// The name of tag `index`, if there is one. Takes a lock: not for the audio thread.
    pub fn name(&self, index: usize) -> Option<String> {
        lock(&self.status).tags().get(index).cloned()
    }

    /// Writes the prediction for the window that ends at `time`, whose whitened embedding is given in steps; tags beyond it
    /// go to zero.
    pub(crate) fn publish(&self, time: StreamTime, probabilities: &[f32], embedding: &[i8]) {
        self.inferences.fetch_add(1, Ordering::Relaxed);
        self.observer.on_prediction(time, probabilities, embedding);
        self.write(probabilities);
    }

    /// Sets every tag to zero for a silent window that ends at `time`, unless all are zero already.
    pub(crate) fn publish_silence(&self, time: StreamTime) {
        if !self.is_clear() {
            self.observer.on_prediction(time, &[], &[]);
            self.write(&[]);
        }
    }

    /// Whether every tag is zero.
    pub fn is_clear(&self) -> bool {
        self.is_clear.load(Ordering::Relaxed)
    }

    /// Sets every tag to zero, unless all are zero already.
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
        self.is_clear.store(values.iter().all(|value| *value == 0.0), Ordering::Relaxed);
        self.written.store(self.created.elapsed().as_micros() as u64, Ordering::Relaxed);
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

    pub(crate) fn add_cpu_time(&self, time: Duration) {
        self.cpu_time.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    pub(crate) fn set_model_info(&self, info: ModelInfo) {
        *lock(&self.model_info) = info;
    }

    pub(crate) fn set_notice(&self, notice: String) {
        lock(&self.model_info).notice = Some(notice);
    }

    pub(crate) fn set_status(&self, status: Status) {
        let mut current: MutexGuard<'_, Status> = lock(&self.status);
        let has_other_tags = current.tags() != status.tags();
        *current = status;
        self.observer.on_status(&current);
        if has_other_tags {
            self.names_version.fetch_add(1, Ordering::Release);
        }
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

    const NOW: StreamTime = StreamTime { segment: 1, seconds: 3.0 };

    #[test]
    fn a_shorter_prediction_clears_the_rest_of_a_longer_one() {
        let board = TagBoard::new();
        assert_eq!((board.version(), board.age()), (0, None));
        board.publish(NOW, &[0.1, 0.2, 0.3], &[]);
        board.publish(NOW, &[0.5], &[]);
        assert_eq!(
            [board.probability(0), board.probability(1), board.probability(2), board.probability(MAX_TAGS)],
            [0.5, 0.0, 0.0, 0.0]
        );
        assert_eq!((board.version(), board.inferences()), (2, 2));
        assert!(board.age().is_some());
    }

    #[test]
    fn clearing_a_clear_board_changes_nothing() {
        let board = TagBoard::new();
        board.clear();
        assert_eq!(board.version(), 0);
        board.publish(NOW, &[0.1], &[]);
        board.clear();
        board.clear();
        assert_eq!((board.version(), board.inferences(), board.probability(0)), (2, 1, 0.0));
    }
}
