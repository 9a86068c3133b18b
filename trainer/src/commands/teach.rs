//! `make-teachable` and `teach`: tags of a user's own.

use clap::{ArgGroup, Args};
use std::path::PathBuf;
use tagvane_engine::Model;
use tagvane_trainer::data::Split;
use tagvane_trainer::export::{VocabularyNames, Whitening, add_tags, add_whitened_embedding};
use tagvane_trainer::teaching::{learn_again, read_spans, teach};
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
#[command(group = ArgGroup::new("from").required(true).args(["spans", "mine"]))]
#[command(group = ArgGroup::new("to").required(true).multiple(true).args(["out", "onnx"]))]
pub(crate) struct TeachArguments {
    /// ONNX file to which tags can be taught
    model: PathBuf,
    /// CSV file of spans: file, start and end in seconds, tag, and whether it is the tag, yes or no
    #[arg(long, value_name = "CSV")]
    spans: Option<PathBuf>,
    /// File of taught tags that the plug-in's window exported
    #[arg(long, value_name = "FILE")]
    mine: Option<PathBuf>,
    /// File to write, which the plug-in's window imports
    #[arg(long)]
    out: Option<PathBuf>,
    /// ONNX file to write: the model with the tags as one more vocabulary
    #[arg(long)]
    onnx: Option<PathBuf>,
    /// Name of that vocabulary
    #[arg(long, value_name = "NAME", default_value = "Taught", requires = "onnx")]
    vocabulary: String,
}

pub(crate) fn run(arguments: &TeachArguments) -> Result<()> {
    let taught = match (&arguments.spans, &arguments.mine) {
        (Some(spans), _) => teach(&arguments.model, &read_spans(spans)?)?,
        (None, Some(file)) => learn_again(&arguments.model, file)?,
        (None, None) => return Err(TrainerError::Request("give --spans or --mine".into())),
    };
    for (lesson, confidence) in taught.mine.lessons().iter().zip(&taught.confidences) {
        println!("{}: {} spans, {}", lesson.name, lesson.spans.len(), confidence.words());
    }
    if let Some(out) = &arguments.out {
        files::write(out, &taught.mine.to_file())?;
        println!("written to {}", out.display());
    }
    if let Some(onnx) = &arguments.onnx {
        let bytes = std::fs::read(&arguments.model).map_err(TrainerError::file(&arguments.model))?;
        let own = arguments.model.file_stem().unwrap_or_default().to_string_lossy();
        let names = VocabularyNames { own: &own, added: &arguments.vocabulary };
        let bytes = add_tags(&bytes, &taught.mine.taught(), names)?;
        Model::from_bytes(&bytes)?;
        files::write(onnx, &bytes)?;
        println!("written to {} as the vocabulary {}", onnx.display(), arguments.vocabulary);
    }
    Ok(())
}
