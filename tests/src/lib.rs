//! Shared by the tests of whole bundles: the paths of bundles, clips and test hosts, sessions,
//! states and test signals.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
pub mod process;
#[cfg(target_os = "linux")]
pub mod screen;
pub mod subprocess;

pub use tagvane_host::testing::{FIRST_SLOT, FIRST_TAG, WRITE, bundle, is_slot};

use std::path::PathBuf;
use std::time::Duration;
use tagvane_audio::{AudioStream, Recording};
use tagvane_host::testing::edit_state;
use tagvane_host::{HostError, HostEvent, HostRequestCounts, ParameterChange, Session, Setup};

/// Both formats of the finished plugin.
pub const FORMATS: [&str; 2] = ["clap", "vst3"];

/// The shipped models, the default first: the names of their files and cards in plugin/models.
pub const SHIPPED: [&str; 4] = ["music", "quick", "magnatagatune", "million-song"];

/// The clips that ship with Tagvane.
pub const CLIPS: [&str; 3] = ["orchestral", "rock", "electronic"];

/// The interpreter of the tests' Python environment.
///
/// # Panics
/// If TAGVANE_PYTHON is not set.
pub fn python() -> PathBuf {
    let python = std::env::var_os("TAGVANE_PYTHON").expect("TAGVANE_PYTHON is not set: run `cargo xtask test`");
    PathBuf::from(python)
}

/// The repository's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The file of the model that a new instance loads.
pub fn shipped_model() -> PathBuf {
    root().join("plugin/models").join(SHIPPED[0]).with_extension("onnx")
}

/// The path of a clip.
pub fn clip_path(name: &str) -> PathBuf {
    root().join("tests/clips").join(name).with_extension("ogg")
}

/// Decodes a clip.
///
/// # Panics
/// If it cannot be decoded.
pub fn clip(name: &str) -> Recording {
    tagvane_audio::read(&clip_path(name)).expect("the clip decodes")
}

/// Opens a clip.
///
/// # Panics
/// If it cannot be decoded.
pub fn clip_stream(name: &str) -> AudioStream {
    AudioStream::open(&clip_path(name)).expect("the clip decodes")
}

/// Loads the plugin of a format, without starting it.
///
/// # Panics
/// If the bundle does not load.
pub fn open(format: &str) -> Box<dyn Session> {
    tagvane_host::open(&bundle(format)).expect("the bundle loads")
}

/// Loads the plugin like [`open`], but does not set a VST3's component handler.
///
/// # Panics
/// If the bundle does not load.
pub fn open_without_handler(format: &str) -> Box<dyn Session> {
    tagvane_host::open_without_handler(&bundle(format)).expect("the bundle loads")
}

/// The setup of a stereo bounce.
pub fn bounce_setup(sample_rate: f64, max_block_frames: usize) -> Setup {
    Setup { sample_rate, max_block_frames, channels: 2, offline: true }
}

/// Processes `blocks` blocks of the same noise, `frames` frames each, with the peak `level`. Returns
/// the parameter values that the plugin sent.
///
/// # Errors
/// [`HostError`] if the plugin fails.
pub fn send_noise(
    session: &mut dyn Session,
    level: f32,
    frames: usize,
    blocks: usize,
) -> Result<Vec<ParameterChange>, HostError> {
    let input = vec![noise(frames, level); 2];
    let mut output = vec![vec![0.0; frames]; 2];
    let mut changes = Vec::new();
    for _ in 0..blocks {
        changes.extend(session.process(&input, &mut output)?);
    }
    Ok(changes)
}

/// Replaces a field of a saved state.
///
/// # Panics
/// If the state does not have the field.
pub fn state_with_field(state: &[u8], field: &str, value: &serde_json::Value) -> Vec<u8> {
    edit_state(state, |json| {
        assert!(json["fields"][field].is_string(), "the state has no field {field}: {json}");
        json["fields"][field] = value.to_string().into();
    })
}

/// A project's routing with tags for the first two slots.
pub fn routing() -> serde_json::Value {
    let source = |tags: &[&str]| serde_json::json!({ "tags": tags, "how": "maximum" });
    let mut sources = vec![source(&["rock", "techno"]), source(&["guitar", "synth", "strings"])];
    sources.resize(8, source(&[]));
    serde_json::json!({ "sources": sources })
}

