# Checks and measures the trainer on the first NVIDIA graphics card of a bare machine with CUDA and PyTorch, beside
# PyTorch itself. Part of the archive of `cargo xtask gpu pack`; run it as `python3 check.py`, with any folder as argument
# for its outputs.
import csv, glob, json, math, os, pathlib, shutil, struct, subprocess, sys, tempfile, threading, time, wave

HERE = pathlib.Path(__file__).resolve().parent
OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="tagvane-gpu-"))
STARTED = time.time()
LIMIT = 460  # seconds in all
TRAINED, PREDICTED = "trained", "predicted"
ROWS = [("narrow-3^9", 23), ("narrow-3^9", 256), ("3^9-59049", 23)]


def stop(sentence):
    print(sentence)
    sys.exit(1)


try:
    import torch
except ImportError:
    stop("This python3 has no PyTorch; install it with: pip install torch==TORCH_VERSION")
if not torch.cuda.is_available():
    what = "has no CUDA; install one that has" if torch.version.cuda is None else \
        f"is for CUDA {torch.version.cuda}, but no graphics card with a driver for it was found; run this where one is"
    stop(f"This PyTorch {torch.__version__} {what}.")
if not torch.__version__.startswith("TORCH_VERSION"):
    stop(f"The trainer was built for PyTorch TORCH_VERSION, not {torch.__version__}; run `cargo xtask gpu pack` for that one.")

from torch import nn

site = pathlib.Path(torch.__file__).parent
libraries = [str(site / "lib"), *glob.glob(str(site.parent / "nvidia/*/lib"))]
ENV = {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries + [os.environ.get("LD_LIBRARY_PATH", "")])}
OUT.mkdir(parents=True, exist_ok=True)
# A first start compiles all kernels.
ENV["XDG_CACHE_HOME"] = str(OUT / "cache")
ENV["CUDA_CACHE_PATH"] = str(OUT / "cuda-cache")


def run(name, arguments, timeout=120, **env):
    """Runs a program of the archive; returns its standard output, or None and prints why."""
    timeout = min(timeout, LIMIT - (time.time() - STARTED))
    if timeout < 5:
        print(f"{name}: left out, no time is left", flush=True)
        return None
    began = time.time()
    try:
        done = subprocess.run([str(HERE / arguments[0]), *arguments[1:]], env={**ENV, **env}, timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=OUT)
        text, error, code = done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as expired:
        text, error, code = str(expired.stdout), str(expired.stderr), f"none in {timeout:.0f} s"
    (OUT / f"{name}.log").write_text(f"{text}\n{error}")
    if code != 0:
        print(f"{name}: FAILED ({code}): {(error or text)[-1500:]}", flush=True)
        return None
    print(f"{name}: {time.time() - began:.1f} s", flush=True)
    return text


class Card(threading.Thread):
    """Watches the card's memory and use while a program runs."""

    def __enter__(self):
        self.stopped, self.memory, self.use = threading.Event(), 0, []
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join()

    def run(self):
        query = ["nvidia-smi", "--query-gpu=memory.used,utilization.gpu", "--format=csv,noheader,nounits", "-i", "0"]
        while not self.stopped.wait(0.2):
            done = subprocess.run(query, stdout=subprocess.PIPE, text=True)
            if done.returncode == 0 and "," in done.stdout:
                memory, use = done.stdout.split(",")[:2]
                self.memory = max(self.memory, int(memory))
                self.use.append(int(use))


def bench(backend, network, batch, *options, steps=30):
    name = f"bench-{backend}-{network}-{batch}{''.join(options)}".replace("^", "")
    arguments = ["trainer", "bench", "--backend", backend, "--network", network, "--batch", str(batch), "--steps",
                 str(steps), *options]
    if backend == "libtorch":
        arguments += ["--devices", "0"]
    with Card() as card:
        text = run(name, arguments)
    return None if text is None else {**json.loads(text), "card_megabytes": card.memory}


