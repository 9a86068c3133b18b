//! The slow proofs, each behind a flag of `test`.

use crate::{CLIP, bundle, python, root, run, system};
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::process::Command;

/// The programs that the hosts' proofs need, and Debian's packages of them.
const PROGRAMS: &[(&str, &str)] = &[
    ("ardour", "ardour"),
    ("qtractor", "qtractor"),
    ("jackd", "jackd2"),
    ("Xvfb", "xvfb"),
    ("xdotool", "xdotool"),
    ("import", "imagemagick"),
    ("cc", "gcc"),
];

/// Records a slot and plays it back in Ardour and qtractor, on a screen without a monitor.
///
/// # Errors
/// Where a host is missing and cannot be installed, or does not do what it should.
pub(crate) fn hosts() -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "the hosts are run on Linux only");
    let missing = PROGRAMS.iter().filter(|(program, _)| !system::has(program)).map(|(_, package)| *package);
    system::install(&missing.collect::<Vec<_>>())?;
    let (bundles, python) = (bundle::bundle()?, python::environment()?);
    for (host, bundle) in [("ardour", "Tagvane.vst3"), ("qtractor", "Tagvane.clap")] {
        println!("== {host}");
        let mut script = Command::new(&python);
        script.arg(root().join("tests/hosts").join(host).with_extension("py"));
        script.arg(bundles.join(bundle)).arg(root().join(CLIP)).arg(run::target_folder()?.join("hosts").join(host));
        run::command(&mut script)?;
    }
    Ok(())
}

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
