//! Checkpoints of a run.
//!
//! A run is a folder of checkpoints. Each is a folder with the network, the optimiser's state and
//! `state.json`: `epoch-003` after the third epoch, `epoch-003-step-000400` four hundred batches
//! later. A checkpoint is written under a temporary name and renamed, so it is never partial;
//! `checksums.json` in it detects damaged files. Only the last checkpoint and that of the best epoch
//! are kept.

use super::config::Config;
use crate::error::{self, Result, TrainerError};
use crate::files;
use burn::module::Module;
use burn::record::{FullPrecisionSettings, NamedMpkBytesRecorder, Record, Recorder as _};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

type Recorder = NamedMpkBytesRecorder<FullPrecisionSettings>;

/// The files of a checkpoint that have a checksum.
const FILES: [&str; 3] = ["network.mpk", "optimiser.mpk", "state.json"];

/// The file with the SHA-256 of each of [`FILES`].
const CHECKSUMS: &str = "checksums.json";

/// The state of a run, stored as `state.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// The configuration that the run was started with.
    pub config: Config,
    /// The tags, in the order of the network's outputs.
    pub tags: Vec<String>,
    /// The metrics of each finished epoch, in order.
    pub epochs: Vec<EpochMetrics>,
    /// Progress within the next epoch.
    #[serde(rename = "under_way")]
    pub epoch_progress: EpochProgress,
}

/// Progress within an epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochProgress {
    /// Batches so far.
    pub batches: usize,
    /// Windows so far.
    #[serde(rename = "rows")]
    pub windows: usize,
    /// Sum of the windows' losses.
    pub loss_sum: f64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Seconds spent waiting for the data loader.
    #[serde(rename = "waited")]
    pub data_wait_seconds: f64,
}

/// The metrics of a finished epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// The learning rate at its start.
    pub learning_rate: f64,
    /// Mean binary cross-entropy over the training windows, while the weights change.
    pub training_loss: f64,
    /// Mean binary cross-entropy over the validation windows after the epoch; `f64::MAX` if it is not
    /// finite.
    pub validation_loss: f64,
    /// Macro ROC-AUC over the validation windows; `None` if no tag has both positives and negatives.
    pub validation_auc: Option<f64>,
    /// Macro average precision over the validation windows.
    pub validation_precision: Option<f64>,
    /// Training windows per second.
    #[serde(rename = "speed")]
    pub windows_per_second: f64,
    /// Fraction of the training time spent waiting for the data loader.
    #[serde(rename = "waited")]
    pub data_wait_fraction: f64,
}

impl EpochMetrics {
    /// Whether two epochs have the same metrics apart from their timing.
    pub fn has_same_metrics(&self, other: &Self) -> bool {
        let without_timing = |epoch: &Self| Self { windows_per_second: 0.0, data_wait_fraction: 0.0, ..epoch.clone() };
        without_timing(self) == without_timing(other)
    }
}

impl RunState {
    /// The epoch with the lowest validation loss, counted from 1; 0 before the first.
    pub fn best_epoch(&self) -> usize {
        let loss = |index: &usize| self.epochs[*index].validation_loss;
        (0..self.epochs.len()).min_by(|a, b| loss(a).total_cmp(&loss(b))).map_or(0, |index| index + 1)
    }

    /// The validation loss of each finished epoch.
    pub fn validation_losses(&self) -> Vec<f64> {
        self.epochs.iter().map(|epoch| epoch.validation_loss).collect()
    }

    fn name(&self) -> String {
        match (self.epochs.len(), self.epoch_progress.batches) {
            (epoch, 0) => format!("epoch-{epoch:03}"),
            (epoch, batches) => format!("epoch-{epoch:03}-step-{batches:06}"),
        }
    }
}

/// The checkpoint folder of a finished epoch, counted from 1.
pub fn epoch_folder(run: &Path, epoch: usize) -> PathBuf {
    run.join(format!("epoch-{epoch:03}"))
}

/// The checkpoints of a run, oldest first.
fn checkpoints(run: &Path) -> Result<Vec<PathBuf>> {
    if !run.exists() {
        return Ok(Vec::new());
    }
    let is_checkpoint = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("epoch-") && !name.ends_with(".partial") && path.is_dir()
    };
    Ok(files::sorted_entries(run)?.into_iter().filter(is_checkpoint).collect())
}

