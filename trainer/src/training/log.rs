//! The output of a run: a progress bar, a line per epoch, and a CSV file.

use super::checkpoint::{EpochMetrics, EpochProgress, RunState};
use crate::error::Result;
use crate::files;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Write as _;
use std::path::Path;

/// A progress bar over the windows of the current epoch.
pub(super) fn progress_bar(state: &RunState, windows: usize) -> ProgressBar {
    let template = "{prefix} {bar:24} {pos}/{len} windows, {eta} left, {msg}";
    let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
    let bar = ProgressBar::new(windows as u64).with_style(style);
    bar.set_position(state.epoch_progress.windows as u64);
    bar.reset_eta();
    let epoch = state.epochs.len() + 1;
    let of_total = state.config.training.schedule.epochs().map_or(String::new(), |epochs| format!("/{epochs}"));
    let auc = state.epochs.last().map_or(String::new(), |last| format!(", AUC {}", format_metric(last.validation_auc)));
    bar.set_prefix(format!("epoch {epoch}{of_total}{auc}"));
    bar
}

/// Advances the progress bar by a batch.
pub(super) fn advance(bar: &ProgressBar, epoch_progress: &EpochProgress, rows: usize) {
    let EpochProgress { windows, loss_sum, seconds, .. } = epoch_progress;
    bar.inc(rows as u64);
    bar.set_message(format!("loss {:.4}, {:.1} windows/s", loss_sum / *windows as f64, *windows as f64 / seconds));
}

/// Prints the metrics of the last epoch.
pub(super) fn print(state: &RunState) {
    let Some(epoch) = state.epochs.last() else { return };
    println!(
        "epoch {}: rate {:.2e}, training loss {:.4}, validation loss {:.4}, ROC-AUC {}, average precision {}, \
         {:.1} windows/s, {:.1} % of the time waiting for data",
        state.epochs.len(),
        epoch.learning_rate,
        epoch.training_loss,
        epoch.validation_loss,
        format_metric(epoch.validation_auc),
        format_metric(epoch.validation_precision),
        epoch.windows_per_second,
        100.0 * epoch.data_wait_fraction
    );
}

fn format_metric(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value:.4}"))
}

/// Writes `log.csv`, a row per epoch. The file is rewritten each time, so that it has the same rows
/// with and without interruptions.
pub(super) fn write(run: &Path, state: &RunState) -> Result<()> {
    let mut text = String::from(
        "epoch,learning_rate,training_loss,validation_loss,validation_auc,validation_average_precision,\
         windows_a_second,waiting_for_data\n",
    );
    for (index, epoch) in state.epochs.iter().enumerate() {
        let EpochMetrics { learning_rate, training_loss, validation_loss, .. } = epoch;
        let (speed, wait) = (epoch.windows_per_second, epoch.data_wait_fraction);
        let optional = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        let (auc, precision) = (optional(epoch.validation_auc), optional(epoch.validation_precision));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{},{learning_rate},{training_loss},{validation_loss},{auc},{precision},{speed:.2},{wait:.4}",
            index + 1
        );
    }
    files::write(&run.join("log.csv"), text.as_bytes())
}
