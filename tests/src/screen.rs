//! A virtual screen (Xvfb) for tests that open windows.

use crate::subprocess;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// An X server, killed when dropped.
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
        let output = server.stdout.take().expect("the output is piped");
        BufReader::new(output).read_line(&mut number).expect("Xvfb prints its display");
        assert!(!number.trim().is_empty(), "Xvfb printed no display; run it by hand to see its error");
        Self { server, display: format!(":{}", number.trim()) }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Starts a test like [`subprocess::enter_subprocess`], on its own virtual screen with more options
/// for Xvfb.
///
/// # Panics
/// If the test fails in its own process, or Xvfb is missing.
pub fn enter_subprocess(test: &str, options: &[&str], variables: &[(&str, &str)]) -> bool {
    if subprocess::has_entered() {
        return true;
    }
    let screen = Screen::start(options);
    subprocess::enter_subprocess(test, &[&[("DISPLAY", screen.display.as_str())], variables].concat())
}
