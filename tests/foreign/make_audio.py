"""Writes short audio files with other people's programs, each beside what has to come out of it.

    python make_audio.py FOLDER      # needs ffmpeg, sox, lame

Every file has the same half second: a tone of 440 Hz on the left and one of 1000 Hz on the right, or one tone for each
channel, 440, 1000, 1500, 2000, 2500, 3000 Hz. NAME.expected.json says how many channels, what rate, how many
seconds, and the words of a notice or of an error. trainer/audio/tests/foreign_audio.rs compares them.
"""

import json
import struct
import subprocess
import sys
from pathlib import Path

SECONDS = 0.5
TONES = [440, 1000, 1500, 2000, 2500, 3000]


def run(*command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Writer:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, name):
        return self.folder / name

    def expect(self, name, channels=2, rate=44100, seconds=SECONDS, tones=None, **words):
        expected = {"channels": channels, "rate": rate, "seconds": seconds,
                    "tones": TONES[:channels] if tones is None else tones, **words}
        self.path(name + ".expected.json").write_text(json.dumps(expected) + "\n")
        print(f"{name}: {self.path(name).stat().st_size} bytes")

    def fail(self, name, words, **others):
        self.path(name + ".expected.json").write_text(json.dumps({"error": words, **others}) + "\n")
        print(f"{name}: {self.path(name).stat().st_size} bytes")

    def ffmpeg(self, name, *options, channels=2, rate=44100, seconds=SECONDS):
        """Encodes the tones with ffmpeg; options follow the input."""
        sines = "|".join(f"0.3*sin(2*PI*{tone}*t)" for tone in TONES[:channels])
        layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
        source = f"aevalsrc={sines}:s={rate}:d={seconds}:c={layout}"
        run("ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", source, *options, "-bitexact", self.path(name))


