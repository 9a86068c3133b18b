//! The end of a thread that has used the plugin, after the host has closed it.
#![cfg(target_os = "linux")]

use tagvane_host::vst3_host::Module;
use tagvane_tests::{FORMATS, bounce_setup, bundle, open, open_without_handler, send_noise, subprocess};

/// What a thread does, in words and with a format.
type Use = (&'static str, fn(&str));

/// What threads do between loading the library and unloading it.
const USES: [Use; 4] = [
    ("describes it", |format| {
        if format == "vst3" {
            drop(Module::load(&bundle(format)).unwrap());
        }
    }),
    ("creates an instance", |format| drop(open_without_handler(format))),
    ("saves and loads a state", |format| {
        let mut session = open(format);
        let state = session.save().unwrap();
        assert!(session.load(&state));
    }),
    ("plays", |format| {
        let mut session = open(format);
        session.start(bounce_setup(48_000.0, 512)).unwrap();
        send_noise(session.as_mut(), 0.3, 512, 4).unwrap();
    }),
];

/// Rust's standard library has a destructor in the plugin called at the end of each thread that asked it for the thread's
/// id. Once the library was no longer there then, and the process crashed: hosts scan on threads of their own.
#[test]
fn a_thread_may_end_after_the_plugin_was_closed() {
    if !subprocess::enter_subprocess("a_thread_may_end_after_the_plugin_was_closed", &[]) {
        return;
    }
    for format in FORMATS {
        for (what, used) in USES {
            println!("{format}: a thread {what}");
            for _ in 0..5 {
                std::thread::spawn(move || used(format)).join().unwrap();
            }
        }
    }
    // Threads that end while others close the plugin.
    for round in 0..20 {
        println!("round {round}");
        let threads: Vec<_> = (0..8)
            .map(|number| std::thread::spawn(move || USES[(number + round) % 4].1(FORMATS[number % 2])))
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
