//! Limits on what a graph computes, checked before tract computes it.
//!
//! While tract loads a graph, it folds constants: it evaluates every node that depends on constants
//! alone, and knows the size of the result only afterwards. The checks here infer the shapes first by
//! each operator's own rules. They evaluate only small tensors, because other shapes may depend on them.

use super::{ModelError, one_line, validation};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::Cost;
use tract_onnx::tract_hir::infer::{Factoid as _, InferenceFact, InferenceModel};

/// The most elements of all tensors that a graph computes for a window: half a gigabyte of floats.
const MAX_ELEMENTS_PER_WINDOW: u64 = 128 << 20;

/// The most elements of all tensors that depend on constants alone.
const MAX_CONSTANT_ELEMENTS: u64 = 8 << 20;

/// The most elements of a tensor that is evaluated here: enough for a shape or a list of axes.
const MAX_EVALUATED_ELEMENTS: u64 = 4_096;

/// The most multiplications and divisions per window: some seconds of a core.
const MAX_MULTIPLICATIONS: u64 = 30_000_000_000;

/// Operators whose work exceeds the size of their output. Exporters fold them if all inputs are
/// constants.
const COSTLY: &[&str] = &["Conv", "MatMul", "Gemm", "EinSum", "LSTM", "GRU", "RNN", "Scan", "LayerNorm", "Dft", "STFT"];

/// The number of elements of a tensor; `None` if its shape is not known.
fn volume(fact: &InferenceFact) -> Option<u64> {
    let dims = fact.shape.as_concrete_finite().ok()??;
    dims.iter().try_fold(1_u64, |volume, dim| volume.checked_mul(*dim as u64))
}

/// Checks that constant folding is cheap. The shape of the graph's input must be set.
///
/// # Errors
/// [`ModelError::Refused`] with the reason.
pub(super) fn check_constants(model: &InferenceModel) -> Result<(), ModelError> {
    let refused = |error: TractError| ModelError::Refused(one_line(&error));
    let refuse = |what: &str| Err(ModelError::Refused(what.into()));
    let mut model = model.clone();
    let graph_inputs: Vec<usize> = model.inputs.iter().map(|outlet| outlet.node).collect();
    let mut is_constant = vec![true; model.nodes.len()];
    let mut constant_elements = 0;
    for id in model.eval_order().map_err(refused)? {
        let node = &model.nodes[id];
        if graph_inputs.contains(&id) {
            is_constant[id] = false;
            continue;
        }
        is_constant[id] = node.inputs.iter().all(|input| is_constant[input.node]);
        let (inputs, outputs) = model.node_facts(id).map_err(refused)?;
        let (inputs, outputs): (TVec<_>, TVec<_>) =
            (inputs.into_iter().cloned().collect(), outputs.into_iter().cloned().collect());
        let node = &mut model.nodes[id];
        let observed: TVec<&InferenceFact> = tvec!();
        let inferred =
            node.op.infer_facts(inputs.iter().collect(), outputs.iter().collect(), observed).map_err(refused)?;
        let (inputs, mut outputs, _) = inferred;
        // The shape of the waveform is known, so tract folds what depends on it alone.
        is_constant[id] |= outputs.iter().all(|fact| fact.value.concretize().is_some());
        if is_constant[id] && !node.inputs.is_empty() {
            for fact in &outputs {
                let Some(volume) = volume(fact) else {
                    return refuse(
                        "it computes a tensor of unknown size from constants; export it with constants folded",
                    );
                };
                constant_elements += volume;
            }
            let is_too_large = |fact: &InferenceFact| volume(fact) > Some(validation::MAX_ELEMENTS);
            if constant_elements > MAX_CONSTANT_ELEMENTS || outputs.iter().any(is_too_large) {
                return refuse(
                    "the tensors that it computes from constants are too large; export it with constants folded",
                );
            }
            if COSTLY.iter().any(|name| node.op.name().contains(name)) {
                return refuse("it multiplies constants with each other; export it with constants folded");
            }
            let is_small = |elements: u64| elements <= MAX_EVALUATED_ELEMENTS;
            let value_of = |fact: &InferenceFact| {
                fact.value.concretize().filter(|value| is_small(value.len() as u64)).map(|value| value.into_tvalue())
            };
            let values: Option<TVec<TValue>> = inputs.iter().map(value_of).collect();
            let has_small_outputs = outputs.iter().all(|fact| volume(fact).is_some_and(is_small));
            if let Some(values) = values.filter(|_| has_small_outputs)
                && let Some(values) = node.op.eval_out_of_plan(values).map_err(refused)?
            {
                outputs = values.into_iter().map(|value| value.into_tensor().into()).collect();
            }
        }
        for (slot, fact) in outputs.into_iter().enumerate().take(node.outputs.len()) {
            model.nodes[id].outputs[slot].fact = fact;
        }
    }
    Ok(())
}

/// Checks the memory and the multiplications that a window takes.
///
/// # Errors
/// [`ModelError::Refused`] with the reason.
pub(super) fn check_work(model: &TypedModel) -> Result<(), ModelError> {
    let refuse = |what: &str| Err(ModelError::Refused(what.into()));
    let size = |fact: &TypedFact| {
        let dims = fact.shape.as_concrete()?;
        dims.iter().try_fold(1_u64, |volume, dim| volume.checked_mul(*dim as u64))
    };
    let (mut elements, mut multiplications) = (0_u64, 0_u64);
    for node in model.nodes() {
        for outlet in &node.outputs {
            match size(&outlet.fact) {
                Some(volume) if volume <= validation::MAX_ELEMENTS => elements += volume,
                _ => {
                    return refuse(
                        "it computes a tensor that is too large or has no fixed size; export a smaller model",
                    );
                }
            }
        }
        let facts = model.node_input_facts(node.id).map_err(|error| ModelError::Refused(one_line(&error)))?;
        let costs = node.op.cost(&facts).map_err(|error| ModelError::Refused(one_line(&error)))?;
        for (cost, count) in costs {
            if matches!(cost, Cost::FMA(_) | Cost::Div(_)) {
                let count = count.to_i64().ok().and_then(|count| u64::try_from(count).ok());
                multiplications = multiplications.saturating_add(count.unwrap_or(u64::MAX));
            }
        }
    }
    if elements > MAX_ELEMENTS_PER_WINDOW {
        return refuse("it needs too much memory for each window");
    }
    if multiplications > MAX_MULTIPLICATIONS {
        return refuse("it needs too many multiplications for each window");
    }
    Ok(())
}
