//! The slow proofs, each behind a flag of `test`.

use crate::{CLIP, bundle, python, root, run, system};
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
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

/// What is built where the compiler adds something to watch the program by.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

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

/// Runs the lifecycle tests and the VST3's with the plugin and their host built with AddressSanitizer, in a
/// target folder of their own.
///
/// # Errors
/// Where the toolchain has no sanitizer for this machine, or a test fails.
pub(crate) fn sanitizer() -> Result<()> {
    ensure!(cfg!(all(target_os = "linux", target_arch = "x86_64")), "AddressSanitizer is run on x86-64 Linux only");
    let folder = run::target_folder()?.join("sanitizer");
    let bundles = folder_at(folder.join("bundles"))?;
    let cargo = |arguments: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).args(["--release", "--target", PLATFORM]).env("CARGO_TARGET_DIR", &folder);
        // The flag below is a nightly's; the stable compiler has what it needs all the same.
        cargo.env("RUSTC_BOOTSTRAP", "1").env("TAGVANE_BUNDLES", &bundles);
        // The library finds the sanitizer's functions in the program that loads it.
        cargo.env("RUSTFLAGS", "-Zsanitizer=address -Clink-arg=-Wl,--export-dynamic");
        run::command(&mut cargo)
    };
    cargo(&["build", "--package", "tagvane", "--lib"])?;
    let library = folder.join(PLATFORM).join("release/libtagvane.so");
    let inside = folder_at(bundles.join("Tagvane.vst3/Contents/x86_64-linux"))?;
    for bundle in [bundles.join("Tagvane.clap"), inside.join("Tagvane.so")] {
        fs::copy(&library, bundle).with_context(|| format!("{} cannot be copied", library.display()))?;
    }
    cargo(&["test", "--package", "tagvane-host", "--test", "lifecycle", "--test", "vst3_calls"])
}

/// What the fuzzer finds its way by: how often each edge of the program was taken, in the bundle that
/// it loads too.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Clink-dead-code -Ccodegen-units=1 -Clink-arg=-Wl,--export-dynamic";

/// What is fuzzed, how long an input may take in seconds, and how long inputs are.
const FUZZED: &[(&str, u32, u32)] =
    &[("model", 10, 65_536), ("state", 10, 66_000), ("trainer", 10, 65_536), ("wiring", 2, 16_384)];

/// Fuzzes each target for so many minutes, from the kept corpus and what was found before on.
///
/// # Errors
/// Where a target cannot be built, or an input breaks its promise: libFuzzer says where that lies.
pub(crate) fn fuzz(minutes: u32) -> Result<()> {
    ensure!(cfg!(all(target_os = "linux", target_arch = "x86_64")), "fuzzing is done on x86-64 Linux only");
    let (fuzz, folder) = (root().join("tests/fuzz"), run::target_folder()?.join("fuzz"));
    let build = |workspace: &Path, what: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        // With a target, so that build scripts are built without the instrumentation.
        cargo.args(["build", "--release", "--target", PLATFORM]).args(what);
        cargo.arg("--manifest-path").arg(workspace.join("Cargo.toml"));
        run::command(cargo.env("CARGO_TARGET_DIR", &folder).env("RUSTFLAGS", COVERAGE))
    };
    build(root(), &["--package", "tagvane", "--lib"])?;
    build(&fuzz, &[])?;
    let built = folder.join(PLATFORM).join("release");
    let bundles = folder_at(folder.join("bundles"))?;
    let bundle = bundles.join("Tagvane.clap");
    fs::copy(built.join("libtagvane.so"), &bundle)
        .with_context(|| format!("{} cannot be written", bundle.display()))?;
    for (target, seconds, length) in FUZZED {
        println!("== {target}");
        let kept = fuzz.join("corpus").join(target);
        let [new, seeds, broken] = ["corpus", "seeds", "found"].map(|name| folder_at(folder.join(name).join(target)));
        let (new, seeds, broken) = (new?, seeds?, broken?);
        let mut fuzzer = Command::new(built.join(target));
        fuzzer.arg(format!("-max_total_time={}", 60 * minutes)).arg(format!("-timeout={seconds}"));
        fuzzer.arg(format!("-max_len={length}")).args(["-rss_limit_mb=512", "-print_final_stats=1"]);
        fuzzer.arg(format!("-artifact_prefix={}/", broken.display())).args([&new, &kept, &seeds]);
        // The plugin says of each damaged state what is wrong with it.
        fuzzer.env("NICE_LOG", "/dev/null");
        run::command(fuzzer.env("TAGVANE_BUNDLES", &bundles).env("TAGVANE_SEEDS", &seeds))?;
    }
    Ok(())
}

/// A folder, made where there is none.
fn folder_at(path: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&path).with_context(|| format!("{} cannot be made", path.display()))?;
    Ok(path)
}

/// Calls both bundles in any order for an hour.
///
/// # Errors
/// Where the tests cannot be built, or one fails.
pub(crate) fn soak() -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "the bundles are soaked on Linux only");
    system::ensure_screen()?;
    run::cargo(&["build", "--release", "--workspace", "--all-targets"])?;
    let mut tests = Command::new(env!("CARGO"));
    tests.args(["test", "--release", "--workspace", "--test", "any_order", "--", "--nocapture"]);
    run::command(tests.env("TAGVANE_BUNDLES", bundle::pack()?).env("TAGVANE_MINUTES", "60"))
}
