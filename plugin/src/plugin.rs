//! The plugin as nice-plug knows it: the audio goes through untouched, the engine
//! listens, the outputs follow.

use crate::editor;
use crate::params::Controls;
use crate::parts::Parts;
use crate::shell::Shelled;
use nice_plug::prelude::*;
use nice_plug_egui::EguiEditor;
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use tagvane_engine::{MAX_CHANNELS, Pace, Tap};
use tagvane_outputs::{Bar, Block, Place, Song, Stage};

/// Frames that a bounce listens to at a time: less than the ring holds, however long the
/// host's blocks are.
const BOUNCED: usize = 4_096;

/// One instance.
pub(crate) struct Tagvane {
    parts: Parts,
    /// `None` while the host is not processing, or at a rate that cannot be heard.
    tap: Option<Tap>,
    /// What the tap said of its starts last; goes on while it hears nothing.
    start: (u32, u64),
    playing: bool,
    bypassed: bool,
    /// Listening panicked once: it is left alone until the next activation.
    broken: bool,
}

impl Default for Tagvane {
    fn default() -> Self {
        Self { parts: Parts::new(), tap: None, start: (0, 0), playing: false, bypassed: false, broken: false }
    }
}

impl Tagvane {
    /// The audio thread's whole work: hears a block and lets the outputs follow it.
    fn hear(&mut self, buffer: &mut Buffer<'_>, playing: bool, place: Place) {
        // What a start of the transport plays does not continue what was heard before:
        // a bounce, which hears nothing before it, has to give the same.
        let started = playing && !std::mem::replace(&mut self.playing, playing);
        let bypassed = self.parts.controls.bypass.value();
        let switched = bypassed != std::mem::replace(&mut self.bypassed, bypassed);
        if let Some(tap) = self.tap.as_mut().filter(|_| started || switched) {
            tap.start_afresh();
            self.start = tap.start();
        }
        let offline = self.parts.engine.pace() == Pace::EveryHop;
        let settings = self.parts.controls.settings();
        let frames = buffer.samples();
        let peak = |peak: f32, sample: &f32| peak.max(sample.abs());
        let peak = buffer.as_slice_immutable().iter().fold(0.0, |highest, channel| channel.iter().fold(highest, peak));
        self.parts.hear_level(peak);
        let longest = if offline { BOUNCED } else { frames.max(1) };
        for first in (0..frames).step_by(longest) {
            let last = frames.min(first + longest);
            self.hear_part(buffer, first..last, offline);
            let frames = (last - first) as u32;
            let block = Block { frames, start: self.start, playing, bypassed, offline };
            // Nobody else holds it while the host processes.
            let Ok(mut stage) = self.parts.stage.try_lock() else { continue };
            if first == 0 {
                stage.place(&block, place);
            }
            if offline {
                nice_plug::util::permit_alloc(|| stage.pass(&block, &settings));
            } else {
                stage.pass(&block, &settings);
            }
        }
    }

    /// Listens to a part of a block.
    fn hear_part(&mut self, buffer: &mut Buffer<'_>, part: std::ops::Range<usize>, offline: bool) {
        self.start.1 += part.len() as u64;
        let Some(tap) = self.tap.as_mut().filter(|_| !self.bypassed) else { return };
        let mut channels = [&[][..]; MAX_CHANNELS];
        let whole = buffer.as_slice_immutable();
        for (channel, whole) in channels.iter_mut().zip(whole) {
            *channel = &whole[part.clone()];
        }
        tap.hear(&channels[..whole.len().min(MAX_CHANNELS)]);
        self.start = tap.start();
        if offline {
            nice_plug::util::permit_alloc(|| self.parts.engine.catch_up());
        }
    }

    fn with_stage(&self, work: impl FnOnce(&mut Stage)) {
        work(&mut self.parts.stage.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    }
}

/// Where the song stands, by what the host says of its transport.
fn place(transport: &Transport) -> Place {
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    let bar = || {
        let (numerator, denominator) = (transport.time_sig_numerator?, transport.time_sig_denominator?);
        let length = f64::from(numerator) * 4.0 / f64::from(denominator);
        let start = finite(transport.bar_start_pos_beats())?;
        (length.is_finite() && length > 0.0).then_some(Bar { number: transport.bar_number()?, start, length })
    };
    let song = |seconds| Song { seconds, beats: finite(transport.pos_beats()), bar: bar() };
    Place {
        song: finite(transport.pos_seconds()).filter(|_| transport.playing).map(song),
        tempo: finite(transport.tempo).unwrap_or(0.0),
    }
}

/// What the plugin's own executor can be asked for.
pub(crate) enum Task {
    /// Send the parts back: the shell works with them too.
    Handover(Sender<Parts>),
}

/// The layouts a host may choose from: the same channels in and out.
const LAYOUTS: &[AudioIOLayout] = &[layout(2), layout(1), layout(4), layout(6), layout(8)];

const fn layout(channels: u32) -> AudioIOLayout {
    let channels = Some(new_nonzero_u32(channels));
    AudioIOLayout { main_input_channels: channels, main_output_channels: channels, ..AudioIOLayout::const_default() }
}

impl Plugin for Tagvane {
    const NAME: &'static str = "Tagvane";
    const VENDOR: &'static str = "Tagvane";
    const URL: &'static str = "";
    const EMAIL: &'static str = "";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = LAYOUTS;
    // No MIDI comes in: below `MidiCCs`, or a VST3 would have 2080 hidden parameters.
    const MIDI_OUTPUT: MidiConfig = MidiConfig::MidiCCs;

