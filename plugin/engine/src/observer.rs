//! Who wants to know what is heard as it is heard.

use crate::board::Status;

/// Where a window ended, in what a [`Tap`](crate::Tap) heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Which of the tap's starts came before it, as [`Tap::start`](crate::Tap::start)
    /// counts them.
    pub start: u32,
    /// Seconds from that start to the window's end.
    pub seconds: f64,
}

/// Is told of every judgement with the moment it is of, so that it can be placed in the
/// audio exactly, however late it was made; a [`TagBoard`](crate::TagBoard) only has the
/// latest.
///
/// Called on the thread that listens, which waits for it.
pub trait Observer: Send + Sync {
    /// What is listening has changed to `status`, from the next judgement on.
    fn changed(&self, status: &Status);

    /// The window that ended at `moment` was judged: the probabilities of the tags, or
    /// none where it was silence.
    fn judged(&self, moment: Moment, probabilities: &[f32]);
}

/// Nobody.
impl Observer for () {
    fn changed(&self, _status: &Status) {}
    fn judged(&self, _moment: Moment, _probabilities: &[f32]) {}
}
