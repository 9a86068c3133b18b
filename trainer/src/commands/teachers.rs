//! `teachers`: converts the published taggers that supply pseudo-labels to ONNX files.

use clap::{ArgGroup, Args};
use std::path::PathBuf;
use tagvane_trainer::teachers::published::{TEACHERS, convert_folder};
use tagvane_trainer::{Result, musicnn};

#[derive(Args)]
#[command(group(ArgGroup::new("sources").args(["wheel", "from"]).multiple(true).requires("out")))]
pub(crate) struct TeachersArguments {
    /// The wheel of musicnn 0.1.0, from `pip download --no-deps musicnn==0.1.0`
    #[arg(long)]
    wheel: Option<PathBuf>,
    /// A folder with local copies of the other teachers' files, which are found by their checksums
    #[arg(long)]
    from: Option<PathBuf>,
    /// Folder for the ONNX files
    #[arg(long, requires = "sources")]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: &TeachersArguments) -> Result<()> {
    let TeachersArguments { wheel, from, out } = arguments;
    let Some(out) = out else {
        print_places();
        return Ok(());
    };
    if let Some(wheel) = wheel {
        musicnn::convert(wheel, out)?.iter().for_each(|path| println!("{}", path.display()));
    }
    if let Some(from) = from {
        let conversion = convert_folder(from, out)?;
        conversion.written.iter().for_each(|path| println!("{}", path.display()));
        for (name, file) in conversion.missing {
            eprintln!("{name} is not converted: {} has no copy of {file}", from.display());
        }
    }
    Ok(())
}

/// Prints where each teacher is published.
fn print_places() {
    let names: Vec<&str> = musicnn::names().collect();
    println!("{}: PyPI, musicnn 0.1.0 (ISC), SHA-256 of the wheel {}", names.join(", "), musicnn::WHEEL_SHA256);
    for teacher in &TEACHERS {
        for file in teacher.files() {
            println!("{}: {file}", teacher.name);
        }
    }
    println!(
        "Convert the wheel with --wheel, and copies of the other files in a folder, under any names, with --from."
    );
}
