//! The window without a screen: found by role and name, clicked, typed into, dragged in, and
//! compared with reference pictures (`UPDATE_SNAPSHOTS=1` draws them anew; look at them then).

mod cost;
mod painter;
mod pictures;
// The models that the engine's own tests make.
#[path = "../../../engine/tests/support/mod.rs"]
mod support;
mod using;
mod warnings;

use super::window::Window;
use crate::parts::Parts;
use crate::shell::{Done, TestHost};
use egui_kittest::Harness;
use nice_plug::context::gui::GuiContext;
use painter::Painter;
use std::sync::Arc;
use tagvane_engine::{Moment, Observer as _};
use tagvane_outputs::{Bar, Block, Event, Place, Settings, Song};

const RATE: f64 = 48_000.0;

/// Frames a block: a hundredth of a second.
const BLOCK: u32 = 480;

/// An instance, its window, and a host around both.
struct Desk {
    window: Window,
    parts: Parts,
    host: Arc<TestHost>,
    context: GuiContext,
    /// Blocks that were played.
    blocks: u64,
    /// What the host was told.
    told: Vec<Event>,
}

impl Desk {
    fn new() -> Self {
        let (host, context) = TestHost::new();
        let parts = Parts::new();
        parts.engine.wait_until_loaded();
        parts.stage.lock().unwrap().run(RATE);
        Self { window: Window::default(), parts, host, context, blocks: 0, told: Vec::new() }
    }

    /// Plays some seconds at 120 beats a minute, in which each tag of these names is judged so.
    fn play(&mut self, seconds: f64, judged: &[(&str, f32)]) {
        let names = self.parts.engine.board().status().tags().to_vec();
        let probability = |name: &String| judged.iter().find(|(tag, _)| tag == name).map_or(0.02, |(_, value)| *value);
        let probabilities: Vec<f32> = names.iter().map(probability).collect();
        let settings = self.parts.controls.settings();
        for _ in 0..(seconds * 100.0) as u64 {
            self.blocks += 1;
            let now = self.blocks as f64 / 100.0;
            if self.blocks.is_multiple_of(10) {
                self.parts.outputs.judged(Moment { start: 1, seconds: now }, &probabilities);
            }
            self.pass(now, &settings);
        }
    }

    fn pass(&mut self, now: f64, settings: &Settings) {
        let mut stage = self.parts.stage.lock().unwrap();
        let start = (1, self.blocks * u64::from(BLOCK));
        let block = Block { frames: BLOCK, start, playing: true, bypassed: false, offline: false };
        let beats = (now - 0.01) * 2.0;
        let bar = Bar { number: (beats / 4.0) as i32, start: (beats / 4.0).floor() * 4.0, length: 4.0 };
        let song = Song { seconds: now - 0.01, beats: Some(beats), bar: Some(bar) };
        stage.place(&block, Place { song: Some(song), tempo: 120.0 });
        stage.begin_block(true);
        stage.pass(&block, settings);
        stage.tell(|timed| {
            self.told.push(timed.event);
            true
        });
    }
}

/// A window of a size on a desk.
fn open(desk: Desk, size: (f32, f32), pixels_per_point: f32) -> Harness<'static, Desk> {
    let builder = Harness::builder()
        .with_size(egui::Vec2::new(size.0, size.1))
        .with_pixels_per_point(pixels_per_point)
        .with_step_dt(1.0 / 60.0)
        .allow_missing_glyphs()
        .renderer(Painter::default());
    let mut harness = builder.build_ui_state(
        |ui, desk: &mut Desk| {
            let Desk { window, parts, context, .. } = desk;
            window.show(ui, parts, &context.param_setter());
        },
        desk,
    );
    harness.run_steps(90);
    harness
}
