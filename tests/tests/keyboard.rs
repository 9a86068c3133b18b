//! The keyboard in the plugin's window on X11, in a host that listens to keys, in both formats.
#![cfg(target_os = "linux")]

use std::thread::sleep;
use std::time::{Duration, Instant};
use tagvane_host::Session;
use tagvane_host::window::Window;
use tagvane_tests::{FORMATS, open, screen};

/// Keycodes of Xvfb's keyboard.
const ESCAPE: u8 = 9;
const R: u8 = 27;
const SHIFT: u8 = 50;
const SPACE: u8 = 65;

/// The middle of the field "Search tags", and a place without a widget.
const SEARCH: (i16, i16) = (150, 60);
const EMPTY: (i16, i16) = (450, 28);

/// The rows of pixels that the field covers.
const SEARCH_ROWS: std::ops::Range<usize> = 50..71;

/// A plugin with its window in a window of the host.
struct OpenEditor {
    session: Box<dyn Session>,
    window: Window,
    width: u32,
}

impl OpenEditor {
    /// Opens the window and waits until the search field is drawn.
    fn new(format: &str) -> Self {
        let mut session = open(format);
        let window = Window::open("test").unwrap();
        let size = session.open_window(window.id(), 1.0).unwrap();
        window.resize(size);
        window.listen_to_keys().unwrap();
        let mut editor = Self { session, window, width: size.0 };
        editor.wait_for("the window", |editor| {
            let field = editor.search_field();
            field.iter().any(|pixel| *pixel != field[0]).then_some(())
        });
        editor
    }

    /// Waits until `check` gives something.
    fn wait_for<T>(&mut self, what: &str, mut check: impl FnMut(&Self) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            self.session.idle();
            sleep(Duration::from_millis(50));
            if let Some(result) = check(self) {
                return result;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "{what}: nothing happens for 30 s");
        }
    }

    fn search_field(&self) -> Vec<[u8; 3]> {
        let height = SEARCH_ROWS.end as u32;
        let screenshot = self.window.screenshot((self.width, height)).unwrap();
        screenshot.pixels[SEARCH_ROWS.start * self.width as usize..].to_vec()
    }

    /// The search field when it no longer changes.
    fn settled_search_field(&mut self) -> Vec<[u8; 3]> {
        let mut last = self.search_field();
        let mut equal = 0;
        self.wait_for("the search field", |editor| {
            let now = editor.search_field();
            equal = if now == last { equal + 1 } else { 0 };
            last = now;
            (equal == 20).then(|| last.clone())
        })
    }

    fn click(&mut self, at: (i16, i16)) {
        self.window.move_mouse(at).unwrap();
        for is_down in [true, false] {
            self.settle();
            self.window.set_button(is_down).unwrap();
        }
        self.settle();
    }

    fn press(&mut self, key: u8) {
        for is_down in [true, false] {
            self.window.set_key(key, is_down).unwrap();
            self.settle();
        }
    }

    /// Gives the window the time of some frames.
    fn settle(&mut self) {
        for _ in 0..6 {
            self.session.idle();
            sleep(Duration::from_millis(30));
        }
    }

    fn wait_for_key(&mut self) -> Vec<u8> {
        self.wait_for("a key in the host", |editor| {
            let keys = editor.window.take_pressed_keys();
            (!keys.is_empty()).then_some(keys)
        })
    }
}

#[test]
fn keys_reach_the_host_unless_a_text_field_has_the_focus() {
    if !screen::enter_subprocess("keys_reach_the_host_unless_a_text_field_has_the_focus", &[], &[]) {
        return;
    }
    for format in FORMATS {
        let mut editor = OpenEditor::new(format);
        editor.click(EMPTY);
        editor.press(SPACE);
        assert_eq!(editor.wait_for_key(), [SPACE], "{format}: without a text field");

        let empty = editor.settled_search_field();
        editor.click(SEARCH);
        editor.press(R);
        // Escape leaves the field, so it is the field's.
        editor.press(ESCAPE);
        assert!(editor.settled_search_field() != empty, "{format}: the field has no letter");
        editor.press(SPACE);
        assert_eq!(editor.wait_for_key(), [SPACE], "{format}: after a text field");
        editor.session.close_window();
    }
}

#[test]
fn shift_released_in_another_window_is_not_held() {
    if !screen::enter_subprocess("shift_released_in_another_window_is_not_held", &[], &[]) {
        return;
    }
    for format in FORMATS {
        let typed = |before: &dyn Fn(&mut OpenEditor)| {
            let mut editor = OpenEditor::new(format);
            editor.click(SEARCH);
            before(&mut editor);
            editor.press(R);
            editor.window.set_key(SHIFT, false).unwrap();
            editor.press(ESCAPE);
            let field = editor.settled_search_field();
            editor.session.close_window();
            field
        };
        let small = typed(&|_| {});
        let capital = typed(&|editor| {
            editor.window.set_key(SHIFT, true).unwrap();
            editor.settle();
        });
        // Not `assert_eq`, which would print the pictures.
        assert!(small != capital, "{format}: the pictures of r and R are equal");

        let leave = |editor: &mut OpenEditor, is_down_before: bool| {
            let other = Window::open("other").unwrap();
            editor.settle();
            editor.window.set_key(SHIFT, is_down_before).unwrap();
            editor.settle();
            other.focus().unwrap();
            editor.settle();
            editor.window.set_key(SHIFT, !is_down_before).unwrap();
            editor.settle();
            drop(other);
            editor.click(SEARCH);
        };
        assert!(
            typed(&|editor| leave(editor, true)) == small,
            "{format}: Shift is held though it was released elsewhere"
        );
        assert!(
            typed(&|editor| leave(editor, false)) == capital,
            "{format}: Shift that was pressed elsewhere is not held"
        );
    }
}
