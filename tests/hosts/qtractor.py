"""Checks the CLAP in Qtractor: an armed slot is recorded into an automation curve, and the curve
moves the slot in playback.

Usage: qtractor.py BUNDLE.clap CLIP FOLDER. Takes 90 seconds, and leaves its sessions, logs and
screenshots in the folder."""

import base64
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib

from desktop import Desktop, Failed, SlotReceiver, curve_error, distinct_values, write_music

PORT, SECONDS = 9088, 20
# The index of slot 1 in the plugin's list of parameters.
SLOT_1 = 74
HERE = os.path.dirname(os.path.abspath(__file__))

# A curve without points, as a MIDI file, which is Qtractor's format of curves.
EMPTY = b"MThd" + struct.pack(">IHHH", 6, 1, 1, 960) + b"MTrk" + struct.pack(">I", 4) + b"\x00\xff\x2f\x00"

SESSION = """<!DOCTYPE qtractor-session>
<session name="test" version="0.9.31">
 <properties><directory>{folder}</directory><sample-rate>48000</sample-rate><tempo>120</tempo>
  <ticks-per-beat>960</ticks-per-beat><beats-per-bar>4</beats-per-bar><beat-divisor>2</beat-divisor></properties>
 <devices>
  <audio-engine><audio-bus mode="duplex" name="Master"><channels>2</channels><auto-connect>1</auto-connect></audio-bus>
  </audio-engine>
  <midi-engine><midi-bus mode="duplex" name="Master"/></midi-engine>
 </devices>
 <tracks>
  <track name="Music" type="audio">
   <properties><input-bus>Master</input-bus><output-bus>Master</output-bus></properties>
   <plugins>
    <plugin type="CLAP"><filename>{bundle}</filename><index>0</index><label>Tagvane</label><activated>1</activated>
     <configs><config key="state">{state}</config></configs>
     <curve-file>
      <curve-items>
       <curve-item name="Slot 1" index="{index}" mode="Linear"><type>NONREGPARAM</type><channel>0</channel>
        <param>0</param><mode>Linear</mode><process>1</process><capture>{capture}</capture><locked>0</locked>
        <logarithmic>0</logarithmic><color>#ff0000</color></curve-item>
      </curve-items>
      <filename>curve.mid</filename><current>{index}</current>
     </curve-file>
     <editor-pos>1040,40</editor-pos>
    </plugin>
   </plugins>
   <clips>
    <clip name="clip"><properties><name>clip</name><start>0</start><offset>0</offset><length>960000</length></properties>
     <audio-clip><filename>clip.wav</filename></audio-clip></clip>
   </clips>
  </track>
 </tracks>
</session>
"""

SETTINGS = """[AutoSave]
Enabled=false
[Options]
Display\\StdoutCapture=false
Logging\\MessagesLog=true
Logging\\MessagesLogPath={log}
[Plugins]
OpenEditor=true
QueryEditorType=false
SaveCurve14bit=true
"""


def state():
    """Tagvane's state in Qtractor's format, with rock and techno routed to slot 1, and OSC on."""
    source = lambda *tags: {"tags": tags, "how": "maximum"}
    routing = {"sources": [source("rock", "techno")] + [source()] * 7,
               "osc": {"on": True, "address": f"127.0.0.1:{PORT}", "instance": "1"}}
    fields = {"model": "null", "outputs": json.dumps(routing), "slots": json.dumps([0.0] * 8)}
    text = json.dumps({"version": "0.1.0", "params": {"bypass": {"bool": False}}, "fields": fields}).encode()
    raw = struct.pack("<Q", len(text)) + text
    # Qt's compression: the length, then zlib's data.
    return base64.b64encode(struct.pack(">I", len(raw)) + zlib.compress(raw)).decode()


def read_curve(path):
    """Reads the points of a curve, (seconds, value), from 14-bit controllers at 120 bpm."""
    data = open(path, "rb").read()
    ticks_a_second = 2 * int.from_bytes(data[12:14], "big")
    track = data[22:22 + int.from_bytes(data[18:22], "big")]
    points, at, tick, status, high = [], 0, 0, 0, 0

    def number(at):
        value = 0
        while True:
            value, at = value << 7 | track[at] & 127, at + 1
            if not track[at - 1] & 128:
                return value, at

    while at < len(track):
        delta, at = number(at)
        tick += delta
        if track[at] & 128:
            status, at = track[at], at + 1
        if status == 0xFF:
            length, at = number(at + 1)
            at += length
            continue
        controller, value = track[at:at + 2]
        at += 2
        if controller == 6:
            high = value
        elif controller == 38:
            points.append((tick / ticks_a_second, (high << 7 | value) / 16383))
    return points


def write_curve(points):
    """Encodes points as the file of a curve."""
    def number(value):
        groups = [value >> 14, value >> 7 & 127, value & 127]
        while len(groups) > 1 and groups[0] == 0:
            groups.pop(0)
        return bytes([group | 128 for group in groups[:-1]] + groups[-1:])

    track, before = b"", 0
    for seconds, value in points:
        tick, at = round(seconds * 1920), round(value * 16383)
        for controller, data in ((99, 0), (98, 0), (6, at >> 7), (38, at & 127)):
            track += number(tick - before) + bytes([0xB0, controller, data])
            before = tick
    track += EMPTY[-4:]
    return EMPTY[:18] + struct.pack(">I", len(track)) + track


