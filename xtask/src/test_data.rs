//! Test data that is not in the repository: the wheel with the teachers' checkpoints, a sound font,
//! speech synthesisers.

use crate::paths::{create_folder, target_folder};
use crate::{run, system};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The wheel with the teachers' checkpoints.
const MUSICNN: &str = "musicnn-0.1.0-py3-none-any.whl";

/// Debian's package of a small General MIDI sound font, and the path of the font in it.
const FONT: (&str, &str) = ("timgm6mb-soundfont", "usr/share/sounds/sf2/TimGM6mb.sf2");

/// Downloads the teachers' wheel to the target folder, unless it is there. Returns its path.
///
/// # Errors
/// If the download fails.
pub(crate) fn musicnn_wheel(python: &Path) -> Result<PathBuf> {
    let folder = folder()?;
    let wheel = folder.join(MUSICNN);
    if !wheel.exists() {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "musicnn==0.1.0", "--dest"]).arg(&folder);
        run::command(&mut pip)?;
    }
    Ok(wheel)
}

/// Downloads and unpacks the sound font in the target folder, unless it is there. Returns its path, or
/// `None` on systems without apt-get and dpkg-deb.
///
/// # Errors
/// If the download fails.
pub(crate) fn sound_font() -> Result<Option<PathBuf>> {
    let (package, path) = FONT;
    let folder = folder()?;
    let font = folder.join(path);
    if font.exists() || !system::has_program("apt-get") || !system::has_program("dpkg-deb") {
        return Ok(font.exists().then_some(font));
    }
    let download = || run::command(Command::new("apt-get").args(["download", "--quiet", package]).current_dir(&folder));
    // The package lists may be missing.
    download().or_else(|_| system::update().and_then(|()| download()))?;
    let prefix = format!("{package}_");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let is_package = |file: &PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
    let file =
        files.find(is_package).with_context(|| format!("apt-get downloaded no {package} to {}", folder.display()))?;
    run::command(Command::new("dpkg-deb").arg("--extract").arg(file).arg(&folder))?;
    Ok(Some(font))
}

/// Installs the speech synthesisers whose voices the trainer mixes with music, if possible. Without
/// them their test skips itself.
pub(crate) fn install_speech_synthesisers() {
    if !(system::has_program("espeak-ng") && system::has_program("text2wave")) && system::has_program("apt-get") {
        let packages = ["espeak-ng", "festival", "festvox-kallpc16k", "festvox-kdlpc16k"];
        if let Err(error) = system::install(&packages) {
            println!("The test of voices is skipped, because no speech synthesiser is installed: {error:#}");
        }
    }
}

/// The folder of the test data, created if it is missing.
fn folder() -> Result<PathBuf> {
    create_folder(target_folder()?.join("test-data"))
}
