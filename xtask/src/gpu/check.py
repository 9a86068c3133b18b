# Checks and measures the trainer on the first NVIDIA graphics card of a bare machine with CUDA and PyTorch, beside
# PyTorch itself. Part of the archive of `cargo xtask gpu pack`; run it as `python3 check.py`, with any folder as argument
# for its outputs. It exits with 1 if something failed.
import csv, glob, json, math, os, pathlib, struct, subprocess, sys, tempfile, time, wave

HERE = pathlib.Path(__file__).resolve().parent
STARTED = time.time()
LIMIT = 460  # seconds in all
ROWS = [("narrow-3^9", 23), ("narrow-3^9", 256), ("3^9-59049", 23)]
FAILED, NOT_RUN = "FAILED", "not run"
OUTCOMES = {}  # by name: "passed", FAILED, or NOT_RUN where the time was too short


def stop(sentence):
    print(sentence)
    sys.exit(1)


def run(name, command, timeout=120, **env):
    """Runs a program and notes its outcome; returns its standard output if it passed."""
    allowed = min(timeout, LIMIT - (time.time() - STARTED))
    if allowed < 5:
        OUTCOMES[name] = NOT_RUN
        print(f"{name}: {NOT_RUN}, no time is left", flush=True)
        return None
    began = time.time()
    try:
        done = subprocess.run(command, env={**ENV, **env}, timeout=allowed, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, cwd=OUT)
        output, error = done.stdout, done.stderr
        outcome = "passed" if done.returncode == 0 else f"{FAILED} ({done.returncode})"
    except subprocess.TimeoutExpired as expired:
        output, error = expired.stdout or b"", expired.stderr or b""
        outcome = f"{FAILED}, no end in {allowed:.0f} s" if allowed == timeout else f"{NOT_RUN} to its end, no time was left"
    output, error = output.decode(errors="replace"), error.decode(errors="replace")
    (OUT / f"{name}.log").write_text(f"{output}\n{error}")
    OUTCOMES[name] = next((known for known in (FAILED, NOT_RUN) if outcome.startswith(known)), "passed")
    if outcome != "passed":
        print(f"{name}: {outcome}: {(error or output)[-1500:]}", flush=True)
        return None
    print(f"{name}: {time.time() - began:.1f} s", flush=True)
    return output


def trainer(name, *arguments):
    return run(name, [str(HERE / "trainer"), *arguments])


def bench(backend, network, batch, *options, start=None):
    """The trainer's measurements, or the outcome if there are none."""
    # The driver counts for up to a second how busy the card is; a round is a third of the steps.
    steps = {None: 300, "first": 3, "second": 3}[start]
    name = f"bench-{backend}-{network}-{batch}{''.join(options)}{f'-{start}-start' if start else ''}".replace("^", "")
    arguments = ["bench", "--backend", backend, "--network", network, "--batch", str(batch), "--steps", str(steps),
                 *options]
    if backend == "libtorch":
        arguments += ["--devices", "0"]
    text = trainer(name, *arguments)
    return OUTCOMES[name] if text is None else json.loads(text)


def pytorch(network, batch):
    """PyTorch's measurements, in a process of its own that gives its memory back, or the outcome if there are none."""
    name = f"pytorch-{network}-{batch}".replace("^", "")
    text = run(name, [sys.executable, str(HERE / "check.py"), "--pytorch", network, str(batch)])
    return OUTCOMES[name] if text is None else json.loads(text)


def measure_pytorch(name, batch, steps=90):
    """A step in eager mode, where convolutions are in TF32 by default; the faster way to read the loss counts."""
    import torch
    from torch import nn
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
    trainer("prepare", "prepare", "folder", "--csv", str(folder / "list.csv"), "--audio", str(folder / "audio"),
            "--cache", str(folder / "cache"))
    return folder


def train(folder, name, *options, run=None):
    """Losses of each epoch of a run, by default one called as the step; `None` if the trainer failed."""
    run = OUT / f"run-{run or name}"
    arguments = ["train", str(folder / "run.toml"), "--cache", str(folder / "cache"), "--run", str(run), "--backend",
                 *options]
    if trainer(f"train-{name}", *arguments) is None:
        return None
    rows = list(csv.DictReader(open(run / "log.csv")))
    return [(float(row["training_loss"]), float(row["validation_loss"])) for row in rows]


def describe_pytorch():
    """What this python3's PyTorch is, as JSON. In a process of its own: a context on the card takes half a gigabyte."""
    program = """if True:
        import json, torch
        has_card = torch.cuda.is_available()
        print(json.dumps({"version": torch.__version__, "cuda": torch.version.cuda, "path": torch.__file__,
                          "card": torch.cuda.get_device_name() if has_card else None}))
    """
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if "No module named 'torch'" in done.stderr:
        stop("This python3 has no PyTorch; install it with: pip install torch==TORCH_VERSION")
    if done.returncode != 0:
        stop(f"This python3's PyTorch does not work; install it again: {done.stderr[-1500:]}")
    torch = json.loads(done.stdout)
    if torch["card"] is None:
        what = "has no CUDA; install one that has" if torch["cuda"] is None else \
            f"is for CUDA {torch['cuda']}, but no graphics card with a driver for it was found; run this where one is"
        stop(f"This PyTorch {torch['version']} {what}.")
    if not torch["version"].startswith("TORCH_VERSION"):
        stop(f"The trainer was built for PyTorch TORCH_VERSION, not {torch['version']}; run `cargo xtask gpu pack` for "
             "that one.")
    return torch


