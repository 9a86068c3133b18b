//! The CLAP inside of a VST3: what clap-wrapper does not ask of it, or not in every case.

use crate::shell::clap_params::PARAMS;
use crate::shell::object::{LAST_VST3, Shell, UNKNOWN_TIME, shell_of};
use clap_sys::events::{
    CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, clap_event_header, clap_event_param_value, clap_input_events,
};
use clap_sys::ext::audio_ports_config::{
    CLAP_EXT_AUDIO_PORTS_CONFIG, clap_audio_ports_config, clap_plugin_audio_ports_config,
};
use clap_sys::ext::params::{CLAP_PARAM_IS_STEPPED, clap_param_info};
use clap_sys::plugin::clap_plugin;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use vst3::Steinberg::Vst::ProcessContext;
use vst3::Steinberg::Vst::ProcessContext_::StatesAndFlags_::kContTimeValid;

/// Set in a transport's state where its clock is valid. An enumeration of C, it is signed on Windows.
#[allow(clippy::unnecessary_cast, reason = "it is one on Windows")]
const CLOCK_IS_VALID: u32 = kContTimeValid as u32;

/// The instance of the CLAP that clap-wrapper holds, from `initialize` until `terminate`.
#[derive(Default)]
pub(super) struct InnerClap(AtomicPtr<clap_plugin>);

/// A value of a parameter as VST3 counts it.
#[derive(Clone, Copy)]
pub(super) struct NormalizedValue {
    pub(super) id: u32,
    pub(super) value: f64,
}

impl InnerClap {
    /// Takes the instance that clap-wrapper has created on this thread, if it has created one.
    pub(super) fn take_created(&self) {
        let created = LAST_VST3.replace(ptr::null());
        if !created.is_null() {
            self.0.store(created.cast_mut(), Ordering::Release);
        }
    }

    /// Forgets the instance, which clap-wrapper is about to destroy.
    pub(super) fn forget(&self) {
        self.0.store(ptr::null_mut(), Ordering::Release);
    }

    /// The instance; `None` before `initialize` and after `terminate`.
    ///
    /// # Safety
    /// The reference is used only in a call of the host, by the contract of VST3 none of which runs at the same time as
    /// `terminate`.
    pub(super) unsafe fn shell(&self) -> Option<&Shell> {
        let plugin = self.0.load(Ordering::Acquire);
        // SAFETY: `Shell::create` made the pointer, and clap-wrapper destroys the instance in `terminate` only.
        (!plugin.is_null()).then(|| unsafe { shell_of(plugin) })
    }
}

impl Shell {
    /// Tells the next block what clap-wrapper does not pass on: that there is no transport, and the host's clock.
    pub(super) fn announce_block(&self, context: Option<&ProcessContext>) {
        let clock = context.filter(|context| context.state & CLOCK_IS_VALID != 0);
        let clock = clock.map_or(UNKNOWN_TIME, |context| context.continousTimeSamples);
        self.vst3_block.has_transport.store(context.is_some(), Ordering::Relaxed);
        self.vst3_block.clock.store(clock, Ordering::Relaxed);
    }

    /// The number of channels of an active instance, otherwise 0.
    pub(super) fn active_channels(&self) -> usize {
        self.instance.channels.load(Ordering::Acquire) as usize
    }

    /// Selects the layout with this number of channels in and out. Returns whether there is one, and the instance is
    /// inactive, so that it may be selected.
    pub(super) fn select_layout(&self, channels: u32) -> bool {
        let Some(get_extension) = self.inner_plugin().get_extension.filter(|_| self.active_channels() == 0) else {
            return false;
        };
        // SAFETY: the table is nice-plug's, of the type that belongs to the id, and the calls come on the main thread.
        // All zeros are a valid value of the plain C struct that it writes to.
        unsafe {
            let table: *const clap_plugin_audio_ports_config =
                get_extension(self.inner, CLAP_EXT_AUDIO_PORTS_CONFIG.as_ptr()).cast();
            let Some(table) = table.as_ref() else { return false };
            let (Some(count), Some(get), Some(select)) = (table.count, table.get, table.select) else { return false };
            (0..count(self.inner)).any(|index| {
                let mut layout: clap_audio_ports_config = mem::zeroed();
                get(self.inner, index, &mut layout)
                    && [layout.main_input_channel_count, layout.main_output_channel_count] == [channels; 2]
                    && select(self.inner, layout.id)
            })
        }
    }

