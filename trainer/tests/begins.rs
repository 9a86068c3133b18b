//! A run begins where exported models are.

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use std::path::Path;
use std::process::Command;
use support::low_and_high;

/// Runs a command of the trainer: what it said, or what was wrong.
fn trainer(folder: &Path, line: &str) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    let output = command.args(line.split(' ')).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// The losses of a run's first epoch, in training and in validation.
fn losses(folder: &Path, run: &str) -> (f64, f64) {
    let log = std::fs::read_to_string(folder.join(run).join("log.csv")).unwrap();
    let mut figures = log.lines().nth(1).unwrap().split(',').skip(2).map(|figure| figure.parse().unwrap());
    (figures.next().unwrap(), figures.next().unwrap())
}

/// The loss of the best epoch.
fn lowest(folder: &Path, run: &str) -> f64 {
    let log = std::fs::read_to_string(folder.join(run).join("log.csv")).unwrap();
    log.lines().skip(1).map(|row| row.split(',').nth(3).unwrap().parse().unwrap()).fold(f64::INFINITY, f64::min)
}

const CONFIG: &str = "
[architecture]
kind = \"sample-level\"
m = 3
n = 5
window = 2187
widths = [8, 8, 8, 16, 16, 16]
[groups]
validation = [\"validation\"]
test = [\"test\"]
[training]
batch = 12
seed = 5
optimiser = { kind = \"adam\" }
schedule = { kind = \"one-cycle\", learning_rate = 3e-3, epochs = 4 }
";

/// So slow that nothing is learnt.
const STILL: &str = "--set training.schedule.learning_rate=1e-12 --set training.schedule.epochs=1";

#[test]
fn a_run_begins_as_well_as_the_model_that_it_begins_with() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run = |line: &str| trainer(folder, line);
    std::fs::write(folder.join("run.toml"), CONFIG).unwrap();
    low_and_high(folder, "high");
    run("prepare folder --csv list.csv --audio audio --cache cache").unwrap();
    run("train run.toml --cache cache --run first").unwrap();
    run("export --run first --out first.onnx").unwrap();
    let known = "--set training.begin_with=[\"first.onnx\"]";
    let learnt = lowest(folder, "first");

    let said = run(&format!("train run.toml --cache cache --run second {known} {STILL}")).unwrap();
    assert!(said.contains("begins with first.onnx: 2 of 2 tags are known"), "{said}");
    run(&format!("train run.toml --cache cache --run fresh {STILL}")).unwrap();
    let ((training, validation), (_, fresh)) = (losses(folder, "second"), losses(folder, "fresh"));
    println!("learnt {learnt:.4}, begun {training:.4} and {validation:.4}, fresh {fresh:.4}");
    assert!(learnt < 0.3 && fresh > 0.5, "{learnt} {fresh}");
    assert!((validation - learnt).abs() < 0.05 && training < learnt + 0.1, "{learnt}: {training} {validation}");

    // It goes on from its checkpoint, and no longer needs the file.
    std::fs::rename(folder.join("first.onnx"), folder.join("moved.onnx")).unwrap();
    let said = run(&format!("train run.toml --cache cache --run second {known} {STILL}")).unwrap();
    assert!(!said.contains("begins"), "{said}");
    std::fs::rename(folder.join("moved.onnx"), folder.join("first.onnx")).unwrap();

    // A tag that the model does not know is learnt from nothing.
    low_and_high(folder, "shrill");
    run("prepare folder --csv list.csv --audio audio --cache other").unwrap();
    let said = run(&format!("train run.toml --cache other --run third {known}")).unwrap();
    assert!(said.contains("1 of 2 tags"), "{said}");
    assert!(lowest(folder, "third") < 0.3, "{}", lowest(folder, "third"));

    let deeper = "--set architecture.n=6 --set architecture.window=6561 --set architecture.widths=[8,8,8,8,16,16,16]";
    let said = run(&format!("train run.toml --cache cache --run deeper {known} {deeper}")).unwrap_err();
    assert!(said.contains("first.onnx") && said.contains("cannot be read back"), "{said}");
    run("export --run third --out third.onnx").unwrap();
    let both = "--set training.begin_with=[\"first.onnx\",\"third.onnx\"]";
    let said = run(&format!("train run.toml --cache cache --run both {both}")).unwrap_err();
    assert!(said.contains("third.onnx") && said.contains("filters are not those of first.onnx"), "{said}");
    assert!(!folder.join("both").exists());
}
