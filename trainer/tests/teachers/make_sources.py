"""Makes small files in the formats of the published teachers, with random weights, and what they give.

    python make_sources.py      # needs torch, flatbuffers and tflite

It writes a state dict for each network of Won et al. and a TensorFlow Lite file like YAMNet's beside itself, and
expected.json with the probabilities that PyTorch computes from the same weights, by operations of its own: torch.stft,
nn.GRU, weights of eight bits widened here. main.rs compares them.
"""

import json
import math
from collections import OrderedDict
from pathlib import Path

import flatbuffers
import tflite
import torch
from torch import nn
from torch.nn import functional as F

FOLDER = Path(__file__).parent
TAGS = 5


def signals(length):
    """Noise that swells, and a rising tone over some of it, which main.rs generates too.

    A tone alone would leave bands empty, in which there is only what a Fourier transform rounds.
    """
    state, noise = 12345, []
    for index in range(length):
        state = (1103515245 * state + 12345) & 0x7FFFFFFF
        noise.append((state / 2**31 - 0.5) * (index % 8000 / 8000))
    phase = lambda index: 2 * math.pi * (220 + 40 * index / 16000) * index / 16000
    tone = [0.3 * math.sin(phase(index)) + 0.1 * noise[index] for index in range(length)]
    return {"noise": torch.tensor(noise)[None], "tone": torch.tensor(tone)[None]}


def filter_bank():
    """Triangles of bins, as torchaudio's buffer: bins by bands."""
    bins, bands = torch.arange(257.0)[:, None], torch.arange(96.0)[None]
    return (1 - (bins - 2.5 * bands - 2).abs() / 4).clamp(min=0)


class Spectrogram(nn.Module):
    def __init__(self):
        super().__init__()
        self.spectrogram, self.mel_scale = nn.Module(), nn.Module()
        self.spectrogram.register_buffer("window", torch.hann_window(512))
        self.mel_scale.register_buffer("fb", filter_bank())

    def forward(self, wave):
        window = self.spectrogram.window
        spectrum = torch.stft(wave, 512, 256, window=window, center=True, pad_mode="reflect", return_complex=True)
        power = spectrum.abs().square().transpose(1, 2) @ self.mel_scale.fb
        return 10 * power.transpose(1, 2).clamp(min=1e-10).log10()


class Conv(nn.Module):
    def __init__(self, axes, inputs, outputs, shape, padding):
        super().__init__()
        self.conv = [nn.Conv1d, nn.Conv2d][axes - 1](inputs, outputs, shape, padding=padding)
        self.bn = [nn.BatchNorm1d, nn.BatchNorm2d][axes - 1](outputs)

    def forward(self, signal):
        return self.bn(self.conv(signal)).relu()


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.spec, self.spec_bn = Spectrogram(), nn.BatchNorm2d(1)

    def image(self, wave):
        return self.spec_bn(self.spec(wave)[:, None])


class Fcn(Tagger):
    window = 464000

    def __init__(self):
        super().__init__()
        for layer, (inputs, outputs) in enumerate([(1, 3), (3, 4), (4, 4), (4, 3), (3, 4)], 1):
            setattr(self, f"layer{layer}", Conv(2, inputs, outputs, 3, 1))
        self.dense = nn.Linear(4, TAGS)

    def forward(self, wave):
        signal = self.image(wave)
        for layer, pool in enumerate([(2, 4), (2, 4), (2, 4), (3, 5), (4, 4)], 1):
            signal = F.max_pool2d(getattr(self, f"layer{layer}")(signal), pool)
        return self.dense(signal.flatten(1)).sigmoid()


class Crnn(Tagger):
    window = 464000

    def __init__(self):
        super().__init__()
        for layer, (inputs, outputs) in enumerate([(1, 3), (3, 4), (4, 4), (4, 3)], 1):
            setattr(self, f"layer{layer}", Conv(2, inputs, outputs, 3, 1))
        self.layer5 = nn.GRU(3, 4, 2, batch_first=True)
        self.dense = nn.Linear(4, TAGS)

    def forward(self, wave):
        signal = self.image(wave)
        for layer, pool in enumerate([2, 3, 4, 4], 1):
            signal = F.max_pool2d(getattr(self, f"layer{layer}")(signal), pool)
        states, _ = self.layer5(signal[:, :, 0].transpose(1, 2))
        return self.dense(states[:, -1]).sigmoid()


