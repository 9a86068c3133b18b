//! `cargo xtask`: everything that is done with this repository.
#![forbid(unsafe_code)]

mod bench;
mod bundle;
mod materials;
mod python;
mod run;
mod slow;
mod system;
mod test;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// What plays when no file is named.
const CLIP: &str = "tests/clips/rock.ogg";

/// Everything that is done with this repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build Tagvane.clap and Tagvane.vst3 into bundles/
    Bundle,
    /// Bundle, and copy both into your plug-in folders
    Install,
    /// Play music through the bundled plugin and show its tags live
    #[command(disable_help_flag = true)]
    Play {
        /// See `cargo xtask play --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Measure speed, side by side with the field's usual tools
    Bench {
        #[command(subcommand)]
        what: Option<bench::Bench>,
    },
    /// Run every check: format, lints, unit tests, whole bundles in real hosts
    Test {
        /// Instead, record and play back a slot in Ardour and qtractor: 4 minutes
        #[arg(long)]
        hosts: bool,
        /// Instead, the plugin under AddressSanitizer, called in every order: 10 minutes to build
        #[arg(long)]
        sanitizer: bool,
        /// Instead, both bundles in any order of calls: an hour
        #[arg(long)]
        soak: bool,
        /// Instead, coverage-guided fuzzing of each target for so many minutes
        #[arg(long, value_name = "MINUTES")]
        fuzz: Option<u32>,
    },
}

fn main() -> Result<()> {
    sigpipe::reset();
    let arguments = Arguments::parse();
    let here = std::env::current_dir().context("the current folder is gone")?;
    std::env::set_current_dir(root())
        .with_context(|| format!("{} is gone; run this as `cargo xtask`", root().display()))?;
    match arguments.task {
        Task::Bundle => bundle::bundle().map(drop),
        Task::Install => bundle::install(),
        Task::Play { arguments } => play(&here, arguments),
        Task::Bench { what } => bench::run(what),
        Task::Test { hosts: false, sanitizer: false, soak: false, fuzz: None } => test::test(),
        Task::Test { hosts, sanitizer, soak, fuzz } => {
            if sanitizer {
                slow::sanitizer()?;
            }
            if let Some(minutes) = fuzz {
                slow::fuzz(minutes)?;
            }
            if hosts {
                slow::hosts()?;
            }
            if soak { slow::soak() } else { Ok(()) }
        }
    }
}

/// The repository's root: cargo tells where the package lies that it runs. (Where it was built may
/// be another clone's, which shares its target folder.)
fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        package.as_deref().and_then(Path::parent).unwrap_or(Path::new(".")).to_owned()
    });
    &ROOT
}

/// Bundles and lets the host play, from the folder that the user is in, so that
/// relative paths mean what they say. Neither burn nor the trainer is built for it.
fn play(here: &Path, arguments: Vec<OsString>) -> Result<()> {
    let bundles = bundle::bundle()?;
    let mut host = Command::new(run::target_folder()?.join("release/tagvane-play"));
    host.current_dir(here).arg("--bundles").arg(bundles).arg("--clip").arg(root().join(CLIP)).args(arguments);
    let status = host.status().context("the host cannot be started")?;
    std::process::exit(status.code().unwrap_or(1));
}
