//! The tags of the user's own: marking, learning, and the saved state.

use crate::window::Repaint;
use nice_plug::params::persist::PersistentField;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use tagvane_engine::teaching::{Confidence, Lesson, Mine};
use tagvane_engine::{Engine, Status};
use tagvane_outputs::Outputs;

/// The tag that the buttons mark while there is none.
const FIRST_NAME: &str = "mine";

/// The tags of an instance.
pub(crate) struct SavedMine {
    engine: Arc<Engine>,
    outputs: Arc<Outputs>,
    state: Arc<Mutex<MineState>>,
    /// Set when the user changes the tags, which the host saves.
    is_dirty: Arc<AtomicBool>,
    repaint: Repaint,
}

/// What threads share. It must not own the engine, which waits for the thread that learns.
#[derive(Default)]
struct MineState {
    mine: Mine,
    /// How well each tag tells its spans apart, by its name; missing until that is known.
    confidences: HashMap<String, Confidence>,
    /// Why the buttons last marked nothing, in a sentence.
    notice: Option<String>,
}

/// The two buttons that mark while they are held, as parameters of the host and in the window. The audio thread or the
/// window presses them, and the thread that runs the model marks the span when they are released.
#[derive(Default)]
pub(crate) struct MarkButtons {
    /// By its source: the one for examples, and the one for counterexamples.
    pressed: [[AtomicBool; 2]; 2],
    held: Mutex<Option<HeldButton>>,
    mine: OnceLock<Weak<SavedMine>>,
}

/// A button that is held.
#[derive(Debug, Clone, Copy)]
struct HeldButton {
    /// Whether it marks an example.
    is_example: bool,
    /// The first and the last prediction so far, on the timeline's clock.
    from: f64,
    to: f64,
}

/// Where a button is pressed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ButtonSource {
    /// A parameter of the host.
    Host,
    /// The window.
    Window,
}

impl MarkButtons {
    /// Marks for these tags from now on.
    pub(crate) fn connect(&self, mine: &Arc<SavedMine>) {
        self.mine.get_or_init(|| Arc::downgrade(mine));
    }

    /// Presses or releases the buttons. Any thread may do so, the audio thread too.
    pub(crate) fn press(&self, source: ButtonSource, is_example: bool, is_counterexample: bool) {
        let [example, counterexample] = &self.pressed[source as usize];
        example.store(is_example, Ordering::Relaxed);
        counterexample.store(is_counterexample, Ordering::Relaxed);
    }

    /// Whether an example is being marked; `None` while no button is held. Both at once are none.
    pub(crate) fn marks_example(&self) -> Option<bool> {
        let is_pressed = |button: usize| self.pressed.iter().any(|buttons| buttons[button].load(Ordering::Relaxed));
        match (is_pressed(0), is_pressed(1)) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }

    /// A prediction was made, which is at `clock` on the timeline's.
    pub(crate) fn on_prediction(&self, clock: f64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let pressed = self.marks_example();
        match &mut *held {
            Some(button) if pressed == Some(button.is_example) => button.to = clock,
            _ => {
                let before = held.take();
                *held = pressed.map(|is_example| HeldButton { is_example, from: clock, to: clock });
                if let (Some(button), Some(mine)) = (before, self.mine.get().and_then(Weak::upgrade)) {
                    mine.mark_selected(button.is_example, button.from, button.to);
                }
            }
        }
    }
}