/// Loads a state with a model, and starts a bounce, which waits for the model. Starts it twice, as a
/// host does when the user plays a project again: without its editor a VST3 sends new names at
/// activation.
///
/// # Panics
/// If the plugin rejects the state or fails.
pub fn load_model(session: &mut dyn Session, model: &serde_json::Value) {
    let state = state_with_field(&session.save().unwrap(), "model", model);
    assert!(session.load(&state));
    for _ in 0..2 {
        session.start(bounce_setup(44_100.0, 512)).unwrap();
        send_noise(session, 0.1, 512, 2).unwrap();
        session.idle();
        session.stop();
    }
}

/// Loads the plugin of a format with a routing.
///
/// # Panics
/// If the bundle does not load, or rejects the routing.
pub fn open_with_routing(format: &str, routing: &serde_json::Value) -> Box<dyn Session> {
    let mut session = open(format);
    let state = session.save().expect("the plugin saves a state");
    assert!(session.load(&state_with_field(&state, "outputs", routing)), "{format}");
    session
}

/// Sets the parameter of this name with the next block.
///
/// # Panics
/// If there is no parameter of this name.
pub fn set_by_name(session: &mut dyn Session, name: &str, value: f64) {
    let parameters = session.parameters();
    let parameter = parameters.iter().find(|parameter| parameter.name == name);
    session.set(parameter.unwrap_or_else(|| panic!("there is no parameter {name}")).id, value);
}

/// Asserts that the plugin has sent nothing but values of tags since the events were last taken, and has never marked
/// the project as changed, requested a restart or edited a parameter.
///
/// # Panics
/// If it has.
pub fn assert_nothing_recorded(session: &mut dyn Session, what: &str) {
    for event in session.take_events() {
        let is_tag = matches!(event, HostEvent::Value(change) if (FIRST_TAG..FIRST_TAG + 64).contains(&change.id));
        assert!(is_tag, "{what}: the plugin sent {event:?}");
    }
    let HostRequestCounts { dirty, restarts, edits, .. } = session.request_counts();
    assert_eq!((dirty, restarts, edits), (0, 0, 0), "{what}: changes of the project, restarts and edits");
}

/// The values of all tags.
pub fn tag_values(session: &mut dyn Session) -> Vec<f64> {
    (FIRST_TAG..FIRST_TAG + 64).filter_map(|id| session.value(id)).collect()
}

/// Stereo music at 44.1 kHz with changing tags: the three clips in turn, five seconds each, `seconds` in total.
///
/// # Panics
/// If a clip cannot be decoded.
pub fn changing_music(seconds: usize) -> Vec<Vec<f32>> {
    let clips = ["rock", "orchestral", "electronic"].map(clip);
    (0..2)
        .map(|channel| {
            let parts = (0..seconds.div_ceil(5)).flat_map(|part| {
                let clip = &clips[part % 3];
                clip.channels[channel].iter().cycle().skip(part * 50_000).take(5 * 44_100).copied()
            });
            parts.take(seconds * 44_100).collect()
        })
        .collect()
}

/// Processes music in blocks of `block` frames with a pause after each. Returns the plugin's events
/// with their frame in the whole music, and 0 as their frame in the block.
///
/// # Panics
/// If the plugin fails.
pub fn collect_events(
    session: &mut dyn Session,
    music: &[Vec<f32>],
    block: usize,
    pause: Duration,
) -> Vec<(u64, HostEvent)> {
    let (mut events, frames) = (Vec::new(), music[0].len());
    for start in (0..frames).step_by(block) {
        let end = frames.min(start + block);
        let input: Vec<Vec<f32>> = music.iter().map(|channel| channel[start..end].to_vec()).collect();
        session.process(&input, &mut vec![vec![0.0; end - start]; 2]).unwrap();
        session.idle();
        for mut event in session.take_events() {
            let frame = match &mut event {
                HostEvent::Value(change) => std::mem::take(&mut change.frame),
                HostEvent::Midi { frame, .. } | HostEvent::Note { frame, .. } => std::mem::take(frame),
                _ => 0,
            };
            events.push((start as u64 + u64::from(frame), event));
        }
        std::thread::sleep(pause);
    }
    events
}

/// Uniform noise with the peak `level`, the same in each call.
pub fn noise(frames: usize, level: f32) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..frames).map(|_| next() * level).collect()
}
