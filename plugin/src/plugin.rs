//! The plugin that nice-plug wraps: it passes the audio through unchanged, pushes it into the engine and
//! processes the outputs.

use crate::editor;
use crate::instance::Instance;
use crate::log;
use crate::mine::ButtonSource;
use crate::params::TagvaneParams;
use crate::shell::ShellPlugin;
use nice_plug::prelude::Transport as HostTransport;
use nice_plug::prelude::*;
use nice_plug_egui::EguiEditor;
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use tagvane_engine::{AudioProducer, MAX_CHANNELS, RenderMode, StreamPosition};
use tagvane_outputs::{Bar, Block, OutputProcessor, Transport, TransportPosition};

/// The most frames that are processed at once offline: fewer than the audio queue holds, however long the
/// host's blocks are.
const MAX_OFFLINE_FRAMES: usize = 4_096;

/// The longest gap in the song position, in seconds, that a host's arithmetic may leave between two blocks.
const MAX_SONG_GAP: f64 = 0.01;

/// One instance.
pub(crate) struct Tagvane {
    instance: Instance,
    /// `None` while the instance is inactive, or at a sample rate that the engine does not support.
    producer: Option<AudioProducer>,
    /// Frames per second of the host.
    rate: f64,
    /// The last position of the producer; it advances while the instance is bypassed, too.
    position: StreamPosition,
    is_playing: bool,
    is_bypassed: bool,
    /// Whether processing was started since the last block.
    has_restarted: bool,
    /// The song position at the end of the last block, in seconds, if the transport played.
    song_end: Option<f64>,
    /// Whether processing panicked; nothing is processed then until the next activation.
    has_panicked: bool,
}

impl Default for Tagvane {
    fn default() -> Self {
        Self {
            instance: Instance::new(),
            producer: None,
            rate: 48_000.0,
            position: StreamPosition::default(),
            is_playing: false,
            is_bypassed: false,
            has_restarted: false,
            song_end: None,
            has_panicked: false,
        }
    }
}

impl Tagvane {
    /// All work of the audio thread: pushes a block into the engine and processes the outputs.
    fn process_audio(&mut self, buffer: &mut Buffer<'_>, playing: bool, transport: Transport) {
        // A start of the transport is a discontinuity, so that playback gives the same predictions as a
        // bounce, before which there is no audio.
        let was_playing = std::mem::replace(&mut self.is_playing, playing);
        let has_moved = self.has_moved(buffer.samples(), &transport);
        let has_started = playing && !was_playing || has_moved;
        let bypassed = self.instance.params.bypass.value();
        let has_switched = bypassed != std::mem::replace(&mut self.is_bypassed, bypassed);
        if let Some(producer) = self.producer.as_mut().filter(|_| has_started || has_switched) {
            producer.mark_discontinuity();
            self.position = producer.position();
        }
        let offline = self.instance.engine.render_mode() == RenderMode::Offline;
        let params = self.instance.params.output_params();
        let marking = &self.instance.params.marking;
        let (is_example, is_counterexample) = (marking.is_example.value(), marking.is_counterexample.value());
        self.instance.mark_buttons.press(ButtonSource::Host, is_example, is_counterexample);
        let frames = buffer.samples();
        let peak = |peak: f32, sample: &f32| peak.max(sample.abs());
        let peak = buffer.as_slice_immutable().iter().fold(0.0, |highest, channel| channel.iter().fold(highest, peak));
        self.instance.record_peak(peak);
        let chunk = if offline { MAX_OFFLINE_FRAMES } else { frames.max(1) };
        for start in (0..frames).step_by(chunk) {
            let end = frames.min(start + chunk);
            self.push_audio(buffer, start..end, offline);
            let frames = (end - start) as u32;
            let block =
                Block { frames, end: self.position, is_playing: playing, is_bypassed: bypassed, is_offline: offline };
            // No other thread holds the lock while the host processes.
            let Ok(mut processor) = self.instance.processor.try_lock() else { continue };
            if start == 0 {
                processor.set_transport(&block, transport);
            }
            if offline {
                nice_plug::util::permit_alloc(|| processor.process(&block, &params));
            } else {
                processor.process(&block, &params);
            }
        }
    }

