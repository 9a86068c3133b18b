//! The window of a VST3: its view, and the frame and the run loop that the host lends it.

use crate::Size;
use std::cell::RefCell;
use std::ptr;
use std::time::{Duration, Instant};
use vst3::Steinberg::Linux::{
    FileDescriptor, IEventHandler, IRunLoop, IRunLoopTrait, ITimerHandler, ITimerHandlerTrait, TimerInterval,
};
use vst3::Steinberg::Vst::ViewType::kEditor;
use vst3::Steinberg::Vst::{IEditController, IEditControllerTrait};
use vst3::Steinberg::{
    IPlugFrame, IPlugFrameTrait, IPlugView, IPlugViewContentScaleSupport, IPlugViewContentScaleSupportTrait,
    IPlugViewTrait, ViewRect, kInvalidArgument, kNotImplemented, kPlatformTypeX11EmbedWindowID, kResultOk, tresult,
};
use vst3::{Class, ComPtr, ComRef, ComWrapper};

/// A plugin's timer.
struct Timer {
    handler: ComPtr<ITimerHandler>,
    every: Duration,
    due: Instant,
}

/// What a host lends a view: the say over its size, and timers.
#[derive(Default)]
struct Frame {
    timers: RefCell<Vec<Timer>>,
}

impl Class for Frame {
    type Interfaces = (IPlugFrame, IRunLoop);
}

impl IPlugFrameTrait for Frame {
    unsafe fn resizeView(&self, view: *mut IPlugView, size: *mut ViewRect) -> tresult {
        // SAFETY: the plugin's own view, and a size that lives as long as the call.
        unsafe { ComRef::from_raw(view).map_or(kInvalidArgument, |view| view.onSize(size)) }
    }
}

impl IRunLoopTrait for Frame {
    unsafe fn registerEventHandler(&self, _handler: *mut IEventHandler, _file: FileDescriptor) -> tresult {
        kNotImplemented
    }

    unsafe fn unregisterEventHandler(&self, _handler: *mut IEventHandler) -> tresult {
        kNotImplemented
    }

    unsafe fn registerTimer(&self, handler: *mut ITimerHandler, milliseconds: TimerInterval) -> tresult {
        // SAFETY: the plugin's handler, which is kept alive by a reference of our own.
        let Some(handler) = (unsafe { ComRef::from_raw(handler) }) else { return kInvalidArgument };
        let every = Duration::from_millis(milliseconds);
        self.timers.borrow_mut().push(Timer { handler: handler.to_com_ptr(), every, due: Instant::now() + every });
        kResultOk
    }

    unsafe fn unregisterTimer(&self, handler: *mut ITimerHandler) -> tresult {
        self.timers.borrow_mut().retain(|timer| timer.handler.as_ptr() != handler);
        kResultOk
    }
}

/// An open window.
pub(super) struct View {
    view: ComPtr<IPlugView>,
    frame: ComWrapper<Frame>,
}

impl View {
    /// Opens the window of a controller within an X11 window, which outlives it; gives the size
    /// it wants.
    pub(super) fn open(
        controller: &ComPtr<IEditController>,
        parent: u32,
        scale: f64,
    ) -> Result<(Self, Size), &'static str> {
        let frame = ComWrapper::new(Frame::default());
        let frame_pointer = frame.to_com_ptr::<IPlugFrame>().ok_or("no frame")?;
        // SAFETY: the plugin keeps the VST3 contract; the frame lives as long as the view, which
        // is called from this thread only.
        unsafe {
            let view = ComPtr::from_raw(controller.createView(kEditor)).ok_or("it has no window")?;
            if view.isPlatformTypeSupported(kPlatformTypeX11EmbedWindowID) != kResultOk {
                return Err("it has no window for X11");
            }
            view.setFrame(frame_pointer.as_ptr());
            let opened = Self { view, frame };
            if let Some(scaled) = opened.view.cast::<IPlugViewContentScaleSupport>() {
                scaled.setContentScaleFactor(scale as f32);
            }
            let mut size = rectangle((0, 0));
            if opened.view.getSize(&mut size) != kResultOk {
                return Err("its window has no size");
            }
            let size = extent(size);
            let parent = ptr::without_provenance_mut(parent as usize);
            if opened.view.attached(parent, kPlatformTypeX11EmbedWindowID) != kResultOk {
                return Err("its window cannot be placed");
            }
            Ok((opened, size))
        }
    }

    /// Gives it another size; tells which one it took.
    pub(super) fn resize(&self, size: Size) -> Result<Size, &'static str> {
        let mut size = rectangle(size);
        // SAFETY: as above.
        unsafe {
            if self.view.canResize() != kResultOk || self.view.checkSizeConstraint(&mut size) != kResultOk {
                return Err("its window cannot be resized");
            }
            if self.view.onSize(&mut size) != kResultOk {
                return Err("its window does not take the size");
            }
        }
        Ok(extent(size))
    }

    /// Runs the timers that are due.
    pub(super) fn idle(&self) {
        let now = Instant::now();
        let mut due = Vec::new();
        for timer in self.frame.timers.borrow_mut().iter_mut().filter(|timer| timer.due <= now) {
            timer.due = now + timer.every;
            due.push(timer.handler.clone());
        }
        // A timer may take itself away.
        for handler in due {
            // SAFETY: as above; a reference of our own keeps it alive.
            unsafe { handler.onTimer() };
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: as above, in the order that VST3 prescribes.
        unsafe {
            self.view.removed();
            self.view.setFrame(ptr::null_mut());
        }
    }
}

fn rectangle((width, height): Size) -> ViewRect {
    ViewRect { left: 0, top: 0, right: width as i32, bottom: height as i32 }
}

fn extent(rectangle: ViewRect) -> Size {
    ((rectangle.right - rectangle.left).max(0) as u32, (rectangle.bottom - rectangle.top).max(0) as u32)
}
