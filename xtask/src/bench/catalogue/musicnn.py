"""Tags recordings with musicnn's network in ONNX Runtime and librosa's decoding, a process a core, and prints JSON.

python musicnn.py MODEL LIST PROCESSES
"""

import json
import multiprocessing
import sys
import time
import warnings

import librosa
import numpy
import onnxruntime

#: musicnn's sample rate in hertz.
RATE = 16_000


def start(model):
    global session
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    warnings.simplefilter("ignore")


def tag(path):
    """The seconds of a recording, and the mean of each tag over windows without overlap, as musicnn's own program takes them."""
    samples, _ = librosa.load(path, sr=RATE, mono=True)
    tensor = session.get_inputs()[0]
    window = tensor.shape[-1]
    count = max(1, len(samples) // window)
    windows = numpy.resize(samples, count * window).reshape(count, 1, window).astype(numpy.float32)
    mean = numpy.mean([session.run(None, {tensor.name: each})[0] for each in windows], axis=0)
    return len(samples) / RATE, mean.tolist()


def main():
    model, list_of_paths, processes = sys.argv[1:]
    with open(list_of_paths) as file:
        paths = file.read().splitlines()
    begin = time.monotonic()
    with multiprocessing.Pool(int(processes), start, [model]) as pool:
        tagged = pool.map(tag, paths, chunksize=2)
    seconds = time.monotonic() - begin
    print(json.dumps({"seconds": seconds, "music": sum(length for length, _ in tagged)}))


if __name__ == "__main__":
    main()
