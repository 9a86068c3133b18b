//! A host's scanner: describes bundles, or also creates an instance of each (`--create`), and prints nothing unless it
//! is asked for times (`--time`). It fails if the plugin leaves a thread behind.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    for bundle in arguments.iter().filter(|argument| !argument.starts_with("--")).map(Path::new) {
        let started = Instant::now();
        let Ok(plugins) = tagvane_host::scan(bundle) else { return ExitCode::from(2) };
        let scanned = started.elapsed();
        let is_tagvane = |plugin: &tagvane_host::PluginDescription| {
            plugin.name == "Tagvane" && plugin.vendor == "Tagvane" && plugin.version == env!("CARGO_PKG_VERSION")
        };
        if plugins.len() != 1 || !plugins.iter().all(is_tagvane) {
            return ExitCode::from(3);
        }
        if has_left_a_thread() {
            return ExitCode::from(4);
        }
        if has("--create") {
            let Ok(mut session) = tagvane_host::open(bundle) else { return ExitCode::from(5) };
            if session.parameters().is_empty() || session.save().is_none() {
                return ExitCode::from(6);
            }
            drop(session);
            if has_left_a_thread() {
                return ExitCode::from(7);
            }
        }
        if has("--time") {
            let (scan, all) = (scanned.as_secs_f64() * 1e3, started.elapsed().as_secs_f64() * 1e3);
            println!("{}: described in {scan:.1} ms, {all:.1} ms in all", bundle.display());
        }
    }
    ExitCode::SUCCESS
}

/// Whether there are more threads than this one; the system counts one that was joined for a moment longer.
#[cfg(target_os = "linux")]
fn has_left_a_thread() -> bool {
    let started = Instant::now();
    while tagvane_tests::process::thread_count() > 1 {
        if started.elapsed().as_secs() > 5 {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    false
}

#[cfg(not(target_os = "linux"))]
fn has_left_a_thread() -> bool {
    false
}
