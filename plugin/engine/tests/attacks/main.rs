//! Files that aim at time and memory: each gives an error of one sentence within two seconds and 256 MB, and
//! no other file is opened. `hostile_models` has the malformed files.

mod encoded;
mod sizes;
#[path = "../support/mod.rs"]
mod support;

use cap::Cap;
use prost::Message as _;
use sha2::Digest as _;
use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use support::network::{NetworkSpec, SeededRng};
use support::{bytes, loudness, node, tensor, weight};
use tagvane_engine::{InferenceMode, Model, ModelError};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, attribute_proto, tensor_proto,
};

/// Counts and limits allocations.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// Lets tests run one at a time, because the limits apply to the whole process.
fn run_alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most time to load or refuse a file.
const MAX_TIME: Duration = Duration::from_secs(2);

/// The most memory to load or refuse a file, in bytes.
const MAX_MEMORY: usize = 256 << 20;

/// Loads a file under the limits. Returns the error, or `None` if the file is accepted.
fn load(name: &str, file: &[u8]) -> Option<String> {
    if let Some(folder) = std::env::var_os("TAGVANE_SEEDS").filter(|_| file.len() < 4_096) {
        // The fuzzer starts with small files from these tests.
        let name = format!("{:x}", sha2::Sha256::digest(file));
        std::fs::write(std::path::Path::new(&folder).join(name), file).unwrap();
    }
    let before = MEMORY.allocated();
    // An allocation above the limit aborts the process; the last name is the file that caused it.
    eprintln!("{name}: {} bytes", file.len());
    MEMORY.set_limit(before + MAX_MEMORY).unwrap();
    let start = Instant::now();
    let result = Model::from_bytes(file);
    let elapsed = start.elapsed();
    MEMORY.set_limit(usize::MAX).unwrap();
    let error = result.err().map(|error| error.to_string());
    assert!(elapsed < MAX_TIME, "{name}: {elapsed:?}, then {error:?}");
    if let Some(error) = &error {
        let is_short_sentence = !error.contains('\n') && error.len() < 300 && !error.is_empty();
        assert!(is_short_sentence, "{name}: not one short sentence: {error}");
    }
    error
}

/// Asserts that a file is refused with an error that contains `words`.
fn assert_refused(name: &str, file: &[u8], words: &str) {
    let error = load(name, file).unwrap_or_else(|| panic!("{name}: it is accepted"));
    assert!(error.contains(words), "{name}: {error}");
}

/// The loudness tagger with an edited graph.
fn edited(edit: impl FnOnce(&mut GraphProto)) -> Vec<u8> {
    let mut model = loudness(3_000);
    edit(model.graph.as_mut().unwrap());
    bytes(&model)
}

/// The loudness tagger with an edited graph whose output depends on the maximum of the value `last`.
fn edited_with_dependency(last: &str, edit: impl FnOnce(&mut GraphProto)) -> Vec<u8> {
    edited(|graph| {
        (graph.node[3].name, graph.node[3].output) = ("loudness".into(), vec!["loudness".into()]);
        edit(graph);
        graph.node.push(node("ReduceMax", &[last], "maximum", &[("keepdims", 0)]));
        graph.node.push(node("Add", &["loudness", "maximum"], "probabilities", &[]));
    })
}

fn integers(name: &str, values: Vec<i64>) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: tensor_proto::DataType::Int64 as i32,
        int64_data: values,
        ..TensorProto::default()
    }
}

#[test]
fn many_outputs_and_weights_are_refused_in_time() {
    let _alone = run_alone();
    // Looking for each output's operator among all weights once took hours.
    let weights = |count: usize| (0..count).map(|index| weight(&format!("w{index}"), &[1], vec![1.0]));
    let chain = (0..4_000).map(|step| node("Identity", &[&format!("i{step}")], &format!("i{}", step + 1), &[]));
    let output = ValueInfoProto { name: "i4000".into(), ..Default::default() };
    let file = edited(|graph| {
        graph.initializer.extend(weights(15_000));
        graph.node.extend(chain);
        graph.output = vec![output; 20_000];
    });
    assert_refused("20000 outputs", &file, "outputs");
    let file = edited(|graph| {
        graph.initializer.extend(weights(10_000));
        graph.input.extend((0..10_000).map(|index| tensor(&format!("w{index}"), &[1])));
    });
    assert_eq!(load("10000 weights, all of them inputs too", &file), None);
}

