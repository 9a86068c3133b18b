//! The `clap_plugin` that the host sees: nice-plug's CLAP with the tags added as read-only parameters and
//! the slots as parameters that Tagvane moves itself, which nice-plug cannot express.
//!
//! The host gets a `clap_plugin` of this module that wraps the one of nice-plug. Some functions and
//! extensions are replaced; the others are nice-plug's own. This is sound because nice-plug's callbacks read
//! only `plugin_data` of the `clap_plugin` that they get, which is the same in both. The version of
//! nice-plug is pinned for that.
//!
//! This module has the only unsafe code of the plugin. It rests on the CLAP contract, called **the
//! contract** below: a host passes the pointers that CLAP 1.2 prescribes, valid for the length of the call;
//! it calls the plugin's functions only between a successful `create_plugin` and `destroy`; and it calls
//! main-thread functions on one thread only. If a host calls `process` and `flush` of an instance at the
//! same time, which the contract forbids, the second call does nothing.
//!
//! From the bottom to the top:
//!
//! * `shell_params` names the parameters that the shell adds, with their ids. `vst3_midi` sends the control changes of a
//!   VST3.
//! * `object` is the memory behind the `clap_plugin`.
//! * `host_events` validates the events of a host, `events` exchanges events with the host, `block` is one
//!   call on the audio thread.
//! * `clap_params` is the plugin's `clap.params`, `clap_state` its `clap.state`, `preset_load` its `clap.preset-load`,
//!   `extensions` has the other replaced extensions.
//! * `clap_plugin` has the functions of the `clap_plugin`, `preset_discovery` lists presets without an
//!   instance, `entry` has the entry points of the library; `quiet` keeps what
//!   clap-wrapper prints off the host's streams.
//! * `vst3` wraps the VST3 that clap-wrapper makes of the CLAP.

mod block;
mod clap_params;
mod clap_plugin;
mod clap_state;
mod entry;
mod events;
mod extensions;
mod host_events;
mod object;
#[cfg(target_os = "windows")]
mod pin;
mod preset_discovery;
mod preset_load;
#[cfg(target_os = "linux")]
mod quiet;
mod shell_params;
#[cfg(test)]
mod test_host;
mod vst3;
mod vst3_midi;

pub(crate) use entry::{entry, export_plugin};
pub(crate) use object::ShellPlugin;
#[cfg(test)]
pub(crate) use test_host::{HostCall, TestHost};
