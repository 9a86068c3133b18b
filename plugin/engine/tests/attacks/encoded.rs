//! Files whose encoded bytes decode to far more memory.

use super::{assert_refused, run_alone};

/// A length-delimited field of protobuf.
fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut bytes);
    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
    bytes.extend_from_slice(content);
    bytes
}

#[test]
fn millions_of_small_fields_are_refused() {
    let _alone = run_alone();
    // An empty message takes two bytes.
    for (name, number) in [("nodes", 1), ("initializers", 5), ("inputs", 11), ("outputs", 12), ("values", 13)] {
        let graph: Vec<u8> = field(number, &[]).repeat(10_000_000);
        assert_refused(&format!("ten million empty {name}"), &field(7, &graph), "too many fields");
    }
    // Parts that a model has no use for, and that are refused once they are decoded: functions, training graphs,
    // annotations and sparse tensors were not counted.
    for (name, file) in [
        ("nodes of a function", field(25, &field(7, &[]).repeat(10_000_000))),
        ("inputs of a function", field(25, &field(4, &[]).repeat(10_000_000))),
        ("nodes of a training graph", field(20, &field(1, &field(1, &[]).repeat(10_000_000)))),
        ("bindings of a training", field(20, &field(3, &[]).repeat(10_000_000))),
        ("annotations", field(7, &field(14, &[]).repeat(10_000_000))),
        ("names of an annotation", field(7, &field(14, &field(2, &[]).repeat(10_000_000)))),
        ("sparse weights", field(7, &field(15, &[]).repeat(10_000_000))),
        ("sparse tensors of an attribute", field(7, &field(1, &field(5, &field(23, &[]).repeat(10_000_000))))),
        ("types of an attribute", field(7, &field(1, &field(5, &field(15, &[]).repeat(10_000_000))))),
    ] {
        assert_refused(&format!("ten million {name}"), &file, "too many fields");
    }
    let dims = field(15, &field(3, &vec![1; 60 << 20]));
    assert_refused("a sparse tensor with sixty million dimensions", &field(7, &dims), "too many fields");
    let names: Vec<u8> = field(1, b"a").repeat(5_000_000);
    assert_refused("a node with five million inputs", &field(7, &field(1, &names)), "too many fields");
    let dims = vec![1; 60 << 20];
    assert_refused("a tensor with sixty million dimensions", &field(7, &field(5, &field(1, &dims))), "too many fields");
    let properties: Vec<u8> = field(14, &[]).repeat(10_000_000);
    assert_refused("ten million properties", &properties, "too many fields");
}

#[test]
fn deep_nesting_is_refused() {
    let _alone = run_alone();
    // A graph in an attribute of a node of a graph, 5000 times.
    let mut graph: Vec<u8> = Vec::new();
    for _ in 0..5_000 {
        graph = field(1, &field(5, &field(6, &graph)));
    }
    assert_refused("graphs in graphs", &field(7, &graph), "deep");
    // Groups, a deprecated part of protobuf.
    let groups = [vec![0x0b; 200_000], vec![0x0c; 200_000]].concat();
    assert_refused("groups in groups", &groups, "");
}
