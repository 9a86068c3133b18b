//! The paths of the repository.

use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The clip that `play` plays by default.
pub(crate) const CLIP: &str = "tests/clips/rock.ogg";

/// The repository's root, from the path of this package at run time. The path at compile time may be
/// another clone's with the same target folder.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        package.as_deref().and_then(Path::parent).unwrap_or(Path::new(".")).to_owned()
    });
    &ROOT
}

/// Creates a folder if it is missing, and returns its path.
///
/// # Errors
/// If it cannot be created.
pub(crate) fn create_folder(path: PathBuf) -> Result<PathBuf> {
    std::fs::create_dir_all(&path).with_context(|| format!("the folder {} cannot be created", path.display()))?;
    Ok(path)
}

/// Cargo's target folder: this program is in `<target>/release`.
///
/// # Errors
/// If this program is somewhere else.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("the path of this program is unknown")?;
    let folder = program
        .parent()
        .and_then(|release| release.parent())
        .context("this program is not in cargo's target folder; run it as `cargo xtask`")?;
    Ok(folder.to_owned())
}
