//! Converts the stored weights of a graph to single precision, which everything is computed in.
//!
//! Exporters write half precision to make a file smaller, and double precision by accident. tract computes both
//! slowly or not at all. A Cast that widens a stored tensor is left out then, so that a network whose weights are in
//! half precision slides like any other.

use super::ModelError;
use super::validation::MAX_ELEMENTS;
use half::{bf16, f16};
use std::collections::{HashMap, HashSet};
use tract_onnx::pb::{GraphProto, TensorProto, tensor_proto::DataType, type_proto};

/// The other floating-point types, by their numbers in ONNX.
const FLOAT_TYPES: [DataType; 3] = [DataType::Float16, DataType::Bfloat16, DataType::Double];

/// Attributes whose value is the number of a type.
const TYPE_ATTRIBUTES: [&str; 2] = ["to", "dtype"];

/// Converts all stored floating-point tensors, all types that nodes name, and the types of the inputs.
///
/// # Errors
/// [`ModelError::Refused`] if the converted weights would be too large, are incomplete or not finite.
pub(super) fn convert(graph: &mut GraphProto) -> Result<(), ModelError> {
    let mut elements = 0;
    for tensor in &mut graph.initializer {
        convert_tensor(tensor, &mut elements)?;
    }
    for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
        for tensor in attribute.t.iter_mut().chain(&mut attribute.tensors) {
            convert_tensor(tensor, &mut elements)?;
        }
        if TYPE_ATTRIBUTES.contains(&attribute.name.as_str()) && is_other_float(attribute.i as i32) {
            attribute.i = DataType::Float as i64;
        }
    }
    for value in &mut graph.input {
        if let Some(type_proto::Value::TensorType(tensor)) = value.r#type.as_mut().and_then(|kind| kind.value.as_mut())
            && is_other_float(tensor.elem_type)
        {
            tensor.elem_type = DataType::Float as i32;
        }
    }
    remove_casts(graph);
    Ok(())
}

/// Removes each Cast of a stored tensor to the precision that it has now.
fn remove_casts(graph: &mut GraphProto) {
    let float = DataType::Float as i32;
    let is_float = |tensor: &&TensorProto| tensor.data_type == float;
    let stored: HashSet<String> = graph.initializer.iter().filter(is_float).map(|tensor| tensor.name.clone()).collect();
    let outputs: HashSet<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    let mut renamed: HashMap<String, String> = HashMap::new();
    graph.node.retain(|node| {
        let is_to_float =
            node.attribute.iter().any(|attribute| attribute.name == "to" && attribute.i == i64::from(float));
        let ([input], [output]) = (&node.input[..], &node.output[..]) else { return true };
        let is_removed = node.op_type == "Cast" && is_to_float && stored.contains(input) && !outputs.contains(output);
        if is_removed {
            renamed.insert(output.clone(), input.clone());
        }
        !is_removed
    });
    for input in graph.node.iter_mut().flat_map(|node| &mut node.input) {
        if let Some(stored) = renamed.get(input) {
            input.clone_from(stored);
        }
    }
}

fn is_other_float(data_type: i32) -> bool {
    FLOAT_TYPES.iter().any(|other| *other as i32 == data_type)
}

