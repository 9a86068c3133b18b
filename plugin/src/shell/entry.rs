//! The entry points of the library: the CLAP entry, its plugin factory, the list of presets, and the factory that
//! clap-wrapper reads for the VST3.

use super::object::{Shell, ShellPlugin, catch_panic};
use super::preset_discovery::PRESET_DISCOVERY;
use clap_sys::entry::clap_plugin_entry;
use clap_sys::factory::plugin_factory::{CLAP_PLUGIN_FACTORY_ID, clap_plugin_factory};
use clap_sys::factory::preset_discovery::{CLAP_PRESET_DISCOVERY_FACTORY_ID, CLAP_PRESET_DISCOVERY_FACTORY_ID_COMPAT};
use clap_sys::host::clap_host;
use clap_sys::plugin::{clap_plugin, clap_plugin_descriptor};
use clap_sys::version::CLAP_VERSION;
use nice_plug::wrapper::clap::PluginDescriptor;
use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::OnceLock;

/// What clap-wrapper reads about the VST3 of a plugin.
#[repr(C)]
pub(crate) struct Vst3Info {
    vendor: *const c_char,
    component_id: *const [u8; 16],
    features: *const c_char,
}

/// The factory "clap.plugin-factory-info-as-vst3/0", which returns the [`Vst3Info`] of each plugin.
#[repr(C)]
pub(crate) struct Vst3Factory {
    vendor: *const c_char,
    url: *const c_char,
    email: *const c_char,
    get: unsafe extern "C" fn(*const Vst3Factory, u32) -> *const Vst3Info,
}

const VST3_FACTORY_ID: &CStr = c"clap.plugin-factory-info-as-vst3/0";

// SAFETY: its pointers are null or point to constants.
unsafe impl Sync for Vst3Info {}
// SAFETY: its pointers are null or point to constants.
unsafe impl Sync for Vst3Factory {}

/// The constants of a plugin type; their addresses are valid as long as the library is loaded.
struct Statics<P>(std::marker::PhantomData<P>);

impl<P: ShellPlugin> Statics<P> {
    const FACTORY: clap_plugin_factory = clap_plugin_factory {
        get_plugin_count: Some(plugin_count),
        get_plugin_descriptor: Some(plugin_descriptor::<P>),
        create_plugin: Some(create_plugin::<P>),
    };
    const INFO: Vst3Info =
        Vst3Info { vendor: ptr::null(), component_id: P::VST3_CLASS_ID, features: P::VST3_SUBCATEGORIES.as_ptr() };
    const VST3: Vst3Factory =
        Vst3Factory { vendor: ptr::null(), url: ptr::null(), email: P::VST3_EMAIL.as_ptr(), get: vst3_info::<P> };
}

fn descriptor<P: ShellPlugin>() -> &'static PluginDescriptor {
    // A static is shared by all `P`; the library has one plugin type.
    static DESCRIPTOR: OnceLock<PluginDescriptor> = OnceLock::new();
    DESCRIPTOR.get_or_init(PluginDescriptor::for_plugin::<P>)
}

unsafe extern "C" fn vst3_info<P: ShellPlugin>(_: *const Vst3Factory, index: u32) -> *const Vst3Info {
    if index == 0 { const { &Statics::<P>::INFO } } else { ptr::null() }
}

unsafe extern "C" fn plugin_count(_: *const clap_plugin_factory) -> u32 {
    1
}

unsafe extern "C" fn plugin_descriptor<P: ShellPlugin>(
    _: *const clap_plugin_factory,
    index: u32,
) -> *const clap_plugin_descriptor {
    catch_panic(ptr::null(), || if index == 0 { descriptor::<P>().clap_plugin_descriptor() } else { ptr::null() })
}

unsafe extern "C" fn create_plugin<P: ShellPlugin>(
    _: *const clap_plugin_factory,
    host: *const clap_host,
    id: *const c_char,
) -> *const clap_plugin {
    // SAFETY: by the contract; `id` is null or a C string.
    catch_panic(ptr::null(), || unsafe {
        if host.is_null() || id.is_null() || CStr::from_ptr(id) != descriptor::<P>().clap_id() {
            return ptr::null();
        }
        Shell::create::<P>(host)
    })
}

unsafe extern "C" fn init<P: ShellPlugin>(_: *const c_char) -> bool {
    #[cfg(target_os = "windows")]
    super::pin::pin_library();
    catch_panic((), nice_plug::wrapper::setup_logger::<P>);
    true
}

unsafe extern "C" fn deinit() {}

unsafe extern "C" fn get_factory<P: ShellPlugin>(id: *const c_char) -> *const c_void {
    if id.is_null() {
        return ptr::null();
    }
    // SAFETY: the id is a C string, by the contract.
    let id = unsafe { CStr::from_ptr(id) };
    if id == CLAP_PLUGIN_FACTORY_ID {
        ptr::from_ref(const { &Statics::<P>::FACTORY }).cast()
    } else if id == VST3_FACTORY_ID {
        ptr::from_ref(const { &Statics::<P>::VST3 }).cast()
    } else if id == CLAP_PRESET_DISCOVERY_FACTORY_ID || id == CLAP_PRESET_DISCOVERY_FACTORY_ID_COMPAT {
        (&raw const PRESET_DISCOVERY).cast()
    } else {
        ptr::null()
    }
}

/// The `clap_entry` of a library with this plugin type.
pub(crate) const fn entry<P: ShellPlugin>() -> clap_plugin_entry {
    clap_plugin_entry {
        clap_version: CLAP_VERSION,
        init: Some(init::<P>),
        deinit: Some(deinit),
        get_factory: Some(get_factory::<P>),
    }
}

/// Exports the CLAP entry of a plugin type.
macro_rules! export_plugin {
    ($plugin:ty) => {
        /// The symbol that a CLAP host looks up in the library.
        // SAFETY: no other symbol has this name, and the functions follow the CLAP contract.
        #[unsafe(no_mangle)]
        #[used]
        #[allow(non_upper_case_globals, unsafe_code)]
        pub static clap_entry: clap_sys::entry::clap_plugin_entry = $crate::shell::entry::<$plugin>();
    };
}
pub(crate) use export_plugin;
