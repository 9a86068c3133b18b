//! The factory "clap.preset-discovery-factory/2", with which a host lists presets without an instance: those inside the
//! plugin, and the files in the user's folder, if there is one.

use super::object::catch_panic;
use crate::host::takes_one_preset_only;
use crate::presets::{EXTENSION, Preset, PresetFolder, load_file, shipped};
use clap_sys::factory::preset_discovery::{
    CLAP_PRESET_DISCOVERY_IS_FACTORY_CONTENT, CLAP_PRESET_DISCOVERY_IS_USER_CONTENT,
    CLAP_PRESET_DISCOVERY_LOCATION_FILE, CLAP_PRESET_DISCOVERY_LOCATION_PLUGIN, clap_preset_discovery_factory,
    clap_preset_discovery_filetype, clap_preset_discovery_indexer, clap_preset_discovery_location,
    clap_preset_discovery_location_kind, clap_preset_discovery_metadata_receiver, clap_preset_discovery_provider,
    clap_preset_discovery_provider_descriptor,
};
use clap_sys::universal_plugin_id::clap_universal_plugin_id;
use clap_sys::version::CLAP_VERSION;
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::ptr;

/// The plugin that the presets are for.
const PLUGIN_ID: &CStr = c"org.tagvane.tagvane";

const PROVIDER_ID: &CStr = c"org.tagvane.tagvane.presets";

static DESCRIPTOR: clap_preset_discovery_provider_descriptor = clap_preset_discovery_provider_descriptor {
    clap_version: CLAP_VERSION,
    id: PROVIDER_ID.as_ptr(),
    name: c"Tagvane's presets".as_ptr(),
    vendor: c"Tagvane".as_ptr(),
};

/// The factory.
pub(super) static PRESET_DISCOVERY: clap_preset_discovery_factory =
    clap_preset_discovery_factory { count: Some(count), get_descriptor: Some(get_descriptor), create: Some(create) };

unsafe extern "C" fn count(_: *const clap_preset_discovery_factory) -> u32 {
    1
}

unsafe extern "C" fn get_descriptor(
    _: *const clap_preset_discovery_factory,
    index: u32,
) -> *const clap_preset_discovery_provider_descriptor {
    if index == 0 { &raw const DESCRIPTOR } else { ptr::null() }
}

/// The indexer of a provider.
///
/// # Safety
/// The provider comes from [`create`] and was not destroyed; the host keeps the indexer for that long, by the contract.
unsafe fn indexer<'a>(provider: *const clap_preset_discovery_provider) -> Option<&'a clap_preset_discovery_indexer> {
    // SAFETY: both are null or alive, by the caller.
    unsafe { provider.as_ref()?.provider_data.cast::<clap_preset_discovery_indexer>().as_ref() }
}

/// Makes a provider; `provider_data` is the host's indexer.
unsafe extern "C" fn create(
    _: *const clap_preset_discovery_factory,
    indexer: *const clap_preset_discovery_indexer,
    id: *const c_char,
) -> *const clap_preset_discovery_provider {
    // SAFETY: `id` is null or a C string, by the contract.
    let is_ours = !id.is_null() && unsafe { CStr::from_ptr(id) } == PROVIDER_ID;
    if !is_ours || indexer.is_null() {
        return ptr::null();
    }
    Box::into_raw(Box::new(clap_preset_discovery_provider {
        desc: &raw const DESCRIPTOR,
        provider_data: indexer.cast_mut().cast(),
        init: Some(init),
        destroy: Some(destroy),
        get_metadata: Some(get_metadata),
        get_extension: Some(get_extension),
    }))
}

unsafe extern "C" fn destroy(provider: *const clap_preset_discovery_provider) {
    if !provider.is_null() {
        // SAFETY: the pointer comes from `create`, and this is the last call, by the contract.
        drop(unsafe { Box::from_raw(provider.cast_mut()) });
    }
}

unsafe extern "C" fn get_extension(_: *const clap_preset_discovery_provider, _: *const c_char) -> *const c_void {
    ptr::null()
}

