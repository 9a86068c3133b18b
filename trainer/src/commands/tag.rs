//! `tag`: tags recordings with an ONNX tagger.

use super::{at_least, available_threads, parse_probability, print_assumptions};
use clap::{Args, ValueEnum};
use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tagvane_engine::Model;
use tagvane_trainer::catalogue::{
    CatalogueRun, Cataloguer, Inputs, Location, RowKind, RunSummary, Stores, answer_lines,
};
use tagvane_trainer::prepare::shard::Shard;
use tagvane_trainer::progress::RecordingBars;
use tagvane_trainer::tagging::{
    TagChange, TagWriter, TaggedRecording, Tagger, label_file_names, remove_abandoned_copies, write_csv, write_json,
    write_label_track, write_timeline_csv,
};
use tagvane_trainer::{Result, TrainerError, files, parallel};

/// Number of tags that are printed per recording if no file is written.
const PRINTED_TAGS: usize = 5;

#[derive(Args)]
pub(crate) struct TagArguments {
    /// ONNX file of the tagger, from this trainer or any other program
    model: PathBuf,
    /// Recordings, folders of them, patterns, or addresses: s3://, gs://, az://, http://; a folder's address ends in a slash
    #[arg(required_unless_present_any = ["list", "worker"])]
    files: Vec<OsString>,
    /// Also tag the recordings in a list: a column of a CSV, TSV or Parquet file, or the lines of any other; - is standard input
    #[arg(long, value_name = "FILE")]
    list: Vec<PathBuf>,
    /// The column of the lists with the paths [default: path, file, filename, url or location]
    #[arg(long, value_name = "NAME", requires = "list")]
    column: Option<String>,
    /// Write a catalogue of Parquet files into this folder or address; only what is missing in it, failed or has changed is tagged
    #[arg(long, value_name = "DIR", conflicts_with_all = ["json", "csv", "timeline_csv", "audacity", "write", "worker"])]
    parquet: Option<OsString>,
    /// Answer each line of standard input, a path or an address, with a line of JSON, until the input ends
    #[arg(long, conflicts_with_all = ["files", "list", "json", "csv", "timeline_csv", "audacity", "write", "shard"])]
    worker: bool,
    /// What a row of the catalogue is about; a worker answers with the windows, too
    #[arg(long, value_enum, default_value_t = RowKind::Track)]
    rows: RowKind,
    /// Number of Parquet files of a new catalogue [default: as many as make files of some megabytes]
    #[arg(long, value_name = "N", requires = "parquet", value_parser = at_least(1))]
    partitions: Option<usize>,
    /// Also write the embedding, on which tags of a user's own are taught
    #[arg(long)]
    embedding: bool,
    /// Exit with 0 although recordings failed, if all else went well
    #[arg(long)]
    ignore_failed: bool,
    /// Show no progress and print no failures, only what was done at the end
    #[arg(long)]
    quiet: bool,
    /// Seconds after which a store that sends nothing is asked again
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = parse_timeout)]
    timeout: f64,
    /// Write the mean probabilities, highest first, and the timeline of each recording as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the mean probabilities as CSV, one row per recording
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the timelines as CSV, one row per window with its start and end in seconds
    #[arg(long, value_name = "FILE")]
    timeline_csv: Option<PathBuf>,
    /// Write label tracks for Audacity into this folder, one file per recording
    #[arg(long, value_name = "DIR")]
    audacity: Option<PathBuf>,
    /// Hop between windows in seconds [default: a third to a half of a window, whatever suits the model]
    #[arg(long, value_name = "SECONDS")]
    hop: Option<f64>,
    /// Write the tags into the audio files themselves, beside all that is in them: print what would be written, or apply it
    #[arg(long, value_name = "MODE", num_args = 0..=1, require_equals = true, default_missing_value = "dry-run")]
    write: Option<WriteMode>,
    /// With --write, also add these tags to the genres of a file where they reach the threshold; its own genres stay
    #[arg(long, value_name = "TAG,...", value_delimiter = ',', requires = "write")]
    genres: Vec<String>,
    /// With --write, also process files that have the tags of this model with these settings already
    #[arg(long, requires = "write")]
    redo: bool,
    /// Minimum probability of a tag in the label tracks and in the audio files, 0 to 1
    #[arg(long, default_value_t = 0.3, value_parser = parse_probability)]
    threshold: f32,
    /// Number of threads [default: as many as run in parallel here, and one for a worker]
    #[arg(long, value_parser = at_least(1))]
    jobs: Option<usize>,
    /// Process shard K of N; read from the environment in a Slurm array; give /N in a Kubernetes indexed job
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
}

