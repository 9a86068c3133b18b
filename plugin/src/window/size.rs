//! The size of the window on a screen with a scale factor.

use nice_plug::editor::dpi::LogicalSize;
use nice_plug_egui::EguiEditorState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Width and height of a new instance's window, in logical pixels.
const INITIAL_SIZE: (f32, f32) = (960.0, 640.0);

/// The smallest width and height, in logical pixels.
pub(crate) const MIN_SIZE: (f32, f32) = (480.0, 320.0);

/// The largest width and height, in logical pixels.
pub(crate) const MAX_SIZE: (f32, f32) = (3_840.0, 2_160.0);

/// The size of an instance's window and the scale factor of the screen that it was last on.
///
/// nice-plug stores the size too, but it learns the scale factor only when the window is resized.
/// Before that it reports the size for a scale factor of 1, and it opens a window for the second time
/// with a scale factor of 1.
#[derive(Clone)]
pub(crate) struct WindowSize {
    state: Arc<EguiEditorState>,
    /// The bits of an `f64`.
    scale_factor: Arc<AtomicU64>,
}

impl Default for WindowSize {
    fn default() -> Self {
        let (width, height) = INITIAL_SIZE;
        let state = EguiEditorState::from_size(LogicalSize::new(width, height), 1.0);
        Self { state, scale_factor: Arc::new(1_f64.to_bits().into()) }
    }
}

impl WindowSize {
    /// The size as nice-plug stores it.
    pub(crate) fn editor_state(&self) -> Arc<EguiEditorState> {
        Arc::clone(&self.state)
    }

    /// Sets the scale factor of the screen that the window is on.
    pub(crate) fn set_scale_factor(&self, scale_factor: f64) {
        self.scale_factor.store(scale_factor.to_bits(), Ordering::Release);
    }

    /// Width and height in logical pixels.
    pub(crate) fn logical(&self) -> (f64, f64) {
        let size = self.state.logical_size();
        (size.width.into(), size.height.into())
    }

    /// Converts width and height from logical to physical pixels.
    pub(crate) fn to_physical(&self, (width, height): (f64, f64)) -> (u32, u32) {
        let scale_factor = f64::from_bits(self.scale_factor.load(Ordering::Acquire));
        ((width * scale_factor).round() as u32, (height * scale_factor).round() as u32)
    }
}
