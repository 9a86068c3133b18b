//! `ensemble`: fits the classes that teachers share to the labels of other teachers.

use clap::Args;
use std::path::PathBuf;
use tagvane_trainer::data::Cache;
use tagvane_trainer::prepare::ensemble::Ensemble;
use tagvane_trainer::{Result, TrainerError};

#[derive(Args)]
pub(crate) struct EnsembleArguments {
    /// The ensemble, a TOML file such as trainer/configs/ensemble.toml
    ensemble: PathBuf,
    /// A cache that teachers of all its vocabularies labelled, with the weights of this ensemble and without its shared
    /// classes
    #[arg(long)]
    cache: PathBuf,
    /// Group of the cache to fit on; may be repeated
    #[arg(long = "group", required = true)]
    groups: Vec<String>,
}

pub(crate) fn run(arguments: &EnsembleArguments) -> Result<()> {
    let mut ensemble = Ensemble::read(&arguments.ensemble)?;
    let groups = &arguments.groups;
    ensemble.fit(&Cache::open(&arguments.cache, |group| groups.iter().any(|wanted| wanted == group))?)?;
    let text = toml::to_string(&ensemble).map_err(|error| TrainerError::Request(error.to_string()))?;
    print!("{text}");
    Ok(())
}
