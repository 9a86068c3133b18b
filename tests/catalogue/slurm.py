"""Runs the documented job arrays under a real Slurm, which this starts: one controller and three nodes on this machine.

python slurm.py TRAINER FOLDER, as root or as a user who may run munged and Slurm's daemons
"""

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import recordings

SCRIPTS = recordings.REPOSITORY / "docs/catalogue"
NODES = 3
RECORDINGS = 90
#: Seconds for a job.
PATIENCE = 300


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Slurm:
    """A cluster in a folder, with its own authentication, ports and state."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        # Of sockets only short paths work.
        self.run = Path(f"/tmp/tagvane-slurm-{os.getpid()}")
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.run.mkdir(mode=0o755)
        (self.folder / "state").mkdir(parents=True)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1_024))
        key.chmod(0o400)
        controller, *ports = free_ports(1 + NODES)
        user, host = getpass.getuser(), socket.gethostname().split(".")[0]
        nodes = "".join(
            f"NodeName=node{node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1 RealMemory=600 State=UNKNOWN\n"
            for node, port in enumerate(ports)
        )
        (self.folder / "slurm.conf").write_text(f"""\
ClusterName=tagvane
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller}
AuthType=auth/munge
AuthInfo=socket={self.run}/munge.socket
CredType=cred/munge
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool%n
SlurmctldPidFile={self.run}/slurmctld.pid
SlurmdPidFile={self.run}/%n.pid
SlurmctldLogFile={self.folder}/slurmctld.log
SlurmdLogFile={self.folder}/%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=batch_sched_delay=1,sched_interval=5,requeue_setup_env_fail
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SlurmdParameters=config_overrides
{nodes}PartitionName=all Nodes=node[0-{NODES - 1}] Default=YES MaxTime=INFINITE State=UP
""")
        self.start("munged", "--foreground", "--force", f"--socket={self.run}/munge.socket", f"--key-file={key}",
                   f"--pid-file={self.run}/munged.pid", f"--log-file={self.folder}/munged.log",
                   f"--seed-file={self.folder}/munged.seed")
        self.wait("munge's socket", lambda: (self.run / "munge.socket").exists())
        self.start("slurmctld", "-D")
        for node in range(NODES):
            self.start("slurmd", "-D", "-N", f"node{node}")
        self.wait("three idle nodes", lambda: self.call("sinfo", "-h", "-N", "-o", "%T").split() == ["idle"] * NODES)
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.run, ignore_errors=True)

    def start(self, program, *arguments):
        path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
        log = open(self.folder / f"{program}.out", "a")
        self.processes.append(subprocess.Popen([path, *arguments], env=self.environment, stdout=log, stderr=log))

    def call(self, *command):
        return subprocess.run(command, env=self.environment, capture_output=True, text=True).stdout

    def wait(self, what, is_there):
        end = time.monotonic() + PATIENCE
        while not is_there():
            for process in self.processes:
                if process.poll() is not None:
                    raise RuntimeError(f"{process.args[0]} ended; its log is in {self.folder}")
            if time.monotonic() > end:
                raise RuntimeError(f"{what}: not there after {PATIENCE} s; the logs are in {self.folder}")
            time.sleep(0.1)

    def submit(self, *arguments):
        """Submits a script, and returns the number of its job."""
        command = ["sbatch", "--parsable", "--chdir", str(self.folder), *map(str, arguments)]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().split(";")[0]

    def tasks(self, job):
        """The state of each task of a job that waits or runs."""
        lines = self.call("squeue", "-h", "-r", "-j", job, "-o", "%K %T").splitlines()
        return dict(line.split() for line in lines)

    def finish(self, job):
        self.wait(f"the end of job {job}", lambda: not self.tasks(job))


def kill_task(slurm, job, task, has_begun):
    """Kills the trainer of a task as a failing node does, once it has begun, and has Slurm run the task again."""
    slurm.wait("a task that has begun", lambda: slurm.tasks(job).get(task) == "RUNNING" and has_begun())
    before = slurm.call("scontrol", "show", "job", f"{job}_{task}")
    done = subprocess.run(["scontrol", "requeue", f"{job}_{task}"], env=slurm.environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stderr}{before}"


def check_catalogue(slurm, trainer, folder, paths):
    """Three tasks, one of them killed and run again, give the rows of one process."""
    lines = folder / "list.txt"
    lines.write_text("".join(f"{path}\n" for path in paths))
    whole, out = folder / "whole", folder / "array"
    command = [trainer, "tag", recordings.MODEL, "--list", lines, "--parquet", whole, "--ignore-failed", "--quiet"]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    job = slurm.submit(SCRIPTS / "slurm.sh", trainer, recordings.MODEL, lines, out)
    kill_task(slurm, job, "2", lambda: list(out.glob("model=*/_catalogue.json")))
    slurm.finish(job)
    logs = "".join(path.read_text() for path in sorted(slurm.folder.glob(f"slurm-{job}_*.out")))
    expected, found = recordings.rows(whole), recordings.rows(out)
    assert len(expected) == len(paths), len(expected)
    assert found == expected, logs
    files = sorted(path.name for path in out.glob("model=*/*.parquet"))
    assert len(files) == NODES, files
    assert "CANCELLED" in logs, logs
    print(f"tag: {len(found)} rows in {len(files)} files of three nodes, one task run again: those of one process")


PREPARE = """\
#!/bin/sh
#SBATCH --array=1-3
#SBATCH --requeue
#SBATCH --open-mode=append
"$1" prepare folder --audio "$2" --cache "$3" --jobs 1
"""


def check_prepare(slurm, trainer, folder, music):
    """Three tasks of `prepare`, one of them killed and run again, give the cache of one process."""
    script = folder / "prepare.sh"
    script.write_text(PREPARE)
    whole, cache = folder / "whole-cache", folder / "cache"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SLURM")}
    command = [trainer, "prepare", "folder", "--audio", music, "--cache", whole]
    subprocess.run(list(map(str, command)), check=True, env=environment, stdout=subprocess.DEVNULL)
    job = slurm.submit(script, trainer, music, cache)
    kill_task(slurm, job, "3", cache.exists)
    slurm.finish(job)

    def tracks(cache):
        lines = [line for part in cache.glob("part-*/tracks.jsonl") for line in part.read_text().splitlines()]
        kept = [track["kept"] for track in map(json.loads, lines) if "kept" in track]
        # Where a track stands in its part depends on the part.
        return sorted(json.dumps({**track, "offset": 0}, sort_keys=True) for track in kept)

    logs = "".join(path.read_text() for path in sorted(slurm.folder.glob(f"slurm-{job}_*.out")))
    assert tracks(whole) and tracks(cache) == tracks(whole), logs
    print(f"prepare: {len(tracks(cache))} tracks of three nodes, one task run again: those of one process")


def main():
    trainer, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    music = folder / "music"
    paths = recordings.make(music, RECORDINGS)
    with Slurm(folder / "slurm") as slurm:
        check_catalogue(slurm, trainer, folder, paths)
        check_prepare(slurm, trainer, folder, music)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
