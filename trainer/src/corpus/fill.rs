//! From a corpus to a cache that networks learn from: its recordings, varied copies of them, and
//! pieces that sound fonts play, all labelled by teachers.

use super::packages::List;
use super::{Recording, unpack};
use crate::error::{Result, TrainerError};
use crate::files;
use crate::network::Precision;
use crate::prepare::copies::Copies;
use crate::prepare::teachers::{self, Teachers};
use crate::prepare::{Outcome, Request, Source, run, run_with};
use crate::render::pieces::Pieces;
use crate::render::voices::Voices;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What a list fills a cache with.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Labelled segments of a recording, at most.
    pub segments: usize,
    /// Varied copies of each recording of a package that is learnt from.
    pub copies: usize,
    /// Whether voices are laid over a third of the copies.
    pub voices: bool,
    /// Pieces that the fonts play.
    pub pieces: usize,
    /// How long a piece is, in seconds.
    pub seconds: f64,
    /// Draws segments, variations and pieces.
    pub seed: u64,
    /// Draws them instead where they are learnt from: another number gives a further cache of the
    /// same music, that measures by the same segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learnt_seed: Option<u64>,
    /// Whether what is learnt from is labelled in half precision, where there is OpenVINO and a
    /// processor that computes in it. What is measured by never is.
    #[serde(default)]
    pub half: bool,
    /// The packages that networks are measured by, and chosen by: they are taken as they are.
    pub measured: Vec<String>,
}

/// The samples of a labelled segment: the window of the paper's best network.
const SEGMENT: usize = 59_049;

/// Fills the cache of a request with what the list's recipe wants of a gathered corpus; gives
/// what the cache has then.
///
/// # Errors
/// [`TrainerError`] where the list has no recipe, a font or a program is missing, or a teacher
/// fails.
pub fn fill(
    list: &List,
    folder: &Path,
    recordings: &[Recording],
    teachers: &[PathBuf],
    request: &Request,
) -> Result<Outcome> {
    let none =
        || TrainerError::Request("the list has no section [recipe], which says what to fill a cache with".into());
    let recipe = list.recipe.as_ref().ok_or_else(none)?;
    let teachers = Teachers::open(teachers, SEGMENT, recipe.segments)?;
    let learnt_seed = recipe.learnt_seed.unwrap_or(recipe.seed);
    let label = |source: &Source, samples: &[f32]| {
        if recipe.measured.contains(&source.group) {
            return teachers.label(source, samples, recipe.seed, Precision::Single);
        }
        teachers.label(source, samples, learnt_seed, if recipe.half { Precision::Half } else { Precision::Single })
    };

    println!("recordings");
    let kept: HashSet<&str> =
        recordings.iter().filter(|one| one.left_out.is_none()).map(|one| one.path.as_str()).collect();
    let mut sources = teachers::sources(&folder.join(super::MUSIC), &[])?;
    sources.retain(|source| kept.contains(source.name.as_str()));
    let mut outcome = run(request, teachers.tags(), &sources, label)?;

    if recipe.copies > 0 {
        println!("varied copies");
        sources.retain(|source| !recipe.measured.contains(&source.group));
        let voices = recipe.voices.then(Voices::find).transpose()?;
        let copies = Copies::new(request, &sources, voices.as_ref(), learnt_seed);
        let varied = Copies::sources(&sources, recipe.copies);
        outcome = run_with(request, teachers.tags(), &varied, |source| copies.samples(source), label)?;
    }

    if recipe.pieces > 0 {
        println!("pieces");
        let (fonts, scores) = (unpacked(list, folder, "sf2")?, unpacked(list, folder, "mid")?);
        let pieces = Pieces::open(&fonts, &scores, recipe.pieces, recipe.seconds, learnt_seed)?;
        let samples = |source: &Source| pieces.samples(&source.name);
        outcome = run_with(request, teachers.tags(), &pieces.sources(), samples, label)?;
    }
    Ok(outcome)
}

/// The files with this ending in a list's packages of sound fonts and scores, downloaded and
/// unpacked.
fn unpacked(list: &List, folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for package in list.packages.iter().filter(|package| package.renders) {
        let to = folder.join("render").join(&package.name);
        unpack::unpack(&package.fetch(&folder.join("packages"))?, &to)?;
        found.extend(files::below(&to, &[ending])?);
    }
    Ok(found)
}
