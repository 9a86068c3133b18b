//! `models`: the named networks and their configurations.

use clap::{Args, ValueEnum};
use tagvane_trainer::Result;
use tagvane_trainer::TrainerError;
use tagvane_trainer::architecture::catalogue::{CatalogueEntry, entries, find};
use tagvane_trainer::evaluation::format_metric;
use tagvane_trainer::training::config::Config;

#[derive(Args)]
pub(crate) struct ModelsArguments {
    /// Print a configuration that trains this network with the paper's hyperparameters, instead of the list
    name: Option<String>,
    /// Data set whose batch size the configuration gets, as in the paper
    #[arg(long, value_enum, default_value_t = BatchPreset::Magnatagatune)]
    dataset: BatchPreset,
}

#[derive(Clone, Copy, ValueEnum)]
enum BatchPreset {
    Magnatagatune,
    MillionSong,
}

pub(crate) fn run(arguments: &ModelsArguments) -> Result<()> {
    match &arguments.name {
        None => print_table(),
        Some(name) => {
            let row = find(name).ok_or_else(|| {
                TrainerError::Request(format!("no network is called \"{name}\"; `models` lists them"))
            })?;
            let batch_size = match arguments.dataset {
                BatchPreset::Magnatagatune => 23,
                BatchPreset::MillionSong => 50,
            };
            print!("{}", Config::paper_defaults(row.architecture, batch_size).to_toml()?);
            Ok(())
        }
    }
}

/// The meaning of the columns.
const LEGEND: &str = "
All columns are for 50 tags. window: samples at 22050 Hz; layers: a block, a stack of convolutions and a mel
spectrogram are one each; parameters: with those of batch normalisation; multiply-adds: per window; MTAT, MSD: the
published mean ROC-AUC on MagnaTagATune and on the Million Song Dataset.";

fn print_table() -> Result<()> {
    println!(
        "{:<16} {:>8} {:>6} {:>12} {:>14} {:>8} {:>8}  network",
        "name", "window", "layers", "parameters", "multiply-adds", "MTAT", "MSD"
    );
    let mut notes = Vec::new();
    for CatalogueEntry { name, architecture, magnatagatune, million_song, note, .. } in entries() {
        let plan = architecture.plan(50)?;
        let total = plan.total_cost()?;
        let mark = if note.is_empty() { "" } else { " *" };
        println!(
            "{name:<16} {:>8} {:>6} {:>12} {:>14} {:>8} {:>8}  {architecture}{mark}",
            plan.window,
            plan.layer_costs()?.len(),
            total.weights + total.norm_parameters,
            total.multiply_adds,
            format_metric(magnatagatune),
            format_metric(million_song)
        );
        if !note.is_empty() {
            notes.push(format!("* {name}: {note}"));
        }
    }
    println!("{LEGEND}");
    notes.iter().for_each(|note| println!("{note}"));
    Ok(())
}
