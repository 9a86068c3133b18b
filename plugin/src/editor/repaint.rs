//! When the window draws: when there is something new, and only where somebody sees it.

use nice_plug_egui::RepaintNotifier;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks the window to draw, from any thread, the audio thread too; outlives the window.
#[derive(Clone, Default)]
pub(crate) struct Repaint {
    notifier: RepaintNotifier,
    hidden: Arc<AtomicBool>,
}

impl Repaint {
    /// Something is new.
    pub(crate) fn request(&self) {
        self.notifier.request_repaint_with(!self.is_hidden());
    }

    /// The host hides the window, which stays open, or shows it again.
    pub(crate) fn hide(&self, hidden: bool) {
        self.hidden.store(hidden, Ordering::Relaxed);
        self.request();
    }

    /// Whether the host has hidden the window.
    pub(super) fn is_hidden(&self) -> bool {
        self.hidden.load(Ordering::Relaxed)
    }

    /// nice-plug's end.
    pub(super) fn notifier(&self) -> RepaintNotifier {
        self.notifier.clone()
    }
}
