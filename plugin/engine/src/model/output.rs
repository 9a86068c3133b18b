//! Which of a graph's outputs has the tags, and whether it has probabilities or logits.

use super::ModelError;
use std::collections::HashMap;
use tract_onnx::pb::{GraphProto, NodeProto, ValueInfoProto, tensor_shape_proto::dimension, type_proto};

/// Parts of names that outputs with something else than tags have.
const NOT_TAGS: &[&str] = &["embed", "feature", "hidden", "penultimate", "latent"];

/// Operators that leave values as they are.
const PASSING: &[&str] = &["Cast", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"];

/// Operators whose results lie between 0 and 1.
const BOUNDED: &[&str] = &["HardSigmoid", "Sigmoid", "Softmax"];

/// Operators whose results have no bounds: what comes out last of one of these are logits.
const LINEAR: &[&str] = &["BatchNormalization", "Conv", "Gemm", "MatMul"];

/// What an output's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Probabilities,
    Unknown,
    Logits,
}

/// The output that has the tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) name: String,
    /// Its numbers have yet to go through the sigmoid.
    pub(super) is_logits: bool,
}

/// Chooses an output of a graph whose metadata names `named` tags, 0 where it names none: the one
/// called `probabilities`, else one that is as wide as the tags; among several those that end in a
/// sigmoid come first, logits last.
///
/// # Errors
/// [`ModelError::Refused`] where there is none, or none of several can be as wide.
pub(super) fn choose(graph: &GraphProto, named: usize) -> Result<Output, ModelError> {
    let makers: HashMap<&str, &NodeProto> =
        graph.node.iter().flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node))).collect();
    let rank = |output: &&ValueInfoProto| {
        let name = output.name.to_lowercase();
        let width = match width(output) {
            Some(width) if named > 0 => usize::from(width != named) * 2,
            _ => 1,
        };
        let is_other = NOT_TAGS.iter().any(|part| name.contains(part));
        (name != "probabilities", width, is_other, kind(graph, &makers, &output.name))
    };
    let chosen = graph.output.iter().min_by_key(rank);
    let chosen = chosen.ok_or_else(|| ModelError::Refused("it has no output".into()))?;
    if named > 0 && graph.output.len() > 1 && width(chosen).is_some_and(|width| width != named) {
        return Err(ModelError::Refused(format!("it names {named} tags, and none of its outputs is as wide")));
    }
    Ok(Output { name: chosen.name.clone(), is_logits: kind(graph, &makers, &chosen.name) == Kind::Logits })
}

/// The last of an output's sizes, where it is told.
fn width(output: &ValueInfoProto) -> Option<usize> {
    let Some(type_proto::Value::TensorType(tensor)) = &output.r#type.as_ref()?.value else { return None };
    match tensor.shape.as_ref()?.dim.last()?.value.as_ref()? {
        dimension::Value::DimValue(size) => usize::try_from(*size).ok(),
        dimension::Value::DimParam(_) => None,
    }
}

