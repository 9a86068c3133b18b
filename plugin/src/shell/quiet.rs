//! Keeps clap-wrapper off the standard streams of the host: it prints the number of its audio ports, whatever its log
//! level. On Linux `build.rs` has the linker call these functions in place of those that they are named after, in this
//! library alone.

use std::ffi::{c_char, c_int, c_void};

/// In place of `fprintf`; the arguments that follow are not read.
// SAFETY: the name is the linker's own for a wrapped `fprintf`; nothing else defines it.
#[unsafe(no_mangle)]
extern "C" fn __wrap_fprintf(_stream: *mut c_void, _format: *const c_char) -> c_int {
    0
}

/// In place of `__fprintf_chk`, which compilers call with fortified sources.
// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn __wrap___fprintf_chk(_stream: *mut c_void, _flag: c_int, _format: *const c_char) -> c_int {
    0
}