/// What `--write` does.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum WriteMode {
    /// Print what would be written, and write nothing
    DryRun,
    /// Write the tags
    Apply,
}

/// Parses a time that is neither zero nor endless.
fn parse_timeout(text: &str) -> std::result::Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "give seconds from 0.1 to 86400".into())
}

pub(crate) fn run(arguments: &TagArguments) -> Result<()> {
    let shard = Shard::from_argument_or_environment(arguments.shard.as_deref(), |name| std::env::var(name).ok())?;
    let model = Model::open_for_recordings(&arguments.model, arguments.hop)
        .map_err(|error| TrainerError::content(&arguments.model, error.to_string()))?;
    print_assumptions(&arguments.model, &model);
    let tagger = Tagger::new(model, arguments.hop)?;
    let tagger = if arguments.embedding { tagger.with_embeddings()? } else { tagger };
    let stores = Stores::new(Duration::from_secs_f64(arguments.timeout))?;
    let jobs = arguments.jobs.unwrap_or_else(|| if arguments.worker { 1 } else { available_threads() });
    // Fails only where it was done before.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(jobs).build_global();
    let cataloguer = Cataloguer::new(&tagger, &stores, arguments.rows);
    if arguments.worker {
        return answer(arguments, &cataloguer, jobs);
    }
    let locations: Vec<Location> = arguments.files.iter().map(Location::new).collect();
    let mut inputs = Inputs::find(&locations, &stores);
    for list in &arguments.list {
        inputs.add_list(list, arguments.column.as_deref())?;
    }
    if inputs.locations.is_empty() && inputs.errors.is_empty() {
        let names: Vec<String> = locations.iter().map(Location::to_string).collect();
        let names = arguments.list.iter().map(|list| list.display().to_string()).chain(names).collect::<Vec<_>>();
        let what = format!("no recordings are in {}; give audio files such as wav, flac, mp3 or m4a", names.join(", "));
        return Err(TrainerError::Request(what));
    }
    match &arguments.parquet {
        Some(output) => catalogue(arguments, &cataloguer, &Location::new(output), shard, jobs, inputs),
        None => tag(arguments, &cataloguer, shard, jobs, inputs),
    }
}

/// Answers the lines of standard input.
fn answer(arguments: &TagArguments, cataloguer: &Cataloguer<'_>, jobs: usize) -> Result<()> {
    let sha256 = files::sha256_file(&arguments.model)?;
    let (input, output) = (BufReader::new(std::io::stdin()), BufWriter::new(std::io::stdout()));
    match answer_lines(cataloguer, &sha256, jobs, input, output)? {
        failed if failed == 0 || arguments.ignore_failed => Ok(()),
        failed => Err(TrainerError::Request(format!("{failed} recordings failed; their answers say why"))),
    }
}

/// Writes a catalogue.
fn catalogue(
    arguments: &TagArguments,
    cataloguer: &Cataloguer<'_>,
    output: &Location,
    shard: Shard,
    jobs: usize,
    inputs: Inputs,
) -> Result<()> {
    let start = Instant::now();
    let TagArguments { model, partitions, quiet, .. } = arguments;
    let (partitions, is_quiet) = (*partitions, *quiet);
    let run = CatalogueRun { cataloguer, model, output, shard, partitions, jobs, is_quiet };
    let RunSummary { tagged, seconds, unchanged, failed } = run.run(inputs)?;
    let (hours, minutes) = (seconds / 3_600.0, start.elapsed().as_secs_f64() / 60.0);
    println!(
        "{tagged} recordings tagged, {hours:.2} h of music in {minutes:.2} min; {unchanged} unchanged; {failed} failed: {output}"
    );
    match failed {
        failed if failed == 0 || arguments.ignore_failed => Ok(()),
        failed => Err(TrainerError::Request(format!(
            "{failed} recordings or inputs failed; the column \"error\" and the messages above say why, and the same command tries them again"
        ))),
    }
}

