//! Any bytes in the place of a file that the trainer reads, the first of which says which kind: it is
//! made of them what can be, or a sentence.
//!
//! Seeds, one of each kind, are left in the folder that `TAGVANE_SEEDS` names before fuzzing starts.
#![no_main]

#[path = "../../../trainer/tests/damaged_files/kinds.rs"]
mod kinds;
#[expect(dead_code, reason = "the trainer's tests use the rest")]
#[path = "../../../trainer/tests/support/mod.rs"]
mod support;

use kinds::{Kind, kinds};
use libfuzzer_sys::fuzz_target;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tempfile::TempDir;

/// A folder with a file of each kind, and what each held when it was whole.
struct Desk {
    kinds: Vec<(Kind, Vec<u8>)>,
    _folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("room for small files");
        let whole = |kind: Kind| {
            let bytes = fs::read(&kind.file).expect("it was just written");
            (kind, bytes)
        };
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../trainer"));
        Self { kinds: kinds(folder.path(), root).into_iter().map(whole).collect(), _folder: folder }
    }
}

thread_local! {
    static DESK: Desk = Desk::new();
}

fn begin() {
    DESK.with(|desk| {
        let Some(seeds) = std::env::var_os("TAGVANE_SEEDS") else { return };
        for (number, (_, whole)) in desk.kinds.iter().enumerate() {
            let seed = [&[number as u8][..], whole].concat();
            fs::write(Path::new(&seeds).join(number.to_string()), seed)
                .expect("the folder for seeds can be written to");
        }
    });
    // What libraries panic about is caught in the trainer; the fuzzer is not to see that as its end.
    std::panic::set_hook(Box::new(|_| ()));
}

fuzz_target!(init: begin(), |bytes: &[u8]| {
    let Some((number, content)) = bytes.split_first() else { return };
    DESK.with(|desk| {
        let Some((kind, whole)) = desk.kinds.get(usize::from(*number)) else { return };
        fs::write(&kind.file, content).expect("the desk can be written to");
        let answer = catch_unwind(AssertUnwindSafe(&kind.read));
        // Others read it beside their own.
        fs::write(&kind.file, whole).expect("the desk can be written to");
        let Ok(answer) = answer else {
            eprintln!("{}: it broke down", kind.name);
            std::process::abort();
        };
        if answer.is_err_and(|error| error.to_string().is_empty()) {
            eprintln!("{}: refused without a word", kind.name);
            std::process::abort();
        }
    });
});
