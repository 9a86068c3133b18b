"""Exports small taggers with other people's programs, each beside what ONNX Runtime gives for it.

    python make_models.py torch FOLDER         # needs torch, onnxscript, onnx, onnxruntime
    python make_models.py tensorflow FOLDER    # needs tensorflow, tf2onnx, onnx, onnxruntime

Each NAME.onnx gets a NAME.expected.json: the window, the probabilities for the test signal, whether sliding
inference has to take it, or the words of its refusal. plugin/engine/tests/foreign_models.rs compares them.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

WINDOW = 2187
TAGS = 5
NAMES = ["drums", "guitar", "piano", "rock", "slow"]


def signal(length):
    """Noise within -0.5..0.5 that the tests generate too."""
    state, samples = 12345, np.empty(length, np.float32)
    for index in range(length):
        state = (1103515245 * state + 12345) & 0x7FFFFFFF
        samples[index] = np.float32(state / 2**31 - 0.5)
    return samples


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


class Writer:
    """Writes models and expectations to a folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, name):
        return self.folder / f"{name}.onnx"

    def save(self, name, model):
        """Saves a model without the stack traces and paths that exporters leave in it."""
        for part in [model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output]:
            part.ClearField("metadata_props")
            part.ClearField("doc_string")
        onnx.save(model, self.path(name))

    def add(self, name, model, output=0, logits=False, metadata=None, window=WINDOW, slides=False, tolerance=None):
        """Saves a model (or takes the file of this name) with what one of its outputs gives."""
        path = self.path(name)
        model = onnx.load(path) if model is None else model
        for key, value in (metadata or {}).items():
            model.metadata_props.add(key=key, value=value)
        self.save(name, model)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        source = session.get_inputs()[0]
        shape = [1] * len(source.shape)
        # The last axis has the samples, unless it has the only channel.
        shape[-2 if len(shape) == 3 and source.shape[-1] == 1 else -1] = window
        kind = {"tensor(float16)": np.float16, "tensor(double)": np.float64}.get(source.type, np.float32)
        names = [result.name for result in session.get_outputs()]
        name_of_output = names[output] if isinstance(output, int) else output
        values = session.run([name_of_output], {source.name: signal(window).reshape(shape).astype(kind)})[0]
        values = np.ravel(values).astype(np.float64)
        expected = {"window": window, "probabilities": (sigmoid(values) if logits else values).round(7).tolist()}
        if slides:
            expected["slides"] = True
        if tolerance:
            expected["tolerance"] = tolerance
        self.expect(name, expected)

    def refuse(self, name, model, words):
        """Saves a model that is refused with these words."""
        self.save(name, onnx.load(self.path(name)) if model is None else model)
        self.expect(name, {"refused": words})

    def expect(self, name, expected):
        (self.folder / f"{name}.expected.json").write_text(json.dumps(expected) + "\n")
        print(f"{name}: {self.path(name).stat().st_size} bytes")


def tags_metadata(names=NAMES):
    return {"tags": json.dumps(names), "sample_rate": "16000"}


