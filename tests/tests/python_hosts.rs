//! The VST3 in two hosts from PyPI, pedalboard and dawdreamer, both based on JUCE. The audio passes
//! bit-exactly, the hosts list the parameters by name, and a state is restored. Neither host shows
//! the values of outputs.

use std::process::Command;
use tagvane_tests::{bundle, python};

/// Runs a Python script with the VST3's path as its argument.
fn run_script(script: &str) {
    let mut host = Command::new(python());
    host.args(["-c", script]).arg(bundle("vst3"));
    // Without a display JUCE tries display 0, and crashes if a bare X server is there. This display
    // does not exist.
    host.env("DISPLAY", ":65000").env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR")).env_remove("TAGVANE_LOG");
    let output = host.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stderr, "", "the plugin prints nothing");
    println!("{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn pedalboard_passes_audio_lists_tags_and_restores_a_state() {
    run_script(
        "import sys, numpy, pedalboard
plugin = pedalboard.load_plugin(sys.argv[1])
random = numpy.random.default_rng(7)
for rate in (44100, 48000, 96000):
    for block in (1, 64, 512, 4096, int(random.integers(2, 4000))):
        frames = 600 if block == 1 else 20000
        samples = random.uniform(-1.2, 1.2, (2, frames)).astype('float32')
        output = plugin.process(samples, rate, buffer_size=block, reset=True)
        assert output.shape == samples.shape and (output == samples).all(), (rate, block)
names = list(plugin.parameters)
for name in ('guitar', 'female_vocal', 'techno', 'no_vocals', 'bypass', 'midi_out', 'slot_3_threshold'):
    assert name in names, (name, names)
assert len([name for name in names if name.startswith('slot_')]) >= 8 + 8 * 8, names
before = plugin.raw_state
plugin.slot_3_threshold = 75
# JUCE sends a parameter to the plugin with the next block.
plugin.process(numpy.zeros((2, 512), 'float32'), 44100)
state = plugin.raw_state
assert state != before
restored = pedalboard.load_plugin(sys.argv[1])
restored.raw_state = state
assert restored.slot_3_threshold == 75, restored.slot_3_threshold
assert restored.raw_state == state
print(len(names), 'parameters')",
    );
}

#[test]
fn dawdreamer_passes_audio_lists_tags_and_restores_a_state() {
    run_script(
        "import os, sys, tempfile, numpy, dawdreamer
rate = 44100
samples = numpy.random.default_rng(7).uniform(-1.2, 1.2, (2, 4 * rate)).astype('float32')
def load(block):
    engine = dawdreamer.RenderEngine(rate, block)
    plugin = engine.make_plugin_processor('tagvane', sys.argv[1])
    player = engine.make_playback_processor('player', samples)
    engine.load_graph([(player, []), (plugin, ['player'])])
    return engine, plugin
for block in (64, 512, 4096):
    engine, plugin = load(block)
    engine.render(3.0)
    output = engine.get_audio()
    assert output.shape[1] >= 2 * rate and (output == samples[:, :output.shape[1]]).all(), block
parameters = plugin.get_parameters_description()
index = {parameter['name']: parameter['index'] for parameter in parameters}
for name in ('guitar', 'female vocal', 'techno', 'no vocals', 'Bypass', 'MIDI out', 'Slot 1', 'Slot 8', 'Write'):
    assert name in index, (name, list(index))
automatable = [parameter['name'] for parameter in parameters if parameter['isAutomatable']]
assert len(automatable) <= 64 and 'Slot 1' in automatable and 'guitar' not in automatable, automatable
threshold = index['Slot 3 Threshold']
plugin.set_parameter(threshold, 0.75)
engine.render(0.1)
with tempfile.TemporaryDirectory() as folder:
    state = os.path.join(folder, 'state')
    plugin.save_state(state)
    engine, restored = load(512)
    assert restored.get_parameter(threshold) == 0
    restored.load_state(state)
    engine.render(0.1)
    assert restored.get_parameter(threshold) == 0.75, restored.get_parameter(threshold)
print(len(parameters), 'parameters')",
    );
}
