//! A plain X11 window as the parent of the plugin's editor, with screenshots and input.

use crate::session::{ParentWindow, Size};
use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ChangeWindowAttributesAux, ConfigureWindowAux,
    ConnectionExt as _, CreateWindowAux, EventMask, ImageFormat, InputFocus, KEY_PRESS_EVENT, KEY_RELEASE_EVENT,
    MOTION_NOTIFY_EVENT, PropMode, WindowClass,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

/// An X11 window, closed when dropped.
pub struct Window {
    connection: RustConnection,
    root: u32,
    id: u32,
    /// The atom `WM_DELETE_WINDOW`.
    delete_atom: u32,
}

/// The pixels of a window, row by row from the top.
pub struct Screenshot {
    /// Width and height.
    pub size: Size,
    /// Red, green and blue.
    pub pixels: Vec<[u8; 3]>,
}

impl Window {
    /// Opens a window on the display in the environment variable DISPLAY.
    ///
    /// # Errors
    /// A message if there is no display, or it refuses the window.
    pub fn open(title: &str) -> Result<Self, String> {
        Self::try_open(title)
            .map_err(|error| format!("no window can be opened on the display {}: {error}", display_name()))
    }

    fn try_open(title: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let (connection, screen) = x11rb::connect(None)?;
        let root = &connection.setup().roots[screen];
        let id = connection.generate_id()?;
        let events = CreateWindowAux::new().event_mask(EventMask::STRUCTURE_NOTIFY).background_pixel(root.black_pixel);
        connection.create_window(
            root.root_depth,
            id,
            root.root,
            0,
            0,
            440,
            640,
            0,
            WindowClass::INPUT_OUTPUT,
            0,
            &events,
        )?;
        connection.change_property8(PropMode::REPLACE, id, AtomEnum::WM_NAME, AtomEnum::STRING, title.as_bytes())?;
        let atom = |name: &[u8]| connection.intern_atom(false, name);
        let (protocols, delete_atom) = (atom(b"WM_PROTOCOLS")?.reply()?.atom, atom(b"WM_DELETE_WINDOW")?.reply()?.atom);
        connection.change_property32(PropMode::REPLACE, id, protocols, AtomEnum::ATOM, &[delete_atom])?;
        connection.map_window(id)?;
        connection.sync()?;
        let root = root.root;
        Ok(Self { connection, root, id, delete_atom })
    }

    /// The window, for the plugin.
    pub fn id(&self) -> ParentWindow {
        ParentWindow(self.id as usize)
    }

    /// Resizes the window.
    pub fn resize(&self, (width, height): Size) {
        let size = ConfigureWindowAux::new().width(width).height(height);
        // The error of a closed window is of no interest.
        let _ = self.connection.configure_window(self.id, &size).map(|_| self.connection.flush());
    }

    /// Takes the pending events. Returns the new size if it changed, and `None` if the user closed
    /// the window.
    pub fn poll_events(&self) -> Option<Option<Size>> {
        let mut size = None;
        loop {
            match self.connection.poll_for_event() {
                Ok(Some(Event::ClientMessage(message))) if message.data.as_data32()[0] == self.delete_atom => {
                    return None;
                }
                Ok(Some(Event::ConfigureNotify(now))) => size = Some((now.width.into(), now.height.into())),
                Ok(Some(_)) => {}
                Ok(None) => return Some(size),
                Err(_) => return None,
            }
        }
    }

