//! Graphs whose tensors or work grow far beyond the file.

use super::support::{bytes, node, tensor, weight};
use super::{assert_refused, edited, edited_with_dependency, integers, load, run_alone};
use prost::Message as _;
use tract_onnx::pb::{ModelProto, TensorProto};

/// A stored integer without axes.
fn scalar(name: &str, value: i64) -> TensorProto {
    TensorProto { dims: vec![], ..integers(name, vec![value]) }
}

#[test]
fn constants_do_not_grow_while_they_are_folded() {
    let _alone = run_alone();
    // A few hundred bytes with gigabytes of padding.
    let file = edited_with_dependency("large", |graph| {
        graph.initializer.push(weight("small", &[1], vec![1.0]));
        graph.initializer.push(integers("pads", vec![0, 1 << 31]));
        graph.node.push(node("Pad", &["small", "pads"], "large", &[]));
    });
    assert!(file.len() < 700);
    assert_refused("a pad of gigabytes", &file, "constants");

    // A constant that is doubled 30 times.
    let file = edited_with_dependency("grows30", |graph| {
        graph.initializer.push(weight("grows0", &[64], vec![1.0; 64]));
        for step in 0..30 {
            let name = format!("grows{step}");
            graph.node.push(node("Concat", &[&name, &name], &format!("grows{}", step + 1), &[("axis", 0)]));
        }
    });
    assert_refused("a constant that is doubled", &file, "constants");

    // A column and a row of 40 kB each, broadcast to a table of 400 MB.
    let file = edited_with_dependency("table", |graph| {
        graph.initializer.push(weight("column", &[10_000, 1], vec![1.0; 10_000]));
        graph.initializer.push(weight("row", &[1, 10_000], vec![1.0; 10_000]));
        graph.node.push(node("Add", &["column", "row"], "table", &[]));
    });
    assert_refused("a broadcast table", &file, "constants");
}

#[test]
fn matrix_products_of_constants_are_refused() {
    let _alone = run_alone();
    let file = edited_with_dependency("a500", |graph| {
        let side = 1_000;
        graph.initializer.push(weight("a0", &[side, side], vec![0.001; (side * side) as usize]));
        for step in 0..500 {
            let name = format!("a{step}");
            graph.node.push(node("MatMul", &[&name, &name], &format!("a{}", step + 1), &[]));
        }
    });
    assert_refused("a matrix to the power of 2^500", &file, "constants");
}

#[test]
fn a_window_with_too_much_work_is_refused() {
    let _alone = run_alone();
    // Each layer has as many filters as the size of a file allows, over every sample.
    let width = 1_500_usize;
    let filters =
        |name: &str, inputs: usize| weight(name, &[width as i64, inputs as i64, 1], vec![0.0; width * inputs]);
    let file = edited(|graph| {
        graph.initializer.push(integers("axes", vec![1]));
        graph.node = vec![node("Unsqueeze", &["waveform", "axes"], "c0", &[])];
        for layer in 0..6 {
            let name = format!("w{layer}");
            graph.initializer.push(filters(&name, if layer == 0 { 1 } else { width }));
            graph.node.push(node("Conv", &[&format!("c{layer}"), &name], &format!("c{}", layer + 1), &[]));
        }
        graph.node.push(node("ReduceMean", &["c6"], "probabilities", &[("axes", 2), ("keepdims", 0)]));
        graph.output = vec![tensor("probabilities", &[1, width as i64])];
    });
    let error = load("a wide network without strides", &file);
    assert!(error.is_some_and(|error| error.contains("for each window") || error.contains("tags")));
}

#[test]
fn tensors_as_large_as_a_value_says_are_refused() {
    let _alone = run_alone();
    let operators: [(&str, &[&str]); 9] = [
        ("ConstantOfShape", &["sizes"]),
        ("Expand", &["one", "sizes"]),
        ("Tile", &["ones", "sizes"]),
        ("Range", &["zero", "size", "step"]),
        ("OneHot", &["zeros", "sizes", "ones_of_two"]),
        ("HannWindow", &["size"]),
        ("HammingWindow", &["size"]),
        ("BlackmanWindow", &["size"]),
        ("Resize", &["ones", "", "", "sizes"]),
    ];
    let with_size = |operator: &str, inputs: &[&str], size: i64| {
        edited_with_dependency("made", |graph| {
            graph.initializer.extend([
                integers("sizes", vec![size]),
                scalar("size", size),
                scalar("zero", 0),
                scalar("step", 1),
                integers("zeros", vec![0; 4]),
                weight("one", &[1], vec![1.0]),
                weight("ones", &[4], vec![1.0; 4]),
                weight("ones_of_two", &[2], vec![0.0, 1.0]),
            ]);
            graph.node.push(node(operator, inputs, "whole", &[]));
            graph.node.push(node("Cast", &["whole"], "made", &[("to", 1)]));
        })
    };
    // A hundred times the square of the window's length, computed from the shape of the waveform.
    let of_the_window = |operator: &str, inputs: &[&str]| {
        let mut model = ModelProto::decode(&*with_size(operator, inputs, 4)).unwrap();
        let graph = model.graph.as_mut().unwrap();
        graph.initializer.retain(|tensor| !["size", "sizes"].contains(&tensor.name.as_str()));
        graph.initializer.extend([integers("axis", vec![0]), integers("hundred", vec![100])]);
        let computed = [
            node("Shape", &["waveform"], "shape", &[]),
            node("ReduceProd", &["shape"], "samples", &[("keepdims", 1)]),
            node("Mul", &["samples", "samples"], "square", &[]),
            node("Mul", &["square", "hundred"], "sizes", &[]),
            node("Squeeze", &["sizes", "axis"], "size", &[]),
        ];
        graph.node.splice(0..0, computed);
        bytes(&model)
    };
    for (operator, inputs) in operators {
        assert_eq!(load(&format!("{operator} of 4 values"), &with_size(operator, inputs, 4)), None);
        assert_refused(&format!("{operator} of 2^30 values"), &with_size(operator, inputs, 1 << 30), "");
        assert_refused(&format!("{operator} of the window's length"), &of_the_window(operator, inputs), "constants");
    }
}
