//! A killed run resumes with the same result, and a run on one backend on another.

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{SMALL_NETWORK, low_and_high};

fn trainer() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn start(folder: &Path, run: &str) -> Child {
    let mut command = trainer();
    command.arg("train").arg(folder.join("run.toml")).arg("--cache").arg(folder.join("cache"));
    command.arg("--run").arg(folder.join(run)).spawn().unwrap()
}

/// The rows of a run's log without the timing columns.
fn metrics(run: &Path) -> Vec<String> {
    let log = std::fs::read_to_string(run.join("log.csv")).unwrap();
    log.lines().map(|line| line.split(',').take(6).collect::<Vec<_>>().join(",")).collect()
}

/// The names of the complete checkpoints.
fn checkpoints(run: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(run) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("epoch-") && !name.ends_with(".partial")).collect()
}

/// A folder with a data set, its cache, and `run.toml` with these sections on training.
fn prepared(training: &str) -> tempfile::TempDir {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    low_and_high(folder, "high");
    std::fs::write(folder.join("run.toml"), format!("{SMALL_NETWORK}{training}")).unwrap();
    let mut prepare = trainer();
    prepare.args(["prepare", "folder", "--csv"]).arg(folder.join("list.csv"));
    prepare.arg("--audio").arg(folder.join("audio")).arg("--cache").arg(folder.join("cache"));
    assert!(prepare.status().unwrap().success());
    temporary
}

/// Trains with these sections of a configuration, once as a whole and once killed after each checkpoint, which must give
/// the same metrics and the same model. Returns the metrics.
fn train_whole_and_killed(training: &str) -> Vec<String> {
    let folder = prepared(training);
    let folder = folder.path();
    assert!(start(folder, "whole").wait().unwrap().success());

    // Kills the run after each new checkpoint until it finishes.
    let run = folder.join("killed");
    let mut kills = 0;
    loop {
        let before = checkpoints(&run);
        let mut child = start(folder, "killed");
        let started = Instant::now();
        let finished = loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                break true;
            }
            if checkpoints(&run) != before {
                break false;
            }
            assert!(started.elapsed() < Duration::from_secs(120), "no checkpoint for two minutes");
            std::thread::sleep(Duration::from_millis(2));
        };
        if finished {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills >= 2, "killed only {kills} times");
    let whole = metrics(&folder.join("whole"));
    assert_eq!(metrics(&run), whole);
    let [model, killed_model] = ["whole", "killed"].map(|run| {
        let model = folder.join(run).with_extension("onnx");
        let mut export = trainer();
        export.arg("export").arg("--run").arg(folder.join(run)).arg("--out").arg(&model);
        assert!(export.status().unwrap().success());
        std::fs::read(&model).unwrap()
    });
    assert!(model == killed_model, "the models differ");
    whole
}

/// The section of runs that are killed, with these further options.
fn killed_training(options: &str) -> String {
    format!(
        "
[training]
batch_size = 6
accumulate_grad_batches = 2
seed = 5
checkpoint_every = 5
{options}"
    )
}

