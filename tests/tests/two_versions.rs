//! Two versions of the plugin in one process, as after an update that the host found in another folder: a copy of the
//! bundle in which the default model has another name, so that the log shows whose code runs.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tagvane_host::window::Window;
use tagvane_host::{Session, Setup};
use tagvane_tests::{
    FORMATS, assert_nothing_recorded, bounce_setup, bundle, noise, open, screen, send_noise, state_with_field,
    subprocess,
};

/// The name of the default model, and its name in the other version.
const NAMES: [&str; 2] = ["Music 214", "Music 999"];

const LIVE: Setup = Setup { sample_rate: 48_000.0, max_block_frames: 512, channels: 2, offline: false };

/// The path of the library in a bundle.
fn library(bundle: &Path) -> PathBuf {
    match bundle.extension() {
        Some(extension) if extension == "vst3" => {
            bundle.join(format!("Contents/{}-linux/Tagvane.so", std::env::consts::ARCH))
        }
        _ => bundle.to_owned(),
    }
}

/// Writes the bundle of the other version to a folder.
fn write_other_version(format: &str, folder: &Path) -> PathBuf {
    let (from, to) = (bundle(format), folder.join("Tagvane").with_extension(format));
    let mut bytes = fs::read(library(&from)).unwrap();
    let [old, new] = NAMES.map(str::as_bytes);
    let places: Vec<usize> =
        bytes.windows(old.len()).enumerate().filter(|(_, part)| *part == old).map(|(place, _)| place).collect();
    assert!(!places.is_empty(), "the library does not have the name");
    for place in places {
        bytes[place..place + new.len()].copy_from_slice(new);
    }
    fs::create_dir_all(library(&to).parent().unwrap()).unwrap();
    fs::write(library(&to), bytes).unwrap();
    to
}

/// The names of the models in the log, each as often as it was loaded.
fn loaded_models(log: &Path) -> [usize; 2] {
    let text = fs::read_to_string(log).unwrap_or_default();
    for line in text.lines() {
        assert!(line.contains(" INFO ") || line.contains(" WARN "), "a line of the log is torn: {line}");
    }
    NAMES.map(|name| text.lines().filter(|line| line.contains(&format!("INFO {name}: 214 tags"))).count())
}

/// Waits until the model is loaded.
fn wait_for_model(session: &mut dyn Session) {
    session.start(bounce_setup(48_000.0, 512)).unwrap();
    session.stop();
}

/// Runs a test in its own process, whose log is a file in a folder of its own. Returns the folder there.
fn enter(test: &str) -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("tagvane.log");
    subprocess::enter_subprocess(test, &[("TAGVANE_LOG", log.to_str().unwrap())]).then_some(folder)
}

/// The log of this process.
fn log() -> PathBuf {
    std::env::var_os("TAGVANE_LOG").unwrap().into()
}

#[test]
fn two_versions_play_side_by_side_and_share_the_log() {
    let Some(folder) = enter("two_versions_play_side_by_side_and_share_the_log") else { return };
    let mut expected = [0, 0];
    for format in FORMATS {
        let other = write_other_version(format, folder.path());
        for round in 0..4 {
            let mut sessions: Vec<Box<dyn Session>> = (0..6)
                .map(|number| if number % 2 == 0 { open(format) } else { tagvane_host::open(&other).unwrap() })
                .collect();
            for session in &mut sessions {
                wait_for_model(session.as_mut());
                session.start(bounce_setup(48_000.0, 512)).unwrap();
            }
            expected = expected.map(|count| count + 3);
            assert_eq!(loaded_models(&log()), expected, "{format}, round {round}");
            let input = vec![noise(512, 0.3); 2];
            let mut values = vec![Vec::new(); sessions.len()];
            for _ in 0..300 {
                for (session, values) in sessions.iter_mut().zip(&mut values) {
                    values.extend(session.process(&input, &mut [vec![0.0; 512], vec![0.0; 512]]).unwrap());
                }
            }
            assert!(values[0].len() > 50, "{format}: {} values", values[0].len());
            assert!(values.iter().all(|other| *other == values[0]), "{format}: the versions predict differently");
            // One version is closed while the other plays on.
            let closed = round % 2;
            let mut left: Vec<_> = sessions.drain(..).enumerate().filter(|(number, _)| number % 2 != closed).collect();
            for (_, session) in &mut left {
                session.start(LIVE).unwrap();
                send_noise(session.as_mut(), 0.3, 512, 300).unwrap();
                assert_nothing_recorded(session.as_mut(), format);
            }
        }
    }
}

