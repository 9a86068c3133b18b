//! The live tags in the terminal; plain lines where there is none.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::path::Path;
use tagvane_audio::Recording;
use tagvane_host::player::{Moment, Playback, Summary};

/// Tags that are drawn, strongest first.
const TAGS: usize = 8;

/// Seconds of music between two plain lines.
const LINE_EVERY: f64 = 1.0;

/// What is drawn while music plays.
pub(crate) struct View {
    seconds: f64,
    last_line: f64,
    /// `None` without a terminal.
    bars: Option<Bars>,
}

struct Bars {
    tags: Vec<ProgressBar>,
    progress: ProgressBar,
}

impl View {
    /// A view of a recording that is played to a plugin that runs its model by `inference`.
    pub(crate) fn new(file: &Path, recording: &Recording, playback: Playback, inference: Option<&str>) -> Self {
        let whole = recording.seconds();
        let seconds = playback.seconds.map_or(whole, |seconds| seconds.min(whole));
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let inference = inference.map_or(String::new(), |inference| format!("; inference: {inference}"));
        println!("{name}, {seconds:.1} s at {} Hz{inference}", recording.sample_rate);
        let bars = std::io::stdout().is_terminal().then(Bars::new);
        Self { seconds, last_line: f64::NEG_INFINITY, bars }
    }

    /// Draws a block's news, if there is any, and the progress from 0 to 1.
    pub(crate) fn show(&mut self, moment: Option<&Moment>, progress: f64) {
        let strongest = moment.map(|moment| {
            let mut tags: Vec<(&str, f64)> = moment.tags.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            tags.sort_by(|a, b| b.1.total_cmp(&a.1));
            tags.truncate(TAGS);
            tags
        });
        match (&self.bars, strongest) {
            (Some(bars), strongest) => bars.draw(strongest.as_deref(), progress, self.seconds),
            (None, Some(tags)) => {
                let time = progress * self.seconds;
                if time - self.last_line >= LINE_EVERY {
                    self.last_line = time;
                    let tags: Vec<String> =
                        tags.iter().take(5).map(|(name, value)| format!("{name} {:.0} %", value * 100.0)).collect();
                    println!("{time:6.1} s  {}", tags.join(", "));
                }
            }
            (None, None) => {}
        }
    }

    pub(crate) fn finish(self) {
        if let Some(bars) = self.bars {
            bars.tags.iter().chain([&bars.progress]).for_each(ProgressBar::abandon);
        }
    }
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(20));
        let style = |template: &str| {
            ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar()).progress_chars("█▉▊▋▌▍▎▏ ")
        };
        let bar = |length, template: &str| all.add(ProgressBar::new(length)).with_style(style(template));
        let tags = (0..TAGS).map(|_| bar(100, "{prefix:>14} {bar:40.cyan} {pos:>3} %")).collect();
        Self { tags, progress: bar(1_000, "{msg:>14} {bar:40.dim}") }
    }

    fn draw(&self, tags: Option<&[(&str, f64)]>, progress: f64, seconds: f64) {
        for (bar, (name, value)) in self.tags.iter().zip(tags.unwrap_or_default()) {
            bar.set_prefix((*name).to_owned());
            bar.set_position((value * 100.0).round() as u64);
        }
        self.progress.set_message(format!("{:.1} / {seconds:.1} s", progress * seconds));
        self.progress.set_position((progress * 1_000.0) as u64);
    }
}

/// The last words: what was on the whole recording.
pub(crate) fn print_summary(summary: &Summary) {
    let heard: Vec<String> = summary
        .top
        .iter()
        .take(5)
        .filter(|(_, mean)| *mean > 0.0)
        .map(|(name, mean)| format!("{name} {:.0} %", mean * 100.0))
        .collect();
    let heard =
        if heard.is_empty() { "no tags (is it silent, or shorter than a window?)".into() } else { heard.join(", ") };
    println!("On the whole: {heard}");
    let audio = if summary.audio_bit_exact { "came out as it went in" } else { "WAS CHANGED" };
    println!(
        "{:.1} s through the {} bundle; {} values announced; the audio {audio}.",
        summary.seconds, summary.format, summary.announcements
    );
}
