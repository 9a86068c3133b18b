//! Sizes and times that the whole crate shares.

/// The number of tags that a host sees as parameters. Of a model with more tags the user chooses some.
pub const MAX_PUBLISHED_TAGS: usize = 64;

/// The number of slots.
pub const SLOTS: usize = 8;

/// Ticks a second: how often the outputs are updated.
pub const TICK_RATE: u32 = 100;

/// Seconds from the end of a window until its prediction takes effect. That is enough for blocks of
/// 4096 frames at 44.1 kHz, and for a worker to wake up and predict.
pub const PREDICTION_DELAY: f64 = 0.1;
