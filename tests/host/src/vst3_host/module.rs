//! Loads the library of a VST3 bundle, and calls its entry and exit functions.

use crate::session::{HostError, PluginDescription};
use libloading::Library;
use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::ptr;
use vst3::Steinberg::Vst::IComponent;
use vst3::Steinberg::{
    IPluginFactory, IPluginFactory2, IPluginFactory2Trait, IPluginFactoryTrait, PClassInfo, PClassInfo2, char8,
    kResultOk,
};
use vst3::{ComPtr, Interface};

/// A loaded library; dropping it calls the exit function and unloads the library.
pub struct Module {
    factory: Option<ComPtr<IPluginFactory>>,
    library: Option<Library>,
}

/// The names of the entry and exit functions on this system.
#[cfg(target_os = "windows")]
const ENTRIES: (&[u8], &[u8]) = (b"InitDll\0", b"ExitDll\0");
#[cfg(not(target_os = "windows"))]
const ENTRIES: (&[u8], &[u8]) = (b"ModuleEntry\0", b"ModuleExit\0");

/// The path of the library within a bundle; `None` on other systems than Linux and Windows.
fn library_path(bundle: &Path) -> Option<PathBuf> {
    let name = bundle.file_stem()?.to_str()?;
    let architecture = std::env::consts::ARCH;
    let inside = match std::env::consts::OS {
        "linux" => format!("Contents/{architecture}-linux/{name}.so"),
        "windows" => format!("Contents/{architecture}-win/{name}.vst3"),
        // On macOS the entry function takes a CFBundleRef, which this host cannot create.
        _ => return None,
    };
    Some(bundle.join(inside))
}

impl Module {
    /// Loads the library of a bundle and calls its entry function.
    ///
    /// # Errors
    /// [`HostError`] if there is no library for this system, or it does not load.
    pub fn load(bundle: &Path) -> Result<Self, HostError> {
        let failed = |what: String| HostError::new(bundle, what);
        let path =
            library_path(bundle).ok_or_else(|| failed("this host loads VST3 on Linux and Windows only".into()))?;
        if !path.is_file() {
            return Err(failed(format!("the library {} is missing; bundle the plugin again", path.display())));
        }
        // SAFETY: loading runs the library's code; the caller trusts it, as in any host. Its entry
        // function is called once, before anything else, with the argument that VST3 prescribes.
        unsafe {
            let (library, handle) = load_library(&path).map_err(|error| failed(error.to_string()))?;
            if let Ok(enter) = library.get::<unsafe extern "C" fn(*mut c_void) -> bool>(ENTRIES.0)
                && !enter(handle)
            {
                return Err(failed("the library's entry function failed".into()));
            }
            let factory = library
                .get::<unsafe extern "system" fn() -> *mut IPluginFactory>(b"GetPluginFactory\0")
                .map_err(|error| failed(error.to_string()))?;
            let factory =
                ComPtr::from_raw(factory()).ok_or_else(|| failed("the library has no plugin factory".into()))?;
            Ok(Self { factory: Some(factory), library: Some(library) })
        }
    }

    /// The classes of the library, as its factory describes them.
    pub fn descriptions(&self) -> Vec<PluginDescription> {
        let Some(factory) = self.factory.as_ref().and_then(|factory| factory.cast::<IPluginFactory2>()) else {
            return Vec::new();
        };
        // SAFETY: the factory is alive, and `info` is a plain C struct that it writes.
        unsafe {
            (0..factory.countClasses())
                .filter_map(|index| {
                    let mut info: PClassInfo2 = std::mem::zeroed();
                    (factory.getClassInfo2(index, &mut info) == kResultOk).then(|| PluginDescription {
                        id: info.cid.iter().map(|byte| format!("{:02X}", *byte as u8)).collect(),
                        name: text(&info.name),
                        vendor: text(&info.vendor),
                        version: text(&info.version),
                    })
                })
                .collect()
        }
    }

    /// Creates an instance of the first audio effect, not initialised yet; `None` if there is none.
    pub fn create_component(&self) -> Option<ComPtr<IComponent>> {
        let factory = self.factory.as_ref()?;
        // SAFETY: the factory is alive, and `info` is a plain C struct that it writes.
        unsafe {
            for index in 0..factory.countClasses() {
                let mut info: PClassInfo = std::mem::zeroed();
                if factory.getClassInfo(index, &mut info) != kResultOk || !is_audio_effect(&info) {
                    continue;
                }
                let mut object: *mut c_void = ptr::null_mut();
                let iid = IComponent::IID.as_ptr().cast();
                if factory.createInstance(info.cid.as_ptr(), iid, &mut object) == kResultOk {
                    return ComPtr::from_raw(object.cast());
                }
            }
        }
        None
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        self.factory = None;
        if let Some(library) = self.library.take() {
            // SAFETY: nothing uses the library any more.
            unsafe {
                if let Ok(exit) = library.get::<unsafe extern "C" fn() -> bool>(ENTRIES.1) {
                    exit();
                }
            }
        }
    }
}

fn is_audio_effect(info: &PClassInfo) -> bool {
    text(&info.category) == "Audio Module Class"
}

/// Decodes a null-terminated text.
fn text(bytes: &[char8]) -> String {
    let bytes: Vec<u8> = bytes.iter().map(|byte| *byte as u8).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Loads a library, and returns it with the argument of its entry function: on Linux the
/// system's handle of the library.
///
/// # Safety
/// The library's initialisers run.
#[cfg(unix)]
unsafe fn load_library(path: &Path) -> Result<(Library, *mut c_void), libloading::Error> {
    use libloading::os::unix;
    // SAFETY: the caller's contract; the handle returns to an owner at once.
    unsafe {
        let handle = unix::Library::new(path)?.into_raw();
        Ok((unix::Library::from_raw(handle).into(), handle))
    }
}

#[cfg(not(unix))]
unsafe fn load_library(path: &Path) -> Result<(Library, *mut c_void), libloading::Error> {
    // SAFETY: the caller's contract.
    Ok((unsafe { Library::new(path)? }, ptr::null_mut()))
}
