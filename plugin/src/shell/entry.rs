//! The library's way in: the CLAP entry, its plugin factory, and what clap-wrapper
//! asks for the VST3.

use super::{Shell, Shelled, guarded};
use clap_sys::entry::clap_plugin_entry;
use clap_sys::factory::plugin_factory::{CLAP_PLUGIN_FACTORY_ID, clap_plugin_factory};
use clap_sys::host::clap_host;
use clap_sys::plugin::{clap_plugin, clap_plugin_descriptor};
use clap_sys::version::CLAP_VERSION;
use nice_plug::wrapper::clap::PluginDescriptor;
use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::OnceLock;

/// What clap-wrapper asks a CLAP of its VST3 side for.
#[repr(C)]
pub(crate) struct Vst3Info {
    vendor: *const c_char,
    component_id: *const [u8; 16],
    features: *const c_char,
}

/// The factory that answers with it, "clap.plugin-factory-info-as-vst3/0".
#[repr(C)]
pub(crate) struct Vst3Factory {
    vendor: *const c_char,
    url: *const c_char,
    email: *const c_char,
    get: unsafe extern "C" fn(*const Vst3Factory, u32) -> *const Vst3Info,
}

const VST3_FACTORY_ID: &CStr = c"clap.plugin-factory-info-as-vst3/0";

// SAFETY: their pointers are to constants, or null.
unsafe impl Sync for Vst3Info {}
// SAFETY: likewise.
unsafe impl Sync for Vst3Factory {}

/// The constants of one plugin type; their addresses live as long as the library.
struct Statics<P>(std::marker::PhantomData<P>);

impl<P: Shelled> Statics<P> {
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

fn descriptor<P: Shelled>() -> &'static PluginDescriptor {
    // One plugin type a library, so one cell serves.
    static DESCRIPTOR: OnceLock<PluginDescriptor> = OnceLock::new();
    DESCRIPTOR.get_or_init(PluginDescriptor::for_plugin::<P>)
}

unsafe extern "C" fn vst3_info<P: Shelled>(_: *const Vst3Factory, index: u32) -> *const Vst3Info {
    if index == 0 { const { &Statics::<P>::INFO } } else { ptr::null() }
}

unsafe extern "C" fn plugin_count(_: *const clap_plugin_factory) -> u32 {
    1
}

unsafe extern "C" fn plugin_descriptor<P: Shelled>(
    _: *const clap_plugin_factory,
    index: u32,
) -> *const clap_plugin_descriptor {
    guarded(ptr::null(), || if index == 0 { descriptor::<P>().clap_plugin_descriptor() } else { ptr::null() })
}

unsafe extern "C" fn create_plugin<P: Shelled>(
    _: *const clap_plugin_factory,
    host: *const clap_host,
    id: *const c_char,
) -> *const clap_plugin {
    // SAFETY: by the contract; `id` is a C string or null.
    guarded(ptr::null(), || unsafe {
        if host.is_null() || id.is_null() || CStr::from_ptr(id) != descriptor::<P>().clap_id() {
            return ptr::null();
        }
        Shell::create::<P>(host)
    })
}

unsafe extern "C" fn init<P: Shelled>(_: *const c_char) -> bool {
    guarded((), nice_plug::wrapper::setup_logger::<P>);
    true
}

unsafe extern "C" fn deinit() {}

unsafe extern "C" fn get_factory<P: Shelled>(id: *const c_char) -> *const c_void {
    if id.is_null() {
        return ptr::null();
    }
    // SAFETY: a C string by the contract.
    let id = unsafe { CStr::from_ptr(id) };
    if id == CLAP_PLUGIN_FACTORY_ID {
        ptr::from_ref(const { &Statics::<P>::FACTORY }).cast()
    } else if id == VST3_FACTORY_ID {
        ptr::from_ref(const { &Statics::<P>::VST3 }).cast()
    } else {
        ptr::null()
    }
}

/// The library's `clap_entry` for a plugin type.
pub(crate) const fn entry<P: Shelled>() -> clap_plugin_entry {
    clap_plugin_entry {
        clap_version: CLAP_VERSION,
        init: Some(init::<P>),
        deinit: Some(deinit),
        get_factory: Some(get_factory::<P>),
    }
}

/// Exports the CLAP entry of a plugin type.
macro_rules! export_shelled {
    ($plugin:ty) => {
        /// What a CLAP host looks for in the library.
        // SAFETY: the one symbol of this name; its functions follow the CLAP contract.
        #[unsafe(no_mangle)]
        #[used]
        #[allow(non_upper_case_globals, unsafe_code)]
        pub static clap_entry: clap_sys::entry::clap_plugin_entry = $crate::shell::entry::<$plugin>();
    };
}
pub(crate) use export_shelled;
