//! For tests of the finished bundles: their paths, the ids of the parameters, and edits of saved states.

use serde_json::Value;
use std::path::{Path, PathBuf};

/// The id of the first slot's parameter; those of the other slots follow. Projects store the ids of all
/// parameters, so they must never change.
pub const FIRST_SLOT: u32 = 0x534c_4f00;

/// The id of the first tag's parameter; those of the other tags follow.
pub const FIRST_TAG: u32 = 0x5441_4700;

/// The id of Write.
pub const WRITE: u32 = 0x5752_4954;

/// Whether a parameter is one of the eight slots.
pub fn is_slot(id: u32) -> bool {
    (FIRST_SLOT..FIRST_SLOT + 8).contains(&id)
}

/// The folder of the finished bundles: `bundles` in the repository, or what TAGVANE_BUNDLES names.
pub fn bundle_folder() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bundles");
    std::env::var_os("TAGVANE_BUNDLES").map_or_else(default, PathBuf::from)
}

/// The path of the bundle of a format, which `cargo xtask bundle` writes.
///
/// # Panics
/// If the bundle is missing.
pub fn bundle(format: &str) -> PathBuf {
    let bundle = bundle_folder().join("Tagvane").with_extension(format);
    assert!(bundle.exists(), "{} is missing: run `cargo xtask test`, or `cargo xtask bundle` first", bundle.display());
    bundle
}

/// Edits the JSON of a saved state. A state is the length of nice-plug's JSON, in eight bytes, and the JSON,
/// whose `fields` are strings of JSON.
///
/// # Panics
/// If the bytes are no state.
pub fn edit_state(state: &[u8], edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut json: Value = serde_json::from_slice(&state[8..]).expect("JSON after eight bytes of length");
    edit(&mut json);
    let text = json.to_string().into_bytes();
    [&(text.len() as u64).to_le_bytes()[..], &text].concat()
}
