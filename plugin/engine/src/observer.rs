//! Callbacks of an engine.

use crate::status::Status;

/// A point in the audio of a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamTime {
    /// The number of discontinuities before it, as
    /// [`AudioProducer::position`](crate::AudioProducer::position) counts them.
    pub segment: u32,
    /// Seconds since the last of these discontinuities.
    pub seconds: f64,
}

/// Receives every prediction together with its position in the audio; a
/// [`TagBoard`](crate::TagBoard) only holds the latest one.
///
/// Both methods run on the thread that runs the model, which waits for them.
pub trait EngineObserver: Send + Sync {
    /// The model changed; `status` is valid from the next prediction on.
    fn on_status(&self, status: &Status);

    /// The prediction for the window that ends at `time`: the probability of each tag, or an empty
    /// slice for a silent window.
    fn on_prediction(&self, time: StreamTime, probabilities: &[f32]);
}

/// An observer that ignores everything.
impl EngineObserver for () {
    fn on_status(&self, _status: &Status) {}
    fn on_prediction(&self, _time: StreamTime, _probabilities: &[f32]) {}
}