/// What the numbers of an output are, by the operator that they come from and by its name.
fn kind(graph: &GraphProto, makers: &HashMap<&str, &NodeProto>, output: &str) -> Kind {
    let stored = |name: &str| {
        let constant = makers.get(name).is_some_and(|node| node.op_type == "Constant");
        constant || graph.initializer.iter().any(|tensor| tensor.name == name)
    };
    let mut name = output;
    // A graph may run in a circle.
    for _ in 0..=graph.node.len() {
        let Some(node) = makers.get(name) else { break };
        let operator = node.op_type.as_str();
        let mut data = node.input.iter().filter(|name| !name.is_empty() && !stored(name));
        let bias = matches!(operator, "Add" | "Sub");
        if BOUNDED.contains(&operator) {
            return Kind::Probabilities;
        } else if LINEAR.contains(&operator) {
            return Kind::Logits;
        } else if !PASSING.contains(&operator) && !bias {
            break;
        }
        match (data.next(), data.next()) {
            (Some(only), None) => name = only,
            // The shape that a Reshape is given may be computed.
            (Some(first), Some(_)) if !bias => name = first,
            _ => break,
        }
    }
    if output.to_lowercase().contains("logit") { Kind::Logits } else { Kind::Unknown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::{node, tensor};

    /// A graph of nodes, each `operator(inputs) -> output`, with outputs and their widths.
    fn graph(nodes: &[(&str, &[&str], &str)], outputs: &[(&str, i64)]) -> GraphProto {
        GraphProto {
            node: nodes.iter().map(|(operator, inputs, output)| node(operator, inputs, output, &[])).collect(),
            output: outputs.iter().map(|(name, width)| tensor(name, &[1, *width])).collect(),
            initializer: vec![crate::support::weight("w", &[1], vec![1.0])],
            ..Default::default()
        }
    }

    #[test]
    fn the_output_as_wide_as_the_tags_is_chosen_in_any_order() {
        let nodes: &[(&str, &[&str], &str)] = &[
            ("Relu", &["x"], "embedding"),
            ("Gemm", &["embedding", "w"], "logits"),
            ("Sigmoid", &["logits"], "activations"),
        ];
        let outputs = [("embedding", 512), ("activations", 50), ("logits", 50)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let outputs = order.map(|index| outputs[index]);
            for named in [50, 0] {
                let chosen = choose(&graph(nodes, &outputs), named).unwrap();
                assert_eq!(chosen, Output { name: "activations".into(), is_logits: false }, "{outputs:?} {named}");
            }
            // The embedding, where it is as wide as the tags.
            assert_eq!(choose(&graph(nodes, &outputs), 512).unwrap().name, "embedding");
            let refused = choose(&graph(nodes, &outputs), 7).unwrap_err().to_string();
            assert!(refused.contains("names 7 tags"), "{refused}");
        }
    }

    #[test]
    fn probabilities_by_name_come_before_all() {
        let nodes: &[(&str, &[&str], &str)] = &[("Sigmoid", &["x"], "a"), ("Concat", &["x", "x"], "probabilities")];
        assert_eq!(choose(&graph(nodes, &[("a", 50), ("probabilities", 50)]), 50).unwrap().name, "probabilities");
    }

    #[test]
    fn what_ends_without_bounds_are_logits() {
        let cases: [(&[(&str, &[&str], &str)], &str, bool); 9] = [
            (&[("Gemm", &["x", "w", "w"], "out")], "out", true),
            (&[("MatMul", &["x", "w"], "a"), ("Add", &["a", "w"], "out")], "out", true),
            (&[("MatMul", &["x", "w"], "a"), ("Add", &["w", "a"], "b"), ("Identity", &["b"], "out")], "out", true),
            (&[("Conv", &["x", "w"], "a"), ("Reshape", &["a", "s"], "out")], "out", true),
            (&[("Gemm", &["x", "w"], "a"), ("Sigmoid", &["a"], "b"), ("Squeeze", &["b"], "out")], "out", false),
            (&[("Gemm", &["x", "w"], "a"), ("Softmax", &["a"], "logits")], "logits", false),
            (&[("ReduceMean", &["x"], "out")], "out", false),
            (&[("ReduceMean", &["x"], "my_logits")], "my_logits", true),
            (&[("Sigmoid", &["x"], "a"), ("Add", &["a", "a"], "out")], "out", false),
        ];
        for (nodes, output, is_logits) in cases {
            let chosen = choose(&graph(nodes, &[(output, 3)]), 3).unwrap();
            assert_eq!(chosen.is_logits, is_logits, "{nodes:?}");
        }
        // In a circle, and from nowhere.
        assert!(!choose(&graph(&[("Identity", &["out"], "out")], &[("out", 3)]), 3).unwrap().is_logits);
        assert!(!choose(&graph(&[("Relu", &["x"], "y")], &[("out", 3)]), 3).unwrap().is_logits);
    }
}
