//! The plugin as nice-plug knows it: the audio goes through untouched, the engine
//! listens.

use crate::editor;
use crate::params::{Controls, first_model, inference};
use crate::shell::Shelled;
use nice_plug::prelude::*;
use nice_plug_egui::EguiEditor;
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use tagvane_engine::{Engine, Pace, Tap};

/// One instance.
pub(crate) struct Tagvane {
    engine: Arc<Engine>,
    controls: Arc<Controls>,
    /// `None` while the host is not processing, or at a rate that cannot be heard.
    tap: Option<Tap>,
    pace: Pace,
    bypassed: bool,
    /// Listening panicked once: it is left alone until the next activation.
    broken: bool,
}

impl Default for Tagvane {
    fn default() -> Self {
        let engine = Arc::new(Engine::start(first_model(), inference()));
        let controls = Arc::new(Controls::new(Arc::clone(&engine)));
        Self { engine, controls, tap: None, pace: Pace::Live, bypassed: false, broken: false }
    }
}

impl Tagvane {
    /// The audio thread's whole work.
    fn hear(&mut self, buffer: &mut Buffer<'_>) {
        let Some(tap) = &mut self.tap else { return };
        let bypassed = self.controls.bypass.value();
        if bypassed != self.bypassed {
            self.bypassed = bypassed;
            tap.start_afresh();
        }
        if !bypassed {
            tap.hear(buffer.as_slice_immutable());
        }
        if self.pace == Pace::EveryHop {
            nice_plug::util::permit_alloc(|| self.engine.catch_up());
        }
    }
}

/// What the plugin's own executor can be asked for.
pub(crate) enum Task {
    /// Send the engine back: the shell publishes its board.
    Handover(Sender<Arc<Engine>>),
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

    type SysExMessage = ();
    type BackgroundTask = Task;
    type Editor = EguiEditor<editor::Editor>;

    fn task_executor(&mut self) -> TaskExecutor<Self> {
        let engine = Arc::clone(&self.engine);
        Box::new(move |task| match task {
            // A receiver that is gone wants nothing any more.
            Task::Handover(sender) => drop(sender.send(Arc::clone(&engine))),
        })
    }

    fn params(&self) -> Arc<dyn Params> {
        Arc::<Controls>::clone(&self.controls)
    }

    fn editor(&mut self, _executor: AsyncExecutor<Self>) -> Option<Self::Editor> {
        editor::create(Arc::clone(self.engine.board()))
    }

    fn activate(
        &mut self,
        _layout: &AudioIOLayout,
        config: &BufferConfig,
        _context: &mut impl ActivateContext<Self>,
    ) -> bool {
        self.broken = false;
        self.pace = if config.process_mode == ProcessMode::Offline { Pace::EveryHop } else { Pace::Live };
        if self.pace == Pace::EveryHop {
            // A bounce must not depend on how fast a model loads.
            self.engine.wait_until_loaded();
        }
        self.tap = match self.engine.connect(f64::from(config.sample_rate), self.pace) {
            Ok(tap) => Some(tap),
            Err(error) => {
                tracing::warn!("{error}; audio passes and tags stay at zero");
                None
            }
        };
        true
    }

    fn reset(&mut self) {
        if let Some(tap) = &mut self.tap {
            tap.start_afresh();
        }
    }

    fn process(
        &mut self,
        buffer: &mut Buffer<'_>,
        _aux: &mut AuxiliaryBuffers<'_>,
        _context: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        // A panic must not reach the host: the audio passes, the listening ends.
        if !self.broken && catch_unwind(AssertUnwindSafe(|| self.hear(buffer))).is_err() {
            self.broken = true;
        }
        // While tags show, the host must not put the instance to sleep on silence: a
        // window of it has to be heard before they go. Any tail keeps it awake; one
        // frame does not lengthen a bounce.
        if self.engine.board().is_clear() { ProcessStatus::Normal } else { ProcessStatus::Tail(1) }
    }

    fn deactivate(&mut self) {
        self.tap = None;
        self.engine.disconnect();
    }
}

impl ClapPlugin for Tagvane {
    const CLAP_ID: &'static str = "org.tagvane.tagvane";
    const CLAP_DESCRIPTION: Option<&'static str> = Some("Hears a track and shows, live, what is on it");
    const CLAP_MANUAL_URL: Option<&'static str> = None;
    const CLAP_SUPPORT_URL: Option<&'static str> = None;
    const CLAP_FEATURES: &'static [ClapFeature] =
        &[ClapFeature::AudioEffect, ClapFeature::Analyzer, ClapFeature::Stereo, ClapFeature::Mono];
}

impl Shelled for Tagvane {
    const VST3_CLASS_ID: &'static [u8; 16] = b"Tagvane.Listener";
    const VST3_SUBCATEGORIES: &'static CStr = c"Fx|Analyzer";
    const VST3_EMAIL: &'static CStr = c"";

    fn handover(sender: Sender<Arc<Engine>>) -> Task {
        Task::Handover(sender)
    }
}
