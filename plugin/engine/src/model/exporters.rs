//! Adapts what exporters write differently from the ONNX standard, as ONNX Runtime accepts it.

use tract_onnx::pb::{GraphProto, NodeProto, TensorProto, tensor_proto::DataType};

/// The name of the stored shape `[batch, samples, 1]`.
const SIGNAL_SHAPE: &str = "tagvane.signal_shape";

/// Gives the signal of each `STFT` the axis of one channel, which PyTorch's exporter leaves out.
pub(super) fn adapt(graph: &mut GraphProto) {
    if !graph.node.iter().any(|node| node.op_type == "STFT") {
        return;
    }
    let shape = [0_i64, -1, 1];
    graph.initializer.push(TensorProto {
        name: SIGNAL_SHAPE.into(),
        dims: vec![shape.len() as i64],
        data_type: DataType::Int64 as i32,
        int64_data: shape.to_vec(),
        ..TensorProto::default()
    });
    let mut nodes = Vec::with_capacity(graph.node.len());
    for mut node in graph.node.drain(..) {
        if node.op_type == "STFT"
            && let Some(signal) = node.input.first_mut()
        {
            let reshaped = format!("{signal}.signal{}", nodes.len());
            nodes.push(NodeProto {
                op_type: "Reshape".into(),
                input: vec![std::mem::replace(signal, reshaped.clone()), SIGNAL_SHAPE.into()],
                output: vec![reshaped],
                ..NodeProto::default()
            });
        }
        nodes.push(node);
    }
    graph.node = nodes;
}
