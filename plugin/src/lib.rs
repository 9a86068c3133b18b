//! Tagvane, the plugin: it shows the instruments, voices, styles and moods of a track, live.
//!
//! From the bottom to the top:
//!
//! * `log` writes to a file in the user's state folder, `files` writes files whole or not at all.
//! * `host` knows the quirks of hosts by their names.
//! * `window` has the state of the window that outlives it.
//! * `params` has the parameters and the saved state, `presets` the files that set a part of them.
//! * `instance` is what an instance shares between its threads.
//! * `shell` is the `clap_plugin` that the host sees. It wraps the one of nice-plug and adds the tags as
//!   read-only parameters and the slots as parameters that Tagvane moves itself.
//! * `editor` draws the window.
//! * `plugin` is the plugin that nice-plug wraps.
//!
//! clap-wrapper makes a VST3 (and, on macOS, an AUv2) of the same CLAP in the same library.

mod editor;
mod files;
mod host;
mod instance;
mod log;
mod mine;
mod params;
mod plugin;
mod presets;
#[allow(unsafe_code)]
mod shell;
mod window;

shell::export_plugin!(plugin::Tagvane);
clap_wrapper::export_vst3!();
clap_wrapper::export_auv2!();
