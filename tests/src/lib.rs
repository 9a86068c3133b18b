//! What the whole-bundle tests share: where the bundles, the clips and the test
//! hosts are, and music to send through.
#![forbid(unsafe_code)]

pub mod again;
#[cfg(target_os = "linux")]
pub mod process;
#[cfg(target_os = "linux")]
pub mod screen;

use std::path::PathBuf;
use tagvane_audio::Recording;
use tagvane_host::{Announcement, HostError, Session, Setup};

/// Both formats of the finished plugin.
pub const FORMATS: [&str; 2] = ["clap", "vst3"];

/// The id of the first slot's parameter. Projects refer to it: it must never change.
pub const FIRST_SLOT: u32 = 0x534c_4f00;

/// The id of Write, which must never change either.
pub const WRITE: u32 = 0x5752_4954;

/// The models that ship, the default first: their files in plugin/models, and their cards.
pub const SHIPPED: [&str; 2] = ["magnatagatune", "million-song"];

/// The three clips.
pub const CLIPS: [&str; 3] = ["orchestral", "rock", "electronic"];

/// The bundle of a format, as `cargo xtask bundle` leaves it.
pub fn bundle(format: &str) -> PathBuf {
    let folder = std::env::var_os("TAGVANE_BUNDLES").map_or_else(|| root().join("bundles"), PathBuf::from);
    let bundle = folder.join("Tagvane").with_extension(format);
    assert!(bundle.exists(), "{} is missing: run `cargo xtask test`, or `cargo xtask bundle` first", bundle.display());
    bundle
}

/// The interpreter of the test hosts' Python environment.
pub fn python() -> PathBuf {
    let python = std::env::var_os("TAGVANE_PYTHON").expect("TAGVANE_PYTHON is not set: run `cargo xtask test`");
    PathBuf::from(python)
}

/// The repository's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The file of the model that a new instance has.
pub fn shipped_model() -> PathBuf {
    root().join("plugin/models").join(SHIPPED[0]).with_extension("onnx")
}

/// The path of a clip.
pub fn clip_path(name: &str) -> PathBuf {
    root().join("tests/clips").join(name).with_extension("ogg")
}

/// A clip, decoded.
pub fn clip(name: &str) -> Recording {
    tagvane_audio::read(&clip_path(name)).expect("the clip decodes")
}

/// A plugin of a format, loaded and stopped.
pub fn open(format: &str) -> Box<dyn Session> {
    tagvane_host::open(&bundle(format)).expect("the bundle loads")
}

/// As [`open`], by a host that sets no component handler yet.
pub fn open_without_handler(format: &str) -> Box<dyn Session> {
    tagvane_host::open_without_handler(&bundle(format)).expect("the bundle loads")
}

/// A bounce in stereo.
pub fn bounce(sample_rate: f64, longest_block: usize) -> Setup {
    Setup { sample_rate, longest_block, channels: 2, offline: true }
}

/// Sends `blocks` of `frames` frames each through, all at `level`; gives everything
/// that was announced.
///
/// # Errors
/// [`HostError`] where the plugin fails.
pub fn send(
    session: &mut dyn Session,
    level: f32,
    frames: usize,
    blocks: usize,
) -> Result<Vec<Announcement>, HostError> {
    let input = vec![noise(frames, level); 2];
    let mut output = vec![vec![0.0; frames]; 2];
    let mut announced = Vec::new();
    for _ in 0..blocks {
        announced.extend(session.process(&input, &mut output)?);
    }
    Ok(announced)
}

/// A saved state in which a field is another: nice-plug's JSON after its length, whose
/// fields are JSON themselves.
pub fn changed_state(state: &[u8], field: &str, value: &serde_json::Value) -> Vec<u8> {
    let mut json: serde_json::Value = serde_json::from_slice(&state[8..]).expect("JSON after eight bytes of length");
    assert!(json["fields"][field].is_string(), "there is no {field} in {json}");
    json["fields"][field] = value.to_string().into();
    let text = json.to_string().into_bytes();
    [&(text.len() as u64).to_le_bytes()[..], &text].concat()
}

/// The wiring of a project whose first two slots hear something.
pub fn wiring() -> serde_json::Value {
    let source = |tags: &[&str]| serde_json::json!({ "tags": tags, "how": "maximum" });
    let mut sources = vec![source(&["rock", "techno"]), source(&["guitar", "synth", "strings"])];
    sources.resize(8, source(&[]));
    serde_json::json!({ "sources": sources })
}

/// A plugin of a format with a wiring.
pub fn wired(format: &str, wiring: &serde_json::Value) -> Box<dyn Session> {
    let mut session = open(format);
    let state = session.save().expect("a state");
    assert!(session.load(&changed_state(&state, "outputs", wiring)), "{format}");
    session
}

/// Sets a control of a plugin that runs by its name.
pub fn set(session: &mut dyn Session, name: &str, value: f64) {
    let parameters = session.parameters();
    let found = parameters.iter().find(|parameter| parameter.name == name);
    session.set(found.unwrap_or_else(|| panic!("no {name}")).id, value);
}

/// Noise of a level, the same each time.
pub fn noise(frames: usize, level: f32) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..frames).map(|_| next() * level).collect()
}
