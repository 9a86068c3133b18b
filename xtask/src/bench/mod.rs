//! `bench`: speed, as ratios measured side by side in one run.

mod trainer;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Training and inference of the 3^9 networks, beside PyTorch where python3 has it
    Trainer {
        /// How often each is measured, one after another
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
}

/// Measures, prints a table and writes it under the target folder.
///
/// # Errors
/// Where something cannot be built or started.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Trainer { rounds } => trainer::run(*rounds),
    }
}
