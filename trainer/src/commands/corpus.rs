//! `corpus`: collects free music and fills a cache with it.

use super::available_threads;
use super::copies::find_copies;
use super::prepare::print_summary;
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tagvane_trainer::corpus::fill::fill_cache;
use tagvane_trainer::corpus::packages::PackageList;
use tagvane_trainer::corpus::singers::Singer;
use tagvane_trainer::corpus::{CREDITS, CorpusRecording, RECORDINGS, collect_recordings};
use tagvane_trainer::prepare::PrepareOptions;
use tagvane_trainer::prepare::shard::Shard;
use tagvane_trainer::{Result, musicnn};

#[derive(Args)]
pub(crate) struct CorpusArguments {
    /// Folder of the corpus; an interrupted command resumes
    #[arg(long)]
    corpus: PathBuf,
    /// Package list, a TOML file with the packages, their versions and the recipe for the cache
    #[arg(long, default_value = "trainer/configs/corpus.toml")]
    list: PathBuf,
    /// Replace a value of the list, such as recipe.pieces=2000; may be repeated
    #[arg(long = "set")]
    overrides: Vec<String>,
    /// A folder with local copies of the recordings that the list names beyond packages, which are found by their
    /// checksums; without it the corpus has packages only
    #[arg(long)]
    recordings: Option<PathBuf>,
    /// A folder with singers made of speech, from trainer/singers/sing.py, which are laid over recordings
    #[arg(long, requires = "cache")]
    singers: Option<PathBuf>,
    /// Then fill this cache by the recipe of the list: recordings, augmented copies, rendered pieces and, with
    /// --recordings, phrases of single notes and voices over other recordings, all with pseudo-labels of the teachers
    #[arg(long, requires = "wheel")]
    cache: Option<PathBuf>,
    /// The wheel of musicnn 0.1.0 with the teachers, from `pip download --no-deps musicnn==0.1.0`
    #[arg(long)]
    wheel: Option<PathBuf>,
    /// ONNX file of a further teacher, such as `cargo trainer teachers --from` writes; may be repeated
    #[arg(long = "teacher", requires = "cache")]
    teachers: Vec<PathBuf>,
    /// Number of threads
    #[arg(long, default_value_t = available_threads())]
    jobs: usize,
}

pub(crate) fn run(arguments: &CorpusArguments) -> Result<()> {
    let list = PackageList::read(&arguments.list, &arguments.overrides)?;
    let copies = arguments.recordings.as_ref().map(|folder| find_copies(&list.listed, folder)).transpose()?;
    let singers = arguments.singers.as_deref().map_or(Ok(Vec::new()), Singer::read_folder)?;
    let recordings = collect_recordings(&list, &arguments.corpus, copies.as_ref(), arguments.jobs)?;
    print_packages(&recordings);
    if copies.is_some() {
        println!("{CREDITS} has the attribution of the listed recordings");
    }
    let (Some(cache), Some(wheel)) = (&arguments.cache, &arguments.wheel) else { return Ok(()) };
    let mut teachers = musicnn::convert(wheel, &arguments.corpus.join("teachers"))?;
    teachers.extend_from_slice(&arguments.teachers);
    let (cache, jobs) = (cache.clone(), arguments.jobs);
    let options = PrepareOptions { cache, shard: Shard::WHOLE, min_seconds: list.min_seconds, max_seconds: None, jobs };
    print_summary(fill_cache(&list, &arguments.corpus, &recordings, copies.as_ref(), &singers, &teachers, &options)?);
    Ok(())
}

/// Prints the amount of music of each package and repository.
fn print_packages(recordings: &[CorpusRecording]) {
    let mut packages: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for recording in recordings.iter().filter(|recording| recording.excluded.is_none()) {
        let (count, seconds) = packages.entry(recording.group()).or_default();
        *count += 1;
        *seconds += recording.seconds;
    }
    for (package, (count, seconds)) in &packages {
        println!("{:6.2} h  {count:4} recordings  {package}", seconds / 3600.0);
    }
    let hours: f64 = packages.values().map(|(_, seconds)| seconds / 3600.0).sum();
    let count: usize = packages.values().map(|(count, _)| count).sum();
    println!("{hours:6.2} h  {count:4} recordings of {}; {RECORDINGS} lists them all", recordings.len());
}
