//! `test`: every check, in the order of how soon it fails.

use crate::{bundle, python, run, system};
use anyhow::Result;
use std::process::Command;

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
    step("build");
    // All at once: built alone, the plugin would have its dependencies with other
    // features, and each would be compiled twice.
    run::cargo(&["build", "--release", "--workspace", "--all-targets"])?;
    let bundles = bundle::pack()?;
    step("test hosts");
    let python = python::environment()?;
    step("tests");
    let mut tests = Command::new(env!("CARGO"));
    tests.args(["test", "--release", "--workspace"]);
    run::command(tests.env("TAGVANE_BUNDLES", bundles).env("TAGVANE_PYTHON", python))
}

fn step(name: &str) {
    println!("== {name}");
}
