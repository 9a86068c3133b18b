"""Ardour (VST3): the tags are live outputs; an armed slot is recorded into an automation lane,
and played back the lane moves the slot.

ardour.py BUNDLE.vst3 CLIP FOLDER. Takes a minute and a half, and leaves its session, logs and
pictures in the folder. The tags are read without a window, by Ardour's own Lua program; for
recording the window has to be there, since on Linux clap-wrapper hands gestures on by its
timer."""

import base64
import glob
import os
import sys
import time

from ardour_session import finish_session, CLASS, SECONDS, SLOTS
from desk import Desk, Failed, music

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

# What the lane says now, what Ardour's control says, and what the plugin tells.
FOLLOWING = """
local slot = control (@PLACE@)
local lane = slot:alist ():list ():eval (Temporal.timepos_t (Session:transport_sample ()))
return seconds () .. " " .. lane .. " " .. slot:get_value () .. " " .. value (@PLACE@)
"""


class Remote:
    """Ardour's Lua, in its window or without one, told what to do."""

    def __init__(self, desk):
        self.desk = desk
        with open(os.path.join(HERE, "ardour_remote.lua")) as file:
            self.code = file.read().replace("@FOLDER@", desk.folder)

    def ask(self, piece, **values):
        for name, value in values.items():
            piece = piece.replace(f"@{name}@", str(value))
        with open(self.desk.path("ask.new"), "w") as file:
            file.write(piece)
        os.rename(self.desk.path("ask.new"), self.desk.path("ask"))
        answer = self.desk.path("answer")
        self.desk.until("an answer of Ardour's", lambda: os.path.exists(answer), 60, pause=0.01)
        done, _, said = open(answer).read().partition(" ")
        os.remove(answer)
        if done != "done":
            raise Failed(f"Ardour did not understand: {said}")
        return said

    def without_window(self):
        script = self.desk.path("remote.lua")
        with open(script, "w") as file:
            file.write(f"local step = (function () {self.code} end) ()\nwhile true do step () sleep (0.02) end\n")
        return self.desk.start("lua", "ardour7-lua", script)

    def in_window(self):
        """A hook of the window's timer, by the file that Ardour keeps its hooks in."""
        base = lambda text: base64.b64encode(text.encode()).decode()
        hook = f's = {{}} s["n"] = "Tagvane" s["s"] = "--" s["a"] = {{}} s["f"] = [==[{self.code}]==]'
        # The 48th signal is the timer's.
        with open(self.desk.path("home/.config/ardour7/ui_scripts"), "w") as file:
            file.write(f'<?xml version="1.0" encoding="UTF-8"?><UIScripts><ActionScript lua="Lua 5.3">'
                       f'{base("scripts = {}")}</ActionScript><ActionHooks><LuaCallback lua="Lua 5.3" id="9010" '
                       f'name="Tagvane" signals="1{"0" * 47}">{base(hook)}</LuaCallback></ActionHooks></UIScripts>')
        return self.desk.start("ardour", "ardour", "-n", "-a", self.desk.path("session"))


def scan(desk, bundle):
    """Lets Ardour know the plugin: what runs without a window does not look for itself."""
    paths = dict(LD_LIBRARY_PATH=LIBRARIES, ARDOUR_DATA_PATH="/usr/share/ardour7", ARDOUR_CONFIG_PATH="/etc/ardour7",
                 ARDOUR_DLL_PATH=LIBRARIES)
    desk.environment["VST3_PATH"] = os.path.dirname(bundle)
    scanner = desk.start("scan", LIBRARIES + "/ardour-vst3-scanner", "-f", "-q", bundle, **paths)
    scanner.wait()
    found = glob.glob(desk.path("home/.cache/ardour7/vst/*.v3i"))
    if not found:
        raise Failed(f"Ardour's scanner refuses the plugin: see {desk.path('scan.log')}")
    # It must be a whole second younger than the bundle.
    for path in found:
        os.utime(path, (time.time() + 2, time.time() + 2))


