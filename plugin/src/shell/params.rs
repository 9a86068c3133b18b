//! `clap.params`: nice-plug's parameters, then the tags, then how the model is run.

use super::{Shell, guarded, shell};
use crate::announce::PUBLISHED;
use clap_sys::events::{clap_input_events, clap_output_events};
use clap_sys::ext::params::{CLAP_PARAM_IS_HIDDEN, CLAP_PARAM_IS_READONLY, clap_param_info, clap_plugin_params};
use clap_sys::id::clap_id;
use clap_sys::plugin::clap_plugin;
use std::ffi::{CStr, c_char};
use std::mem;
use tagvane_engine::{Inference, Status};

/// The id of the first tag's parameter; the others follow. The top bit is clear,
/// since VST3 keeps it for itself.
pub(super) const FIRST_TAG: clap_id = 0x5441_4700;

/// The id of the hidden parameter whose text says how the model is run.
const INFERENCE: clap_id = FIRST_TAG - 1;

/// A parameter that is not nice-plug's.
#[derive(Clone, Copy)]
enum Own {
    /// A tag, by its index.
    Tag(usize),
    /// How the model is run, for those who look into what a host sees.
    Inference,
}

impl Own {
    /// The parameter with this id, if it is one of these.
    fn with_id(id: clap_id) -> Option<Self> {
        if id == INFERENCE {
            return Some(Self::Inference);
        }
        let index = id.checked_sub(FIRST_TAG)? as usize;
        (index < PUBLISHED).then_some(Self::Tag(index))
    }
}

impl Shell {
    /// How the model is run: none yet, by full windows, by sliding steps.
    fn inference(&self) -> (f64, &'static str) {
        match self.board.status() {
            Status::Ready { inference: Inference::Sliding, .. } => (1.0, "sliding"),
            Status::Ready { inference: Inference::FullWindows, .. } => (0.5, "full windows"),
            Status::Loading { .. } | Status::Failed(_) => (0.0, "no model"),
        }
    }

    fn inference_info() -> clap_param_info {
        let mut info = read_only(INFERENCE);
        info.flags |= CLAP_PARAM_IS_HIDDEN;
        write_text(&mut info.name, "Inference");
        info
    }

    /// The info of tag `index`.
    fn tag_info(&self, index: usize) -> clap_param_info {
        let mut info = read_only(FIRST_TAG + index as u32);
        write_text(&mut info.module, "Tags");
        match self.board.name(index) {
            Some(name) => write_text(&mut info.name, &name),
            None => {
                info.flags |= CLAP_PARAM_IS_HIDDEN;
                write_text(&mut info.name, &format!("Unused tag {}", index + 1));
            }
        }
        info
    }
}

/// A read-only parameter from 0 to 1.
fn read_only(id: clap_id) -> clap_param_info {
    // SAFETY: a plain C struct for which all zeros are a value.
    let mut info: clap_param_info = unsafe { mem::zeroed() };
    info.id = id;
    info.max_value = 1.0;
    info.flags = CLAP_PARAM_IS_READONLY;
    info
}

/// Writes `text` zero-terminated, cut at a character's end if it is too long.
fn write_text(to: &mut [c_char], text: &str) {
    let Some(room) = to.len().checked_sub(1) else { return };
    let end = (0..=text.len().min(room)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    for (to, byte) in to.iter_mut().zip(&text.as_bytes()[..end]) {
        *to = *byte as c_char;
    }
    to[end] = 0;
}

/// What the host gets for `clap.params`.
pub(super) static TABLE: clap_plugin_params = clap_plugin_params {
    count: Some(count),
    get_info: Some(get_info),
    get_value: Some(get_value),
    value_to_text: Some(value_to_text),
    text_to_value: Some(text_to_value),
    flush: Some(flush),
};

unsafe extern "C" fn count(plugin: *const clap_plugin) -> u32 {
    // SAFETY: by the contract.
    guarded(0, || unsafe { shell(plugin) }.inner_count() + PUBLISHED as u32 + 1)
}

unsafe extern "C" fn get_info(plugin: *const clap_plugin, index: u32, info: *mut clap_param_info) -> bool {
    // SAFETY: by the contract; `info` is the host's to be written, or null.
    guarded(false, || unsafe {
        let shell = shell(plugin);
        let Some(tag) = index.checked_sub(shell.inner_count()) else {
            return shell.inner().1.get_info.is_some_and(|get_info| get_info(shell.inner, index, info));
        };
        if tag as usize > PUBLISHED || info.is_null() {
            return false;
        }
        info.write(if tag as usize == PUBLISHED { Shell::inference_info() } else { shell.tag_info(tag as usize) });
        true
    })
}

unsafe extern "C" fn get_value(plugin: *const clap_plugin, id: clap_id, value: *mut f64) -> bool {
    // SAFETY: by the contract; `value` is the host's to be written, or null.
    guarded(false, || unsafe {
        let shell = shell(plugin);
        let Some(own) = Own::with_id(id) else {
            return shell.inner().1.get_value.is_some_and(|get_value| get_value(shell.inner, id, value));
        };
        if value.is_null() {
            return false;
        }
        value.write(match own {
            Own::Tag(tag) => f64::from(shell.board.tag(tag)),
            Own::Inference => shell.inference().0,
        });
        true
    })
}

unsafe extern "C" fn value_to_text(
    plugin: *const clap_plugin,
    id: clap_id,
    value: f64,
    text: *mut c_char,
    size: u32,
) -> bool {
    // SAFETY: by the contract; `text` is the host's, `size` bytes long, or null.
    guarded(false, || unsafe {
        let shell = shell(plugin);
        let Some(own) = Own::with_id(id) else {
            return shell.inner().1.value_to_text.is_some_and(|to_text| to_text(shell.inner, id, value, text, size));
        };
        if text.is_null() || size == 0 || !value.is_finite() {
            return false;
        }
        let shown = match own {
            Own::Tag(_) => format!("{:.0} %", value * 100.0),
            Own::Inference => shell.inference().1.into(),
        };
        write_text(std::slice::from_raw_parts_mut(text, size as usize), &shown);
        true
    })
}

unsafe extern "C" fn text_to_value(
    plugin: *const clap_plugin,
    id: clap_id,
    text: *const c_char,
    value: *mut f64,
) -> bool {
    // SAFETY: by the contract; `text` is a C string, `value` the host's, or null.
    guarded(false, || unsafe {
        let shell = shell(plugin);
        if Own::with_id(id).is_none() {
            return shell.inner().1.text_to_value.is_some_and(|to_value| to_value(shell.inner, id, text, value));
        }
        if text.is_null() || value.is_null() {
            return false;
        }
        let text = CStr::from_ptr(text).to_string_lossy();
        match text.trim().trim_end_matches('%').trim_end().parse::<f64>() {
            Ok(percent) if percent.is_finite() => {
                value.write((percent / 100.0).clamp(0.0, 1.0));
                true
            }
            _ => false,
        }
    })
}

unsafe extern "C" fn flush(
    plugin: *const clap_plugin,
    input: *const clap_input_events,
    output: *const clap_output_events,
) {
    // SAFETY: by the contract; both queues are forwarded as they came. A host's write
    // to a tag needs no filter: nice-plug ignores ids that it does not know.
    guarded((), || unsafe {
        let shell = shell(plugin);
        if let Some(flush) = shell.inner().1.flush {
            flush(shell.inner, input, output);
        }
        shell.announce(0, output);
    });
}
