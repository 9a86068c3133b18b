//! The status line at the bottom of the window.

use super::theme;
use crate::instance::Instance;
use egui::{CornerRadius, Rect, RichText, Sense, Ui, Vec2};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tagvane_engine::{InferenceMode, Status};
use tagvane_outputs::PREDICTION_DELAY;

/// The time over which rates are measured.
const RATE_WINDOW: Duration = Duration::from_secs(3);

/// The shortest time between two samples of the counters; frames come more often.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// The rate at which the level meter falls, in decibels per second.
const LEVEL_FALL: f32 = 26.0;

/// The lower end of the level meter, in dBFS.
const MIN_LEVEL_DBFS: f32 = -60.0;

/// The engine's counters at a point in time.
struct CounterSample {
    time: Instant,
    inferences: u64,
    cpu_time: Duration,
}

/// The rates and the level in the status line.
pub(crate) struct StatusMeters {
    samples: VecDeque<CounterSample>,
    /// The input level, in dBFS.
    level: f32,
}

impl Default for StatusMeters {
    fn default() -> Self {
        Self { samples: VecDeque::new(), level: MIN_LEVEL_DBFS }
    }
}

impl StatusMeters {
    /// Reads the counters and the peak; `seconds` have passed since the last frame. Returns whether the
    /// level still moves.
    pub(crate) fn update(&mut self, instance: &Instance, seconds: f32) -> bool {
        let board = instance.engine.board();
        let sample = CounterSample { time: Instant::now(), inferences: board.inferences(), cpu_time: board.cpu_time() };
        if self.samples.back().is_none_or(|last| sample.time - last.time > SAMPLE_INTERVAL) {
            self.samples.push_back(sample);
        }
        while self.samples.len() > 2 && self.samples[self.samples.len() - 1].time - self.samples[0].time > RATE_WINDOW {
            self.samples.pop_front();
        }
        let peak = 20.0 * instance.take_peak().max(1e-9).log10();
        let before = self.level;
        self.level = peak.max(self.level - LEVEL_FALL * seconds).max(MIN_LEVEL_DBFS);
        (before - self.level).abs() > 0.1
    }

    /// Recent predictions per second and CPU seconds per second; `None` before there is enough data.
    fn rates(&self) -> Option<(f64, f64)> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let seconds = (last.time - first.time).as_secs_f64();
        let inferences = last.inferences.saturating_sub(first.inferences) as f64;
        let cpu_seconds = last.cpu_time.saturating_sub(first.cpu_time).as_secs_f64();
        (seconds > 0.5).then(|| (inferences / seconds, cpu_seconds / seconds))
    }
}

/// Draws the status line.
pub(crate) fn show(ui: &mut Ui, instance: &Instance, meters: &StatusMeters, status: &Status) {
    let palette = theme::palette(ui);
    ui.horizontal(|ui| {
        level(ui, meters.level);
        let mut item = |text: String, hint: &str| {
            ui.label(RichText::new(text).size(12.0).color(palette.faint)).on_hover_text(hint);
        };
        let board = instance.engine.board();
        match status {
            Status::Loading { .. } => item("Loading the model…".into(), "Tags appear when it is loaded"),
            Status::Failed(why) => item("No model is loaded".into(), why),
            Status::Ready { window, inference, .. } => {
                match board.age() {
                    None => {
                        let text = format!("Waiting for the first {:.1} s of music", window.as_secs_f32());
                        item(text, "The length of the model's window");
                    }
                    Some(age) => {
                        let middle = age.max(Duration::from_secs_f64(PREDICTION_DELAY)) + *window / 2;
                        let seconds = middle.as_secs_f32();
                        let text =
                            if seconds < 10.0 { format!("{seconds:.1} s ago") } else { "more than 10 s ago".into() };
                        item(text, "The age of what is shown: the middle of the last window");
                    }
                }
                let (rate, cpu) = meters.rates().unwrap_or((0.0, 0.0));
                item(format!("{rate:.0} predictions/s"), "Recent predictions per second");
                item(format!("CPU {:.1} %", cpu * 100.0), "The recent share of one core that this instance takes");
                match inference {
                    InferenceMode::Sliding => {
                        item("sliding".into(), "Only the new part of each window is computed, with the same result")
                    }
                    InferenceMode::FullWindows => item("full windows".into(), "Each window is computed as a whole"),
                }
            }
        }
        let mut warn = |text: &str, hint: &str| {
            ui.label(RichText::new(text).size(12.0).color(palette.warning)).on_hover_text(hint);
        };
        if let Status::Ready { sample_rate, is_sample_rate_assumed: true, .. } = status {
            let hint = "The model file has no sample rate. If the model needs another rate, its tags are wrong: give it \
                        on the page Model";
            warn(&format!("{sample_rate} Hz assumed"), hint);
        }
        if let Status::Ready { window, is_window_assumed: true, .. } = status {
            let hint = "The model file leaves the length of its window open. If the model needs another one, its tags \
                        are wrong: give it on the page Model";
            warn(&format!("{:.2} s assumed", window.as_secs_f64()), hint);
        }
        if let Some(channel) = board.channel() {
            let hint = "The channels cancel: their mean is more than 12 dB below the loudest channel";
            warn(&format!("out of phase: channel {} only", channel + 1), hint);
        }
        let gaps = board.gaps();
        if gaps > 0 {
            let text = if gaps == 1 { "1 gap".to_owned() } else { format!("{gaps} gaps") };
            warn(&text, "How often audio was lost because it came faster than it was processed");
        }
        for notice in instance.notices() {
            warn(&notice, &notice);
        }
    });
}

/// Draws the input level, in dBFS.
fn level(ui: &mut Ui, decibels: f32) {
    let palette = theme::palette(ui);
    let (area, response) = ui.allocate_exact_size(Vec2::new(56.0, 8.0), Sense::hover());
    ui.painter().rect_filled(area, CornerRadius::same(2), palette.track);
    let fraction = ((decibels - MIN_LEVEL_DBFS) / -MIN_LEVEL_DBFS).clamp(0.0, 1.0);
    let color = if decibels > -0.1 { palette.armed } else { palette.accent };
    let filled = Rect::from_min_size(area.min, Vec2::new(area.width() * fraction, area.height()));
    ui.painter().rect_filled(filled, CornerRadius::same(2), color);
    let text = if decibels <= MIN_LEVEL_DBFS { "silence".into() } else { format!("{decibels:.0} dBFS") };
    response.on_hover_text(format!("Input level: {text}"));
}
