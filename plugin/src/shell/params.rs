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
pub(super) const INFERENCE: clap_id = FIRST_TAG - 1;

/// The text that [`INFERENCE`] reads as the value that it has now: clap-wrapper keeps values of its
/// own, and `vst3` asks by this.
pub(super) const CURRENT_VALUE: &str = "current value";

/// The id of the first slot's parameter; the others follow.
pub(super) const FIRST_SLOT: clap_id = 0x534c_4f00;

/// The id of Write.
pub(super) const WRITE: clap_id = 0x5752_4954;

/// What the parameter that says how the model is run can say; its values are spread evenly over
/// these.
const INFERENCES: [&str; 6] = [
    "loading",
    "no model",
    "full windows",
    "full windows at an assumed 22050 Hz",
    "sliding",
    "sliding at an assumed 22050 Hz",
];

/// The highest place in [`INFERENCES`].
const LAST_INFERENCE: f64 = (INFERENCES.len() - 1) as f64;

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

    /// How a value of it is written, a number that is taken to 0..=1.
    fn text_of(self, value: f64) -> String {
        // Adding zero makes a zero of either sign the positive one.
        let value = value.clamp(0.0, 1.0) + 0.0;
        match self {
            Self::Write => if value >= 0.5 { "armed" } else { "off" }.into(),
            Self::Slot(_) | Self::Tag(_) => format!("{:.0} %", value * 100.0),
            Self::Inference => INFERENCES[(value * LAST_INFERENCE).round() as usize].into(),
        }
    }

    /// The value, 0..=1, that is written so; `None` where it means none.
    fn value_of(self, text: &str) -> Option<f64> {
        let text = text.trim();
        match self {
            Self::Write => match text {
                "armed" | "on" | "1" => Some(1.0),
                "off" | "0" => Some(0.0),
                _ => None,
            },
            Self::Slot(_) | Self::Tag(_) => {
                let percent = text.trim_end_matches('%').trim_end().parse::<f64>().ok()?;
                percent.is_finite().then(|| (percent / 100.0).clamp(0.0, 1.0))
            }
            Self::Inference => {
                let place = INFERENCES.iter().position(|inference| *inference == text)?;
                Some(place as f64 / LAST_INFERENCE)
            }
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

    /// How the model is run, as a value of [`INFERENCE`].
    fn inference_value(&self) -> f64 {
        let place = match self.parts.engine.board().status() {
            Status::Loading { .. } => 0,
            Status::Failed(_) => 1,
            Status::Ready { inference: Inference::FullWindows, is_sample_rate_assumed: assumed, .. } => {
                2 + usize::from(assumed)
            }
            Status::Ready { inference: Inference::Sliding, is_sample_rate_assumed: assumed, .. } => {
                4 + usize::from(assumed)
            }
        };
        place as f64 / LAST_INFERENCE
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
            Own::Inference => shell.inference_value(),
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
        write_text(std::slice::from_raw_parts_mut(text, size as usize), &own.text_of(value));
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
        let parsed = match own {
            Own::Inference if text == CURRENT_VALUE => Some(shell.inference_value()),
            _ => own.value_of(&text),
        };
        if let Some(parsed) = parsed {
            value.write(parsed);
        }
        parsed.is_some()
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
