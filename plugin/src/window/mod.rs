//! What outlives an instance's window: its size, the requests to draw it, and the threads that draw it.

mod repaint;
mod size;
mod threads;

pub(crate) use repaint::Repaint;
pub(crate) use size::{MAX_SIZE, MIN_SIZE, WindowSize};
pub(crate) use threads::WindowThreads;
