//! `teachers`: the published taggers that label music, as ONNX files.

use clap::Args;
use std::path::PathBuf;
use tagvane_trainer::{Result, musicnn};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The wheel of musicnn 0.1.0, as `pip download --no-deps musicnn==0.1.0` leaves it
    #[arg(long)]
    wheel: PathBuf,
    /// The folder for the four files
    #[arg(long)]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    for path in musicnn::convert(&arguments.wheel, &arguments.out)? {
        println!("{}", path.display());
    }
    Ok(())
}
