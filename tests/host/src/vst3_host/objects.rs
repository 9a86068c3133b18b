//! The COM objects that a VST3 host provides to its plugin.

use crate::session::{HostEvent, HostRequestCounts, ParameterChange};
use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;
use vst3::Steinberg::IBStream_::IStreamSeekMode_::{kIBSeekCur, kIBSeekEnd, kIBSeekSet};
use vst3::Steinberg::Vst::RestartFlags_::{kParamTitlesChanged, kParamValuesChanged};
use vst3::Steinberg::Vst::{
    IComponentHandler, IComponentHandler2, IComponentHandler2Trait, IComponentHandlerTrait, IHostApplication,
    IHostApplicationTrait, IParamValueQueue, IParamValueQueueTrait, IParameterChanges, IParameterChangesTrait, ParamID,
    ParamValue, String128,
};
use vst3::Steinberg::{
    FIDString, IBStream, IBStreamTrait, TBool, TUID, int32, int64, kInvalidArgument, kNotImplemented, kResultOk,
    tresult,
};
use vst3::{Class, ComPtr, ComWrapper};

/// The host context: the host's name.
pub(super) struct HostApplication;

impl Class for HostApplication {
    type Interfaces = (IHostApplication,);
}

impl IHostApplicationTrait for HostApplication {
    unsafe fn getName(&self, name: *mut String128) -> tresult {
        // SAFETY: the caller's array, by the interface's contract.
        let Some(name) = (unsafe { name.as_mut() }) else { return kInvalidArgument };
        name.fill(0);
        for (to, unit) in name.iter_mut().zip("Tagvane's own host".encode_utf16()) {
            *to = unit;
        }
        kResultOk
    }

    unsafe fn createInstance(&self, _class: *mut TUID, _interface: *mut TUID, _object: *mut *mut c_void) -> tresult {
        kNotImplemented
    }
}

/// Counts the plugin's requests and records its events.
#[derive(Default)]
pub(super) struct ComponentHandler {
    dirty: Cell<u64>,
    edits: Cell<u64>,
    restarts: Cell<u64>,
    rescans: Cell<u64>,
    events: RefCell<Vec<HostEvent>>,
}

impl ComponentHandler {
    /// The requests so far.
    pub(super) fn request_counts(&self) -> HostRequestCounts {
        let [dirty, edits, restarts, rescans] =
            [&self.dirty, &self.edits, &self.restarts, &self.rescans].map(Cell::get);
        HostRequestCounts { dirty, edits, restarts, rescans }
    }

    /// Records an event.
    pub(super) fn push(&self, event: HostEvent) {
        self.events.borrow_mut().push(event);
    }

    /// Takes the recorded events.
    pub(super) fn take_events(&self) -> Vec<HostEvent> {
        self.events.take()
    }

    fn edit(&self, event: HostEvent) -> tresult {
        self.push(event);
        self.edits.set(self.edits.get() + 1);
        kResultOk
    }
}

impl Class for ComponentHandler {
    type Interfaces = (IComponentHandler, IComponentHandler2);
}

impl IComponentHandler2Trait for ComponentHandler {
    unsafe fn setDirty(&self, _state: TBool) -> tresult {
        self.dirty.set(self.dirty.get() + 1);
        kResultOk
    }
    unsafe fn requestOpenEditor(&self, _name: FIDString) -> tresult {
        kNotImplemented
    }
    unsafe fn startGroupEdit(&self) -> tresult {
        kResultOk
    }
    unsafe fn finishGroupEdit(&self) -> tresult {
        kResultOk
    }
}

