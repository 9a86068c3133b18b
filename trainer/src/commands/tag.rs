//! `tag`: tags recordings with an ONNX tagger.

use super::{available_threads, open_tagger, parse_probability};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use tagvane_trainer::prepare::shard::Shard;
use tagvane_trainer::progress::RecordingBars;
use tagvane_trainer::tagging::{
    TagChange, TagWriter, TaggedRecording, Tagger, find_recordings, label_file_names, remove_abandoned_copies,
    write_csv, write_json, write_label_track, write_timeline_csv,
};
use tagvane_trainer::{Result, TrainerError, parallel};

/// Number of tags that are printed per recording if no file is written.
const PRINTED_TAGS: usize = 5;

#[derive(Args)]
pub(crate) struct TagArguments {
    /// ONNX file of the tagger, from this trainer or any other program
    model: PathBuf,
    /// Recordings, or folders of them
    #[arg(required = true)]
    files: Vec<PathBuf>,
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
    /// Hop between windows in seconds [default: half a window]
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
    /// Number of threads
    #[arg(long, default_value_t = available_threads())]
    jobs: usize,
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

pub(crate) fn run(arguments: &TagArguments) -> Result<()> {
    let shard = Shard::from_argument_or_environment(arguments.shard.as_deref(), |name| std::env::var(name).ok())?;
    let model = open_tagger(&arguments.model, None)?;
    let tagger = Tagger::new(model, arguments.hop)?;
    let all = find_recordings(&arguments.files)?;
    // Named before sharding, so that all shards can write into one folder.
    let names = label_file_names(&all);
    let mut selected: Vec<(PathBuf, String)> = shard.select(all.into_iter().zip(names).collect());
    create_output_folders(arguments)?;
    let writer = arguments.write.map(|mode| FileWriter::new(arguments, mode, &tagger)).transpose()?;
    let total = selected.len();
    if arguments.write == Some(WriteMode::Apply) {
        remove_abandoned_copies(selected.iter().map(|(file, _)| file.as_path()));
    }
    if let Some(writer) = writer.as_ref().filter(|_| !has_output_files(arguments)) {
        selected.retain(|(file, _)| !writer.is_done(file));
    }
    let done = total - selected.len();

    let bars = RecordingBars::new(selected.len());
    let results = parallel::map(&selected, arguments.jobs, |(file, _)| {
        let mut progress = bars.file(file);
        let result = tagger.tag(file, |seconds, stated| progress.update(seconds, stated)).and_then(|tagged| {
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
    let skipped = total - done - tagged.len();
    if tagged.is_empty() && done == 0 && skipped > 0 {
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
    if skipped > 0 {
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
