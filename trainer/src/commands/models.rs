//! `models`: the networks that have a name.

use clap::{Args, ValueEnum};
use tagvane_trainer::Result;
use tagvane_trainer::TrainerError;
use tagvane_trainer::architecture::catalogue::{Row, find, rows};
use tagvane_trainer::training::config::Config;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Print a configuration that trains this one, as the paper trains
    name: Option<String>,
    /// The data set that the configuration is for
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
            print!("{}", Config::of_paper(row.architecture, batch).to_toml()?);
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
    for Row { name, architecture, magnatagatune, million_song, note, .. } in rows() {
        let plan = architecture.plan(50)?;
        let total = plan.total()?;
        let mark = if note.is_empty() { "" } else { " *" };
        println!(
            "{name:<16} {:>8} {:>6} {:>12} {:>14} {:>8} {:>8}  {architecture}{mark}",
            plan.window,
            plan.counts()?.len(),
            total.weights + total.norms,
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
