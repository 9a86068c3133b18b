//! Any bytes as a model file: a model or an error, never more than the time and memory that
//! SECURITY.md promises; and a model answers with probabilities or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tagvane_engine::Model;

/// The longest window that is answered here: what follows it is arithmetic.
const LONGEST: usize = 8_192;

fuzz_target!(init: std::panic::set_hook(Box::new(|_| ())), |file: &[u8]| {
    // What tract panics about is caught in the loader; the fuzzer is not to see that as its end.
    let Ok(Ok(model)) = catch_unwind(|| Model::from_bytes(file)) else { return };
    if model.window() > LONGEST {
        return;
    }
    let window = vec![0.25; model.window()];
    let answer = catch_unwind(AssertUnwindSafe(|| model.probabilities(&window)));
    let Ok(answer) = answer else { std::process::abort() };
    if answer.is_ok_and(|answer| !answer.iter().all(|value| (0.0..=1.0).contains(value))) {
        std::process::abort();
    }
});
