//! `evaluate --truth`: models side by side on recordings whose truth is known in part.

use super::{load_run, open_tagger};
use crate::backend::{BackendArguments, dispatch};
use std::path::{Path, PathBuf};
use tagvane_engine::{InferenceMode, Metadata, Model, SAMPLE_RATE};
use tagvane_trainer::evaluation::{TruthSet, TruthTable, evaluate_truth, measure_reactions};
use tagvane_trainer::kernels::NetworkBackend;
use tagvane_trainer::tagging::Tagger;
use tagvane_trainer::{Result, export};

/// What is evaluated, and where the figures go.
pub(crate) struct TruthRequest<'a> {
    pub(crate) truth: &'a Path,
    pub(crate) run: Option<&'a Path>,
    pub(crate) onnx: &'a [PathBuf],
    pub(crate) sidecars: Option<&'a Path>,
    pub(crate) min_known: usize,
    /// The tags whose reaction times are measured.
    pub(crate) reactions: &'a [String],
    pub(crate) jobs: usize,
    pub(crate) csv: Option<&'a Path>,
    pub(crate) json: Option<&'a Path>,
    pub(crate) backend: &'a BackendArguments,
}

pub(crate) fn run(request: &TruthRequest<'_>) -> Result<()> {
    let truth = TruthSet::read(request.truth)?;
    let paths: Vec<&Path> = request.run.into_iter().chain(request.onnx.iter().map(PathBuf::as_path)).collect();
    let (mut models, mut reactions) = (Vec::new(), Vec::new());
    for (index, path) in paths.iter().enumerate() {
        let model = if request.run.is_some() && index == 0 {
            dispatch!(request.backend, run_as_model, path)?
        } else {
            open_tagger(path, request.sidecars)?
        };
        let name = model_name(path, &paths);
        if !request.reactions.is_empty() {
            reactions.extend(measure_reactions(&name, &model, &truth, request.reactions, request.jobs)?);
        }
        models.extend(evaluate_truth(&name, &Tagger::window_by_window(model), &truth, request.jobs)?);
    }
    let table = TruthTable { truth: &truth, models: &models, reactions: &reactions, min_known: request.min_known };
    print!("{}", table.to_text());
    if let Some(path) = request.csv {
        table.write_csv(path)?;
    }
    request.json.map_or(Ok(()), |path| table.write_json(path))
}

/// The file name without its extension, or the path where another model has that name.
fn model_name(path: &Path, all: &[&Path]) -> String {
    let is_same = |other: &&&Path| other.file_stem() == path.file_stem();
    let stem = path.file_stem().filter(|_| all.iter().filter(is_same).count() == 1);
    stem.map_or_else(|| path.display().to_string(), |stem| stem.to_string_lossy().into_owned())
}

/// The best epoch of a run, as it would be exported.
fn run_as_model<B: NetworkBackend>(run: &Path, devices: &[B::Device]) -> Result<Model> {
    let (state, network) = load_run::<B>(run, None, &devices[0])?;
    let architecture = &state.config.architecture;
    let metadata = Metadata {
        tags: state.tags,
        sample_rate: Some(SAMPLE_RATE),
        window: Some(architecture.window()),
        ..Metadata::default()
    };
    let bytes = export::to_onnx(&network, architecture, &metadata);
    Ok(Model::with(&bytes, InferenceMode::FullWindows, None)?)
}
