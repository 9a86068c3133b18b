//! A plain window of Windows.

use crate::session::{ParentWindow, Size};
use std::cell::RefCell;
use std::time::Duration;
use winit::application::ApplicationHandler;
use winit::dpi::PhysicalSize;
use winit::event::WindowEvent;
use winit::event_loop::{ActiveEventLoop, EventLoop};
use winit::platform::pump_events::{EventLoopExtPumpEvents as _, PumpStatus};
use winit::platform::windows::EventLoopBuilderExtWindows as _;
use winit::raw_window_handle::{HasWindowHandle as _, RawWindowHandle};

thread_local! {
    /// A process can have one, which goes on from window to window.
    static EVENT_LOOP: RefCell<Option<EventLoop<()>>> = const { RefCell::new(None) };
}

/// A window of Windows, closed when dropped. A process has one at a time, always on the same thread.
pub struct Window {
    state: RefCell<WindowState>,
    id: ParentWindow,
}

/// What the event loop has seen of the window.
struct WindowState {
    title: String,
    window: Option<winit::window::Window>,
    error: Option<String>,
    new_size: Option<Size>,
    is_closed: bool,
}

impl ApplicationHandler for WindowState {
    fn resumed(&mut self, _event_loop: &ActiveEventLoop) {}

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        if self.window.is_none() {
            let attributes = winit::window::Window::default_attributes()
                .with_title(&self.title)
                .with_inner_size(PhysicalSize::new(440, 640));
            match event_loop.create_window(attributes) {
                Ok(window) => self.window = Some(window),
                Err(error) => self.error = Some(error.to_string()),
            }
        }
    }

    fn window_event(&mut self, _loop: &ActiveEventLoop, _id: winit::window::WindowId, event: WindowEvent) {
        match event {
            WindowEvent::Resized(size) => self.new_size = Some((size.width, size.height)),
            WindowEvent::CloseRequested => self.is_closed = true,
            _ => {}
        }
    }
}

impl Window {
    /// Opens a window.
    ///
    /// # Errors
    /// A message if the system refuses the window.
    pub fn open(title: &str) -> Result<Self, String> {
        let failed = |error: String| format!("no window can be opened: {error}");
        let (window, error, new_size, is_closed) = Default::default();
        let mut state = WindowState { title: title.into(), window, error, new_size, is_closed };
        pump(&mut state).map_err(failed)?;
        let handle = state.window.as_ref().and_then(|window| Some(window.window_handle().ok()?.as_raw()));
        let Some(RawWindowHandle::Win32(handle)) = handle else {
            return Err(failed(state.error.unwrap_or_else(|| "it has no handle".into())));
        };
        let id = ParentWindow(handle.hwnd.get().cast_unsigned());
        Ok(Self { state: RefCell::new(state), id })
    }

    /// The window, for the plugin.
    pub fn id(&self) -> ParentWindow {
        self.id
    }

    /// Resizes the window.
    pub fn resize(&self, (width, height): Size) {
        if let Some(window) = &self.state.borrow().window {
            // The event with the new size tells whether it was taken.
            let _ = window.request_inner_size(PhysicalSize::new(width, height));
        }
    }

    /// Takes the pending events, those of the plugin's window, too. Returns the new size if it changed, and `None` if the user
    /// closed the window.
    pub fn poll_events(&self) -> Option<Option<Size>> {
        let state = &mut *self.state.borrow_mut();
        let is_running = pump(state).is_ok_and(|status| matches!(status, PumpStatus::Continue));
        (is_running && !state.is_closed).then(|| state.new_size.take())
    }
}

/// Handles the events that are pending on this thread.
fn pump(state: &mut WindowState) -> Result<PumpStatus, String> {
    EVENT_LOOP.with_borrow_mut(|event_loop| {
        if event_loop.is_none() {
            let built = EventLoop::builder().with_any_thread(true).build();
            *event_loop = Some(built.map_err(|error| error.to_string())?);
        }
        let event_loop = event_loop.as_mut().ok_or("there is no event loop")?;
        Ok(event_loop.pump_app_events(Some(Duration::ZERO), state))
    })
}
