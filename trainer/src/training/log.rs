//! What a run tells while it learns: a progress bar, a line an epoch, a CSV file.

use super::checkpoint::{Epoch, State, UnderWay};
use crate::error::Result;
use crate::files;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Write as _;
use std::path::Path;

/// A progress bar over the windows of the epoch that begins or goes on.
pub(super) fn progress(state: &State, windows: usize) -> ProgressBar {
    let template = "{prefix} {bar:24} {pos}/{len} windows, {eta} left, {msg}";
    let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
    let bar = ProgressBar::new(windows as u64).with_style(style);
    bar.set_position(state.under_way.rows as u64);
    bar.reset_eta();
    let epoch = state.epochs.len() + 1;
    let of = state.config.training.schedule.epochs().map_or(String::new(), |epochs| format!("/{epochs}"));
    let auc = state.epochs.last().map_or(String::new(), |last| format!(", AUC {}", figure(last.validation_auc)));
    bar.set_prefix(format!("epoch {epoch}{of}{auc}"));
    bar
}

/// Moves the bar on by a batch.
pub(super) fn advance(bar: &ProgressBar, under_way: &UnderWay, rows: usize) {
    let UnderWay { rows: seen, loss_sum, seconds, .. } = under_way;
    bar.inc(rows as u64);
    bar.set_message(format!("loss {:.4}, {:.1} windows/s", loss_sum / *seen as f64, *seen as f64 / seconds));
}

/// Prints what the last epoch gave.
pub(super) fn print(state: &State) {
    let Some(epoch) = state.epochs.last() else { return };
    println!(
        "epoch {}: rate {:.2e}, training loss {:.4}, validation loss {:.4}, ROC-AUC {}, average precision {}, \
         {:.1} windows/s, {:.1} % of the time waiting for data",
        state.epochs.len(),
        epoch.learning_rate,
        epoch.training_loss,
        epoch.validation_loss,
        figure(epoch.validation_auc),
        figure(epoch.validation_precision),
        epoch.speed,
        100.0 * epoch.waited
    );
}

fn figure(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value:.4}"))
}

/// Writes `log.csv`, a row an epoch; whole each time, so that it says the same with and
/// without interruptions.
pub(super) fn write(run: &Path, state: &State) -> Result<()> {
    let mut text = String::from(
        "epoch,learning_rate,training_loss,validation_loss,validation_auc,validation_average_precision,\
         windows_a_second,waiting_for_data\n",
    );
    for (index, epoch) in state.epochs.iter().enumerate() {
        let Epoch { learning_rate, training_loss, validation_loss, speed, waited, .. } = epoch;
        let optional = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        let (auc, precision) = (optional(epoch.validation_auc), optional(epoch.validation_precision));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{},{learning_rate},{training_loss},{validation_loss},{auc},{precision},{speed:.2},{waited:.4}",
            index + 1
        );
    }
    files::write(&run.join("log.csv"), text.as_bytes())
}
