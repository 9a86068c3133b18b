//! A block of a VST3 host. clap-wrapper follows the pointers of its buses unseen, and leaves the output as it is where
//! a bus has another number of channels than the layout.

use crate::shell::block::pass_through;
use crate::shell::object::Shell;
use std::slice;
use vst3::ComPtr;
use vst3::Steinberg::Vst::SymbolicSampleSizes_::kSample32;
use vst3::Steinberg::Vst::{AudioBusBuffers, IAudioProcessor, IAudioProcessorTrait, ProcessData};
use vst3::Steinberg::{kResultFalse, tresult};

/// Processes a block. If its buses do not fit the layout, the audio passes through unseen: channels that the input has,
/// too, and zeros in the others.
///
/// # Safety
/// The processor is initialized and belongs to the shell; `data` is the host's block, by the contract.
pub(super) unsafe fn process(processor: &ComPtr<IAudioProcessor>, shell: &Shell, data: &mut ProcessData) -> tresult {
    if data.symbolicSampleSize != kSample32 as i32 {
        return kResultFalse;
    }
    // SAFETY: the context is null or the host's; the buses and their channels are the host's.
    unsafe {
        shell.announce_block(data.processContext.as_ref());
        let (inputs, outputs) =
            (main_channels(data.inputs, data.numInputs), main_channels(data.outputs, data.numOutputs));
        let channels = shell.active_channels();
        let pass_on = |data: &mut ProcessData| {
            let events = data.outputEvents;
            shell.vst3_block.output_events.while_processing(events, || processor.process(data))
        };
        let fits = |bus: &Option<&[*mut f32]>| {
            bus.is_some_and(|bus| bus.len() == channels && bus.iter().all(|channel| !channel.is_null()))
        };
        if data.numSamples <= 0 || channels == 0 || fits(&inputs) && fits(&outputs) {
            return pass_on(data);
        }
        pass_through(inputs.unwrap_or_default(), outputs.unwrap_or_default(), data.numSamples as usize);
        // The parameters are exchanged all the same.
        let mut flush = *data;
        flush.numSamples = 0;
        pass_on(&mut flush)
    }
}

/// The channels of the first of `count` buses; `None` if there is no bus.
///
/// # Safety
/// The buses are null or the host's.
unsafe fn main_channels<'a>(buses: *mut AudioBusBuffers, count: i32) -> Option<&'a [*mut f32]> {
    // SAFETY: by the caller; a bus has as many pointers as channels.
    unsafe {
        let bus = buses.as_ref().filter(|_| count > 0)?;
        let pointers = bus.__field0.channelBuffers32;
        let channels = usize::try_from(bus.numChannels).ok().filter(|_| !pointers.is_null());
        Some(channels.map_or(&[][..], |channels| slice::from_raw_parts(pointers, channels)))
    }
}
