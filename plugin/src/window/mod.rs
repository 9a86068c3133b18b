//! What surrounds an instance's window: its size, the requests to draw it, the threads that draw it, its keyboard on X11.

mod repaint;
mod size;
mod threads;
#[cfg(target_os = "linux")]
mod x11_keyboard;

pub(crate) use repaint::Repaint;
pub(crate) use size::{MAX_SIZE, MIN_SIZE, WindowSize};
pub(crate) use threads::WindowThreads;
#[cfg(target_os = "linux")]
pub(crate) use x11_keyboard::X11Keyboard;
