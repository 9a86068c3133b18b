//! `train`: a configuration and a cache into a run.

use crate::backend::{Compute, on};
use clap::Args;
use std::path::{Path, PathBuf};
use tagvane_trainer::Result;
use tagvane_trainer::kernels::StageKernel;
use tagvane_trainer::training::config::Config;
use tagvane_trainer::training::{Data, checkpoint, train};

#[derive(Args)]
pub(crate) struct Arguments {
    /// A TOML file such as those in trainer/configs
    config: PathBuf,
    /// A folder that `prepare` filled
    #[arg(long)]
    cache: PathBuf,
    /// The folder for the checkpoints
    #[arg(long)]
    run: PathBuf,
    /// A value that stands in for the file's, such as training.batch=50; give several
    #[arg(long = "set")]
    overrides: Vec<String>,
    /// Stop after this epoch; the same command without it goes on from there
    #[arg(long)]
    until: Option<usize>,
    #[command(flatten)]
    compute: Compute,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let config = Config::read(&arguments.config, &arguments.overrides)?;
    let data = Data::open(&arguments.cache, &config)?;
    for (split, name) in [(&data.training, "train on"), (&data.validation, "validate on")] {
        println!("{} windows of {} recordings to {name}", split.examples.len(), split.cache.len());
        let short = split.cache.too_short(split.window);
        if !short.is_empty() {
            println!("{} recordings are shorter than a window and left out: {}", short.len(), short.join(", "));
        }
    }
    on!(&arguments.compute, train_on, &arguments.run, &data, &config, arguments.until)
}

fn train_on<B: StageKernel>(
    run: &Path,
    data: &Data,
    config: &Config,
    until: Option<usize>,
    devices: &[B::Device],
) -> Result<()> {
    let state = train::<burn::backend::Autodiff<B>>(run, data, config, until, devices)?;
    println!("the best epoch is {}, in {}", state.best(), checkpoint::folder(run, state.best()).display());
    Ok(())
}