impl IComponentHandlerTrait for ComponentHandler {
    unsafe fn beginEdit(&self, id: ParamID) -> tresult {
        self.edit(HostEvent::GestureBegin { id })
    }
    unsafe fn performEdit(&self, id: ParamID, value: ParamValue) -> tresult {
        self.edit(HostEvent::Edit { id, value })
    }
    unsafe fn endEdit(&self, id: ParamID) -> tresult {
        self.edit(HostEvent::GestureEnd { id })
    }
    unsafe fn restartComponent(&self, flags: int32) -> tresult {
        // Changed values and titles need a rescan only, no restart.
        let rescan_flags = (kParamValuesChanged | kParamTitlesChanged) as int32;
        let count = if flags & !rescan_flags == 0 { &self.rescans } else { &self.restarts };
        count.set(count.get() + 1);
        kResultOk
    }
}

/// The changes of one parameter within a block.
struct ParameterQueue {
    id: Cell<ParamID>,
    points: RefCell<Vec<(int32, ParamValue)>>,
}

impl Class for ParameterQueue {
    type Interfaces = (IParamValueQueue,);
}

impl IParamValueQueueTrait for ParameterQueue {
    unsafe fn getParameterId(&self) -> ParamID {
        self.id.get()
    }

    unsafe fn getPointCount(&self) -> int32 {
        self.points.borrow().len() as int32
    }

    unsafe fn getPoint(&self, index: int32, offset: *mut int32, value: *mut ParamValue) -> tresult {
        let point = usize::try_from(index).ok().and_then(|index| self.points.borrow().get(index).copied());
        let Some(point) = point else { return kInvalidArgument };
        if offset.is_null() || value.is_null() {
            return kInvalidArgument;
        }
        // SAFETY: the caller's variables, by the interface's contract.
        unsafe {
            offset.write(point.0);
            value.write(point.1);
        }
        kResultOk
    }

    unsafe fn addPoint(&self, offset: int32, value: ParamValue, index: *mut int32) -> tresult {
        let mut points = self.points.borrow_mut();
        if !index.is_null() {
            // SAFETY: the caller's variable, by the interface's contract.
            unsafe { index.write(points.len() as int32) };
        }
        points.push((offset, value));
        kResultOk
    }
}

/// The capacity of a block's changes, allocated beforehand: the plugin fills it on the audio thread,
/// where the host must not allocate either.
const MAX_QUEUES: usize = 256;
const POINTS_PER_QUEUE: usize = 16;

/// The parameter changes of a block, as input or output.
pub(super) struct ParameterChanges {
    queues: Vec<ComWrapper<ParameterQueue>>,
    used: Cell<usize>,
}

impl Default for ParameterChanges {
    fn default() -> Self {
        let queue = || ParameterQueue { id: Cell::new(0), points: RefCell::new(Vec::with_capacity(POINTS_PER_QUEUE)) };
        Self { queues: (0..MAX_QUEUES).map(|_| ComWrapper::new(queue())).collect(), used: Cell::new(0) }
    }
}

impl ParameterChanges {
    /// Adds a change at a frame of the block.
    pub(super) fn push(&self, id: u32, value: f64, frame: u32) {
        if let Some(index) = self.queue_index(id) {
            self.queues[index].points.borrow_mut().push((frame as int32, value));
        }
    }

    /// Takes all changes, queue by queue.
    pub(super) fn take(&self) -> Vec<ParameterChange> {
        let mut changes = Vec::new();
        for queue in &self.queues[..self.used.replace(0)] {
            let points = queue.points.borrow_mut().split_off(0);
            changes.extend(points.iter().map(|(frame, value)| ParameterChange {
                id: queue.id.get(),
                frame: *frame as u32,
                value: *value,
            }));
        }
        changes
    }

    /// The index of a parameter's queue, which is added if it is missing; `None` if all queues are used.
    fn queue_index(&self, id: ParamID) -> Option<usize> {
        let used = self.used.get();
        let existing = self.queues[..used].iter().position(|queue| queue.id.get() == id);
        existing.or_else(|| {
            self.queues.get(used)?.id.set(id);
            self.used.set(used + 1);
            Some(used)
        })
    }