fn lock(state: &Mutex<MineState>) -> MutexGuard<'_, MineState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SavedMine {
    /// No tags, for the engine and the outputs of an instance.
    pub(crate) fn new(engine: Arc<Engine>, outputs: Arc<Outputs>, is_dirty: Arc<AtomicBool>, repaint: Repaint) -> Self {
        Self { engine, outputs, state: Arc::default(), is_dirty, repaint }
    }

    /// The tags.
    pub(crate) fn get(&self) -> Mine {
        lock(&self.state).mine.clone()
    }

    /// How well a tag tells its spans apart; `None` until that is known.
    pub(crate) fn confidence(&self, name: &str) -> Option<Confidence> {
        lock(&self.state).confidences.get(name).copied()
    }

    /// The SHA-256 of the current model, if tags can be taught to it.
    ///
    /// # Errors
    /// A sentence for the user.
    pub(crate) fn teachable_model(&self) -> Result<String, String> {
        let status = self.engine.board().status();
        let Status::Ready { hash, embedding_size, name, .. } = status else {
            return Err("no model is loaded yet; wait for it".into());
        };
        if embedding_size == 0 || self.engine.board().model_info().metadata.background.size() != embedding_size {
            return Err(format!("{name} has no embedding that tags can be taught on; choose Music 214"));
        }
        Ok(hash)
    }

    /// Marks a span of the timeline's clock as an example of a tag, or as what it is not, and learns from it.
    ///
    /// # Errors
    /// A sentence for the user.
    pub(crate) fn mark(&self, name: &str, is_example: bool, from: f64, to: f64) -> Result<(), String> {
        let model = self.teachable_model()?;
        let span = self.outputs.timeline().mark(is_example, from, to);
        let span = span.ok_or("there is only silence in this span; mark one with sound")?;
        let lesson = {
            let mut state = lock(&self.state);
            let index = state.mine.mark(name, &model, span)?;
            state.mine.lessons()[index].clone()
        };
        self.is_dirty.store(true, Ordering::Release);
        self.learn(lesson);
        Ok(())
    }

    /// Marks a span for the selected tag, or for a first one. Tells the user where that is not possible.
    fn mark_selected(&self, is_example: bool, from: f64, to: f64) {
        let name = lock(&self.state).mine.selected().unwrap_or(FIRST_NAME).to_owned();
        let why = self.mark(&name, is_example, from, to).err();
        lock(&self.state).notice = why.map(|why| format!("Nothing was marked as {name}: {why}"));
    }

    /// Why the buttons last marked nothing, in a sentence.
    pub(crate) fn notice(&self) -> Option<String> {
        lock(&self.state).notice.clone()
    }

    /// Changes the tags, and learns those whose spans or kind changed.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Mine)) {
        let changed: Vec<Lesson> = {
            let mut state = lock(&self.state);
            let before = state.mine.clone();
            edit(&mut state.mine);
            let is_new = |lesson: &&Lesson| !before.lessons().contains(lesson);
            state.mine.lessons().iter().filter(is_new).cloned().collect()
        };
        self.is_dirty.store(true, Ordering::Release);
        self.apply();
        changed.into_iter().for_each(|lesson| self.learn(lesson));
    }

    /// Adds the tags of a file.
    ///
    /// # Errors
    /// A sentence for the user.
    pub(crate) fn import(&self, bytes: &[u8]) -> Result<(), String> {
        let mut joined = self.get();
        joined.add_all(Mine::from_file(bytes)?)?;
        self.edit(|mine| *mine = joined);
        Ok(())
    }

    /// Has the engine compute the tags as they are now.
    fn apply(&self) {
        let state = &self.state;
        self.engine.set_taught(|| lock(state).mine.taught());
        self.repaint.request();
    }

    fn learn(&self, lesson: Lesson) {
        let (state, repaint) = (Arc::clone(&self.state), self.repaint.clone());
        self.engine.learn(lesson, move |learned, confidence| {
            let mut state = lock(&state);
            state.mine.set_learned(&learned);
            state.confidences.insert(learned.name, confidence);
            repaint.request();
            state.mine.taught()
        });
    }
}

/// The tags in the saved state.
pub(crate) struct PersistedMine(pub(crate) Arc<SavedMine>);

