//! A small host for the finished bundles: it loads a `.clap` or a `.vst3` through
//! its binary interface, streams audio through it, and records what a DAW would see.
//!
//! Only [`clap_host`] and [`vst3_host`] contain unsafe code: they load foreign libraries
//! and call VST3's interfaces.

#[allow(unsafe_code)]
pub mod clap_host;
pub mod player;
mod session;
mod song;
pub mod testing;
#[allow(unsafe_code)]
pub mod vst3_host;
pub mod window;

pub use session::{
    HostError, HostEvent, HostRequestCounts, Parameter, ParameterChange, ParentWindow, PluginDescription, Session,
    Setup, Size,
};
pub use song::Song;

use std::path::Path;

/// Loads the bundle at `path` like [`open`], but does not set a VST3's component handler.
///
/// # Errors
/// The same as [`open`].
pub fn open_without_handler(path: &Path) -> Result<Box<dyn Session>, HostError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("vst3") => Ok(Box::new(vst3_host::Vst3Session::open_without_handler(path)?)),
        _ => open(path),
    }
}

/// Loads the bundle at `path`; its extension decides the format.
///
/// # Errors
/// [`HostError`] if the extension is neither `.clap` nor `.vst3`, or the bundle does not load.
pub fn open(path: &Path) -> Result<Box<dyn Session>, HostError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("clap") => Ok(Box::new(clap_host::ClapSession::open(path)?)),
        Some("vst3") => Ok(Box::new(vst3_host::Vst3Session::open(path)?)),
        _ => Err(HostError::new(path, "this is neither a .clap nor a .vst3; name a bundle of one of these formats")),
    }
}

/// Loads a bundle as a scanner does: asks for the plugins in it, without an instance, and unloads it.
///
/// # Errors
/// The same as [`open`].
pub fn scan(path: &Path) -> Result<Vec<PluginDescription>, HostError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("clap") => clap_host::scan(path),
        Some("vst3") => vst3_host::Module::load(path).map(|module| module.descriptions()),
        _ => Err(HostError::new(path, "this is neither a .clap nor a .vst3; name a bundle of one of these formats")),
    }
}