#[test]
fn cyclic_and_disconnected_graphs_are_refused() {
    let _alone = run_alone();
    let file = edited_with_dependency("y", |graph| {
        graph.node.push(node("Add", &["y", "level"], "x", &[]));
        graph.node.push(node("Add", &["x", "level"], "y", &[]));
    });
    assert_refused("a cycle", &file, "");
    let file = edited(|graph| graph.node[0] = node("Abs", &["level"], "level", &[]));
    assert_refused("a node that is its own input", &file, "");
    let file = edited(|graph| graph.node[0] = node("Abs", &["nowhere"], "level", &[]));
    assert_refused("a node without input", &file, "");
}

#[test]
fn long_chains_are_loaded_or_refused_in_time() {
    let _alone = run_alone();
    let chain = |length: usize| {
        edited(|graph| {
            for step in 0..length {
                let input = if step == 0 { "level".into() } else { format!("step{}", step - 1) };
                graph.node.push(node("Relu", &[&input], &format!("step{step}"), &[]));
            }
            let last = format!("step{}", length - 1);
            graph.node.push(node("ReduceMax", &[&last], "probabilities2", &[("axes", 1), ("keepdims", 1)]));
            graph.output = vec![tensor("probabilities2", &[1, 1])];
        })
    };
    load("a chain of a thousand", &chain(1_000));
    assert_refused("a chain of a million", &chain(1_000_000), "");
    assert_refused("a chain of ten thousand", &chain(10_000), "nodes");
}

#[test]
fn long_names_and_many_tags_are_truncated_or_refused() {
    let _alone = run_alone();
    let mut model = loudness(3_000);
    model.metadata_props[0].key = "tags".into();
    // A list of more than a megabyte counts as missing.
    for (what, count, names) in [("fifty thousand", 50_000, ["t0", "t1"]), ("a million", 1_000_000, ["tag 1", "tag 2"])]
    {
        let tags: Vec<String> = (0..count).map(|tag| format!("t\u{7}{tag}\n")).collect();
        model.metadata_props[0].value = serde_json::json!(tags).to_string();
        assert_eq!(load(&format!("{what} tags in the metadata"), &bytes(&model)), None);
        assert_eq!(Model::from_bytes(&bytes(&model)).unwrap().tags(), names, "{what}");
    }

    let long_name = "n".repeat(1 << 20);
    let file = edited(|graph| graph.node.push(node(&long_name, &["level"], "more", &[])));
    assert_refused("an operator's name of a megabyte", &file, "operator");
    let file = edited(|graph| graph.initializer.push(weight(&long_name, &[1 << 40], vec![1.0])));
    assert_refused("a tensor's name of a megabyte", &file, "tensor");

    let file = edited(|graph| {
        graph.initializer.push(weight("zeros", &[3_000, 1_000], vec![0.0; 3_000_000]));
        graph.node.push(node("MatMul", &["level", "zeros"], "many", &[]));
        graph.output = vec![tensor("many", &[1, 1_000])];
    });
    load("a thousand tags", &file);
}

#[test]
fn weights_of_wrong_values_or_sizes_are_refused_or_ignored() {
    let _alone = run_alone();
    for (name, value) in [("not a number", f32::NAN), ("infinite", f32::INFINITY)] {
        assert_refused(name, &edited(|graph| graph.initializer.push(weight("w", &[2], vec![1.0, value]))), "finite");
    }
    for (name, dims, raw) in [("too short", 4, 12), ("too long", 4, 20), ("empty", 4, 0), ("odd", 4, 15)] {
        let tensor = TensorProto {
            name: "w".into(),
            dims: vec![dims],
            data_type: tensor_proto::DataType::Float as i32,
            raw_data: vec![0; raw],
            ..TensorProto::default()
        };
        // It may be accepted, but nothing is read beyond its end.
        load(name, &edited_with_dependency("w", |graph| graph.initializer.push(tensor)));
    }
    for dims in [&[0_i64][..], &[0, 1 << 40], &[i64::MAX, i64::MAX], &[i64::MIN]] {
        let file = edited_with_dependency("w", |graph| graph.initializer.push(weight("w", dims, vec![])));
        load(&format!("a tensor of {dims:?}"), &file);
    }
}