/// Tells the indexer where presets are.
unsafe extern "C" fn init(provider: *const clap_preset_discovery_provider) -> bool {
    // SAFETY: the provider is alive, and so is the indexer until it is destroyed, by the contract; the texts are
    // copied in the calls.
    catch_panic(false, || unsafe {
        let Some(indexer) = indexer(provider) else { return false };
        let (Some(declare_filetype), Some(declare_location)) = (indexer.declare_filetype, indexer.declare_location)
        else {
            return false;
        };
        let Ok(extension) = CString::new(EXTENSION) else { return false };
        let filetype = clap_preset_discovery_filetype {
            name: c"Tagvane preset".as_ptr(),
            description: c"What Tagvane's slots follow, and what it sends".as_ptr(),
            file_extension: extension.as_ptr(),
        };
        let inside = clap_preset_discovery_location {
            flags: CLAP_PRESET_DISCOVERY_IS_FACTORY_CONTENT,
            name: c"Tagvane".as_ptr(),
            kind: CLAP_PRESET_DISCOVERY_LOCATION_PLUGIN,
            location: ptr::null(),
        };
        if !declare_filetype(indexer, &filetype) || !declare_location(indexer, &inside) {
            return false;
        }
        // A host takes a folder that does not exist for an error.
        let folder = PresetFolder::from_env().filter(|folder| folder.path().is_dir() && folder.path().is_absolute());
        let path = folder.and_then(|folder| CString::new(folder.path().to_str()?).ok());
        path.is_none_or(|path| {
            let of_user = clap_preset_discovery_location {
                flags: CLAP_PRESET_DISCOVERY_IS_USER_CONTENT,
                name: c"Tagvane, your own".as_ptr(),
                kind: CLAP_PRESET_DISCOVERY_LOCATION_FILE,
                location: path.as_ptr(),
            };
            declare_location(indexer, &of_user)
        })
    })
}

/// Tells the receiver what a file, or the plugin, has.
unsafe extern "C" fn get_metadata(
    provider: *const clap_preset_discovery_provider,
    kind: clap_preset_discovery_location_kind,
    location: *const c_char,
    receiver: *const clap_preset_discovery_metadata_receiver,
) -> bool {
    // SAFETY: the receiver is the host's, and `location` is null or a C string, by the contract.
    catch_panic(false, || unsafe {
        let Some(receiver) = receiver.as_ref() else { return false };
        match kind {
            CLAP_PRESET_DISCOVERY_LOCATION_PLUGIN => {
                let text = |text: *const c_char| {
                    if text.is_null() { "".into() } else { CStr::from_ptr(text).to_string_lossy() }
                };
                let takes_one = indexer(provider)
                    .is_some_and(|indexer| takes_one_preset_only(&text(indexer.name), &text(indexer.version)));
                for shipped in shipped().iter().take(if takes_one { 1 } else { usize::MAX }) {
                    let Ok(preset) = shipped.preset() else { return false };
                    // A host that has seen enough says so.
                    if !describe(receiver, &preset, Some(shipped.key)) {
                        break;
                    }
                }
                true
            }
            CLAP_PRESET_DISCOVERY_LOCATION_FILE if !location.is_null() => {
                let file = CStr::from_ptr(location).to_string_lossy();
                match load_file(Path::new(&*file)) {
                    Ok(preset) => describe(receiver, &preset, None),
                    Err(why) => {
                        if let (Some(on_error), Ok(why)) = (receiver.on_error, CString::new(why)) {
                            on_error(receiver, 0, why.as_ptr());
                        }
                        false
                    }
                }
            }
            _ => false,
        }
    })
}

/// Describes a preset; `key` finds it among those of one location. Returns whether the host took it.
///
/// # Safety
/// The receiver is the host's.
unsafe fn describe(receiver: &clap_preset_discovery_metadata_receiver, preset: &Preset, key: Option<&str>) -> bool {
    // No text of a preset has a null.
    let text = |text: &str| CString::new(text).unwrap_or_default();
    let (name, key) = (text(&preset.name), key.map(text));
    let key = key.as_ref().map_or(ptr::null(), |key| key.as_ptr());
    let id = clap_universal_plugin_id { abi: c"clap".as_ptr(), id: PLUGIN_ID.as_ptr() };
    // SAFETY: the functions are the receiver's, by the caller, and copy the texts.
    unsafe {
        if !receiver.begin_preset.is_some_and(|begin_preset| begin_preset(receiver, name.as_ptr(), key)) {
            return false;
        }
        if let Some(add_plugin_id) = receiver.add_plugin_id {
            add_plugin_id(receiver, &id);
        }
        if let Some(set_description) = receiver.set_description.filter(|_| !preset.description.is_empty()) {
            set_description(receiver, text(&preset.description).as_ptr());
        }
        if let (Some(add_creator), Some(author)) = (receiver.add_creator, &preset.author) {
            add_creator(receiver, text(author).as_ptr());
        }
    }
    true
}
