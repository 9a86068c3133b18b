//! A test in a process of its own.

use std::process::Command;

/// The variable that tells a test that it is in the process of its own.
const AGAIN: &str = "TAGVANE_TEST_AGAIN";

/// Whether this is the process of a test's own.
pub(crate) fn is_again() -> bool {
    std::env::var_os(AGAIN).is_some()
}

/// Runs the test of this name again, in a process of its own with further variables; there, it is
/// told to go on. For what belongs to a process, which tests that share one must not change.
///
/// # Panics
/// Where the test fails there.
pub fn goes_on(test: &str, variables: &[(&str, &str)]) -> bool {
    if is_again() {
        return true;
    }
    let status = Command::new(std::env::current_exe().expect("a test has a program"))
        .args([test, "--exact", "--nocapture", "--include-ignored"])
        .envs(variables.iter().copied())
        .env(AGAIN, "1")
        .status()
        .expect("the test's program starts again");
    assert!(status.success(), "{test}, in a process of its own: {status}");
    false
}
