//! `prepare`: fills a cache from a data set.

use super::copies::find_copies;
use super::{at_least, available_threads, parse_probability};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use tagvane_trainer::corpus::{self, recordings};
use tagvane_trainer::data::vocabularies::{MAGNATAGATUNE, MILLION_SONG};
use tagvane_trainer::data::{CacheInfo, Source};
use tagvane_trainer::network::Precision;
use tagvane_trainer::prepare::augmented_copies::AugmentedCopies;
use tagvane_trainer::prepare::ensemble::Ensemble;
use tagvane_trainer::prepare::folder::{self, HoldOut};
use tagvane_trainer::prepare::list::Separator;
use tagvane_trainer::prepare::shard::Shard;
use tagvane_trainer::prepare::teachers::{self, PseudoLabeller, SEGMENT_LENGTH};
use tagvane_trainer::prepare::{
    LabelOutcome, PrepareOptions, PrepareSummary, known_labels, magnatagatune, million_song, prepare_labelled_sources,
    prepare_pseudo_labelled_sources, prepare_sources_with, prepare_synthesized_sources,
};
use tagvane_trainer::render::backings::Backings;
use tagvane_trainer::render::phrases::{Phrase, Phrases};
use tagvane_trainer::render::pieces::Pieces;
use tagvane_trainer::render::truth::Truth;
use tagvane_trainer::render::voices::Voices;
use tagvane_trainer::{Result, TrainerError};

#[derive(Subcommand)]
pub(crate) enum PrepareCommand {
    /// MagnaTagATune: annotations_final.csv and the folders 0 to f with MP3 files
    Magnatagatune {
        /// Path of annotations_final.csv
        #[arg(long)]
        annotations: PathBuf,
        /// Keep clips without any of the fifty tags
        #[arg(long)]
        keep_untagged: bool,
        #[command(flatten)]
        audio: AudioArguments,
    },
    /// Million Song Dataset with Last.fm tags: the files of MSD_split_for_tagging, and the previews
    MillionSong {
        /// Folder with train_x_filename.txt, train_y.npy and so on
        #[arg(long)]
        split: PathBuf,
        #[command(flatten)]
        audio: AudioArguments,
    },
    /// Your own recordings, with tags from a CSV file or from folder names
    Folder {
        /// List of the recordings, their paths below the audio folder, and their tags: in words, in one line or several,
        /// or one column of 0 and 1 per tag. A column `group` or `split` may have training, validation or test
        #[arg(long)]
        csv: Option<PathBuf>,
        /// What separates the cells of the list: one character, or `tab` [default: detected]
        #[arg(long, requires = "csv")]
        separator: Option<Separator>,
        /// Minimum length of a recording in seconds; shorter ones are skipped
        #[arg(long, default_value_t = 3.0)]
        min_seconds: f64,
        /// Fraction of the recordings that is held out for validation, 0 to 1
        #[arg(long, default_value_t = 0.1)]
        validation_fraction: f64,
        /// Fraction of the recordings that is held out for the test, 0 to 1
        #[arg(long, default_value_t = 0.1)]
        test_fraction: f64,
        #[command(flatten)]
        audio: AudioArguments,
    },
    /// Any recordings, with pseudo-labels of teachers: ONNX taggers for audio at 16 kHz, at least one
    #[command(name = "pseudo-labelled")]
    PseudoLabelled(PseudoLabelledArguments),
    /// Randomly generated pieces and excerpts of scores, played by sound fonts. Without teachers, the labels are the ground
    /// truth for the instrument tags of MagnaTagATune, and 0 for its other tags
    Rendered(RenderedArguments),
    /// Phrases played with single notes of real instruments and voices, alone and over other recordings. Without teachers,
    /// the labels are the instruments that play, in the tags of MagnaTagATune that name them, and 0 for its other tags
    Phrases(PhrasesArguments),
}

