//! `bundle` and `install`.

use crate::{root, run, system};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

const PACKAGE: &str = "tagvane";

/// Builds the plugin, and the host that plays it, and puts both bundles into
/// `bundles/`; gives that folder.
///
/// # Errors
/// Where the system lacks something, or the build fails.
pub(crate) fn bundle() -> Result<PathBuf> {
    system::ensure_packages()?;
    // The host of `play` comes along: cargo chooses features for what is built together,
    // and built one by one, the two would compile what they share twice.
    run::cargo(&["build", "--release", "-p", PACKAGE, "-p", "tagvane-host"])?;
    pack()
}

/// Puts both bundles into `bundles/`, from the library that was built last.
///
/// # Errors
/// Where there is none, or a file cannot be written.
pub(crate) fn pack() -> Result<PathBuf> {
    let target = run::target_folder()?;
    let release = ["--release".to_owned()];
    nice_plug_xtask::bundle(&target, PACKAGE, &release, false)?;
    let bundles = root().join("bundles");
    for name in ["Tagvane.clap", "Tagvane.vst3"] {
        replace(&target.join("bundled").join(name), &bundles.join(name))?;
    }
    println!("Tagvane.clap and Tagvane.vst3 are in {}", bundles.display());
    Ok(bundles)
}

/// Bundles, and copies both into the user's plug-in folders.
///
/// # Errors
/// Where bundling fails, or a folder cannot be written.
pub(crate) fn install() -> Result<()> {
    let bundles = bundle()?;
    let (clap, vst3) = plugin_folders()?;
    for (folder, name) in [(clap, "Tagvane.clap"), (vst3, "Tagvane.vst3")] {
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        replace(&bundles.join(name), &folder.join(name))?;
        println!("{name} is in {}; have your DAW scan for new plug-ins", folder.display());
    }
    Ok(())
}

/// Where this system's DAWs look for the user's own plug-ins: CLAP, VST3.
fn plugin_folders() -> Result<(PathBuf, PathBuf)> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).with_context(|| format!("{name} is not set"));
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
        bail!("where plug-ins go on this system is not known; copy them from bundles/ by hand")
    }
}

/// Puts a copy of `from` in the place of `to`. The old one is unlinked rather than
/// written over, so that a host that has it loaded keeps running.
fn replace(from: &Path, to: &Path) -> Result<()> {
    let copy = to.with_extension("new");
    remove(&copy)?;
    copy_all(from, &copy).with_context(|| format!("{} cannot be copied to {}", from.display(), copy.display()))?;
    remove(to)?;
    fs::rename(&copy, to).with_context(|| format!("{} cannot be replaced", to.display()))
}

fn remove(path: &Path) -> Result<()> {
    let gone = if path.is_dir() {
        fs::remove_dir_all(path)
    } else if path.exists() {
        fs::remove_file(path)
    } else {
        Ok(())
    };
    gone.with_context(|| format!("{} cannot be removed", path.display()))
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