/// Converts a tensor, whose size has been checked. `elements` counts those of all converted tensors.
fn convert_tensor(tensor: &mut TensorProto, elements: &mut u64) -> Result<(), ModelError> {
    let Some(data_type) = FLOAT_TYPES.into_iter().find(|other| *other as i32 == tensor.data_type) else {
        return Ok(());
    };
    let refuse = |what: &str| Err(ModelError::Refused(what.into()));
    let count: u64 = tensor.dims.iter().map(|dim| dim.unsigned_abs()).product();
    *elements += count;
    if *elements > MAX_ELEMENTS {
        return refuse("its weights in half or double precision are too large; export it in single precision");
    }
    let (halves, []) = tensor.raw_data.as_chunks::<2>() else {
        return refuse("its weights are incomplete; export it again");
    };
    // Without raw data, the bits of half-precision values are in the integers.
    let bits: Vec<u16> = match halves {
        [] => tensor.int32_data.iter().map(|bits| *bits as u16).collect(),
        halves => halves.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect(),
    };
    let values: Vec<f32> = match data_type {
        DataType::Float16 => bits.into_iter().map(|bits| f16::from_bits(bits).to_f32()).collect(),
        DataType::Bfloat16 => bits.into_iter().map(|bits| bf16::from_bits(bits).to_f32()).collect(),
        _ if tensor.raw_data.is_empty() => tensor.double_data.iter().map(|value| *value as f32).collect(),
        _ => {
            let doubles = tensor.raw_data.chunks_exact(8);
            doubles.filter_map(|bytes| Some(f64::from_le_bytes(bytes.try_into().ok()?) as f32)).collect()
        }
    };
    if values.len() as u64 != count {
        return refuse("its weights are incomplete; export it again");
    }
    if !values.iter().all(|value| value.is_finite()) {
        return refuse("its weights are not finite in single precision; export it in single precision");
    }
    *tensor = TensorProto {
        dims: std::mem::take(&mut tensor.dims),
        data_type: DataType::Float as i32,
        name: std::mem::take(&mut tensor.name),
        raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ..TensorProto::default()
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(data_type: DataType, edit: impl FnOnce(&mut TensorProto)) -> Result<Vec<f32>, ModelError> {
        let mut tensor = TensorProto { dims: vec![2], data_type: data_type as i32, ..TensorProto::default() };
        edit(&mut tensor);
        convert_tensor(&mut tensor, &mut 0)?;
        assert_eq!((tensor.data_type, &tensor.dims[..]), (DataType::Float as i32, &[2][..]));
        Ok(tensor.raw_data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect())
    }

    #[test]
    fn values_keep_their_value_in_every_encoding() {
        let half = [f16::from_f32(0.5), f16::from_f32(-2.0)];
        let brain = [bf16::from_f32(0.5), bf16::from_f32(-2.0)];
        let expected = vec![0.5, -2.0];
        let raw = |bytes: Vec<u8>| move |tensor: &mut TensorProto| tensor.raw_data = bytes;
        let bits = |bits: [u16; 2]| move |tensor: &mut TensorProto| tensor.int32_data = bits.map(i32::from).to_vec();
        let (half, brain) = (half.map(f16::to_bits), brain.map(bf16::to_bits));
        let bytes = |bits: [u16; 2]| bits.iter().flat_map(|bits| bits.to_le_bytes()).collect::<Vec<u8>>();
        assert_eq!(converted(DataType::Float16, raw(bytes(half))).unwrap(), expected);
        assert_eq!(converted(DataType::Float16, bits(half)).unwrap(), expected);
        assert_eq!(converted(DataType::Bfloat16, raw(bytes(brain))).unwrap(), expected);
        assert_eq!(converted(DataType::Bfloat16, bits(brain)).unwrap(), expected);
        let doubles = [0.5_f64, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(converted(DataType::Double, raw(doubles)).unwrap(), expected);
        assert_eq!(converted(DataType::Double, |tensor| tensor.double_data = vec![0.5, -2.0]).unwrap(), expected);
    }

    #[test]
    fn incomplete_and_infinite_weights_are_refused() {
        for bytes in [vec![], vec![0; 2], vec![0; 3], vec![0; 6]] {
            assert!(converted(DataType::Float16, |tensor| tensor.raw_data = bytes).is_err());
        }
        let infinite = f16::INFINITY.to_bits().to_le_bytes().repeat(2);
        assert!(converted(DataType::Float16, |tensor| tensor.raw_data = infinite).is_err());
        assert!(converted(DataType::Double, |tensor| tensor.double_data = vec![1e300, 0.0]).is_err());
    }
}
