//! A plain window as the parent of the plugin's editor: of X11 or of Windows.

#[cfg(target_os = "windows")]
mod win32;
#[cfg(target_os = "linux")]
mod x11;

#[cfg(target_os = "windows")]
pub use win32::Window;
#[cfg(target_os = "linux")]
pub use x11::{Screenshot, Window};