#[derive(Args)]
pub(crate) struct PseudoLabelledArguments {
    #[command(flatten)]
    teachers: TeacherArguments,
    /// Maximum number of labelled segments per recording
    #[arg(long, default_value_t = 32, value_parser = at_least(1))]
    max_segments: usize,
    /// Segment length in samples at 22050 Hz
    #[arg(long, default_value_t = SEGMENT_LENGTH, value_parser = at_least(1))]
    window: usize,
    /// Minimum length of a recording in seconds; shorter ones are skipped
    #[arg(long, default_value_t = 20.0)]
    min_seconds: f64,
    /// Skip files whose path contains this; may be repeated
    #[arg(long)]
    exclude: Vec<String>,
    /// The recordings.json of a corpus; only the recordings that it includes are used
    #[arg(long)]
    corpus_list: Option<PathBuf>,
    /// Number of augmented copies of each recording, which replace the recording itself: speed, equaliser,
    /// reverberation, codec, another recording mixed in
    #[arg(long)]
    augmented_copies: Option<usize>,
    /// Mix a voice into a third of the augmented copies; needs espeak-ng and festival
    #[arg(long, requires = "augmented_copies")]
    voices: bool,
    /// Seed of the segments and the augmentation
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    audio: AudioArguments,
}

#[derive(Args)]
pub(crate) struct RenderedArguments {
    /// A General MIDI sound font, an SF2 file; may be repeated. The sound fonts play the pieces in turn
    #[arg(long = "font", required = true)]
    fonts: Vec<PathBuf>,
    /// Number of pieces
    #[arg(long, default_value_t = 1_000)]
    pieces: usize,
    #[command(flatten)]
    synthesis: SynthesisArguments,
}

#[derive(Args)]
pub(crate) struct PhrasesArguments {
    /// List of recordings, a CSV file
    #[arg(long, default_value = "trainer/configs/recordings.csv")]
    list: PathBuf,
    /// Folder with local copies of the listed single notes, and of recordings to lay the phrases over; they are found by
    /// their checksums
    #[arg(long)]
    copies: PathBuf,
    /// Play the phrases alone, not over recordings
    #[arg(long)]
    without_backings: bool,
    /// Number of phrases; each instrument leads in turn
    #[arg(long, default_value_t = 1_000)]
    phrases: usize,
    #[command(flatten)]
    synthesis: SynthesisArguments,
}

/// The arguments of pieces and of phrases.
#[derive(Args)]
pub(crate) struct SynthesisArguments {
    /// A MIDI file; may be repeated. Half of what is played are excerpts of these files, by instruments drawn at random
    #[arg(long = "score")]
    scores: Vec<PathBuf>,
    /// Length of each piece or phrase in seconds, 3 to 600
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Seed of what is played and of the segments
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How far the labels of teachers go from what they predict, 0, to what is known, 1, in the tags that name an instrument
    #[arg(long, default_value_t = 0.0, value_parser = parse_probability)]
    known_share: f32,
    #[command(flatten)]
    teachers: TeacherArguments,
    #[command(flatten)]
    cache: CacheArguments,
}

#[derive(Args)]
pub(crate) struct TeacherArguments {
    /// ONNX file of a teacher; may be repeated. The predictions of teachers with the same tags are averaged, teachers
    /// with different tags give labels in several vocabularies
    #[arg(long = "teacher")]
    files: Vec<PathBuf>,
    /// Weights of the teachers and classes that they share, a TOML file such as trainer/configs/ensemble.toml
    #[arg(long, requires = "files")]
    ensemble: Option<PathBuf>,
}

impl TeacherArguments {
    /// Opens the teachers; they label as many segments as are in a recording, but at most `max_segments`.
    fn open(&self, segment_length: usize, max_segments: usize) -> Result<PseudoLabeller> {
        let ensemble = self.ensemble.as_deref().map_or(Ok(Ensemble::default()), Ensemble::read)?;
        PseudoLabeller::open(&self.files, &ensemble, segment_length, max_segments)
    }

    fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

#[derive(Args)]
pub(crate) struct AudioArguments {
    /// Folder of the recordings
    #[arg(long = "audio", value_name = "AUDIO")]
    folder: PathBuf,
    #[command(flatten)]
    cache: CacheArguments,
}

#[derive(Args)]
pub(crate) struct CacheArguments {
    /// Cache to fill; an interrupted command resumes
    #[arg(long)]
    cache: PathBuf,
    /// Process shard K of N; read from the environment in a Slurm array; give /N in a Kubernetes indexed job
    #[arg(long)]
    shard: Option<String>,
    /// Number of threads
    #[arg(long, default_value_t = available_threads())]
    jobs: usize,
}

impl CacheArguments {
    fn options(&self, min_seconds: f64, max_seconds: Option<f64>) -> Result<PrepareOptions> {
        let shard = Shard::from_argument_or_environment(self.shard.as_deref(), |name| std::env::var(name).ok())?;
        Ok(PrepareOptions { cache: self.cache.clone(), shard, min_seconds, max_seconds, jobs: self.jobs })
    }
}

fn to_strings(tags: &[&str]) -> Vec<String> {
    tags.iter().map(|tag| (*tag).to_owned()).collect()
}

pub(crate) fn run(command: PrepareCommand) -> Result<()> {
    let summary = match command {
        PrepareCommand::Magnatagatune { annotations, keep_untagged, audio } => {
            let sources = magnatagatune::sources(&annotations, &audio.folder, keep_untagged)?;
            let options = audio.cache.options(magnatagatune::SECONDS, Some(magnatagatune::SECONDS))?;
            prepare_labelled_sources(&options, to_strings(&MAGNATAGATUNE), &sources)
        }
        PrepareCommand::MillionSong { split, audio } => {
            let sources = million_song::sources(&split, &audio.folder, MILLION_SONG.len())?;
            let options = audio.cache.options(million_song::SECONDS, Some(million_song::SECONDS))?;
            prepare_labelled_sources(&options, to_strings(&MILLION_SONG), &sources)
        }
        PrepareCommand::Folder { csv, separator, min_seconds, validation_fraction, test_fraction, audio } => {
            let hold_out = HoldOut { validation: validation_fraction, test: test_fraction };
            if !(hold_out.validation >= 0.0 && hold_out.test >= 0.0 && hold_out.validation + hold_out.test < 1.0) {
                let what = "--validation-fraction and --test-fraction must leave something to train on; give numbers \
                            from 0 whose sum is below 1";
                return Err(TrainerError::Request(what.into()));
            }
            let (tags, sources) = match &csv {
                Some(list) => {
                    let listed = folder::from_csv(list, &audio.folder, separator, hold_out)?;
                    listed.notes.iter().for_each(|note| println!("{note}"));
                    (listed.tags, listed.sources)
                }
                None => folder::from_folders(&audio.folder, hold_out)?,
            };
            println!("{} tags: {}", tags.len(), tags.join(", "));
            prepare_labelled_sources(&audio.cache.options(min_seconds, None)?, tags, &sources)
        }
        PrepareCommand::PseudoLabelled(arguments) => prepare_pseudo_labelled(&arguments),
        PrepareCommand::Rendered(arguments) => prepare_rendered(&arguments),
        PrepareCommand::Phrases(arguments) => prepare_phrases(&arguments),
    }?;
    print_summary(summary);
    Ok(())
}

fn prepare_pseudo_labelled(arguments: &PseudoLabelledArguments) -> Result<PrepareSummary> {
    let PseudoLabelledArguments { teachers, max_segments, window, seed, audio, .. } = arguments;
    let labeller = teachers.open(*window, *max_segments)?;
    let mut sources = teachers::sources(&audio.folder, &arguments.exclude)?;
    if let Some(list) = &arguments.corpus_list {
        let included = corpus::included_paths(list)?;
        sources.retain(|source| included.contains(&source.name));
    }
    let options = audio.cache.options(arguments.min_seconds, None)?;
    let Some(count) = arguments.augmented_copies else {
        let labelling = |source: &Source, samples: usize| labeller.labelling(source, samples, *seed, Precision::Single);
        return prepare_pseudo_labelled_sources(&options, labeller.cache_info(0.0), &sources, labelling);
    };
    let label = |source: &Source, samples: &[f32]| labeller.pseudo_label(source, samples, *seed, Precision::Single);
    let voices = arguments.voices.then(Voices::find).transpose()?;
    let copies = AugmentedCopies::new(&options, &sources, voices.as_ref(), *seed);
    let samples = |source: &Source| copies.samples(source);
    prepare_sources_with(&options, labeller.cache_info(0.0), &AugmentedCopies::sources(&sources, count), samples, label)
}

fn prepare_rendered(arguments: &RenderedArguments) -> Result<PrepareSummary> {
    let RenderedArguments { fonts, pieces, synthesis } = arguments;
    let SynthesisArguments { scores, seconds, seed, .. } = synthesis;
    let pieces = Pieces::open(fonts, scores, *pieces, *seconds, *seed)?;
    prepare_synthesized(synthesis, &pieces.sources(), |source| pieces.render(&source.name))
}

fn prepare_phrases(arguments: &PhrasesArguments) -> Result<PrepareSummary> {
    let PhrasesArguments { list, phrases, synthesis, .. } = arguments;
    let SynthesisArguments { scores, seconds, seed, .. } = synthesis;
    let copies = find_copies(&recordings::read(list)?, &arguments.copies)?;
    let backings = Backings::new(if arguments.without_backings { Vec::new() } else { copies.music() });
    let phrases = Phrases::open(copies.notes(&[]), scores, backings, *phrases, *seconds, *seed)?;
    prepare_synthesized(synthesis, &phrases.sources(), |source| {
        phrases.phrase(&source.name).map(|Phrase { samples, truth }| (samples, truth))
    })
}

/// Labels what is synthesized by its truth alone or, if there are teachers, by them and by a share of the truth.
fn prepare_synthesized(
    arguments: &SynthesisArguments,
    sources: &[Source],
    synthesize: impl Fn(&Source) -> std::result::Result<(Vec<f32>, Truth), String> + Sync,
) -> Result<PrepareSummary> {
    let SynthesisArguments { seed, known_share, teachers, cache, .. } = arguments;
    let options = cache.options(0.0, None)?;
    let labeller = match teachers.is_empty() {
        true => None,
        // As many segments as fit into a piece.
        false => Some(teachers.open(SEGMENT_LENGTH, usize::MAX)?),
    };
    let of_data_set = || CacheInfo::new(to_strings(&MAGNATAGATUNE));
    let info = labeller.as_ref().map_or_else(of_data_set, |labeller| labeller.cache_info(*known_share));
    let tags = info.tags.clone();
    prepare_synthesized_sources(&options, info, sources, synthesize, |source, samples, truth| {
        let Some(labeller) = &labeller else { return Ok(LabelOutcome::Labelled(known_labels::of_clip(&tags, truth))) };
        let predicted = labeller.pseudo_label(source, samples, *seed, Precision::Single)?;
        Ok(known_labels::mix(&tags, predicted, truth, *known_share))
    })
}

/// Prints the skipped sources and the number of recordings.
pub(super) fn print_summary(summary: PrepareSummary) {
    summary.skipped.iter().for_each(|line| println!("skipped {line}"));
    let segments = if summary.segments > 0 { format!(" with {} segments", summary.segments) } else { String::new() };
    println!("{} recordings{segments} in this part, {} skipped", summary.tracks, summary.skipped.len());
    if let Some(duplicates) = summary.duplicates_in_cache {
        println!("all parts: {duplicates}");
    }
}
