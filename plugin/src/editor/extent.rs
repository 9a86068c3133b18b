//! How large the window is, on a screen that is scaled.

use nice_plug::editor::dpi::LogicalSize;
use nice_plug_egui::EguiEditorState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The window's size, which outlives the window, and the scale of the screen it was on last.
///
/// nice-plug keeps the size too, but knows the scale only once the window was resized: asked
/// before, it tells a size for a screen that is not scaled, and it opens a window for the second
/// time as if the screen were not.
#[derive(Clone)]
pub(crate) struct Extent {
    state: Arc<EguiEditorState>,
    scale: Arc<AtomicU64>,
}

impl Extent {
    /// So many logical pixels on a screen that is not scaled.
    pub(super) fn new((width, height): (f32, f32)) -> Self {
        let state = EguiEditorState::from_size(LogicalSize::new(width, height), 1.0);
        Self { state, scale: Arc::new(1_f64.to_bits().into()) }
    }

    /// nice-plug's own record of it.
    pub(super) fn state(&self) -> Arc<EguiEditorState> {
        Arc::clone(&self.state)
    }

    /// The window is on a screen that is scaled so.
    pub(super) fn note_scale(&self, scale: f64) {
        self.scale.store(scale.to_bits(), Ordering::Release);
    }

    /// Width and height in logical pixels.
    pub(crate) fn logical(&self) -> (f64, f64) {
        let size = self.state.logical_size();
        (size.width.into(), size.height.into())
    }

    /// So many logical pixels in those of the screen.
    pub(crate) fn pixels(&self, (width, height): (f64, f64)) -> (u32, u32) {
        let scale = f64::from_bits(self.scale.load(Ordering::Acquire));
        ((width * scale).round() as u32, (height * scale).round() as u32)
    }
}
