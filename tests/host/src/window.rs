//! A plain X11 window for the plugin's editor to sit in; what it looks like, and a hand for it.

use crate::Size;
use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConfigureWindowAux, ConnectionExt as _, CreateWindowAux,
    EventMask, ImageFormat, MOTION_NOTIFY_EVENT, PropMode, WindowClass,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

/// The window; dropping it closes it.
pub struct Window {
    connection: RustConnection,
    root: u32,
    id: u32,
    close: u32,
}

/// What a window looks like, row by row from the top.
pub struct Picture {
    /// Width and height.
    pub size: Size,
    /// Red, green and blue.
    pub pixels: Vec<[u8; 3]>,
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
        let root = root.root;
        Ok(Self { connection, root, id, close })
    }

    /// The window's id, for the plugin.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Makes it so large.
    pub fn resize(&self, (width, height): Size) {
        let size = ConfigureWindowAux::new().width(width).height(height);
        // A window that is gone needs no size.
        let _ = self.connection.configure_window(self.id, &size).map(|_| self.connection.flush());
    }

    /// Takes the events that wait: its new size, if it has one, or `None` when it is no longer
    /// wanted.
    pub fn events(&self) -> Option<Option<Size>> {
        let mut size = None;
        loop {
            match self.connection.poll_for_event() {
                Ok(Some(Event::ClientMessage(message))) if message.data.as_data32()[0] == self.close => return None,
                Ok(Some(Event::ConfigureNotify(now))) => size = Some((now.width.into(), now.height.into())),
                Ok(Some(_)) => {}
                Ok(None) => return Some(size),
                Err(_) => return None,
            }
        }
    }

    /// What is on the screen from its upper left corner on.
    ///
    /// # Errors
    /// A sentence where the screen is smaller, or gone.
    pub fn picture(&self, size: Size) -> Result<Picture, String> {
        let grab = || -> Result<Vec<u8>, Box<dyn std::error::Error>> {
            let corner = self.connection.translate_coordinates(self.id, self.root, 0, 0)?.reply()?;
            let (width, height) = (u16::try_from(size.0)?, u16::try_from(size.1)?);
            let (x, y) = (corner.dst_x, corner.dst_y);
            let image = self.connection.get_image(ImageFormat::Z_PIXMAP, self.root, x, y, width, height, u32::MAX);
            Ok(image?.reply()?.data)
        };
        let data = grab().map_err(|error| format!("there is no picture of the screen: {error}"))?;
        // Four bytes a pixel, blue first, as the X servers have it that tests run on.
        let pixels = data.chunks_exact(4).map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect();
        Ok(Picture { size, pixels })
    }

    /// Moves the mouse to a place in it.
    ///
    /// # Errors
    /// A sentence where the display takes no such orders.
    pub fn point(&self, (x, y): (i16, i16)) -> Result<(), String> {
        self.fake(MOTION_NOTIFY_EVENT, 0, (x, y))
    }

    /// Presses the mouse's left button, or lets it go.
    ///
    /// # Errors
    /// A sentence where the display takes no such orders.
    pub fn press(&self, down: bool) -> Result<(), String> {
        self.fake(if down { BUTTON_PRESS_EVENT } else { BUTTON_RELEASE_EVENT }, 1, (0, 0))
    }

    fn fake(&self, kind: u8, detail: u8, (x, y): (i16, i16)) -> Result<(), String> {
        let fake = || -> Result<(), Box<dyn std::error::Error>> {
            let corner = self.connection.translate_coordinates(self.id, self.root, 0, 0)?.reply()?;
            let (x, y) = (corner.dst_x + x, corner.dst_y + y);
            self.connection.xtest_fake_input(kind, detail, 0, self.root, x, y, 0)?.check()?;
            Ok(())
        };
        fake().map_err(|error| format!("the mouse cannot be moved: {error}"))
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = self.connection.destroy_window(self.id).map(|_| self.connection.flush());
    }
}
