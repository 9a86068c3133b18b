//! The audio thread makes none of the calls that two guards know: allocations, locks, waits and system calls.
//!
//! Each test compiles a guard and preloads it into the host `tagvane-guarded`, where it monitors the
//! plugin's process function: `guard/guard.c` counts forbidden calls, and LLVM's RealtimeSanitizer
//! with `guard/sanitizer.c` ends the host at the first one.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tagvane_tests::{FORMATS, clip_path, root};

/// Compiles a guard with more arguments for the C compiler.
fn compile_guard(name: &str, more: &[&str]) -> PathBuf {
    let library = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name).with_extension("so");
    let source = root().join("tests/guard").join(name).with_extension("c");
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).args(more).arg("-ldl");
    assert!(compiler.status().expect("the C compiler `cc` starts").success());
    library
}

fn run_guarded(guard: &Path, arguments: &[&str]) -> Output {
    let mut host = Command::new(env!("CARGO_BIN_EXE_tagvane-guarded"));
    host.env("LD_PRELOAD", guard).args(arguments).output().expect("the guarded host starts")
}

/// Plays both bundles under a guard. First the guard must detect the `violations`, to show that it works.
fn play_guarded(guard: &Path, violations: &[&str]) {
    for violation in violations {
        let code = run_guarded(guard, &["--violate", violation]).status.code();
        assert!(code.is_some_and(|code| code > 0), "the guard does not detect {violation}: {code:?}");
    }
    assert!(run_guarded(guard, &["--violate", "nothing"]).status.success());
    let clip = clip_path("rock");
    for format in FORMATS {
        let output = run_guarded(guard, &[format, clip.to_str().unwrap()]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{format}: {stderr}");
    }
}

#[test]
fn process_is_real_time_safe_from_the_first_block_on() {
    play_guarded(&compile_guard("guard", &[]), &["allocate", "lock", "sleep"]);
}

/// Rust's toolchain includes the sanitizer's runtime on x86-64 Linux.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_real_time_sanitizer_finds_nothing() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let output = Command::new("rustc").args(["--print", "target-libdir"]).current_dir(root()).output().unwrap();
    let libraries = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    let runtime = folder.join("sanitizer.a");
    std::fs::copy(libraries.join("librustc-stable_rt.rtsan.a"), &runtime)
        .expect("the toolchain has the sanitizer's runtime");
    // This object has a .preinit_array, which a shared library must not have.
    let archiver = Command::new("ar").arg("d").arg(&runtime).arg("rtsan_preinit.cpp.o").status();
    assert!(archiver.unwrap().success());
    let whole_archive = format!("-Wl,--whole-archive,{},--no-whole-archive", runtime.display());
    // The sanitizer does not intercept the call that Rust's sleep makes.
    play_guarded(&compile_guard("sanitizer", &[&whole_archive, "-lpthread", "-lm", "-lrt"]), &["allocate", "lock"]);
}
