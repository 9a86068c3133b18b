//! The line at the bottom: how the listening is doing.

use super::theme;
use crate::parts::Parts;
use egui::{CornerRadius, Rect, RichText, Sense, Ui, Vec2};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tagvane_engine::{Inference, Status};
use tagvane_outputs::DELAY;

/// Rates are measured over this long.
const OVER: Duration = Duration::from_secs(3);

/// How fast the level falls, in decibels a second, and where its scale begins.
const FALL: f32 = 26.0;
const LOWEST: f32 = -60.0;

/// What was seen at a moment.
struct Seen {
    at: Instant,
    judged: u64,
    busy: Duration,
}

/// What is measured over time.
pub(crate) struct Meters {
    seen: VecDeque<Seen>,
    /// In decibels of full scale.
    level: f32,
}

impl Default for Meters {
    fn default() -> Self {
        Self { seen: VecDeque::new(), level: LOWEST }
    }
}

impl Meters {
    /// Looks at the counters; gives whether the level still moves.
    pub(crate) fn look(&mut self, parts: &Parts, seconds: f32) -> bool {
        let board = parts.engine.board();
        let seen = Seen { at: Instant::now(), judged: board.inferences(), busy: board.busy() };
        // Frames come faster than either counter moves.
        if self.seen.back().is_none_or(|last| seen.at - last.at > Duration::from_millis(100)) {
            self.seen.push_back(seen);
        }
        while self.seen.len() > 2 && self.seen[self.seen.len() - 1].at - self.seen[0].at > OVER {
            self.seen.pop_front();
        }
        let heard = 20.0 * parts.take_level().max(1e-9).log10();
        let before = self.level;
        self.level = heard.max(self.level - FALL * seconds).max(LOWEST);
        (before - self.level).abs() > 0.1
    }

    /// Judgements a second and processor time a second, of late.
    fn rates(&self) -> Option<(f64, f64)> {
        let (first, last) = (self.seen.front()?, self.seen.back()?);
        let passed = (last.at - first.at).as_secs_f64();
        let judged = last.judged.saturating_sub(first.judged) as f64;
        let busy = last.busy.saturating_sub(first.busy).as_secs_f64();
        (passed > 0.5).then(|| (judged / passed, busy / passed))
    }
}

/// The line.
pub(crate) fn show(ui: &mut Ui, parts: &Parts, meters: &Meters, status: &Status) {
    let palette = theme::palette(ui);
    ui.horizontal(|ui| {
        level(ui, meters.level);
        let mut say = |text: String, meaning: &str| {
            ui.label(RichText::new(text).size(12.0).color(palette.faint)).on_hover_text(meaning);
        };
        let board = parts.engine.board();
        match status {
            Status::Loading { .. } => say("Loading the model…".into(), "The tags come once it is loaded"),
            Status::Failed(why) => say("No model is listening".into(), why),
            Status::Ready { window, inference, .. } => {
                match board.age() {
                    None => {
                        let text = format!("Waiting for the first {:.1} s of music", window.as_secs_f32());
                        say(text, "The model hears this much at a time");
                    }
                    Some(age) => {
                        let middle = age.max(Duration::from_secs_f64(DELAY)) + *window / 2;
                        let seconds = middle.as_secs_f32();
                        let ago = if seconds < 10.0 { format!("{seconds:.1} s ago") } else { "a while ago".into() };
                        say(format!("Heard {ago}"), "What shows is about the middle of the window that was heard last");
                    }
                }
                let (a_second, busy) = meters.rates().unwrap_or((0.0, 0.0));
                say(format!("{a_second:.0} updates/s"), "How often the tags were judged of late");
                say(format!("CPU {:.1} %", busy * 100.0), "Of one core, what this instance's listening took of late");
                match inference {
                    Inference::Sliding => say("sliding".into(), "Only what is new is computed: exact, and cheap"),
                    Inference::FullWindows => {
                        say("full windows".into(), "This model cannot slide: each window is computed as a whole")
                    }
                }
            }
        }
        let mut warn = |text: &str, meaning: &str| {
            ui.label(RichText::new(text).size(12.0).color(palette.warning)).on_hover_text(meaning);
        };
        if let Status::Ready { sample_rate, is_sample_rate_assumed: true, .. } = status {
            let meaning = "The model's file does not tell its sample rate. At another rate its tags mean nothing";
            warn(&format!("{sample_rate} Hz assumed"), meaning);
        }
        if let Some(channel) = board.channel() {
            let meaning = "The channels cancel: their mean has lost more than 12 dB against the loudest of them";
            warn(&format!("out of phase: channel {} alone", channel + 1), meaning);
        }
        let gaps = board.gaps();
        if gaps > 0 {
            let text = if gaps == 1 { "1 gap".to_owned() } else { format!("{gaps} gaps") };
            let meaning = "Times that audio came faster than it could be taken, and the window began anew";
            warn(&text, meaning);
        }
        for notice in parts.notices() {
            warn(&notice, &notice);
        }
    });
}

/// The level of what comes in.
fn level(ui: &mut Ui, decibels: f32) {
    let palette = theme::palette(ui);
    let (area, response) = ui.allocate_exact_size(Vec2::new(56.0, 8.0), Sense::hover());
    ui.painter().rect_filled(area, CornerRadius::same(2), palette.track);
    let part = ((decibels - LOWEST) / -LOWEST).clamp(0.0, 1.0);
    let color = if decibels > -0.1 { palette.armed } else { palette.accent };
    let filled = Rect::from_min_size(area.min, Vec2::new(area.width() * part, area.height()));
    ui.painter().rect_filled(filled, CornerRadius::same(2), color);
    let text = if decibels <= LOWEST { "silence".into() } else { format!("{decibels:.0} dBFS") };
    response.on_hover_text(format!("Level in: {text}"));
}
