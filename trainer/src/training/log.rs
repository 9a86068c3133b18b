//! The output of a run: a progress bar, a line per epoch, and a CSV file.

use super::checkpoint::{EpochMetrics, EpochProgress, RunState};
use crate::cards::{CardUsage, Cards};
use crate::error::Result;
use crate::evaluation::format_metric;
use crate::files;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often the driver is asked about the cards.
const READ_CARDS_EVERY: Duration = Duration::from_secs(1);

/// The progress bar over the windows of an epoch.
pub(super) struct EpochBar<'a> {
    bar: ProgressBar,
    cards: &'a Cards,
    usage: Option<CardUsage>,
    last_read: Option<Instant>,
}

impl<'a> EpochBar<'a> {
    /// Draws the bar of the current epoch of `windows` windows.
    pub(super) fn new(state: &RunState, windows: usize, cards: &'a Cards) -> Self {
        let template = "{prefix} {bar:24} {pos}/{len} windows, {eta} left, {msg}";
        let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
        let bar = ProgressBar::new(windows as u64).with_style(style);
        bar.set_position(state.epoch_progress.windows as u64);
        bar.reset_eta();
        let epoch = state.epochs.len() + 1;
        let of_total = state.config.training.schedule.epochs().map_or(String::new(), |epochs| format!("/{epochs}"));
        let last = state.epochs.last().map(|last| format_metric(last.validation_roc_auc));
        let roc_auc = last.map_or(String::new(), |roc_auc| format!(", ROC-AUC {roc_auc}"));
        bar.set_prefix(format!("epoch {epoch}{of_total}{roc_auc}"));
        Self { bar, cards, usage: None, last_read: None }
    }

    /// Advances the bar by a batch.
    pub(super) fn advance(&mut self, epoch_progress: &EpochProgress, rows: usize) {
        if self.last_read.is_none_or(|last| last.elapsed() >= READ_CARDS_EVERY) {
            self.usage = self.cards.usage();
            self.last_read = Some(Instant::now());
        }
        self.bar.inc(rows as u64);
        self.bar.set_message(message(epoch_progress, self.usage));
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// What the bar says of the epoch so far.
fn message(epoch_progress: &EpochProgress, usage: Option<CardUsage>) -> String {
    let EpochProgress { windows, seconds, data_wait_seconds, .. } = epoch_progress;
    let loss = format_loss(epoch_progress.mean_loss());
    let (speed, wait) = (*windows as f64 / seconds, 100.0 * data_wait_seconds / seconds);
    let mut message = format!("loss {loss}, {speed:.1} windows/s, {wait:.1} % of the time waiting for data");
    if let Some(CardUsage { memory_bytes, busy_percent }) = usage {
        let _ = write!(message, ", card {busy_percent} % busy, {:.1} GB of its memory", memory_bytes as f64 / 1e9);
    }
    message
}

/// Prints the metrics of the last epoch.
pub(super) fn print(state: &RunState) {
    let Some(epoch) = state.epochs.last() else { return };
    println!(
        "epoch {}: learning rate {:.2e}, training loss {}, validation loss {}, ROC-AUC {}, average precision {}, \
         {:.1} windows/s, {:.1} % of the time waiting for data",
        state.epochs.len(),
        epoch.learning_rate,
        format_loss(epoch.training_loss),
        format_loss(epoch.validation_loss),
        format_metric(epoch.validation_roc_auc),
        format_metric(epoch.validation_average_precision),
        epoch.windows_per_second,
        100.0 * epoch.data_wait_fraction
    );
}

/// A loss of a checkpoint, in which `f64::MAX` is one that was not finite.
fn format_loss(loss: f64) -> String {
    if loss < f64::MAX { format!("{loss:.4}") } else { "not finite".into() }
}

/// Writes `log.csv`, a row per epoch. The file is rewritten each time, so that it has the same rows
/// with and without interruptions.
pub(super) fn write(run: &Path, state: &RunState) -> Result<()> {
    let mut text = String::from(
        "epoch,learning_rate,training_loss,validation_loss,validation_roc_auc,validation_average_precision,\
         windows_per_second,data_wait_fraction\n",
    );
    for (index, epoch) in state.epochs.iter().enumerate() {
        let EpochMetrics { learning_rate, training_loss, validation_loss, .. } = epoch;
        let (speed, wait) = (epoch.windows_per_second, epoch.data_wait_fraction);
        let optional = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        let roc_auc = optional(epoch.validation_roc_auc);
        let average_precision = optional(epoch.validation_average_precision);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{},{learning_rate},{training_loss},{validation_loss},{roc_auc},{average_precision},{speed:.2},{wait:.4}",
            index + 1
        );
    }
    files::write(&run.join("log.csv"), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_says_how_much_of_a_card_is_used() {
        let progress = EpochProgress { batches: 2, windows: 46, loss_sum: 23.0, seconds: 2.0, data_wait_seconds: 0.1 };
        let on_cpu = message(&progress, None);
        assert_eq!(on_cpu, "loss 0.5000, 23.0 windows/s, 5.0 % of the time waiting for data");
        let usage = CardUsage { memory_bytes: 3_640_000_000, busy_percent: 97 };
        assert_eq!(message(&progress, Some(usage)), format!("{on_cpu}, card 97 % busy, 3.6 GB of its memory"));
    }
}
