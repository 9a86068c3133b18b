"""Tags the recordings of a list with Dask, and writes the answers as JSON lines.

    python dask_tags.py TRAINER MODEL LIST OUT
"""

import subprocess
import sys

import dask.bag


def tag(lines, trainer, model):
    """Answers the lines of a partition with one worker."""
    worker = [trainer, "tag", model, "--worker", "--ignore-failed"]
    paths = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(worker, input=paths, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


def main():
    trainer, model, recordings, out = sys.argv[1:]
    with open(recordings) as file:
        paths = [line.strip() for line in file if line.strip()]
    bag = dask.bag.from_sequence(paths, npartitions=4).map_partitions(tag, trainer=trainer, model=model)
    with open(out, "w") as file:
        file.writelines(f"{answer}\n" for answer in bag.compute(scheduler="processes", num_workers=2))


if __name__ == "__main__":
    main()
