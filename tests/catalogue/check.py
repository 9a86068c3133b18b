"""Checks catalogues with programs of others: readers of Parquet, an S3 server, containers, and engines that drive workers.

python check.py TRAINER FOLDER
"""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import recordings

SCRIPTS = recordings.REPOSITORY / "docs/catalogue"
RECORDINGS = 48


def tag(trainer, *arguments, status=0, **options):
    """Runs the trainer's `tag`, and returns what it prints."""
    command = [str(trainer), "tag", str(recordings.MODEL), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def check_readers(trainer, folder, paths):
    """DuckDB, pyarrow, pandas and Polars read what the worker says, and the card."""
    import duckdb
    import pandas
    import polars

    out = folder / "readers"
    tag(trainer, *paths, "--parquet", out, "--embedding", "--partitions", 3, status=2)
    lines = "".join(f"{path}\n" for path in paths)
    answers = tag(trainer, "--worker", "--embedding", "--ignore-failed", "--jobs", 2, input=lines).splitlines()
    answers = {answer["path"]: answer for answer in map(json.loads, answers)}
    pattern = str(out / "*/*.parquet")
    connection = duckdb.connect()
    connection.execute(f"create view tracks as select * from read_parquet('{pattern}', hive_partitioning = true)")
    names = [row[0] for row in connection.execute("describe tracks").fetchall()]
    tables = {
        "duckdb": [dict(zip(names, row)) for row in connection.execute("select * from tracks").fetchall()],
        "pyarrow": [{"path": path, **row} for path, row in recordings.rows(out).items()],
        "pandas": pandas.read_parquet(out).to_dict("records"),
        "polars": polars.read_parquet(pattern, hive_partitioning=True).to_dicts(),
    }
    for reader, table in tables.items():
        assert len(table) == len(paths), f"{reader}: {len(table)} rows"
        for row in table:
            answer = answers[row["path"]]
            assert row["model_sha256"] == answer["model_sha256"] and row["model_sha256"].startswith(str(row["model"]))
            if "error" in answer:
                assert row["error"] == answer["error"], reader
                continue
            assert row["sha256"] == answer["sha256"] and row["seconds"] == answer["seconds"], reader
            assert len(row["embedding"]) == len(answer["embedding"]), reader
            for tag_name, mean in answer["mean"].items():
                assert abs(row[tag_name] - mean) < 1e-6 and abs(row[f"{tag_name} max"] - answer["max"][tag_name]) < 1e-6
    card = (recordings.MODEL.with_suffix(".md")).read_bytes()
    keys = connection.execute(f"select distinct key, value from parquet_kv_metadata('{pattern}')").fetchall()
    assert (b"tagvane.model_card", card) in keys
    vocal = connection.execute('select count(*) from tracks where error is null and "guitar max" >= "guitar"').fetchone()
    assert vocal[0] == RECORDINGS
    print(f"duckdb, pyarrow, pandas, polars: {len(paths)} rows each, as a worker answers")


def start_s3(port):
    """Moto's server, which is S3 for those who ask it."""
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=1)
            return server
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("moto's server does not start")


def check_store(trainer, folder, paths):
    """A bucket gives the rows that the files give, and takes the same catalogue."""
    import boto3

    port = 5_123
    server = start_s3(port)
    try:
        environment = {
            **os.environ,
            "AWS_ENDPOINT": f"http://127.0.0.1:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }
        client = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT"],
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )
        for bucket in ("music", "tags"):
            client.create_bucket(Bucket=bucket)
        there = [path for path in paths if Path(path).exists()]
        for path in there:
            client.upload_file(path, "music", f"some songs/{Path(path).name}")
        local, remote = folder / "local", folder / "remote"
        tag(trainer, *there, "--parquet", local, status=2)
        # Two runs at once, from the store and to it.
        command = [str(trainer), "tag", str(recordings.MODEL), "s3://music/some songs/", "--parquet", "s3://tags/a/b"]
        runs = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)]
        assert [run.wait() for run in runs] == [2, 2]
        printed = tag(trainer, "s3://music/some songs/", "--parquet", "s3://tags/a/b", status=2, env=environment)
        assert f"{RECORDINGS} unchanged" in printed and "0 recordings tagged" in printed, printed
        for item in client.list_objects_v2(Bucket="tags")["Contents"]:
            path = remote / item["Key"].removeprefix("a/b/")
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file("tags", item["Key"], str(path))
        expected, found = recordings.rows(local), recordings.rows(remote)
        assert len(found) == len(there)
        for path in there:
            row, other = expected[path], found[f"s3://music/some songs/{Path(path).name}"]
            assert (row.pop("error") is None) == (other.pop("error") is None)
            row.pop("modified"), other.pop("modified")
            assert row == other, path
        # A pattern, and what a store refuses.
        printed = tag(trainer, "s3://music/some songs/00*.mp3", "--parquet", folder / "pattern", env=environment)
        assert printed.startswith("2 recordings tagged"), printed
        printed = tag(
            trainer, "s3://nowhere/a.mp3", "s3://music/no.mp3", "--parquet", folder / "refused", status=2, env=environment
        )
        assert "2 failed" in printed, printed
    finally:
        server.kill()
    print(f"S3 (moto): {len(there)} objects, the rows of the files; two runs at once and one after")