    /// Takes a screenshot of `size` from the window's upper left corner on.
    ///
    /// # Errors
    /// A message if the area is not on the screen, or the display is gone.
    pub fn screenshot(&self, size: Size) -> Result<Screenshot, String> {
        let grab = || -> Result<Vec<u8>, Box<dyn std::error::Error>> {
            let corner = self.connection.translate_coordinates(self.id, self.root, 0, 0)?.reply()?;
            let (width, height) = (u16::try_from(size.0)?, u16::try_from(size.1)?);
            let (x, y) = (corner.dst_x, corner.dst_y);
            let image = self.connection.get_image(ImageFormat::Z_PIXMAP, self.root, x, y, width, height, u32::MAX);
            Ok(image?.reply()?.data)
        };
        let data = grab().map_err(|error| format!("no screenshot can be taken: {error}"))?;
        // The X servers that the tests run on have four bytes per pixel, in the order BGRX.
        let pixels = data.chunks_exact(4).map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect();
        Ok(Screenshot { size, pixels })
    }

    /// Moves the mouse pointer to a position in the window.
    ///
    /// # Errors
    /// A message if the display has no XTEST extension.
    pub fn move_mouse(&self, (x, y): (i16, i16)) -> Result<(), String> {
        self.send_input(MOTION_NOTIFY_EVENT, 0, (x, y))
    }

    /// Presses or releases the left mouse button.
    ///
    /// # Errors
    /// A message if the display has no XTEST extension.
    pub fn set_button(&self, is_down: bool) -> Result<(), String> {
        self.send_input(if is_down { BUTTON_PRESS_EVENT } else { BUTTON_RELEASE_EVENT }, 1, (0, 0))
    }

    /// Presses or releases a key by its keycode.
    ///
    /// # Errors
    /// A message if the display has no XTEST extension.
    pub fn set_key(&self, keycode: u8, is_down: bool) -> Result<(), String> {
        self.send_input(if is_down { KEY_PRESS_EVENT } else { KEY_RELEASE_EVENT }, keycode, (0, 0))
    }

    /// Gives the keyboard focus to this window.
    ///
    /// # Errors
    /// A message if the window is not shown, or the display is gone.
    pub fn focus(&self) -> Result<(), String> {
        let focus = || -> Result<(), Box<dyn std::error::Error>> {
            let focused = self.connection.set_input_focus(InputFocus::PARENT, self.id, x11rb::CURRENT_TIME)?;
            Ok(focused.check()?)
        };
        focus().map_err(|error| format!("the window cannot have the focus: {error}"))
    }

    /// Listens to keys, as a host's window does for its shortcuts.
    ///
    /// # Errors
    /// A message if the display is gone.
    pub fn listen_to_keys(&self) -> Result<(), String> {
        let events = EventMask::STRUCTURE_NOTIFY | EventMask::KEY_PRESS | EventMask::KEY_RELEASE;
        let listen = || -> Result<(), Box<dyn std::error::Error>> {
            let attributes = ChangeWindowAttributesAux::new().event_mask(events);
            Ok(self.connection.change_window_attributes(self.id, &attributes)?.check()?)
        };
        listen().map_err(|error| format!("the window cannot listen to keys: {error}"))
    }

    /// The keycodes of the keys that were pressed since the last call; other pending events are dropped.
    pub fn take_pressed_keys(&self) -> Vec<u8> {
        let mut keys = Vec::new();
        while let Ok(Some(event)) = self.connection.poll_for_event() {
            if let Event::KeyPress(key) = event {
                keys.push(key.detail);
            }
        }
        keys
    }

    fn send_input(&self, kind: u8, detail: u8, (x, y): (i16, i16)) -> Result<(), String> {
        let send = || -> Result<(), Box<dyn std::error::Error>> {
            let corner = self.connection.translate_coordinates(self.id, self.root, 0, 0)?.reply()?;
            let (x, y) = (corner.dst_x + x, corner.dst_y + y);
            self.connection.xtest_fake_input(kind, detail, 0, self.root, x, y, 0)?.check()?;
            Ok(())
        };
        send().map_err(|error| format!("no input can be sent: {error}"))
    }
}

/// The display in the environment, for error messages.
fn display_name() -> String {
    std::env::var("DISPLAY").unwrap_or_else(|_| "(DISPLAY is not set)".into())
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = self.connection.destroy_window(self.id).map(|_| self.connection.flush());
    }
}
