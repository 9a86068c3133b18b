//! The keyboard on X11, where baseview leaves two things undone.
//!
//! Keys that the window does not use never reach the host: baseview ignores what the editor says of them. And a
//! modifier that was released while another window had the focus stays held, since baseview counts the keys that it
//! sees. So a second connection gets the same events. It passes keys on to the host, and sends the window the releases
//! that it missed.

use egui::{Context, Ui};
use raw_window_handle::{HasWindowHandle, RawWindowHandle};
use x11rb::connection::Connection as _;
use x11rb::errors::ReplyError;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    ChangeWindowAttributesAux, ConnectionExt as _, EventMask, KEY_PRESS_EVENT, KEY_RELEASE_EVENT, KeyPressEvent, Window,
};
use x11rb::rust_connection::RustConnection;

/// The bit of an event's type that says that a program sent it, not the X server.
const SENT: u8 = 0x80;

/// The rows of the keyboard's table of modifiers whose keys count while they are held: Shift and Control.
const HELD_MODIFIERS: [usize; 2] = [0, 2];

/// Passes keys on to the host; a plugin of the egui context, which lives as long as the window.
pub(crate) struct X11Keyboard {
    connection: RustConnection,
    window: Window,
    root: Window,
    /// Whether the window used keys at the end of the last frame.
    was_wanted: bool,
}

impl X11Keyboard {
    /// Connects to the display of `window`; `None` if that fails, or it is no window of X11.
    pub(crate) fn connect(window: &impl HasWindowHandle) -> Option<Self> {
        let window = match window.window_handle().ok()?.as_raw() {
            RawWindowHandle::Xcb(handle) => handle.window.get(),
            RawWindowHandle::Xlib(handle) => u32::try_from(handle.window).ok()?,
            _ => return None,
        };
        let connected = Self::try_connect(window);
        connected.inspect_err(|error| tracing::warn!("The host gets no keys from the window: {error}")).ok()
    }

    fn try_connect(window: Window) -> Result<Self, Box<dyn std::error::Error>> {
        let (connection, screen) = x11rb::connect(None)?;
        let root = connection.setup().roots.get(screen).ok_or("the display has no screen")?.root;
        let mask = EventMask::KEY_PRESS | EventMask::KEY_RELEASE | EventMask::FOCUS_CHANGE;
        connection.change_window_attributes(window, &ChangeWindowAttributesAux::new().event_mask(mask))?.check()?;
        Ok(Self { connection, window, root, was_wanted: false })
    }

    /// Handles the events since the last frame. The window uses keys if `is_wanted`.
    fn handle_events(&mut self, is_wanted: bool) -> Result<(), ReplyError> {
        // A key that moved the focus into a widget or out of it was the window's.
        let is_used = is_wanted || self.was_wanted;
        self.was_wanted = is_wanted;
        while let Some(event) = self.connection.poll_for_event()? {
            match event {
                // A release is a structure of the same type.
                Event::KeyPress(key) | Event::KeyRelease(key) if key.response_type & SENT == 0 && !is_used => {
                    self.pass_on(key)?;
                }
                Event::FocusIn(_) => self.release_modifiers()?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Sends a key to the nearest window around this one that listens to keys, as the X server does with keys that
    /// nobody selected.
    fn pass_on(&self, key: KeyPressEvent) -> Result<(), ReplyError> {
        let (mut child, mut window) = (self.window, self.parent(self.window)?);
        while window != self.root {
            let listens = self.connection.get_window_attributes(window)?.reply()?.all_event_masks;
            if listens.contains(EventMask::KEY_PRESS) {
                return self.send(KeyPressEvent { event: window, child, ..key });
            }
            (child, window) = (window, self.parent(window)?);
        }
        Ok(())
    }

    fn parent(&self, window: Window) -> Result<Window, ReplyError> {
        Ok(self.connection.query_tree(window)?.reply()?.parent)
    }

    /// Tells the window of all modifiers that are not held, and of Shift and Control if they are.
    fn release_modifiers(&self) -> Result<(), ReplyError> {
        let held = self.connection.query_keymap()?.reply()?.keys;
        let rows = self.connection.get_modifier_mapping()?.reply()?;
        let pointer = self.connection.query_pointer(self.root)?.reply()?;
        let keys_per_row = rows.keycodes.len() / 8;
        for (index, keycode) in rows.keycodes.iter().enumerate().filter(|(_, keycode)| **keycode != 0) {
            let key = KeyPressEvent {
                response_type: KEY_RELEASE_EVENT,
                detail: *keycode,
                sequence: 0,
                time: x11rb::CURRENT_TIME,
                root: self.root,
                event: self.window,
                child: x11rb::NONE,
                root_x: pointer.root_x,
                root_y: pointer.root_y,
                event_x: 0,
                event_y: 0,
                state: pointer.mask,
                same_screen: true,
            };
            let is_held = held[usize::from(keycode / 8)] & (1 << (keycode % 8)) != 0;
            if !is_held {
                self.send(key)?;
            } else if HELD_MODIFIERS.contains(&(index / keys_per_row)) {
                self.send(key)?;
                self.send(KeyPressEvent { response_type: KEY_PRESS_EVENT, ..key })?;
            }
        }
        Ok(())
    }

    fn send(&self, key: KeyPressEvent) -> Result<(), ReplyError> {
        let mask = if key.response_type == KEY_PRESS_EVENT { EventMask::KEY_PRESS } else { EventMask::KEY_RELEASE };
        self.connection.send_event(false, key.event, mask, key)?;
        Ok(self.connection.flush()?)
    }
}

impl egui::Plugin for X11Keyboard {
    fn debug_name(&self) -> &'static str {
        "X11 keyboard"
    }

    fn input_hook(&mut self, _: &Context, input: &mut egui::RawInput) {
        let is_of_keyboard =
            |event: &egui::Event| matches!(event, egui::Event::Key { .. } | egui::Event::WindowFocused(_));
        if input.events.iter().any(is_of_keyboard) {
            // What baseview got is then on this connection too. An error comes up again in `handle_events`.
            let _ = self.connection.get_input_focus().map(|cookie| cookie.reply());
        }
    }

    fn on_end_pass(&mut self, ui: &mut Ui) {
        let is_wanted = ui.ctx().egui_wants_keyboard_input() || egui::Popup::is_any_open(ui.ctx());
        // The window or the display may be gone.
        let _ = self.handle_events(is_wanted);
    }
}
