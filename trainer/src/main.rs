//! The command line of the trainer.
#![forbid(unsafe_code)]

mod backend;
mod commands;

use clap::{Parser, Subcommand};
use commands::{
    bench, corpus, ensemble, evaluate, export, filters, models, prepare, report, tag, teach, teachers, train,
};
use std::process::ExitCode;
use tagvane_trainer::{TrainerError, renamed};

/// Trains, evaluates and exports the music taggers that Tagvane runs
#[derive(Parser)]
#[command(name = "trainer", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the named networks, or print a configuration that trains one of them
    Models(models::ModelsArguments),
    /// Collect free music from Debian packages, without effects, stems and duplicates, and fill a cache with it
    Corpus(corpus::CorpusArguments),
    /// Say where the teachers are published, or convert local copies of them to ONNX files
    Teachers(teachers::TeachersArguments),
    /// Fit the classes that teachers share to the labels of other teachers, and print the ensemble with them
    Ensemble(ensemble::EnsembleArguments),
    /// Decode and label a data set into a cache
    #[command(subcommand)]
    Prepare(prepare::PrepareCommand),
    /// Train a network; an interrupted run resumes
    Train(train::TrainArguments),
    /// Evaluate a run, an ONNX file, pseudo-labels or a file of predictions against labels
    Evaluate(evaluate::EvaluateArguments),
    /// Write a run, by default its best epoch, as an ONNX file
    Export(export::ExportArguments),
    /// Let tags of a user's own be taught to an exported model
    MakeTeachable(teach::MakeTeachableArguments),
    /// Teach tags of a user's own to a model by a list of spans, as the plug-in does
    Teach(teach::TeachArguments),
    /// Make the tables of the paper from evaluated runs
    Report(report::ReportArguments),
    /// Plot the learned filters of a run, as in Figures 2 and 3 of the paper
    Filters(filters::FiltersArguments),
    /// Tag recordings with an ONNX tagger and print the tags, or write JSON, CSV or Audacity labels
    Tag(tag::TagArguments),
    /// Measure the speed of training and inference, as JSON
    Bench(bench::BenchArguments),
}

fn main() -> ExitCode {
    sigpipe::reset();
    let arguments: Vec<String> = std::env::args_os().map(|text| text.to_string_lossy().into_owned()).collect();
    if let Some(what) = renamed::renamed_argument_message(arguments.get(1..).unwrap_or_default()) {
        eprintln!("error: {what}");
        return ExitCode::from(2);
    }
    let done = match CommandLine::parse().command {
        Command::Models(arguments) => models::run(&arguments),
        Command::Corpus(arguments) => corpus::run(&arguments),
        Command::Teachers(arguments) => teachers::run(&arguments),
        Command::Ensemble(arguments) => ensemble::run(&arguments),
        Command::Prepare(command) => prepare::run(command),
        Command::Train(arguments) => train::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::MakeTeachable(arguments) => teach::make_teachable(&arguments),
        Command::Teach(arguments) => teach::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Filters(arguments) => filters::run(&arguments),
        Command::Tag(arguments) => tag::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(TrainerError::Interrupted(message)) => {
            eprintln!("{message}");
            ExitCode::from(train::INTERRUPTED)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
