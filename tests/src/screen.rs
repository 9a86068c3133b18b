//! A screen without a monitor, for windows to be opened on.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// An X server of its own; dropping it ends it.
struct Screen {
    server: Child,
    display: String,
}

impl Screen {
    fn start(options: &[&str]) -> Self {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "3840x2400x24", "-noreset"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb starts: `cargo xtask test` installs it");
        let mut number = String::new();
        let output = server.stdout.take().expect("it was asked for");
        BufReader::new(output).read_line(&mut number).expect("Xvfb tells its display");
        assert!(!number.trim().is_empty(), "Xvfb has no display");
        Self { server, display: format!(":{}", number.trim()) }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The variable that tells a test that it has its screen.
const HAS_SCREEN: &str = "TAGVANE_TEST_HAS_SCREEN";

/// Runs the test of this name again in a process of its own, on a screen of its own, with further
/// options for Xvfb and further variables; in that process it is told to go on. Windows find their display by a variable
/// of the process, which a test that shares its process must not change.
///
/// # Panics
/// Where the test fails there.
pub fn goes_on(test: &str, options: &[&str], variables: &[(&str, &str)]) -> bool {
    if std::env::var_os(HAS_SCREEN).is_some() {
        return true;
    }
    let screen = Screen::start(options);
    let status = Command::new(std::env::current_exe().expect("a test has a program"))
        .args([test, "--exact", "--nocapture", "--include-ignored"])
        .env("DISPLAY", &screen.display)
        .envs(variables.iter().copied())
        .env(HAS_SCREEN, "1")
        .status()
        .expect("the test's program starts again");
    assert!(status.success(), "{test}, on its screen: {status}");
    false
}