    fn pointer(&self, index: usize) -> *mut IParamValueQueue {
        let queue = self.queues.get(index).and_then(|queue| queue.as_com_ref::<IParamValueQueue>());
        queue.map_or(ptr::null_mut(), |queue| queue.as_ptr())
    }
}

impl Class for ParameterChanges {
    type Interfaces = (IParameterChanges,);
}

impl IParameterChangesTrait for ParameterChanges {
    unsafe fn getParameterCount(&self) -> int32 {
        self.used.get() as int32
    }

    unsafe fn getParameterData(&self, index: int32) -> *mut IParamValueQueue {
        usize::try_from(index).map_or(ptr::null_mut(), |index| self.pointer(index))
    }

    unsafe fn addParameterData(&self, id: *const ParamID, index: *mut int32) -> *mut IParamValueQueue {
        // SAFETY: the caller's variable, by the interface's contract.
        let Some(id) = (unsafe { id.as_ref() }) else { return ptr::null_mut() };
        let Some(queue) = self.queue_index(*id) else { return ptr::null_mut() };
        if !index.is_null() {
            // SAFETY: as above.
            unsafe { index.write(queue as int32) };
        }
        self.pointer(queue)
    }
}

/// A byte stream in memory.
#[derive(Default)]
pub(super) struct Stream {
    bytes: RefCell<Vec<u8>>,
    position: Cell<usize>,
}

/// A stream over these bytes.
///
/// # Panics
/// Never: the object has this interface.
pub fn stream(bytes: &[u8]) -> ComPtr<IBStream> {
    ComWrapper::new(Stream::from_bytes(bytes)).to_com_ptr().expect("a stream is an IBStream")
}

impl Stream {
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self { bytes: RefCell::new(bytes.to_vec()), position: Cell::new(0) }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.bytes.borrow().clone()
    }
}

impl Class for Stream {
    type Interfaces = (IBStream,);
}

impl IBStreamTrait for Stream {
    unsafe fn read(&self, buffer: *mut c_void, count: int32, done: *mut int32) -> tresult {
        let bytes = self.bytes.borrow();
        let start = self.position.get().min(bytes.len());
        let taken = (count.max(0) as usize).min(bytes.len() - start);
        // SAFETY: by the interface's contract the buffer holds `count` bytes.
        unsafe {
            ptr::copy_nonoverlapping(bytes[start..].as_ptr(), buffer.cast(), taken);
            if !done.is_null() {
                done.write(taken as int32);
            }
        }
        self.position.set(start + taken);
        kResultOk
    }

    unsafe fn write(&self, buffer: *mut c_void, count: int32, done: *mut int32) -> tresult {
        let count = count.max(0) as usize;
        let mut bytes = self.bytes.borrow_mut();
        let start = self.position.get();
        let end = start + count;
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        // SAFETY: by the interface's contract the buffer holds `count` bytes.
        unsafe {
            ptr::copy_nonoverlapping(buffer.cast_const().cast(), bytes[start..].as_mut_ptr(), count);
            if !done.is_null() {
                done.write(count as int32);
            }
        }
        self.position.set(end);
        kResultOk
    }

    unsafe fn seek(&self, offset: int64, mode: int32, result: *mut int64) -> tresult {
        let base = match mode {
            mode if mode == kIBSeekSet as i32 => 0,
            mode if mode == kIBSeekCur as i32 => self.position.get() as i64,
            mode if mode == kIBSeekEnd as i32 => self.bytes.borrow().len() as i64,
            _ => return kInvalidArgument,
        };
        let Ok(position) = usize::try_from(base + offset) else { return kInvalidArgument };
        self.position.set(position);
        // SAFETY: as in `tell`.
        if result.is_null() { kResultOk } else { unsafe { self.tell(result) } }
    }

    unsafe fn tell(&self, position: *mut int64) -> tresult {
        if position.is_null() {
            return kInvalidArgument;
        }
        // SAFETY: the caller's variable, by the interface's contract.
        unsafe { position.write(self.position.get() as int64) };
        kResultOk
    }
}
