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

/// Where a VST3 for x86-64 has its library: on Linux, and on Windows.
pub(crate) const LINUX_VST3: &str = "Contents/x86_64-linux/Tagvane.so";
pub(crate) const WINDOWS_VST3: &str = "Contents/x86_64-win/Tagvane.vst3";

/// Writes both bundles with this library to a folder; `vst3` is the library's place in the VST3.
///
/// # Errors
/// If a file cannot be written.
pub(crate) fn write(library: &Path, bundles: &Path, vst3: &str) -> Result<()> {
    let inside = bundles.join("Tagvane.vst3").join(vst3);
    create_folder(inside.parent().unwrap_or(bundles).to_owned())?;
    for bundle in [bundles.join("Tagvane.clap"), inside] {
        fs::copy(library, &bundle).with_context(|| format!("{} cannot be copied into a bundle", library.display()))?;
    }
    Ok(())
}

/// Whose plug-ins they are.
#[derive(clap::Args)]
pub(crate) struct Scope {
    /// For all users of this machine, which needs its administrator's rights
    #[arg(long)]
    system: bool,
}

/// Bundles, and copies both bundles into the plug-in folders.
///
/// # Errors
/// If bundling fails, or a folder cannot be written.
pub(crate) fn install(scope: &Scope) -> Result<()> {
    let bundles = bundle()?;
    for (folder, name) in plugin_folders(scope)? {
        let folder = create_folder(folder).with_context(|| scope.hint())?;
        replace(&bundles.join(name), &folder.join(name)).with_context(|| scope.hint())?;
        println!("{name} is in {}; make your DAW scan for new plug-ins", folder.display());
    }
    Ok(())
}

/// Removes both bundles from the plug-in folders. Models and presets of the user's stay.
///
/// # Errors
/// If a bundle cannot be removed.
pub(crate) fn uninstall(scope: &Scope) -> Result<()> {
    for (folder, name) in plugin_folders(scope)? {
        let bundle = folder.join(name);
        if bundle.exists() {
            remove(&bundle).with_context(|| scope.hint())?;
            println!("{} is removed", bundle.display());
        } else {
            println!("{} is not there", bundle.display());
        }
    }
    Ok(())
}

impl Scope {
    fn hint(&self) -> &'static str {
        if self.system {
            "--system needs administrator's rights: run it as root, or with sudo"
        } else {
            "close your DAW"
        }
    }
}

/// The folders where DAWs search for plug-ins, each with the bundle that belongs there.
fn plugin_folders(scope: &Scope) -> Result<[(PathBuf, &'static str); 2]> {
    let variable = |name: &str| {
        std::env::var_os(name).map(PathBuf::from).with_context(|| format!("the environment variable {name} is not set"))
    };
    let (clap, vst3) = if cfg!(target_os = "windows") {
        let common = match scope.system {
            true => variable("COMMONPROGRAMFILES")?,
            false => variable("LOCALAPPDATA")?.join("Programs/Common"),
        };
        (common.join("CLAP"), common.join("VST3"))
    } else if cfg!(target_os = "macos") {
        let home = if scope.system { PathBuf::from("/") } else { variable("HOME")? };
        let library = home.join("Library/Audio/Plug-Ins");
        (library.join("CLAP"), library.join("VST3"))
    } else if !cfg!(target_os = "linux") {
        bail!("the plug-in folders of this system are unknown; copy the bundles from bundles/ by hand")
    } else if scope.system {
        ("/usr/lib/clap".into(), "/usr/lib/vst3".into())
    } else {
        let home = variable("HOME")?;
        (home.join(".clap"), home.join(".vst3"))
    };
    Ok([(clap, "Tagvane.clap"), (vst3, "Tagvane.vst3")])
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
