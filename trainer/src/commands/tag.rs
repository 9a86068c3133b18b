//! `tag`: recordings as an ONNX tagger hears them.

use super::processors;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use tagvane_engine::{Inference, Model};
use tagvane_trainer::prepare::shard::Shard;
use tagvane_trainer::tagging::{
    Tagged, Tagger, label_names, recordings, write_csv, write_json, write_labels, write_timeline_csv,
};
use tagvane_trainer::{Result, TrainerError, parallel};

/// Tags a recording that are printed where nothing is written.
const PRINTED: usize = 5;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The tagger, an ONNX file, exported or foreign
    model: PathBuf,
    /// Recordings, or folders of them
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write every recording's means, the strongest first, and its timeline as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a row a recording as CSV, with the mean of each tag
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write a row a window as CSV, with its start and end in seconds
    #[arg(long, value_name = "FILE")]
    timeline_csv: Option<PathBuf>,
    /// Write a label track for Audacity into this folder, a file a recording
    #[arg(long, value_name = "DIR")]
    audacity: Option<PathBuf>,
    /// From the start of a window to the next one's, in seconds [default: half a window]
    #[arg(long, value_name = "SECONDS")]
    hop: Option<f64>,
    /// A tag is in the label track from this probability on
    #[arg(long, default_value_t = 0.3)]
    threshold: f32,
    /// Recordings at a time
    #[arg(long, default_value_t = processors())]
    jobs: usize,
    /// Do part K of N, as K/N; in a Slurm array it is known, in a Kubernetes indexed job say /N
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { threshold, jobs, .. } = *arguments;
    if !(0.0..=1.0).contains(&threshold) {
        return Err(TrainerError::Request(format!("--threshold {threshold}: give a probability from 0 to 1")));
    }
    let shard = Shard::from(arguments.shard.as_deref(), |name| std::env::var(name).ok())?;
    let model = &arguments.model;
    let model =
        Model::open(model, Inference::FullWindows).map_err(|error| TrainerError::content(model, error.to_string()))?;
    let tagger = Tagger::new(model, arguments.hop)?;
    let all = recordings(&arguments.files)?;
    // Named before they are shared, so that all shards can write into one folder.
    let names = label_names(&all);
    let mine: Vec<(PathBuf, String)> = shard.share(all.into_iter().zip(names).collect());
    make_folders(arguments)?;

    let bar = bar(mine.len());
    let judged = parallel::map(&mine, jobs, |(file, _)| {
        let judged = tagger.judge(file);
        if let Err(error) = &judged {
            bar.suspend(|| eprintln!("skipped {error}"));
        }
        bar.inc(1);
        Ok(judged.ok())
    })?;
    bar.finish_and_clear();

    let given = mine.len();
    let (names, tagged): (Vec<String>, Vec<Tagged>) =
        mine.into_iter().zip(judged).filter_map(|((_, name), tagged)| Some((name, tagged?))).unzip();
    let skipped = given - tagged.len();
    if tagged.is_empty() && skipped > 0 {
        return Err(TrainerError::Request(format!("none of {given} recordings could be tagged; each is named above")));
    }
    write(arguments, &names, &tagged)?;
    if skipped > 0 {
        let what = format!("{skipped} of {given} recordings were skipped, each is named above; the others are tagged");
        return Err(TrainerError::Request(what));
    }
    Ok(())
}

/// Makes the folders of all that will be written: that one cannot be made is better
/// known now than when all the work is done.
fn make_folders(arguments: &Arguments) -> Result<()> {
    let files = [&arguments.json, &arguments.csv, &arguments.timeline_csv];
    let parents = files.into_iter().flatten().filter_map(|file| file.parent());
    for folder in parents.chain(arguments.audacity.as_deref()) {
        std::fs::create_dir_all(folder).map_err(TrainerError::file(folder))?;
    }
    Ok(())
}

/// Writes what is wanted, or prints a line a recording where nothing is.
fn write(arguments: &Arguments, names: &[String], tagged: &[Tagged]) -> Result<()> {
    let Arguments { json, csv, timeline_csv, audacity, threshold, .. } = arguments;
    if let Some(path) = json {
        write_json(path, tagged)?;
    }
    if let Some(path) = csv {
        write_csv(path, tagged)?;
    }
    if let Some(path) = timeline_csv {
        write_timeline_csv(path, tagged)?;
    }
    if let Some(folder) = audacity {
        names.iter().zip(tagged).try_for_each(|(name, one)| write_labels(&folder.join(name), one, *threshold))?;
    }
    if json.is_some() || csv.is_some() || timeline_csv.is_some() || audacity.is_some() {
        println!("{} recordings tagged", tagged.len());
    } else {
        tagged.iter().for_each(print);
    }
    Ok(())
}

fn print(tagged: &Tagged) {
    let percent = |(tag, mean): &(&str, f32)| format!("{tag} {:.0} %", 100.0 * mean);
    let tags: Vec<String> = tagged.strongest().iter().take(PRINTED).map(percent).collect();
    println!("{}: {}", tagged.file.display(), tags.join(", "));
}

fn bar(recordings: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} recordings, {per_sec}, {eta} left")
        .unwrap_or(ProgressStyle::default_bar());
    ProgressBar::new(recordings as u64).with_style(style)
}