/// Tags recordings into the other formats, which are held in memory until all are tagged.
fn tag(
    arguments: &TagArguments,
    cataloguer: &Cataloguer<'_>,
    shard: Shard,
    jobs: usize,
    mut inputs: Inputs,
) -> Result<()> {
    let mut seen = HashSet::new();
    inputs.locations.retain(|location| seen.insert(location.clone()));
    inputs.errors.iter().for_each(|error| eprintln!("{error}"));
    let tagger = cataloguer.tagger();
    // Named before sharding, so that all shards can write into one folder.
    let names = label_file_names(inputs.locations.iter().map(Location::as_path));
    let mut selected: Vec<(Location, String)> = shard.select(inputs.locations.into_iter().zip(names).collect());
    create_output_folders(arguments)?;
    let writer = arguments.write.map(|mode| FileWriter::new(arguments, mode, tagger)).transpose()?;
    let total = selected.len();
    if let Some((remote, _)) = selected.iter().find(|(location, _)| matches!(location, Location::Remote(_)))
        && arguments.write.is_some()
    {
        return Err(TrainerError::Request(format!("--write: {remote} is not a local file; copy it here first")));
    }
    if arguments.write == Some(WriteMode::Apply) {
        remove_abandoned_copies(selected.iter().map(|(location, _)| location.as_path()));
    }
    if let Some(writer) = writer.as_ref().filter(|_| !has_output_files(arguments)) {
        selected.retain(|(location, _)| !writer.is_done(location.as_path()));
    }
    let done = total - selected.len();

    let has_timelines = arguments.json.is_some() || arguments.timeline_csv.is_some() || arguments.audacity.is_some();
    let bars = RecordingBars::new(selected.len());
    let results = parallel::map(&selected, jobs, |(location, _)| {
        let mut progress = bars.file(location.as_path());
        let tagged = cataloguer.tag(location, |seconds, stated| progress.update(seconds, stated));
        let result = tagged.and_then(|mut tagged| {
            if !has_timelines {
                tagged.timeline.clear();
            }
            let change = writer.as_ref().map(|writer| writer.write(&tagged)).transpose()?;
            Ok((tagged, change.flatten()))
        });
        if let Err(error) = &result {
            bars.print_error(&format!("skipped {error}"));
        }
        bars.inc();
        Ok(result.ok())
    })?;
    bars.finish();

    let (names, results): (Vec<String>, Vec<(TaggedRecording, Option<TagChange>)>) =
        selected.into_iter().zip(results).filter_map(|((_, name), result)| Some((name, result?))).unzip();
    let (tagged, changes): (Vec<TaggedRecording>, Vec<Option<TagChange>>) = results.into_iter().unzip();
    let skipped = total - done - tagged.len() + inputs.errors.len();
    if tagged.is_empty() && done == 0 && skipped > 0 && !arguments.ignore_failed {
        return Err(TrainerError::Request(format!(
            "none of {total} recordings could be tagged; see the messages above"
        )));
    }
    if let Some(writer) = &writer {
        writer.print(&changes, total - skipped);
    }
    if writer.is_none() || has_output_files(arguments) {
        write(arguments, tagger.tags(), &names, &tagged)?;
    }
    if skipped > 0 && !arguments.ignore_failed {
        let what =
            format!("{skipped} of {total} recordings were skipped, the others are tagged; see the messages above");
        return Err(TrainerError::Request(what));
    }
    Ok(())
}

