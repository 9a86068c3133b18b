# Measures the 3^9 networks in PyTorch for `cargo xtask bench trainer`. Prints the median seconds of a
# training step and of the inference of a batch, and the peak memory, as one line of JSON.
import json, os, resource, sys, time

import torch
from torch import nn

name, batch, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(len(os.sched_getaffinity(0)))
WIDTHS = {
    "narrow-3^9": [16, 16, 32, 32, 64, 64, 128, 128, 256, 512],
    "3^9-59049": [128, 128, 128, 256, 256, 256, 256, 256, 256, 512],
}[name]

layers = [nn.Conv1d(1, WIDTHS[0], 3, 3), nn.BatchNorm1d(WIDTHS[0]), nn.ReLU()]
for before, after in zip(WIDTHS, WIDTHS[1:]):
    layers += [nn.Conv1d(before, after, 3, 1, 1), nn.BatchNorm1d(after), nn.ReLU(), nn.MaxPool1d(3)]
last = WIDTHS[-1]
layers += [nn.Conv1d(last, last, 1), nn.BatchNorm1d(last), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(last, 50)]
network = nn.Sequential(*layers)
optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, nesterov=True)
entropy = nn.BCEWithLogitsLoss()
waveforms = torch.rand(batch, 1, 59049)
targets = (torch.rand(batch, 50) < 0.1).float()


def median_seconds(work):
    seconds = []
    for _ in range(steps):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return sorted(seconds)[len(seconds) // 2]


def train():
    optimiser.zero_grad()
    loss = entropy(network(waveforms), targets)
    loss.backward()
    optimiser.step()
    return loss.item()


training = median_seconds(train)
network.eval()
with torch.no_grad():
    inference = median_seconds(lambda: network(waveforms))
print(json.dumps({
    "training_seconds": training,
    "inference_seconds": inference,
    "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
}))