    /// Whether the song goes on elsewhere after the host left audio out, or stopped and started processing. Neither is
    /// a discontinuity alone: some hosts restart around every block, and the song moves in a loop, too.
    fn has_moved(&mut self, frames: usize, transport: &Transport) -> bool {
        let has_skipped = self.instance.has_skipped_audio.swap(false, Ordering::Relaxed);
        let is_interrupted = std::mem::take(&mut self.has_restarted) | has_skipped;
        let start = transport.position.map(|position| position.seconds);
        let length = frames as f64 / self.rate;
        let end = std::mem::replace(&mut self.song_end, start.map(|start| start + length));
        let is_elsewhere = |start: f64, end: f64| (start - end).abs() > MAX_SONG_GAP;
        is_interrupted && end.zip(start).is_some_and(|(end, start)| is_elsewhere(start, end))
    }

    /// Pushes these frames of a block into the engine, and runs the engine if it renders offline.
    fn push_audio(&mut self, buffer: &mut Buffer<'_>, frames: std::ops::Range<usize>, offline: bool) {
        self.position.frames += frames.len() as u64;
        let Some(producer) = self.producer.as_mut().filter(|_| !self.is_bypassed) else { return };
        let mut channels = [&[][..]; MAX_CHANNELS];
        let block = buffer.as_slice_immutable();
        for (channel, block) in channels.iter_mut().zip(block) {
            *channel = &block[frames.clone()];
        }
        producer.push(&channels[..block.len().min(MAX_CHANNELS)]);
        self.position = producer.position();
        if offline {
            nice_plug::util::permit_alloc(|| self.instance.engine.process_offline());
        }
    }

    /// Waits for the processor and calls `work` with it; not on the audio thread.
    fn with_processor(&self, work: impl FnOnce(&mut OutputProcessor)) {
        work(&mut self.instance.processor.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    }
}

/// Converts the host's transport; values that are not finite are left out.
fn convert_transport(transport: &HostTransport) -> Transport {
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    let bar = || {
        let (numerator, denominator) = (transport.time_sig_numerator?, transport.time_sig_denominator?);
        let length = f64::from(numerator) * 4.0 / f64::from(denominator);
        let start = finite(transport.bar_start_pos_beats())?;
        (length.is_finite() && length > 0.0).then_some(Bar { number: transport.bar_number()?, start, length })
    };
    let position = |seconds| TransportPosition { seconds, beats: finite(transport.pos_beats()), bar: bar() };
    Transport {
        position: finite(transport.pos_seconds()).filter(|_| transport.playing).map(position),
        tempo: finite(transport.tempo).unwrap_or(0.0),
    }
}

/// The tasks of the plugin's executor.
pub(crate) enum Task {
    /// Send the instance to the shell, which shares it.
    SendInstance(Sender<Instance>),
}

/// The layouts that a host may choose from, with the same number of channels in and out.
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
    // `MIDI_INPUT` stays at its default: with `MidiCCs` a VST3 would have 2080 hidden parameters.
    const MIDI_OUTPUT: MidiConfig = MidiConfig::MidiCCs;

    type SysExMessage = ();
    type BackgroundTask = Task;
    type Editor = EguiEditor<editor::Editor>;

    fn setup_logger() -> Option<bool> {
        log::start();
        Some(true)
    }

    fn task_executor(&mut self) -> TaskExecutor<Self> {
        let instance = self.instance.clone();
        Box::new(move |task| match task {
            // Without a receiver nobody needs the instance.
            Task::SendInstance(sender) => drop(sender.send(instance.clone())),
        })
    }

    fn params(&self) -> Arc<dyn Params> {
        Arc::<TagvaneParams>::clone(&self.instance.params)
    }

    fn editor(&mut self, _executor: AsyncExecutor<Self>) -> Option<Self::Editor> {
        editor::create(&self.instance)
    }

    fn activate(
        &mut self,
        layout: &AudioIOLayout,
        config: &BufferConfig,
        _context: &mut impl ActivateContext<Self>,
    ) -> bool {
        (self.has_panicked, self.is_playing, self.position) = (false, false, StreamPosition::default());
        (self.has_restarted, self.song_end, self.rate) = (false, None, f64::from(config.sample_rate));
        let engine = &self.instance.engine;
        let (rate, render_mode) = (f64::from(config.sample_rate), engine.render_mode());
        if render_mode == RenderMode::Offline {
            // The result of a bounce must not depend on how fast a model loads.
            engine.wait_until_loaded();
        }
        self.producer = match engine.connect(rate, render_mode) {
            Ok(producer) => Some(producer),
            Err(error) => {
                tracing::warn!("{error}; audio passes through and all tags stay at zero");
                None
            }
        };
        // A panic under the lock has poisoned it, and `try_lock` would fail from then on.
        self.instance.processor.clear_poison();
        self.with_processor(|processor| processor.activate(rate));
        let channels = layout.main_output_channels.map_or(0, |channels| channels.get());
        self.instance.channels.store(channels, Ordering::Release);
        true
    }

