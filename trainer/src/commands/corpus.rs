//! `corpus`: music to learn from.

use super::processors;
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tagvane_trainer::Result;
use tagvane_trainer::corpus::packages::List;
use tagvane_trainer::corpus::{RECORDINGS, gather};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder to fill; what was interrupted goes on
    #[arg(long)]
    corpus: PathBuf,
    /// The packages and their versions
    #[arg(long, default_value = "trainer/configs/corpus.toml")]
    list: PathBuf,
    /// Recordings at a time
    #[arg(long, default_value_t = processors())]
    jobs: usize,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let recordings = gather(&List::read(&arguments.list)?, &arguments.corpus, arguments.jobs)?;
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
    Ok(())
}
