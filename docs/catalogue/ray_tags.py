"""Tags the recordings of a list with Ray, each actor with a worker of its own, and writes the answers as JSON lines.

    python ray_tags.py TRAINER MODEL LIST OUT
"""

import subprocess
import sys

import ray
from ray.util import ActorPool


@ray.remote
class Worker:
    """A worker process that keeps its model loaded."""

    def __init__(self, trainer, model):
        command = [trainer, "tag", model, "--worker"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tag(self, path):
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker ended at {path}")
        return answer


def main():
    trainer, model, recordings, out = sys.argv[1:]
    with open(recordings) as file:
        paths = [line.strip() for line in file if line.strip()]
    ray.init(include_dashboard=False, log_to_driver=False)
    pool = ActorPool([Worker.remote(trainer, model) for _ in range(int(ray.cluster_resources()["CPU"]))])
    with open(out, "w") as file:
        file.writelines(pool.map(lambda worker, path: worker.tag.remote(path), paths))


if __name__ == "__main__":
    main()
