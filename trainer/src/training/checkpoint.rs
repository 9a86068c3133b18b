//! Checkpoints of a run.
//!
//! A run is a folder of checkpoints. Each is a folder with the network, the optimiser's state and
//! `state.json`: `epoch-003` after the third epoch, `epoch-003-step-000400` four hundred batches
//! later. Where weights are averaged, the network is the averaged one, and `trained.mpk` has the one
//! that is trained. A checkpoint is written under a temporary name and renamed, so it is never partial;
//! `checksums.json` in it detects damaged files. Only the last checkpoint and that of the best epoch
//! are kept.

use super::config::Config;
use crate::error::{self, Result, TrainerError};
use crate::{files, renamed};
use burn::module::Module;
use burn::record::{FullPrecisionSettings, NamedMpkBytesRecorder, Record, Recorder as _};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

type Recorder = NamedMpkBytesRecorder<FullPrecisionSettings>;

/// The present format of checkpoints. Those without a format are of format 0, in which modules of the
/// network have the names that [`renamed`] lists.
const FORMAT: u32 = 1;

/// The file with the [`RunState`].
const STATE: &str = "state.json";

/// The files of every checkpoint that have a checksum.
const FILES: [&str; 3] = ["network.mpk", "optimiser.mpk", STATE];

/// The file with the SHA-256 of each of [`FILES`], and of a further record.
const CHECKSUMS: &str = "checksums.json";

/// The state of a run, stored as `state.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// The format of the checkpoint that it is written to. [`latest`] converts earlier formats to the
    /// present one.
    #[serde(default)]
    format: u32,
    /// The configuration that the run was started with.
    pub config: Config,
    /// The tags, in the order of the network's outputs.
    pub tags: Vec<String>,
    /// The metrics of each finished epoch, in order.
    pub epochs: Vec<EpochMetrics>,
    /// Progress within the next epoch.
    #[serde(alias = "under_way")]
    pub epoch_progress: EpochProgress,
}

/// Progress within an epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochProgress {
    /// Batches so far.
    pub batches: usize,
    /// Windows so far that were trained on.
    #[serde(alias = "rows")]
    pub windows: usize,
    /// Sum of their losses; `f64::MAX` if it is not finite.
    pub loss_sum: f64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Seconds spent waiting for the data loader.
    #[serde(alias = "waited")]
    pub data_wait_seconds: f64,
}

/// The metrics of a finished epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// The learning rate at its start.
    pub learning_rate: f64,
    /// Mean binary cross-entropy over the windows that were trained on, while the weights change;
    /// `f64::MAX` if it is not finite.
    pub training_loss: f64,
    /// Mean binary cross-entropy over the validation windows after the epoch; `f64::MAX` if it is not
    /// finite.
    pub validation_loss: f64,
    /// Macro ROC-AUC over the validation windows; `None` if no tag has both positives and negatives.
    #[serde(alias = "validation_auc")]
    pub validation_roc_auc: Option<f64>,
    /// Macro average precision over the validation windows.
    #[serde(alias = "validation_precision")]
    pub validation_average_precision: Option<f64>,
    /// Training windows per second.
    #[serde(alias = "speed")]
    pub windows_per_second: f64,
    /// Fraction of the training time spent waiting for the data loader.
    #[serde(alias = "waited")]
    pub data_wait_fraction: f64,
}

/// The loss, or `f64::MAX` if it is not finite: JSON has no NaN and no infinity, so the checkpoints of a
/// diverged run could not be read.
pub(super) fn finite_loss(loss: f64) -> f64 {
    if loss.is_finite() { loss } else { f64::MAX }
}

impl EpochProgress {
    /// Adds a batch that was trained on: its windows and their mean loss.
    pub(super) fn add_windows(&mut self, windows: usize, mean_loss: f64) {
        self.windows += windows;
        self.loss_sum = finite_loss(self.loss_sum + mean_loss * windows as f64);
    }

    /// Mean loss of the windows so far; `f64::MAX` if it is not finite.
    pub fn mean_loss(&self) -> f64 {
        if self.loss_sum < f64::MAX { self.loss_sum / self.windows.max(1) as f64 } else { f64::MAX }
    }
}

