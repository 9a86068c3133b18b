//! `teachers`: converts the published taggers that supply pseudo-labels to ONNX files.

use clap::Args;
use std::path::PathBuf;
use tagvane_trainer::{Result, musicnn};

#[derive(Args)]
pub(crate) struct TeachersArguments {
    /// The wheel of musicnn 0.1.0, from `pip download --no-deps musicnn==0.1.0`
    #[arg(long)]
    wheel: PathBuf,
    /// Folder for the four ONNX files
    #[arg(long)]
    out: PathBuf,
}

pub(crate) fn run(arguments: &TeachersArguments) -> Result<()> {
    for path in musicnn::convert(&arguments.wheel, &arguments.out)? {
        println!("{}", path.display());
    }
    Ok(())
}