def make_torch(writer):
    import torch
    from torch import nn

    torch.manual_seed(1)
    functional = nn.functional

    def export(name, network, shape=(1, WINDOW), dynamo=False, opset=17, dynamic=None, outputs=("tags",), dtype=None,
               **expected):
        network.eval()
        wave = torch.from_numpy(signal(int(np.prod(shape)))).reshape(shape)
        wave = wave.to(dtype) if dtype else wave
        options = {"input_names": ["wave"], "output_names": list(outputs), "opset_version": opset, "dynamo": dynamo}
        if not dynamo:
            options["dynamic_axes"] = dynamic
        elif dynamic:
            options["dynamic_shapes"] = dynamic
        if dynamo:
            options["external_data"] = False
        torch.onnx.export(network, (wave,), writer.path(name), **options)
        writer.add(name, None, **expected)

    def randomise(network):
        """Statistics as after training, so that a wrong batch normalisation shows."""
        for module in network.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                nn.init.uniform_(module.running_mean, -0.3, 0.3)
                nn.init.uniform_(module.running_var, 0.3, 2)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.3, 0.3)
        return network

    class SampleCnn(nn.Module):
        """3^6 on raw waveform, with the parts that vary between exports."""

        def __init__(self, dims=2, end="sigmoid"):
            super().__init__()
            self.dims, self.end = dims, end
            layers = [nn.Conv1d(1, 8, 3, 3), nn.BatchNorm1d(8), nn.ReLU()]
            for _ in range(6):
                layers += [nn.Conv1d(8, 8, 3, padding=1), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(3)]
            self.layers, self.dense = nn.Sequential(*layers), nn.Linear(8, TAGS)
            randomise(self)

        def forward(self, wave):
            for _ in range(3 - self.dims):
                wave = wave.unsqueeze(0 if self.dims == 1 and wave.dim() == 1 else 1)
            embedding = self.layers(wave).flatten(1)
            logits = self.dense(embedding)
            if self.end == "all":
                return embedding, logits, torch.sigmoid(logits)
            if self.end == "softmax":
                return torch.softmax(logits, 1)
            result = logits if self.end == "logits" else torch.sigmoid(logits)
            return result[0] if self.dims == 1 else result

    for opset in (11, 13, 15, 17, 20):
        export(f"torch_script_opset{opset}", SampleCnn(), opset=opset, slides=True)
    for opset in (18, 20):
        export(f"torch_dynamo_opset{opset}", SampleCnn(), opset=opset, dynamo=True, slides=True)
    export("torch_script_batch", SampleCnn(), dynamic={"wave": {0: "batch"}, "tags": {0: "batch"}}, slides=True)
    export("torch_dynamo_batch", SampleCnn(), dynamo=True, opset=18, shape=(2, WINDOW),
           dynamic={"wave": {0: torch.export.Dim("batch")}}, slides=True)
    export("torch_channel_axis", SampleCnn(3), (1, 1, WINDOW), slides=True)
    export("torch_one_axis", SampleCnn(1), (WINDOW,))
    export("torch_logits", SampleCnn(end="logits"), logits=True, slides=True)
    export("torch_softmax", SampleCnn(end="softmax"))
    several = SampleCnn(end="all")
    export("torch_several_outputs", several, outputs=("embedding", "logits", "scores"), output=2,
           metadata=tags_metadata(), slides=True)

    class Dense(nn.Module):
        """Without convolutions, which ONNX Runtime does not have in double precision."""

        def __init__(self):
            super().__init__()
            self.frames, self.tags = nn.Linear(27, 16), nn.Linear(16, TAGS)

        def forward(self, wave):
            return torch.sigmoid(self.tags(torch.relu(self.frames(wave.reshape(-1, 81, 27))).mean(1)))

    export("torch_double", Dense().double(), dtype=torch.float64)
    # ONNX Runtime rounds to half precision after each node; the plug-in computes in single precision.
    export("torch_half", SampleCnn().half(), dtype=torch.float16, tolerance=1e-3)

    class Spectrogram(nn.Module):
        """Log-mel by torch.stft, as torchaudio does it."""

        def __init__(self, bands=16):
            super().__init__()
            self.register_buffer("window", torch.hann_window(256))
            self.register_buffer("bank", torch.rand(bands, 129) / 129)

        def forward(self, wave):
            spectrum = torch.stft(wave, 256, 128, window=self.window, center=True, pad_mode="reflect", return_complex=False)
            power = spectrum.pow(2).sum(-1)
            return 10 * torch.log10(torch.clamp(self.bank @ power, min=1e-10))

    class Tagger(nn.Module):
        """A front end, a body over [batch, 16, frames], and a mean over time."""

        def __init__(self, front, body, channels, end=torch.sigmoid):
            super().__init__()
            self.front, self.body, self.dense, self.end = front, body, nn.Linear(channels, TAGS), end
            randomise(self)

        def forward(self, wave):
            return self.end(self.dense(self.body(self.front(wave)).mean(-1)))

    class Frames(nn.Module):
        """A learnt front end: a strided convolution to [batch, 16, 81]."""

        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(1, 16, 27, 27)

        def forward(self, wave):
            return self.conv(wave.unsqueeze(1))

    class Body(nn.Module):
        """A function as a module."""

        def __init__(self, function, *modules):
            super().__init__()
            self.function, self.parts = function, nn.ModuleList(modules)

        def forward(self, signal):
            return self.function(signal, *self.parts)

    def body(name, function, *modules, channels=16, exporters=("script", "dynamo"), opset=18, **expected):
        for exporter in exporters:
            network = Tagger(Frames(), Body(function, *modules), channels)
            export(f"torch_{exporter}_{name}", network, dynamo=exporter == "dynamo", opset=opset, **expected)

    export("torch_script_stft", Tagger(Spectrogram(), nn.Conv1d(16, 16, 3), 16))
    try:
        export("torch_dynamo_stft", Tagger(Spectrogram(), nn.Conv1d(16, 16, 3), 16), dynamo=True, opset=18)
    except Exception as error:  # The exporter of some versions cannot.
        print("torch_dynamo_stft:", str(error).splitlines()[0])
    body("lstm", lambda x, lstm: lstm(x.transpose(1, 2))[0].transpose(1, 2), nn.LSTM(16, 16, 2, batch_first=True))
    body("bidirectional_gru", lambda x, gru: gru(x.transpose(1, 2))[0].transpose(1, 2),
         nn.GRU(16, 8, batch_first=True, bidirectional=True))
    body("rnn", lambda x, rnn: rnn(x.transpose(1, 2))[0].transpose(1, 2), nn.RNN(16, 16, batch_first=True))
    encoder = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

    def positions(x):
        """Sine and cosine of the position, computed in the graph."""
        place = torch.arange(x.shape[2], dtype=torch.float32).unsqueeze(0)
        rate = torch.exp(torch.arange(0, 16, 2, dtype=torch.float32) * -0.5).unsqueeze(1)
        return x + torch.cat([torch.sin(rate * place), torch.cos(rate * place)]).expand(x.shape[0], -1, -1)

    body("transformer", lambda x, layer: layer(positions(x).transpose(1, 2)).transpose(1, 2), encoder)
    body("einsum", lambda x: torch.einsum("bct,dc->bdt", x, torch.eye(16).flip(0)))
    body("interpolate", lambda x: functional.interpolate(x, scale_factor=2.0, mode="linear"))
    body("nearest", lambda x: functional.interpolate(x, size=40, mode="nearest"))
    body("hardswish", lambda x: functional.hardswish(x) + functional.hardsigmoid(x))
    body("activations", lambda x, prelu: functional.softplus(x) + functional.mish(x) + prelu(x) + functional.selu(x)
         + functional.celu(x) + functional.softsign(x) + functional.gelu(x), nn.PReLU(16))
    body("norms", lambda x, group, instance: group(x) + instance(x), nn.GroupNorm(4, 16), nn.InstanceNorm1d(16))
    body("layer_norm", lambda x, norm: norm(x.transpose(1, 2)).transpose(1, 2), nn.LayerNorm(16))
    body("l2", lambda x: functional.normalize(x, dim=1))
    body("where", lambda x: torch.where(x > 0.1, x, torch.floor(x * 3) / 3) * (x.abs() < 0.5))
    body("repeat", lambda x: x.mean(-1, keepdim=True).repeat(1, 1, 7) + torch.ones(7))
    body("reductions", lambda x: x.amax(-1, True) - x.amin(-1, True) + x.std(-1, keepdim=True) + x.logsumexp(-1, True))
    body("reflect_pad", lambda x: functional.pad(functional.pad(x, (3, 2), "reflect"), (1, 1)))
    body("depthwise", lambda x, depth, point: point(depth(x)),
         nn.Conv1d(16, 16, 3, padding=2, dilation=2, groups=16), nn.Conv1d(16, 16, 1))
    body("transposed", lambda x, conv: conv(x), nn.ConvTranspose1d(16, 16, 4, 2))
    body("statistics", lambda x: torch.cat([x.mean(-1), x.std(-1)], 1).unsqueeze(-1), channels=32)
    body("chunks", lambda x: torch.cat(x.split([4, 12], 1)[::-1], 1) + torch.stack(x.chunk(4, 1), 1).flatten(1, 2))
    weight_norm = nn.utils.parametrizations.weight_norm(nn.Conv1d(16, 16, 3))
    body("weight_norm", lambda x, conv: conv(x), weight_norm)

    class AnyLength(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.dense = nn.Conv1d(1, 16, 9, 3), nn.BatchNorm1d(16), nn.Linear(16, TAGS)
            randomise(self)

        def forward(self, wave):
            signal = torch.relu(self.norm(self.conv(wave.unsqueeze(1))))
            return torch.sigmoid(self.dense(functional.adaptive_avg_pool1d(signal, 1).squeeze(-1)))

    dynamic = {"wave": {0: "batch", 1: "samples"}, "tags": {0: "batch"}}
    window = {"window": "3000"}
    export("torch_any_length", AnyLength(), dynamic=dynamic, metadata=window, window=3000)
    length = {"wave": {0: torch.export.Dim("batch"), 1: torch.export.Dim("samples", min=100)}}
    export("torch_dynamo_any_length", AnyLength(), shape=(2, WINDOW), dynamo=True, opset=18, dynamic=length,
           metadata=window, window=3000)
    model = onnx.load(writer.path("torch_any_length"))
    del model.metadata_props[:]
    # The window of the shipped models is assumed.
    writer.add("torch_unknown_length", model, window=59049)

    class MelInput(nn.Module):
        def forward(self, mel):
            return torch.sigmoid(mel.mean((1, 2)))

    torch.onnx.export(MelInput(), (torch.zeros(1, 96, 187),), writer.path("torch_mel_input"), dynamo=False,
                      input_names=["mel"], output_names=["tags"], opset_version=17)
    writer.refuse("torch_mel_input", None, "not a waveform")

    class Branch(torch.jit.ScriptModule):
        @torch.jit.script_method
        def forward(self, wave):
            if wave.mean() > 0:
                return torch.sigmoid(wave[:, :5])
            return torch.sigmoid(wave[:, 5:10])

    torch.onnx.export(Branch(), (torch.zeros(1, WINDOW),), writer.path("torch_branch"), dynamo=False,
                      input_names=["wave"], output_names=["tags"], opset_version=17)
    writer.refuse("torch_branch", None, "If")

    make_quantised(writer)


def make_quantised(writer):
    """ONNX Runtime's quantisers and optimiser, on a file of PyTorch's exporter."""
    from onnxruntime import quantization

    source = writer.path("torch_script_opset13")

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.batches = iter([{"wave": signal(WINDOW).reshape(1, WINDOW)}])

        def get_next(self):
            return next(self.batches, None)

    quantization.quantize_static(source, writer.path("ort_qdq_int8"), Reader(),
                                 quant_format=quantization.QuantFormat.QDQ, per_channel=True)
    writer.add("ort_qdq_int8", None)
    quantization.quantize_dynamic(source, writer.path("ort_dynamic_int8"))
    writer.add("ort_dynamic_int8", None)
    weights = onnx.load(source)
    only_weights(weights)
    writer.add("qdq_weights_only", weights)

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(writer.path("ort_optimised"))
    onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    writer.refuse("ort_optimised", None, "operator")


def only_weights(model):
    """Stores each weight as int8, followed by a DequantizeLinear."""
    graph, nodes = model.graph, []
    for tensor in list(graph.initializer):
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim < 2:
            continue
        scale = np.float32(np.abs(values).max() / 127)
        stored = onnx.numpy_helper.from_array(np.round(values / scale).astype(np.int8), tensor.name + "_int8")
        graph.initializer.remove(tensor)
        graph.initializer.extend([stored, onnx.numpy_helper.from_array(scale, tensor.name + "_scale")])
        nodes.append(onnx.helper.make_node("DequantizeLinear", [stored.name, tensor.name + "_scale"], [tensor.name]))
    for node in reversed(nodes):
        graph.node.insert(0, node)


def make_tensorflow(writer):
    import tensorflow as tf
    import tf2onnx

    tf.keras.utils.set_random_seed(1)
    layers = tf.keras.layers

    def cnn(shape):
        wave = tf.keras.Input(shape)
        signal = wave if len(shape) == 2 else layers.Reshape((WINDOW, 1))(wave)
        signal = layers.Conv1D(8, 3, 3)(signal)
        for _ in range(3):
            signal = layers.Conv1D(8, 3, padding="same")(signal)
            signal = layers.BatchNormalization(moving_mean_initializer="random_normal")(signal)
            signal = layers.MaxPooling1D(3)(layers.ReLU()(signal))
        return tf.keras.Model(wave, layers.Dense(TAGS, activation="sigmoid")(layers.GlobalAveragePooling1D()(signal)))

    def stft():
        wave = tf.keras.Input((WINDOW,))
        spectrum = layers.Lambda(lambda x: tf.math.log(tf.abs(tf.signal.stft(x, 256, 128)) + 1e-3))(wave)
        signal = layers.Conv2D(4, 3, padding="same", activation="relu")(layers.Lambda(lambda x: x[..., None])(spectrum))
        signal = layers.MaxPooling2D(2)(signal)
        return tf.keras.Model(wave, layers.Dense(TAGS, activation="sigmoid")(layers.GlobalMaxPooling2D()(signal)))

    def recurrent(layer):
        wave = tf.keras.Input((WINDOW, 1))
        signal = layer(layers.Conv1D(8, 27, 27)(wave))
        return tf.keras.Model(wave, layers.Dense(TAGS, activation="sigmoid")(signal))

    def mobilenet():
        wave = tf.keras.Input((WINDOW,))
        image = layers.Reshape((81, 27, 1))(wave)
        for stride in (1, 2):
            image = layers.Conv2D(8, 3, stride, padding="same", use_bias=False)(image)
            image = layers.ReLU(6.0)(layers.BatchNormalization()(image))
            image = layers.DepthwiseConv2D(3, stride, padding="same")(image)
        return tf.keras.Model(wave, layers.Dense(TAGS, activation="softmax")(layers.GlobalAveragePooling2D()(image)))

    models = {
        "cnn": cnn((WINDOW,)),
        "channels_last": cnn((WINDOW, 1)),
        "stft": stft(),
        "lstm": recurrent(layers.LSTM(8)),
        "gru": recurrent(layers.GRU(8)),
        "bidirectional": recurrent(layers.Bidirectional(layers.LSTM(8))),
        "mobilenet": mobilenet(),
    }
    for name, model in models.items():
        function = tf.function(lambda wave, model=model: model(wave, training=False),
                               input_signature=[tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="wave")])
        # tf2onnx 1.17 cannot export the spectrogram with opset 17.
        for opset in (13,) if name == "stft" else (13, 17):
            exported, _ = tf2onnx.convert.from_function(function, function.input_signature, opset=opset)
            if name == "gru":
                writer.refuse(f"tf2onnx_{name}_opset{opset}", exported, '"Loop"')
            else:
                writer.add(f"tf2onnx_{name}_opset{opset}", exported)
    try:
        models["cnn"].export(writer.path("keras_cnn"), format="onnx", verbose=False)
        writer.add("keras_cnn", None)
    except Exception as error:  # Keras needs a tf2onnx of its time.
        print("keras_cnn:", str(error).splitlines()[0])


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    makers = {"torch": make_torch, "tensorflow": make_tensorflow}
    if len(sys.argv) != 3 or sys.argv[1] not in makers:
        sys.exit(__doc__)
    makers[sys.argv[1]](Writer(sys.argv[2]))
