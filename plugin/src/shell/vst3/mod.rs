//! The VST3 as the host sees it: clap-wrapper's objects, and in front of them ours, which keep away
//! from clap-wrapper what it cannot take.
//!
//! clap-wrapper 0.3.1 calls the host's component handler without asking whether there is one, and
//! follows null pointers where a host calls it before `initialize`, after `terminate`, or with
//! parameters that do not exist. A scanner, a preset tool or a validator does such things, and the
//! process ends. So the factory hands out an [`Instance`] that passes on only what clap-wrapper can
//! take, and lends it a [`StandInHandler`] for as long as the host has set none.
//!
//! All of it rests on the VST3 contract beside the one of [`shell`](super): pointers that a host
//! passes are null or valid for the call, and objects live until their last reference is given back.

mod handler;
mod instance;

use handler::StandInHandler;
use instance::Instance;
use std::ffi::c_void;
use std::ptr;
use vst3::Steinberg::Vst::IComponent;
use vst3::Steinberg::{
    FIDString, FUnknown, IPluginFactory, IPluginFactory2Trait, IPluginFactory3, IPluginFactory3Trait,
    IPluginFactoryTrait, PClassInfo, PClassInfo2, PClassInfoW, PFactoryInfo, TUID, int32, kInvalidArgument,
    kNoInterface, kResultOk, tresult,
};
use vst3::{Class, ComPtr, ComWrapper, Interface as _};

unsafe extern "C" {
    /// clap-wrapper's own way in, a C++ function.
    #[cfg_attr(target_env = "msvc", link_name = "?GetPluginFactoryEntryPoint@@YAPEAVIPluginFactory@Steinberg@@XZ")]
    #[cfg_attr(not(target_env = "msvc"), link_name = "_Z26GetPluginFactoryEntryPointv")]
    fn clap_wrapper_factory() -> *mut IPluginFactory;
}

/// The crate `clap-wrapper` exports `GetPluginFactory`, which calls this function. Since it is
/// defined here, the linker does not take the one from clap-wrapper's library.
// SAFETY: the only symbol of this name that is linked; it has the type that the crate declares.
#[unsafe(no_mangle)]
unsafe extern "system" fn clap_wrapper_GetPluginFactory() -> *mut c_void {
    // SAFETY: clap-wrapper's function, which gives a reference that is ours, or null.
    let factory = unsafe { ComPtr::from_raw(clap_wrapper_factory()) };
    let factory = factory.and_then(|inner| inner.cast::<IPluginFactory3>());
    let guarded = factory.and_then(|inner| ComWrapper::new(Factory { inner }).to_com_ptr::<IPluginFactory>());
    guarded.map_or(ptr::null_mut(), |factory| factory.into_raw().cast())
}

/// clap-wrapper's factory, whose instances are handed out as [`Instance`]s.
struct Factory {
    inner: ComPtr<IPluginFactory3>,
}

impl Class for Factory {
    type Interfaces = (IPluginFactory3,);
}

#[allow(non_snake_case)]
impl IPluginFactoryTrait for Factory {
    unsafe fn getFactoryInfo(&self, info: *mut PFactoryInfo) -> tresult {
        // SAFETY: by the contract; forwarded as it came, as are the others that only forward.
        unsafe { if info.is_null() { kInvalidArgument } else { self.inner.getFactoryInfo(info) } }
    }

    unsafe fn countClasses(&self) -> int32 {
        // SAFETY: as above.
        unsafe { self.inner.countClasses() }
    }

    unsafe fn getClassInfo(&self, index: int32, info: *mut PClassInfo) -> tresult {
        // SAFETY: as above.
        unsafe { if info.is_null() { kInvalidArgument } else { self.inner.getClassInfo(index, info) } }
    }

    unsafe fn createInstance(&self, cid: FIDString, iid: FIDString, object: *mut *mut c_void) -> tresult {
        if cid.is_null() || iid.is_null() || object.is_null() {
            return kInvalidArgument;
        }
        let mut component = ptr::null_mut();
        // SAFETY: by the contract; a class id and an interface id are sixteen bytes.
        unsafe {
            object.write(ptr::null_mut());
            let result = self.inner.createInstance(cid, IComponent::IID.as_ptr().cast(), &mut component);
            if result != kResultOk {
                return result;
            }
            let component = ComPtr::from_raw(component.cast::<IComponent>());
            let Some(unknown) = component.and_then(Instance::create) else { return kNoInterface };
            let unknown: ComPtr<FUnknown> = unknown;
            let raw = unknown.as_ptr();
            ((*(*raw).vtbl).queryInterface)(raw, iid.cast::<TUID>(), object)
        }
    }
}

#[allow(non_snake_case)]
impl IPluginFactory2Trait for Factory {
    unsafe fn getClassInfo2(&self, index: int32, info: *mut PClassInfo2) -> tresult {
        // SAFETY: as above.
        unsafe { if info.is_null() { kInvalidArgument } else { self.inner.getClassInfo2(index, info) } }
    }
}

#[allow(non_snake_case)]
impl IPluginFactory3Trait for Factory {
    unsafe fn getClassInfoUnicode(&self, index: int32, info: *mut PClassInfoW) -> tresult {
        // SAFETY: as above.
        unsafe { if info.is_null() { kInvalidArgument } else { self.inner.getClassInfoUnicode(index, info) } }
    }

    unsafe fn setHostContext(&self, context: *mut FUnknown) -> tresult {
        // SAFETY: as above.
        unsafe { self.inner.setHostContext(context) }
    }
}
