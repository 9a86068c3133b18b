//! The window.

use super::{build, figures, number, program};
use crate::{bundle, root};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::process::Command;

/// What a frame may cost at 1280 x 800, in milliseconds of a core.
const FRAME: f64 = 4.0;

pub(super) fn run() -> Result<()> {
    let tests = program(&["test", "--release", "--workspace", "--lib"], "tagvane")?;
    let open = build("window")?;
    let bundles = bundle::pack()?;

    let mut frames = Command::new(tests);
    frames.args(["frames_cost", "--ignored", "--nocapture"]).current_dir(root().join("plugin"));
    let output = frames.output().context("the frames cannot be measured")?;
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let frame = lines.lines().find(|line| line.starts_with('{')).context("the frames were not measured")?;
    let frame: Value = serde_json::from_str(frame)?;
    let (layout, triangles) = (number(&frame, "layout")?, number(&frame, "triangles")?);
    println!("\nA frame at 1280 x 800 with something new in it, milliseconds of a core");
    println!("from events to shapes {layout:.2}, to triangles {triangles:.2}; {FRAME} are allowed in all");

    let share = figures(Command::new(open).env("TAGVANE_BUNDLES", bundles))?;
    let [with, hidden, without] = ["with", "hidden", "without"].map(|name| number(&share, name));
    println!("\nMusic in real time, share of a core, pictures made by the processor (llvmpipe)");
    println!(
        "with the window {:.1} %, hidden {:.1} %, without {:.1} %",
        with? * 100.0,
        hidden? * 100.0,
        without? * 100.0
    );
    Ok(())
}
