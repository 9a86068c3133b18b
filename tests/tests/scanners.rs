//! Scanners: hosts load each library in a process of their own to learn what is in it, without a screen, without a home
//! and on systems that are read-only. Both finished bundles, in `tagvane-scan`.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tagvane_tests::{FORMATS, bundle};

/// A scanner with no environment at all: no DISPLAY, no HOME, no TMPDIR.
fn scanner() -> Command {
    let mut scanner = Command::new(env!("CARGO_BIN_EXE_tagvane-scan"));
    scanner.env_clear().current_dir("/");
    scanner
}

/// Asserts that a scanner has succeeded and printed nothing.
fn assert_silent_success(output: &Output, what: &str) {
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert_eq!((output.status.code(), &*stdout, &*stderr), (Some(0), "", ""), "{what}");
}

/// The files and folders below a folder.
fn files(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().display().to_string()).collect()
}

#[test]
fn a_bundle_is_described_in_silence_and_leaves_no_thread_and_no_file() {
    let home = tempfile::tempdir().unwrap();
    for format in FORMATS {
        // Twice in one process, as hosts do that scan again.
        let output = scanner().arg(bundle(format)).arg(bundle(format)).env("HOME", home.path()).output().unwrap();
        assert_silent_success(&output, format);
        assert!(files(home.path()).is_empty(), "{format}: {:?}", files(home.path()));
    }
    let output = scanner().args(FORMATS.map(bundle)).env("HOME", home.path()).output().unwrap();
    assert_silent_success(&output, "both formats");
}

/// With homes that do not exist, cannot exist, or are no folder.
#[test]
fn a_bundle_is_described_and_created_without_a_screen_and_a_home() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let homes = [None, Some(Path::new("")), Some(Path::new("/proc/no/home")), Some(file.path())];
    for format in FORMATS {
        for home in homes {
            for option in [None, Some("--create")] {
                let mut scanner = scanner();
                for name in ["HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "TMPDIR"] {
                    scanner.envs(home.map(|home| (name, home)));
                }
                let output = scanner.args(option).arg(bundle(format)).output().unwrap();
                assert_silent_success(&output, &format!("{format}, {option:?}, the home is {home:?}"));
            }
        }
        // A screen that is not there, and one without a server.
        for display in ["", ":987", "no.such.host:0"] {
            let output = scanner().env("DISPLAY", display).arg("--create").arg(bundle(format)).output().unwrap();
            assert_silent_success(&output, &format!("{format}, the display is {display:?}"));
        }
    }
}

/// In a namespace of its own, where the system lets the test have one.
#[test]
fn a_bundle_is_described_and_created_on_a_read_only_system() {
    let read_only =
        "mount --make-rprivate / && mount -o remount,bind,ro / && ! touch /tmp/tagvane-scan-test 2>/dev/null";
    let can_test = Command::new("unshare").args(["-rm", "sh", "-c", read_only]).output();
    if !can_test.is_ok_and(|output| output.status.success()) {
        println!("left out: this system does not let a test make its files read-only");
        return;
    }
    for format in FORMATS {
        for option in [None, Some("--create")] {
            let mut scanner = Command::new("unshare");
            scanner.args(["-rm", "sh", "-c", &format!("{read_only} && exec \"$@\""), "sh"]);
            scanner.arg(env!("CARGO_BIN_EXE_tagvane-scan")).args(option).arg(bundle(format));
            let output = scanner.env_remove("DISPLAY").env_remove("TAGVANE_LOG").output().unwrap();
            assert_silent_success(&output, &format!("{format}, {option:?}"));
        }
    }
}

/// What fails is said by the scanner's exit code, so the tests above can fail.
#[test]
fn the_scanner_fails_without_a_plugin() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Tagvane.clap");
    fs::write(&path, "no library").unwrap();
    assert_eq!(scanner().arg(&path).output().unwrap().status.code(), Some(2));
}
