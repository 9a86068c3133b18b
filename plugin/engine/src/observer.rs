//! Callbacks of an engine.

use crate::status::Status;

/// A point in the audio of a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamTime {
    /// The number of gaps and discontinuities before it, as in a [`StreamPosition`].
    pub segment: u32,
    /// Seconds since the last of these.
    pub seconds: f64,
}

/// The position of the host in a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamPosition {
    /// The number of gaps and discontinuities so far, the beginning included.
    pub segment: u32,
    /// Frames of the host since the last of these.
    pub frames: u64,
}

/// Receives every prediction together with its position in the audio; a
/// [`TagBoard`](crate::TagBoard) only holds the latest one.
///
/// The callers wait for both methods, so they must return soon. They must not ask the board for its
/// [`status`](crate::TagBoard::status) or a [`name`](crate::TagBoard::name), whose lock the caller holds.
pub trait EngineObserver: Send + Sync {
    /// The status changed: a model is being loaded, is ready or has failed. It applies from the next
    /// prediction on. Called by the thread that loads or runs models, or by the one that creates the engine.
    fn on_status(&self, status: &Status);

    /// The prediction for the window that ends at `time`: the probability of each tag, and the whitened embedding in
    /// [steps](crate::to_steps), which is empty where the model has none. Empty slices, once, when a silent window sets
    /// all tags to zero; a discontinuity does that without a call. Called by the thread that runs the model.
    fn on_prediction(&self, time: StreamTime, probabilities: &[f32], embedding: &[i8]);
}

/// An observer that ignores everything.
impl EngineObserver for () {
    fn on_status(&self, _status: &Status) {}
    fn on_prediction(&self, _time: StreamTime, _probabilities: &[f32], _embedding: &[i8]) {}
}