/// A state of the one version is loaded by the other, which keeps what it does not know.
#[test]
fn versions_exchange_states() {
    let Some(folder) = enter("versions_exchange_states") else { return };
    for format in FORMATS {
        let path = write_other_version(format, folder.path());
        let mut versions = [open(format), tagvane_host::open(&path).unwrap()];
        let fresh = versions[0].save().unwrap();
        let of_other = state_with_field(&fresh, "model", &json!({ "shipped": NAMES[1] }));
        for (version, state) in [(0, &of_other), (1, &of_other), (0, &fresh)] {
            let session = &mut versions[version];
            assert!(session.load(state), "{format}");
            wait_for_model(session.as_mut());
            let json = |state: &[u8]| serde_json::from_slice::<serde_json::Value>(&state[8..]).unwrap();
            assert!(json(&session.save().unwrap()) == json(state), "{format}: the state changed");
            session.start(bounce_setup(48_000.0, 512)).unwrap();
            assert!(!send_noise(session.as_mut(), 0.3, 512, 300).unwrap().is_empty(), "{format}: no predictions");
            session.stop();
            assert_nothing_recorded(session.as_mut(), format);
        }
    }
}

/// A host that loads libraries globally gave the second version the first one's factory.
#[test]
fn versions_that_are_loaded_globally_run_their_own_code() {
    let Some(folder) = enter("versions_that_are_loaded_globally_run_their_own_code") else { return };
    let mut expected = [0, 0];
    for format in FORMATS {
        let other = write_other_version(format, folder.path());
        let open_globally = |bundle: &Path| {
            // SAFETY: the library is the plugin, which any host loads.
            let library = unsafe { Library::open(Some(library(bundle)), RTLD_NOW | RTLD_GLOBAL) };
            // It stays loaded until the end of the process.
            std::mem::forget(library.unwrap());
            let mut session = tagvane_host::open(bundle).unwrap();
            wait_for_model(session.as_mut());
            session
        };
        let _one = open_globally(&bundle(format));
        expected[0] += 1;
        assert_eq!(loaded_models(&log()), expected, "{format}: the first version");
        let _other = open_globally(&other);
        expected[1] += 1;
        assert_eq!(loaded_models(&log()), expected, "{format}: the other version");
    }
}

#[test]
fn windows_of_two_versions_are_open_at_once() {
    let name = "windows_of_two_versions_are_open_at_once";
    if !screen::enter_subprocess(name, &[], &[]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // The background of the default theme.
    let is_drawn = |window: &Window| window.screenshot((960, 640)).unwrap().pixels[961] == [0x14, 0x17, 0x1c];
    for format in FORMATS {
        let other = write_other_version(format, folder.path());
        let mut sessions = [open(format), tagvane_host::open(&other).unwrap()];
        for round in 0..3 {
            let mut windows = [0, 1].map(|version| {
                let window = Window::open("two versions").unwrap();
                window.resize(sessions[version].open_window(window.id(), 1.0).unwrap());
                Some(window)
            });
            let wait_until_drawn = |sessions: &mut [Box<dyn Session>; 2], window: &Option<Window>, what: &str| {
                let started = Instant::now();
                while !window.as_ref().is_some_and(is_drawn) {
                    for session in sessions.iter_mut() {
                        session.start(LIVE).unwrap();
                        send_noise(session.as_mut(), 0.3, 512, 4).unwrap();
                        session.idle();
                    }
                    std::thread::sleep(Duration::from_millis(50));
                    assert!(started.elapsed() < Duration::from_secs(60), "{format}: {what} is not drawn after 60 s");
                }
            };
            wait_until_drawn(&mut sessions, &windows[1], "the second window");
            // They close in either order.
            let (closed, left) = (round % 2, 1 - round % 2);
            sessions[closed].close_window();
            windows[closed] = None;
            wait_until_drawn(&mut sessions, &windows[left], "the window that is left");
            sessions[left].close_window();
        }
        for session in &mut sessions {
            assert_nothing_recorded(session.as_mut(), format);
        }
    }
}
