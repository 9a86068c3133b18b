//! What a run has learnt so far, on disk.
//!
//! A run is a folder of checkpoints, each a folder with the network, the optimiser's
//! state and `state.json`: `epoch-003` after the third epoch, `epoch-003-step-000400`
//! four hundred batches later. A checkpoint appears whole, by a rename, and
//! `checksums.json` in it tells when a file of it is no longer what was written; only
//! the last and the best epoch's are kept.

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

/// The files of a checkpoint whose SHA-256 are kept.
const FILES: [&str; 3] = ["network.mpk", "optimiser.mpk", "state.json"];

/// Where they are kept.
const CHECKSUMS: &str = "checksums.json";

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// How the run was started.
    pub config: Config,
    /// The tags, in the order of the network's outputs.
    pub tags: Vec<String>,
    /// What each epoch gave, the last at the end.
    pub epochs: Vec<Epoch>,
    /// What of the next epoch is done.
    pub under_way: UnderWay,
}

/// What of an epoch is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct UnderWay {
    /// Batches.
    pub batches: usize,
    /// Windows.
    pub rows: usize,
    /// The sum of their losses.
    pub loss_sum: f64,
    /// Seconds it took.
    pub seconds: f64,
    /// Seconds in which the device waited for data.
    pub waited: f64,
}

/// What one epoch gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// The learning rate at its start.
    pub learning_rate: f64,
    /// Mean binary cross-entropy over the training examples, while learning.
    pub training_loss: f64,
    /// The same over the validation examples, afterwards; infinite where it is no
    /// number.
    pub validation_loss: f64,
    /// Macro ROC-AUC over the validation examples; `None` where no tag has both kinds.
    pub validation_auc: Option<f64>,
    /// Macro average precision over them.
    pub validation_precision: Option<f64>,
    /// Training windows a second.
    pub speed: f64,
    /// The part of the training time in which the device waited for data.
    pub waited: f64,
}

impl Epoch {
    /// Whether two epochs learnt the same, however long they took.
    pub fn learnt_the_same(&self, other: &Self) -> bool {
        let timeless = |epoch: &Self| Self { speed: 0.0, waited: 0.0, ..epoch.clone() };
        timeless(self) == timeless(other)
    }
}

impl State {
    /// The epoch with the lowest validation loss, counted from 1; 0 before the first.
    pub fn best(&self) -> usize {
        let loss = |index: &usize| self.epochs[*index].validation_loss;
        (0..self.epochs.len()).min_by(|a, b| loss(a).total_cmp(&loss(b))).map_or(0, |index| index + 1)
    }

    /// The validation losses so far.
    pub fn losses(&self) -> Vec<f64> {
        self.epochs.iter().map(|epoch| epoch.validation_loss).collect()
    }

    fn name(&self) -> String {
        match (self.epochs.len(), self.under_way.batches) {
            (epoch, 0) => format!("epoch-{epoch:03}"),
            (epoch, batches) => format!("epoch-{epoch:03}-step-{batches:06}"),
        }
    }
}

/// The folder of a whole epoch, counted from 1.
pub fn folder(run: &Path, epoch: usize) -> PathBuf {
    run.join(format!("epoch-{epoch:03}"))
}

/// The checkpoints of a run, in the order in which they were left.
fn checkpoints(run: &Path) -> Result<Vec<PathBuf>> {
    if !run.exists() {
        return Ok(Vec::new());
    }
    let is = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("epoch-") && !name.ends_with(".partial") && path.is_dir()
    };
    Ok(files::sorted_entries(run)?.into_iter().filter(is).collect())
}

/// The folder and the state of the latest checkpoint of `run`, if there is one.
///
/// # Errors
/// [`TrainerError`] where its state cannot be read.
pub fn latest(run: &Path) -> Result<Option<(PathBuf, State)>> {
    let last = checkpoints(run)?.pop();
    let read = |folder: PathBuf| {
        let state = files::from_json(&folder.join("state.json"), &unchanged(&folder, "state.json")?)?;
        Ok((folder, state))
    };
    last.map(read).transpose()
}