if sys.argv[1:2] == ["--pytorch"]:
    print(json.dumps(measure_pytorch(sys.argv[2], int(sys.argv[3]))))
    sys.exit(0)

torch = describe_pytorch()
OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="tagvane-gpu-")).resolve()
OUT.mkdir(parents=True, exist_ok=True)
site = pathlib.Path(torch["path"]).parent
libraries = [str(site / "lib"), *glob.glob(str(site.parent / "nvidia/*/lib"))]
ENV = {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries + [os.environ.get("LD_LIBRARY_PATH", "")])}
# A first start compiles all kernels.
ENV["XDG_CACHE_HOME"] = str(OUT / "cache")
ENV["CUDA_CACHE_PATH"] = str(OUT / "cuda-cache")

lines = []
title = f"{torch['card']}, PyTorch {torch['version']}"
print(title, flush=True)

# How long a first and a second start take, before anything else fills the caches.
for backend in ("cuda", "libtorch"):
    starts = [bench(backend, "narrow-3^9", 23, start=start) for start in ("first", "second")]
    if all(type(start) is dict for start in starts):
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

def card_usage(result):
    """How busy the card was, and its memory, where the driver said so."""
    memory, busy = result["card_memory_bytes"], result["card_busy_percent"]
    return ["", ""] if memory is None else [f"{busy} %", f"{memory // 1_000_000} MB"]


folder = tones()
curves = {name: train(folder, name, *options) for name, *options in
          [("flex", "flex"), ("libtorch", "libtorch", "--devices", "0"), ("cuda", "cuda")]}
for name, curve in curves.items():
    if curve:
        training = ", ".join(f"{loss:.4f}" for loss, _ in curve)
        lines.append(f"four epochs on {name}: training losses {training}; validation loss {curve[-1][1]:.4f}")

# A run that is stopped on one backend goes on on another.
for first, second in [("flex", "cuda"), ("cuda", "libtorch"), ("libtorch", "flex")]:
    devices = {"libtorch": ["--devices", "0"]}
    run_name = f"{first}-then-{second}"
    begun = train(folder, f"{run_name}-1", first, *devices.get(first, []), "--stop-after-epoch", "2", run=run_name)
    resumed = begun and train(folder, f"{run_name}-2", second, *devices.get(second, []), run=run_name)
    if resumed:
        lines.append(f"two epochs on {first}, then two on {second}: validation loss {resumed[-1][1]:.4f}")

exact = dict(TAGVANE_TEST_CUDA="1", NVIDIA_TF32_OVERRIDE="0", OMP_NUM_THREADS="8")
tests = [
    ("LibTorch's blocks equal burn's", "kernels", ["--include-ignored", "on_libtorch"]),
    ("CUDA's blocks equal burn's", "kernels", ["--include-ignored", "on_cuda"]),
    ("LibTorch's losses and gradients are the CPU's", "backends", ["--include-ignored", "libtorch"]),
    ("CUDA's losses and gradients are the CPU's", "backends", ["--include-ignored", "cuda_has"]),
]
for what, program, options in tests:
    name = f"test-{program}-{options[-1]}"
    run(name, [str(HERE / program), *options, "--nocapture", "--test-threads=1"], 250, **exact)
    lines.append(f"{what}: {OUTCOMES[name]}")
    log = OUT / f"{name}.log"
    for line in log.read_text().replace("\\n", "\n").splitlines() if log.exists() else []:
        if "of their norm apart" in line:
            lines.append(f"    {line.split(' ... ')[-1]}")

print(f"\n{title}; windows a second, in brackets their ratio to PyTorch's\n")
print("| network, batch | | trained | predicted | ms a step | of which the host's | waiting for data | card busy | card's memory |")
print("|---|---|---|---|---|---|---|---|---|")
for (network, batch), row in measured.items():
    reference = row["PyTorch, eager"]
    for what, result in row.items():
        if type(result) is str:
            print(f"| {network}, {batch} | {what} | {result} | | | | | | |")
            continue
        cells = []
        for key in ("training_seconds", "inference_seconds"):
            ratio = f" ({reference[key] / result[key]:.2f})" if type(reference) is dict and result is not reference else ""
            cells.append(f"{batch / result[key]:.0f}{ratio}")
        step = result["training_seconds"]
        more = [""] * 4
        if "data_wait_seconds" in result:
            more = [f"{1e3 * result['training_host_seconds']:.2f}", f"{100 * result['data_wait_seconds'] / step:.1f} %",
                    *card_usage(result)]
        print(f"| {network}, {batch} | {what} | {cells[0]} | {cells[1]} | {1e3 * step:.2f} | {' | '.join(more)} |")
print()
print("\n".join(lines))
of = {outcome: [name for name, other in OUTCOMES.items() if other == outcome] for outcome in ("passed", FAILED, NOT_RUN)}
print(f"\n{len(of['passed'])} passed; {len(of[FAILED])} failed{': ' * bool(of[FAILED])}{', '.join(of[FAILED])}; "
      f"{len(of[NOT_RUN])} not run{': ' * bool(of[NOT_RUN])}{', '.join(of[NOT_RUN])}")
print(f"{time.time() - STARTED:.0f} s in all; outputs in {OUT}")
sys.exit(1 if of[FAILED] else 0)
