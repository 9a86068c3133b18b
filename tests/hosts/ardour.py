"""Checks the VST3 in Ardour: the tags are live outputs, an armed slot is recorded into an automation
lane, and the lane moves the slot in playback.

Usage: ardour.py BUNDLE.vst3 CLIP FOLDER. Takes 90 seconds, and leaves its session, logs and
screenshots in the folder. Ardour's Lua program reads the tags without a window. Recording needs
the editor window, because on Linux clap-wrapper forwards gestures by its timer."""

import base64
import glob
import os
import sys
import time

from ardour_session import finish_session, CLASS, SECONDS, SLOTS
from desktop import Desktop, Failed, write_music

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARIES = "/usr/lib/ardour7"

SETTINGS = """<?xml version="1.0" encoding="UTF-8"?>
<Ardour><Config>
<Option name="try-autostart-engine" value="1"/>
<Option name="hide-dummy-backend" value="0"/>
<Option name="discover-plugins-on-start" value="0"/>
</Config>
<Extra><AudioMIDISetup><EngineStates>
<State backend="None (Dummy)" driver="Normal Speed" device="Silence" input-device="Silence" output-device="Silence"
 sample-rate="48000" buffer-size="1024" n-periods="0" input-latency="0" output-latency="0" input-channels="0"
 output-channels="0" active="1" use-buffered-io="0" midi-option="1 in, 1 out, Silence" lru="1"><MIDIDevices/></State>
</EngineStates></AudioMIDISetup></Extra></Ardour>
"""

ENGINE = """
local backend = AudioEngine:set_backend ("None (Dummy)", "", "")
backend:set_driver ("Normal Speed")
backend:set_device_name ("Silence")
backend:set_buffer_size (1024)
"""

MAKE = ENGINE + """
local session = create_session ("@SESSION@", "session", 48000)
local plugin = ARDOUR.LuaAPI.new_plugin (session, "@CLASS@", ARDOUR.PluginType.VST3, "")
if plugin:isnil () then return "no plugin" end
local order = ARDOUR.PresentationInfo.max_order
local track = session:new_audio_track (2, 2, nil, 1, "Music", order, ARDOUR.TrackMode.Normal, true):front ()
local refused = track:add_processor_by_index (plugin, 0, nil, true)
session:save_state ("")
plugin, track, session = nil, nil, nil
collectgarbage ()
close_session ()
return refused
"""

FIND = """
insert = Session:route_by_name ("Music"):nth_plugin (0):to_insert ()
value = function (place) return (ARDOUR.LuaAPI.get_plugin_insert_param (insert, place, false)) end
control = function (place)
	local parameter = Evoral.Parameter (ARDOUR.AutomationType.PluginAutomation, 0, place)
	return insert:to_automatable ():automation_control (parameter, true)
end
mode = function (place, state) control (place):set_automation_state (ARDOUR.AutoState[state]) end
roll = function ()
	local user = ARDOUR.TransportRequestSource.TRS_UI
	Session:request_locate (0, false, ARDOUR.LocateTransportDisposition.MustStop, user)
	Session:request_roll (user)
end
stop = function () Session:request_stop (false, false, ARDOUR.TransportRequestSource.TRS_UI) end
seconds = function () return Session:transport_sample () / 48000 end
"""

PARAMETERS = """
local plugin, lines = insert:plugin (0), {}
for place = 0, plugin:parameter_count () - 1 do
	lines[#lines + 1] = (plugin:parameter_is_output (place) and "output " or "input ") .. plugin:parameter_label (place)
end
return table.concat (lines, "\\n")
"""

POINTS = """
local lines = {}
for point in control (@PLACE@):alist ():list ():events ():iter () do
	lines[#lines + 1] = point.when:samples () / 48000 .. " " .. point.value
end
return table.concat (lines, "\\n")
"""

# The time, and the values of the lane, of Ardour's control and of the plugin.
FOLLOWING = """
local slot = control (@PLACE@)
local lane = slot:alist ():list ():eval (Temporal.timepos_t (Session:transport_sample ()))
return seconds () .. " " .. lane .. " " .. slot:get_value () .. " " .. value (@PLACE@)
"""


