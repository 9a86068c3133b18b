//! Runs a test in its own process.

use std::process::Command;

/// The environment variable that is set in a test's own process.
const SUBPROCESS: &str = "TAGVANE_TEST_AGAIN";

/// Whether this is a test's own process.
pub(crate) fn is_subprocess() -> bool {
    std::env::var_os(SUBPROCESS).is_some()
}

/// Starts the test `test` in its own process with more environment variables, and returns false when
/// it has passed there. Returns true in that process, where the test continues. For tests that
/// measure or change process-wide state, such as memory, threads and the environment.
///
/// # Panics
/// If the test fails in its own process.
pub fn enter_subprocess(test: &str, variables: &[(&str, &str)]) -> bool {
    if is_subprocess() {
        return true;
    }
    let status = Command::new(std::env::current_exe().expect("the path of the test program is known"))
        .args([test, "--exact", "--nocapture", "--include-ignored"])
        .envs(variables.iter().copied())
        .env(SUBPROCESS, "1")
        .status()
        .expect("the test program starts");
    assert!(status.success(), "{test} failed in its own process: {status}");
    false
}