    /// The current values of all parameters.
    pub(super) fn normalized_values(&self) -> Vec<NormalizedValue> {
        self.parameter_infos().filter_map(|info| self.normalize(&info)).collect()
    }

    /// The current value of the parameter with this id; on the main thread.
    pub(super) fn normalized_value(&self, id: u32) -> Option<f64> {
        let info = self.parameter_infos().find(|info| info.id == id)?;
        self.normalize(&info).map(|normalized| normalized.value)
    }

    /// The current value of a parameter; on the main thread.
    fn normalize(&self, info: &clap_param_info) -> Option<NormalizedValue> {
        let mut plain = 0.0;
        // SAFETY: the function is the shell's own, for its own pointer, on the main thread.
        let is_known = unsafe { PARAMS.get_value.is_some_and(|get| get(&raw const self.clap, info.id, &mut plain)) };
        let from_minimum = plain - info.min_value;
        let is_stepped = info.flags & CLAP_PARAM_IS_STEPPED != 0;
        let from_minimum = if is_stepped { from_minimum.round() } else { from_minimum };
        let value = from_minimum / (info.max_value - info.min_value);
        is_known.then_some(NormalizedValue { id: info.id, value })
    }

    /// Sets parameters as a host's flush does; on the main thread. Returns whether it did: during a block they stay as they
    /// are.
    pub(super) fn set_normalized_values(&self, values: &[NormalizedValue]) -> bool {
        let event = |info: clap_param_info| {
            let NormalizedValue { value, .. } = values.iter().find(|value| value.id == info.id)?;
            let from_minimum = value.clamp(0.0, 1.0) * (info.max_value - info.min_value);
            let is_stepped = info.flags & CLAP_PARAM_IS_STEPPED != 0;
            Some(clap_event_param_value {
                header: clap_event_header {
                    size: size_of::<clap_event_param_value>() as u32,
                    time: 0,
                    space_id: CLAP_CORE_EVENT_SPACE_ID,
                    type_: CLAP_EVENT_PARAM_VALUE,
                    flags: 0,
                },
                param_id: info.id,
                cookie: ptr::null_mut(),
                note_id: -1,
                port_index: -1,
                channel: -1,
                key: -1,
                value: info.min_value + if is_stepped { from_minimum.round() } else { from_minimum },
            })
        };
        let events: Vec<clap_event_param_value> = self.parameter_infos().filter_map(event).collect();
        let queue =
            clap_input_events { ctx: (&raw const events).cast_mut().cast(), size: Some(size), get: Some(get_event) };
        // SAFETY: the queue and its events outlive the call.
        unsafe { self.flush_parameters(&raw const queue, ptr::null()) }
    }

    /// The descriptions of all parameters; on the main thread.
    fn parameter_infos(&self) -> impl Iterator<Item = clap_param_info> {
        let plugin = &raw const self.clap;
        // SAFETY: the functions are the shell's own, for its own pointer, on the main thread.
        let count = PARAMS.count.map_or(0, |count| unsafe { count(plugin) });
        (0..count).filter_map(move |index| {
            // SAFETY: as above; all zeros are a valid value of the plain C struct.
            unsafe {
                let mut info: clap_param_info = mem::zeroed();
                PARAMS.get_info.is_some_and(|get| get(plugin, index, &mut info)).then_some(info)
            }
        })
    }
}

/// The number of events in a queue of `Shell::set_normalized_values`.
unsafe extern "C" fn size(queue: *const clap_input_events) -> u32 {
    // SAFETY: `ctx` points to the events, which outlive the queue.
    unsafe { (*(*queue).ctx.cast::<Vec<clap_event_param_value>>()).len() as u32 }
}

/// The event at `index` of such a queue; null after its end.
unsafe extern "C" fn get_event(queue: *const clap_input_events, index: u32) -> *const clap_event_header {
    // SAFETY: as above.
    let events = unsafe { &*(*queue).ctx.cast::<Vec<clap_event_param_value>>() };
    events.get(index as usize).map_or(ptr::null(), |event| &raw const event.header)
}
