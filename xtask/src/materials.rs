//! What the trainer's tests work with and the repository does not hold: the teachers' wheel, a
//! sound font, programs with voices.

use crate::{run, system};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The wheel that the teachers are made of.
const MUSICNN: &str = "musicnn-0.1.0-py3-none-any.whl";

/// Debian's package of a small General MIDI sound font, and the font in it.
const FONT: (&str, &str) = ("timgm6mb-soundfont", "usr/share/sounds/sf2/TimGM6mb.sf2");

/// Downloads the wheel of the teachers under the target folder, unless it is there.
///
/// # Errors
/// Where it cannot be downloaded.
pub(crate) fn musicnn(python: &Path) -> Result<PathBuf> {
    let folder = folder()?;
    let wheel = folder.join(MUSICNN);
    if !wheel.exists() {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "musicnn==0.1.0", "--dest"]).arg(&folder);
        run::command(&mut pip)?;
    }
    Ok(wheel)
}

/// Downloads and unpacks the sound font under the target folder, unless it is there; `None` on
/// systems that do not have Debian's packages.
///
/// # Errors
/// Where it cannot be downloaded.
pub(crate) fn sound_font() -> Result<Option<PathBuf>> {
    let (package, path) = FONT;
    let folder = folder()?;
    let font = folder.join(path);
    if font.exists() || !system::has("apt-get") || !system::has("dpkg-deb") {
        return Ok(font.exists().then_some(font));
    }
    let download = || run::command(Command::new("apt-get").args(["download", "--quiet", package]).current_dir(&folder));
    // The package lists may not be there yet.
    download().or_else(|_| system::update().and_then(|()| download()))?;
    let start = format!("{package}_");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let starts = |file: &PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start));
    let file = files.find(starts).with_context(|| format!("apt-get left no {package}"))?;
    run::command(Command::new("dpkg-deb").arg("--extract").arg(file).arg(&folder))?;
    Ok(Some(font))
}

/// Installs the programs whose voices the trainer lays over music, where that can be done; their
/// test leaves itself out where they are missing.
pub(crate) fn voices() {
    if !(system::has("espeak-ng") && system::has("text2wave")) && system::has("apt-get") {
        let packages = ["espeak-ng", "festival", "festvox-kallpc16k", "festvox-kdlpc16k"];
        if let Err(error) = system::install(&packages) {
            println!("No voices: {error:#}");
        }
    }
}

fn folder() -> Result<PathBuf> {
    let folder = run::target_folder()?.join("materials");
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder)
}