class Musicnn(Tagger):
    window = 48000

    def __init__(self):
        super().__init__()
        tall = [Conv(2, 1, 3, (bands, 7), (0, 3)) for bands in [67, 38]]
        long = [Conv(1, 1, 2, frames, frames // 2) for frames in [129, 65, 33]]
        self.layers = nn.ModuleList(tall + long)
        self.layer1, self.layer2, self.layer3 = [Conv(1, inputs, 4, 7, 3) for inputs in [12, 4, 4]]
        self.dense1, self.bn, self.dense2 = nn.Linear(48, 6), nn.BatchNorm1d(6), nn.Linear(6, TAGS)

    def forward(self, wave):
        image = self.image(wave)
        front = [layer(image).amax(2) for layer in self.layers[:2]]
        front = torch.cat(front + [layer(image.mean(2)) for layer in self.layers[2:]], 1)
        first = self.layer1(front)
        second = self.layer2(first) + first
        all = torch.cat([front, first, second, self.layer3(second) + second], 1)
        hidden = self.dense1(torch.cat([all.amax(2), all.mean(2)], 1))
        return self.dense2(self.bn(hidden).relu()).sigmoid()


def randomise(network):
    """Batch normalisation as after training, and larger weights, so that the tags differ."""
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.3, 0.3)
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.3, 1.5)
    network.spec_bn.running_mean.fill_(-5)
    network.spec_bn.running_var.fill_(400)
    for name, parameter in network.named_parameters():
        if "dense" in name or "layer5.weight" in name:
            parameter.data.mul_(4)


def share_storage(tensors):
    """Puts tensors into one storage, as PyTorch does with recurrent weights on a graphics card."""
    storage, start = torch.cat([tensor.flatten() for tensor in tensors]), 0
    for tensor in tensors:
        yield storage[start : start + tensor.numel()].view(tensor.shape)
        start += tensor.numel()


def save_state_dict(network, path):
    state = OrderedDict(network.state_dict())
    recurrent = [name for name in state if name.startswith("layer5.") and "_l" in name]
    state.update(zip(recurrent, share_storage([state[name] for name in recurrent])))
    # A view with strides.
    last = "dense2.weight" if "dense2.weight" in state else "dense.weight"
    state[last] = state[last].t().contiguous().t()
    torch.save(state, path, _use_new_zipfile_serialization=False)