def main(folder):
    writer = Writer(folder)
    make, expect = writer.ffmpeg, writer.expect
    wav = writer.path("tones.wav")
    make("tones.wav")
    expect("tones.wav")

    # Formats and codecs.
    for name, options in {
        "pcm24.wav": ["-c:a", "pcm_s24le"], "pcm32.wav": ["-c:a", "pcm_s32le"], "float.wav": ["-c:a", "pcm_f32le"],
        "double.wav": ["-c:a", "pcm_f64le"], "unsigned8.wav": ["-c:a", "pcm_u8"],
        "adpcm_ms.wav": ["-c:a", "adpcm_ms"], "adpcm_ima.wav": ["-c:a", "adpcm_ima_wav"],
        "alaw.wav": ["-c:a", "pcm_alaw"], "mulaw.wav": ["-c:a", "pcm_mulaw"],
        "pcm.aiff": [], "float.aiff": ["-c:a", "pcm_f32be"], "little_endian.aifc": ["-f", "aiff", "-c:a", "pcm_s16le"],
        "pcm.caf": [], "alac.caf": ["-c:a", "alac"],
        "aac.m4a": ["-c:a", "aac"], "alac.m4a": ["-c:a", "alac"], "aac.mp4": ["-c:a", "aac"], "aac.mov": ["-c:a", "aac"],
        "fragmented.m4a": ["-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"],
        "faststart.m4a": ["-c:a", "aac", "-movflags", "+faststart"],
        "mp3.m4a": ["-f", "mp4", "-c:a", "libmp3lame"], "flac.mp4": ["-c:a", "flac", "-strict", "-2"],
        "adts.aac": ["-c:a", "aac"], "layer2.mp2": ["-c:a", "mp2"],
        "vbr.mp3": ["-c:a", "libmp3lame", "-q:a", "4"], "cbr.mp3": ["-c:a", "libmp3lame", "-b:a", "128k"],
        "plain.flac": [], "flac24.flac": ["-sample_fmt", "s32"], "flac.ogg": ["-c:a", "flac"],
        "vorbis.ogg": ["-c:a", "libvorbis"], "vorbis.webm": ["-c:a", "libvorbis"], "vorbis.mka": ["-c:a", "libvorbis"],
        "aac.mkv": ["-c:a", "aac"], "pcm.mka": ["-c:a", "pcm_s16le"], "mp3.mkv": ["-c:a", "libmp3lame"],
    }.items():
        make(name, *options)
        expect(name)
    make("opus.opus", "-c:a", "libopus", rate=48000)
    expect("opus.opus", rate=48000)
    make("opus.webm", "-c:a", "libopus", rate=48000)
    expect("opus.webm", rate=48000)
    make("opus.mkv", "-c:a", "libopus", rate=48000)
    expect("opus.mkv", rate=48000)
    for name, options in {"surround.wav": [], "surround.flac": [], "surround.m4a": ["-c:a", "aac", "-b:a", "256k"],
                          "surround.ogg": ["-c:a", "libvorbis"]}.items():
        make(name, *options, channels=6)
        # The channel for low frequencies has no tone left, and codecs order the channels in their own ways.
        aac = {"without_ffmpeg": "an MPEG-4 file"} if name.endswith("m4a") else {}
        expect(name, channels=6, tones=[], **aac)
    make("surround.opus", "-c:a", "libopus", "-b:a", "256k", channels=6, rate=48000)
    expect("surround.opus", channels=6, rate=48000, tones=[])
    for rate in (8000, 22050, 96000, 192000):
        make(f"rate{rate}.wav", rate=rate)
        expect(f"rate{rate}.wav", rate=rate)
    make("mono.mp3", "-c:a", "libmp3lame", channels=1)
    expect("mono.mp3", channels=1)

    # Tags and pictures.
    picture = writer.path("cover.png")
    run("ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", "nullsrc=s=900x900,geq=random(1)*255:128:128", "-frames:v", "1", picture)
    for version in ("3", "4"):
        name = f"cover_id3v2{version}.mp3"
        run("ffmpeg", "-y", "-v", "error", "-i", wav, "-i", picture, "-map", "0:a", "-map", "1:v", "-c:v", "copy",
            "-c:a", "libmp3lame", "-id3v2_version", version, "-metadata", "title=Tönë", writer.path(name))
        expect(name)
    for name, codec in (("cover.flac", "flac"), ("cover.m4a", "aac")):
        run("ffmpeg", "-y", "-v", "error", "-i", wav, "-i", picture, "-map", "0:a", "-map", "1:v", "-c:v", "copy",
            "-c:a", codec, "-disposition:v", "attached_pic", writer.path(name))
        expect(name)
    picture.unlink()
    run("lame", "--quiet", "--id3v1-only", "--tt", "tones", "--ta", "nobody", wav, writer.path("id3v1.mp3"))
    expect("id3v1.mp3")
    ape = b"APETAGEX" + struct.pack("<IIII8x", 2000, 32 + 21, 1, 0) + struct.pack("<II", 5, 0) + b"Title\0tones"
    data = writer.path("cbr.mp3").read_bytes()
    writer.path("ape.mp3").write_bytes(data + ape[32:] + ape[:32])
    expect("ape.mp3")
    writer.path("junk_before.mp3").write_bytes(b"\0" * 3000 + data)
    expect("junk_before.mp3")

    # Headers that lie.
    good = wav.read_bytes()
    at = good.index(b"data") + 4
    for name, riff, size in (("size_zero.wav", 0, 0), ("size_unknown.wav", 0xFFFFFFFF, 0xFFFFFFFF),
                             ("size_placeholder.wav", 0x7FFFFFFF + 36, 0x7FFFFFFF), ("size_too_large.wav", len(good), 10**8)):
        writer.path(name).write_bytes(good[:4] + struct.pack("<I", riff) + good[8:at] + struct.pack("<I", size) + good[at + 4:])
        expect(name)
    make("rf64.wav", "-rf64", "always")
    expect("rf64.wav")
    writer.path("trailing_list.wav").write_bytes(writer.path("rf64.wav").read_bytes() + b"LIST" + struct.pack("<I", 40) + b"\x7f" * 40)
    expect("trailing_list.wav")
    run("sox", wav, "-t", "wavpcm", writer.path("sox.wav"))
    expect("sox.wav")
    for name in ("vorbis.ogg", "plain.flac", "cbr.mp3", "tones.wav"):
        make("truncated_" + name, seconds=3)
        data = writer.path("truncated_" + name).read_bytes()
        writer.path("truncated_" + name).write_bytes(data[: len(data) * 3 // 4])
        expect("truncated_" + name, seconds=None)
    writer.path("renamed.mp3").write_bytes(good)
    expect("renamed.mp3")
    writer.path("no_extension").write_bytes(writer.path("plain.flac").read_bytes())
    expect("no_extension")

    # Streams that change.
    vorbis = writer.path("vorbis.ogg").read_bytes()
    make("other.ogg", "-c:a", "libvorbis", "-serial_offset", "77")
    writer.path("chained.ogg").write_bytes(vorbis + writer.path("other.ogg").read_bytes())
    writer.path("other.ogg").unlink()
    expect("chained.ogg", seconds=1)
    make("mono.ogg", "-c:a", "libvorbis", "-serial_offset", "78", channels=1)
    writer.path("chained_mono.ogg").write_bytes(vorbis + writer.path("mono.ogg").read_bytes())
    writer.path("mono.ogg").unlink()
    expect("chained_mono.ogg", seconds=1, tones=[440], notice="channels are converted")
    make("slow.ogg", "-c:a", "libvorbis", "-serial_offset", "79", rate=22050)
    writer.path("chained_rate.ogg").write_bytes(vorbis + writer.path("slow.ogg").read_bytes())
    writer.path("slow.ogg").unlink()
    expect("chained_rate.ogg", notice="sample rate changes from 44100 to 22050 Hz")
    writer.path("mono_then_stereo.mp3").write_bytes(writer.path("mono.mp3").read_bytes() + writer.path("cbr.mp3").read_bytes())
    expect("mono_then_stereo.mp3", channels=1, seconds=1, tones=[], notice="channels are converted")

    # What ffmpeg decodes, and what nothing decodes.
    for name, kind, options in (("speech.wma", "a Windows Media file", ["-c:a", "wmav2"]), ("film.ac3", "an AC-3 file", ["-c:a", "ac3"]),
                                ("sun.au", "a Sun audio file", []), ("loss_less.tta", "a True Audio file", ["-c:a", "tta"]),
                                ("packed.wv", "a WavPack file", ["-c:a", "wavpack"])):
        make(name, *options)
        expect(name, seconds=None, without_ffmpeg=kind)
    writer.path("picture.wav").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    writer.fail("picture.wav", "this is a picture")
    writer.path("score.mid").write_bytes(b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk\0\0\0\x04\0\xff\x2f\0")
    writer.fail("score.mid", "this is a MIDI file")
    writer.path("page.mp3").write_bytes(b"<!DOCTYPE html><title>404</title>" + b" " * 200)
    writer.fail("page.mp3", "this is a web page")
    writer.path("text.mp3").write_bytes(b"These are words, not music. " * 20)
    writer.fail("text.mp3", "not a supported audio file")
    writer.path("empty.wav").write_bytes(b"")
    writer.fail("empty.wav", "has no audio")
    writer.path("header_only.wav").write_bytes(good[:at + 4])
    writer.fail("header_only.wav", "has no audio")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
