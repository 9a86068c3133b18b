//! What a run has learnt so far, on disk after every epoch.
//!
//! A run is a folder of `epoch-<number>` folders, each with the network, the
//! optimiser's state and `state.json`. An epoch's folder appears whole, by a
//! rename; only the last and the best are kept.

use crate::config::Config;
use crate::error::{Result, TrainerError};
use crate::files;
use burn::module::Module;
use burn::record::{FullPrecisionSettings, NamedMpkFileRecorder, Record, Recorder as _};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

type Recorder = NamedMpkFileRecorder<FullPrecisionSettings>;

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// How the run was started.
    pub config: Config,
    /// The tags, in the order of the network's outputs.
    pub tags: Vec<String>,
    /// What each epoch gave, the last at the end.
    pub epochs: Vec<Epoch>,
}

/// What one epoch gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Mean binary cross-entropy over the training segments, while learning.
    pub training_loss: f64,
    /// The same over the validation segments, afterwards.
    pub validation_loss: f64,
    /// Macro ROC-AUC over the validation segments; `None` where no tag has positives.
    pub validation_auc: Option<f64>,
}

impl State {
    /// The epoch with the lowest validation loss, counted from 1.
    pub fn best(&self) -> usize {
        let loss = |index: &usize| self.epochs[*index].validation_loss;
        (0..self.epochs.len()).min_by(|a, b| loss(a).total_cmp(&loss(b))).map_or(0, |index| index + 1)
    }
}

/// The folder of an epoch, counted from 1.
pub fn folder(run: &Path, epoch: usize) -> PathBuf {
    run.join(format!("epoch-{epoch:03}"))
}

/// The state of the latest complete epoch of `run`, if there is one.
///
/// # Errors
/// [`TrainerError`] where an epoch's state cannot be read.
pub fn latest(run: &Path) -> Result<Option<State>> {
    let epochs = (1..=9_999).rev().map(|epoch| folder(run, epoch)).find(|folder| folder.is_dir());
    epochs.map(|folder| files::read_json(&folder.join("state.json"))).transpose()
}

/// Writes an epoch and removes those that are neither the last nor the best.
///
/// # Errors
/// [`TrainerError`], with the epochs written before still there.
pub fn save<B: Backend, M: Module<B>>(run: &Path, state: &State, network: M, optimiser: impl Record<B>) -> Result<()> {
    let epoch = state.epochs.len();
    let whole = folder(run, epoch);
    let partial = whole.with_extension("partial");
    if partial.exists() {
        std::fs::remove_dir_all(&partial).map_err(TrainerError::file(&partial))?;
    }
    std::fs::create_dir_all(&partial).map_err(TrainerError::file(&partial))?;
    let recorder = Recorder::default();
    let failed = |error: burn::record::RecorderError| TrainerError::content(&partial, error.to_string());
    recorder.record(network.into_record(), partial.join("network")).map_err(failed)?;
    recorder.record(optimiser, partial.join("optimiser")).map_err(failed)?;
    files::write_json(&partial.join("state.json"), state)?;
    std::fs::rename(&partial, &whole).map_err(TrainerError::file(&whole))?;
    for old in (1..epoch).filter(|old| *old != state.best()).map(|old| folder(run, old)) {
        if old.is_dir() {
            std::fs::remove_dir_all(&old).map_err(TrainerError::file(&old))?;
        }
    }
    Ok(())
}

/// Reads the network of an epoch into `network`, which has its architecture.
///
/// # Errors
/// [`TrainerError`] where the file is missing, damaged or of another architecture.
pub fn load_network<B: Backend, M: Module<B>>(folder: &Path, network: M, device: &B::Device) -> Result<M> {
    Ok(network.load_record(load(folder, "network", device)?))
}

/// Reads a record, such as the optimiser's, of an epoch.
///
/// # Errors
/// [`TrainerError`] where the file is missing or damaged.
pub fn load<B: Backend, R: Record<B>>(folder: &Path, name: &str, device: &B::Device) -> Result<R> {
    let path = folder.join(name);
    Recorder::default().load(path.clone(), device).map_err(|error| TrainerError::content(&path, error.to_string()))
}