/// Writes the tags into the audio files, or tells what would be written.
struct FileWriter {
    writer: TagWriter,
    mode: WriteMode,
    redo: bool,
}

impl FileWriter {
    fn new(arguments: &TagArguments, mode: WriteMode, tagger: &Tagger) -> Result<Self> {
        if let Some(unknown) = arguments.genres.iter().find(|genre| !tagger.tags().contains(genre)) {
            let tags = tagger.tags().join(", ");
            return Err(TrainerError::Request(format!("--genres: the model has no tag \"{unknown}\"; it has {tags}")));
        }
        let TagArguments { model, threshold, genres, redo, .. } = arguments;
        Ok(Self { writer: TagWriter::new(model, *threshold, tagger.hop(), genres)?, mode, redo: *redo })
    }

    /// Whether there is nothing to do for a file.
    fn is_done(&self, file: &Path) -> bool {
        !self.redo && self.writer.is_written(file)
    }

    /// Writes the tags of a recording, or only plans to. `None` if they are there already.
    fn write(&self, tagged: &TaggedRecording) -> Result<Option<TagChange>> {
        if self.is_done(&tagged.file) {
            return Ok(None);
        }
        match self.mode {
            WriteMode::DryRun => self.writer.plan(tagged),
            WriteMode::Apply => self.writer.write(tagged),
        }
        .map(Some)
    }

    /// Prints what was written into the files, of which `total` can be written or have their tags already.
    fn print(&self, changes: &[Option<TagChange>], total: usize) {
        let changes: Vec<&TagChange> = changes.iter().flatten().collect();
        changes.iter().for_each(|change| println!("{change}"));
        let (count, done) = (changes.len(), total - changes.len());
        let others = if done > 0 { format!(", {done} have these tags already") } else { String::new() };
        match self.mode {
            WriteMode::DryRun => {
                println!(
                    "nothing is written yet: {count} files would get these tags{others}; --write=apply writes them"
                );
            }
            WriteMode::Apply => println!("{count} files have got these tags{others}"),
        }
    }
}

/// Whether predictions are written to files of their own.
fn has_output_files(arguments: &TagArguments) -> bool {
    let TagArguments { json, csv, timeline_csv, audacity, .. } = arguments;
    json.is_some() || csv.is_some() || timeline_csv.is_some() || audacity.is_some()
}

/// Creates the output folders first, so that a failure shows before the work is done.
fn create_output_folders(arguments: &TagArguments) -> Result<()> {
    let files = [&arguments.json, &arguments.csv, &arguments.timeline_csv];
    let parents = files.into_iter().flatten().filter_map(|file| file.parent());
    for folder in parents.chain(arguments.audacity.as_deref()) {
        std::fs::create_dir_all(folder).map_err(TrainerError::file(folder))?;
    }
    Ok(())
}

/// Writes the requested files, or prints one line per recording if there are none. `names` are those of the label
/// files.
fn write(arguments: &TagArguments, tags: &[String], names: &[String], tagged: &[TaggedRecording]) -> Result<()> {
    let TagArguments { json, csv, timeline_csv, audacity, threshold, .. } = arguments;
    if let Some(path) = json {
        write_json(path, tagged)?;
    }
    if let Some(path) = csv {
        write_csv(path, tags, tagged)?;
    }
    if let Some(path) = timeline_csv {
        write_timeline_csv(path, tags, tagged)?;
    }
    if let Some(folder) = audacity {
        for (name, recording) in names.iter().zip(tagged) {
            write_label_track(&folder.join(name), recording, *threshold)?;
        }
    }
    if has_output_files(arguments) {
        println!("{} recordings tagged", tagged.len());
    } else {
        tagged.iter().for_each(print);
    }
    Ok(())
}

fn print(tagged: &TaggedRecording) {
    let percent = |(tag, mean): &(&str, f32)| format!("{tag} {:.0} %", 100.0 * mean);
    let tags: Vec<String> = tagged.ranked_tags().iter().take(PRINTED_TAGS).map(percent).collect();
    println!("{}: {}", tagged.file.display(), tags.join(", "));
}
