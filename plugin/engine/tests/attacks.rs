//! Files that want to do harm: each gives one sentence within two seconds and 256 MB, and opens
//! nothing beside it. `hostile_models` has the files that are merely broken.

mod support;

use cap::Cap;
use prost::Message as _;
use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use support::network::{Random, Shape};
use support::{bytes, loudness, node, tensor, weight};
use tagvane_engine::{Inference, Model, ModelError};
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, attribute_proto, tensor_proto};

/// Counts what is allocated.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// One test at a time, so that each file is measured alone.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a file may cost until it is refused.
const TIME: Duration = Duration::from_secs(2);
const BYTES: usize = 256 << 20;

/// Reads a file under the limits; gives the sentence, or `None` where it was accepted.
fn read(name: &str, file: &[u8]) -> Option<String> {
    if let Some(folder) = std::env::var_os("TAGVANE_SEEDS").filter(|_| file.len() < 4_096) {
        // The fuzzer begins with these.
        let mut hash = std::hash::DefaultHasher::new();
        std::hash::Hash::hash(file, &mut hash);
        let name = format!("{:016x}", std::hash::Hasher::finish(&hash));
        std::fs::write(std::path::Path::new(&folder).join(name), file).unwrap();
    }
    let before = MEMORY.allocated();
    // A breach of the limit ends the process: the last name is the culprit.
    eprintln!("{name}: {} bytes", file.len());
    MEMORY.set_limit(before + BYTES).unwrap();
    let started = Instant::now();
    let answer = Model::from_bytes(file);
    let taken = started.elapsed();
    MEMORY.set_limit(usize::MAX).unwrap();
    let said = answer.err().map(|error| error.to_string());
    assert!(taken < TIME, "{name}: {taken:?}, then {said:?}");
    if let Some(said) = &said {
        assert!(!said.contains('\n') && said.len() < 300 && !said.is_empty(), "{name}: not one short sentence: {said}");
    }
    said
}

fn refused(name: &str, file: &[u8], words: &str) {
    let said = read(name, file).unwrap_or_else(|| panic!("{name}: it was accepted"));
    assert!(said.contains(words), "{name}: {said}");
}

fn edited(edit: impl FnOnce(&mut GraphProto)) -> Vec<u8> {
    let mut model = loudness(3_000);
    edit(model.graph.as_mut().unwrap());
    bytes(&model)
}

