//! Tagvane, the plugin: hears a track in a DAW and shows, live, what is on it.
//!
//! `plugin` is what nice-plug wraps; `shell` is what the host sees of that, with
//! the tags added as read-only parameters and the slots as ones that Tagvane itself
//! moves; clap-wrapper makes a VST3 (and, on macOS, an AUv2) of the same CLAP in the same
//! library; `parts` is what all of these share, `host` what is known of the hosts.

mod editor;
mod host;
mod params;
mod parts;
mod plugin;
#[allow(unsafe_code)]
mod shell;

shell::export_shelled!(plugin::Tagvane);
clap_wrapper::export_vst3!();
clap_wrapper::export_auv2!();
