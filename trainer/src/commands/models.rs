//! `models`: the named networks and their configurations.

use clap::{Args, ValueEnum};
use tagvane_trainer::Result;
use tagvane_trainer::TrainerError;
use tagvane_trainer::architecture::catalogue::{CatalogueEntry, entries, find};
use tagvane_trainer::training::config::Config;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Print a configuration that trains this network as in the paper
    name: Option<String>,
    /// Data set of the configuration
    #[arg(long, value_enum, default_value_t = Dataset::Magnatagatune)]
    dataset: Dataset,
}

#[derive(Clone, Copy, ValueEnum)]
enum Dataset {
    Magnatagatune,
    MillionSong,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.name {
        None => print_table(),
        Some(name) => {
            let row = find(name).ok_or_else(|| {
                TrainerError::Request(format!("no network is called \"{name}\"; `models` lists them"))
            })?;
            let batch = match arguments.dataset {
                Dataset::Magnatagatune => 23,
                Dataset::MillionSong => 50,
            };
            print!("{}", Config::paper_defaults(row.architecture, batch).to_toml()?);
            Ok(())
        }
    }
}

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
            published(magnatagatune),
            published(million_song)
        );
        if !note.is_empty() {
            notes.push(format!("* {name}: {note}"));
        }
    }
    println!("\nMTAT, MSD: published mean ROC-AUC. 50 tags; layers with weights counted with the mel spectrogram;");
    println!("parameters with batch normalisation.");
    notes.iter().for_each(|note| println!("{note}"));
    Ok(())
}

fn published(auc: Option<f64>) -> String {
    auc.map_or("-".into(), |auc| format!("{auc:.4}"))
}
