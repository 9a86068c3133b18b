"""What the scripts of this folder share: a screen without a monitor, programs that run on it
and end with it, and OSC that is listened to."""

import bisect
import os
import shutil
import socket
import struct
import subprocess
import threading
import time


class Failed(SystemExit):
    """Ends a script with one sentence."""


class Desk:
    """A screen and the programs on it, in a folder that is made anew."""

    def __init__(self, folder, display):
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(self.path("home"), mode=0o700)
        self.running = []
        self.environment = dict(os.environ, HOME=self.path("home"), XDG_RUNTIME_DIR=self.path("home"), DISPLAY=display,
                                LIBGL_ALWAYS_SOFTWARE="1", LC_ALL="C.UTF-8")
        self.start("screen", "Xvfb", display, "-screen", "0", "1600x1000x24", "+extension", "GLX")
        self.until("the screen", lambda: self.ask("xdotool", "getdisplaygeometry"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.running[:]):
            self.end(process)

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, name, *command, **more):
        """Starts a program that writes to `name`.log."""
        log = open(self.path(name + ".log"), "w")
        process = subprocess.Popen(command, env=dict(self.environment, **more), stdin=subprocess.PIPE, text=True,
                                   stdout=log, stderr=subprocess.STDOUT)
        self.running.append(process)
        return process

    def end(self, process):
        process.kill()
        process.wait()
        self.running.remove(process)

    def ask(self, *command):
        """What a program says; nothing where it fails."""
        return subprocess.run(command, env=self.environment, text=True, capture_output=True).stdout.strip()

    def until(self, what, condition, seconds=30, pause=0.2):
        """Waits for a condition and gives what it gives."""
        limit = time.time() + seconds
        while time.time() < limit:
            if found := condition():
                return found
            time.sleep(pause)
        self.photograph("failed")
        raise Failed(f"{what} did not come in {seconds} s: see failed.png and the logs in {self.folder}")

    def photograph(self, name):
        self.ask("import", "-window", "root", self.path(name + ".png"))

    def window(self, title):
        """Where the window with this title is, if it is there."""
        found = self.ask("xdotool", "search", "--onlyvisible", "--name", title).split()
        if not found:
            return None
        geometry = self.ask("xdotool", "getwindowgeometry", "--shell", found[0])
        place = dict(line.split("=") for line in geometry.splitlines())
        return int(place["X"]), int(place["Y"])

    def click(self, x, y, times=1):
        self.ask("xdotool", "mousemove", str(x), str(y), "click", "--repeat", str(times), "--delay", "100", "1")

    def write_button(self, editor):
        """Where Write is in Tagvane's editor, whose window stands at `editor`, and whether it is red all over; None
        where it cannot be seen. Hosts put bars of their own above the editor, and its layout may change."""
        width, height = 960, 160
        picture = self.path("write.rgb")
        self.ask("import", "-window", "root", "-crop", f"{width}x{height}+{editor[0]}+{editor[1]}", "-depth", "8", picture)
        pixels = open(picture, "rb").read()
        width = len(pixels) // (3 * height)
        red = [[pixel for pixel in range(width) if self.is_red(pixels, 3 * (row * width + pixel))] for row in range(height)]
        # Its upper and lower edge, at least: longer than any word.
        rows = [row for row in range(height) if len(red[row]) >= 60]
        if not rows:
            return None
        middle = sum(red[rows[0]]) // len(red[rows[0]])
        return editor[0] + middle, editor[1] + (rows[0] + rows[-1]) // 2, len(rows) > 10

    @staticmethod
    def is_red(pixels, place):
        red, green, blue = pixels[place:place + 3]
        return red > 150 and green < 110 and blue < 110

    def write(self, editor, wanted):
        """Clicks on Write in Tagvane's editor, whose window stands at `editor`."""
        x, y, armed = self.until("the button Write", lambda: self.write_button(editor), 6)
        if armed != wanted:
            self.click(x, y)
        is_so = lambda: (button := self.write_button(editor)) and button[2] == wanted
        self.until("Write " + ("armed" if wanted else "off"), is_so, 6)


class Slot(threading.Thread):
    """Writes down what the plugin says of slot 1 over OSC: when, and its value."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.heard = []
        self.start()

    def run(self):
        while True:
            bundle, at = self.socket.recv(65536), 16
            while at < len(bundle):
                size = int.from_bytes(bundle[at:at + 4], "big")
                message = bundle[at + 4:at + 4 + size]
                if message.startswith(b"/tagvane/1/slot/1\0"):
                    self.heard.append((time.time(), struct.unpack(">f", message[-4:])[0]))
                at += 4 + size


def apart(curve, heard):
    """How far what was heard is from a curve of (seconds, value): on average, and what 95 % stay
    within, at the start that fits best."""
    def value(seconds):
        if not curve[0][0] < seconds < curve[-1][0]:
            return None
        after = bisect.bisect_left(curve, (seconds, -1))
        (a, x), (b, y) = curve[after - 1], curve[after]
        return x + (y - x) * (seconds - a) / (b - a) if b > a else y

    best = (9, 9)
    for start in range(-600, 600):
        times = ((when - heard[0][0] - start / 100, said) for when, said in heard)
        errors = sorted(abs(said - drawn) for seconds, said in times if (drawn := value(seconds)) is not None)
        if len(errors) > 50:
            best = min(best, (sum(errors) / len(errors), errors[len(errors) * 19 // 20]))
    return best


def music(clip, path):
    """Writes a clip as 48 kHz wav, ten seconds from its start, twice."""
    from pedalboard.io import AudioFile
    with AudioFile(clip).resampled_to(48000) as sound:
        frames = sound.read(10 * 48000)
    with AudioFile(path, "w", 48000, frames.shape[0], bit_depth=16) as wav:
        wav.write(frames)
        wav.write(frames)


def different(heard):
    """How many values were heard."""
    return len({round(value, 3) for _, value in heard})
