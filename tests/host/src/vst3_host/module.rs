//! A VST3 bundle's library: found, loaded, entered, and left in the end.

use crate::HostError;
use libloading::Library;
use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::ptr;
use vst3::Steinberg::Vst::IComponent;
use vst3::Steinberg::{IPluginFactory, IPluginFactoryTrait, PClassInfo, kResultOk};
use vst3::{ComPtr, Interface};

/// A loaded library; dropping it leaves and unloads it.
pub struct Module {
    factory: Option<ComPtr<IPluginFactory>>,
    library: Option<Library>,
}

/// The names of a library's entry and exit on this system.
#[cfg(target_os = "windows")]
const ENTRIES: (&[u8], &[u8]) = (b"InitDll\0", b"ExitDll\0");
#[cfg(not(target_os = "windows"))]
const ENTRIES: (&[u8], &[u8]) = (b"ModuleEntry\0", b"ModuleExit\0");

/// Where the library lies within a bundle.
fn library_path(bundle: &Path) -> Option<PathBuf> {
    let name = bundle.file_stem()?.to_str()?;
    let architecture = std::env::consts::ARCH;
    let inside = match std::env::consts::OS {
        "linux" => format!("Contents/{architecture}-linux/{name}.so"),
        "windows" => format!("Contents/{architecture}-win/{name}.vst3"),
        // macOS enters a bundle with a reference to it, which this host cannot make.
        _ => return None,
    };
    Some(bundle.join(inside))
}

impl Module {
    /// Loads and enters the library of a bundle.
    ///
    /// # Errors
    /// [`HostError`] where there is none for this system, or it refuses.
    pub fn load(bundle: &Path) -> Result<Self, HostError> {
        let failed = |what: String| HostError { bundle: bundle.to_owned(), what };
        let path =
            library_path(bundle).ok_or_else(|| failed("this host loads VST3 on Linux and Windows only".into()))?;
        if !path.is_file() {
            return Err(failed(format!("there is no {}", path.display())));
        }
        // SAFETY: the library is the caller's to trust, as with any host; its entry is
        // called once and before anything else, with what VST3 prescribes for it.
        unsafe {
            let (library, handle) = load(&path).map_err(|error| failed(error.to_string()))?;
            if let Ok(enter) = library.get::<unsafe extern "C" fn(*mut c_void) -> bool>(ENTRIES.0)
                && !enter(handle)
            {
                return Err(failed("its entry refused".into()));
            }
            let factory = library
                .get::<unsafe extern "system" fn() -> *mut IPluginFactory>(b"GetPluginFactory\0")
                .map_err(|error| failed(error.to_string()))?;
            let factory = ComPtr::from_raw(factory()).ok_or_else(|| failed("it has no plugin factory".into()))?;
            Ok(Self { factory: Some(factory), library: Some(library) })
        }
    }

    /// An instance of the first audio effect, not initialised yet.
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
            // SAFETY: nothing of the library is in use any more.
            unsafe {
                if let Ok(leave) = library.get::<unsafe extern "C" fn() -> bool>(ENTRIES.1) {
                    leave();
                }
            }
        }
    }
}

fn is_audio_effect(info: &PClassInfo) -> bool {
    let category: Vec<u8> = info.category.iter().map(|c| *c as u8).take_while(|c| *c != 0).collect();
    category == b"Audio Module Class"
}

/// Loads a library; gives it with what its entry wants to be called with, on Linux
/// the system's handle to it.
///
/// # Safety
/// As for any library: its initialisers run.
#[cfg(unix)]
unsafe fn load(path: &Path) -> Result<(Library, *mut c_void), libloading::Error> {
    use libloading::os::unix;
    // SAFETY: the caller's; the handle goes straight back into its owner.
    unsafe {
        let handle = unix::Library::new(path)?.into_raw();
        Ok((unix::Library::from_raw(handle).into(), handle))
    }
}

#[cfg(not(unix))]
unsafe fn load(path: &Path) -> Result<(Library, *mut c_void), libloading::Error> {
    // SAFETY: the caller's.
    Ok((unsafe { Library::new(path)? }, ptr::null_mut()))
}
