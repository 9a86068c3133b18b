//! `clap.params`: the parameters of nice-plug, then those of the shell: Write, the slots, the tags and
//! Inference.

use super::object::{Shell, catch_panic, shell_of};
use clap_sys::events::{clap_input_events, clap_output_events};
use clap_sys::ext::params::{
    CLAP_PARAM_IS_AUTOMATABLE, CLAP_PARAM_IS_HIDDEN, CLAP_PARAM_IS_READONLY, CLAP_PARAM_IS_STEPPED, clap_param_info,
    clap_param_info_flags, clap_plugin_params,
};
use clap_sys::id::clap_id;
use clap_sys::plugin::clap_plugin;
use std::ffi::{CStr, c_char};
use std::mem;
use tagvane_engine::{InferenceMode, Status};
use tagvane_outputs::{PUBLISHED, SLOTS, to_ascii};

/// The id of the first tag's parameter; the ids of the others follow. VST3 reserves the top bit.
pub(super) const FIRST_TAG_ID: clap_id = 0x5441_4700;

/// The id of Inference, a hidden parameter whose text tells how the model is run.
pub(super) const INFERENCE_ID: clap_id = FIRST_TAG_ID - 1;

/// A text that Inference parses as its current value: `vst3` reads the value by it, because clap-wrapper
/// returns a copy that may be outdated.
pub(super) const CURRENT_VALUE: &str = "current value";

/// The id of the first slot's parameter; the ids of the others follow.
pub(super) const FIRST_SLOT_ID: clap_id = 0x534c_4f00;

/// The id of Write.
pub(super) const WRITE_ID: clap_id = 0x5752_4954;

/// The texts of Inference; its values are spread evenly over them.
const INFERENCE_TEXTS: [&str; 6] = [
    "loading",
    "no model",
    "full windows",
    "full windows at an assumed 22050 Hz",
    "sliding",
    "sliding at an assumed 22050 Hz",
];

/// The last index of [`INFERENCE_TEXTS`].
const LAST_INFERENCE_INDEX: f64 = (INFERENCE_TEXTS.len() - 1) as f64;

/// The number of the shell's parameters.
const OWN_COUNT: usize = 1 + SLOTS + PUBLISHED + 1;

/// A parameter of the shell.
#[derive(Clone, Copy)]
pub(super) enum OwnParameter {
    /// Whether the slots are recorded. It is not automatable and not in the saved state, so that a project
    /// does not begin to record by itself.
    Write,
    /// The slot with this index.
    Slot(usize),
    /// The published tag with this index.
    Tag(usize),
    /// How the model is run; tests and tools read it through the host's interface.
    Inference,
}

impl OwnParameter {
    /// The parameter with this id; `None` for a parameter of nice-plug.
    pub(super) fn from_id(id: clap_id) -> Option<Self> {
        let index = |first: clap_id, count: usize| {
            id.checked_sub(first).map(|index| index as usize).filter(|index| *index < count)
        };
        match id {
            WRITE_ID => Some(Self::Write),
            INFERENCE_ID => Some(Self::Inference),
            _ => index(FIRST_SLOT_ID, SLOTS).map(Self::Slot).or_else(|| index(FIRST_TAG_ID, PUBLISHED).map(Self::Tag)),
        }
    }

    /// The text of a value, which is clamped to 0..=1.
    fn format_value(self, value: f64) -> String {
        // Adding zero turns -0 into 0.
        let value = value.clamp(0.0, 1.0) + 0.0;
        match self {
            Self::Write => if value >= 0.5 { "armed" } else { "off" }.into(),
            Self::Slot(_) | Self::Tag(_) => format!("{:.0} %", value * 100.0),
            Self::Inference => INFERENCE_TEXTS[(value * LAST_INFERENCE_INDEX).round() as usize].into(),
        }
    }

    /// The value of a text, 0..=1; `None` if the text has no value.
    fn parse_value(self, text: &str) -> Option<f64> {
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
                let index = INFERENCE_TEXTS.iter().position(|inference| *inference == text)?;
                Some(index as f64 / LAST_INFERENCE_INDEX)
            }
        }
    }

    /// The parameter at this index of the shell's part of the host's list.
    fn from_index(index: usize) -> Option<Self> {
        match index {
            0 => Some(Self::Write),
            _ if index <= SLOTS => Some(Self::Slot(index - 1)),
            _ if index <= SLOTS + PUBLISHED => Some(Self::Tag(index - SLOTS - 1)),
            _ if index < OWN_COUNT => Some(Self::Inference),
            _ => None,
        }
    }
}

impl Shell {
    /// The description of a parameter for the host.
    fn info(&self, own: OwnParameter) -> clap_param_info {
        let (id, flags, module, name) = match own {
            OwnParameter::Write => (WRITE_ID, CLAP_PARAM_IS_STEPPED, "Slots", "Write".into()),
            OwnParameter::Slot(slot) => {
                let name = self.instance.outputs.slot_name(slot);
                (FIRST_SLOT_ID + slot as u32, CLAP_PARAM_IS_AUTOMATABLE, "Slots", name)
            }
            OwnParameter::Tag(index) => self.tag_info(index),
            OwnParameter::Inference => {
                (INFERENCE_ID, CLAP_PARAM_IS_READONLY | CLAP_PARAM_IS_HIDDEN, "", "Inference".into())
            }
        };
        // SAFETY: all zeros are a valid value of this plain C struct.
        let mut info: clap_param_info = unsafe { mem::zeroed() };
        (info.id, info.flags, info.max_value) = (id, flags, 1.0);
        write_text(&mut info.module, module);
        // clap-wrapper garbles letters beyond ASCII when a name changes.
        write_text(&mut info.name, &if self.is_vst3 { to_ascii(&name) } else { name });
        info
    }

