"""Adds to a session of Ardour what its Lua cannot: music, and the routing of the slots."""

import base64
import json
import os
import re
import struct
import wave

CLASS = "766761546E612E654C697374656E6572"

# The duration of the music, in seconds.
SECONDS = 20

# Slots, their automation modes and their tags. Touch is not tested: Ardour returns to the old lane
# between two gestures, and in a VST3 each point is its own gesture.
SLOTS = [
    ("Slot 1", "Write", ["rock", "techno"]),
    ("Slot 2", "Latch", ["guitar", "drums"]),
    ("Slot 3", "Write", []),
]

# Units per second in Ardour 7's files.
SUPERCLOCKS = 282240000

REGION = ('<Region name="music" muted="0" opaque="1" locked="0" automatic="0" whole-file="{whole}" import="0" external="0" '
          'start="a0" length="a{length}@a0" sync-position="a0" ancestral-start="a0" ancestral-length="a0@a0" stretch="1" '
          'shift="1" position-locked="0" layering-index="0" envelope-active="0" default-fade-in="0" default-fade-out="0" '
          'fade-in-active="0" fade-out-active="0" scale-amplitude="1" id="{id}" type="audio" first-edit="nothing" '
          'channels="2" source-0="9001" source-1="9002" master-source-0="9001" master-source-1="9002"/>')

SOURCE = ('<Source name="music%{side}.wav" take-id="" type="audio" flags="" id="{id}" channel="0" origin="music" '
          'natural-position="a0" gain="1"/>')


def with_routing(preset):
    """Sets the routing in a .vstpreset, which has "VST3", a version, the class and the offset of the list
    of chunks; then the component's state, which is nice-plug's length and JSON; then the list."""
    length, = struct.unpack_from("<Q", preset, 48)
    state = json.loads(preset[56:56 + length])
    routing = json.loads(state["fields"]["outputs"])
    for slot, (_, _, tags) in enumerate(SLOTS):
        routing["sources"][slot]["tags"] = tags
    state["fields"]["outputs"] = json.dumps(routing)
    text = json.dumps(state).encode()
    end = 56 + len(text)
    chunks = b"List" + struct.pack("<i", 1) + b"Comp" + struct.pack("<qq", 48, end - 48)
    return preset[:40] + struct.pack("<qQ", end, len(text)) + text + chunks


def split_channels(path, folder):
    """Writes a stereo wav file as two mono files, Ardour's format in a session."""
    with wave.open(path) as sound:
        rate, frames = sound.getframerate(), sound.readframes(sound.getnframes())
    for side, first in (("L", 0), ("R", 2)):
        with wave.open(os.path.join(folder, f"music%{side}.wav"), "w") as mono:
            mono.setparams((1, 2, rate, 0, "NONE", ""))
            mono.writeframes(b"".join(frames[at:at + 2] for at in range(first, len(frames), 4)))


def finish_session(desktop):
    """Adds music to the track of the session, and tags to its slots."""
    path = desktop.path("session/session.ardour")
    split_channels(desktop.path("music.wav"), desktop.path("session/interchange/session/audiofiles"))
    with open(path) as file:
        text = file.read()
    length = SECONDS * SUPERCLOCKS

    def replace(pattern, replacement):
        nonlocal text
        text, count = re.subn(pattern, replacement, text, count=1)
        assert count == 1, f"Ardour's session has no {pattern}"

    sources = SOURCE.format(side="L", id=9001) + SOURCE.format(side="R", id=9002)
    replace("<Sources/>", f"<Sources>{sources}</Sources>")
    replace("<Regions/>", f"<Regions>{REGION.format(whole=1, id=9003, length=length)}</Regions>")
    on_track = REGION.format(whole=0, id=9004, length=length)
    replace(r'(<Playlist [^>]*name="Music"[^>]*)/>', lambda found: f"{found[1]}>{on_track}</Playlist>")
    replace("<Locations/>", f'<Locations><Location id="9005" name="session" start="a0" end="a{length}" '
                            'flags="IsSessionRange" locked="0" timestamp="0" cue="0"/></Locations>')
    # With the hints, Ardour would ask about a changed audio device.
    replace("<EngineHints [^>]*/>", "")
    replace(r'id-counter="\d+"', 'id-counter="10000"')
    preset = lambda found: found[1] + base64.b64encode(with_routing(base64.b64decode(found[2]))).decode()
    replace("(<chunk>)([^<]*)", preset)
    with open(path, "w") as file:
        file.write(text)
