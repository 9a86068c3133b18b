//! How a person has the window: kept with the project, and no part of what the host undoes.

use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard};

/// The most names that are kept of a kind.
const MOST_NAMES: usize = 64;

/// How the window looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct View {
    /// Light instead of dark.
    pub(crate) light: bool,
    /// The tags in groups instead of the strongest first.
    pub(crate) grouped: bool,
    /// Words that say the same are one.
    pub(crate) folded: bool,
    /// Tags that stand on top, by name.
    pub(crate) pinned: Vec<String>,
    /// Tags that are not shown, by name.
    pub(crate) hidden: Vec<String>,
    /// How much the taggram shows, in seconds.
    pub(crate) seconds: f64,
    /// From which probability on an exported region has a tag.
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
    /// How much a taggram can show, in seconds.
    pub(crate) const SECONDS: std::ops::RangeInclusive<f64> = 10.0..=600.0;

    /// Pins a tag, or takes its pin away.
    pub(crate) fn pin(&mut self, name: &str) {
        toggle(&mut self.pinned, name);
    }

    /// Hides a tag, or shows it again.
    pub(crate) fn hide(&mut self, name: &str) {
        toggle(&mut self.hidden, name);
    }

    /// What a project says, in its limits.
    fn sound(mut self) -> Self {
        self.pinned.truncate(MOST_NAMES);
        self.hidden.truncate(MOST_NAMES);
        let usual = Self::default();
        self.seconds = if self.seconds.is_finite() {
            self.seconds.clamp(*Self::SECONDS.start(), *Self::SECONDS.end())
        } else {
            usual.seconds
        };
        self.threshold = if self.threshold.is_finite() { self.threshold.clamp(0.0, 1.0) } else { usual.threshold };
        self
    }
}

fn toggle(names: &mut Vec<String>, name: &str) {
    match names.iter().position(|other| other == name) {
        Some(at) => {
            names.remove(at);
        }
        None if names.len() < MOST_NAMES => names.push(name.to_owned()),
        None => {}
    }
}

/// The view of an instance.
#[derive(Default)]
pub(crate) struct SavedView(Mutex<View>);

impl SavedView {
    /// The view, to read and to change.
    pub(crate) fn lock(&self) -> MutexGuard<'_, View> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<'a> PersistentField<'a, View> for SavedView {
    fn set(&self, view: View) {
        *self.lock() = view.sound();
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
    fn projects_say_what_they_like_and_the_view_stays_sound() {
        let saved = SavedView::default();
        let read = |text: &str| serde_json::from_str::<View>(text).unwrap();
        saved.set(read("{\"seconds\": 1e300, \"threshold\": -4, \"unknown\": 3}"));
        let view = saved.lock().clone();
        assert_eq!((view.seconds, view.threshold), (600.0, 0.0));
        saved.set(View { pinned: vec!["x".into(); 1_000], seconds: f64::NAN, ..View::default() });
        let view = saved.lock().clone();
        assert_eq!((view.pinned.len(), view.seconds), (MOST_NAMES, 60.0));
        let view = View { light: true, hidden: vec!["rock".into()], ..View::default() };
        saved.set(view.clone());
        assert_eq!(saved.map(|now| serde_json::to_string(now).unwrap()), serde_json::to_string(&view).unwrap());
    }

    #[test]
    fn what_is_pinned_twice_is_not_pinned() {
        let mut view = View::default();
        view.pin("rock");
        view.pin("slow");
        view.pin("rock");
        assert_eq!(view.pinned, ["slow"]);
        (0..200).for_each(|number| view.hide(&number.to_string()));
        assert_eq!(view.hidden.len(), MOST_NAMES);
    }
}
