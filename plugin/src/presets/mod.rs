//! Presets: what the slots follow and how, and what the outputs send, as files that a user can read, write and add to.
//!
//! * `format` is the file, `shipped` has the presets inside the plugin, `folder` those of the user.
//! * `apply` is between a preset and the parameters.

mod apply;
mod folder;
mod format;
mod shipped;

pub(crate) use apply::{ParamSink, SavedParam};
pub(crate) use folder::{EXTENSION, PresetFolder, load_file};
pub(crate) use format::Preset;
pub(crate) use shipped::shipped;
