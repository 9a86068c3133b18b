//! `prepare`: data sets into caches.

use super::processors;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use tagvane_trainer::corpus;
use tagvane_trainer::data::Labels;
use tagvane_trainer::data::vocabularies::{MAGNATAGATUNE, MILLION_SONG};
use tagvane_trainer::network::Precision;
use tagvane_trainer::prepare::copies::Copies;
use tagvane_trainer::prepare::folder::{self, HoldOut};
use tagvane_trainer::prepare::shard::Shard;
use tagvane_trainer::prepare::teachers::{self, Teachers};
use tagvane_trainer::prepare::{Outcome, Request, Source, given, magnatagatune, million_song};
use tagvane_trainer::render::pieces::Pieces;
use tagvane_trainer::render::voices::Voices;
use tagvane_trainer::{Result, TrainerError, prepare};

#[derive(Subcommand)]
pub(crate) enum Dataset {
    /// MagnaTagATune: annotations_final.csv and the folders 0 to f of mp3s
    Magnatagatune {
        /// annotations_final.csv
        #[arg(long)]
        annotations: PathBuf,
        /// Keep clips that have none of the fifty tags
        #[arg(long)]
        untagged: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Million Song Dataset with Last.fm tags: the files of MSD_split_for_tagging and the previews
    MillionSong {
        /// The folder of train_x_filename.txt, train_y.npy and so on
        #[arg(long)]
        split: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// Recordings of your own, tagged by a CSV file or by their folders' names
    Folder {
        /// A line a recording: its path below the audio folder, then its tags
        #[arg(long)]
        csv: Option<PathBuf>,
        /// Skip recordings shorter than this, in seconds
        #[arg(long, default_value_t = 3.0)]
        shortest: f64,
        /// The part of all recordings that is held out for validation
        #[arg(long, default_value_t = 0.1)]
        validation: f64,
        /// The part that is held out for the test
        #[arg(long, default_value_t = 0.1)]
        test: f64,
        #[command(flatten)]
        common: Common,
    },
    /// Any music, labelled by teachers: ONNX taggers at 16 kHz
    Taught(Teaching),
    /// Pieces by rule and chance, played by sound fonts' instruments
    Rendered(Rendering),
}

#[derive(Args)]
pub(crate) struct Teaching {
    /// A teacher; give several: those with the same tags for their mean, those with others for
    /// labels in both vocabularies
    #[arg(long = "teacher", required = true)]
    teachers: Vec<PathBuf>,
    /// At most so many segments a recording
    #[arg(long, default_value_t = 32)]
    segments: usize,
    /// Segment length in samples at 22050 Hz
    #[arg(long, default_value_t = 59_049)]
    window: usize,
    /// Skip recordings shorter than this, in seconds
    #[arg(long, default_value_t = 20.0)]
    shortest: f64,
    /// Skip files whose path holds this; give several
    #[arg(long)]
    exclude: Vec<String>,
    /// The recordings.json of a corpus: only those that it does not leave out
    #[arg(long)]
    recordings: Option<PathBuf>,
    /// So many varied copies of each recording, and not the recording itself: other speed,
    /// equaliser, room, codec, another recording mixed in
    #[arg(long)]
    varied: Option<usize>,
    /// Lay a voice over a third of the varied copies; needs espeak-ng and festival
    #[arg(long, requires = "varied")]
    voices: bool,
    /// Places the segments, and draws the variations
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct Rendering {
    /// A General MIDI sound font, .sf2; give several to have each piece played by one of them
    #[arg(long = "font", required = true)]
    fonts: Vec<PathBuf>,
    /// A MIDI file; give several: every second piece is a part of one, by instruments drawn anew
    #[arg(long = "score")]
    scores: Vec<PathBuf>,
    /// How many pieces
    #[arg(long, default_value_t = 1_000)]
    pieces: usize,
    /// How long each is, in seconds
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Other pieces for another number
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The teachers that label the pieces; without any the programs do, in MagnaTagATune's words:
    /// they know the instruments and nothing else
    #[arg(long = "teacher")]
    teachers: Vec<PathBuf>,
    #[command(flatten)]
    filling: Filling,
}

#[derive(Args)]
pub(crate) struct Common {
    /// The folder of the recordings
    #[arg(long)]
    audio: PathBuf,
    #[command(flatten)]
    filling: Filling,
}

#[derive(Args)]
pub(crate) struct Filling {
    /// The folder to fill; what was interrupted goes on
    #[arg(long)]
    cache: PathBuf,
    /// Do part K of N, as K/N; in a Slurm array it is known, in a Kubernetes indexed job say /N
    #[arg(long)]
    shard: Option<String>,
    /// Recordings at a time
    #[arg(long, default_value_t = processors())]
    jobs: usize,
}

impl Filling {
    fn request(&self, shortest: f64, longest: Option<f64>) -> Result<Request> {
        let shard = Shard::from(self.shard.as_deref(), |name| std::env::var(name).ok())?;
        Ok(Request { cache: self.cache.clone(), shard, shortest, longest, jobs: self.jobs })
    }
}

fn names(tags: &[&str]) -> Vec<String> {
    tags.iter().map(|tag| (*tag).to_owned()).collect()
}

pub(crate) fn run(dataset: Dataset) -> Result<()> {
    let outcome = match dataset {
        Dataset::Magnatagatune { annotations, untagged, common } => {
            let sources = magnatagatune::sources(&annotations, &common.audio, untagged)?;
            let request = common.filling.request(magnatagatune::SECONDS, Some(magnatagatune::SECONDS))?;
            prepare::run(&request, names(&MAGNATAGATUNE), &sources, given)
        }
        Dataset::MillionSong { split, common } => {
            let sources = million_song::sources(&split, &common.audio, MILLION_SONG.len())?;
            let request = common.filling.request(million_song::SECONDS, Some(million_song::SECONDS))?;
            prepare::run(&request, names(&MILLION_SONG), &sources, given)
        }
        Dataset::Folder { csv, shortest, validation, test, common } => {
            if !(validation >= 0.0 && test >= 0.0 && validation + test < 1.0) {
                return Err(TrainerError::Request("--validation and --test must leave something to train on".into()));
            }
            let hold_out = HoldOut { validation, test };
            let (tags, sources) = match &csv {
                Some(list) => folder::from_csv(list, &common.audio, hold_out)?,
                None => folder::from_folders(&common.audio, hold_out)?,
            };
            println!("{} tags: {}", tags.len(), tags.join(", "));
            prepare::run(&common.filling.request(shortest, None)?, tags, &sources, given)
        }
        Dataset::Taught(teaching) => taught(&teaching),
        Dataset::Rendered(rendering) => rendered(&rendering),
    }?;
    finish(outcome)
}

fn taught(teaching: &Teaching) -> Result<Outcome> {
    let Teaching { teachers, segments, window, shortest, exclude, recordings, varied, voices, seed, common } = teaching;
    let teachers = Teachers::open(teachers, *window, *segments)?;
    let mut sources = teachers::sources(&common.audio, exclude)?;
    if let Some(list) = recordings {
        let kept = corpus::kept(list)?;
        sources.retain(|source| kept.contains(&source.name));
    }
    let request = common.filling.request(*shortest, None)?;
    let label = |source: &Source, samples: &[f32]| teachers.label(source, samples, *seed, Precision::Single);
    let Some(count) = varied else { return prepare::run(&request, teachers.tags(), &sources, label) };
    let voices = voices.then(Voices::find).transpose()?;
    let copies = Copies::new(&request, &sources, voices.as_ref(), *seed);
    let samples = |source: &Source| copies.samples(source);
    prepare::run_with(&request, teachers.tags(), &Copies::sources(&sources, *count), samples, label)
}

fn rendered(rendering: &Rendering) -> Result<Outcome> {
    let Rendering { fonts, scores, pieces, seconds, seed, teachers, filling } = rendering;
    let pieces = Pieces::open(fonts, scores, *pieces, *seconds, *seed)?;
    let request = filling.request(0.0, None)?;
    let samples = |source: &Source| pieces.samples(&source.name);
    if teachers.is_empty() {
        let tags = names(&MAGNATAGATUNE);
        let truth = |source: &Source, _: &[f32]| Ok(Ok(Labels::Clip(pieces.truth(&source.name, &tags))));
        return prepare::run_with(&request, tags.clone(), &pieces.sources(), samples, truth);
    }
    // Segments that follow each other, as many as fit.
    let teachers = Teachers::open(teachers, 59_049, usize::MAX)?;
    let label = |source: &Source, samples: &[f32]| teachers.label(source, samples, *seed, Precision::Single);
    prepare::run_with(&request, teachers.tags(), &pieces.sources(), samples, label)
}

/// Says what came out.
pub(super) fn finish(outcome: Outcome) -> Result<()> {
    outcome.skipped.iter().for_each(|line| println!("skipped {line}"));
    let segments = if outcome.segments > 0 { format!(" with {} segments", outcome.segments) } else { String::new() };
    println!("{} recordings{segments} in this part, {} skipped", outcome.tracks, outcome.skipped.len());
    Ok(())
}
