//! Progress bars.

use indicatif::{ProgressBar, ProgressStyle};

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
