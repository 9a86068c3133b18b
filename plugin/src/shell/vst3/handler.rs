//! What clap-wrapper talks to while the host has set no component handler.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use vst3::Class;
use vst3::Steinberg::Vst::{
    IComponentHandler, IComponentHandler2, IComponentHandler2Trait, IComponentHandlerTrait, ParamID, ParamValue,
};
use vst3::Steinberg::{FIDString, TBool, int32, kNotImplemented, kResultOk, tresult};
use vst3::{ComPtr, ComRef};

/// A component handler in the place of the host's: it refuses edits, since nobody records them, and
/// keeps what a host that comes later has to know.
#[derive(Default)]
pub(super) struct StandInHandler {
    /// VST3's restart flags.
    flags: AtomicI32,
    dirty: AtomicBool,
}

impl StandInHandler {
    /// Tells a host's handler what was kept; nothing is kept any more.
    ///
    /// # Safety
    /// The handler is the host's, and this is the main thread.
    pub(super) unsafe fn deliver(&self, handler: &ComPtr<IComponentHandler>) {
        let flags = self.flags.swap(0, Ordering::Relaxed);
        // SAFETY: by the caller.
        unsafe {
            if flags != 0 {
                handler.restartComponent(flags);
            }
            if self.dirty.swap(false, Ordering::Relaxed)
                && let Some(handler) = handler.cast::<IComponentHandler2>()
            {
                handler.setDirty(1);
            }
        }
    }
}

impl Class for StandInHandler {
    type Interfaces = (IComponentHandler, IComponentHandler2);
}

#[allow(non_snake_case)]
impl IComponentHandlerTrait for StandInHandler {
    unsafe fn beginEdit(&self, _id: ParamID) -> tresult {
        kNotImplemented
    }

    unsafe fn performEdit(&self, _id: ParamID, _value: ParamValue) -> tresult {
        kNotImplemented
    }

    unsafe fn endEdit(&self, _id: ParamID) -> tresult {
        kNotImplemented
    }

    unsafe fn restartComponent(&self, flags: int32) -> tresult {
        self.flags.fetch_or(flags, Ordering::Relaxed);
        kResultOk
    }
}

#[allow(non_snake_case)]
impl IComponentHandler2Trait for StandInHandler {
    unsafe fn setDirty(&self, state: TBool) -> tresult {
        self.dirty.store(state != 0, Ordering::Relaxed);
        kResultOk
    }

    unsafe fn requestOpenEditor(&self, _name: FIDString) -> tresult {
        kNotImplemented
    }

    unsafe fn startGroupEdit(&self) -> tresult {
        kNotImplemented
    }

    unsafe fn finishGroupEdit(&self) -> tresult {
        kNotImplemented
    }
}

/// A host's handler as a reference of our own; `None` for null.
///
/// # Safety
/// `handler` is null or a host's handler.
pub(super) unsafe fn retained(handler: *mut IComponentHandler) -> Option<ComPtr<IComponentHandler>> {
    // SAFETY: by the caller.
    unsafe { ComRef::from_raw(handler) }.map(|handler| handler.to_com_ptr())
}