/// Writes a checkpoint and removes those that are neither the last nor the best.
///
/// # Errors
/// [`TrainerError`], with the checkpoints written before still there.
pub fn save<B: Backend, M: Module<B>>(run: &Path, state: &State, network: M, optimiser: impl Record<B>) -> Result<()> {
    let whole = run.join(state.name());
    let partial = whole.with_extension("partial");
    if partial.exists() {
        std::fs::remove_dir_all(&partial).map_err(TrainerError::file(&partial))?;
    }
    std::fs::create_dir_all(&partial).map_err(TrainerError::file(&partial))?;
    write(&partial, "network", network.into_record())?;
    write(&partial, "optimiser", optimiser)?;
    files::write_json(&partial.join("state.json"), state)?;
    let sum = |name: &str| {
        let path = partial.join(name);
        let bytes = std::fs::read(&path).map_err(TrainerError::file(&path))?;
        Ok((name.to_owned(), files::sha256(&bytes)))
    };
    let sums = FILES.into_iter().map(sum).collect::<Result<BTreeMap<_, _>>>()?;
    files::write_json(&partial.join(CHECKSUMS), &sums)?;
    std::fs::rename(&partial, &whole).map_err(TrainerError::file(&whole))?;
    let kept = [whole, folder(run, state.best())];
    for old in checkpoints(run)?.into_iter().filter(|old| !kept.contains(old)) {
        std::fs::remove_dir_all(&old).map_err(TrainerError::file(&old))?;
    }
    Ok(())
}

/// Writes a record. Not by burn, which does not tell of a full disk.
fn write<B: Backend>(folder: &Path, name: &str, record: impl Record<B>) -> Result<()> {
    let path = folder.join(name).with_extension("mpk");
    let bytes = Recorder::default().record(record, ());
    let bytes = bytes.map_err(|error| TrainerError::content(&path, error.to_string()))?;
    files::write(&path, &bytes)
}

/// Reads a file of a checkpoint, as it was written.
fn unchanged(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    let sums: BTreeMap<String, String> = files::read_json(&folder.join(CHECKSUMS))?;
    let bytes = std::fs::read(&path).map_err(TrainerError::file(&path))?;
    if sums.get(name) == Some(&files::sha256(&bytes)) {
        Ok(bytes)
    } else {
        Err(damaged(&path, &format!("it is not what {CHECKSUMS} says was written")))
    }
}

/// Reads the network of a checkpoint into `network`, which has its architecture.
///
/// # Errors
/// [`TrainerError`] where the file is missing or damaged.
pub fn load_network<B: Backend, M: Module<B>>(folder: &Path, network: M, device: &B::Device) -> Result<M> {
    let wanted = network.num_params();
    let network = network.load_record(load(folder, "network", device)?);
    if network.num_params() == wanted {
        Ok(network)
    } else {
        Err(damaged(&folder.join("network.mpk"), "its size is another"))
    }
}

/// Reads a record, such as the optimiser's, of a checkpoint.
///
/// # Errors
/// [`TrainerError`] where the file is missing or damaged.
pub fn load<B: Backend, R: Record<B>>(folder: &Path, name: &str, device: &B::Device) -> Result<R> {
    let path = folder.join(name).with_extension("mpk");
    let bytes = unchanged(folder, &format!("{name}.mpk"))?;
    match error::unbroken(|| Recorder::default().load(bytes, device)) {
        Some(Ok(record)) => Ok(record),
        Some(Err(error)) => Err(damaged(&path, &error.to_string())),
        None => Err(damaged(&path, "it is of another form")),
    }
}

fn damaged(path: &Path, why: &str) -> TrainerError {
    TrainerError::content(path, format!("this part of a checkpoint is damaged, delete its folder: {why}"))
}
