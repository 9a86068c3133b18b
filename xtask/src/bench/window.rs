//! Measures the editor window.

use super::{build, build_program, number, run_json};
use crate::bundle;
use crate::paths::root;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::process::Command;

/// The budget of a frame at 1280 x 800, in milliseconds of a core.
const FRAME_BUDGET: f64 = 4.0;

pub(super) fn run() -> Result<()> {
    let tests = build_program(&["test", "--release", "--workspace", "--lib"], "tagvane")?;
    let window_bench = build("window")?;
    let bundles = bundle::pack()?;

    let mut frames = Command::new(tests);
    frames.args(["frames_cost", "--ignored", "--nocapture"]).current_dir(root().join("plugin"));
    let output = frames.output().context("the tests of the plugin cannot be started")?;
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let frame = lines.lines().find(|line| line.starts_with('{')).context("the test frames_cost printed no JSON")?;
    let frame: Value = serde_json::from_str(frame)?;
    let (layout, triangles) = (number(&frame, "layout")?, number(&frame, "triangles")?);
    println!("\nA frame at 1280 x 800 with new content, milliseconds of a core");
    println!("layout {layout:.2}, tessellation {triangles:.2}; the budget for both is {FRAME_BUDGET}");

    let share = run_json(Command::new(window_bench).env("TAGVANE_BUNDLES", bundles))?;
    let [open, hidden, closed] = ["with", "hidden", "without"].map(|name| number(&share, name));
    println!("\nMusic in real time with software rendering (llvmpipe), share of a core");
    println!("window open {:.1} %, hidden {:.1} %, closed {:.1} %", open? * 100.0, hidden? * 100.0, closed? * 100.0);
    Ok(())
}
