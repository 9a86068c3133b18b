//! The VST3 that the host sees: objects that wrap those of clap-wrapper and pass on only the calls that
//! clap-wrapper can take.
//!
//! clap-wrapper 0.3.1 calls the host's component handler without a check for null, and dereferences null
//! pointers if a host calls it before `initialize`, after `terminate`, or with parameters that do not exist.
//! Scanners, preset tools and validators do such things, and the process crashes. So the factory returns a
//! [`Vst3Instance`] that filters the calls, and that sets a [`StandInHandler`](handler::StandInHandler)
//! while the host has set no handler. It also does what clap-wrapper leaves out: other layouts than stereo, blocks whose
//! buses do not fit, blocks without a transport, a controller that has the values of a loaded state on any thread, and a
//! state that has the values of the controller without a block.
//!
//! The unsafe code rests on the VST3 contract in addition to the one of [`shell`](super): pointers that a
//! host passes are null or valid for the length of the call, and objects live until their last reference is
//! released.

mod block;
mod buses;
mod clap;
mod controller_values;
mod handler;
mod interfaces;
mod text;
mod wrapper;

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use vst3::Steinberg::Vst::IComponent;
use vst3::Steinberg::{
    FIDString, FUnknown, IPluginFactory, IPluginFactory2Trait, IPluginFactory3, IPluginFactory3Trait,
    IPluginFactoryTrait, PClassInfo, PClassInfo2, PClassInfoW, PFactoryInfo, TUID, int32, kInvalidArgument,
    kNoInterface, kResultOk, tresult,
};
use vst3::{Class, ComPtr, ComWrapper, Interface as _};
use wrapper::Vst3Instance;

unsafe extern "C" {
    /// clap-wrapper's own factory, a C++ function.
    #[cfg_attr(target_env = "msvc", link_name = "?GetPluginFactoryEntryPoint@@YAPEAVIPluginFactory@Steinberg@@XZ")]
    #[cfg_attr(not(target_env = "msvc"), link_name = "_Z26GetPluginFactoryEntryPointv")]
    fn clap_wrapper_factory() -> *mut IPluginFactory;
}

/// The crate `clap-wrapper` exports `GetPluginFactory`, which calls this function. Because it is defined
/// here, the linker does not take the one of clap-wrapper's library.
// SAFETY: no other symbol of this name is linked, and it has the type that the crate declares.
#[unsafe(no_mangle)]
unsafe extern "system" fn clap_wrapper_GetPluginFactory() -> *mut c_void {
    let _lock = lock_factory();
    // SAFETY: the function belongs to clap-wrapper and returns null or a reference for its caller.
    let inner = unsafe { ComPtr::from_raw(clap_wrapper_factory()) };
    let inner = inner.and_then(|inner| inner.cast::<IPluginFactory3>());
    let factory = inner
        .and_then(|inner| ComWrapper::new(Factory { inner: ManuallyDrop::new(inner) }).to_com_ptr::<IPluginFactory>());
    factory.map_or(ptr::null_mut(), |factory| factory.into_raw().cast())
}

/// Locks the creation and the release of clap-wrapper's factory, a global without a lock of its own: a
/// host that loads plug-ins on two threads once got a factory without classes.
fn lock_factory() -> MutexGuard<'static, ()> {
    static FACTORY: Mutex<()> = Mutex::new(());
    FACTORY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wraps clap-wrapper's factory and returns its instances as [`Vst3Instance`]s.
struct Factory {
    inner: ManuallyDrop<ComPtr<IPluginFactory3>>,
}

impl Drop for Factory {
    fn drop(&mut self) {
        let _lock = lock_factory();
        // SAFETY: nothing uses it after this, the end of its owner.
        unsafe { ManuallyDrop::drop(&mut self.inner) };
    }
}

impl Class for Factory {
    type Interfaces = (IPluginFactory3,);
}

#[allow(non_snake_case)]
impl IPluginFactoryTrait for Factory {
    unsafe fn getFactoryInfo(&self, info: *mut PFactoryInfo) -> tresult {
        // SAFETY: by the contract; the arguments are passed on unchanged.
        unsafe { if info.is_null() { kInvalidArgument } else { self.inner.getFactoryInfo(info) } }
    }

    unsafe fn countClasses(&self) -> int32 {
        // SAFETY: by the contract; the arguments are passed on unchanged.
        unsafe { self.inner.countClasses() }
    }

    unsafe fn getClassInfo(&self, index: int32, info: *mut PClassInfo) -> tresult {
        // SAFETY: by the contract; the arguments are passed on unchanged.
        unsafe { if info.is_null() { kInvalidArgument } else { self.inner.getClassInfo(index, info) } }
    }

    unsafe fn createInstance(&self, cid: FIDString, iid: FIDString, object: *mut *mut c_void) -> tresult {
        if cid.is_null() || iid.is_null() || object.is_null() {
            return kInvalidArgument;
        }
        let mut component = ptr::null_mut();
        // SAFETY: by the contract; a class id and an interface id have sixteen bytes.
        unsafe {
            object.write(ptr::null_mut());
            let result = self.inner.createInstance(cid, IComponent::IID.as_ptr().cast(), &mut component);
            if result != kResultOk {
                return result;
            }
            let component = ComPtr::from_raw(component.cast::<IComponent>());
            let Some(unknown) = component.and_then(Vst3Instance::create) else { return kNoInterface };
            let raw = unknown.as_ptr();
            ((*(*raw).vtbl).queryInterface)(raw, iid.cast::<TUID>(), object)
        }
    }
}

#[allow(non_snake_case)]
impl IPluginFactory2Trait for Factory {
    unsafe fn getClassInfo2(&self, index: int32, info: *mut PClassInfo2) -> tresult {
        // SAFETY: by the contract; the arguments are passed on unchanged.
        unsafe { if info.is_null() { kInvalidArgument } else { self.inner.getClassInfo2(index, info) } }
    }
}

#[allow(non_snake_case)]
impl IPluginFactory3Trait for Factory {
    unsafe fn getClassInfoUnicode(&self, index: int32, info: *mut PClassInfoW) -> tresult {
        // SAFETY: by the contract; the arguments are passed on unchanged.
        unsafe { if info.is_null() { kInvalidArgument } else { self.inner.getClassInfoUnicode(index, info) } }
    }

    unsafe fn setHostContext(&self, context: *mut FUnknown) -> tresult {
        // SAFETY: by the contract; the arguments are passed on unchanged.
        unsafe { self.inner.setHostContext(context) }
    }
}
