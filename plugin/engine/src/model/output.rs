//! Selects the output of a graph that holds the tags, and finds out whether it holds probabilities or
//! logits.

use super::ModelError;
use super::background::WHITENED_EMBEDDING;
use std::collections::{HashMap, HashSet};
use tract_onnx::pb::{GraphProto, NodeProto, ValueInfoProto, tensor_shape_proto::dimension, type_proto};

/// Parts of the names of outputs that hold something else than tags.
const OTHER_OUTPUTS: &[&str] = &["embed", "feature", "hidden", "penultimate", "latent"];

/// The most values of a whitened embedding.
const MAX_EMBEDDING: usize = 1_024;

/// Operators that do not change values.
const PASS_THROUGH: &[&str] = &[
    "Cast",
    "DequantizeLinear",
    "Dropout",
    "Flatten",
    "Identity",
    "QuantizeLinear",
    "Reshape",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// Operators with results in 0..=1.
const BOUNDED: &[&str] = &["HardSigmoid", "Sigmoid", "Softmax"];

/// Operators with unbounded results: as the last operator they give logits.
const UNBOUNDED: &[&str] = &["BatchNormalization", "Conv", "Einsum", "Gemm", "MatMul"];

/// What the values of an output are, in the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ValueKind {
    Probabilities,
    Unknown,
    Logits,
}

/// The output that holds the tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TagOutput {
    pub(super) name: String,
    /// Whether it holds logits, so that the sigmoid has to be applied.
    pub(super) is_logits: bool,
}

/// Selects an output of a graph whose metadata has `tag_count` tags, 0 if none: the output called
/// `probabilities`, else one of that width. Of several, probabilities are preferred to logits.
///
/// # Errors
/// [`ModelError::Refused`] if there is no output, or none of several has that width.
pub(super) fn select_output(graph: &GraphProto, tag_count: usize) -> Result<TagOutput, ModelError> {
    let values = Values::new(graph);
    let rank = |output: &&ValueInfoProto| {
        let name = output.name.to_lowercase();
        let width = match width(output) {
            Some(width) if tag_count > 0 => usize::from(width != tag_count) * 2,
            _ => 1,
        };
        let is_other = OTHER_OUTPUTS.iter().any(|part| name.contains(part));
        (name != "probabilities", width, is_other, values.kind(&output.name))
    };
    let selected = graph.output.iter().min_by_key(rank);
    let selected = selected.ok_or_else(|| ModelError::Refused("it has no output; export it again".into()))?;
    if tag_count > 0 && graph.output.len() > 1 && width(selected).is_some_and(|width| width != tag_count) {
        return Err(no_output_of_width(tag_count));
    }
    let is_logits = values.kind(&selected.name) == ValueKind::Logits;
    Ok(TagOutput { name: selected.name.clone(), is_logits })
}

/// The name and the number of values of the output with the whitened embedding, if the graph declares one.
///
/// # Errors
/// [`ModelError::Refused`] if its width is not fixed or out of range.
pub(super) fn select_embedding(graph: &GraphProto) -> Result<Option<(String, usize)>, ModelError> {
    let Some(output) = graph.output.iter().find(|output| output.name == WHITENED_EMBEDDING) else { return Ok(None) };
    match width(output) {
        Some(width) if (1..=MAX_EMBEDDING).contains(&width) => Ok(Some((WHITENED_EMBEDDING.to_owned(), width))),
        _ => Err(ModelError::Refused(format!(
            "its output {WHITENED_EMBEDDING} has no fixed width from 1 to {MAX_EMBEDDING}; export it again"
        ))),
    }
}

/// The error that none of several outputs has the width `tag_count`.
pub(super) fn no_output_of_width(tag_count: usize) -> ModelError {
    let why = format!("it names {tag_count} tags, but none of its outputs has {tag_count} values");
    ModelError::Refused(format!("{why}; export it with an output for its tags"))
}

/// The number of values of an output for one window; `None` if it is not fixed.
fn width(output: &ValueInfoProto) -> Option<usize> {
    let Some(type_proto::Value::TensorType(tensor)) = &output.r#type.as_ref()?.value else { return None };
    let dims = &tensor.shape.as_ref()?.dim;
    // The first dimension is the batch, unless it is the only one.
    let dims = if dims.len() > 1 { &dims[1..] } else { dims };
    dims.iter().try_fold(1_usize, |width, dim| match dim.value.as_ref()? {
        dimension::Value::DimValue(size) => width.checked_mul(usize::try_from(*size).ok()?),
        dimension::Value::DimParam(_) => None,
    })
}

/// Where the values of a graph come from.
struct Values<'a> {
    /// The node that computes a value.
    producers: HashMap<&'a str, &'a NodeProto>,
    /// The values that are stored in the file.
    stored: HashSet<&'a str>,
    nodes: usize,
}