def pytorch(name, batch, steps=30):
    """A step in eager mode, where convolutions are in TF32 by default; the faster way to read the loss counts."""
    narrow = [16, 16, 32, 32, 64, 64, 128, 128, 256, 512]
    widths = {"narrow-3^9": narrow, "3^9-59049": [128] * 3 + [256] * 6 + [512]}[name]
    layers = [nn.Conv1d(1, widths[0], 3, 3), nn.BatchNorm1d(widths[0]), nn.ReLU()]
    for before, after in zip(widths, widths[1:]):
        layers += [nn.Conv1d(before, after, 3, 1, 1), nn.BatchNorm1d(after), nn.ReLU(), nn.MaxPool1d(3)]
    last = widths[-1]
    layers += [nn.Conv1d(last, last, 1), nn.BatchNorm1d(last), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5)]
    torch.manual_seed(1)
    network = nn.Sequential(*layers, nn.Linear(last, 50)).cuda()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    entropy = nn.BCEWithLogitsLoss()
    waveforms = torch.rand(batch, 1, 59049, device="cuda")
    targets = (torch.rand(batch, 50, device="cuda") < 0.1).float()

    def step():
        optimiser.zero_grad()
        loss = entropy(network(waveforms), targets)
        loss.backward()
        optimiser.step()
        return loss

    def rounds(read):
        times = []
        for _ in range(3):
            torch.cuda.synchronize()
            began = time.perf_counter()
            for _ in range(steps // 3):
                loss = step()
                if read:
                    loss.item()
            torch.cuda.synchronize()
            times.append((time.perf_counter() - began) / (steps // 3))
        return sorted(times)[1]

    step(), step()
    trained = min(rounds(True), rounds(False))
    network.eval()
    predicted = []
    with torch.no_grad():
        for _ in range(steps):
            torch.cuda.synchronize()
            began = time.perf_counter()
            network(waveforms).cpu()
            predicted.append(time.perf_counter() - began)
    del network, optimiser
    torch.cuda.empty_cache()
    return {"training_seconds": trained, "inference_seconds": sorted(predicted)[steps // 2]}


def tones():
    """A small data set of low and high tones."""
    folder = OUT / "tones"
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rows = ["path,group,tag"]
    for index in range(24):
        tag, offset = ("low", 0) if index % 2 == 0 else ("high", 2000)
        hertz, rate = 80 + 17 * index + offset, 16000
        with wave.open(str(folder / f"audio/{index}.wav"), "wb") as file:
            file.setnchannels(1), file.setsampwidth(2), file.setframerate(rate)
            samples = [int(10000 * math.sin(math.tau * hertz * n / rate)) for n in range(6 * rate)]
            file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
        rows.append(f"{index}.wav,{'training' if index < 16 else 'validation'},{tag}")
    (folder / "list.csv").write_text("\n".join(rows) + "\n")
    (folder / "run.toml").write_text("""
[architecture]
kind = "sample-level"
m = 3
n = 5
window = 2187
widths = [8, 8, 8, 16, 16, 16]
[groups]
validation = ["validation"]
test = ["test"]
[training]
batch_size = 24
seed = 5
optimiser = { kind = "sgd", momentum = 0.9 }
schedule = { kind = "one-cycle", learning_rate = 0.02, epochs = 4 }
augmentation = { shift = 50, gain = [0.5, 1.5], polarity = true, noise = 0.0 }
""")
    run("prepare", ["trainer", "prepare", "folder", "--csv", str(folder / "list.csv"), "--audio", str(folder / "audio"),
                    "--cache", str(folder / "cache")])
    return folder


def train(folder, name, *options):
    arguments = ["trainer", "train", str(folder / "run.toml"), "--cache", str(folder / "cache"), "--run",
                 str(OUT / f"run-{name}"), "--backend", *options]
    if run(f"train-{name}", arguments) is None:
        return None
    rows = list(csv.DictReader(open(OUT / f"run-{name}/log.csv")))
    return [(float(row["training_loss"]), float(row["validation_loss"])) for row in rows]


lines = []
card = torch.cuda.get_device_name()
print(f"{card}, PyTorch {torch.__version__}", flush=True)

# How long a first and a second start take, before anything else fills the caches.
for backend in ("cuda", "libtorch"):
    starts = [bench(backend, "narrow-3^9", 23) for _ in range(2)]
    if all(starts):
        seconds = [f"{start['first_step_seconds']:.1f} s" for start in starts]
        lines.append(f"{backend}: the first step comes after {seconds[0]}, after {seconds[1]} on the second start")

measured = {}
for network, batch in ROWS:
    measured[network, batch] = {
        "PyTorch, eager": pytorch(network, batch),
        "libtorch": bench("libtorch", network, batch),
        "libtorch, bf16": bench("libtorch", network, batch, "--bf16"),
        "cuda": bench("cuda", network, batch),
    }

folder = tones()
curves = {name: train(folder, name, *options) for name, *options in
          [("flex", "flex"), ("libtorch", "libtorch", "--devices", "0"), ("cuda", "cuda")]}
for name, curve in curves.items():
    if curve:
        training = ", ".join(f"{loss:.4f}" for loss, _ in curve)
        lines.append(f"four epochs on {name}: training losses {training}; validation loss {curve[-1][1]:.4f}")

exact = dict(TAGVANE_TEST_CUDA="1", NVIDIA_TF32_OVERRIDE="0", OMP_NUM_THREADS="8")
tests = [
    ("LibTorch's blocks equal burn's", "kernels", ["--include-ignored", "on_libtorch"]),
    ("CUDA's blocks equal burn's", "kernels", ["--include-ignored", "on_cuda"]),
    ("LibTorch's losses and gradients are the CPU's", "backends", ["--include-ignored", "libtorch"]),
    ("CUDA's losses and gradients are the CPU's", "backends", ["--include-ignored", "cuda_has"]),
]
for what, program, options in tests:
    name = f"test-{program}-{options[-1]}"
    text = run(name, [program, *options, "--nocapture", "--test-threads=1"], 250, **exact)
    lines.append(f"{what}: {'yes' if text else 'NO'}")
    log = OUT / f"{name}.log"
    for line in log.read_text().replace("\\n", "\n").splitlines() if log.exists() else []:
        if "of their norm apart" in line:
            lines.append(f"    {line.split(' ... ')[-1]}")

print(f"\n{card}, PyTorch {torch.__version__}; windows a second, in brackets their ratio to PyTorch's\n")
print("| network, batch | | trained | predicted | ms a step | of which the host's | waiting for data | card's memory |")
print("|---|---|---|---|---|---|---|---|")
for (network, batch), row in measured.items():
    for what, result in row.items():
        if result is None:
            print(f"| {network}, {batch} | {what} | FAILED |")
            continue
        cells = []
        for key in ("training_seconds", "inference_seconds"):
            ratio = row["PyTorch, eager"][key] / result[key]
            cells.append(f"{batch / result[key]:.0f}" + ("" if what.startswith("PyTorch") else f" ({ratio:.2f})"))
        step = result["training_seconds"]
        more = ["", "", ""]
        if "data_wait_seconds" in result:
            more = [f"{1e3 * result['training_host_seconds']:.2f}", f"{100 * result['data_wait_seconds'] / step:.1f} %",
                    f"{result['card_megabytes']} MB"]
        print(f"| {network}, {batch} | {what} | {cells[0]} | {cells[1]} | {1e3 * step:.2f} | {' | '.join(more)} |")
print()
print("\n".join(lines))
print(f"\n{time.time() - STARTED:.0f} s in all; outputs in {OUT}")
