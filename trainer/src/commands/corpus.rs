//! `corpus`: music to learn from, labelled.

use super::prepare::finish;
use super::processors;
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tagvane_trainer::corpus::fill::fill;
use tagvane_trainer::corpus::packages::List;
use tagvane_trainer::corpus::{RECORDINGS, Recording, gather};
use tagvane_trainer::prepare::Request;
use tagvane_trainer::prepare::shard::Shard;
use tagvane_trainer::{Result, musicnn};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder to fill; what was interrupted goes on
    #[arg(long)]
    corpus: PathBuf,
    /// The packages and their versions
    #[arg(long, default_value = "trainer/configs/corpus.toml")]
    list: PathBuf,
    /// A value that stands in for the list's, such as recipe.copies=2; give several
    #[arg(long = "set")]
    overrides: Vec<String>,
    /// Then fill this cache, as the list's recipe says: with recordings, varied copies, voices over
    /// them and rendered pieces, all labelled by the four teachers
    #[arg(long, requires = "wheel")]
    cache: Option<PathBuf>,
    /// The wheel of musicnn 0.1.0 that the teachers are in, as `pip download --no-deps
    /// musicnn==0.1.0` leaves it
    #[arg(long)]
    wheel: Option<PathBuf>,
    /// Recordings at a time
    #[arg(long, default_value_t = processors())]
    jobs: usize,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let list = List::read(&arguments.list, &arguments.overrides)?;
    let recordings = gather(&list, &arguments.corpus, arguments.jobs)?;
    print(&recordings);
    let (Some(cache), Some(wheel)) = (&arguments.cache, &arguments.wheel) else { return Ok(()) };
    let teachers = musicnn::convert(wheel, &arguments.corpus.join("teachers"))?;
    let (cache, jobs) = (cache.clone(), arguments.jobs);
    let request = Request { cache, shard: Shard::WHOLE, shortest: list.shortest, longest: None, jobs };
    finish(fill(&list, &arguments.corpus, &recordings, &teachers, &request)?)
}

/// Says how much music each package gave.
fn print(recordings: &[Recording]) {
    let mut packages: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for recording in recordings.iter().filter(|recording| recording.left_out.is_none()) {
        let package = recording.path.split('/').next().unwrap_or_default();
        let (count, seconds) = packages.entry(package).or_default();
        *count += 1;
        *seconds += recording.seconds;
    }
    for (package, (count, seconds)) in &packages {
        println!("{:6.2} h  {count:4} recordings  {package}", seconds / 3600.0);
    }
    let hours: f64 = packages.values().map(|(_, seconds)| seconds / 3600.0).sum();
    let count: usize = packages.values().map(|(count, _)| count).sum();
    println!("{hours:6.2} h  {count:4} recordings of {}; {RECORDINGS} names them all", recordings.len());
}
