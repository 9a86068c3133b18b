//! Fine-tuning: a run that starts from exported models.

mod process;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use process::{fail, log_column, succeed};
use std::path::Path;
use support::{SMALL_NETWORK, low_and_high};

/// The training and the validation loss of a run's first epoch.
fn losses(folder: &Path, run: &str) -> (f64, f64) {
    let first = |name: &str| log_column(&folder.join(run), name)[0];
    (first("training_loss"), first("validation_loss"))
}

/// The validation loss of the best epoch.
fn best_loss(folder: &Path, run: &str) -> f64 {
    log_column(&folder.join(run), "validation_loss").into_iter().fold(f64::INFINITY, f64::min)
}

const TRAINING: &str = "
[training]
batch_size = 12
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
    std::fs::write(folder.join("run.toml"), format!("{SMALL_NETWORK}{TRAINING}")).unwrap();
    low_and_high(folder, "high");
    succeed(folder, "prepare folder --csv list.csv --audio audio --cache cache");
    succeed(folder, "train run.toml --cache cache --run first");
    succeed(folder, "export --run first --out first.onnx");
    let init_from_first = "--set training.init_from=[\"first.onnx\"]";
    let trained = best_loss(folder, "first");

    let output = succeed(folder, &format!("train run.toml --cache cache --run second {init_from_first} {NO_TRAINING}"));
    assert!(output.contains("initialised from first.onnx: 2 of 2 tags are known"), "{output}");
    succeed(folder, &format!("train run.toml --cache cache --run random {NO_TRAINING}"));
    let ((training, validation), (_, random)) = (losses(folder, "second"), losses(folder, "random"));
    assert!(trained < 0.3 && random > 0.5, "{trained} {random}");
    assert!((validation - trained).abs() < 0.05 && training < trained + 0.1, "{trained}: {training} {validation}");

    // A wider network starts with the same loss.
    let wider = "--set architecture.widths=[8,12,16,16,32,33]";
    let arguments = format!("train run.toml --cache cache --run wider {init_from_first} {NO_TRAINING} {wider}");
    let output = succeed(folder, &arguments);
    assert!(output.contains("initialised from first.onnx, and its filters widened: 2 of 2 tags"), "{output}");
    let (training, validation) = losses(folder, "wider");
    assert!((validation - trained).abs() < 0.05 && training < trained + 0.1, "{trained}: {training} {validation}");

    // A resumed run does not need the source model.
    std::fs::rename(folder.join("first.onnx"), folder.join("moved.onnx")).unwrap();
    let output = succeed(folder, &format!("train run.toml --cache cache --run second {init_from_first} {NO_TRAINING}"));
    assert!(!output.contains("initialised"), "{output}");
    std::fs::rename(folder.join("moved.onnx"), folder.join("first.onnx")).unwrap();

    // A tag that the source model does not have is trained from random weights.
    low_and_high(folder, "shrill");
    succeed(folder, "prepare folder --csv list.csv --audio audio --cache other");
    let output = succeed(folder, &format!("train run.toml --cache other --run third {init_from_first}"));
    assert!(output.contains("1 of 2 tags"), "{output}");
    assert!(best_loss(folder, "third") < 0.3, "{}", best_loss(folder, "third"));

    let deeper = "--set architecture.n=6 --set architecture.window=6561 --set architecture.widths=[8,8,8,8,16,16,16]";
    let error = fail(folder, &format!("train run.toml --cache cache --run deeper {init_from_first} {deeper}"));
    assert!(error.contains("first.onnx") && error.contains("cannot be read back"), "{error}");
    succeed(folder, "export --run third --out third.onnx");
    let both = "--set training.init_from=[\"first.onnx\",\"third.onnx\"]";
    let error = fail(folder, &format!("train run.toml --cache cache --run both {both}"));
    assert!(error.contains("third.onnx") && error.contains("filters are not those of first.onnx"), "{error}");
    assert!(!folder.join("both").exists());
}