class Remote:
    """Runs Lua code in Ardour, with its window or without."""

    def __init__(self, desktop):
        self.desktop = desktop
        with open(os.path.join(HERE, "ardour_remote.lua")) as file:
            self.code = file.read().replace("@FOLDER@", desktop.folder)

    def run(self, code, **values):
        for name, value in values.items():
            code = code.replace(f"@{name}@", str(value))
        with open(self.desktop.path("ask.new"), "w") as file:
            file.write(code)
        os.rename(self.desktop.path("ask.new"), self.desktop.path("ask"))
        answer = self.desktop.path("answer")
        self.desktop.wait_for("Ardour's answer", lambda: os.path.exists(answer), 60, pause=0.01)
        status, _, result = open(answer).read().partition(" ")
        os.remove(answer)
        if status != "done":
            raise Failed(f"Ardour cannot run the code: {result}")
        return result

    def without_window(self):
        """Starts Ardour's Lua program."""
        script = self.desktop.path("remote.lua")
        with open(script, "w") as file:
            file.write(f"local step = (function () {self.code} end) ()\nwhile true do step () sleep (0.02) end\n")
        return self.desktop.start("lua", "ardour7-lua", script)

    def in_window(self):
        """Starts Ardour with a hook of its timer, which the file of its hooks defines."""
        base64_of = lambda text: base64.b64encode(text.encode()).decode()
        hook = f's = {{}} s["n"] = "Tagvane" s["s"] = "--" s["a"] = {{}} s["f"] = [==[{self.code}]==]'
        # The timer is the 48th signal.
        with open(self.desktop.path("home/.config/ardour7/ui_scripts"), "w") as file:
            file.write(f'<?xml version="1.0" encoding="UTF-8"?><UIScripts><ActionScript lua="Lua 5.3">'
                       f'{base64_of("scripts = {}")}</ActionScript><ActionHooks><LuaCallback lua="Lua 5.3" id="9010" '
                       f'name="Tagvane" signals="1{"0" * 47}">{base64_of(hook)}</LuaCallback></ActionHooks></UIScripts>')
        return self.desktop.start("ardour", "ardour", "-n", "-a", self.desktop.path("session"))


def scan(desktop, bundle):
    """Scans the plugin for Ardour, whose Lua program does not scan."""
    paths = dict(LD_LIBRARY_PATH=LIBRARIES, ARDOUR_DATA_PATH="/usr/share/ardour7", ARDOUR_CONFIG_PATH="/etc/ardour7",
                 ARDOUR_DLL_PATH=LIBRARIES)
    desktop.environment["VST3_PATH"] = os.path.dirname(bundle)
    scanner = desktop.start("scan", LIBRARIES + "/ardour-vst3-scanner", "-f", "-q", bundle, **paths)
    scanner.wait()
    found = glob.glob(desktop.path("home/.cache/ardour7/vst/*.v3i"))
    if not found:
        raise Failed(f"Ardour's scanner rejects the plugin; see {desktop.path('scan.log')}")
    # Ardour wants the result at least a second younger than the bundle.
    for path in found:
        os.utime(path, (time.time() + 2, time.time() + 2))


def read_tags(desktop, remote):
    """Plays without a window, and reads the outputs."""
    process = remote.without_window()
    if (refused := remote.run(MAKE, SESSION=desktop.path("session"), CLASS=CLASS)) != "0":
        raise Failed(f"Ardour rejects the plugin: {refused}")
    finish_session(desktop)
    remote.run(ENGINE + f'Session = load_session ("{desktop.path("session")}", "session") {FIND}')
    lines = [line.split(" ", 1) for line in remote.run(PARAMETERS).splitlines()]
    places = {name: place for place, (_, name) in enumerate(lines)}
    outputs = [name for direction, name in lines if direction == "output"]
    print(f"ardour lists {len(lines) - len(outputs)} inputs and {len(outputs)} outputs")
    for tag in ("guitar", "classical", "rock", "female vocal"):
        if tag not in outputs:
            raise Failed(f"{tag} is not among the outputs")
    rock = lambda: float(remote.run(f"return value ({places['rock']})"))
    if rock() != 0:
        raise Failed("the tag rock is not 0 before playback")
    remote.run("roll ()")
    received = []
    while float(remote.run("return seconds ()")) < 15:
        received.append(rock())
    others = {tag: float(remote.run(f"return value ({places[tag]})")) for tag in ("guitar", "drums", "classical")}
    print(f"ardour, 15 s of rock: rock {received[-1]:.3f}, moved {len(set(received))} times; "
          + ", ".join(f"{tag} {value:.3f}" for tag, value in others.items()))
    if received[-1] < 0.3 or len(set(received)) < 60 or others["classical"] > others["guitar"]:
        raise Failed("the tags do not fit the music")
    desktop.end(process)
    return places


