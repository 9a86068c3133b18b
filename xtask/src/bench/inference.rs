//! Measures sliding steps, full windows and the plugin's load in a session.

use super::{HOP, build, instructions, median, number, run_json};
use crate::paths::{create_folder, root, target_folder};
use crate::python;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;

/// The measured hops, in samples.
const HOPS: [usize; 3] = [729, HOP, 6_561];
/// Samples per second.
const RATE: f64 = 22_050.0;
/// The Python script that runs ONNX Runtime.
const ONNX_RUNTIME: &str = include_str!("onnxruntime.py");

pub(super) fn run(rounds: usize, accept: bool) -> Result<()> {
    let program = build("inference")?;
    let python = python::environment()?;
    let folder = create_folder(target_folder()?.join("bench"))?;
    let wide = folder.join("wide.onnx");
    run_json(Command::new(&program).arg("write-wide").arg(&wide))?;
    let shipped = root().join("plugin/models/music.onnx");

    let mut report = serde_json::Map::new();
    for (name, file, times) in [("shipped", &shipped, 300), ("wide 3^9, Table 1", &wide, 40)] {
        let tagvane = |call: &[&str]| {
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
        calls.push(("tract, full window".into(), tagvane(&["full", &times.to_string()])));
        for hop in HOPS {
            calls.push((step_label(hop), tagvane(&["step", &hop.to_string(), &(times * 5).to_string()])));
        }
        let milliseconds = measure_in_turns(&mut calls, rounds)?;
        let load = run_json(&mut tagvane(&["load", "9"]))?;
        let memory = run_json(&mut tagvane(&["memory", "6"]))?;
        print_network(name, &milliseconds, &load, &memory)?;
        report.insert(name.into(), json!({"milliseconds": milliseconds, "load": load, "memory": memory}));
    }

    let session = |call: &[&str]| {
        let mut command = Command::new(&program);
        run_json(command.arg(call[0]).arg(&shipped).args(&call[1..]))
    };
    let block = run_json(Command::new(&program).args(["block", "100000"]))?;
    let publishing = run_json(&mut Command::new(build("publishing")?))?;
    let live = session(&["live", "64", "20"])?;
    let idle = session(&["idle", "64", "10"])?;
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
    counts.regression
}

/// Runs the commands in turns, `rounds` times, so that other load on the machine affects all of them.
/// Returns the median milliseconds of each.
fn measure_in_turns(calls: &mut [(String, Command)], rounds: usize) -> Result<BTreeMap<String, f64>> {
    let mut measured: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for _ in 0..rounds.max(1) {
        for (name, command) in &mut *calls {
            measured.entry(name.clone()).or_default().push(number(&run_json(command)?, "milliseconds")?);
        }
    }
    Ok(measured.into_iter().map(|(name, milliseconds)| (name, median(milliseconds))).collect())
}

/// The label of a sliding step in the tables.
fn step_label(hop: usize) -> String {
    format!("step, hop {hop}")
}

fn print_network(name: &str, milliseconds: &BTreeMap<String, f64>, load: &Value, memory: &Value) -> Result<()> {
    println!("\n{name}: milliseconds on one thread, and ratios to a full window in ONNX Runtime");
    println!("{:<38} {:>9} {:>10} {:>10}", "", "ms", "to conv1d", "to conv2d");
    let full = |form: &str| milliseconds[&format!("ONNX Runtime, full window, {form}")];
    for (label, time) in milliseconds {
        println!("{label:<38} {time:>9.3} {:>10.3} {:>10.3}", time / full("conv1d"), time / full("conv2d"));
    }
    let share = milliseconds[&step_label(HOP)] / 1e3 * RATE / HOP as f64;
    println!(
        "{:.1} steps per second take {:.2} % of a core, so one core runs {:.0} instances",
        RATE / HOP as f64,
        share * 100.0,
        1.0 / share
    );
    println!("loading, from the file to the first step: {:.1} ms", number(load, "milliseconds")?);
    println!("memory of each further instance: {:.1} MB", number(memory, "bytes")? / 1e6);
    Ok(())
}

fn print_publishing(publishing: &Value) -> Result<()> {
    println!("\nOutputs on the audio thread, block of 512 frames at 48 kHz, microseconds: median, 99.9th percentile");
    let cases = [("nothing changed", "unchanged"), ("64 tags, 8 slots, MIDI and OSC changed", "changed")];
    for (label, name) in cases {
        let (median, p999) = (number(publishing, name)?, number(publishing, &format!("{name}_p999"))?);
        let share = median / number(publishing, "duration")? * 100.0;
        println!("{label:<40} {median:>8.2} {p999:>8.2}   {share:.3} % of the block");
    }
    Ok(())
}

fn print_session(block: &Value, live: &Value, idle: &Value) -> Result<()> {
    let percent = |name: &str| Ok::<_, anyhow::Error>(number(block, name)? / number(block, "duration")? * 100.0);
    println!("\nInput on the audio thread, block of 512 stereo frames at 48 kHz");
    println!(
        "median {:.3} % of the block, 99.9th percentile {:.3} %",
        percent("milliseconds")?,
        percent("milliseconds_999")?
    );
    println!("a block of denormal numbers takes {:.2} times as long as a block of noise", number(block, "denormals")?);
    println!("\n64 instances of the shipped model, in real time for {} s", live["seconds"]);
    println!(
        "{} predictions, {} skipped as late, {} gaps; {:.2} % of a core per instance",
        live["updates"],
        live["late"],
        live["gaps"],
        number(live, "share_of_a_core")? * 100.0
    );
    println!(
        "idle, not called by the host: {:.4} % of a core per instance; in silence: {:.4} %",
        number(idle, "not_called")? * 100.0,
        number(idle, "in_silence")? * 100.0
    );
    Ok(())
}
