"""Qtractor (CLAP): an armed slot is recorded into an automation curve, and played back the
curve moves the slot.

qtractor.py BUNDLE.clap CLIP FOLDER. Takes a minute and a half, and leaves its sessions, logs
and pictures in the folder."""

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

from desk import Desk, Failed, Slot, apart, different, music

PORT, SECONDS = 9088, 20
# Qtractor counts the parameters as the plugin lists them; slot 1 is this one.
SLOT_1 = 74
HERE = os.path.dirname(os.path.abspath(__file__))

# A curve without points: qtractor keeps curves as MIDI files.
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
    """Tagvane's state as qtractor keeps it: slot 1 hears rock and techno, OSC is on."""
    source = lambda *tags: {"tags": tags, "how": "maximum"}
    wiring = {"sources": [source("rock", "techno")] + [source()] * 7,
              "osc": {"on": True, "address": f"127.0.0.1:{PORT}", "instance": "1"}}
    fields = {"model": "null", "outputs": json.dumps(wiring), "slots": json.dumps([0.0] * 8)}
    text = json.dumps({"version": "0.1.0", "params": {"bypass": {"bool": False}}, "fields": fields}).encode()
    raw = struct.pack("<Q", len(text)) + text
    # As Qt packs: the length, then zlib.
    return base64.b64encode(struct.pack(">I", len(raw)) + zlib.compress(raw)).decode()


def read_curve(path):
    """The points of a curve, (seconds, value): 14-bit controllers at 120 beats a minute."""
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
    """A curve's file."""
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


def play(desk, bundle, slot, name, record, curve=EMPTY):
    """Opens a session, plays it and saves it; gives its curve's file and what the slot said."""
    folder, log = desk.path(name), desk.path("home/messages.log")
    os.makedirs(folder)
    shutil.copy(desk.path("clip.wav"), folder)
    with open(os.path.join(folder, "curve.mid"), "wb") as file:
        file.write(curve)
    path = os.path.join(folder, "test.qtr")
    content = SESSION.format(folder=folder, bundle=bundle, state=state(), index=SLOT_1, capture=int(record))
    with open(path, "w") as file:
        file.write(content)
    if os.path.exists(log):
        os.remove(log)
    process = desk.start(name, "qtractor", path, LD_PRELOAD=desk.preload)
    said = lambda what: os.path.exists(log) and what in open(log).read()
    desk.until("the session", lambda: said("Open session"))
    main = desk.until("qtractor's window", lambda: desk.window("test.qtr"))
    time.sleep(1.5)
    if record:
        def editor():
            if not desk.window("^Tagvane - Music"):
                # The plugin in the track's list.
                desk.click(main[0] + 180, main[1] + 179, 2)
            time.sleep(1)
            # All of it has to be on the screen.
            desk.ask("xdotool", "search", "--onlyvisible", "--name", "^Tagvane - Music", "windowmove", "0", "0")
            return desk.window("^Tagvane - Music")
        window = desk.until("the plugin's editor", editor)
        time.sleep(1.5)
        desk.write(window, True)
    slot.heard.clear()
    transport = desk.start("transport", "jack_transport")
    say = lambda what: print(what, file=transport.stdin, flush=True)
    say("locate 0")
    time.sleep(0.5)
    say("play")
    time.sleep(SECONDS - 4)
    desk.photograph(name)
    if record:
        desk.write(window, False)
    time.sleep(4)
    say("stop")
    time.sleep(1)
    desk.end(transport)
    heard = list(slot.heard)
    # It saves its session at this signal.
    process.send_signal(signal.SIGUSR1)
    desk.until("the saved session", lambda: said("Save session"))
    desk.end(process)
    saved = re.search(r"<filename>([^<]*curve[^<]*\.mid)</filename>", open(path).read())
    return os.path.join(folder, saved.group(1)), heard


def prepare(desk):
    """Settings, JACK, and what stands in for an ALSA sequencer where the kernel has none."""
    settings = desk.path("home/.config/rncbc.org")
    os.makedirs(settings)
    with open(os.path.join(settings, "Qtractor.conf"), "w") as file:
        file.write(SETTINGS.format(log=desk.path("home/messages.log")))
    desk.preload = ""
    if not os.path.exists("/dev/snd/seq"):
        desk.preload = desk.path("sequencer.so")
        source = os.path.join(HERE, "no_sequencer.c")
        subprocess.run(("cc", "-shared", "-fPIC", "-O1", "-o", desk.preload, source), check=True)
    desk.start("jack", "jackd", "-n", desk.environment["JACK_DEFAULT_SERVER"], "--no-realtime", "-d", "dummy",
               "-r", "48000", "-p", "1024")
    desk.until("JACK", lambda: "system" in desk.ask("jack_lsp"))


def main(bundle, clip, folder):
    with Desk(folder, ":88") as desk:
        desk.environment.update(CLAP_PATH=os.path.dirname(bundle), JACK_NO_AUDIO_RESERVATION="1",
                                JACK_DEFAULT_SERVER=f"tagvane{os.getpid()}", QT_QPA_PLATFORM="xcb")
        music(clip, desk.path("clip.wav"))
        prepare(desk)
        slot = Slot(PORT)
        path, heard = play(desk, bundle, slot, "record", True)
        curve = read_curve(path)
        if len(curve) < 20:
            raise Failed(f"qtractor recorded {len(curve)} points: see {folder}")
        mean, most = apart(curve, heard)
        print(f"qtractor recorded {len(curve)} points of slot 1 from {curve[0][0]:.2f} s to {curve[-1][0]:.2f} s; "
              f"the curve is off the slot by {mean:.4f} on average, 95 % within {most:.4f}")
        if mean > 0.02 or different(heard) < 20:
            raise Failed("the curve is not what the slot was")
        # What stands upside down cannot come from the music.
        mirrored = [(seconds, 1 - value) for seconds, value in curve]
        for name, wanted in (("play", curve), ("play mirrored", mirrored)):
            _, heard = play(desk, bundle, slot, name, False, write_curve(wanted))
            mean, most = apart(wanted, heard)
            print(f"qtractor, {name}: the slot is off the curve by {mean:.4f} on average, 95 % within {most:.4f}")
            if mean > 0.01 or most > 0.03 or different(heard) < 20:
                raise Failed("the slot did not follow its curve")


main(*(os.path.abspath(argument) for argument in sys.argv[1:4]))
