//! A plain X11 window for the plugin's editor to sit in.

use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ConfigureWindowAux, ConnectionExt as _, CreateWindowAux, EventMask, PropMode, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

/// The window; dropping it closes it.
pub struct Window {
    connection: RustConnection,
    id: u32,
    close: u32,
}

impl Window {
    /// Opens a window on the display that the environment names.
    ///
    /// # Errors
    /// A sentence where there is no display or it refuses.
    pub fn open(title: &str) -> Result<Self, String> {
        Self::try_open(title).map_err(|error| format!("no window can be opened: {error}"))
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
        let (protocols, close) = (atom(b"WM_PROTOCOLS")?.reply()?.atom, atom(b"WM_DELETE_WINDOW")?.reply()?.atom);
        connection.change_property32(PropMode::REPLACE, id, protocols, AtomEnum::ATOM, &[close])?;
        connection.map_window(id)?;
        connection.sync()?;
        Ok(Self { connection, id, close })
    }

    /// The window's id, for the plugin.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Makes it as large as the plugin wants to be, in pixels.
    pub fn resize(&self, width: u32, height: u32) {
        let size = ConfigureWindowAux::new().width(width).height(height);
        // A window that is gone needs no size.
        let _ = self.connection.configure_window(self.id, &size).map(|_| self.connection.flush());
    }

    /// Takes the events that wait; whether the window is still wanted.
    pub fn is_open(&self) -> bool {
        loop {
            match self.connection.poll_for_event() {
                Ok(Some(Event::ClientMessage(message))) if message.data.as_data32()[0] == self.close => return false,
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = self.connection.destroy_window(self.id).map(|_| self.connection.flush());
    }
}
