//! Tests of the window without a screen. They find widgets by role and name, click, type and drag, and
//! compare pages with reference pictures. `UPDATE_SNAPSHOTS=1` writes new pictures; look at them then.

mod cost;
mod interaction;
mod library;
mod mine;
mod painter;
mod pictures;
mod presets;
mod sections;
// The test models of the engine.
#[path = "../../../engine/tests/support/mod.rs"]
mod support;
mod vocabularies;
mod warnings;

use super::ui::EditorUi;
use crate::instance::Instance;
use crate::shell::{HostCall, TestHost};
use egui_kittest::Harness;
use nice_plug::context::gui::GuiContext;
use painter::Painter;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tagvane_engine::{EngineObserver as _, ModelLibrary, Status, StreamPosition, StreamTime};
use tagvane_outputs::{Bar, Block, Event, OutputParams, Transport, TransportPosition};

const RATE: f64 = 48_000.0;

/// The frames of a block: a hundredth of a second.
const BLOCK: u32 = 480;

/// An instance, its editor and its host.
struct TestSession {
    editor: EditorUi,
    instance: Instance,
    host: Arc<TestHost>,
    context: GuiContext,
    /// The number of blocks that were played.
    blocks: u64,
    /// The events that the host received.
    events: Vec<Event>,
}

impl TestSession {
    fn new() -> Self {
        static SESSIONS: AtomicUsize = AtomicUsize::new(0);
        let number = SESSIONS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("tagvane-library-{}-{number}", std::process::id()));
        Self::with_library(folder)
    }

    /// A session whose library is in this folder, which is removed at the end if it is a temporary one.
    fn with_library(folder: PathBuf) -> Self {
        let (host, context) = TestHost::new();
        let instance = Instance::with_library(Some(ModelLibrary::new(folder)));
        instance.engine.wait_until_loaded();
        instance.processor.lock().unwrap().activate(RATE);
        Self { editor: EditorUi::default(), instance, host, context, blocks: 0, events: Vec::new() }
    }

    /// Plays at 120 beats per minute with these predictions; all other tags have a probability of 0.02.
    fn play(&mut self, seconds: f64, predictions: &[(&str, f32)]) {
        self.play_with_embedding(seconds, predictions, 0);
    }

    /// Does the same with an embedding whose first component is `first`, in steps; 0 is none.
    fn play_with_embedding(&mut self, seconds: f64, predictions: &[(&str, f32)], first: i8) {
        let mut embedding = match self.instance.engine.board().status() {
            Status::Ready { embedding_size, .. } if first != 0 => vec![0; embedding_size],
            _ => Vec::new(),
        };
        embedding.iter_mut().take(1).for_each(|value| *value = first);
        let names = self.instance.engine.board().status().tags().to_vec();
        let probability =
            |name: &String| predictions.iter().find(|(tag, _)| tag == name).map_or(0.02, |(_, value)| *value);
        let probabilities: Vec<f32> = names.iter().map(probability).collect();
        let params = self.instance.params.output_params();
        for _ in 0..(seconds * 100.0) as u64 {
            self.blocks += 1;
            let now = self.blocks as f64 / 100.0;
            if self.blocks.is_multiple_of(10) {
                let time = StreamTime { segment: 1, seconds: now };
                // As the engine does it.
                let status = self.instance.engine.board().status();
                let taught = status.taught().iter().map(|tag| tag.function.probability(&embedding));
                let own = &probabilities[..probabilities.len().min(status.tags().len() - status.taught().len())];
                let all: Vec<f32> = own.iter().copied().chain(taught).collect();
                self.instance.outputs.on_prediction(time, &all, &embedding);
                let newest = self.instance.outputs.timeline().entries().next_back().map(|entry| entry.clock);
                newest.into_iter().for_each(|clock| self.instance.mark_buttons.on_prediction(clock));
            }
            self.process_block(now, &params);
        }
    }

    /// Processes the block that ends at `now`, in seconds.
    fn process_block(&mut self, now: f64, params: &OutputParams) {
        let mut processor = self.instance.processor.lock().unwrap();
        let end = StreamPosition { segment: 1, frames: self.blocks * u64::from(BLOCK) };
        let block = Block { frames: BLOCK, end, is_playing: true, is_bypassed: false, is_offline: false };
        let beats = (now - 0.01) * 2.0;
        let bar = Bar { number: (beats / 4.0) as i32, start: (beats / 4.0).floor() * 4.0, length: 4.0 };
        let song_position = TransportPosition { seconds: now - 0.01, beats: Some(beats), bar: Some(bar) };
        processor.set_transport(&block, Transport { position: Some(song_position), tempo: 120.0 });
        processor.begin_block(true);
        processor.process(&block, params);
        processor.drain_events(|timed| {
            self.events.push(timed.event);
            true
        });
    }
}

impl Drop for TestSession {
    fn drop(&mut self) {
        let folder = self.instance.params.model.library().unwrap().folder();
        if folder.starts_with(std::env::temp_dir()) {
            // Most tests leave none.
            drop(std::fs::remove_dir_all(folder));
        }
    }
}

/// Opens the window of a session in this size.
fn open(session: TestSession, size: (f32, f32), pixels_per_point: f32) -> Harness<'static, TestSession> {
    let builder = Harness::builder()
        .with_size(egui::Vec2::new(size.0, size.1))
        .with_pixels_per_point(pixels_per_point)
        .with_step_dt(1.0 / 60.0)
        .allow_missing_glyphs()
        .renderer(Painter::default());
    let mut harness = builder.build_ui_state(
        |ui, session: &mut TestSession| {
            let TestSession { editor, instance, context, .. } = session;
            editor.show(ui, instance, &context.param_setter());
        },
        session,
    );
    harness.run_steps(90);
    harness
}