impl<'a> PersistentField<'a, Mine> for PersistedMine {
    fn set(&self, mine: Mine) {
        // What is out of range was reported when the state was checked.
        let Ok(mine) = mine.checked() else { return };
        *lock(&self.0.state) = MineState { mine, ..MineState::default() };
        self.0.apply();
        // Which says how well they tell their spans apart.
        self.0.get().lessons().iter().for_each(|lesson| self.0.learn(lesson.clone()));
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&Mine) -> R,
    {
        f(&lock(&self.0.state).mine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::Instance;
    use std::time::{Duration, Instant};
    use tagvane_engine::RenderMode;

    const RATE: f64 = 44_100.0;

    /// Two kinds of sound, each for four seconds, twice.
    fn music() -> Vec<f32> {
        (0..(16.0 * RATE) as usize)
            .map(|frame| {
                let seconds = frame as f64 / RATE;
                let hertz = if seconds % 8.0 < 4.0 { 110.0 } else { 1_760.0 };
                let pulse = if seconds % 8.0 < 4.0 { 1.0 } else { (-20.0 * (seconds % 0.25)).exp() };
                (0.4 * pulse * (std::f64::consts::TAU * hertz * seconds).sin().signum()) as f32
            })
            .collect()
    }

    /// Renders the music offline in blocks, and returns the values of a tag at each prediction in the timeline.
    fn render(instance: &Instance, block: usize, tag: &str) -> Vec<f32> {
        let mut producer = instance.engine.connect(RATE, RenderMode::Offline).unwrap();
        for samples in music().chunks(block) {
            producer.push(&[samples]);
            instance.engine.process_offline();
        }
        let timeline = instance.outputs.timeline();
        let index = timeline.tags().iter().position(|name| name == tag);
        index.map_or_else(Vec::new, |index| timeline.entries().map(|entry| entry.probability(index)).collect())
    }

    /// Waits until a tag is computed and how sure it is is known.
    fn wait_until_learned(instance: &Instance, name: &str) {
        let started = Instant::now();
        let has_tag = || instance.engine.board().status().tags().contains(&name.to_owned());
        while instance.mine.confidence(name).is_none() || !has_tag() {
            assert!(started.elapsed() < Duration::from_secs(20), "nothing was learned in twenty seconds");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn a_project_that_is_opened_again_bounces_the_same_taught_tags() {
        let instance = Instance::with_library(None);
        instance.engine.wait_until_loaded();
        render(&instance, 512, "low");
        // Windows of 2.7 s, the first of which ends after 2.7 s.
        instance.mine.mark("low", true, 0.1, 1.0).unwrap();
        instance.mine.mark("low", false, 4.3, 5.0).unwrap();
        wait_until_learned(&instance, "low");
        let live = render(&instance, 4_096, "low");
        assert!(live[3] > 0.7 && live[45] < 0.3, "{} {}", live[3], live[45]);
        // The second rendering has seen the tag, the first one gets it from its embeddings.
        let half = live.len() / 2;
        assert_eq!(live[..half], live[half..]);

        let saved = PersistedMine(Arc::clone(&instance.mine));
        let text = saved.map(|mine| serde_json::to_string(mine).unwrap());
        let again = Instance::with_library(None);
        again.engine.wait_until_loaded();
        PersistedMine(Arc::clone(&again.mine)).set(serde_json::from_str(&text).unwrap());
        // At once, without waiting for anything to be learned.
        assert_eq!(render(&again, 777, "low"), live[..half]);
        assert!(!again.is_dirty.load(Ordering::Acquire));
    }

    #[test]
    fn nothing_is_taught_to_a_model_without_an_embedding_and_tags_of_another_model_wait() {
        let instance = Instance::with_library(None);
        instance.engine.wait_until_loaded();
        render(&instance, 512, "x");
        instance.mine.mark("x", true, 0.1, 1.0).unwrap();
        wait_until_learned(&instance, "x");
        let has_tag = || instance.engine.board().status().tags().contains(&"x".to_owned());
        assert!(has_tag());
        instance.choose_model(crate::params::ModelChoice::Shipped { shipped: "MagnaTagATune 50".into() });
        instance.engine.wait_until_loaded();
        assert!(!has_tag() && instance.mine.get().lessons().len() == 1);
        let why = instance.mine.mark("x", true, 0.1, 1.0).unwrap_err();
        assert!(why.contains("MagnaTagATune 50 has no embedding"), "{why}");
        instance.choose_model(crate::params::ModelChoice::Default);
        instance.engine.wait_until_loaded();
        assert!(has_tag());
    }
}
