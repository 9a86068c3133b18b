"""What Ardour's Lua cannot put into a session: music, and what the slots hear."""

import base64
import json
import os
import re
import struct
import wave

CLASS = "766761546E612E654C697374656E6572"

# What plays, in seconds.
SECONDS = 20

# A slot, how it is recorded, and what it hears. In Touch Ardour goes back to the old lane between
# two gestures, and in a VST3 each point is a gesture of its own.
SLOTS = [
    ("Slot 1", "Write", ["rock", "techno"]),
    ("Slot 2", "Latch", ["guitar", "drums"]),
    ("Slot 3", "Write", []),
]

# A second in Ardour 7's files.
SUPERCLOCKS = 282240000

REGION = ('<Region name="music" muted="0" opaque="1" locked="0" automatic="0" whole-file="{whole}" import="0" external="0" '
          'start="a0" length="a{length}@a0" sync-position="a0" ancestral-start="a0" ancestral-length="a0@a0" stretch="1" '
          'shift="1" position-locked="0" layering-index="0" envelope-active="0" default-fade-in="0" default-fade-out="0" '
          'fade-in-active="0" fade-out-active="0" scale-amplitude="1" id="{id}" type="audio" first-edit="nothing" '
          'channels="2" source-0="9001" source-1="9002" master-source-0="9001" master-source-1="9002"/>')

SOURCE = ('<Source name="music%{side}.wav" take-id="" type="audio" flags="" id="{id}" channel="0" origin="music" '
          'natural-position="a0" gain="1"/>')


def rewired(preset):
    """A .vstpreset in which the slots hear something: "VST3", a version, the class, where the list
    of chunks is; the component's state, nice-plug's length and JSON; the list."""
    length, = struct.unpack_from("<Q", preset, 48)
    state = json.loads(preset[56:56 + length])
    wiring = json.loads(state["fields"]["outputs"])
    for slot, (_, _, tags) in enumerate(SLOTS):
        wiring["sources"][slot]["tags"] = tags
    state["fields"]["outputs"] = json.dumps(wiring)
    text = json.dumps(state).encode()
    end = 56 + len(text)
    chunks = b"List" + struct.pack("<i", 1) + b"Comp" + struct.pack("<qq", 48, end - 48)
    return preset[:40] + struct.pack("<qQ", end, len(text)) + text + chunks


def split(path, folder):
    """Writes a stereo wav as two mono ones, as Ardour keeps music in a session."""
    with wave.open(path) as sound:
        rate, frames = sound.getframerate(), sound.readframes(sound.getnframes())
    for side, first in (("L", 0), ("R", 2)):
        with wave.open(os.path.join(folder, f"music%{side}.wav"), "w") as mono:
            mono.setparams((1, 2, rate, 0, "NONE", ""))
            mono.writeframes(b"".join(frames[at:at + 2] for at in range(first, len(frames), 4)))


def finish_session(desk):
    """Puts music on the track of the session on the desk, and has the slots hear it."""
    path = desk.path("session/session.ardour")
    split(desk.path("music.wav"), desk.path("session/interchange/session/audiofiles"))
    with open(path) as file:
        text = file.read()
    length = SECONDS * SUPERCLOCKS

    def replace(pattern, by):
        nonlocal text
        text, count = re.subn(pattern, by, text, count=1)
        assert count == 1, f"no {pattern} in Ardour's session"

    sources = SOURCE.format(side="L", id=9001) + SOURCE.format(side="R", id=9002)
    replace("<Sources/>", f"<Sources>{sources}</Sources>")
    replace("<Regions/>", f"<Regions>{REGION.format(whole=1, id=9003, length=length)}</Regions>")
    on_track = REGION.format(whole=0, id=9004, length=length)
    replace(r'(<Playlist [^>]*name="Music"[^>]*)/>', lambda found: f"{found[1]}>{on_track}</Playlist>")
    replace("<Locations/>", f'<Locations><Location id="9005" name="session" start="a0" end="a{length}" '
                            'flags="IsSessionRange" locked="0" timestamp="0" cue="0"/></Locations>')
    # Or the window asks about a device that changed.
    replace("<EngineHints [^>]*/>", "")
    replace(r'id-counter="\d+"', 'id-counter="10000"')
    preset = lambda found: found[1] + base64.b64encode(rewired(base64.b64decode(found[2]))).decode()
    replace("(<chunk>)([^<]*)", preset)
    with open(path, "w") as file:
        file.write(text)
