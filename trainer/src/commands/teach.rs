//! `make-teachable` and `teach`: tags of a user's own.

use clap::Args;
use std::path::PathBuf;
use tagvane_engine::Model;
use tagvane_trainer::data::Split;
use tagvane_trainer::export::{Whitening, add_whitened_embedding};
use tagvane_trainer::teaching::{read_spans, teach};
use tagvane_trainer::{Result, TrainerError, files};

#[derive(Args)]
pub(crate) struct MakeTeachableArguments {
    /// ONNX file that this trainer exported
    model: PathBuf,
    /// Cache with general music, whatever its labels
    #[arg(long, value_name = "CACHE")]
    on: PathBuf,
    /// ONNX file to write
    #[arg(long)]
    out: PathBuf,
}

pub(crate) fn make_teachable(arguments: &MakeTeachableArguments) -> Result<()> {
    let bytes = std::fs::read(&arguments.model).map_err(TrainerError::file(&arguments.model))?;
    let model =
        Model::from_bytes(&bytes).map_err(|error| TrainerError::content(&arguments.model, error.to_string()))?;
    let split = Split::open(&arguments.on, model.window(), |_| true)?;
    let whitening = Whitening::of_model(&bytes, &split)?;
    let bytes = add_whitened_embedding(&bytes, &whitening)?;
    Model::from_bytes(&bytes)?;
    files::write(&arguments.out, &bytes)?;
    println!("{}: {} components of the embedding", arguments.out.display(), whitening.components());
    Ok(())
}

#[derive(Args)]
pub(crate) struct TeachArguments {
    /// ONNX file to which tags can be taught
    model: PathBuf,
    /// CSV file of spans: file, start and end in seconds, tag, and whether it is the tag, yes or no
    #[arg(long, value_name = "CSV")]
    spans: PathBuf,
    /// File to write, which the plug-in's window imports
    #[arg(long)]
    out: PathBuf,
}

pub(crate) fn run(arguments: &TeachArguments) -> Result<()> {
    let taught = teach(&arguments.model, &read_spans(&arguments.spans)?)?;
    files::write(&arguments.out, &taught.mine.to_file())?;
    for (lesson, confidence) in taught.mine.lessons().iter().zip(&taught.confidences) {
        println!("{}: {} spans, {}", lesson.name, lesson.spans.len(), confidence.words());
    }
    println!("written to {}", arguments.out.display());
    Ok(())
}
