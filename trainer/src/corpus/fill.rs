//! Fills a cache from a corpus: its recordings, augmented copies of them, rendered pieces, and phrases and voices that are
//! laid over other recordings, all with pseudo-labels.

use super::copies::RecordingCopies;
use super::packages::PackageList;
use super::recipe::Recipe;
use super::recordings::{Kind, MIN_SECONDS};
use super::singers::Singer;
use super::{CorpusRecording, unpack};
use crate::data::{CacheInfo, Source};
use crate::error::{Result, TrainerError};
use crate::files;
use crate::network::Precision;
use crate::prepare::augmented_copies::AugmentedCopies;
use crate::prepare::teachers::{self, PseudoLabeller, SEGMENT_LENGTH};
use crate::prepare::voice_overs::VoiceOvers;
use crate::prepare::{
    LabelOutcome, PrepareOptions, PrepareSummary, known_labels, prepare_pseudo_labelled_sources, prepare_sources_with,
    prepare_synthesized_sources,
};
use crate::render::backings::Backings;
use crate::render::phrases::{Phrase, Phrases};
use crate::render::pieces::Pieces;
use crate::render::truth::Truth;
use crate::render::voices::Voices;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Fills a cache from the corpus in `folder`, whose `recordings` and listed recordings, as `copies`, were collected, by the
/// recipe of the package list, with the voices of `singers`. `teachers` are the paths of their ONNX files.
///
/// # Errors
/// [`TrainerError`] where the list has no recipe, a sound font or a program is missing, or a teacher fails.
pub fn fill_cache(
    list: &PackageList,
    folder: &Path,
    recordings: &[CorpusRecording],
    copies: Option<&RecordingCopies>,
    singers: &[Singer],
    teachers: &[PathBuf],
    options: &PrepareOptions,
) -> Result<PrepareSummary> {
    let missing = || TrainerError::Request("the package list has no section [recipe]; add it to fill a cache".into());
    let recipe = list.recipe.as_ref().ok_or_else(missing)?;
    let labeller = PseudoLabeller::open(teachers, &list.ensemble, SEGMENT_LENGTH, recipe.max_segments)?;
    let included: HashSet<&str> = recordings
        .iter()
        .filter(|recording| recording.excluded.is_none())
        .map(|recording| recording.path.as_str())
        .collect();
    let filling = Filling { recipe, labeller, options };

    let mut packaged = Vec::new();
    if list.packages.iter().any(|package| !package.is_render_source) {
        packaged = teachers::sources(&folder.join(super::MUSIC), &[])?;
        packaged.retain(|source| included.contains(source.name.as_str()));
        filling.add_recordings(&packaged, options)?;
    }
    let listed = |kind: Kind| -> Vec<Source> {
        let mut sources = copies.map_or_else(Vec::new, |copies| copies.sources(&kind));
        sources.retain(|source| included.contains(source.name.as_str()));
        sources
    };
    let (music, voices) = (listed(Kind::Recording), listed(Kind::Voice));
    let all_listed = [music.clone(), voices.clone()].concat();
    let short_options = PrepareOptions { min_seconds: MIN_SECONDS, ..options.clone() };
    filling.add_recordings(&all_listed, &short_options)?;
    filling.add_copies(&packaged, options)?;
    filling.add_copies(&all_listed, &short_options)?;

    // The scores are unpacked only if they are needed.
    let needs_scores = recipe.pieces > 0 || (recipe.phrases > 0 && copies.is_some());
    let scores = if needs_scores { render_files(list, folder, "mid")? } else { Vec::new() };
    if recipe.pieces > 0 {
        println!("pieces");
        let fonts = render_files(list, folder, "sf2")?;
        let pieces = Pieces::open(&fonts, &scores, recipe.pieces, recipe.piece_seconds, filling.train_seed())?;
        filling.add_known(&pieces.sources(), options, |source| pieces.render(&source.name))?;
    }
    let mut music = [packaged, music].concat();
    music.retain(|source| !filling.is_held_out(source));
    let backings = Backings::new(music.into_iter().filter_map(|source| source.path).collect());
    if let Some(copies) = copies {
        filling.add_phrases(copies, &scores, &backings)?;
        filling.add_voice_overs(&voices, backings.clone(), &short_options)?;
    }
    filling.add_singers(singers, backings, &short_options)?;
    // What the part holds after all steps.
    filling.add_recordings(&[], options)
}

/// The steps of filling a cache; each goes on where it was interrupted.
struct Filling<'a> {
    recipe: &'a Recipe,
    labeller: PseudoLabeller,
    options: &'a PrepareOptions,
}