impl EpochMetrics {
    /// Whether two epochs have the same metrics apart from their timing.
    pub fn has_same_metrics(&self, other: &Self) -> bool {
        let without_timing = |epoch: &Self| Self { windows_per_second: 0.0, data_wait_fraction: 0.0, ..epoch.clone() };
        without_timing(self) == without_timing(other)
    }
}

impl RunState {
    /// The state of a run before its first epoch.
    pub fn new(config: Config, tags: Vec<String>) -> Self {
        Self { format: FORMAT, config, tags, epochs: Vec::new(), epoch_progress: EpochProgress::default() }
    }

    /// The epoch with the lowest validation loss, counted from 1; 0 before the first.
    pub fn best_epoch(&self) -> usize {
        let loss = |index: &usize| self.epochs[*index].validation_loss;
        (0..self.epochs.len()).min_by(|a, b| loss(a).total_cmp(&loss(b))).map_or(0, |index| index + 1)
    }

    /// The validation loss of each finished epoch.
    pub fn validation_losses(&self) -> Vec<f64> {
        self.epochs.iter().map(|epoch| epoch.validation_loss).collect()
    }

    fn position(&self) -> Position {
        Position { epochs: self.epochs.len(), batches: self.epoch_progress.batches }
    }
}

/// How far a run had come at a checkpoint: its finished epochs, and the batches of the next one. The folder
/// is named by it, and checkpoints are ordered by it: their names order otherwise from epoch 1000 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    epochs: usize,
    batches: usize,
}

impl Position {
    /// The position in the name of a folder; `None` if it is not the folder of a checkpoint.
    fn parse(name: &str) -> Option<Self> {
        let (epochs, batches) =
            name.strip_prefix("epoch-").map(|rest| rest.split_once("-step-").unwrap_or((rest, "0")))?;
        Some(Self { epochs: epochs.parse().ok()?, batches: batches.parse().ok()? })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch-{:03}", self.epochs)?;
        if self.batches > 0 { write!(f, "-step-{:06}", self.batches) } else { Ok(()) }
    }
}

/// The checkpoint folder of a finished epoch, counted from 1.
pub fn epoch_folder(run: &Path, epoch: usize) -> PathBuf {
    run.join(Position { epochs: epoch, batches: 0 }.to_string())
}

/// The checkpoints of a run, oldest first.
fn checkpoints(run: &Path) -> Result<Vec<PathBuf>> {
    if !run.exists() {
        return Ok(Vec::new());
    }
    let with_position = |path: PathBuf| Some((Position::parse(path.file_name()?.to_str()?)?, path));
    let folders = files::sorted_entries(run)?.into_iter().filter(|path| path.is_dir());
    let checkpoints: BTreeMap<Position, PathBuf> = folders.filter_map(with_position).collect();
    Ok(checkpoints.into_values().collect())
}

/// The folder and the state of the latest checkpoint of `run`, if it has one.
///
/// # Errors
/// [`TrainerError`] if the state cannot be read.
pub fn latest(run: &Path) -> Result<Option<(PathBuf, RunState)>> {
    let read = |folder: PathBuf| {
        let (_, bytes) = read_state(&folder)?;
        let state: RunState = files::from_json(&folder.join(STATE), &bytes)?;
        Ok((folder, RunState { format: FORMAT, ..state }))
    };
    checkpoints(run)?.pop().map(read).transpose()
}

/// Reads the format of a checkpoint, and the bytes of its state.
fn read_state(folder: &Path) -> Result<(u32, Vec<u8>)> {
    #[derive(Deserialize)]
    struct Versioned {
        #[serde(default)]
        format: u32,
    }
    let path = folder.join(STATE);
    let bytes = read_verified(folder, STATE)?;
    let Versioned { format } = files::from_json(&path, &bytes)?;
    if format > FORMAT {
        let what = "this checkpoint was written by a later version of the trainer; update the trainer";
        return Err(TrainerError::content(&path, what));
    }
    Ok((format, bytes))
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
    save_with(run, state, network, optimiser, None::<(&str, ())>)
}

