//! `test`: every check, in the order of how soon it fails.

use crate::{bundle, materials, python, run, system};
use anyhow::{Context as _, Result, ensure};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

/// Runs every check.
///
/// # Errors
/// The first check that fails.
pub(crate) fn test() -> Result<()> {
    step("format");
    run::cargo(&["fmt", "--all", "--check"])?;
    system::ensure_packages()?;
    step("lints");
    run::cargo(&["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    run::cargo(&[&["clippy", "--release"], HANDOFFS, &["--", "-D", "warnings"]].concat())?;
    step("documentation");
    let mut docs = Command::new(env!("CARGO"));
    docs.args(["doc", "--release", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    run::command(&mut docs)?;
    step("build");
    // All at once: built alone, the plugin would have its dependencies with other
    // features, and each would be compiled twice.
    run::cargo(&["build", "--release", "--workspace", "--all-targets"])?;
    let bundles = bundle::pack()?;
    step("test hosts");
    let python = python::environment()?;
    let musicnn = materials::musicnn(&python)?;
    let font = materials::sound_font()?;
    materials::voices();
    system::ensure_screen()?;
    step("tests");
    let mut tests = Command::new(env!("CARGO"));
    tests.args(["test", "--release", "--workspace", "--no-fail-fast"]);
    tests.envs(font.map(|font| ("TAGVANE_SOUND_FONT", font)));
    tests.env("TAGVANE_BUNDLES", bundles).env("TAGVANE_PYTHON", python).env("TAGVANE_MUSICNN", musicnn);
    let mut handoffs = Command::new(env!("CARGO"));
    handoffs.args(["test", "--release"]).args(HANDOFFS);
    let results = [counted(&mut tests)?, counted(&mut handoffs)?];
    let sum = |count: fn(&Counted) -> u32| results.iter().map(count).sum::<u32>();
    println!("{} passed, {} failed", sum(|one| one.passed), sum(|one| one.failed));
    ensure!(results.iter().all(|one| one.success), "not every test passed");
    Ok(())
}

/// The engine's threads in the orders that shuttle decides for, which they are built for.
const HANDOFFS: &[&str] = &["--workspace", "--features", "tagvane-engine/shuttle", "--test", "handoffs"];

/// What cargo's tests came to.
struct Counted {
    passed: u32,
    failed: u32,
    success: bool,
}

/// Runs cargo's tests and adds up what each of its test programs says at its end.
fn counted(tests: &mut Command) -> Result<Counted> {
    let mut child = tests.stdout(Stdio::piped()).spawn().context("cargo cannot be started")?;
    let (mut passed, mut failed) = (0, 0);
    for line in BufReader::new(child.stdout.take().context("cargo has no output")?).lines() {
        let line = line.context("cargo's output cannot be read")?;
        println!("{line}");
        if let Some(result) = line.strip_prefix("test result: ") {
            passed += number_of(result, "passed");
            failed += number_of(result, "failed");
        }
    }
    let status = child.wait().context("cargo is gone")?;
    Ok(Counted { passed, failed, success: status.success() })
}

/// The number before `word` in one of cargo's result lines.
fn number_of(result: &str, word: &str) -> u32 {
    let words: Vec<&str> = result.split([' ', ';']).collect();
    let number = words.windows(2).find(|pair| pair[1] == word).map(|pair| pair[0].parse());
    number.and_then(std::result::Result::ok).unwrap_or(0)
}

fn step(name: &str) {
    println!("== {name}");
}
