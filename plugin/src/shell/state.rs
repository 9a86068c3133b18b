//! A project's state on its way to nice-plug and back.

use super::{Shell, guarded, shell};
use crate::params::{LONGEST_STATE, examine_state};
use clap_sys::ext::state::clap_plugin_state;
use clap_sys::plugin::clap_plugin;
use clap_sys::stream::{clap_istream, clap_ostream};
use std::ffi::c_void;

/// nice-plug's, with a look at what is loaded before it is.
pub(super) static STATE: clap_plugin_state = clap_plugin_state { save: Some(save), load: Some(load) };

impl Shell {
    fn inner_state(&self) -> &clap_plugin_state {
        // SAFETY: it was non-null when the shell was made, and lives until `destroy`.
        unsafe { &*self.inner_state }
    }
}

unsafe extern "C" fn save(plugin: *const clap_plugin, stream: *const clap_ostream) -> bool {
    // SAFETY: by the contract; forwarded as it came.
    guarded(false, || unsafe {
        let shell = shell(plugin);
        shell.inner_state().save.is_some_and(|save| save(shell.inner, stream))
    })
}

unsafe extern "C" fn load(plugin: *const clap_plugin, stream: *const clap_istream) -> bool {
    // SAFETY: by the contract; `stream` is the host's, or null.
    guarded(false, || unsafe {
        let shell = shell(plugin);
        let Some(bytes) = stream.as_ref().and_then(|stream| read(stream)) else { return false };
        let notice = examine_state(&bytes);
        let sound = notice.is_ok();
        shell.parts.say_of_project(notice.unwrap_or_else(Some));
        sound && {
            let mut rest = &bytes[..];
            let stream = clap_istream { ctx: (&raw mut rest).cast(), read: Some(hand_over) };
            shell.inner_state().load.is_some_and(|load| load(shell.inner, &raw const stream))
        }
    })
}

/// What is in a stream, as far as a state can reach; `None` where the host fails.
///
/// # Safety
/// `stream` is the host's, valid for the call.
unsafe fn read(stream: &clap_istream) -> Option<Vec<u8>> {
    let read = stream.read?;
    let mut bytes = Vec::new();
    let mut part = [0_u8; 4_096];
    while bytes.len() < LONGEST_STATE {
        // SAFETY: the host's function, with memory of the length that it is told.
        let count = unsafe { read(stream, part.as_mut_ptr().cast(), part.len() as u64) };
        match usize::try_from(count) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(part.get(..count)?),
            Err(_) => return None,
        }
    }
    Some(bytes)
}

/// Reads from bytes that are left.
unsafe extern "C" fn hand_over(stream: *const clap_istream, to: *mut c_void, size: u64) -> i64 {
    // SAFETY: `ctx` is the slice that `load` made the stream of; `to` has room for `size` bytes.
    unsafe {
        let rest = &mut *(*stream).ctx.cast::<&[u8]>();
        let (now, after) = rest.split_at(rest.len().min(size as usize));
        std::ptr::copy_nonoverlapping(now.as_ptr(), to.cast(), now.len());
        *rest = after;
        now.len() as i64
    }
}