/// A graph to which something was added that its answer depends on: the largest value of `last`.
fn joined(last: &str, edit: impl FnOnce(&mut GraphProto)) -> Vec<u8> {
    edited(|graph| {
        graph.node[3].output = vec!["before".into()];
        edit(graph);
        graph.node.push(node("ReduceMax", &[last], "all of it", &[("keepdims", 0)]));
        graph.node.push(node("Add", &["before", "all of it"], "probabilities", &[]));
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

/// A length-delimited field of protobuf.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
    bytes.extend_from_slice(content);
    bytes
}

#[test]
fn constants_do_not_grow() {
    let _turn = alone();
    // A few hundred bytes, whose padding would be gigabytes.
    let file = joined("large", |graph| {
        graph.initializer.push(weight("small", &[1], vec![1.0]));
        graph.initializer.push(integers("pads", vec![0, 1 << 31]));
        graph.node.push(node("Pad", &["small", "pads"], "large", &[]));
    });
    assert!(file.len() < 700);
    refused("a pad of gigabytes", &file, "constants");

    // Thirty times twice as long.
    let file = joined("grows30", |graph| {
        graph.initializer.push(weight("grows0", &[64], vec![1.0; 64]));
        for step in 0..30 {
            let name = format!("grows{step}");
            graph.node.push(node("Concat", &[&name, &name], &format!("grows{}", step + 1), &[("axis", 0)]));
        }
    });
    refused("a constant that doubles", &file, "constants");

    // A column and a row, of 40 kB each, are a table of 400 MB.
    let file = joined("table", |graph| {
        graph.initializer.push(weight("column", &[10_000, 1], vec![1.0; 10_000]));
        graph.initializer.push(weight("row", &[1, 10_000], vec![1.0; 10_000]));
        graph.node.push(node("Add", &["column", "row"], "table", &[]));
    });
    refused("a table of a column and a row", &file, "constants");
}

#[test]
fn constants_are_not_multiplied_for_hours() {
    let _turn = alone();
    let file = joined("a500", |graph| {
        let side = 1_000;
        graph.initializer.push(weight("a0", &[side, side], vec![0.001; (side * side) as usize]));
        for step in 0..500 {
            let name = format!("a{step}");
            graph.node.push(node("MatMul", &[&name, &name], &format!("a{}", step + 1), &[]));
        }
    });
    refused("a matrix to the power of 2^500", &file, "constants");
}

#[test]
fn a_window_is_not_computed_for_hours() {
    let _turn = alone();
    // Each layer as wide as a model's weights allow, and long.
    let wide = 1_500_usize;
    let filters = |name: &str, inputs: usize| weight(name, &[wide as i64, inputs as i64, 1], vec![0.0; wide * inputs]);
    let file = edited(|graph| {
        graph.initializer.push(integers("axes", vec![1]));
        graph.node = vec![node("Unsqueeze", &["waveform", "axes"], "c0", &[])];
        for layer in 0..6 {
            let name = format!("w{layer}");
            graph.initializer.push(filters(&name, if layer == 0 { 1 } else { wide }));
            graph.node.push(node("Conv", &[&format!("c{layer}"), &name], &format!("c{}", layer + 1), &[]));
        }
        graph.node.push(node("ReduceMean", &["c6"], "probabilities", &[("axes", 2), ("keepdims", 0)]));
        graph.output = vec![tensor("probabilities", &[1, wide as i64])];
    });
    let said = read("a wide and long network", &file);
    assert!(said.is_some_and(|said| said.contains("for each window") || said.contains("tags")));
}

#[test]
fn small_parts_are_not_blown_up() {
    let _turn = alone();
    // Millions of empty nodes, tensors, dimensions, of two bytes each.
    for (name, number) in [("nodes", 1), ("initializers", 5), ("inputs", 11), ("outputs", 12), ("values", 13)] {
        let graph: Vec<u8> = field(number, &[]).repeat(10_000_000);
        refused(&format!("ten million empty {name}"), &field(7, &graph), "too many parts");
    }
    let names: Vec<u8> = field(1, b"a").repeat(5_000_000);
    refused("a node with five million inputs", &field(7, &field(1, &names)), "too many parts");
    let dims = vec![1; 60 << 20];
    refused("a tensor with sixty million dimensions", &field(7, &field(5, &field(1, &dims))), "too many parts");
    let properties: Vec<u8> = field(14, &[]).repeat(10_000_000);
    refused("ten million properties", &properties, "too many parts");
}

#[test]
fn nesting_is_bounded() {
    let _turn = alone();
    // A graph in an attribute of a node of a graph, and so on.
    let mut graph: Vec<u8> = Vec::new();
    for _ in 0..5_000 {
        graph = field(1, &field(5, &field(6, &graph)));
    }
    refused("graphs in graphs", &field(7, &graph), "deep");
    // Groups, which nothing reads any more, in one another.
    let groups = [vec![0x0b; 200_000], vec![0x0c; 200_000]].concat();
    refused("groups in groups", &groups, "");
}

#[test]
fn graphs_that_bite_their_tail_are_refused() {
    let _turn = alone();
    let file = joined("y", |graph| {
        graph.node.push(node("Add", &["y", "level"], "x", &[]));
        graph.node.push(node("Add", &["x", "level"], "y", &[]));
    });
    refused("a cycle", &file, "");
    let file = edited(|graph| graph.node[0] = node("Abs", &["level"], "level", &[]));
    refused("a node that is its own input", &file, "");
    let file = edited(|graph| graph.node[0] = node("Abs", &["nowhere"], "level", &[]));
    refused("a node without input", &file, "");
}

#[test]
fn long_chains_end() {
    let _turn = alone();
    let chain = |length: usize| {
        edited(|graph| {
            for step in 0..length {
                let from = if step == 0 { "level".into() } else { format!("step{}", step - 1) };
                graph.node.push(node("Relu", &[&from], &format!("step{step}"), &[]));
            }
            let last = format!("step{}", length - 1);
            graph.node.push(node("ReduceMax", &[&last], "probabilities2", &[("axes", 1), ("keepdims", 1)]));
            graph.output = vec![tensor("probabilities2", &[1, 1])];
        })
    };
    read("a chain of a thousand", &chain(1_000));
    refused("a chain of a million", &chain(1_000_000), "");
    refused("a chain of ten thousand", &chain(10_000), "nodes");
}

#[test]
fn names_and_tags_are_bounded() {
    let _turn = alone();
    let mut model = loudness(3_000);
    let tags: Vec<String> = (0..1_000_000).map(|tag| format!("t\u{7}{tag}\n")).collect();
    model.metadata_props[0].key = "tags".into();
    model.metadata_props[0].value = serde_json::json!(tags).to_string();
    assert_eq!(read("a million tags in the metadata", &bytes(&model)), None);
    let read_tags = Model::from_bytes(&bytes(&model)).unwrap();
    assert_eq!(read_tags.tags(), ["t0", "t1"]);

    let long = "n".repeat(1 << 20);
    let file = edited(|graph| graph.node.push(node(&long, &["level"], "more", &[])));
    refused("an operator of a megabyte", &file, "operator");
    let file = edited(|graph| graph.initializer.push(weight(&long, &[1 << 40], vec![1.0])));
    refused("a tensor's name of a megabyte", &file, "tensor");

    let file = edited(|graph| {
        graph.initializer.push(weight("zeros", &[3_000, 1_000_000 / 1_000], vec![0.0; 3_000_000]));
        graph.node.push(node("MatMul", &["level", "zeros"], "many", &[]));
        graph.output = vec![tensor("many", &[1, 1_000])];
    });
    read("a thousand tags", &file);
}

#[test]
fn weights_that_are_no_numbers_or_too_few_are_refused() {
    let _turn = alone();
    for (name, value) in [("not a number", f32::NAN), ("infinite", f32::INFINITY)] {
        refused(name, &edited(|graph| graph.initializer.push(weight("w", &[2], vec![1.0, value]))), "finite");
    }
    for (name, dims, raw) in [("too short", 4, 12), ("too long", 4, 20), ("empty", 4, 0), ("odd", 4, 15)] {
        let tensor = TensorProto {
            name: "w".into(),
            dims: vec![dims],
            data_type: tensor_proto::DataType::Float as i32,
            raw_data: vec![0; raw],
            ..TensorProto::default()
        };
        // Whether it is refused, or unused and so ignored, nothing is read beyond its end.
        read(name, &joined("w", |graph| graph.initializer.push(tensor)));
    }
    for dims in [&[0_i64][..], &[0, 1 << 40], &[i64::MAX, i64::MAX], &[i64::MIN]] {
        let file = joined("w", |graph| graph.initializer.push(weight("w", dims, vec![])));
        read(&format!("a tensor of {dims:?}"), &file);
    }
}

#[test]
fn attributes_that_lie_end() {
    let _turn = alone();
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
            let odd = NodeProto { attribute: attributes.clone(), ..node(operator, inputs, "odd", &[]) };
            graph.node = vec![
                node("Unsqueeze", &["waveform", "axes"], "channel", &[]),
                odd,
                node("ReduceMax", &["odd"], "probabilities", &[("axes", 2), ("keepdims", 0)]),
            ];
            graph.output = vec![tensor("probabilities", &[1, 1])];
        });
        if read(&format!("{operator} {attributes:?}"), &file).is_none() {
            let model = Model::from_bytes(&file).unwrap();
            let _ = model.probabilities(&vec![0.1; model.window()]);
        }
    }
}

