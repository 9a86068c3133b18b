//! A run of an earlier version, whose checkpoint has the former names of modules and metrics, can be exported and
//! resumed. The commit 00b9782 trained it on the data set of [`low_and_high`] and stopped after the first epoch.

#[expect(dead_code, reason = "each test uses a part of it")]
mod process;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use process::{log_column, succeed};
use prost::Message as _;
use std::path::Path;
use support::low_and_high;
use tract_onnx::pb::{GraphProto, ModelProto};

/// Its configuration `run.toml`, its folder `run`, and `model.onnx`, which that version exported from it.
const EARLIER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/earlier_run");

fn graph(path: &Path) -> GraphProto {
    ModelProto::decode(&*std::fs::read(path).unwrap()).unwrap().graph.unwrap()
}

#[test]
fn an_earlier_run_is_exported_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let earlier = Path::new(EARLIER);
    std::fs::create_dir_all(folder.join("run/epoch-001")).unwrap();
    for entry in std::fs::read_dir(earlier.join("run/epoch-001")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.join("run/epoch-001").join(entry.file_name())).unwrap();
    }
    std::fs::copy(earlier.join("run/log.csv"), folder.join("run/log.csv")).unwrap();
    low_and_high(folder, "high");

    succeed(folder, "export --run run --out model.onnx");
    assert!(graph(&folder.join("model.onnx")) == graph(&earlier.join("model.onnx")), "the exported graphs differ");

    succeed(folder, "prepare folder --csv list.csv --audio audio --cache cache");
    succeed(folder, &format!("train {EARLIER}/run.toml --cache cache --run run"));
    let losses = log_column(&folder.join("run"), "validation_loss");
    assert!(matches!(losses[..], [first, second] if second < first), "{losses:?}");
}
