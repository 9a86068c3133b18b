//! `clap.preset-load`: loads a preset that the user chooses in the host's browser.

use super::object::{Shell, catch_panic, shell_of};
use crate::presets::{Preset, load_file, shipped};
use clap_sys::ext::preset_load::{
    CLAP_EXT_PRESET_LOAD, CLAP_EXT_PRESET_LOAD_COMPAT, clap_host_preset_load, clap_plugin_preset_load,
};
use clap_sys::factory::preset_discovery::{
    CLAP_PRESET_DISCOVERY_LOCATION_FILE, CLAP_PRESET_DISCOVERY_LOCATION_PLUGIN, clap_preset_discovery_location_kind,
};
use clap_sys::plugin::clap_plugin;
use std::ffi::{CStr, CString, c_char};
use std::path::Path;

/// The table of `clap.preset-load`.
pub(super) static PRESET_LOAD: clap_plugin_preset_load = clap_plugin_preset_load { from_location: Some(from_location) };

/// Reads the preset at a location that a host names.
///
/// # Errors
/// A sentence that says what is wrong.
///
/// # Safety
/// `location` and `key` are null or C strings.
unsafe fn read_preset(
    kind: clap_preset_discovery_location_kind,
    location: *const c_char,
    key: *const c_char,
) -> Result<Preset, String> {
    // SAFETY: the pointers are null or C strings, by the caller.
    let text = |text: *const c_char| (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy());
    match (kind, text(location), text(key)) {
        (CLAP_PRESET_DISCOVERY_LOCATION_PLUGIN, _, Some(key)) => {
            let preset = shipped().iter().find(|shipped| shipped.key == key);
            let unknown = || {
                format!("This version of Tagvane has no preset {key:?}; nothing was changed, so choose another preset")
            };
            preset.ok_or_else(unknown)?.preset()
        }
        (CLAP_PRESET_DISCOVERY_LOCATION_FILE, Some(file), _) => load_file(Path::new(&*file)),
        _ => Err("The host does not say which preset to load; nothing was changed, so choose the preset again".into()),
    }
}

impl Shell {
    /// Loads a preset as a part of a saved state.
    ///
    /// # Errors
    /// A sentence, if nice-plug rejects it.
    fn load_preset(&self, preset: &Preset) -> Result<(), String> {
        let instance = &self.instance;
        let state = preset.to_state(&instance.params, instance.outputs.config());
        let json = serde_json::to_vec(&state).unwrap_or_default();
        let bytes = [&(json.len() as u64).to_le_bytes()[..], &json].concat();
        if !self.load_state(&bytes) {
            return Err(format!("The preset {:?} cannot be loaded; nothing was changed", preset.name));
        }
        // The names of the slots.
        self.report_changes();
        Ok(())
    }

    /// The host's extension; on the main thread only.
    fn host_preset_load(&self) -> Option<&clap_host_preset_load> {
        // SAFETY: `clap_host_preset_load` is the table of the extension under both names.
        unsafe {
            self.host_extension(CLAP_EXT_PRESET_LOAD).or_else(|| self.host_extension(CLAP_EXT_PRESET_LOAD_COMPAT))
        }
    }
}

unsafe extern "C" fn from_location(
    plugin: *const clap_plugin,
    kind: clap_preset_discovery_location_kind,
    location: *const c_char,
    key: *const c_char,
) -> bool {
    // SAFETY: by the contract; `location` and `key` are null or C strings, and the host's functions are called on the
    // main thread with them.
    catch_panic(false, || unsafe {
        let shell = shell_of(plugin);
        let loaded = read_preset(kind, location, key).and_then(|preset| shell.load_preset(&preset));
        let host = shell.host_preset_load();
        match &loaded {
            Ok(()) => {
                if let Some(loaded) = host.and_then(|host| host.loaded) {
                    loaded(shell.host, kind, location, key);
                }
            }
            Err(why) => {
                if let Some(on_error) = host.and_then(|host| host.on_error)
                    && let Ok(why) = CString::new(why.replace('\0', ""))
                {
                    on_error(shell.host, kind, location, key, 0, why.as_ptr());
                }
                shell.instance.set_project_notice(Some(why.clone()));
            }
        }
        loaded.is_ok()
    })
}
