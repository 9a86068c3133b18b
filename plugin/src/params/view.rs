//! How the user has set up the window. It is saved with the project and takes no part in the host's undo.

use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard};

/// The most pinned tags and the most hidden tags.
const MAX_NAMES: usize = 256;

/// The longest name of a vocabulary, in bytes: the 64 characters that a model file can have.
const MAX_VOCABULARY_NAME: usize = 256;

/// Which tags of a model with several vocabularies the window shows, besides the pinned ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VocabularyChoice {
    /// Those of the first vocabulary.
    #[default]
    First,
    /// Those of the vocabulary with this name, or of the first one where the model has no such vocabulary.
    Named(String),
    /// All tags.
    All,
    /// No others.
    Pinned,
}

/// What the window shows and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ViewSettings {
    /// Whether the theme is light instead of dark.
    pub(crate) light: bool,
    /// Whether the tags are sorted by group instead of by strength.
    pub(crate) grouped: bool,
    /// Whether tags with the same meaning share a row.
    pub(crate) folded: bool,
    /// The vocabulary that is shown.
    pub(crate) vocabulary: VocabularyChoice,
    /// The names of the rows at the top.
    pub(crate) pinned: Vec<String>,
    /// The names of the rows that are not shown.
    pub(crate) hidden: Vec<String>,
    /// The length of the taggram, in seconds.
    #[serde(rename = "seconds")]
    pub(crate) taggram_seconds: f64,
    /// The lowest probability at which an exported region has a tag.
    #[serde(rename = "threshold")]
    pub(crate) region_threshold: f32,
}

impl Default for ViewSettings {
    fn default() -> Self {
        Self {
            light: false,
            grouped: false,
            folded: true,
            vocabulary: VocabularyChoice::First,
            pinned: Vec::new(),
            hidden: Vec::new(),
            taggram_seconds: 60.0,
            region_threshold: 0.3,
        }
    }
}

impl ViewSettings {
    /// The range of [`taggram_seconds`](Self::taggram_seconds).
    pub(crate) const TAGGRAM_SECONDS_RANGE: std::ops::RangeInclusive<f64> = 10.0..=600.0;

    /// Pins or unpins a row.
    pub(crate) fn toggle_pinned(&mut self, name: &str) {
        toggle(&mut self.pinned, name);
    }

    /// Hides a row or shows it again.
    pub(crate) fn toggle_hidden(&mut self, name: &str) {
        toggle(&mut self.hidden, name);
    }

    /// The settings with every value within its limits.
    fn clamped(mut self) -> Self {
        if matches!(&self.vocabulary, VocabularyChoice::Named(name) if name.len() > MAX_VOCABULARY_NAME) {
            self.vocabulary = VocabularyChoice::First;
        }
        self.pinned.truncate(MAX_NAMES);
        self.hidden.truncate(MAX_NAMES);
        let default = Self::default();
        self.taggram_seconds = if self.taggram_seconds.is_finite() {
            self.taggram_seconds.clamp(*Self::TAGGRAM_SECONDS_RANGE.start(), *Self::TAGGRAM_SECONDS_RANGE.end())
        } else {
            default.taggram_seconds
        };
        self.region_threshold = if self.region_threshold.is_finite() {
            self.region_threshold.clamp(0.0, 1.0)
        } else {
            default.region_threshold
        };
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

/// The settings in the saved state.
#[derive(Default)]
pub(crate) struct SavedView(Mutex<ViewSettings>);

impl SavedView {
    /// Locks the settings.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ViewSettings> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<'a> PersistentField<'a, ViewSettings> for SavedView {
    fn set(&self, view: ViewSettings) {
        *self.lock() = view.clamped();
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&ViewSettings) -> R,
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
        let read = |text: &str| serde_json::from_str::<ViewSettings>(text).unwrap();
        saved.set(read("{\"seconds\": 1e300, \"threshold\": -4, \"unknown\": 3}"));
        let view = saved.lock().clone();
        assert_eq!((view.taggram_seconds, view.region_threshold), (600.0, 0.0));
        saved.set(ViewSettings {
            pinned: vec!["x".into(); 1_000],
            taggram_seconds: f64::NAN,
            ..ViewSettings::default()
        });
        let view = saved.lock().clone();
        assert_eq!((view.pinned.len(), view.taggram_seconds), (MAX_NAMES, 60.0));
        saved.set(read(r#"{"vocabulary": {"named": "Jamendo 50"}}"#));
        assert_eq!(saved.lock().vocabulary, VocabularyChoice::Named("Jamendo 50".into()));
        saved.set(read(&format!(r#"{{"vocabulary": {{"named": "{}"}}}}"#, "x".repeat(10_000))));
        assert_eq!(saved.lock().vocabulary, VocabularyChoice::First);
        let view = ViewSettings { light: true, hidden: vec!["rock".into()], ..ViewSettings::default() };
        saved.set(view.clone());
        assert_eq!(saved.map(|view| serde_json::to_string(view).unwrap()), serde_json::to_string(&view).unwrap());
    }

    #[test]
    fn pinning_twice_unpins_and_the_number_of_names_is_limited() {
        let mut view = ViewSettings::default();
        view.toggle_pinned("rock");
        view.toggle_pinned("slow");
        view.toggle_pinned("rock");
        assert_eq!(view.pinned, ["slow"]);
        (0..2 * MAX_NAMES).for_each(|number| view.toggle_hidden(&number.to_string()));
        assert_eq!(view.hidden.len(), MAX_NAMES);
    }
}
