//! `tag`: tags recordings with an ONNX tagger.

use super::{available_threads, parse_probability};
use clap::Args;
use std::path::PathBuf;
use tagvane_engine::{InferenceMode, Model};
use tagvane_trainer::prepare::shard::Shard;
use tagvane_trainer::progress::RecordingBars;
use tagvane_trainer::tagging::{
    TaggedRecording, Tagger, find_recordings, label_file_names, write_csv, write_json, write_label_track,
    write_timeline_csv,
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
    /// Minimum probability of a tag in the label tracks, 0 to 1
    #[arg(long, default_value_t = 0.3, value_parser = parse_probability)]
    threshold: f32,
    /// Number of threads
    #[arg(long, default_value_t = available_threads())]
    jobs: usize,
    /// Process shard K of N; read from the environment in a Slurm array; give /N in a Kubernetes indexed job
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
}

pub(crate) fn run(arguments: &TagArguments) -> Result<()> {
    let shard = Shard::from_argument_or_environment(arguments.shard.as_deref(), |name| std::env::var(name).ok())?;
    let model = &arguments.model;
    let model = Model::open(model, InferenceMode::FullWindows)
        .map_err(|error| TrainerError::content(model, error.to_string()))?;
    let tagger = Tagger::new(model, arguments.hop)?;
    let all = find_recordings(&arguments.files)?;
    // Named before sharding, so that all shards can write into one folder.
    let names = label_file_names(&all);
    let selected: Vec<(PathBuf, String)> = shard.select(all.into_iter().zip(names).collect());
    create_output_folders(arguments)?;

    let bars = RecordingBars::new(selected.len());
    let results = parallel::map(&selected, arguments.jobs, |(file, _)| {
        let mut progress = bars.file(file);
        let result = tagger.tag(file, |seconds, stated| progress.update(seconds, stated));
        if let Err(error) = &result {
            bars.print_error(&format!("skipped {error}"));
        }
        bars.inc();
        Ok(result.ok())
    })?;
    bars.finish();

    let total = selected.len();
    let (names, tagged): (Vec<String>, Vec<TaggedRecording>) =
        selected.into_iter().zip(results).filter_map(|((_, name), tagged)| Some((name, tagged?))).unzip();
    let skipped = total - tagged.len();
    if tagged.is_empty() && skipped > 0 {
        return Err(TrainerError::Request(format!(
            "none of {total} recordings could be tagged; see the messages above"
        )));
    }
    write(arguments, tagger.tags(), &names, &tagged)?;
    if skipped > 0 {
        let what =
            format!("{skipped} of {total} recordings were skipped, the others are tagged; see the messages above");
        return Err(TrainerError::Request(what));
    }
    Ok(())
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
    if json.is_some() || csv.is_some() || timeline_csv.is_some() || audacity.is_some() {
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
