//! Runs a test in its own process.

use std::process::Command;

/// The environment variable that is set in a test's own process: the file that the test creates there, to
/// show that it runs.
const SUBPROCESS: &str = "TAGVANE_TEST_RUNS";

/// Whether this is a test's own process. If so, shows the process that started it that the test runs.
///
/// # Panics
/// If the file for that cannot be written.
pub(crate) fn has_entered() -> bool {
    let Some(marker) = std::env::var_os(SUBPROCESS) else { return false };
    std::fs::write(marker, "").expect("the folder of the marker exists while its creator waits");
    true
}

/// Starts the test `test` in its own process with more environment variables, and returns false when
/// it has passed there. Returns true in that process, where the test continues. For tests that
/// measure or change process-wide state, such as memory, threads and the environment.
///
/// # Panics
/// If the test fails in its own process, or there is no test of this name.
pub fn enter_subprocess(test: &str, variables: &[(&str, &str)]) -> bool {
    if has_entered() {
        return true;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be created");
    let marker = folder.path().join("runs");
    let status = Command::new(std::env::current_exe().expect("the path of the test program is known"))
        .args([test, "--exact", "--nocapture", "--include-ignored"])
        .envs(variables.iter().copied())
        .env(SUBPROCESS, &marker)
        .status()
        .expect("the test program starts");
    assert!(status.success(), "{test} failed in its own process: {status}");
    assert!(marker.exists(), "no test is named {test}");
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test that was renamed, but not in its call, once passed without running.
    #[test]
    #[should_panic(expected = "no test is named a_name_without_a_test")]
    fn a_name_without_a_test_is_refused() {
        enter_subprocess("a_name_without_a_test", &[]);
    }
}
