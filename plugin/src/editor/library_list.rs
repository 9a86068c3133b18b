//! The list of the models in the user's library, made on a thread of its own.

use super::theme;
use crate::instance::Instance;
use crate::params::ModelChoice;
use egui::{RichText, Ui};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tagvane_engine::{LibraryEntry, ModelInfo, ModelLibrary, ModelSource, ModelSummary};

/// The shortest time between two looks at the folder.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The models of the library.
#[derive(Default)]
pub(crate) struct LibraryList {
    entries: Vec<LibraryEntry>,
    listing: Option<Listing>,
    /// The state of the library that the last listing was started for.
    listed: Option<LibraryState>,
    looked: Option<Instant>,
}

/// What tells that the library may have changed.
#[derive(Debug, PartialEq)]
struct LibraryState {
    /// When files were last added to its folders or removed.
    changed: [Option<SystemTime>; 2],
    /// The SHA-256 of the current model.
    model: String,
}

/// A thread that lists the models. Dropping it waits for the thread, for at most the load of one model.
struct Listing {
    entries: Receiver<Vec<LibraryEntry>>,
    is_cancelled: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LibraryList {
    /// Lists the models again if something has changed. Returns whether they are being listed.
    pub(crate) fn refresh(&mut self, instance: &Instance) -> bool {
        if let Some(listing) = &self.listing {
            match listing.entries.try_recv() {
                Err(TryRecvError::Empty) => return true,
                Ok(entries) => self.entries = entries,
                Err(TryRecvError::Disconnected) => {}
            }
            self.listing = None;
        }
        let Some(library) = instance.params.model.library() else { return false };
        if self.looked.is_none_or(|looked| looked.elapsed() > LOOK_INTERVAL) {
            self.looked = Some(Instant::now());
            let state = LibraryState::new(library, instance.engine.board().model_info().hash);
            if self.listed.as_ref() != Some(&state) {
                self.listed = Some(state);
                self.listing = Listing::start(library.clone());
            }
        }
        self.listing.is_some()
    }

    /// The models that can be used, and their display names.
    pub(crate) fn usable(&self) -> impl Iterator<Item = (&LibraryEntry, String)> {
        self.entries.iter().filter(|entry| entry.summary.is_ok()).map(|entry| (entry, name(entry)))
    }

    /// Draws the list and where its folder is.
    pub(crate) fn show(&self, ui: &mut Ui, instance: &Instance, info: &ModelInfo) {
        let palette = theme::palette(ui);
        for entry in &self.entries {
            ui.horizontal_wrapped(|ui| {
                let is_current = is_current(entry, info);
                let radio = egui::RadioButton::new(is_current, name(entry));
                let response = ui.add_enabled(entry.summary.is_ok(), radio);
                let (text, color) = match &entry.summary {
                    Ok(summary) => (facts(summary), palette.faint),
                    Err(why) => (why.clone(), palette.warning),
                };
                ui.label(RichText::new(text).size(12.0).color(color));
                let Ok(summary) = &entry.summary else { return };
                if response.on_hover_text(summary.tags.join(", ")).clicked() && !is_current {
                    choose(instance, entry);
                }
            });
        }
        let text = match instance.params.model.library().map(|library| library.folder().display()) {
            None => "The system has no folder for it; set TAGVANE_LIBRARY to one before the host starts.".into(),
            Some(folder) if self.entries.is_empty() => {
                format!("Models that you open are copied to {folder}, and projects find them there.")
            }
            Some(folder) => format!("The files are in {folder}."),
        };
        ui.label(RichText::new(text).size(12.0).color(palette.faint));
    }
}

/// Loads a model of the library.
pub(crate) fn choose(instance: &Instance, entry: &LibraryEntry) {
    instance.choose_model(ModelChoice::File { file: entry.path.clone(), sha256: Some(entry.hash.clone()) });
}

/// Whether a model of the library is the one that runs, wherever that was loaded from.
pub(crate) fn is_current(entry: &LibraryEntry, info: &ModelInfo) -> bool {
    matches!(info.source, Some(ModelSource::File(_))) && info.hash == entry.hash
}

/// The name of the file, without its extension.
fn name(entry: &LibraryEntry) -> String {
    entry.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// What the list says of a model: tags, window, rate and cost.
fn facts(summary: &ModelSummary) -> String {
    let ModelSummary { tags, window, sample_rate, .. } = summary;
    let (share, per_second) = summary.cost();
    let (tags, kilohertz, window) = (tags.len(), f64::from(*sample_rate) / 1_000.0, window.as_secs_f64());
    let cost = if share < 0.001 { "under 0.1 %".into() } else { format!("{:.1} %", 100.0 * share) };
    let assumed = |is_assumed: bool| if is_assumed { " (assumed)" } else { "" };
    let (of_window, of_rate) = (assumed(summary.is_window_assumed), assumed(summary.is_sample_rate_assumed));
    format!(
        "{tags} tags, {window:.1} s{of_window} at {kilohertz} kHz{of_rate}, {per_second:.1} predictions/s for {cost} of a core"
    )
}

impl LibraryState {
    fn new(library: &ModelLibrary, model: String) -> Self {
        let changed = |folder| fs::metadata(folder).and_then(|metadata| metadata.modified()).ok();
        Self { changed: [changed(library.folder().to_owned()), changed(library.folder().join("settings"))], model }
    }
}

impl Listing {
    /// Starts a thread; `None` if the system cannot start one.
    fn start(library: ModelLibrary) -> Option<Self> {
        let (sender, entries) = channel();
        let is_cancelled = Arc::new(AtomicBool::new(false));
        let cancelled = Arc::clone(&is_cancelled);
        let list = move || {
            // The list may be gone by now.
            drop(sender.send(library.entries(|| cancelled.load(Ordering::Relaxed))));
        };
        let thread = std::thread::Builder::new().name("tagvane library".into()).spawn(list).ok()?;
        Some(Self { entries, is_cancelled, thread: Some(thread) })
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has listed nothing.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagvane_engine::InferenceMode;

    #[test]
    fn the_facts_of_a_model_are_told_in_a_line() {
        let summary = |inference, milliseconds| ModelSummary {
            tags: vec!["rock".into(), "pop".into()],
            window: Duration::from_secs(3),
            sample_rate: 22_050,
            is_sample_rate_assumed: milliseconds == 2,
            is_window_assumed: false,
            inference,
            hop: Duration::from_millis(100),
            prediction_time: Duration::from_millis(milliseconds),
        };
        for (inference, milliseconds, end) in [
            (InferenceMode::Sliding, 2, " (assumed), 10.0 predictions/s for 2.0 % of a core"),
            (InferenceMode::Sliding, 0, ", 10.0 predictions/s for under 0.1 % of a core"),
            (InferenceMode::Sliding, 50, ", 10.0 predictions/s for 50.0 % of a core"),
            // The engine predicts less often instead.
            (InferenceMode::FullWindows, 50, ", 2.0 predictions/s for 10.0 % of a core"),
        ] {
            assert_eq!(facts(&summary(inference, milliseconds)), format!("2 tags, 3.0 s at 22.05 kHz{end}"));
        }
    }
}
