//! `bundle` and `install`.

use crate::paths::{create_folder, root, target_folder};
use crate::{run, system};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

const PACKAGE: &str = "tagvane";

/// Builds the plugin and the player, and writes both bundles to `bundles/`. Returns that folder.
///
/// # Errors
/// If a system package is missing, or the build fails.
pub(crate) fn bundle() -> Result<PathBuf> {
    system::ensure_packages()?;
    // Cargo unifies features over the packages of one build. Two builds would compile the shared
    // dependencies twice.
    run::cargo(&["build", "--release", "-p", PACKAGE, "-p", "tagvane-host"])?;
    pack()
}

/// Writes both bundles to `bundles/` from the library in the target folder. Returns `bundles/`.
///
/// # Errors
/// If the library is missing, or a file cannot be written.
pub(crate) fn pack() -> Result<PathBuf> {
    let target = target_folder()?;
    let release = ["--release".to_owned()];
    nice_plug_xtask::bundle(&target, PACKAGE, &release, false)?;
    let bundles = root().join("bundles");
    for name in ["Tagvane.clap", "Tagvane.vst3"] {
        replace(&target.join("bundled").join(name), &bundles.join(name))?;
    }
    println!("Tagvane.clap and Tagvane.vst3 are in {}", bundles.display());
    Ok(bundles)
}

/// Bundles, and copies both bundles into the user's plug-in folders.
///
/// # Errors
/// If bundling fails, or a folder cannot be written.
pub(crate) fn install() -> Result<()> {
    let bundles = bundle()?;
    let (clap, vst3) = plugin_folders()?;
    for (folder, name) in [(clap, "Tagvane.clap"), (vst3, "Tagvane.vst3")] {
        let folder = create_folder(folder)?;
        replace(&bundles.join(name), &folder.join(name))?;
        println!("{name} is in {}; make your DAW scan for new plug-ins", folder.display());
    }
    Ok(())
}

/// The folders where DAWs search for the user's plug-ins: CLAP, VST3.
fn plugin_folders() -> Result<(PathBuf, PathBuf)> {
    let variable = |name: &str| {
        std::env::var_os(name).map(PathBuf::from).with_context(|| format!("the environment variable {name} is not set"))
    };
    if cfg!(target_os = "windows") {
        let common = variable("LOCALAPPDATA")?.join("Programs/Common");
        Ok((common.join("CLAP"), common.join("VST3")))
    } else if cfg!(target_os = "macos") {
        let library = variable("HOME")?.join("Library/Audio/Plug-Ins");
        Ok((library.join("CLAP"), library.join("VST3")))
    } else if cfg!(target_os = "linux") {
        let home = variable("HOME")?;
        Ok((home.join(".clap"), home.join(".vst3")))
    } else {
        bail!("the plug-in folders of this system are unknown; copy the bundles from bundles/ by hand")
    }
}

/// Replaces `to` with a copy of `from`. The old file is unlinked and not overwritten, so that a host
/// that has loaded it keeps running.
fn replace(from: &Path, to: &Path) -> Result<()> {
    let copy = to.with_extension("new");
    remove(&copy)?;
    copy_all(from, &copy).with_context(|| format!("{} cannot be copied to {}", from.display(), copy.display()))?;
    remove(to)?;
    fs::rename(&copy, to).with_context(|| format!("{} cannot be renamed to {}", copy.display(), to.display()))
}

fn remove(path: &Path) -> Result<()> {
    let result = if path.is_dir() {
        fs::remove_dir_all(path)
    } else if path.exists() {
        fs::remove_file(path)
    } else {
        Ok(())
    };
    result.with_context(|| format!("{} cannot be removed", path.display()))
}

fn copy_all(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy_all(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
