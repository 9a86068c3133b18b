//! The component handler that clap-wrapper calls while the host has set none.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use vst3::Class;
use vst3::Steinberg::Vst::{
    IComponentHandler, IComponentHandler2, IComponentHandler2Trait, IComponentHandlerTrait, ParamID, ParamValue,
};
use vst3::Steinberg::{FIDString, TBool, int32, kNotImplemented, kResultOk, tresult};
use vst3::{ComPtr, ComRef};

/// A component handler that replaces the host's: it refuses edits, because nobody records them, and stores
/// the other changes until the host sets a handler.
#[derive(Default)]
pub(super) struct StandInHandler {
    /// The restart flags of VST3 that were requested.
    restart_flags: AtomicI32,
    is_dirty: AtomicBool,
}

impl StandInHandler {
    /// Passes the stored changes on to the host's handler and forgets them.
    ///
    /// # Safety
    /// The handler is the host's, and this is the main thread.
    pub(super) unsafe fn report_changes(&self, handler: &ComPtr<IComponentHandler>) {
        let restart_flags = self.restart_flags.swap(0, Ordering::Relaxed);
        // SAFETY: the handler is the host's and this is the main thread, by the caller.
        unsafe {
            if restart_flags != 0 {
                handler.restartComponent(restart_flags);
            }
            if self.is_dirty.swap(false, Ordering::Relaxed)
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
        self.restart_flags.fetch_or(flags, Ordering::Relaxed);
        kResultOk
    }
}

#[allow(non_snake_case)]
impl IComponentHandler2Trait for StandInHandler {
    unsafe fn setDirty(&self, state: TBool) -> tresult {
        self.is_dirty.store(state != 0, Ordering::Relaxed);
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

/// A counted reference to a host's handler; `None` for null.
///
/// # Safety
/// `handler` is null or a host's handler.
pub(super) unsafe fn retain(handler: *mut IComponentHandler) -> Option<ComPtr<IComponentHandler>> {
    // SAFETY: the pointer is null or the host's, by the caller.
    unsafe { ComRef::from_raw(handler) }.map(|handler| handler.to_com_ptr())
}
