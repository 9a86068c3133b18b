//! The slow proofs, each behind a flag of `test`.

use crate::run;
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::process::Command;

/// Runs the lifecycle tests with the plugin and their host built with AddressSanitizer, in a
/// target folder of their own.
///
/// # Errors
/// Where the toolchain has no sanitizer for this machine, or a test fails.
pub(crate) fn sanitizer() -> Result<()> {
    ensure!(cfg!(all(target_os = "linux", target_arch = "x86_64")), "AddressSanitizer is run on x86-64 Linux only");
    let (platform, folder) = ("x86_64-unknown-linux-gnu", run::target_folder()?.join("sanitizer"));
    let bundles = folder.join("bundles");
    let cargo = |arguments: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).args(["--release", "--target", platform]).env("CARGO_TARGET_DIR", &folder);
        // The flag below is a nightly's; the stable compiler has what it needs all the same.
        cargo.env("RUSTC_BOOTSTRAP", "1").env("TAGVANE_BUNDLES", &bundles);
        // The library finds the sanitizer's functions in the program that loads it.
        cargo.env("RUSTFLAGS", "-Zsanitizer=address -Clink-arg=-Wl,--export-dynamic");
        run::command(&mut cargo)
    };
    cargo(&["build", "--package", "tagvane", "--lib"])?;
    fs::create_dir_all(&bundles).with_context(|| format!("{} cannot be made", bundles.display()))?;
    let library = folder.join(platform).join("release/libtagvane.so");
    fs::copy(&library, bundles.join("Tagvane.clap"))
        .with_context(|| format!("{} cannot be copied", library.display()))?;
    cargo(&["test", "--package", "tagvane-host", "--test", "lifecycle"])
}