    /// nice-plug calls this for a reset, and for a start of processing.
    fn reset(&mut self) {
        if !self.instance.is_reset_requested.swap(false, Ordering::Relaxed) {
            self.has_restarted = true;
        } else if let Some(producer) = &mut self.producer {
            producer.mark_discontinuity();
            self.position = producer.position();
        }
    }

    fn process(
        &mut self,
        buffer: &mut Buffer<'_>,
        _aux: &mut AuxiliaryBuffers<'_>,
        context: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        let (playing, transport) = (context.transport().playing, convert_transport(context.transport()));
        // A panic must not reach the host: the audio still passes through.
        if !self.has_panicked
            && catch_unwind(AssertUnwindSafe(|| self.process_audio(buffer, playing, transport))).is_err()
        {
            self.has_panicked = true;
        }
        // The host must not put the instance to sleep on silence while tags are above zero: they fall only
        // after a silent window. The tail that the shell reports stays zero, so a bounce is not longer.
        let is_at_rest = self.instance.engine.board().is_clear() && !self.instance.outputs.is_active();
        if is_at_rest { ProcessStatus::Normal } else { ProcessStatus::KeepAlive }
    }

    fn deactivate(&mut self) {
        self.instance.channels.store(0, Ordering::Release);
        self.producer = None;
        self.instance.engine.disconnect();
        self.with_processor(OutputProcessor::deactivate);
    }
}

impl ClapPlugin for Tagvane {
    const CLAP_ID: &'static str = "org.tagvane.tagvane";
    const CLAP_DESCRIPTION: Option<&'static str> =
        Some("Shows the instruments, voices, styles and moods of a track, live");
    const CLAP_MANUAL_URL: Option<&'static str> = None;
    const CLAP_SUPPORT_URL: Option<&'static str> = None;
    const CLAP_FEATURES: &'static [ClapFeature] =
        &[ClapFeature::AudioEffect, ClapFeature::Analyzer, ClapFeature::Stereo, ClapFeature::Mono];

    fn remote_controls(&self, context: &mut impl RemoteControlsContext) {
        self.instance.params.add_remote_control_pages(context);
    }
}

impl ShellPlugin for Tagvane {
    const VST3_CLASS_ID: &'static [u8; 16] = b"Tagvane.Listener";
    const VST3_SUBCATEGORIES: &'static CStr = c"Fx|Analyzer";
    const VST3_EMAIL: &'static CStr = c"";

    fn send_instance(sender: Sender<Instance>) -> Task {
        Task::SendInstance(sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::resume_unwind;

    struct TestContext;

    impl ActivateContext<Tagvane> for TestContext {
        fn plugin_api(&self) -> PluginApi {
            PluginApi::Clap
        }

        fn execute(&self, _task: Task) {}

        fn set_latency_samples(&self, _samples: u32) {}

        fn set_current_voice_capacity(&self, _capacity: u32) {}
    }

    /// A panic under the lock once left the outputs dead until the instance was closed.
    #[test]
    fn the_outputs_work_again_after_a_panic_and_an_activation() {
        let mut plugin = Tagvane::default();
        let panic_under_the_lock = || -> bool {
            let _lock = plugin.instance.processor.lock();
            // Unlike `panic!` this prints nothing.
            resume_unwind(Box::new("a fault"));
        };
        assert!(catch_unwind(AssertUnwindSafe(panic_under_the_lock)).is_err());
        assert!(plugin.instance.processor.try_lock().is_err(), "the lock is not poisoned");
        let config = BufferConfig {
            sample_rate: 48_000.0,
            min_buffer_size: None,
            max_buffer_size: 512,
            process_mode: ProcessMode::Realtime,
        };
        assert!(plugin.activate(&LAYOUTS[0], &config, &mut TestContext));
        assert!(plugin.instance.processor.try_lock().is_ok());
    }
}
