//! The arrangement of the speakers of a VST3: clap-wrapper knows mono and stereo by name only, and one layout of the
//! CLAP, whose channels it takes for the first speakers.

use crate::shell::object::Shell;
use std::sync::atomic::{AtomicU64, Ordering};
use vst3::ComPtr;
use vst3::Steinberg::Vst::{IAudioProcessor, IAudioProcessorTrait, SpeakerArrangement};
use vst3::Steinberg::{kResultFalse, kResultOk, tresult};

/// The arrangement of the input and the output, which are the same.
#[derive(Default)]
pub(super) struct Buses {
    /// The host's arrangement; 0 if it has set none.
    arrangement: AtomicU64,
}

impl Buses {
    /// The arrangement that the host has set.
    pub(super) fn arrangement(&self) -> Option<SpeakerArrangement> {
        Some(self.arrangement.load(Ordering::Acquire)).filter(|arrangement| *arrangement != 0)
    }

    /// Forgets the arrangement: a new instance is stereo.
    pub(super) fn forget(&self) {
        self.arrangement.store(0, Ordering::Release);
    }

    /// Sets the arrangement of both buses, if the plug-in has a layout with as many channels. Otherwise, and if the
    /// input differs from the output, the current one stays.
    ///
    /// # Safety
    /// The processor is initialized and belongs to the shell; this is the main thread.
    pub(super) unsafe fn set(
        &self,
        processor: &ComPtr<IAudioProcessor>,
        shell: &Shell,
        input: SpeakerArrangement,
        output: SpeakerArrangement,
    ) -> tresult {
        let channels = output.count_ones();
        let Some(first_speakers) = u64::MAX.checked_shr(u64::BITS - channels).filter(|_| input == output) else {
            return kResultFalse;
        };
        if !shell.select_layout(channels) {
            return kResultFalse;
        }
        let (mut inputs, mut outputs) = ([first_speakers], [first_speakers]);
        // SAFETY: by the caller; the arrays have one arrangement each.
        let result = unsafe { processor.setBusArrangements(inputs.as_mut_ptr(), 1, outputs.as_mut_ptr(), 1) };
        if result == kResultOk {
            self.arrangement.store(output, Ordering::Release);
        }
        result
    }
}