#[cfg(unix)]
#[test]
fn no_path_is_opened() {
    let _turn = alone();
    let folder = std::env::temp_dir().join(format!("tagvane-attacks-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // A pipe that nobody writes into: whoever opens it waits for ever.
    let pipe = folder.join("weights.bin");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink(&pipe, folder.join("link.bin")).unwrap();
    for location in ["weights.bin", "link.bin", "../etc/passwd", "/dev/zero", pipe.to_str().unwrap()] {
        let mut outside = weight("w", &[4], vec![]);
        outside.data_location = Some(tensor_proto::DataLocation::External as i32);
        let entry =
            |key: &str, value: &str| tract_onnx::pb::StringStringEntryProto { key: key.into(), value: value.into() };
        outside.external_data = vec![entry("location", location), entry("offset", "0"), entry("length", "16")];
        let file = folder.join("model.onnx");
        std::fs::write(&file, edited(|graph| graph.initializer.push(outside))).unwrap();
        let started = Instant::now();
        let Err(error) = Model::open(&file, Inference::Sliding) else { panic!("{location}: it was accepted") };
        assert!(error.to_string().contains("another file") && started.elapsed() < TIME, "{location}: {error}");
    }
    // A pipe or a device in the place of the file itself is not opened either.
    assert!(matches!(Model::open(&pipe, Inference::Sliding), Err(ModelError::Refused(_))));
    assert!(matches!(Model::open("/dev/zero".as_ref(), Inference::Sliding), Err(ModelError::Refused(_))));
    std::fs::remove_dir_all(&folder).unwrap();
}

/// What the fuzzer began with and what it found: tests/fuzz.
#[test]
fn the_fuzzers_files_are_survived() {
    let _turn = alone();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus/model");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        read(&path.display().to_string(), &std::fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 20, "{count} files");
}

#[test]
fn what_is_sound_is_still_accepted() {
    let _turn = alone();
    assert_eq!(read("loudness", &bytes(&loudness(3_000))), None);
    let widths = vec![128, 128, 128, 256, 256, 256, 256, 256, 256, 512, 512];
    let wide = Shape { m: 3, layers: 9, first: 3, widths, normalised: true, tags: 50 };
    let file = wide.network(&mut Random(1));
    assert_eq!(read("the paper's widest, sliding", &file), None);
    let full = Model::with(&file, Inference::FullWindows, None).map(|model| model.tags().len());
    assert_eq!(full.unwrap(), 50);
    let decoded = ModelProto::decode(&file[..]).unwrap();
    assert_eq!(read("the same, encoded again", &decoded.encode_to_vec()), None);
}