impl Filling<'_> {
    fn is_held_out(&self, source: &Source) -> bool {
        self.recipe.held_out.contains(&source.group)
    }

    fn train_seed(&self) -> u64 {
        self.recipe.train_seed.unwrap_or(self.recipe.seed)
    }

    fn info(&self) -> CacheInfo {
        self.labeller.cache_info(self.recipe.known_share)
    }

    /// The seed of the segments of a recording, and the precision of its labels.
    fn settings(&self, source: &Source) -> (u64, Precision) {
        match (self.is_held_out(source), self.recipe.bf16_labels) {
            (true, _) => (self.recipe.seed, Precision::Single),
            (false, true) => (self.train_seed(), Precision::Bf16),
            (false, false) => (self.train_seed(), Precision::Single),
        }
    }

    fn label(&self, source: &Source, samples: &[f32]) -> Result<LabelOutcome> {
        let (seed, precision) = self.settings(source);
        self.labeller.pseudo_label(source, samples, seed, precision)
    }

    fn add_recordings(&self, sources: &[Source], options: &PrepareOptions) -> Result<PrepareSummary> {
        if !sources.is_empty() {
            println!("recordings");
        }
        prepare_pseudo_labelled_sources(options, self.info(), sources, |source, samples| {
            let (seed, precision) = self.settings(source);
            self.labeller.labelling(source, samples, seed, precision)
        })
    }

    /// Adds sources whose audio is made by `samples`.
    fn add(
        &self,
        sources: &[Source],
        options: &PrepareOptions,
        samples: impl Fn(&Source) -> std::result::Result<Vec<f32>, String> + Sync,
    ) -> Result<PrepareSummary> {
        let label = |source: &Source, samples: &[f32]| self.label(source, samples);
        prepare_sources_with(options, self.info(), sources, samples, label)
    }

    /// Adds sources that are made by `synthesize`, which says what sounds in them. Their labels are mixed with that.
    fn add_known(
        &self,
        sources: &[Source],
        options: &PrepareOptions,
        synthesize: impl Fn(&Source) -> std::result::Result<(Vec<f32>, Truth), String> + Sync,
    ) -> Result<()> {
        let tags = self.labeller.tags();
        prepare_synthesized_sources(options, self.info(), sources, synthesize, |source, samples, truth| {
            Ok(known_labels::mix(&tags, self.label(source, samples)?, truth, self.recipe.known_share))
        })?;
        Ok(())
    }

    fn add_copies(&self, originals: &[Source], options: &PrepareOptions) -> Result<()> {
        let mut originals = originals.to_vec();
        originals.retain(|source| !self.is_held_out(source));
        if self.recipe.augmented_copies > 0 && !originals.is_empty() {
            println!("augmented copies");
            let voices = self.recipe.voices.then(Voices::find).transpose()?;
            let copies = AugmentedCopies::new(options, &originals, voices.as_ref(), self.train_seed());
            let sources = AugmentedCopies::sources(&originals, self.recipe.augmented_copies);
            self.add(&sources, options, |source| copies.samples(source))?;
        }
        Ok(())
    }

    fn add_phrases(&self, copies: &RecordingCopies, scores: &[PathBuf], backings: &Backings) -> Result<()> {
        let Recipe { phrases, piece_seconds, held_out, .. } = self.recipe;
        let notes = copies.notes(held_out);
        if *phrases == 0 || notes.is_empty() {
            return Ok(());
        }
        println!("phrases");
        let phrases = Phrases::open(notes, scores, backings.clone(), *phrases, *piece_seconds, self.train_seed())?;
        let phrase = |source: &Source| phrases.phrase(&source.name).map(|Phrase { samples, truth }| (samples, truth));
        self.add_known(&phrases.sources(), self.options, phrase)
    }

    fn add_voice_overs(&self, voices: &[Source], backings: Backings, options: &PrepareOptions) -> Result<()> {
        let mut voices = voices.to_vec();
        voices.retain(|source| !self.is_held_out(source));
        if self.recipe.voice_backings > 0 && !voices.is_empty() && !backings.is_empty() {
            println!("voices over recordings");
            let mixes = VoiceOvers::new(options, backings, self.train_seed());
            let sources = VoiceOvers::sources(&voices, self.recipe.voice_backings);
            self.add(&sources, options, |source| mixes.samples(source))?;
        }
        Ok(())
    }

    /// Lays singers over recordings. The tags of those who sing are raised, since the teachers hardly hear some of them.
    fn add_singers(&self, singers: &[Singer], backings: Backings, options: &PrepareOptions) -> Result<()> {
        let singer_backings = self.recipe.singer_backings;
        if singer_backings == 0 || singers.is_empty() || backings.is_empty() {
            return Ok(());
        }
        println!("singers over recordings");
        let voices: Vec<Source> = singers.iter().map(Singer::source).collect();
        let mixes = VoiceOvers::new(options, backings, self.train_seed());
        let sources = VoiceOvers::sources(&voices, singer_backings);
        let singer_of: HashMap<&str, &Singer> = sources
            .iter()
            .map(|source| source.name.as_str())
            .zip(singers.iter().flat_map(|singer| std::iter::repeat_n(singer, singer_backings)))
            .collect();
        self.add_known(&sources, options, |source| {
            let samples = mixes.samples(source)?;
            let truth = singer_of[source.name.as_str()].truth(samples.len());
            Ok((samples, truth))
        })
    }
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
