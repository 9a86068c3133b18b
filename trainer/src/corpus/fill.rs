//! Fills a cache from a corpus: its recordings, augmented copies of them and rendered pieces, all with pseudo-labels.

use super::packages::PackageList;
use super::{CorpusRecording, unpack};
use crate::data::Source;
use crate::error::{Result, TrainerError};
use crate::files;
use crate::network::Precision;
use crate::prepare::augmented_copies::AugmentedCopies;
use crate::prepare::teachers::{self, PseudoLabeller, SEGMENT_LENGTH};
use crate::prepare::{PrepareOptions, PrepareSummary, prepare_pseudo_labelled_sources, prepare_sources_with};
use crate::render::pieces::Pieces;
use crate::render::voices::Voices;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Fills a cache from the corpus in `folder` by the recipe of the package list. `teachers` are the paths of their ONNX
/// files.
///
/// # Errors
/// [`TrainerError`] where the list has no recipe, a sound font or a program is missing, or a teacher fails.
pub fn fill_cache(
    list: &PackageList,
    folder: &Path,
    recordings: &[CorpusRecording],
    teachers: &[PathBuf],
    options: &PrepareOptions,
) -> Result<PrepareSummary> {
    let missing = || TrainerError::Request("the package list has no section [recipe]; add it to fill a cache".into());
    let recipe = list.recipe.as_ref().ok_or_else(missing)?;
    let labeller = PseudoLabeller::open(teachers, SEGMENT_LENGTH, recipe.max_segments)?;
    let train_seed = recipe.train_seed.unwrap_or(recipe.seed);
    let train_precision = if recipe.bf16_labels { Precision::Bf16 } else { Precision::Single };
    let settings = |source: &Source| match recipe.held_out.contains(&source.group) {
        true => (recipe.seed, Precision::Single),
        false => (train_seed, train_precision),
    };
    let label = |source: &Source, samples: &[f32]| {
        let (seed, precision) = settings(source);
        labeller.pseudo_label(source, samples, seed, precision)
    };
    let labelling = |source: &Source, samples: usize| {
        let (seed, precision) = settings(source);
        labeller.labelling(source, samples, seed, precision)
    };

    println!("recordings");
    let included: HashSet<&str> = recordings
        .iter()
        .filter(|recording| recording.excluded.is_none())
        .map(|recording| recording.path.as_str())
        .collect();
    let mut sources = teachers::sources(&folder.join(super::MUSIC), &[])?;
    sources.retain(|source| included.contains(source.name.as_str()));
    let mut summary = prepare_pseudo_labelled_sources(options, labeller.tags(), &sources, labelling)?;

    if recipe.augmented_copies > 0 {
        println!("augmented copies");
        sources.retain(|source| !recipe.held_out.contains(&source.group));
        let voices = recipe.voices.then(Voices::find).transpose()?;
        let copies = AugmentedCopies::new(options, &sources, voices.as_ref(), train_seed);
        let copy_sources = AugmentedCopies::sources(&sources, recipe.augmented_copies);
        let samples = |source: &Source| copies.samples(source);
        summary = prepare_sources_with(options, labeller.tags(), &copy_sources, samples, label)?;
    }

    if recipe.pieces > 0 {
        println!("pieces");
        let (fonts, scores) = (render_files(list, folder, "sf2")?, render_files(list, folder, "mid")?);
        let pieces = Pieces::open(&fonts, &scores, recipe.pieces, recipe.piece_seconds, train_seed)?;
        let samples = |source: &Source| pieces.samples(&source.name);
        summary = prepare_sources_with(options, labeller.tags(), &pieces.sources(), samples, label)?;
    }
    Ok(summary)
}

/// The files with this extension in the packages of sound fonts and scores, which are downloaded and unpacked first.
fn render_files(list: &PackageList, folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for package in list.packages.iter().filter(|package| package.is_render_source) {
        let to = folder.join("render").join(&package.name);
        unpack::unpack(&package.fetch(&folder.join("packages"))?, &to)?;
        found.extend(files::find_files(&to, &[extension])?);
    }
    Ok(found)
}
