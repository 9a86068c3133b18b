//! A screen without a monitor, for windows to be opened on.

use crate::again;
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

/// As [`again::goes_on`], on a screen of its own, with further options for Xvfb.
///
/// # Panics
/// Where the test fails there, or there is no Xvfb.
pub fn goes_on(test: &str, options: &[&str], variables: &[(&str, &str)]) -> bool {
    if again::is_again() {
        return true;
    }
    let screen = Screen::start(options);
    again::goes_on(test, &[&[("DISPLAY", screen.display.as_str())], variables].concat())
}