#[test]
fn attributes_out_of_range_are_refused_or_harmless() {
    let _alone = run_alone();
    let attribute = |name: &str, ints: Vec<i64>| AttributeProto {
        name: name.into(),
        r#type: attribute_proto::AttributeType::Ints as i32,
        ints,
        ..AttributeProto::default()
    };
    let huge = 1_i64 << 31;
    for (operator, attributes) in [
        ("MaxPool", vec![attribute("kernel_shape", vec![huge])]),
        ("MaxPool", vec![attribute("kernel_shape", vec![3]), attribute("pads", vec![huge, huge])]),
        ("MaxPool", vec![attribute("kernel_shape", vec![1]), attribute("strides", vec![0])]),
        ("MaxPool", vec![attribute("kernel_shape", vec![-1])]),
        ("AveragePool", vec![attribute("kernel_shape", vec![2]), attribute("dilations", vec![huge])]),
        ("Conv", vec![attribute("kernel_shape", vec![1]), attribute("pads", vec![huge, huge])]),
        ("Conv", vec![attribute("kernel_shape", vec![1]), attribute("strides", vec![0])]),
        ("Conv", vec![attribute("kernel_shape", vec![1]), attribute("dilations", vec![-5])]),
        ("Transpose", vec![attribute("perm", vec![9, 9, 9])]),
        ("Squeeze", vec![attribute("axes", vec![i64::MIN])]),
        ("Split", vec![attribute("split", vec![huge, -huge])]),
    ] {
        let file = edited(|graph| {
            graph.initializer.push(weight("w", &[1, 1, 1], vec![1.0]));
            graph.initializer.push(integers("axes", vec![1]));
            let inputs: &[&str] = if operator == "Conv" { &["channel", "w"] } else { &["channel"] };
            let edited = NodeProto { attribute: attributes.clone(), ..node(operator, inputs, "edited", &[]) };
            graph.node = vec![
                node("Unsqueeze", &["waveform", "axes"], "channel", &[]),
                edited,
                node("ReduceMax", &["edited"], "probabilities", &[("axes", 2), ("keepdims", 0)]),
            ];
            graph.output = vec![tensor("probabilities", &[1, 1])];
        });
        if load(&format!("{operator} {attributes:?}"), &file).is_none() {
            let model = Model::from_bytes(&file).unwrap();
            let _ = model.predict(&vec![0.1; model.window()]);
        }
    }
}

#[cfg(unix)]
#[test]
fn no_other_file_is_opened() {
    let _alone = run_alone();
    let folder = std::env::temp_dir().join(format!("tagvane-attacks-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // To open a pipe without a writer blocks for ever.
    let pipe = folder.join("weights.bin");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink(&pipe, folder.join("link.bin")).unwrap();
    for location in ["weights.bin", "link.bin", "../etc/passwd", "/dev/zero", pipe.to_str().unwrap()] {
        let mut external = weight("w", &[4], vec![]);
        external.data_location = Some(tensor_proto::DataLocation::External as i32);
        let entry =
            |key: &str, value: &str| tract_onnx::pb::StringStringEntryProto { key: key.into(), value: value.into() };
        external.external_data = vec![entry("location", location), entry("offset", "0"), entry("length", "16")];
        let file = folder.join("model.onnx");
        std::fs::write(&file, edited(|graph| graph.initializer.push(external))).unwrap();
        let start = Instant::now();
        let Err(error) = Model::open(&file, InferenceMode::Sliding) else { panic!("{location}: it is accepted") };
        assert!(error.to_string().contains("another file") && start.elapsed() < MAX_TIME, "{location}: {error}");
    }
    // The model file itself is not opened if it is a pipe or a device.
    assert!(matches!(Model::open(&pipe, InferenceMode::Sliding), Err(ModelError::Refused(_))));
    assert!(matches!(Model::open("/dev/zero".as_ref(), InferenceMode::Sliding), Err(ModelError::Refused(_))));
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The files that the fuzzer of tests/fuzz started with and those that it found.
#[test]
fn the_corpus_of_the_fuzzer_stays_within_the_limits() {
    let _alone = run_alone();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus/model");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        load(&path.display().to_string(), &std::fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 20, "{count} files");
}

#[test]
fn valid_models_are_accepted() {
    let _alone = run_alone();
    assert_eq!(load("loudness", &bytes(&loudness(3_000))), None);
    let widths = vec![128, 128, 128, 256, 256, 256, 256, 256, 256, 512, 512];
    let spec = NetworkSpec { m: 3, layers: 9, first: 3, widths, has_batch_norm: true, tags: 50 };
    let file = spec.to_onnx(&mut SeededRng(1));
    assert_eq!(load("the paper's widest network", &file), None);
    let with_full_windows = Model::with(&file, InferenceMode::FullWindows, None).unwrap();
    assert_eq!(with_full_windows.tags().len(), 50);
    let decoded = ModelProto::decode(&file[..]).unwrap();
    assert_eq!(load("the same network, encoded again", &decoded.encode_to_vec()), None);
}
