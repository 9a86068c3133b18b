//! How the user has set up the window. It is saved with the project and takes no part in the host's undo.

use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard};

/// The most pinned tags and the most hidden tags.
const MAX_NAMES: usize = 64;

/// What the window shows and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct View {
    /// Whether the theme is light instead of dark.
    pub(crate) light: bool,
    /// Whether the tags are sorted by group instead of by strength.
    pub(crate) grouped: bool,
    /// Whether tags with the same meaning share a row.
    pub(crate) folded: bool,
    /// The names of the rows at the top.
    pub(crate) pinned: Vec<String>,
    /// The names of the rows that are not shown.
    pub(crate) hidden: Vec<String>,
    /// The length of the taggram, in seconds.
    pub(crate) seconds: f64,
    /// The lowest probability at which an exported region has a tag.
    pub(crate) threshold: f32,
}

impl Default for View {
    fn default() -> Self {
        Self {
            light: false,
            grouped: false,
            folded: true,
            pinned: Vec::new(),
            hidden: Vec::new(),
            seconds: 60.0,
            threshold: 0.3,
        }
    }
}

impl View {
    /// The range of [`seconds`](Self::seconds).
    pub(crate) const SECONDS_RANGE: std::ops::RangeInclusive<f64> = 10.0..=600.0;

    /// Pins or unpins a row.
    pub(crate) fn toggle_pinned(&mut self, name: &str) {
        toggle(&mut self.pinned, name);
    }

    /// Hides a row or shows it again.
    pub(crate) fn toggle_hidden(&mut self, name: &str) {
        toggle(&mut self.hidden, name);
    }

    /// The view with every value within its limits.
    fn clamped(mut self) -> Self {
        self.pinned.truncate(MAX_NAMES);
        self.hidden.truncate(MAX_NAMES);
        let default = Self::default();
        self.seconds = if self.seconds.is_finite() {
            self.seconds.clamp(*Self::SECONDS_RANGE.start(), *Self::SECONDS_RANGE.end())
        } else {
            default.seconds
        };
        self.threshold = if self.threshold.is_finite() { self.threshold.clamp(0.0, 1.0) } else { default.threshold };
        self
    }
}

fn toggle(names: &mut Vec<String>, name: &str) {
    match names.iter().position(|other| other == name) {
        Some(index) => {
            names.remove(index);
        }
        None if names.len() < MAX_NAMES => names.push(name.to_owned()),
        None => {}
    }
}

/// The view in the saved state.
#[derive(Default)]
pub(crate) struct SavedView(Mutex<View>);

impl SavedView {
    /// Locks the view.
    pub(crate) fn lock(&self) -> MutexGuard<'_, View> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<'a> PersistentField<'a, View> for SavedView {
    fn set(&self, view: View) {
        *self.lock() = view.clamped();
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&View) -> R,
    {
        f(&self.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_values_beyond_their_limits_are_clamped() {
        let saved = SavedView::default();
        let read = |text: &str| serde_json::from_str::<View>(text).unwrap();
        saved.set(read("{\"seconds\": 1e300, \"threshold\": -4, \"unknown\": 3}"));
        let view = saved.lock().clone();
        assert_eq!((view.seconds, view.threshold), (600.0, 0.0));
        saved.set(View { pinned: vec!["x".into(); 1_000], seconds: f64::NAN, ..View::default() });
        let view = saved.lock().clone();
        assert_eq!((view.pinned.len(), view.seconds), (MAX_NAMES, 60.0));
        let view = View { light: true, hidden: vec!["rock".into()], ..View::default() };
        saved.set(view.clone());
        assert_eq!(saved.map(|view| serde_json::to_string(view).unwrap()), serde_json::to_string(&view).unwrap());
    }

    #[test]
    fn pinning_twice_unpins_and_the_number_of_names_is_limited() {
        let mut view = View::default();
        view.toggle_pinned("rock");
        view.toggle_pinned("slow");
        view.toggle_pinned("rock");
        assert_eq!(view.pinned, ["slow"]);
        (0..200).for_each(|number| view.toggle_hidden(&number.to_string()));
        assert_eq!(view.hidden.len(), MAX_NAMES);
    }
}