def play(desktop, bundle, slot, name, record, curve=EMPTY):
    """Opens a session, plays it and saves it. Returns the file of its curve, and the received values."""
    folder, log = desktop.path(name), desktop.path("home/messages.log")
    os.makedirs(folder)
    shutil.copy(desktop.path("clip.wav"), folder)
    with open(os.path.join(folder, "curve.mid"), "wb") as file:
        file.write(curve)
    path = os.path.join(folder, "test.qtr")
    content = SESSION.format(folder=folder, bundle=bundle, state=state(), index=SLOT_1, capture=int(record))
    with open(path, "w") as file:
        file.write(content)
    if os.path.exists(log):
        os.remove(log)
    process = desktop.start(name, "qtractor", path, LD_PRELOAD=desktop.preload)
    has_logged = lambda what: os.path.exists(log) and what in open(log).read()
    desktop.wait_for("the session", lambda: has_logged("Open session"))
    main = desktop.wait_for("qtractor's window", lambda: desktop.window("test.qtr"))
    time.sleep(1.5)
    if record:
        def editor():
            if not desktop.window("^Tagvane - Music"):
                # The plugin in the list of the track.
                desktop.click(main[0] + 180, main[1] + 179, 2)
            time.sleep(1)
            # The whole window must be on the screen.
            desktop.output_of("xdotool", "search", "--onlyvisible", "--name", "^Tagvane - Music", "windowmove", "0", "0")
            return desktop.window("^Tagvane - Music")
        window = desktop.wait_for("the plugin's editor", editor)
        time.sleep(1.5)
        desktop.set_write(window, True)
    slot.received.clear()
    transport = desktop.start("transport", "jack_transport")
    send_command = lambda what: print(what, file=transport.stdin, flush=True)
    send_command("locate 0")
    time.sleep(0.5)
    send_command("play")
    time.sleep(SECONDS - 4)
    desktop.screenshot(name)
    if record:
        desktop.set_write(window, False)
    time.sleep(4)
    send_command("stop")
    time.sleep(1)
    desktop.end(transport)
    received = list(slot.received)
    # Qtractor saves its session at this signal.
    process.send_signal(signal.SIGUSR1)
    desktop.wait_for("the saved session", lambda: has_logged("Save session"))
    desktop.end(process)
    saved = re.search(r"<filename>([^<]*curve[^<]*\.mid)</filename>", open(path).read())
    return os.path.join(folder, saved.group(1)), received


def prepare(desktop):
    """Writes the settings, compiles a stub of the ALSA sequencer if the kernel has none, and starts JACK."""
    settings = desktop.path("home/.config/rncbc.org")
    os.makedirs(settings)
    with open(os.path.join(settings, "Qtractor.conf"), "w") as file:
        file.write(SETTINGS.format(log=desktop.path("home/messages.log")))
    desktop.preload = ""
    if not os.path.exists("/dev/snd/seq"):
        desktop.preload = desktop.path("sequencer.so")
        source = os.path.join(HERE, "no_sequencer.c")
        subprocess.run(("cc", "-shared", "-fPIC", "-O1", "-o", desktop.preload, source), check=True)
    desktop.start("jack", "jackd", "-n", desktop.environment["JACK_DEFAULT_SERVER"], "--no-realtime", "-d", "dummy",
                  "-r", "48000", "-p", "1024")
    desktop.wait_for("JACK", lambda: "system" in desktop.output_of("jack_lsp"))


def main(bundle, clip, folder):
    with Desktop(folder, ":88") as desktop:
        desktop.environment.update(CLAP_PATH=os.path.dirname(bundle), JACK_NO_AUDIO_RESERVATION="1",
                                   JACK_DEFAULT_SERVER=f"tagvane{os.getpid()}", QT_QPA_PLATFORM="xcb")
        write_music(clip, desktop.path("clip.wav"))
        prepare(desktop)
        slot = SlotReceiver(PORT)
        path, received = play(desktop, bundle, slot, "record", True)
        curve = read_curve(path)
        if len(curve) < 20:
            raise Failed(f"qtractor recorded only {len(curve)} points; see {folder}")
        mean, most = curve_error(curve, received)
        print(f"qtractor recorded {len(curve)} points of slot 1 from {curve[0][0]:.2f} s to {curve[-1][0]:.2f} s; "
              f"the curve differs from the slot by {mean:.4f} on average, by less than {most:.4f} in 95 %")
        if mean > 0.02 or distinct_values(received) < 20:
            raise Failed("the curve does not have the values of the slot")
        # The mirrored curve shows that the values do not come from the music.
        mirrored = [(seconds, 1 - value) for seconds, value in curve]
        for name, expected_curve in (("play", curve), ("play mirrored", mirrored)):
            _, received = play(desktop, bundle, slot, name, False, write_curve(expected_curve))
            mean, most = curve_error(expected_curve, received)
            print(f"qtractor, {name}: the slot differs from the curve by {mean:.4f} on average, by less than {most:.4f} in 95 %")
            if mean > 0.01 or most > 0.03 or distinct_values(received) < 20:
                raise Failed("the slot did not follow its curve")


main(*(os.path.abspath(argument) for argument in sys.argv[1:4]))
