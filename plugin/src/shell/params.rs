//! `clap.params`: nice-plug's parameters, then Write, the slots, the tags, and how the
//! model is run.

use super::{Shell, guarded, shell};
use clap_sys::events::{clap_input_events, clap_output_events};
use clap_sys::ext::params::{
    CLAP_PARAM_IS_AUTOMATABLE, CLAP_PARAM_IS_HIDDEN, CLAP_PARAM_IS_READONLY, CLAP_PARAM_IS_STEPPED, clap_param_info,
    clap_param_info_flags, clap_plugin_params,
};
use clap_sys::id::clap_id;
use clap_sys::plugin::clap_plugin;
use std::ffi::{CStr, c_char};
use std::mem;
use tagvane_engine::{Inference, Status};
use tagvane_outputs::{PUBLISHED, SLOTS, ascii};

/// The id of the first tag's parameter; the others follow. The top bit is clear,
/// since VST3 keeps it for itself.
pub(super) const FIRST_TAG: clap_id = 0x5441_4700;

/// The id of the hidden parameter whose text says how the model is run.
const INFERENCE: clap_id = FIRST_TAG - 1;

/// The id of the first slot's parameter; the others follow.
pub(super) const FIRST_SLOT: clap_id = 0x534c_4f00;

/// The id of Write.
pub(super) const WRITE: clap_id = 0x5752_4954;

/// How many parameters are not nice-plug's.
const OWN: usize = 1 + SLOTS + PUBLISHED + 1;

/// A parameter that is not nice-plug's.
#[derive(Clone, Copy)]
pub(super) enum Own {
    /// Whether the slots are recorded. Not automatable, and not in the state: a project
    /// must not begin to write by itself.
    Write,
    /// A slot, by its index.
    Slot(usize),
    /// A tag, by its published place.
    Tag(usize),
    /// How the model is run, for those who look into what a host sees.
    Inference,
}

impl Own {
    /// The parameter with this id, if it is one of these.
    pub(super) fn with_id(id: clap_id) -> Option<Self> {
        let within = |first: clap_id, count: usize| {
            id.checked_sub(first).map(|index| index as usize).filter(|index| *index < count)
        };
        match id {
            WRITE => Some(Self::Write),
            INFERENCE => Some(Self::Inference),
            _ => within(FIRST_SLOT, SLOTS).map(Self::Slot).or_else(|| within(FIRST_TAG, PUBLISHED).map(Self::Tag)),
        }
    }

    /// The parameter at this place among these, in the order of the host's list.
    fn at(place: usize) -> Option<Self> {
        match place {
            0 => Some(Self::Write),
            _ if place <= SLOTS => Some(Self::Slot(place - 1)),
            _ if place <= SLOTS + PUBLISHED => Some(Self::Tag(place - SLOTS - 1)),
            _ if place < OWN => Some(Self::Inference),
            _ => None,
        }
    }
}

impl Shell {
    /// What the host is told of a parameter.
    fn info(&self, own: Own) -> clap_param_info {
        let (id, flags, module, name) = match own {
            Own::Write => (WRITE, CLAP_PARAM_IS_STEPPED, "Slots", "Write".into()),
            Own::Slot(slot) => {
                let name = self.parts.outputs.slot_name(slot);
                (FIRST_SLOT + slot as u32, CLAP_PARAM_IS_AUTOMATABLE, "Slots", name)
            }
            Own::Tag(place) => self.tag_info(place),
            Own::Inference => (INFERENCE, CLAP_PARAM_IS_READONLY | CLAP_PARAM_IS_HIDDEN, "", "Inference".into()),
        };
        // SAFETY: a plain C struct for which all zeros are a value.
        let mut info: clap_param_info = unsafe { mem::zeroed() };
        (info.id, info.flags, info.max_value) = (id, flags, 1.0);
        write_text(&mut info.module, module);
        // clap-wrapper garbles other letters when a name changes.
        write_text(&mut info.name, &if self.vst3 { ascii(&name) } else { name });
        info
    }

    /// The id, flags, module and name of the tag at a published place.
    fn tag_info(&self, place: usize) -> (clap_id, clap_param_info_flags, &'static str, String) {
        let name = self.parts.outputs.published_name(place);
        // clap-wrapper does not tell a VST3 host of a parameter that comes out of hiding.
        let hidden = name.is_none() && !self.vst3;
        let flags = CLAP_PARAM_IS_READONLY | if hidden { CLAP_PARAM_IS_HIDDEN } else { 0 };
        (FIRST_TAG + place as u32, flags, "Tags", name.unwrap_or_else(|| format!("Unused tag {}", place + 1)))
    }

    /// How the model is run: none yet, by full windows, by sliding steps.
    fn inference(&self) -> (f64, &'static str) {
        match self.parts.engine.board().status() {
            Status::Ready { inference: Inference::Sliding, .. } => (1.0, "sliding"),
            Status::Ready { inference: Inference::FullWindows, .. } => (0.5, "full windows"),
            Status::Loading { .. } | Status::Failed(_) => (0.0, "no model"),
        }
    }
}

/// Writes `text` zero-terminated, cut at a character's end if it is too long.
pub(super) fn write_text(to: &mut [c_char], text: &str) {
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
    guarded(0, || unsafe { shell(plugin) }.inner_count() + OWN as u32)
}

unsafe extern "C" fn get_info(plugin: *const clap_plugin, index: u32, info: *mut clap_param_info) -> bool {
    // SAFETY: by the contract; `info` is the host's to be written, or null.
    guarded(false, || unsafe {
        let shell = shell(plugin);
        let Some(place) = index.checked_sub(shell.inner_count()) else {
            return shell.inner().1.get_info.is_some_and(|get_info| get_info(shell.inner, index, info));
        };
        let Some(own) = Own::at(place as usize).filter(|_| !info.is_null()) else { return false };
        info.write(shell.info(own));
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
            Own::Write => f64::from(u8::from(shell.parts.outputs.armed())),
            Own::Slot(slot) => f64::from(shell.parts.outputs.slot(slot)),
            Own::Tag(place) => f64::from(shell.parts.outputs.published(place)),
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
        if text.is_null() || size == 0 || !value.is_finite() {
            return false;
        }
        let Some(own) = Own::with_id(id) else {
            return shell.inner().1.value_to_text.is_some_and(|to_text| to_text(shell.inner, id, value, text, size));
        };
        let shown = match own {
            Own::Write => if value >= 0.5 { "armed" } else { "off" }.into(),
            Own::Slot(_) | Own::Tag(_) => format!("{:.0} %", value * 100.0),
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
        if text.is_null() || value.is_null() {
            return false;
        }
        let Some(own) = Own::with_id(id) else {
            let mut parsed = f64::NAN;
            let to_value = shell.inner().1.text_to_value;
            let given = to_value.is_some_and(|to_value| to_value(shell.inner, id, text, &mut parsed));
            // nice-plug takes "nan" for a number.
            if given && parsed.is_finite() {
                value.write(parsed);
            }
            return given && parsed.is_finite();
        };
        let text = CStr::from_ptr(text).to_string_lossy();
        if let Own::Write = own {
            let armed = match text.trim() {
                "armed" | "on" | "1" => true,
                "off" | "0" => false,
                _ => return false,
            };
            value.write(f64::from(u8::from(armed)));
            return true;
        }
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
    // SAFETY: by the contract.
    guarded((), || unsafe { shell(plugin).exchange(input, output) });
}
