//! Keeps the library in memory once a Windows host has loaded it, as `build.rs` has the linker do on Linux. Rust's standard
//! library gets an index from Windows for each of its variables of a thread, in a build by mingw, and never returns it: a host
//! that had loaded the library some hundred times had none left, and Rust ended the process.

use std::ptr;
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW,
};

/// Pins the library. A second call does nothing.
pub(super) fn pin_library() {
    let flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN;
    let mut module = ptr::null_mut();
    // SAFETY: with the first flag the name is any address in the library, and the handle outlives the call. If it fails, the
    // library is unloaded as usual.
    unsafe { GetModuleHandleExW(flags, (pin_library as *const ()).cast(), &mut module) };
}
