//! The editor window of a VST3, and the frame and run loop that the host provides for it.

use crate::session::{ParentWindow, Size};
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
    IPlugViewTrait, ViewRect, kInvalidArgument, kNotImplemented, kResultOk, tresult,
};
use vst3::{Class, ComPtr, ComRef, ComWrapper};

#[cfg(target_os = "windows")]
use vst3::Steinberg::kPlatformTypeHWND as PLATFORM;
#[cfg(not(target_os = "windows"))]
use vst3::Steinberg::kPlatformTypeX11EmbedWindowID as PLATFORM;

/// A timer that the plugin registered.
struct Timer {
    handler: ComPtr<ITimerHandler>,
    interval: Duration,
    due: Instant,
}

/// The host's frame of a view: resizes it on request, and runs its timers.
#[derive(Default)]
struct Frame {
    timers: RefCell<Vec<Timer>>,
}

impl Class for Frame {
    type Interfaces = (IPlugFrame, IRunLoop);
}

impl IPlugFrameTrait for Frame {
    unsafe fn resizeView(&self, view: *mut IPlugView, size: *mut ViewRect) -> tresult {
        // SAFETY: the plugin passes its own view, and a size that outlives the call.
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
        // SAFETY: the plugin passes its handler; our own reference keeps it alive.
        let Some(handler) = (unsafe { ComRef::from_raw(handler) }) else { return kInvalidArgument };
        let interval = Duration::from_millis(milliseconds);
        self.timers.borrow_mut().push(Timer {
            handler: handler.to_com_ptr(),
            interval,
            due: Instant::now() + interval,
        });
        kResultOk
    }

    unsafe fn unregisterTimer(&self, handler: *mut ITimerHandler) -> tresult {
        self.timers.borrow_mut().retain(|timer| timer.handler.as_ptr() != handler);
        kResultOk
    }
}

/// An open editor window, closed when dropped.
pub(super) struct EditorView {
    view: ComPtr<IPlugView>,
    frame: ComWrapper<Frame>,
}

impl EditorView {
    /// Opens the window of a controller inside a window, which must outlive it. Returns the size
    /// that the plugin requests.
    pub(super) fn open(
        controller: &ComPtr<IEditController>,
        parent: ParentWindow,
        scale: f64,
    ) -> Result<(Self, Size), &'static str> {
        let frame = ComWrapper::new(Frame::default());
        let frame_pointer = frame.to_com_ptr::<IPlugFrame>().ok_or("the host's frame has no IPlugFrame")?;
        // SAFETY: the plugin keeps the VST3 contract; the frame lives as long as the view, which
        // this thread alone calls.
        unsafe {
            let view = ComPtr::from_raw(controller.createView(kEditor)).ok_or("the plugin has no editor window")?;
            if view.isPlatformTypeSupported(PLATFORM) != kResultOk {
                return Err("the plugin has no editor window for this system");
            }
            view.setFrame(frame_pointer.as_ptr());
            let opened = Self { view, frame };
            if let Some(scaled) = opened.view.cast::<IPlugViewContentScaleSupport>() {
                scaled.setContentScaleFactor(scale as f32);
            }
            let mut size = to_rect((0, 0));
            if opened.view.getSize(&mut size) != kResultOk {
                return Err("the editor window has no size");
            }
            let size = to_size(size);
            let parent = ptr::without_provenance_mut(parent.0);
            if opened.view.attached(parent, PLATFORM) != kResultOk {
                return Err("the editor window cannot be embedded");
            }
            Ok((opened, size))
        }
    }

    /// Resizes the window, and returns the size that the plugin chose.
    pub(super) fn resize(&self, size: Size) -> Result<Size, &'static str> {
        let mut size = to_rect(size);
        // SAFETY: as above.
        unsafe {
            if self.view.canResize() != kResultOk || self.view.checkSizeConstraint(&mut size) != kResultOk {
                return Err("the editor window cannot be resized");
            }
            if self.view.onSize(&mut size) != kResultOk {
                return Err("the editor window rejects the size");
            }
        }
        Ok(to_size(size))
    }

    /// Runs the timers that are due.
    pub(super) fn idle(&self) {
        let now = Instant::now();
        let mut due = Vec::new();
        for timer in self.frame.timers.borrow_mut().iter_mut().filter(|timer| timer.due <= now) {
            timer.due = now + timer.interval;
            due.push(timer.handler.clone());
        }
        // The timers are not borrowed now, because a handler may unregister itself.
        for handler in due {
            // SAFETY: as above; our own reference keeps it alive.
            unsafe { handler.onTimer() };
        }
    }
}

impl Drop for EditorView {
    fn drop(&mut self) {
        // SAFETY: as above, in the order that VST3 prescribes.
        unsafe {
            self.view.removed();
            self.view.setFrame(ptr::null_mut());
        }
    }
}

fn to_rect((width, height): Size) -> ViewRect {
    ViewRect { left: 0, top: 0, right: width as i32, bottom: height as i32 }
}

fn to_size(rectangle: ViewRect) -> Size {
    ((rectangle.right - rectangle.left).max(0) as u32, (rectangle.bottom - rectangle.top).max(0) as u32)
}
