//! What a host's scanner asks of a bundle: who is inside, without an instance.

use crate::session::HostError;
use crate::{clap_host, vst3_host};
use std::path::Path;

/// A plugin as a bundle describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginDescription {
    /// Its id: CLAP's, or VST3's class id in hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its vendor.
    pub vendor: String,
    /// Its version.
    pub version: String,
}

/// Loads a bundle, asks for the plugins in it, and unloads it.
///
/// # Errors
/// The same as [`open`](crate::open).
pub fn scan(bundle: &Path) -> Result<Vec<PluginDescription>, HostError> {
    match bundle.extension().and_then(|extension| extension.to_str()) {
        Some("clap") => clap_host::scan(bundle),
        Some("vst3") => vst3_host::Module::load(bundle).map(|module| module.descriptions()),
        _ => Err(HostError::new(bundle, "this is neither a .clap nor a .vst3; name a bundle of one of these formats")),
    }
}
