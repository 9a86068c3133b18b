"""Shared by the scripts of this folder: a virtual screen with programs, and a receiver of OSC."""

import bisect
import os
import shutil
import socket
import struct
import subprocess
import threading
import time


class Failed(SystemExit):
    """Ends the script with an error message."""


class Desktop:
    """A virtual screen and the programs on it, which end with it. Their files are in a new folder."""

    def __init__(self, folder, display):
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(self.path("home"), mode=0o700)
        self.running = []
        self.environment = dict(os.environ, HOME=self.path("home"), XDG_RUNTIME_DIR=self.path("home"), DISPLAY=display,
                                LIBGL_ALWAYS_SOFTWARE="1", LC_ALL="C.UTF-8")
        self.start("screen", "Xvfb", display, "-screen", "0", "1600x1000x24", "+extension", "GLX")
        self.wait_for("the screen", lambda: self.output_of("xdotool", "getdisplaygeometry"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.running[:]):
            self.end(process)

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, name, *command, **more):
        """Starts a program whose output goes to `name`.log."""
        log = open(self.path(name + ".log"), "w")
        process = subprocess.Popen(command, env=dict(self.environment, **more), stdin=subprocess.PIPE, text=True,
                                   stdout=log, stderr=subprocess.STDOUT)
        self.running.append(process)
        return process

    def end(self, process):
        process.kill()
        process.wait()
        self.running.remove(process)

    def output_of(self, *command):
        """Runs a program, and returns its output."""
        return subprocess.run(command, env=self.environment, text=True, capture_output=True).stdout.strip()

    def wait_for(self, what, condition, seconds=30, pause=0.2):
        """Waits until a condition is truthy, and returns its value."""
        limit = time.time() + seconds
        while time.time() < limit:
            if found := condition():
                return found
            time.sleep(pause)
        self.screenshot("failed")
        raise Failed(f"{what} did not appear within {seconds} s; see failed.png and the logs in {self.folder}")

    def screenshot(self, name):
        self.output_of("import", "-window", "root", self.path(name + ".png"))

    def window(self, title):
        """The position of the visible window with this title, or None."""
        found = self.output_of("xdotool", "search", "--onlyvisible", "--name", title).split()
        if not found:
            return None
        geometry = self.output_of("xdotool", "getwindowgeometry", "--shell", found[0])
        values = dict(line.split("=") for line in geometry.splitlines())
        return int(values["X"]), int(values["Y"])

    def click(self, x, y, times=1):
        self.output_of("xdotool", "mousemove", str(x), str(y), "click", "--repeat", str(times), "--delay", "100", "1")

    def write_button(self, editor):
        """The position of the button Write in Tagvane's editor at `editor`, and whether it is armed, which is
        completely red. None if it is not visible. Searches by colour, because the hosts add their own bars
        above the editor, and its layout may change."""
        width, height = 960, 160
        picture = self.path("write.rgb")
        self.output_of("import", "-window", "root", "-crop", f"{width}x{height}+{editor[0]}+{editor[1]}", "-depth", "8", picture)
        pixels = open(picture, "rb").read()
        width = len(pixels) // (3 * height)
        red = [[pixel for pixel in range(width) if self.is_red(pixels, 3 * (row * width + pixel))] for row in range(height)]
        # The edges of the button are red lines that are longer than red text.
        rows = [row for row in range(height) if len(red[row]) >= 60]
        if not rows:
            return None
        middle = sum(red[rows[0]]) // len(red[rows[0]])
        return editor[0] + middle, editor[1] + (rows[0] + rows[-1]) // 2, len(rows) > 10

    @staticmethod
    def is_red(pixels, offset):
        red, green, blue = pixels[offset:offset + 3]
        return red > 150 and green < 110 and blue < 110

    def set_write(self, editor, armed):
        """Arms or disarms Write in Tagvane's editor at `editor`, if it is not so yet."""
        x, y, is_armed = self.wait_for("the button Write", lambda: self.write_button(editor), 6)
        if is_armed != armed:
            self.click(x, y)
        is_done = lambda: (button := self.write_button(editor)) and button[2] == armed
        self.wait_for("Write " + ("armed" if armed else "off"), is_done, 6)


class SlotReceiver(threading.Thread):
    """Receives the values of slot 1 over OSC, as pairs of time and value."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.received = []
        self.start()

    def run(self):
        while True:
            bundle, at = self.socket.recv(65536), 16
            while at < len(bundle):
                size = int.from_bytes(bundle[at:at + 4], "big")
                message = bundle[at + 4:at + 4 + size]
                if message.startswith(b"/tagvane/1/slot/1\0"):
                    self.received.append((time.time(), struct.unpack(">f", message[-4:])[0]))
                at += 4 + size


def curve_error(curve, received):
    """The mean and the 95th percentile of the absolute difference between received values and a curve
    of (seconds, value), with the start time that fits best."""
    def value(seconds):
        if not curve[0][0] < seconds < curve[-1][0]:
            return None
        after = bisect.bisect_left(curve, (seconds, -1))
        (a, x), (b, y) = curve[after - 1], curve[after]
        return x + (y - x) * (seconds - a) / (b - a) if b > a else y

    best = (9, 9)
    for start in range(-600, 600):
        times = ((when - received[0][0] - start / 100, sent) for when, sent in received)
        errors = sorted(abs(sent - drawn) for seconds, sent in times if (drawn := value(seconds)) is not None)
        if len(errors) > 50:
            best = min(best, (sum(errors) / len(errors), errors[len(errors) * 19 // 20]))
    return best


def write_music(clip, path):
    """Writes the first ten seconds of a clip twice, as a wav file at 48 kHz."""
    from pedalboard.io import AudioFile
    with AudioFile(clip).resampled_to(48000) as sound:
        frames = sound.read(10 * 48000)
    with AudioFile(path, "w", 48000, frames.shape[0], bit_depth=16) as wav:
        wav.write(frames)
        wav.write(frames)


def distinct_values(received):
    """The number of distinct values."""
    return len({round(value, 3) for _, value in received})
