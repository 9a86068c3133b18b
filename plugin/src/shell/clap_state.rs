//! `clap.state`: nice-plug's, with a check of a state before it is loaded.

use super::object::{Shell, catch_panic, shell_of};
use crate::params::{MAX_STATE_BYTES, check_state};
use clap_sys::ext::state::clap_plugin_state;
use clap_sys::plugin::clap_plugin;
use clap_sys::stream::{clap_istream, clap_ostream};
use std::ffi::c_void;

/// The table of `clap.state`.
pub(super) static STATE: clap_plugin_state = clap_plugin_state { save: Some(save), load: Some(load) };

impl Shell {
    fn inner_state(&self) -> &clap_plugin_state {
        // SAFETY: the pointer was not null when the shell was made, and is valid until `destroy`.
        unsafe { &*self.inner_state }
    }

    /// Has nice-plug load a state, or a part of one; on the main thread only. Returns whether it took it.
    pub(super) fn load_state(&self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        let stream = clap_istream { ctx: (&raw mut rest).cast(), read: Some(read_bytes) };
        // SAFETY: the stream and the bytes behind it outlive the call.
        self.inner_state().load.is_some_and(|load| unsafe { load(self.inner, &raw const stream) })
    }
}

unsafe extern "C" fn save(plugin: *const clap_plugin, stream: *const clap_ostream) -> bool {
    // SAFETY: by the contract; the arguments are passed on unchanged.
    catch_panic(false, || unsafe {
        let shell = shell_of(plugin);
        shell.inner_state().save.is_some_and(|save| save(shell.inner, stream))
    })
}

unsafe extern "C" fn load(plugin: *const clap_plugin, stream: *const clap_istream) -> bool {
    // SAFETY: by the contract; `stream` is null or the host's, valid for the length of this call.
    catch_panic(false, || unsafe {
        let shell = shell_of(plugin);
        let Some(bytes) = stream.as_ref().and_then(|stream| read_state(stream)) else { return false };
        let notice = check_state(&bytes);
        let is_loadable = notice.is_ok();
        shell.instance.set_project_notice(notice.unwrap_or_else(Some));
        is_loadable && shell.load_state(&bytes)
    })
}

/// The bytes of a stream, slightly more than [`MAX_STATE_BYTES`] at most; `None` if the host reports an
/// error.
///
/// # Safety
/// `stream` is the host's.
unsafe fn read_state(stream: &clap_istream) -> Option<Vec<u8>> {
    let read = stream.read?;
    let mut bytes = Vec::new();
    let mut buffer = [0_u8; 4_096];
    while bytes.len() < MAX_STATE_BYTES {
        // SAFETY: the function is the host's, and the buffer has the length that it gets.
        let count = unsafe { read(stream, buffer.as_mut_ptr().cast(), buffer.len() as u64) };
        match usize::try_from(count) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(buffer.get(..count)?),
            Err(_) => return None,
        }
    }
    Some(bytes)
}

/// Reads the next bytes of the slice behind a stream that `load_state` made.
unsafe extern "C" fn read_bytes(stream: *const clap_istream, to: *mut c_void, size: u64) -> i64 {
    // SAFETY: `ctx` points to the slice of which `load_state` made the stream; `to` has room for `size` bytes.
    unsafe {
        let rest = &mut *(*stream).ctx.cast::<&[u8]>();
        let (next, after) = rest.split_at(rest.len().min(size as usize));
        std::ptr::copy_nonoverlapping(next.as_ptr(), to.cast(), next.len());
        *rest = after;
        next.len() as i64
    }
}