def answers_of(out):
    return [json.loads(line) for line in Path(out).read_text().splitlines()]


def check_engines(trainer, folder, paths):
    """Each documented script gives the answers of one worker."""
    lines = folder / "list.txt"
    lines.write_text("".join(f"{path}\n" for path in paths))
    expected = tag(trainer, "--worker", "--ignore-failed", input=lines.read_text()).splitlines()
    expected = [json.loads(line) for line in expected]
    arguments = [str(trainer), str(recordings.MODEL), str(lines)]

    out = folder / "parallel.jsonl"
    subprocess.run(["sh", SCRIPTS / "parallel.sh", *arguments, out], check=True)
    assert answers_of(out) == expected
    print("GNU parallel: the answers of one worker, in their order")

    out = folder / "xargs"
    subprocess.run(["sh", SCRIPTS / "xargs.sh", *arguments, out], check=True, stdout=subprocess.DEVNULL)
    found = recordings.rows(out)
    assert {path: row["sha256"] for path, row in found.items()} == {a["path"]: a.get("sha256") for a in expected}
    print("xargs: one catalogue of several processes")

    for name in ("dask_tags", "ray_tags"):
        out = folder / f"{name}.jsonl"
        subprocess.run([sys.executable, SCRIPTS / f"{name}.py", *arguments, out], check=True)
        assert answers_of(out) == expected, name
        print(f"{name}: the answers of one worker")

    out = folder / "spark"
    spark = Path(sys.executable).with_name("spark-submit")
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    command = [spark, "--master", "local-cluster[2,1,1024]", "--conf", "spark.ui.enabled=false", SCRIPTS / "spark.py"]
    log = folder / "spark.log"
    with open(log, "w") as file:
        done = subprocess.run([*map(str, command), *arguments, str(out)], env=environment, stdout=file, stderr=file)
    assert done.returncode == 0, log.read_text()[-3_000:]
    import pyarrow.dataset

    found = {row["path"]: row for row in pyarrow.dataset.dataset(str(out)).to_table().to_pylist()}
    assert len(found) == len(expected)
    for answer in expected:
        row = found[answer["path"]]
        assert row["error"] == answer.get("error") and row["sha256"] == answer.get("sha256")
        assert dict(row["mean"] or []) == answer.get("mean", {})
    print("Spark (local-cluster, 2 executors): the answers of one worker")


def check_container(trainer, folder, paths):
    """The manifest and the container file are valid, and its pods give the rows of one process in a container like theirs."""
    import yaml

    scripts = Path(sys.executable).parent
    subprocess.run([scripts / "kubernetes-validate", "--strict", "--quiet", SCRIPTS / "kubernetes.yaml"], check=True)
    subprocess.run([scripts / "hadolint", SCRIPTS / "Containerfile"], check=True)
    job = yaml.safe_load((SCRIPTS / "kubernetes.yaml").read_text())["spec"]
    [container] = job["template"]["spec"]["containers"]
    user = job["template"]["spec"]["securityContext"]["runAsUser"]
    # Fewer pods than for a store full of music.
    addresses = {"s3://recordings/": "/music", "s3://catalogue/": "/out", f"/{job['completions']}": "/3"}
    arguments = [addresses.get(argument, argument) for argument in container["args"]]
    root, out, music = folder / "root", folder / "pods", folder / "some songs"
    for name in ["usr/bin", "lib", "lib64", "models", "music", "out", "proc", "dev"]:
        (root / name).mkdir(parents=True)
    shutil.copy(trainer, root / "usr/bin/trainer")
    out.mkdir()
    for index in range(3):
        command = ["bwrap", "--ro-bind", root, "/", "--ro-bind", "/lib", "/lib", "--ro-bind", "/lib64", "/lib64"]
        command += ["--ro-bind", recordings.MODEL.parent, "/models", "--ro-bind", music, "/music", "--bind", out, "/out"]
        command += ["--proc", "/proc", "--dev", "/dev", "--unshare-user", "--uid", user, "--gid", user, "--clearenv"]
        command += ["--setenv", "JOB_COMPLETION_INDEX", index, "/usr/bin/trainer", *arguments]
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    expected, found = recordings.rows(folder / "local"), recordings.rows(out)
    there = [path for path in paths if Path(path).exists()]
    assert len(found) == len(there)
    for path in there:
        row, other = expected[path], found[f"/music/{Path(path).relative_to(music)}"]
        assert (row.pop("error") is None) == (other.pop("error") is None) and row == other, path
    print(f"three pods, not root, on a read-only file system: {len(found)} rows, those of one process")


def main():
    trainer, folder = Path(sys.argv[1]), Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    paths = recordings.make(folder / "some songs", RECORDINGS)
    check_readers(trainer, folder, paths)
    check_store(trainer, folder, paths)
    check_container(trainer, folder, paths)
    check_engines(trainer, folder, paths)


if __name__ == "__main__":
    main()