    type SysExMessage = ();
    type BackgroundTask = Task;
    type Editor = EguiEditor<editor::Editor>;

    fn task_executor(&mut self) -> TaskExecutor<Self> {
        let parts = self.parts.clone();
        Box::new(move |task| match task {
            // A receiver that is gone wants nothing any more.
            Task::Handover(sender) => drop(sender.send(parts.clone())),
        })
    }

    fn params(&self) -> Arc<dyn Params> {
        Arc::<Controls>::clone(&self.parts.controls)
    }

    fn editor(&mut self, _executor: AsyncExecutor<Self>) -> Option<Self::Editor> {
        editor::create(&self.parts)
    }

    fn activate(
        &mut self,
        layout: &AudioIOLayout,
        config: &BufferConfig,
        _context: &mut impl ActivateContext<Self>,
    ) -> bool {
        (self.broken, self.playing, self.start) = (false, false, (0, 0));
        let engine = &self.parts.engine;
        let (rate, pace) = (f64::from(config.sample_rate), engine.pace());
        if pace == Pace::EveryHop {
            // A bounce must not depend on how fast a model loads.
            engine.wait_until_loaded();
        }
        self.tap = match engine.connect(rate, pace) {
            Ok(tap) => Some(tap),
            Err(error) => {
                tracing::warn!("{error}; audio passes and tags stay at zero");
                None
            }
        };
        self.with_stage(|stage| stage.run(rate));
        let channels = layout.main_output_channels.map_or(0, |channels| channels.get());
        self.parts.channels.store(channels, Ordering::Release);
        true
    }

    fn reset(&mut self) {
        if let Some(tap) = &mut self.tap {
            tap.start_afresh();
            self.start = tap.start();
        }
    }

    fn process(
        &mut self,
        buffer: &mut Buffer<'_>,
        _aux: &mut AuxiliaryBuffers<'_>,
        context: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        let (playing, place) = (context.transport().playing, place(context.transport()));
        // A panic must not reach the host: the audio passes, the listening ends.
        if !self.broken && catch_unwind(AssertUnwindSafe(|| self.hear(buffer, playing, place))).is_err() {
            self.broken = true;
        }
        // While tags show, the host must not put the instance to sleep on silence: a
        // window of it has to be heard before they go. Any tail keeps it awake; one
        // frame does not lengthen a bounce.
        let still = self.parts.engine.board().is_clear() && !self.parts.outputs.moves();
        if still { ProcessStatus::Normal } else { ProcessStatus::Tail(1) }
    }

    fn stop_processing(&mut self) {
        if let Ok(mut stage) = self.parts.stage.try_lock() {
            stage.end_recordings();
        }
    }

    fn deactivate(&mut self) {
        self.parts.channels.store(0, Ordering::Release);
        self.tap = None;
        self.parts.engine.disconnect();
        self.with_stage(Stage::stop);
    }
}

impl ClapPlugin for Tagvane {
    const CLAP_ID: &'static str = "org.tagvane.tagvane";
    const CLAP_DESCRIPTION: Option<&'static str> = Some("Hears a track and shows, live, what is on it");
    const CLAP_MANUAL_URL: Option<&'static str> = None;
    const CLAP_SUPPORT_URL: Option<&'static str> = None;
    const CLAP_FEATURES: &'static [ClapFeature] =
        &[ClapFeature::AudioEffect, ClapFeature::Analyzer, ClapFeature::Stereo, ClapFeature::Mono];

    fn remote_controls(&self, context: &mut impl RemoteControlsContext) {
        self.parts.controls.pages(context);
    }
}

impl Shelled for Tagvane {
    const VST3_CLASS_ID: &'static [u8; 16] = b"Tagvane.Listener";
    const VST3_SUBCATEGORIES: &'static CStr = c"Fx|Analyzer";
    const VST3_EMAIL: &'static CStr = c"";

    fn handover(sender: Sender<Parts>) -> Task {
        Task::Handover(sender)
    }
}
