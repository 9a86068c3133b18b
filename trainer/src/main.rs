//! The trainer's command line.
#![forbid(unsafe_code)]

mod backend;
mod commands;

use clap::{Parser, Subcommand};
use commands::{bench, corpus, evaluate, export, filters, models, prepare, report, tag, teachers, train};
use std::process::ExitCode;

/// Makes the taggers that Tagvane runs
#[derive(Parser)]
#[command(name = "trainer", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List every network that has a name, or print a configuration that trains one
    Models(models::Arguments),
    /// Gather free music out of Debian's packages, without effects, stems and copies
    Corpus(corpus::Arguments),
    /// Make the four teachers, ONNX files, from the wheel of the PyPI package musicnn
    Teachers(teachers::Arguments),
    /// Decode and label a data set into a cache
    #[command(subcommand)]
    Prepare(prepare::Dataset),
    /// Train a network; a run that was interrupted goes on
    Train(train::Arguments),
    /// Measure a run, an ONNX file or a file of predictions against labels
    Evaluate(evaluate::Arguments),
    /// Write the best epoch of a run as an ONNX file
    Export(export::Arguments),
    /// Make the paper's tables from finished runs
    Report(report::Arguments),
    /// Draw what the filters of a run have learnt, as the paper's Figures 2 and 3
    Filters(filters::Arguments),
    /// Tell what an ONNX tagger hears in recordings, as a table, JSON, CSV or Audacity labels
    Tag(tag::Arguments),
    /// Measure the speed of training and inference, as JSON
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    sigpipe::reset();
    let done = match Arguments::parse().command {
        Command::Models(arguments) => models::run(&arguments),
        Command::Corpus(arguments) => corpus::run(&arguments),
        Command::Teachers(arguments) => teachers::run(&arguments),
        Command::Prepare(dataset) => prepare::run(dataset),
        Command::Train(arguments) => train::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Filters(arguments) => filters::run(&arguments),
        Command::Tag(arguments) => tag::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
