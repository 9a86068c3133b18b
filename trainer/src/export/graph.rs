//! A builder for ONNX graphs.

use prost::Message as _;
use tagvane_engine::Metadata;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto, tensor_proto, tensor_shape_proto, type_proto,
};

/// Version of ONNX's operator set.
const OPSET: i64 = 17;
/// Version of ONNX's file format, which belongs to the operator set.
const IR_VERSION: i64 = 8;

/// Nodes and weights, in the order in which they are added.
#[derive(Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<NodeProto>,
    pub(crate) initializers: Vec<TensorProto>,
}

/// The weights of a GRU, in ONNX's order of gates: update, reset, new. Output-major.
pub(crate) struct GruWeights {
    /// Of the input, `[3 size, inputs]`.
    pub(crate) input: Vec<f32>,
    /// Of the state, `[3 size, size]`.
    pub(crate) hidden: Vec<f32>,
    /// Of the input, then of the state, `[6 size]`.
    pub(crate) bias: Vec<f32>,
}

/// An attribute of a node.
pub(crate) enum Attribute<'a> {
    Int(i64),
    Ints(&'a [usize]),
    Text(&'a str),
}

impl Graph {
    /// Adds a node with one output and returns the output's name.
    pub(crate) fn add_node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Attribute<'_>)],
    ) -> String {
        self.add_node_with_outputs(operator, inputs, &[output], attributes);
        output.into()
    }

    /// Adds a node with several outputs. An empty name omits an optional output.
    pub(crate) fn add_node_with_outputs(
        &mut self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[(&str, Attribute<'_>)],
    ) {
        let attribute = |(name, value): &(&str, Attribute<'_>)| {
            let mut proto = AttributeProto { name: (*name).into(), ..Default::default() };
            match value {
                Attribute::Int(value) => {
                    proto.r#type = attribute_proto::AttributeType::Int as i32;
                    proto.i = *value;
                }
                Attribute::Ints(values) => {
                    proto.r#type = attribute_proto::AttributeType::Ints as i32;
                    proto.ints = values.iter().map(|value| *value as i64).collect();
                }
                Attribute::Text(text) => {
                    proto.r#type = attribute_proto::AttributeType::String as i32;
                    proto.s = text.as_bytes().to_vec();
                }
            }
            proto
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        self.nodes.push(NodeProto {
            name: outputs.iter().find(|name| !name.is_empty()).map_or(String::new(), |name| format!("to {name}")),
            op_type: operator.into(),
            input: names(inputs),
            output: names(outputs),
            attribute: attributes.iter().map(attribute).collect(),
            ..Default::default()
        });
    }

    /// Adds weights as an initializer and returns their name.
    pub(crate) fn add_weights(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.add_initializer(name, shape, tensor_proto::DataType::Float, raw)
    }

    /// Adds a constant list of integers as an initializer and returns its name.
    pub(crate) fn add_integers(&mut self, name: &str, values: &[i64]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.add_initializer(name, &[values.len()], tensor_proto::DataType::Int64, raw)
    }

    fn add_initializer(
        &mut self,
        name: &str,
        shape: &[usize],
        data_type: tensor_proto::DataType,
        raw: Vec<u8>,
    ) -> String {
        self.initializers.push(TensorProto {
            name: name.into(),
            dims: shape.iter().map(|dim| *dim as i64).collect(),
            data_type: data_type as i32,
            raw_data: raw,
            ..Default::default()
        });
        name.into()
    }

    /// Adds the power spectrogram `[batch, bins, frames]` of a signal `[batch, 1, samples]` and returns
    /// its name. `filters` names the filters of the Fourier transform, cosines before sines; `hop` is
    /// in samples; `before` and `after` count zeros around the signal.
    pub(crate) fn add_power_spectrogram(
        &mut self,
        input: &str,
        filters: &str,
        (frame, bins): (usize, usize),
        (hop, before, after): (usize, usize, usize),
        name: &str,
    ) -> String {
        let part = |part: &str| format!("{name}.{part}");
        let attributes = [
            ("kernel_shape", Attribute::Ints(&[frame])),
            ("strides", Attribute::Ints(&[hop])),
            ("pads", Attribute::Ints(&[before, after])),
        ];
        let spectrum = self.add_node("Conv", &[input, filters], &part("spectrum"), &attributes);
        let halves = self.add_integers(&part("halves"), &[bins as i64; 2]);
        let (real, imaginary) = (part("real"), part("imaginary"));
        self.add_node_with_outputs(
            "Split",
            &[&spectrum, &halves],
            &[&real, &imaginary],
            &[("axis", Attribute::Int(1))],
        );
        let real = self.add_node("Mul", &[&real, &real], &part("real_squared"), &[]);
        let imaginary = self.add_node("Mul", &[&imaginary, &imaginary], &part("imaginary_squared"), &[]);
        self.add_node("Add", &[&real, &imaginary], &part("power"), &[])
    }

    /// Adds a GRU of `size` values after the signal `[frames, batch, inputs]`, with the reset gate applied after the matrix
    /// product. Returns the name of all states `[frames, batch, size]`, or of the last one `[1, batch, size]`.
    pub(crate) fn add_gru(
        &mut self,
        input: &str,
        weights: &GruWeights,
        size: usize,
        last_frame_only: bool,
        name: &str,
    ) -> String {
        let part = |part: &str| format!("{name}.{part}");
        let inputs = weights.input.len() / 3 / size;
        let input_weight = self.add_weights(&part("input.weight"), &[1, 3 * size, inputs], &weights.input);
        let hidden = self.add_weights(&part("hidden.weight"), &[1, 3 * size, size], &weights.hidden);
        let bias = self.add_weights(&part("bias"), &[1, 6 * size], &weights.bias);
        let (all, last) = (part("all"), part("last"));
        let outputs: &[&str] = if last_frame_only { &["", last.as_str()] } else { &[all.as_str()] };
        let attributes = [
            ("hidden_size", Attribute::Int(size as i64)),
            ("linear_before_reset", Attribute::Int(1)),
            ("direction", Attribute::Text("forward")),
        ];
        self.add_node_with_outputs("GRU", &[input, &input_weight, &hidden, &bias], outputs, &attributes);
        if last_frame_only { last } else { self.add_squeeze(&all, 1, &part("states")) }
    }

    /// The bytes of an ONNX file. The input and each output have a name and a number of floats per
    /// batch row.
    pub(crate) fn into_model_bytes(
        self,
        name: String,
        input: (&str, usize),
        outputs: &[(&str, usize)],
        metadata: &Metadata,
    ) -> Vec<u8> {
        let graph = GraphProto {
            name,
            input: vec![tensor_type(input.0, input.1)],
            output: outputs.iter().map(|(name, size)| tensor_type(name, *size)).collect(),
            node: self.nodes,
            initializer: self.initializers,
            ..Default::default()
        };
        let metadata = Metadata { window: Some(input.1), ..metadata.clone() };
        let property = |(key, value): (&str, String)| StringStringEntryProto { key: key.into(), value };
        let model = ModelProto {
            ir_version: IR_VERSION,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
            producer_name: "tagvane-trainer".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            graph: Some(graph),
            metadata_props: metadata.to_properties().into_iter().map(property).collect(),
            ..Default::default()
        };
        model.encode_to_vec()
    }

    /// Inserts an axis of length one and returns the output's name.
    pub(crate) fn add_unsqueeze(&mut self, input: &str, axis: i64, output: &str) -> String {
        let axes = self.add_integers(&format!("{output}.axis"), &[axis]);
        self.add_node("Unsqueeze", &[input, &axes], output, &[])
    }

    /// Removes an axis of length one and returns the output's name.
    pub(crate) fn add_squeeze(&mut self, input: &str, axis: i64, output: &str) -> String {
        let axes = self.add_integers(&format!("{output}.axis"), &[axis]);
        self.add_node("Squeeze", &[input, &axes], output, &[])
    }
}

/// A float input or output of shape `[batch, size]`.
pub(super) fn tensor_type(name: &str, size: usize) -> ValueInfoProto {
    use tensor_shape_proto::{Dimension, dimension::Value as Size};
    let dimension = |value| Dimension { value: Some(value), ..Default::default() };
    let dim = vec![dimension(Size::DimParam("batch".into())), dimension(Size::DimValue(size as i64))];
    let tensor =
        type_proto::Tensor { elem_type: tensor_proto::DataType::Float as i32, shape: Some(TensorShapeProto { dim }) };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    ValueInfoProto { name: name.into(), r#type: Some(kind), ..Default::default() }
}
