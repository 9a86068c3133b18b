"""Measures full windows in ONNX Runtime on one thread, with the 1-D convolutions of the file
(conv1d), or with the same convolutions in 2-D over inputs of height 1 (conv2d). Prints the median
milliseconds of the thread as a line of JSON."""
import json
import sys
import time

import numpy
import onnx
import onnxruntime
from onnx import helper, numpy_helper


def widen(graph):
    """Stores weights in half precision as single ones, in the place of the Casts after them, which ONNX Runtime folds too."""
    halves = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT16}
    casts = [node for node in graph.node if node.op_type == "Cast" and node.input[0] in halves]
    for cast in casts:
        tensor = halves[cast.input[0]]
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype("float32"), cast.output[0]))
        graph.node.remove(cast)


def to_conv2d(model):
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type in ("Conv", "MaxPool"):
            for attribute in node.attribute:
                if attribute.name in ("kernel_shape", "strides", "dilations"):
                    attribute.ints[:] = [1, *attribute.ints]
                elif attribute.name == "pads":
                    attribute.ints[:] = [0, attribute.ints[0], 0, attribute.ints[1]]
        if node.op_type == "Conv":
            weight = weights[node.input[1]]
            array = numpy_helper.to_array(weight)[:, :, None, :]
            weight.CopyFrom(numpy_helper.from_array(array, weight.name))
        nodes.append(node)
        if node.op_type == "Unsqueeze":
            name = node.output[0]
            node.output[0] = name + "_1d"
            nodes.append(helper.make_node("Unsqueeze", [name + "_1d", "height_axis"], [name]))
            graph.initializer.append(numpy_helper.from_array(numpy.array([2]), "height_axis"))
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]
    return model


file, form, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
model = onnx.load(file)
widen(model.graph)
if form == "conv2d":
    model = to_conv2d(model)
    onnx.checker.check_model(model)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
feed = session.get_inputs()[0]
window = numpy.random.default_rng(2).uniform(-0.5, 0.5, (1, feed.shape[1])).astype("float32")
measured = []
for _ in range(times):
    start = time.thread_time()
    session.run(["probabilities"], {feed.name: window})
    measured.append(time.thread_time() - start)
print(json.dumps({"milliseconds": float(numpy.median(measured)) * 1e3}))
