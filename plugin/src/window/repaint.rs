//! Requests to draw the window.

use nice_plug_egui::RepaintNotifier;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks the window to draw a frame, unless the host hides it. Any thread may do so, the audio thread
/// too.
#[derive(Clone, Default)]
pub(crate) struct Repaint {
    notifier: RepaintNotifier,
    is_hidden: Arc<AtomicBool>,
}

impl Repaint {
    /// Asks for a frame.
    pub(crate) fn request(&self) {
        self.notifier.request_repaint_with(!self.is_hidden());
    }

    /// The host hides the open window, or shows it again.
    pub(crate) fn set_hidden(&self, is_hidden: bool) {
        self.is_hidden.store(is_hidden, Ordering::Relaxed);
        self.request();
    }

    /// Whether the host hides the window.
    pub(crate) fn is_hidden(&self) -> bool {
        self.is_hidden.load(Ordering::Relaxed)
    }

    /// The notifier that nice-plug checks.
    pub(crate) fn notifier(&self) -> RepaintNotifier {
        self.notifier.clone()
    }
}