impl<'a> Values<'a> {
    fn new(graph: &'a GraphProto) -> Self {
        let producers: HashMap<_, _> =
            graph.node.iter().flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node))).collect();
        let constants = producers.iter().filter(|(_, node)| node.op_type == "Constant").map(|(name, _)| *name);
        let stored = constants.chain(graph.initializer.iter().map(|tensor| tensor.name.as_str())).collect();
        Self { producers, stored, nodes: graph.node.len() }
    }

    /// What the values of an output are, by its last operator or else by its name.
    fn kind(&self, output: &str) -> ValueKind {
        let mut name = output;
        // The graph is not yet known to be acyclic.
        for _ in 0..=self.nodes {
            let Some(node) = self.producers.get(name) else { break };
            let operator = node.op_type.as_str();
            let mut data = node.input.iter().filter(|name| !name.is_empty() && !self.stored.contains(name.as_str()));
            let is_bias = matches!(operator, "Add" | "Sub");
            if BOUNDED.contains(&operator) {
                return ValueKind::Probabilities;
            } else if UNBOUNDED.contains(&operator) {
                return ValueKind::Logits;
            } else if !PASS_THROUGH.contains(&operator) && !is_bias {
                break;
            }
            match (data.next(), data.next()) {
                (Some(only), None) => name = only,
                // The shape input of a Reshape may be computed.
                (Some(first), Some(_)) if !is_bias => name = first,
                _ => break,
            }
        }
        if output.to_lowercase().contains("logit") { ValueKind::Logits } else { ValueKind::Unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operator, inputs and output of each node.
    type Nodes<'a> = &'a [(&'a str, &'a [&'a str], &'a str)];
    use crate::support::{node, tensor};

    /// A graph from nodes (operator, inputs, output) and outputs (name, width), with the weight `w`.
    fn graph(nodes: Nodes<'_>, outputs: &[(&str, i64)]) -> GraphProto {
        GraphProto {
            node: nodes.iter().map(|(operator, inputs, output)| node(operator, inputs, output, &[])).collect(),
            output: outputs.iter().map(|(name, width)| tensor(name, &[1, *width])).collect(),
            initializer: vec![crate::support::weight("w", &[1], vec![1.0])],
            ..Default::default()
        }
    }

    #[test]
    fn the_output_with_the_width_of_the_tags_is_selected_in_any_order() {
        let nodes: Nodes<'_> = &[
            ("Relu", &["x"], "embedding"),
            ("Gemm", &["embedding", "w"], "logits"),
            ("Sigmoid", &["logits"], "activations"),
        ];
        let outputs = [("embedding", 512), ("activations", 50), ("logits", 50)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let outputs = order.map(|index| outputs[index]);
            for tag_count in [50, 0] {
                let selected = select_output(&graph(nodes, &outputs), tag_count).unwrap();
                let expected = TagOutput { name: "activations".into(), is_logits: false };
                assert_eq!(selected, expected, "{outputs:?} {tag_count}");
            }
            // The embedding, if it has the width of the tags.
            assert_eq!(select_output(&graph(nodes, &outputs), 512).unwrap().name, "embedding");
            let error = select_output(&graph(nodes, &outputs), 7).unwrap_err().to_string();
            assert!(error.contains("names 7 tags"), "{error}");
        }
    }

    #[test]
    fn the_output_called_probabilities_is_preferred() {
        let nodes: Nodes<'_> = &[("Sigmoid", &["x"], "a"), ("Concat", &["x", "x"], "probabilities")];
        let graph = graph(nodes, &[("a", 50), ("probabilities", 50)]);
        assert_eq!(select_output(&graph, 50).unwrap().name, "probabilities");
    }

    #[test]
    fn the_whitened_embedding_has_a_fixed_width_within_the_limit() {
        let of = |outputs: &[(&str, i64)]| select_embedding(&graph(&[], outputs));
        assert_eq!(of(&[("probabilities", 50), ("embedding", 512)]).unwrap(), None);
        let found = of(&[("probabilities", 50), ("whitened_embedding", 128)]).unwrap();
        assert_eq!(found, Some(("whitened_embedding".to_owned(), 128)));
        for width in [0, -1, 1_025] {
            let message = of(&[("whitened_embedding", width)]).unwrap_err().to_string();
            assert!(message.contains("no fixed width"), "{message}");
        }
    }

    #[test]
    fn an_output_of_an_unbounded_operator_holds_logits() {
        let cases: [(Nodes<'_>, &str, bool); 9] = [
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
            let selected = select_output(&graph(nodes, &[(output, 3)]), 3).unwrap();
            assert_eq!(selected.is_logits, is_logits, "{nodes:?}");
        }
        // A cycle, and an output that no node computes.
        assert!(!select_output(&graph(&[("Identity", &["out"], "out")], &[("out", 3)]), 3).unwrap().is_logits);
        assert!(!select_output(&graph(&[("Relu", &["x"], "y")], &[("out", 3)]), 3).unwrap().is_logits);
    }
}