/// Like [`save`], with a further record of this name.
pub(super) fn save_with<B: Backend, M: Module<B>>(
    run: &Path,
    state: &RunState,
    network: M,
    optimiser: impl Record<B>,
    further: Option<(&str, impl Record<B>)>,
) -> Result<()> {
    let whole = run.join(state.position().to_string());
    let partial = whole.with_extension("partial");
    if partial.exists() {
        std::fs::remove_dir_all(&partial).map_err(TrainerError::file(&partial))?;
    }
    std::fs::create_dir_all(&partial).map_err(TrainerError::file(&partial))?;
    write_record(&partial, "network", network.into_record())?;
    write_record(&partial, "optimiser", optimiser)?;
    files::write_json(&partial.join(STATE), state)?;
    let mut names = FILES.map(str::to_owned).to_vec();
    if let Some((name, record)) = further {
        write_record(&partial, name, record)?;
        names.push(format!("{name}.mpk"));
    }
    let sum = |name: String| {
        let path = partial.join(&name);
        let bytes = std::fs::read(&path).map_err(TrainerError::file(&path))?;
        Ok((name, files::sha256(&bytes)))
    };
    let sums = names.into_iter().map(sum).collect::<Result<BTreeMap<_, _>>>()?;
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
/// [`TrainerError`] if the file is missing or damaged, or a later version wrote it.
pub fn load_network<B: Backend, M: Module<B>>(folder: &Path, network: M, device: &B::Device) -> Result<M> {
    let record: M::Record = load(folder, "network", device)?;
    load_record(folder, "network", network, record)
}

/// Loads the record `name` of a checkpoint into `network`, which must have its architecture.
pub(super) fn load_record<B: Backend, M: Module<B>>(
    folder: &Path,
    name: &str,
    network: M,
    record: M::Record,
) -> Result<M> {
    let damaged = |why: &str| damaged(&folder.join(name).with_extension("mpk"), why);
    let expected = network.num_params();
    // burn panics over a record with other variants or more layers.
    let network = error::catch_panic(|| network.load_record(record));
    let network = network.ok_or_else(|| damaged("it is of another network"))?;
    if network.num_params() == expected { Ok(network) } else { Err(damaged("it has another number of weights")) }
}

/// Loads a record of a checkpoint, such as the optimiser's.
///
/// # Errors
/// [`TrainerError`] if the file is missing or damaged, or a later version wrote it.
pub fn load<B: Backend, R: Record<B>>(folder: &Path, name: &str, device: &B::Device) -> Result<R> {
    let path = folder.join(name).with_extension("mpk");
    let (format, _) = read_state(folder)?;
    let mut bytes = read_verified(folder, &format!("{name}.mpk"))?;
    if format == 0 {
        bytes = renamed::rename_modules(bytes).map_err(|error| damaged(&path, &error))?;
    }
    match error::catch_panic(|| Recorder::default().load(bytes, device)) {
        Some(Ok(record)) => Ok(record),
        Some(Err(error)) => Err(damaged(&path, &error.to_string())),
        None => Err(damaged(&path, "it is not a valid record")),
    }
}

/// The error for a file of a checkpoint that is damaged.
pub(super) fn damaged(path: &Path, why: &str) -> TrainerError {
    TrainerError::content(path, format!("this part of a checkpoint is damaged; delete the checkpoint's folder: {why}"))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::architecture::{Architecture, SampleLevel};
    use burn::backend::Flex;
    use burn::nn::{Linear, LinearConfig};
    use serde_json::Value;

    fn new_state() -> RunState {
        let architecture = Architecture::SampleLevel(SampleLevel::new(3, 2, 27, vec![4, 4, 4]));
        RunState::new(Config::paper_defaults(architecture, 23), vec!["guitar".into()])
    }

    /// A module with a field whose name an earlier version gave to another one.
    #[derive(Module, Debug)]
    struct Reusing<B: Backend> {
        last: Linear<B>,
    }

    fn reusing() -> Reusing<Flex> {
        let module: Reusing<Flex> = Reusing { last: LinearConfig::new(2, 3).init(&Default::default()) };
        // Initialises the weights, so that copies have the same.
        module.num_params();
        module
    }

    /// Writes another format into a checkpoint, or none.
    fn set_format(folder: &Path, format: Option<u32>) {
        let (path, checksums) = (folder.join(STATE), folder.join(CHECKSUMS));
        let mut state: Value = files::read_json(&path).unwrap();
        let fields = state.as_object_mut().unwrap();
        fields.remove("format").unwrap();
        fields.extend(format.map(|format| ("format".to_owned(), format.into())));
        files::write_json(&path, &state).unwrap();
        let mut sums: BTreeMap<String, String> = files::read_json(&checksums).unwrap();
        sums.insert(STATE.into(), files::sha256(&std::fs::read(&path).unwrap()));
        files::write_json(&checksums, &sums).unwrap();
    }

    /// Regression: former names were replaced in every checkpoint, so no module could have such a name.
    #[test]
    fn former_names_of_modules_are_replaced_in_checkpoints_of_format_0_only() {
        let run = tempfile::tempdir().unwrap();
        let module = reusing();
        save(run.path(), &new_state(), module.clone(), ()).unwrap();
        let (folder, _) = latest(run.path()).unwrap().unwrap();
        let load = || load_network(&folder, reusing(), &Default::default());
        assert_eq!(load().unwrap().last.weight.val().into_data(), module.last.weight.val().into_data());
        set_format(&folder, None);
        assert!(load().unwrap_err().to_string().contains("network.mpk"));
        assert_eq!(latest(run.path()).unwrap().unwrap().1, new_state());
    }

    #[test]
    fn a_checkpoint_of_a_later_version_is_refused() {
        let run = tempfile::tempdir().unwrap();
        save(run.path(), &new_state(), reusing(), ()).unwrap();
        let (folder, _) = latest(run.path()).unwrap().unwrap();
        set_format(&folder, Some(FORMAT + 1));
        let state = latest(run.path()).unwrap_err().to_string();
        let network = load_network(&folder, reusing(), &Default::default()).unwrap_err().to_string();
        for error in [state, network] {
            assert!(error.contains("written by a later version of the trainer; update"), "{error}");
        }
    }

    /// Regression: burn's panic over a record of another network was not caught.
    #[test]
    fn a_record_with_another_number_of_layers_is_an_error() {
        let layers = |count: usize| -> Vec<Linear<Flex>> {
            (0..count).map(|_| LinearConfig::new(2, 2).init::<Flex>(&Default::default())).collect()
        };
        let run = tempfile::tempdir().unwrap();
        save::<Flex, _>(run.path(), &new_state(), layers(2), ()).unwrap();
        let (folder, _) = latest(run.path()).unwrap().unwrap();
        let error = load_network::<Flex, _>(&folder, layers(3), &Default::default()).unwrap_err().to_string();
        assert!(error.contains("network.mpk") && error.contains("damaged"), "{error}");
    }

    /// Regression: checkpoints were ordered by name, in which epoch 1000 comes before epoch 999.
    #[test]
    fn checkpoints_are_in_the_order_of_epochs_and_batches() {
        let run = tempfile::tempdir().unwrap();
        let names = ["epoch-000", "epoch-999", "epoch-999-step-999999", "epoch-999-step-1000000", "epoch-1000"];
        for name in names.iter().rev().chain(&["epoch-1001.partial", "epoch-notes", "other"]) {
            std::fs::create_dir(run.path().join(name)).unwrap();
        }
        std::fs::write(run.path().join("epoch-2000"), "a file").unwrap();
        let expected: Vec<PathBuf> = names.iter().map(|name| run.path().join(name)).collect();
        assert_eq!(checkpoints(run.path()).unwrap(), expected);
        for name in names {
            assert_eq!(Position::parse(name).unwrap().to_string(), name);
        }
    }

    /// Regression: serde_json writes NaN as null, which it does not read as a number.
    #[test]
    fn the_state_of_a_diverged_run_is_read_back() {
        let mut state = new_state();
        state.epoch_progress.add_windows(2, f64::NAN);
        state.epoch_progress.add_windows(2, 0.5);
        state.epochs.push(EpochMetrics {
            learning_rate: 0.01,
            training_loss: state.epoch_progress.mean_loss(),
            validation_loss: finite_loss(f64::INFINITY),
            validation_roc_auc: None,
            validation_average_precision: None,
            windows_per_second: 1.0,
            data_wait_fraction: 0.0,
        });
        assert_eq!(state.epochs[0].training_loss, f64::MAX);
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<RunState>(&text).unwrap(), state);
    }
}
