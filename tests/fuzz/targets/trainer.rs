//! Any bytes in the place of a file that the trainer reads: the content or an error. The first byte
//! chooses the kind of file.
//!
//! Before fuzzing starts, a seed of each kind is written to the folder in `TAGVANE_SEEDS`.
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

/// A folder with a file of each kind.
struct Folder {
    /// Each kind with its valid content.
    kinds: Vec<(Kind, Vec<u8>)>,
    _folder: TempDir,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let with_content = |kind: Kind| {
            let content = fs::read(&kind.file).expect("the file was just written");
            (kind, content)
        };
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../trainer"));
        Self { kinds: kinds(folder.path(), root).into_iter().map(with_content).collect(), _folder: folder }
    }
}

thread_local! {
    static FOLDER: Folder = Folder::new();
}

/// Writes a seed of each kind to the folder in `TAGVANE_SEEDS`.
fn write_seeds() {
    FOLDER.with(|folder| {
        let Some(seeds) = std::env::var_os("TAGVANE_SEEDS") else { return };
        for (number, (_, valid)) in folder.kinds.iter().enumerate() {
            let seed = [&[number as u8][..], valid].concat();
            fs::write(Path::new(&seeds).join(number.to_string()), seed)
                .expect("the folder in TAGVANE_SEEDS is writable");
        }
    });
    // Libraries may panic, which the trainer catches: replaces the hook of libfuzzer-sys, which aborts.
    std::panic::set_hook(Box::new(|_| ()));
}

fuzz_target!(init: write_seeds(), |bytes: &[u8]| {
    let Some((number, content)) = bytes.split_first() else { return };
    FOLDER.with(|folder| {
        let Some((kind, valid)) = folder.kinds.get(usize::from(*number)) else { return };
        fs::write(&kind.file, content).expect("the temporary folder is writable");
        let result = catch_unwind(AssertUnwindSafe(&kind.read));
        // Some kinds also read the files of others, which must be valid.
        fs::write(&kind.file, valid).expect("the temporary folder is writable");
        let Ok(result) = result else {
            eprintln!("{}: reading it panics", kind.name);
            std::process::abort();
        };
        if result.is_err_and(|error| error.to_string().is_empty()) {
            eprintln!("{}: the error has no text", kind.name);
            std::process::abort();
        }
    });
});
