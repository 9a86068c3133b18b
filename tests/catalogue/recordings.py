"""Recordings for the checks of catalogues, and rows to compare."""

import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MODEL = REPOSITORY / "plugin/models/music.onnx"
CLIPS = sorted((REPOSITORY / "tests/clips").glob("*.ogg"))
FORMATS = ["mp3", "flac", "ogg", "wav", "m4a", "opus"]

#: What the recordings have in common that are no audio.
BROKEN = ["broken.mp3", "missing.flac"]


def make(folder, count):
    """Makes `count` excerpts of the clips with ffmpeg, in six formats and a folder a clip, and a broken file. Returns their paths."""
    paths = []
    for index in range(count):
        clip = CLIPS[index % len(CLIPS)]
        path = folder / clip.stem / f"{index:03} song.{FORMATS[index % len(FORMATS)]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        start, seconds = str(index % 13), str(3 + index % 5)
        command = ["ffmpeg", "-y", "-v", "error", "-ss", start, "-t", seconds, "-i", str(clip)]
        subprocess.run([*command, "-map_metadata", "-1", str(path)], check=True)
        paths.append(str(path))
    (folder / BROKEN[0]).write_bytes(b"this is no audio" * 100)
    return paths + [str(folder / name) for name in BROKEN]


def rows(catalogue):
    """The rows of a catalogue by their paths, without the times of the files."""
    import pyarrow.dataset

    table = pyarrow.dataset.dataset(str(catalogue), partitioning="hive").to_table().to_pylist()
    found = {}
    for row in table:
        assert row["path"] not in found, f"{row['path']} is there twice"
        found[row.pop("path")] = row
    return found
