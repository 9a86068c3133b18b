//! The audio thread allocates nothing, locks nothing and calls no system.
//!
//! `guard/guard.c` is compiled, preloaded into a host of its own
//! (`tagvane-guarded`), and counts forbidden calls while the bundle's process runs.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tagvane_tests::{FORMATS, clip_path, root};

fn guard() -> PathBuf {
    let library = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guard.so");
    let compiled = Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(root().join("tests/guard/guard.c"))
        .arg("-ldl")
        .status();
    assert!(compiled.expect("there is a C compiler").success());
    library
}

fn guarded(guard: &Path, arguments: &[&str]) -> Output {
    let mut host = Command::new(env!("CARGO_BIN_EXE_tagvane-guarded"));
    host.env("LD_PRELOAD", guard).args(arguments).output().expect("the guarded host starts")
}

#[test]
fn process_is_real_time_safe_from_the_first_block_on() {
    let guard = guard();
    // A guard that sees nothing proves nothing: it has to catch an offender first.
    for (offence, code) in [("allocate", 1), ("lock", 1), ("sleep", 1), ("nothing", 0)] {
        let output = guarded(&guard, &["--offend", offence]);
        assert_eq!(output.status.code(), Some(code), "{offence}");
    }
    let clip = clip_path("rock");
    for format in FORMATS {
        let output = guarded(&guard, &[format, clip.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{format}: {said}");
    }
}
