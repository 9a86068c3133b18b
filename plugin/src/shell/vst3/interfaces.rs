//! The interfaces of a VST3 instance and how a host gets from one to another. A query for any other interface
//! goes to clap-wrapper's object.

use super::wrapper::Vst3Instance;
use std::ffi::c_void;
use std::ptr;
use vst3::Steinberg::Vst::{
    IAudioProcessor, IAudioProcessorVtbl, IComponent, IComponentVtbl, IEditController, IEditControllerVtbl,
};
use vst3::Steinberg::{FUnknown, FUnknownVtbl, TUID, kInvalidArgument, kResultOk, tresult};
use vst3::com_scrape_types::{Construct, Guid, InterfaceList, MakeHeader, Wrapper};
use vst3::{Class, ComWrapper, Interface};

/// The three interfaces, in the order of [`Header`].
pub(super) struct Interfaces;

/// The vtable pointers of an instance; a host's pointer points to one of them.
#[repr(C)]
pub(super) struct Header {
    component: IComponent,
    processor: IAudioProcessor,
    controller: IEditController,
}

const PROCESSOR: isize = std::mem::offset_of!(Header, processor) as isize;
const CONTROLLER: isize = std::mem::offset_of!(Header, controller) as isize;

// SAFETY: `query` returns the offset of the interface in `Header`.
unsafe impl InterfaceList for Interfaces {
    type Header = Header;

    fn query(iid: &Guid) -> Option<isize> {
        if IComponent::inherits(iid) {
            Some(0)
        } else if IAudioProcessor::inherits(iid) {
            Some(PROCESSOR)
        } else {
            IEditController::inherits(iid).then_some(CONTROLLER)
        }
    }
}

/// The vtable of an interface at an offset, as the `vst3` crate makes it.
macro_rules! vtable {
    ($interface:ident, $offset:expr) => {
        // SAFETY: the pointer points to the constant table that the crate made for this class.
        unsafe { *<$interface as Construct<Vst3Instance, ComWrapper<Vst3Instance>, { $offset }>>::OBJ.vtbl }
    };
}

const COMPONENT_VTABLE: IComponentVtbl = {
    let mut table = vtable!(IComponent, 0);
    table.base.base.queryInterface = query_interface::<0>;
    table
};
const PROCESSOR_VTABLE: IAudioProcessorVtbl = {
    let mut table = vtable!(IAudioProcessor, PROCESSOR);
    table.base = FUnknownVtbl { queryInterface: query_interface::<PROCESSOR>, ..table.base };
    table
};
const CONTROLLER_VTABLE: IEditControllerVtbl = {
    let mut table = vtable!(IEditController, CONTROLLER);
    table.base.base.queryInterface = query_interface::<CONTROLLER>;
    table
};

// SAFETY: each pointer points to the table of its interface at its offset.
unsafe impl MakeHeader<Vst3Instance, ComWrapper<Vst3Instance>> for Interfaces {
    const HEADER: Header = Header {
        component: IComponent { vtbl: &COMPONENT_VTABLE },
        processor: IAudioProcessor { vtbl: &PROCESSOR_VTABLE },
        controller: IEditController { vtbl: &CONTROLLER_VTABLE },
    };
}

impl Class for Vst3Instance {
    type Interfaces = Interfaces;
}

/// Returns one of the three interfaces, or an interface of clap-wrapper that needs no protection.
unsafe extern "system" fn query_interface<const OFFSET: isize>(
    this: *mut FUnknown,
    iid: *const TUID,
    object: *mut *mut c_void,
) -> tresult {
    if iid.is_null() || object.is_null() {
        return kInvalidArgument;
    }
    // SAFETY: `this` is the interface at `OFFSET` of a live instance's header; `iid` has sixteen bytes and
    // `object` may be written, by the contract.
    unsafe {
        let header = this.byte_offset(-OFFSET).cast::<Header>();
        let instance = <ComWrapper<Vst3Instance> as Wrapper<Vst3Instance>>::data_from_header(header);
        if let Some(offset) = Interfaces::query(&*iid.cast::<Guid>()) {
            <ComWrapper<Vst3Instance> as Wrapper<Vst3Instance>>::add_ref(instance);
            object.write(header.byte_offset(offset).cast());
            return kResultOk;
        }
        object.write(ptr::null_mut());
        let inner = (*instance).component.as_ptr().cast::<FUnknown>();
        ((*(*inner).vtbl).queryInterface)(inner, iid, object)
    }
}
