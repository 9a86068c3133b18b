//! Displays the tags while music plays: bars in a terminal, plain lines elsewhere.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::path::Path;
use tagvane_audio::AudioStream;
use tagvane_host::player::{Playback, Summary, TagSnapshot};

/// The number of bars.
const TAGS: usize = 8;

/// Seconds of music between two plain lines.
const LINE_INTERVAL: f64 = 1.0;

/// Displays the strongest tags and the progress on stdout.
pub(crate) struct Display {
    /// The duration of the music, if it is known.
    seconds: Option<f64>,
    /// The time of the last plain line.
    last_line: f64,
    /// `None` without a terminal.
    bars: Option<Bars>,
}

struct Bars {
    tags: Vec<ProgressBar>,
    progress: ProgressBar,
}

impl Display {
    /// Prints a headline with the plugin's inference mode, and draws empty bars in a terminal.
    pub(crate) fn new(file: &Path, audio: &AudioStream, playback: Playback, inference: Option<&str>) -> Self {
        let stated = audio.stated_frames().map(|frames| frames as f64 / f64::from(audio.sample_rate()));
        // A file that does not state its length may be shorter than what is asked for.
        let seconds = stated.map(|stated| playback.seconds.map_or(stated, |seconds| seconds.min(stated)));
        let duration = seconds.map_or(String::new(), |seconds| format!(", {seconds:.1} s"));
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let inference = inference.map_or(String::new(), |inference| format!("; inference: {inference}"));
        println!("{name}{duration} at {} Hz{inference}", audio.sample_rate());
        let bars = std::io::stdout().is_terminal().then(Bars::new);
        Self { seconds, last_line: f64::NEG_INFINITY, bars }
    }

    /// Displays a snapshot, if there is a new one, and the seconds that were played.
    pub(crate) fn update(&mut self, snapshot: Option<&TagSnapshot>, time: f64) {
        let strongest = snapshot.map(|snapshot| {
            let mut tags: Vec<(&str, f64)> =
                snapshot.tags.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            tags.sort_by(|a, b| b.1.total_cmp(&a.1));
            tags.truncate(TAGS);
            tags
        });
        match (&self.bars, strongest) {
            (Some(bars), strongest) => bars.draw(strongest.as_deref(), time, self.seconds),
            (None, Some(tags)) => {
                if time - self.last_line >= LINE_INTERVAL {
                    self.last_line = time;
                    let tags: Vec<String> =
                        tags.iter().take(5).map(|(name, value)| format!("{name} {:.0} %", value * 100.0)).collect();
                    println!("{time:6.1} s  {}", tags.join(", "));
                }
            }
            (None, None) => {}
        }
    }

    /// Leaves the bars on the screen as they are.
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

    fn draw(&self, tags: Option<&[(&str, f64)]>, time: f64, seconds: Option<f64>) {
        for (bar, (name, value)) in self.tags.iter().zip(tags.unwrap_or_default()) {
            bar.set_prefix((*name).to_owned());
            bar.set_position((value * 100.0).round() as u64);
        }
        let Some(seconds) = seconds else { return self.progress.set_message(format!("{time:.1} s")) };
        self.progress.set_message(format!("{time:.1} / {seconds:.1} s"));
        self.progress.set_position((time / seconds * 1_000.0) as u64);
    }
}

/// Prints the tags of the whole recording, and whether the audio passed unchanged.
pub(crate) fn print_summary(summary: &Summary) {
    let tags: Vec<String> = summary
        .top
        .iter()
        .take(5)
        .filter(|(_, mean)| *mean > 0.0)
        .map(|(name, mean)| format!("{name} {:.0} %", mean * 100.0))
        .collect();
    let tags = if tags.is_empty() {
        "no tags (the recording is silent, or shorter than the model's window)".into()
    } else {
        tags.join(", ")
    };
    println!("Overall: {tags}");
    let audio = if summary.audio_bit_exact { "passed bit-exactly" } else { "WAS CHANGED" };
    println!(
        "{:.1} s through the {} bundle; {} values sent to the host; the audio {audio}.",
        summary.seconds, summary.format, summary.announcements
    );
}