def read_tags(desk, remote):
    """Plays without a window and reads the outputs."""
    process = remote.without_window()
    if (refused := remote.ask(MAKE, SESSION=desk.path("session"), CLASS=CLASS)) != "0":
        raise Failed(f"Ardour does not take the plugin: {refused}")
    finish_session(desk)
    remote.ask(ENGINE + f'Session = load_session ("{desk.path("session")}", "session") {FIND}')
    lines = [line.split(" ", 1) for line in remote.ask(PARAMETERS).splitlines()]
    places = {name: place for place, (_, name) in enumerate(lines)}
    outputs = [name for direction, name in lines if direction == "output"]
    print(f"ardour lists {len(lines) - len(outputs)} inputs and {len(outputs)} outputs")
    for tag in ("guitar", "classical", "rock", "female vocal"):
        if tag not in outputs:
            raise Failed(f"{tag} is not among the outputs")
    rock = lambda: float(remote.ask(f"return value ({places['rock']})"))
    if rock() != 0:
        raise Failed("rock is heard before anything plays")
    remote.ask("roll ()")
    heard = []
    while float(remote.ask("return seconds ()")) < 15:
        heard.append(rock())
    others = {tag: float(remote.ask(f"return value ({places[tag]})")) for tag in ("guitar", "drums", "classical")}
    print(f"ardour, 15 s of rock: rock {heard[-1]:.3f}, moved {len(set(heard))} times; "
          + ", ".join(f"{tag} {value:.3f}" for tag, value in others.items()))
    if heard[-1] < 0.3 or len(set(heard)) < 60 or others["classical"] > others["guitar"]:
        raise Failed("the tags do not say what plays")
    desk.end(process)
    return places


def open_editor(desk):
    """Opens the plugin's window, by the mouse: a double click on the only strip's only plugin."""
    def editor():
        if not desk.window("^Tagvane$"):
            desk.click(330, 207, 2)
            time.sleep(1.5)
        return desk.window("^Tagvane$")
    return desk.until("the plugin's window", editor)


def wait_until(remote, seconds):
    while float(remote.ask("return seconds ()")) < seconds:
        time.sleep(0.2)


def points(remote, place):
    lines = remote.ask(POINTS, PLACE=place).splitlines()
    return [tuple(float(number) for number in line.split()) for line in lines]


def record(desk, remote, places):
    """Records slots, first with Write off, then armed; gives the lanes."""
    process = remote.in_window()
    desk.until("Ardour's window", lambda: desk.window("session"), 90)
    remote.ask(FIND + 'Editor:access_action ("Common", "show-mixer")')
    editor = open_editor(desk)
    lanes = {}
    for armed in (False, True):
        for slot, mode, _ in SLOTS:
            remote.ask(f'mode ({places[slot]}, "Off") control ({places[slot]}):alist ():list ():clear_list ()')
            remote.ask(f'mode ({places[slot]}, "{mode}")')
        desk.write(editor, armed)
        remote.ask("roll ()")
        wait_until(remote, SECONDS - 1 if armed else 5)
        desk.photograph("armed" if armed else "unarmed")
        remote.ask("stop ()")
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
    desk.write(editor, False)
    return process


def play_back(desk, remote, places):
    """Plays the lanes with Write off: the slots follow."""
    followed = [slot for slot, _, source in SLOTS if source]
    for slot in followed:
        remote.ask(f'mode ({places[slot]}, "Play")')
    remote.ask("roll ()")
    worst, told = dict.fromkeys(followed, 0), {slot: set() for slot in followed}
    # The lane has a step where recording ended.
    while (now := float(remote.ask("return seconds ()"))) < SECONDS - 2:
        for slot in followed if now > 0.5 else []:
            _, lane, control, plugin = (float(number) for number in remote.ask(FOLLOWING, PLACE=places[slot]).split())
            worst[slot] = max(worst[slot], abs(lane - control), abs(lane - plugin))
            told[slot].add(round(plugin, 3))
    remote.ask("stop ()")
    for slot in followed:
        print(f"ardour, played back: {slot} never further than {worst[slot]:.3f} from its lane, "
              f"{len(told[slot])} values seen")
        if worst[slot] > 0.1 or len(told[slot]) < 20:
            raise Failed(f"{slot} did not follow its lane")


def main(bundle, clip, folder):
    with Desk(folder, ":87") as desk:
        settings = desk.path("home/.config/ardour7")
        os.makedirs(settings)
        with open(os.path.join(settings, "config"), "w") as file:
            file.write(SETTINGS)
        # No questions for those who are new.
        for name in (".a7", "no_memory_warning"):
            open(os.path.join(settings, name), "w").close()
        music(clip, desk.path("music.wav"))
        scan(desk, bundle)
        remote = Remote(desk)
        places = read_tags(desk, remote)
        process = record(desk, remote, places)
        play_back(desk, remote, places)
        desk.end(process)


main(*(os.path.abspath(argument) for argument in sys.argv[1:4]))
