//! Fine-tuning: a run that starts from exported models.

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use std::path::Path;
use std::process::Command;
use support::{SMALL_NETWORK, low_and_high};

/// Runs a command of the trainer; returns its standard output, or its standard error if it fails.
fn trainer(folder: &Path, line: &str) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    let output = command.args(line.split(' ')).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// The training and the validation loss of a run's first epoch.
fn losses(folder: &Path, run: &str) -> (f64, f64) {
    let log = std::fs::read_to_string(folder.join(run).join("log.csv")).unwrap();
    let mut columns = log.lines().nth(1).unwrap().split(',').skip(2).map(|loss| loss.parse().unwrap());
    (columns.next().unwrap(), columns.next().unwrap())
}

/// The validation loss of the best epoch.
fn best_loss(folder: &Path, run: &str) -> f64 {
    let log = std::fs::read_to_string(folder.join(run).join("log.csv")).unwrap();
    log.lines().skip(1).map(|row| row.split(',').nth(3).unwrap().parse().unwrap()).fold(f64::INFINITY, f64::min)
}

const TRAINING: &str = "
[training]
batch = 12
seed = 5
optimiser = { kind = \"adam\" }
schedule = { kind = \"one-cycle\", learning_rate = 3e-3, epochs = 4 }
";

/// One epoch at a learning rate that leaves the weights as they are.
const NO_TRAINING: &str = "--set training.schedule.learning_rate=1e-12 --set training.schedule.epochs=1";

#[test]
fn a_fine_tuned_run_starts_with_the_loss_of_its_source_model() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run = |line: &str| trainer(folder, line);
    std::fs::write(folder.join("run.toml"), format!("{SMALL_NETWORK}{TRAINING}")).unwrap();
    low_and_high(folder, "high");
    run("prepare folder --csv list.csv --audio audio --cache cache").unwrap();
    run("train run.toml --cache cache --run first").unwrap();
    run("export --run first --out first.onnx").unwrap();
    let init_from_first = "--set training.init_from=[\"first.onnx\"]";
    let trained = best_loss(folder, "first");

    let output = run(&format!("train run.toml --cache cache --run second {init_from_first} {NO_TRAINING}")).unwrap();
    assert!(output.contains("initialised from first.onnx: 2 of 2 tags are known"), "{output}");
    run(&format!("train run.toml --cache cache --run random {NO_TRAINING}")).unwrap();
    let ((training, validation), (_, random)) = (losses(folder, "second"), losses(folder, "random"));
    println!("trained {trained:.4}, fine-tuned {training:.4} and {validation:.4}, random {random:.4}");
    assert!(trained < 0.3 && random > 0.5, "{trained} {random}");
    assert!((validation - trained).abs() < 0.05 && training < trained + 0.1, "{trained}: {training} {validation}");

    // A resumed run does not need the source model.
    std::fs::rename(folder.join("first.onnx"), folder.join("moved.onnx")).unwrap();
    let output = run(&format!("train run.toml --cache cache --run second {init_from_first} {NO_TRAINING}")).unwrap();
    assert!(!output.contains("initialised"), "{output}");
    std::fs::rename(folder.join("moved.onnx"), folder.join("first.onnx")).unwrap();

    // A tag that the source model does not have is trained from random weights.
    low_and_high(folder, "shrill");
    run("prepare folder --csv list.csv --audio audio --cache other").unwrap();
    let output = run(&format!("train run.toml --cache other --run third {init_from_first}")).unwrap();
    assert!(output.contains("1 of 2 tags"), "{output}");
    assert!(best_loss(folder, "third") < 0.3, "{}", best_loss(folder, "third"));

    let deeper = "--set architecture.n=6 --set architecture.window=6561 --set architecture.widths=[8,8,8,8,16,16,16]";
    let error = run(&format!("train run.toml --cache cache --run deeper {init_from_first} {deeper}")).unwrap_err();
    assert!(error.contains("first.onnx") && error.contains("cannot be read back"), "{error}");
    run("export --run third --out third.onnx").unwrap();
    let both = "--set training.init_from=[\"first.onnx\",\"third.onnx\"]";
    let error = run(&format!("train run.toml --cache cache --run both {both}")).unwrap_err();
    assert!(error.contains("third.onnx") && error.contains("filters are not those of first.onnx"), "{error}");
    assert!(!folder.join("both").exists());
}
