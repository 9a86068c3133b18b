//! Sliding steps beside full windows, and what listening costs a session.

use super::{build, figures, instructions, number};
use crate::{python, root, run};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;

/// Samples from one window to the next; the second is what the plugin does, about ten
/// times a second.
const HOPS: [usize; 3] = [729, 2_187, 6_561];
const HOP: usize = 2_187;
/// Samples a second.
const RATE: f64 = 22_050.0;
/// ONNX Runtime's side.
const ONNX_RUNTIME: &str = include_str!("onnxruntime.py");

pub(super) fn run(rounds: usize, accept: bool) -> Result<()> {
    let program = build("inference")?;
    let python = python::environment()?;
    let folder = run::target_folder()?.join("bench");
    std::fs::create_dir_all(&folder).context("the target folder cannot be written")?;
    let wide = folder.join("wide.onnx");
    figures(Command::new(&program).arg("write-wide").arg(&wide))?;
    let shipped = root().join("plugin/models/magnatagatune.onnx");

    let mut report = serde_json::Map::new();
    for (name, file, times) in [("shipped", &shipped, 300), ("wide 3^9, Table 1", &wide, 40)] {
        let ours = |call: &[&str]| {
            let mut command = Command::new(&program);
            command.arg(call[0]).arg(file).args(&call[1..]);
            command
        };
        let mut calls: Vec<(String, Command)> = Vec::new();
        for form in ["conv1d", "conv2d"] {
            let mut command = Command::new(&python);
            command.args(["-c", ONNX_RUNTIME]).arg(file).args([form, &times.to_string()]);
            calls.push((format!("ONNX Runtime, full window, {form}"), command));
        }
        calls.push(("tract, full window".into(), ours(&["full", &times.to_string()])));
        for hop in HOPS {
            calls.push((step(hop), ours(&["step", &hop.to_string(), &(times * 5).to_string()])));
        }
        let milliseconds = interleaved(&mut calls, rounds)?;
        let load = figures(&mut ours(&["load", "9"]))?;
        let memory = figures(&mut ours(&["memory", "6"]))?;
        print_network(name, &milliseconds, &load, &memory)?;
        report.insert(name.into(), json!({"milliseconds": milliseconds, "load": load, "memory": memory}));
    }

    let listening = |call: &[&str]| {
        let mut command = Command::new(&program);
        figures(command.arg(call[0]).arg(&shipped).args(&call[1..]))
    };
    let block = figures(Command::new(&program).args(["block", "100000"]))?;
    let publishing = figures(&mut Command::new(build("publishing")?))?;
    let live = listening(&["live", "64", "20"])?;
    let idle = listening(&["idle", "64", "10"])?;
    print_session(&block, &live, &idle)?;
    print_publishing(&publishing)?;
    let counts = instructions::count(&program, &[("shipped", &shipped), ("wide", &wide)], accept)?;
    report.extend([
        ("audio thread, 512 frames at 48 kHz".to_owned(), block),
        ("publishing, 512 frames at 48 kHz".to_owned(), publishing),
        ("64 instances, shipped".to_owned(), live),
        ("64 idle instances, shipped".to_owned(), idle),
        ("instructions".to_owned(), json!(counts.measured)),
    ]);
    let path = folder.join("inference.json");
    std::fs::write(&path, serde_json::to_vec_pretty(&report)?)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    println!("\nWritten to {}", path.display());
    counts.verdict
}

/// Calls one after another, `rounds` times, so that whatever else the machine does meets
/// all alike; the middle of each one's milliseconds.
fn interleaved(calls: &mut [(String, Command)], rounds: usize) -> Result<BTreeMap<String, f64>> {
    let mut measured: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for _ in 0..rounds.max(1) {
        for (name, command) in &mut *calls {
            measured.entry(name.clone()).or_default().push(number(&figures(command)?, "milliseconds")?);
        }
    }
    Ok(measured
        .into_iter()
        .map(|(name, mut all)| {
            all.sort_by(f64::total_cmp);
            (name, all[all.len() / 2])
        })
        .collect())
}

fn step(hop: usize) -> String {
    format!("step, hop {hop}")
}

fn print_network(name: &str, milliseconds: &BTreeMap<String, f64>, load: &Value, memory: &Value) -> Result<()> {
    println!("\n{name}; milliseconds of one thread, ratios to ONNX Runtime's full window");
    println!("{:<38} {:>9} {:>10} {:>10}", "", "ms", "to conv1d", "to conv2d");
    let full = |form: &str| milliseconds[&format!("ONNX Runtime, full window, {form}")];
    for (what, own) in milliseconds {
        println!("{what:<38} {own:>9.3} {:>10.3} {:>10.3}", own / full("conv1d"), own / full("conv2d"));
    }
    let share = milliseconds[&step(HOP)] / 1e3 * RATE / HOP as f64;
    println!(
        "steps at {:.1} updates a second: {:.2} % of a core, so {:.0} fit one",
        RATE / HOP as f64,
        share * 100.0,
        1.0 / share
    );
    println!("from the file to the first step: {:.1} ms", number(load, "milliseconds")?);
    println!("memory a further instance: {:.1} MB", number(memory, "bytes")? / 1e6);
    Ok(())
}

fn print_publishing(publishing: &Value) -> Result<()> {
    println!("\nThe outputs on the audio thread, 512 frames at 48 kHz, microseconds: median, 99.9th percentile");
    for (what, name) in [("nothing changed", "unchanged"), ("64 tags, 8 slots, MIDI and OSC changed", "changed")] {
        let (median, worst) = (number(publishing, name)?, number(publishing, &format!("{name}_worst"))?);
        let share = median / number(publishing, "duration")? * 100.0;
        println!("{what:<40} {median:>8.2} {worst:>8.2}   {share:.3} % of the block");
    }
    Ok(())
}

fn print_session(block: &Value, live: &Value, idle: &Value) -> Result<()> {
    let percent = |name: &str| Ok::<_, anyhow::Error>(number(block, name)? / number(block, "duration")? * 100.0);
    println!("\nThe audio thread, 512 stereo frames at 48 kHz");
    println!(
        "median {:.3} % of the block, 99.9th percentile {:.3} %",
        percent("milliseconds")?,
        percent("milliseconds_999")?
    );
    println!("a block of denormal numbers takes {:.2} of a block of noise", number(block, "denormals")?);
    println!("\n64 instances of the shipped model, live for {} s", live["seconds"]);
    println!(
        "{} updates, {} late, {} gaps; {:.2} % of a core each",
        live["updates"],
        live["late"],
        live["gaps"],
        number(live, "share_of_a_core")? * 100.0
    );
    println!(
        "not called by the host: {:.4} % of a core each; in silence: {:.4} %",
        number(idle, "not_called")? * 100.0,
        number(idle, "in_silence")? * 100.0
    );
    Ok(())
}