/// The folder and the state of the latest checkpoint of `run`, if it has one.
///
/// # Errors
/// [`TrainerError`] if the state cannot be read.
pub fn latest(run: &Path) -> Result<Option<(PathBuf, RunState)>> {
    let last = checkpoints(run)?.pop();
    let read = |folder: PathBuf| {
        let state = files::from_json(&folder.join("state.json"), &read_verified(&folder, "state.json")?)?;
        Ok((folder, state))
    };
    last.map(read).transpose()
}

/// Writes a checkpoint and removes all others but that of the best epoch.
///
/// # Errors
/// [`TrainerError`]; earlier checkpoints are then still there.
pub fn save<B: Backend, M: Module<B>>(
    run: &Path,
    state: &RunState,
    network: M,
    optimiser: impl Record<B>,
) -> Result<()> {
    let whole = run.join(state.name());
    let partial = whole.with_extension("partial");
    if partial.exists() {
        std::fs::remove_dir_all(&partial).map_err(TrainerError::file(&partial))?;
    }
    std::fs::create_dir_all(&partial).map_err(TrainerError::file(&partial))?;
    write_record(&partial, "network", network.into_record())?;
    write_record(&partial, "optimiser", optimiser)?;
    files::write_json(&partial.join("state.json"), state)?;
    let sum = |name: &str| {
        let path = partial.join(name);
        let bytes = std::fs::read(&path).map_err(TrainerError::file(&path))?;
        Ok((name.to_owned(), files::sha256(&bytes)))
    };
    let sums = FILES.into_iter().map(sum).collect::<Result<BTreeMap<_, _>>>()?;
    files::write_json(&partial.join(CHECKSUMS), &sums)?;
    std::fs::rename(&partial, &whole).map_err(TrainerError::file(&whole))?;
    let kept = [whole, epoch_folder(run, state.best_epoch())];
    for old in checkpoints(run)?.into_iter().filter(|old| !kept.contains(old)) {
        std::fs::remove_dir_all(&old).map_err(TrainerError::file(&old))?;
    }
    Ok(())
}

/// Writes a record. Not with burn's file recorder, which does not report a full disk.
fn write_record<B: Backend>(folder: &Path, name: &str, record: impl Record<B>) -> Result<()> {
    let path = folder.join(name).with_extension("mpk");
    let bytes = Recorder::default().record(record, ());
    let bytes = bytes.map_err(|error| TrainerError::content(&path, error.to_string()))?;
    files::write(&path, &bytes)
}

/// Reads a file of a checkpoint and compares it with its checksum.
fn read_verified(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    let sums: BTreeMap<String, String> = files::read_json(&folder.join(CHECKSUMS))?;
    let bytes = std::fs::read(&path).map_err(TrainerError::file(&path))?;
    if sums.get(name) == Some(&files::sha256(&bytes)) {
        Ok(bytes)
    } else {
        Err(damaged(&path, &format!("its SHA-256 is not that in {CHECKSUMS}")))
    }
}

/// Loads the weights of a checkpoint into `network`, which must have its architecture.
///
/// # Errors
/// [`TrainerError`] if the file is missing or damaged.
pub fn load_network<B: Backend, M: Module<B>>(folder: &Path, network: M, device: &B::Device) -> Result<M> {
    let expected = network.num_params();
    let network = network.load_record(load(folder, "network", device)?);
    if network.num_params() == expected {
        Ok(network)
    } else {
        Err(damaged(&folder.join("network.mpk"), "it has another number of weights"))
    }
}

/// Loads a record of a checkpoint, such as the optimiser's.
///
/// # Errors
/// [`TrainerError`] if the file is missing or damaged.
pub fn load<B: Backend, R: Record<B>>(folder: &Path, name: &str, device: &B::Device) -> Result<R> {
    let path = folder.join(name).with_extension("mpk");
    let bytes = read_verified(folder, &format!("{name}.mpk"))?;
    match error::catch_panic(|| Recorder::default().load(bytes, device)) {
        Some(Ok(record)) => Ok(record),
        Some(Err(error)) => Err(damaged(&path, &error.to_string())),
        None => Err(damaged(&path, "it is not a valid record")),
    }
}

fn damaged(path: &Path, why: &str) -> TrainerError {
    TrainerError::content(path, format!("this part of a checkpoint is damaged; delete the checkpoint's folder: {why}"))
}