#[test]
fn resuming_after_kills_gives_the_same_losses() {
    let options = "
optimiser = { kind = \"sgd\", momentum = 0.9 }
schedule = { kind = \"plateau\", learning_rate = 0.05, divisor = 5.0, patience = 1, reductions = 2, epochs = 5 }
augmentation = { shift = 50, gain = [0.5, 1.5], noise = 0.01 }
";
    train_whole_and_killed(&killed_training(options));
}

#[test]
fn resuming_with_all_options_after_kills_gives_the_same_losses() {
    let options = "
label_temperature = 0.7
label_smoothing = 0.1
weight_averaging = { decay = 0.9 }
optimiser = { kind = \"sgd\", momentum = 0.9 }
schedule = { kind = \"plateau\", learning_rate = 0.2, divisor = 5.0, patience = 1, reductions = 2, epochs = 6 }
augmentation = { shift = 50, gain = [0.5, 1.5], mixup = { alpha = 0.4 } }
";
    let metrics = train_whole_and_killed(&killed_training(options));
    println!("{metrics:?}");
    // The weights of the best epoch were restored on the way, and with them their average.
    let learning_rates: Vec<&str> = metrics[1..].iter().map(|row| row.split(',').nth(1).unwrap()).collect();
    assert!(learning_rates.iter().any(|rate| *rate != learning_rates[0]), "{learning_rates:?}");
}

/// Regression: a loss that is not finite was written as null into the checkpoint, which then could not be read.
#[test]
fn a_diverged_run_resumes() {
    let training = "
[training]
batch_size = 6
seed = 5
optimiser = { kind = \"sgd\", momentum = 0.9 }
schedule = { kind = \"one-cycle\", learning_rate = 1e38, epochs = 2 }
";
    let folder = prepared(training);
    let folder = folder.path();
    let run = folder.join("diverged");
    assert!(start(folder, "diverged").wait().unwrap().success());
    let whole = metrics(&run);
    let training_loss = |row: &String| row.split(',').nth(2).unwrap().parse::<f64>().unwrap();
    assert_eq!(whole.iter().skip(1).map(training_loss).collect::<Vec<_>>(), [f64::MAX; 2]);
    std::fs::remove_dir_all(run.join("epoch-002")).unwrap();
    assert!(start(folder, "diverged").wait().unwrap().success());
    assert_eq!(metrics(&run), whole);
}

/// Ctrl-C, and what a cluster sends before it ends a job.
#[cfg(unix)]
#[test]
fn an_interrupted_run_writes_a_checkpoint_and_resumes_with_the_same_losses() {
    let training = "
[training]
batch_size = 6
accumulate_grad_batches = 3
seed = 5
optimiser = { kind = \"adam\" }
schedule = { kind = \"one-cycle\", learning_rate = 0.01, epochs = 4 }
augmentation = { shift = 50, gain = [0.5, 1.5], noise = 0.01 }
";
    let folder = prepared(training);
    let folder = folder.path();
    assert!(start(folder, "whole").wait().unwrap().success());
    let run = folder.join("interrupted");
    let (mut interrupts, mut delay) = (0, Duration::from_millis(120));
    loop {
        let mut command = trainer();
        command.arg("train").arg(folder.join("run.toml")).arg("--cache").arg(folder.join("cache"));
        let child = command.arg("--run").arg(&run).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(delay);
        let signal = if interrupts % 2 == 0 { "-INT" } else { "-TERM" };
        // Fails where the run has ended.
        Command::new("kill").arg(signal).arg(child.id().to_string()).stderr(Stdio::null()).status().unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => break,
            Some(130) => {
                interrupts += 1;
                assert!(text.contains("stopped in epoch") && text.contains("the same command resumes"), "{text}");
                assert!(!checkpoints(&run).is_empty());
            }
            // The signal came before the run was ready for it.
            None => delay += Duration::from_millis(60),
            code => panic!("{code:?}: {text}"),
        }
    }
    assert!(interrupts >= 2, "interrupted only {interrupts} times");
    assert_eq!(metrics(&run), metrics(&folder.join("whole")));
}

#[cfg(feature = "ndarray")]
#[test]
fn a_run_on_flex_resumes_on_ndarray_and_back() {
    resumes_on("ndarray", &[]);
}

/// With `TAGVANE_TEST_CUDA=1` on the first graphics card.
#[cfg(feature = "libtorch")]
#[test]
fn a_run_on_flex_resumes_on_libtorch_and_back() {
    let on_card = std::env::var_os("TAGVANE_TEST_CUDA").is_some();
    resumes_on("libtorch", if on_card { &["--devices", "0"] } else { &[] });
}

#[cfg(feature = "vulkan")]
#[test]
fn a_run_on_flex_resumes_on_vulkan_and_back() {
    resumes_on("vulkan", &[]);
}

/// Trains two epochs on one backend and two on the other, in both orders, which must give the losses of four on flex
/// within 1 %.
#[cfg(any(feature = "ndarray", feature = "libtorch", feature = "vulkan"))]
fn resumes_on(other: &str, other_options: &[&str]) {
    let options = "
optimiser = { kind = \"sgd\", momentum = 0.9 }
schedule = { kind = \"one-cycle\", learning_rate = 0.002, epochs = 4 }
augmentation = { shift = 50, gain = [0.5, 1.5] }
";
    let folder = prepared(&killed_training(options));
    let folder = folder.path();
    let train = |run: &str, backend: &str, options: &[&str]| {
        let mut train = trainer();
        train.current_dir(folder).args(["train", "run.toml", "--cache", "cache", "--run", run, "--backend", backend]);
        let output = train.stderr(Stdio::piped()).args(options).output().unwrap();
        assert!(output.status.success(), "{backend}: {}", String::from_utf8_lossy(&output.stderr));
        let losses = metrics(&folder.join(run)).into_iter().skip(1);
        losses.map(|row| row.split(',').nth(2).unwrap().parse::<f64>().unwrap()).collect::<Vec<_>>()
    };
    let expected = train("whole", "flex", &[]);
    assert_eq!(train("there", "flex", &["--stop-after-epoch", "2"]).len(), 2);
    let there = train("there", other, other_options);
    assert_eq!(train("back", other, &[other_options, &["--stop-after-epoch", "2"]].concat()).len(), 2);
    let back = train("back", "flex", &[]);
    println!("flex {expected:.5?}, to {other} {there:.5?}, from it {back:.5?}");
    for losses in [there, back] {
        assert_eq!(losses.len(), expected.len());
        for (loss, expected) in losses.iter().zip(&expected) {
            assert!((loss - expected).abs() < 0.01 * expected, "{losses:?} instead of {expected}");
        }
    }
}
