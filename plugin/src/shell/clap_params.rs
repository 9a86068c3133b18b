//! `clap.params`: the parameters of nice-plug, then those of the shell: Write, the slots, the tags and
//! Inference.

use super::object::{Shell, catch_panic, shell_of};
use super::shell_params::{
    CURRENT_VALUE, FIRST_SLOT_ID, FIRST_TAG_ID, INFERENCE_ID, SHELL_PARAM_COUNT, ShellParam, WRITE_ID, inference_value,
};
use clap_sys::events::{clap_input_events, clap_output_events};
use clap_sys::ext::params::{
    CLAP_PARAM_IS_AUTOMATABLE, CLAP_PARAM_IS_HIDDEN, CLAP_PARAM_IS_READONLY, CLAP_PARAM_IS_STEPPED, clap_param_info,
    clap_param_info_flags, clap_plugin_params,
};
use clap_sys::id::clap_id;
use clap_sys::plugin::clap_plugin;
use std::ffi::{CStr, c_char};
use std::mem;
use tagvane_outputs::to_ascii;

impl Shell {
    /// The description of a parameter for the host.
    fn info(&self, param: ShellParam) -> clap_param_info {
        let (id, flags, module, name) = match param {
            ShellParam::Write => (WRITE_ID, CLAP_PARAM_IS_STEPPED, "Slots", "Write".into()),
            ShellParam::Slot(slot) => {
                let name = self.instance.outputs.slot_name(slot);
                (FIRST_SLOT_ID + slot as u32, CLAP_PARAM_IS_AUTOMATABLE, "Slots", name)
            }
            ShellParam::Tag(index) => self.tag_info(index),
            ShellParam::Inference => {
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
}

/// Writes `text` null-terminated; a text that is too long is cut between two characters.
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
    catch_panic(0, || unsafe { shell_of(plugin) }.inner_param_count() + SHELL_PARAM_COUNT as u32)
}

unsafe extern "C" fn get_info(plugin: *const clap_plugin, index: u32, info: *mut clap_param_info) -> bool {
    // SAFETY: by the contract; `info` is null or may be written.
    catch_panic(false, || unsafe {
        let shell = shell_of(plugin);
        let Some(shell_index) = index.checked_sub(shell.inner_param_count()) else {
            return shell.inner_params().get_info.is_some_and(|get_info| get_info(shell.inner, index, info));
        };
        let Some(param) = ShellParam::from_index(shell_index as usize).filter(|_| !info.is_null()) else {
            return false;
        };
        info.write(shell.info(param));
        true
    })
}

unsafe extern "C" fn get_value(plugin: *const clap_plugin, id: clap_id, value: *mut f64) -> bool {
    // SAFETY: by the contract; `value` is null or may be written.
    catch_panic(false, || unsafe {
        let shell = shell_of(plugin);
        let Some(param) = ShellParam::from_id(id) else {
            return shell.inner_params().get_value.is_some_and(|get_value| get_value(shell.inner, id, value));
        };
        if value.is_null() {
            return false;
        }
        value.write(match param {
            ShellParam::Write => f64::from(u8::from(shell.instance.outputs.is_armed())),
            ShellParam::Slot(slot) => f64::from(shell.instance.outputs.slot_value(slot)),
            ShellParam::Tag(index) => f64::from(shell.instance.outputs.published_value(index)),
            ShellParam::Inference => inference_value(&shell.instance.engine.board().status()),
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
        let Some(param) = ShellParam::from_id(id) else {
            let to_text = shell.inner_params().value_to_text;
            return to_text.is_some_and(|to_text| to_text(shell.inner, id, value, text, size));
        };
        write_text(std::slice::from_raw_parts_mut(text, size as usize), &param.format_value(value));
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
        let Some(param) = ShellParam::from_id(id) else {
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
        let parsed = match param {
            ShellParam::Inference if text == CURRENT_VALUE => {
                Some(inference_value(&shell.instance.engine.board().status()))
            }
            _ => param.parse_value(&text),
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
    catch_panic((), || unsafe {
        shell_of(plugin).flush_parameters(input, output);
    });
}
