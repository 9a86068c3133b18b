//! The audio thread allocates nothing, locks nothing and calls no system.
//!
//! A guard is compiled, preloaded into a host of its own (`tagvane-guarded`), and watches
//! while the bundle's process runs: `guard/guard.c`, which counts the calls it knows of, and
//! LLVM's RealtimeSanitizer behind `guard/sanitizer.c`, which ends the host at the first.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tagvane_tests::{FORMATS, clip_path, root};

/// Compiles a guard; `more` goes to the C compiler.
fn guard(name: &str, more: &[&str]) -> PathBuf {
    let library = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name).with_extension("so");
    let source = root().join("tests/guard").join(name).with_extension("c");
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).args(more).arg("-ldl");
    assert!(compiler.status().expect("there is a C compiler").success());
    library
}

fn guarded(guard: &Path, arguments: &[&str]) -> Output {
    let mut host = Command::new(env!("CARGO_BIN_EXE_tagvane-guarded"));
    host.env("LD_PRELOAD", guard).args(arguments).output().expect("the guarded host starts")
}

/// Plays both bundles under a guard, which has to catch these `offences`: one that sees
/// nothing proves nothing.
fn play(guard: &Path, offences: &[&str]) {
    for offence in offences {
        let code = guarded(guard, &["--offend", offence]).status.code();
        assert!(code.is_some_and(|code| code > 0), "{offence}: {code:?}");
    }
    assert!(guarded(guard, &["--offend", "nothing"]).status.success());
    let clip = clip_path("rock");
    for format in FORMATS {
        let output = guarded(guard, &[format, clip.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{format}: {said}");
    }
}

#[test]
fn process_is_real_time_safe_from_the_first_block_on() {
    play(&guard("guard", &[]), &["allocate", "lock", "sleep"]);
}

/// The sanitizer's runtime is a part of Rust's toolchain for this machine.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_real_time_sanitizer_finds_nothing() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let output = Command::new("rustc").args(["--print", "target-libdir"]).current_dir(root()).output().unwrap();
    let libraries = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    let runtime = folder.join("sanitizer.a");
    std::fs::copy(libraries.join("librustc-stable_rt.rtsan.a"), &runtime).expect("the toolchain has the sanitizer");
    // A program starts with this part, which a library cannot have.
    let archiver = Command::new("ar").arg("d").arg(&runtime).arg("rtsan_preinit.cpp.o").status();
    assert!(archiver.unwrap().success());
    let whole = format!("-Wl,--whole-archive,{},--no-whole-archive", runtime.display());
    // It does not know of the call by which Rust sleeps.
    play(&guard("sanitizer", &[&whole, "-lpthread", "-lm", "-lrt"]), &["allocate", "lock"]);
}