class YamNet:
    """A network like YAMNet's, of five convolutions; each is depthwise or not, with a stride, with or without bytes."""

    window = 15600

    def __init__(self):
        self.convolutions = []
        for depthwise, inputs, outputs, size, stride, quantised in [
            (False, 1, 4, 3, 2, False),
            (True, 4, 4, 3, 1, False),
            (False, 4, 6, 1, 1, True),
            (True, 6, 6, 3, 2, True),
            (False, 6, 8, 1, 1, True),
        ]:
            weight = torch.randn(outputs, 1 if depthwise else inputs, size, size) * 0.4
            self.convolutions.append((depthwise, stride, self.quantise(weight, quantised), torch.randn(outputs) * 0.2))
        self.dense = (self.quantise(torch.randn(TAGS, 8) * 0.4, True), torch.randn(TAGS) * 0.3)

    @staticmethod
    def quantise(weight, quantised):
        """Bytes and a scale for each output, or the weight and None."""
        if not quantised:
            return weight, None
        scale = weight.flatten(1).abs().amax(1) / 127
        return (weight / scale.view(-1, *[1] * (weight.dim() - 1))).round().to(torch.int8), scale

    @staticmethod
    def widen(weight, scale):
        return weight if scale is None else weight * scale.view(-1, *[1] * (weight.dim() - 1))

    def __call__(self, wave):
        frames = wave.unfold(1, 400, 160) * torch.hann_window(400)
        magnitude = torch.fft.rfft(frames, 512).abs()
        mel = lambda hertz: 1127 * torch.log(1 + torch.as_tensor(hertz, dtype=torch.float64) / 700)
        edges = torch.linspace(mel(125.0), mel(7500.0), 66, dtype=torch.float64)
        places = mel(torch.arange(257) * 8000 / 256)[:, None]
        rising = (places - edges[:-2]) / (edges[1:-1] - edges[:-2])
        falling = (edges[2:] - places) / (edges[2:] - edges[1:-1])
        bank = torch.minimum(rising, falling).clamp(min=0).float()
        signal = (magnitude @ bank + 0.001).log()[:, None]
        for depthwise, stride, (weight, scale), bias in self.convolutions:
            weight, size = self.widen(weight, scale), weight.shape[2]
            zeros = [max((-(-length // stride) - 1) * stride + size - length, 0) for length in signal.shape[:1:-1]]
            signal = F.pad(signal, [side for total in zeros for side in (total // 2, total - total // 2)])
            signal = F.conv2d(signal, weight, bias, stride, groups=weight.shape[0] if depthwise else 1).relu()
        (weight, scale), bias = self.dense
        return (signal.mean((2, 3)) @ self.widen(weight, scale).t() + bias).sigmoid()

    def save(self, path):
        writer = TfliteWriter()
        last = writer.operator("FULLY_CONNECTED", [writer.tensor(), writer.tensor()])
        last = writer.operator("LOG", [last])
        for depthwise, stride, (weight, scale), bias in self.convolutions:
            kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
            weight = weight.permute(1, 2, 3, 0) if depthwise else weight.permute(0, 2, 3, 1)
            axis = 3 if depthwise else 0
            last = writer.operator(kind, [last, writer.tensor(weight, scale, axis), writer.tensor(bias)], stride)
        last = writer.operator("MEAN", [last, writer.tensor()])
        (weight, scale), bias = self.dense
        last = writer.operator("FULLY_CONNECTED", [last, writer.tensor(weight, scale), writer.tensor(bias)])
        writer.operator("LOGISTIC", [last])
        path.write_bytes(writer.finish())


class TfliteWriter:
    """Writes a TensorFlow Lite file of one chain of operators."""

    KINDS = {
        name: getattr(tflite.BuiltinOperator, name)
        for name in ["FULLY_CONNECTED", "LOG", "CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "LOGISTIC"]
    }

    def __init__(self):
        self.builder = flatbuffers.Builder()
        tflite.BufferStart(self.builder)
        self.buffers, self.tensors, self.operators = [tflite.BufferEnd(self.builder)], [], []

    def numbers(self, values, add, size):
        self.builder.StartVector(size, len(values), size)
        for value in reversed(values):
            add(value)
        return self.builder.EndVector()

    def offsets(self, values):
        return self.numbers(values, self.builder.PrependUOffsetTRelative, 4)

    def tensor(self, values=None, scale=None, axis=0):
        """The index of a new tensor, constant where it has values."""
        builder, quantization, buffer = self.builder, None, 0
        if values is not None:
            data = builder.CreateByteVector(values.contiguous().numpy().tobytes())
            tflite.BufferStart(builder)
            tflite.BufferAddData(builder, data)
            self.buffers.append(tflite.BufferEnd(builder))
            buffer = len(self.buffers) - 1
        if scale is not None:
            scales = self.numbers(scale.tolist(), builder.PrependFloat32, 4)
            zeros = self.numbers([0] * len(scale), builder.PrependInt64, 8)
            tflite.QuantizationParametersStart(builder)
            tflite.QuantizationParametersAddScale(builder, scales)
            tflite.QuantizationParametersAddZeroPoint(builder, zeros)
            tflite.QuantizationParametersAddQuantizedDimension(builder, axis)
            quantization = tflite.QuantizationParametersEnd(builder)
        shape = self.numbers([] if values is None else list(values.shape), builder.PrependInt32, 4)
        tflite.TensorStart(builder)
        tflite.TensorAddShape(builder, shape)
        tflite.TensorAddType(builder, tflite.TensorType.FLOAT32 if scale is None else tflite.TensorType.INT8)
        tflite.TensorAddBuffer(builder, buffer)
        if quantization is not None:
            tflite.TensorAddQuantization(builder, quantization)
        self.tensors.append(tflite.TensorEnd(builder))
        return len(self.tensors) - 1

    def operator(self, kind, inputs, stride=1):
        """The index of the output of a new operator."""
        builder, output, options, union = self.builder, self.tensor(), None, None
        relu = tflite.ActivationFunctionType.RELU
        if kind == "CONV_2D":
            tflite.Conv2DOptionsStart(builder)
            tflite.Conv2DOptionsAddStrideH(builder, stride)
            tflite.Conv2DOptionsAddStrideW(builder, stride)
            tflite.Conv2DOptionsAddFusedActivationFunction(builder, relu)
            options, union = tflite.Conv2DOptionsEnd(builder), tflite.BuiltinOptions.Conv2DOptions
        elif kind == "DEPTHWISE_CONV_2D":
            tflite.DepthwiseConv2DOptionsStart(builder)
            tflite.DepthwiseConv2DOptionsAddStrideH(builder, stride)
            tflite.DepthwiseConv2DOptionsAddStrideW(builder, stride)
            tflite.DepthwiseConv2DOptionsAddDepthMultiplier(builder, 1)
            tflite.DepthwiseConv2DOptionsAddFusedActivationFunction(builder, relu)
            options = tflite.DepthwiseConv2DOptionsEnd(builder)
            union = tflite.BuiltinOptions.DepthwiseConv2DOptions
        elif kind == "FULLY_CONNECTED":
            tflite.FullyConnectedOptionsStart(builder)
            options = tflite.FullyConnectedOptionsEnd(builder)
            union = tflite.BuiltinOptions.FullyConnectedOptions
        inputs = self.numbers(inputs, builder.PrependInt32, 4)
        outputs = self.numbers([output], builder.PrependInt32, 4)
        tflite.OperatorStart(builder)
        tflite.OperatorAddOpcodeIndex(builder, list(self.KINDS).index(kind))
        tflite.OperatorAddInputs(builder, inputs)
        tflite.OperatorAddOutputs(builder, outputs)
        if options is not None:
            tflite.OperatorAddBuiltinOptionsType(builder, union)
            tflite.OperatorAddBuiltinOptions(builder, options)
        self.operators.append(tflite.OperatorEnd(builder))
        return output

    def finish(self):
        builder = self.builder
        tensors, operators, buffers = [self.offsets(list) for list in (self.tensors, self.operators, self.buffers)]
        codes = []
        for kind in self.KINDS.values():
            tflite.OperatorCodeStart(builder)
            tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, kind)
            tflite.OperatorCodeAddBuiltinCode(builder, kind)
            codes.append(tflite.OperatorCodeEnd(builder))
        codes = self.offsets(codes)
        tflite.SubGraphStart(builder)
        tflite.SubGraphAddTensors(builder, tensors)
        tflite.SubGraphAddOperators(builder, operators)
        graphs = self.offsets([tflite.SubGraphEnd(builder)])
        tflite.ModelStart(builder)
        tflite.ModelAddVersion(builder, 3)
        tflite.ModelAddOperatorCodes(builder, codes)
        tflite.ModelAddSubgraphs(builder, graphs)
        tflite.ModelAddBuffers(builder, buffers)
        builder.Finish(tflite.ModelEnd(builder), b"TFL3")
        return bytes(builder.Output())


@torch.no_grad()
def main():
    torch.manual_seed(27)
    expected = {}
    for name, kind in [("fcn", Fcn), ("crnn", Crnn), ("musicnn", Musicnn)]:
        network = kind().eval()
        randomise(network)
        save_state_dict(network, FOLDER / f"{name}.pth")
        expected[name] = {key: network(wave)[0].tolist() for key, wave in signals(kind.window).items()}
    network = YamNet()
    network.save(FOLDER / "yamnet.tflite")
    expected["yamnet"] = {key: network(wave)[0].tolist() for key, wave in signals(network.window).items()}
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