    /// The id, flags, module and name of a published tag.
    fn tag_info(&self, index: usize) -> (clap_id, clap_param_info_flags, &'static str, String) {
        let name = self.instance.outputs.published_name(index);
        // clap-wrapper does not report to a VST3 host that a hidden parameter becomes visible.
        let is_hidden = name.is_none() && !self.is_vst3;
        let flags = CLAP_PARAM_IS_READONLY | if is_hidden { CLAP_PARAM_IS_HIDDEN } else { 0 };
        (FIRST_TAG_ID + index as u32, flags, "Tags", name.unwrap_or_else(|| format!("Unused tag {}", index + 1)))
    }

    /// The value of Inference.
    fn inference_value(&self) -> f64 {
        let index = match self.instance.engine.board().status() {
            Status::Loading { .. } => 0,
            Status::Failed(_) => 1,
            Status::Ready { inference: InferenceMode::FullWindows, is_sample_rate_assumed: assumed, .. } => {
                2 + usize::from(assumed)
            }
            Status::Ready { inference: InferenceMode::Sliding, is_sample_rate_assumed: assumed, .. } => {
                4 + usize::from(assumed)
            }
        };
        index as f64 / LAST_INFERENCE_INDEX
    }
}

/// Writes `text` with a zero at its end; a text that is too long is cut between two characters.
pub(super) fn write_text(to: &mut [c_char], text: &str) {
    let Some(max_length) = to.len().checked_sub(1) else { return };
    let end = (0..=text.len().min(max_length)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    for (to, byte) in to.iter_mut().zip(&text.as_bytes()[..end]) {
        *to = *byte as c_char;
    }
    to[end] = 0;
}

/// The table of `clap.params`.
pub(super) static PARAMS: clap_plugin_params = clap_plugin_params {
    count: Some(count),
    get_info: Some(get_info),
    get_value: Some(get_value),
    value_to_text: Some(value_to_text),
    text_to_value: Some(text_to_value),
    flush: Some(flush),
};

unsafe extern "C" fn count(plugin: *const clap_plugin) -> u32 {
    // SAFETY: by the contract.
    catch_panic(0, || unsafe { shell_of(plugin) }.inner_param_count() + OWN_COUNT as u32)
}

unsafe extern "C" fn get_info(plugin: *const clap_plugin, index: u32, info: *mut clap_param_info) -> bool {
    // SAFETY: by the contract; `info` is null or may be written.
    catch_panic(false, || unsafe {
        let shell = shell_of(plugin);
        let Some(own_index) = index.checked_sub(shell.inner_param_count()) else {
            return shell.inner_params().get_info.is_some_and(|get_info| get_info(shell.inner, index, info));
        };
        let Some(own) = OwnParameter::from_index(own_index as usize).filter(|_| !info.is_null()) else { return false };
        info.write(shell.info(own));
        true
    })
}

unsafe extern "C" fn get_value(plugin: *const clap_plugin, id: clap_id, value: *mut f64) -> bool {
    // SAFETY: by the contract; `value` is null or may be written.
    catch_panic(false, || unsafe {
        let shell = shell_of(plugin);
        let Some(own) = OwnParameter::from_id(id) else {
            return shell.inner_params().get_value.is_some_and(|get_value| get_value(shell.inner, id, value));
        };
        if value.is_null() {
            return false;
        }
        value.write(match own {
            OwnParameter::Write => f64::from(u8::from(shell.instance.outputs.is_armed())),
            OwnParameter::Slot(slot) => f64::from(shell.instance.outputs.slot_value(slot)),
            OwnParameter::Tag(index) => f64::from(shell.instance.outputs.published_value(index)),
            OwnParameter::Inference => shell.inference_value(),
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
    // SAFETY: by the contract; `text` is null or has room for `size` bytes.
    catch_panic(false, || unsafe {
        let shell = shell_of(plugin);
        if text.is_null() || size == 0 || !value.is_finite() {
            return false;
        }
        let Some(own) = OwnParameter::from_id(id) else {
            let to_text = shell.inner_params().value_to_text;
            return to_text.is_some_and(|to_text| to_text(shell.inner, id, value, text, size));
        };
        write_text(std::slice::from_raw_parts_mut(text, size as usize), &own.format_value(value));
        true
    })
}

unsafe extern "C" fn text_to_value(
    plugin: *const clap_plugin,
    id: clap_id,
    text: *const c_char,
    value: *mut f64,
) -> bool {
    // SAFETY: by the contract; `text` is null or a C string, `value` is null or may be written.
    catch_panic(false, || unsafe {
        let shell = shell_of(plugin);
        if text.is_null() || value.is_null() {
            return false;
        }
        let Some(own) = OwnParameter::from_id(id) else {
            let mut parsed = f64::NAN;
            let to_value = shell.inner_params().text_to_value;
            let is_parsed = to_value.is_some_and(|to_value| to_value(shell.inner, id, text, &mut parsed));
            // nice-plug parses "nan" as a number.
            if is_parsed && parsed.is_finite() {
                value.write(parsed);
            }
            return is_parsed && parsed.is_finite();
        };
        let text = CStr::from_ptr(text).to_string_lossy();
        let parsed = match own {
            OwnParameter::Inference if text == CURRENT_VALUE => Some(shell.inference_value()),
            _ => own.parse_value(&text),
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
    catch_panic((), || unsafe { shell_of(plugin).flush_parameters(input, output) });
}