def open_editor(desktop):
    """Opens the plugin's window by a double click on the plugin in the mixer strip."""
    def editor():
        if not desktop.window("^Tagvane$"):
            desktop.click(330, 207, 2)
            time.sleep(1.5)
        return desktop.window("^Tagvane$")
    return desktop.wait_for("the plugin's window", editor)


def wait_until(remote, seconds):
    while float(remote.run("return seconds ()")) < seconds:
        time.sleep(0.2)


def points(remote, place):
    lines = remote.run(POINTS, PLACE=place).splitlines()
    return [tuple(float(number) for number in line.split()) for line in lines]


def record(desktop, remote, places):
    """Records the slots with Write off, then with Write armed. Returns Ardour's process."""
    process = remote.in_window()
    desktop.wait_for("Ardour's window", lambda: desktop.window("session"), 90)
    remote.run(FIND + 'Editor:access_action ("Common", "show-mixer")')
    editor = open_editor(desktop)
    lanes = {}
    for armed in (False, True):
        for slot, mode, _ in SLOTS:
            remote.run(f'mode ({places[slot]}, "Off") control ({places[slot]}):alist ():list ():clear_list ()')
            remote.run(f'mode ({places[slot]}, "{mode}")')
        desktop.set_write(editor, armed)
        remote.run("roll ()")
        wait_until(remote, SECONDS - 1 if armed else 5)
        desktop.screenshot("armed" if armed else "unarmed")
        remote.run("stop ()")
        time.sleep(1.5)
        for slot, mode, source in SLOTS:
            lane = points(remote, places[slot])
            values = [value for _, value in lane]
            span = max(values) - min(values) if values else 0
            if armed:
                print(f"ardour recorded {len(lane)} points of {slot}, {mode}, in {SECONDS - 1} s")
            if (span > 0.2 and len(lane) > 20) if armed and source else span == 0:
                lanes[slot] = lane
            else:
                raise Failed(f"{slot}, {'armed' if armed else 'Write off'}: {len(lane)} points over {span:.2f}")
    desktop.set_write(editor, False)
    return process


def play_back(desktop, remote, places):
    """Plays the lanes with Write off, and checks that the slots follow them."""
    followed = [slot for slot, _, source in SLOTS if source]
    for slot in followed:
        remote.run(f'mode ({places[slot]}, "Play")')
    remote.run("roll ()")
    worst, values_seen = dict.fromkeys(followed, 0), {slot: set() for slot in followed}
    # The end of the recording is left out, where the lane has a step.
    while (now := float(remote.run("return seconds ()"))) < SECONDS - 2:
        for slot in followed if now > 0.5 else []:
            _, lane, control, plugin = (float(number) for number in remote.run(FOLLOWING, PLACE=places[slot]).split())
            worst[slot] = max(worst[slot], abs(lane - control), abs(lane - plugin))
            values_seen[slot].add(round(plugin, 3))
    remote.run("stop ()")
    for slot in followed:
        print(f"ardour, played back: {slot} differs from its lane by at most {worst[slot]:.3f}, "
              f"{len(values_seen[slot])} values seen")
        if worst[slot] > 0.1 or len(values_seen[slot]) < 20:
            raise Failed(f"{slot} did not follow its lane")


def main(bundle, clip, folder):
    with Desktop(folder, ":87") as desktop:
        settings = desktop.path("home/.config/ardour7")
        os.makedirs(settings)
        with open(os.path.join(settings, "config"), "w") as file:
            file.write(SETTINGS)
        # Suppress the questions to new users.
        for name in (".a7", "no_memory_warning"):
            open(os.path.join(settings, name), "w").close()
        write_music(clip, desktop.path("music.wav"))
        scan(desktop, bundle)
        remote = Remote(desktop)
        places = read_tags(desktop, remote)
        process = record(desktop, remote, places)
        play_back(desktop, remote, places)
        desktop.end(process)


main(*(os.path.abspath(argument) for argument in sys.argv[1:4]))
