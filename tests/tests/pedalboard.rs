//! The VST3 in pedalboard (JUCE's host, from PyPI): audio bit for bit, and the tags
//! listed with their names.

use std::process::Command;
use tagvane_tests::{bundle, python};

#[test]
fn pedalboard_passes_the_audio_and_lists_the_tags() {
    let script = "import sys, numpy, pedalboard
plugin = pedalboard.load_plugin(sys.argv[1])
random = numpy.random.default_rng(7)
for rate in (44100, 48000, 96000):
    for block in (1, 64, 512, 4096, int(random.integers(2, 4000))):
        frames = 600 if block == 1 else 20000
        sound = random.uniform(-1.2, 1.2, (2, frames)).astype('float32')
        back = plugin.process(sound, rate, buffer_size=block, reset=True)
        assert back.shape == sound.shape and (back == sound).all(), (rate, block)
names = list(plugin.parameters)
for tag in ('guitar', 'female_vocal', 'techno', 'no_vocals'):
    assert tag in names, names
assert 'bypass' in names, names
print('50 tags among', len(names), 'parameters')";
    let output = Command::new(python()).args(["-c", script]).arg(bundle("vst3")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    println!("{}", String::from_utf8_lossy(&output.stdout));
}
