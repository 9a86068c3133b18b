//! What a graph would compute, known before tract computes any of it.
//!
//! tract evaluates whatever depends on constants alone while it reads a graph, and learns how large
//! the result is by making it. Here each operator's own rules for shapes, which compute nothing, are
//! gone through first; only what is small is evaluated, since other shapes may depend on it.

use super::{ModelError, check, one_line};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::Cost;
use tract_onnx::tract_hir::infer::{Factoid as _, InferenceFact, InferenceModel};

/// Elements of all tensors together that a graph computes for a window: half a gigabyte, were all
/// of them kept at once.
const MAX_COMPUTED: u64 = 128 << 20;
/// Elements of all tensors together that depend on constants alone.
const MAX_CONSTANT: u64 = 8 << 20;
/// What is evaluated here, as a shape or a list of axes may depend on it: elements of a tensor.
const SMALL: u64 = 4_096;
/// Multiplications a window: some seconds of a core.
const MAX_WORK: u64 = 30_000_000_000;

/// Operators that multiply more than they hold; exporters leave none between constants.
const COSTLY: &[&str] = &["Conv", "MatMul", "Gemm", "EinSum", "LSTM", "GRU", "Scan", "LayerNorm"];

fn volume(fact: &InferenceFact) -> Option<u64> {
    let dims = fact.shape.as_concrete_finite().ok()??;
    dims.iter().try_fold(1_u64, |volume, dim| volume.checked_mul(*dim as u64))
}

/// Checks, of a graph whose input has its shape, that nothing is computed of constants that is large
/// or laborious.
///
/// # Errors
/// [`ModelError::Refused`], with the reason.
pub(super) fn check_constants(model: &InferenceModel) -> Result<(), ModelError> {
    let refused = |error: TractError| ModelError::Refused(one_line(&error));
    let refuse = |what: &str| Err(ModelError::Refused(what.into()));
    let mut model = model.clone();
    let inputs: Vec<usize> = model.inputs.iter().map(|outlet| outlet.node).collect();
    let mut constant = vec![true; model.nodes.len()];
    let mut held = 0;
    for id in model.eval_order().map_err(refused)? {
        let node = &model.nodes[id];
        if inputs.contains(&id) {
            constant[id] = false;
            continue;
        }
        constant[id] = node.inputs.iter().all(|input| constant[input.node]);
        let (before, after) = model.node_facts(id).map_err(refused)?;
        let (before, after): (TVec<_>, TVec<_>) =
            (before.into_iter().cloned().collect(), after.into_iter().cloned().collect());
        let node = &mut model.nodes[id];
        let none: TVec<&InferenceFact> = tvec!();
        let known = node.op.infer_facts(before.iter().collect(), after.iter().collect(), none).map_err(refused)?;
        let (before, mut after, _) = known;
        if constant[id] && !node.inputs.is_empty() {
            for fact in &after {
                let Some(volume) = volume(fact) else {
                    return refuse("it computes something of constants whose size is not fixed");
                };
                held += volume;
            }
            if held > MAX_CONSTANT || after.iter().any(|fact| volume(fact) > Some(check::MAX_ELEMENTS)) {
                return refuse("it computes tensors of constants that are too large");
            }
            if COSTLY.iter().any(|name| node.op.name().contains(name)) {
                return refuse("it multiplies constants with each other; export it with constants folded");
            }
            let values: Option<TVec<TValue>> = before
                .iter()
                .map(|fact| {
                    fact.value.concretize().filter(|value| value.len() as u64 <= SMALL).map(|value| value.into_tvalue())
                })
                .collect();
            let small = after.iter().all(|fact| volume(fact) <= Some(SMALL));
            if let Some(values) = values.filter(|_| small)
                && let Some(values) = node.op.eval_out_of_plan(values).map_err(refused)?
            {
                after = values.into_iter().map(|value| value.into_tensor().into()).collect();
            }
        }
        for (slot, fact) in after.into_iter().enumerate().take(node.outputs.len()) {
            model.nodes[id].outputs[slot].fact = fact;
        }
    }
    Ok(())
}

/// Checks that nothing a graph computes is larger than allowed, nor all of it together, and that it
/// does not multiply for longer than anyone would wait.
///
/// # Errors
/// [`ModelError::Refused`], with the reason.
pub(super) fn check_work(model: &TypedModel) -> Result<(), ModelError> {
    let refuse = |what: &str| Err(ModelError::Refused(what.into()));
    let size = |fact: &TypedFact| {
        let dims = fact.shape.as_concrete()?;
        dims.iter().try_fold(1_u64, |volume, dim| volume.checked_mul(*dim as u64))
    };
    let (mut computed, mut work) = (0_u64, 0_u64);
    for node in model.nodes() {
        for outlet in &node.outputs {
            match size(&outlet.fact) {
                Some(volume) if volume <= check::MAX_ELEMENTS => computed += volume,
                _ => return refuse("it computes tensors that are too large or of no fixed size"),
            }
        }
        let facts = model.node_input_facts(node.id).map_err(|error| ModelError::Refused(one_line(&error)))?;
        let costs = node.op.cost(&facts).map_err(|error| ModelError::Refused(one_line(&error)))?;
        for (cost, count) in costs {
            if matches!(cost, Cost::FMA(_) | Cost::Div(_)) {
                let count = count.to_i64().ok().and_then(|count| u64::try_from(count).ok());
                work = work.saturating_add(count.unwrap_or(u64::MAX));
            }
        }
    }
    if computed > MAX_COMPUTED {
        return refuse("it computes too much for each window");
    }
    if work > MAX_WORK {
        return refuse("it multiplies too much for each window");
    }
    Ok(())
}
