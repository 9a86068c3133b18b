//! Progress bars.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::cell::Cell;
use std::path::Path;
use std::time::Instant;

/// Files of at least this many seconds have a bar of their own.
const LONG_FILE: f64 = 600.0;

/// A progress bar over `total` items, which are called `name` in the plural; `done` of them are done already.
pub fn progress_bar(total: usize, done: usize, name: &str) -> ProgressBar {
    let template = format!("{{bar:30}} {{pos}}/{{len}} {name}, {{per_sec}}, {{eta}} left");
    let style = ProgressStyle::with_template(&template).unwrap_or(ProgressStyle::default_bar());
    let bar = ProgressBar::new(total as u64).with_style(style);
    bar.set_position(done as u64);
    // The time left is estimated from what is done from now on.
    bar.reset_eta();
    bar
}

/// Failures that are printed one by one.
const PRINTED_FAILURES: usize = 20;

/// The progress of a catalogue: recordings a second, hours of music a minute, failures, the time left.
pub(crate) struct CatalogueBars {
    bar: ProgressBar,
    start: Instant,
    is_quiet: bool,
    failures: Cell<usize>,
}

impl CatalogueBars {
    /// Draws the bar over `total` recordings, unless it `is_quiet`.
    pub(crate) fn new(total: usize, is_quiet: bool) -> Self {
        let template = "{bar:30} {pos}/{len} recordings, {per_sec}, {msg}, {eta} left";
        let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
        let bar = if is_quiet { ProgressBar::hidden() } else { ProgressBar::new(total as u64) };
        Self { bar: bar.with_style(style), start: Instant::now(), is_quiet, failures: Cell::new(0) }
    }

    /// Prints a failure above the bar; the first ones only, because a catalogue may have very many.
    pub(crate) fn print_failure(&self, error: &str) {
        let count = self.failures.get() + 1;
        self.failures.set(count);
        if self.is_quiet || count > PRINTED_FAILURES {
            return;
        }
        self.print(error);
        if count == PRINTED_FAILURES {
            self.bar.suspend(|| eprintln!("further failures are in the column \"error\" of the catalogue only"));
        }
    }

    /// Prints a failure that no row tells.
    pub(crate) fn print(&self, error: &str) {
        self.bar.suspend(|| eprintln!("failed: {error}"));
    }

    /// Counts one more recording as done. So far there are `seconds` of music, and `failed` failures.
    pub(crate) fn update(&self, seconds: f64, failed: usize) {
        let hours = seconds / 3_600.0 / (self.start.elapsed().as_secs_f64() / 60.0).max(1e-3);
        self.bar.set_message(format!("{hours:.1} h of music a minute, {failed} failed"));
        self.bar.inc(1);
    }

    /// Removes the bar.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// A progress bar over recordings, and above it one for each long file that is decoded.
pub struct RecordingBars {
    all: MultiProgress,
    recordings: ProgressBar,
}

impl RecordingBars {
    /// Draws the bar over `total` recordings.
    pub fn new(total: usize) -> Self {
        let all = MultiProgress::new();
        let recordings = all.add(progress_bar(total, 0, "recordings"));
        Self { all, recordings }
    }

    /// The progress within `file`.
    pub fn file<'a>(&'a self, file: &'a Path) -> FileProgress<'a> {
        FileProgress { bars: self, file, bar: None }
    }

    /// Prints an error above the bars.
    pub fn print_error(&self, message: &str) {
        self.all.suspend(|| eprintln!("{message}"));
    }

    /// Counts one more recording as done.
    pub fn inc(&self) {
        self.recordings.inc(1);
    }

    /// Removes the bars.
    pub fn finish(self) {
        self.recordings.finish_and_clear();
    }
}

/// The progress within a file; its bar is removed with it.
pub struct FileProgress<'a> {
    bars: &'a RecordingBars,
    file: &'a Path,
    /// `None` until the file is known to be long.
    bar: Option<ProgressBar>,
}

impl FileProgress<'_> {
    /// Moves the bar to `seconds` of `stated` seconds. A file that does not state its length, or a short one, has none.
    pub fn update(&mut self, seconds: f64, stated: Option<f64>) {
        let Some(stated) = stated.filter(|stated| *stated >= LONG_FILE) else { return };
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{bar:30} {percent} % of {msg}, {eta} left")
                .unwrap_or(ProgressStyle::default_bar());
            let bar = self.bars.all.insert_before(&self.bars.recordings, ProgressBar::new(stated as u64));
            bar.with_style(style).with_message(self.file.file_name().unwrap_or_default().to_string_lossy().into_owned())
        });
        bar.set_position(seconds as u64);
    }
}

impl Drop for FileProgress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
