//! Any bytes as a model file: a model or an error, within the time and memory limits of SECURITY.md. A
//! model predicts probabilities or returns an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tagvane_engine::Model;

/// The longest window that is predicted here, in samples; longer ones take too much time.
const MAX_WINDOW: usize = 8_192;

fuzz_target!(init: std::panic::set_hook(Box::new(|_| ())), |file: &[u8]| {
    // tract may panic, which the loader catches: the hook of libfuzzer-sys, which aborts, is replaced.
    let Ok(Ok(model)) = catch_unwind(|| Model::from_bytes(file)) else { return };
    if model.window() > MAX_WINDOW {
        return;
    }
    let window = vec![0.25; model.window()];
    let prediction = catch_unwind(AssertUnwindSafe(|| model.predict(&window)));
    let Ok(prediction) = prediction else { std::process::abort() };
    if prediction.is_ok_and(|probabilities| !probabilities.iter().all(|value| (0.0..=1.0).contains(value))) {
        std::process::abort();
    }
});
