//! `test`: all checks, the fast ones first.

use crate::paths::target_folder;
use crate::{bundle, imports, python, run, system, test_data};
use anyhow::{Context as _, Result, ensure};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

/// Runs all checks. The tests run to their end, and the last line is the number of passed and failed
/// tests.
///
/// # Errors
/// If a check fails.
pub(crate) fn test() -> Result<()> {
    step("format");
    run::cargo(&["fmt", "--all", "--check"])?;
    step("imports");
    imports::check()?;
    system::ensure_packages()?;
    step("lints");
    run::cargo(&["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    run::cargo(&[&["clippy", "--release"], HANDOFFS, &["--", "-D", "warnings"]].concat())?;
    step("documentation");
    let mut docs = Command::new(env!("CARGO"));
    docs.args(["doc", "--release", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    run::command(&mut docs)?;
    step("build");
    // One build of the workspace: cargo would build the plugin alone with other features, and compile
    // its dependencies twice.
    run::cargo(&["build", "--release", "--workspace", "--all-targets"])?;
    let bundles = bundle::pack()?;
    step("test hosts");
    let python = python::environment()?;
    let musicnn = test_data::musicnn_wheel(&python)?;
    let font = test_data::sound_font()?;
    test_data::install_speech_synthesisers();
    system::ensure_screen()?;
    step("tests");
    let mut tests = Command::new(env!("CARGO"));
    tests.args(["test", "--release", "--workspace", "--no-fail-fast"]);
    tests.envs(font.map(|font| ("TAGVANE_SOUND_FONT", font)));
    // The tests neither write to the user's log nor read the user's library and presets.
    let temporary = target_folder()?.join("tmp");
    tests.env("TAGVANE_LOG", temporary.join("tagvane.log")).env("TAGVANE_LIBRARY", temporary.join("no library"));
    tests.env("TAGVANE_PRESETS", temporary.join("no presets"));
    tests.env("TAGVANE_BUNDLES", bundles).env("TAGVANE_PYTHON", python).env("TAGVANE_MUSICNN", musicnn);
    let mut handoffs = Command::new(env!("CARGO"));
    handoffs.args(["test", "--release"]).args(HANDOFFS);
    let results = [run_tests(&mut tests)?, run_tests(&mut handoffs)?];
    let sum = |count: fn(&TestCounts) -> u32| results.iter().map(count).sum::<u32>();
    println!("{} passed, {} failed", sum(|result| result.passed), sum(|result| result.failed));
    ensure!(results.iter().all(|result| result.is_success), "not all tests passed; their output is above");
    Ok(())
}

/// Cargo's arguments for the test of the engine's threads under shuttle's scheduler, which needs a
/// build of its own.
const HANDOFFS: &[&str] = &["--workspace", "--features", "tagvane-engine/shuttle", "--test", "handoffs"];

/// The results of a call of `cargo test`.
struct TestCounts {
    passed: u32,
    failed: u32,
    is_success: bool,
}

/// Runs `cargo test`, and adds up the results of its test programs.
fn run_tests(tests: &mut Command) -> Result<TestCounts> {
    let mut child = tests.stdout(Stdio::piped()).spawn().context("cargo cannot be started")?;
    let (mut passed, mut failed) = (0, 0);
    for line in BufReader::new(child.stdout.take().context("cargo has no output")?).lines() {
        let line = line.context("cargo's output cannot be read")?;
        println!("{line}");
        if let Some(result) = line.strip_prefix("test result: ") {
            passed += number_before(result, "passed");
            failed += number_before(result, "failed");
        }
    }
    let status = child.wait().context("the end of cargo cannot be awaited")?;
    Ok(TestCounts { passed, failed, is_success: status.success() })
}

/// The number before `word` in a result line of a test program.
fn number_before(result: &str, word: &str) -> u32 {
    let words: Vec<&str> = result.split([' ', ';']).collect();
    let number = words.windows(2).find(|pair| pair[1] == word).map(|pair| pair[0].parse());
    number.and_then(std::result::Result::ok).unwrap_or(0)
}

/// Prints the headline of a step.
fn step(name: &str) {
    println!("== {name}");
}
