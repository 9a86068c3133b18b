//! What a host sees of a plugin, independent of the format.

use crate::song::Song;
use std::path::{Path, PathBuf};

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", bundle.display())]
pub struct HostError {
    /// The bundle.
    pub bundle: PathBuf,
    /// What went wrong, as a clause that follows the path.
    pub what: String,
}

impl HostError {
    /// An error of the bundle at this path.
    pub fn new(bundle: &Path, what: impl Into<String>) -> Self {
        Self { bundle: bundle.to_owned(), what: what.into() }
    }
}

/// The configuration that a plugin is started with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setup {
    /// Frames per second.
    pub sample_rate: f64,
    /// The maximum number of frames in a block.
    pub max_block_frames: usize,
    /// The number of input channels, and of output channels.
    pub channels: usize,
    /// Whether the host renders offline (a bounce) instead of in real time.
    pub offline: bool,
}

/// A plugin as its library describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginDescription {
    /// Its id: CLAP's, or VST3's class id in hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its vendor.
    pub vendor: String,
    /// Its version.
    pub version: String,
}

/// A parameter as the plugin lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its id, unique within the plugin.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Whether the host may only read it: an output.
    pub is_read_only: bool,
    /// Whether a host may automate it.
    pub is_automatable: bool,
    /// Whether a host should not show it.
    pub is_hidden: bool,
    /// Its group: CLAP's module, VST3's unit.
    pub group: String,
    /// Its minimum and maximum: 0 and 1 in a VST3.
    pub range: (f64, f64),
}

/// A parameter value that the plugin sent to the host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParameterChange {
    /// The parameter's id.
    pub id: u32,
    /// The frame within the block.
    pub frame: u32,
    /// The value, in 0..=1 for every output of Tagvane.
    pub value: f64,
}

/// An event that the plugin sent to the host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HostEvent {
    /// A parameter has another value.
    Value(ParameterChange),
    /// A gesture on a parameter begins.
    GestureBegin {
        /// The parameter's id.
        id: u32,
    },
    /// A point of a gesture: VST3's `performEdit`. In a CLAP it is a [`HostEvent::Value`].
    Edit {
        /// The parameter's id.
        id: u32,
        /// The value, in 0..=1.
        value: f64,
    },
    /// A gesture on a parameter ends.
    GestureEnd {
        /// The parameter's id.
        id: u32,
    },
    /// A MIDI message other than a note; from a VST3 a control change.
    Midi {
        /// The frame within the block.
        frame: u32,
        /// Its three bytes.
        data: [u8; 3],
    },
    /// A note begins or ends.
    Note {
        /// The frame within the block.
        frame: u32,
        /// Whether it begins.
        is_on: bool,
        /// The channel, 0..=15.
        channel: u8,
        /// The key, 0..=127.
        key: u8,
        /// The velocity, in 0..=1.
        velocity: f64,
    },
}

/// Counts of the plugin's requests that have visible effects in a host: a project marked as
/// changed, an undo step, a reloaded parameter list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostRequestCounts {
    /// Times it marked the project as changed.
    pub dirty: u64,
    /// Times it requested a restart, or reported another latency or tail.
    pub restarts: u64,
    /// Edits, and beginnings and ends of gestures.
    pub edits: u64,
    /// Times it requested a rescan of its parameters' names or values.
    pub rescans: u64,
}

/// A window of the host's that the plugin's is embedded in: an X11 window's id, or the handle of a window of Windows.
#[derive(Debug, Clone, Copy)]
pub struct ParentWindow(pub usize);

/// Width and height of a window, in pixels.
pub type Size = (u32, u32);

/// One loaded plugin, stopped or running, in either format.
pub trait Session {
    /// Lists the parameters, in the plugin's order.
    fn parameters(&mut self) -> Vec<Parameter>;

    /// Reads a parameter's value. For an unknown id a CLAP gives `None`, and a VST3, which has no error for it, 0.
    fn value(&mut self, id: u32) -> Option<f64>;

    /// Formats a value of a parameter as the plugin displays it.
    fn text(&mut self, id: u32, value: f64) -> Option<String>;

    /// Parses a text as a value of a parameter.
    fn parse(&mut self, id: u32, text: &str) -> Option<f64>;

    /// Sets a parameter with the next block.
    fn set(&mut self, id: u32, value: f64) {
        self.set_at(id, value, 0);
    }

    /// Sets a parameter at a frame of the next block.
    fn set_at(&mut self, id: u32, value: f64, frame: u32);

    /// Moves a value of the controller, as a host does beside a change of the parameter: VST3's `setParamNormalized`.
    /// Does nothing for a CLAP, which has no controller.
    fn set_controller(&mut self, _id: u32, _value: f64) {}

    /// The host's transport and clock.
    fn song(&mut self) -> &mut Song;

    /// Sends a [`HostEvent::Midi`] or a [`HostEvent::Note`] to the plugin with the next block; any other event is
    /// ignored.
    fn send_midi(&mut self, event: HostEvent);

    /// Starts or stops the transport, which is stopped at first.
    fn set_playing(&mut self, is_playing: bool) {
        self.song().is_playing = is_playing;
    }

    /// Moves the song position to this many seconds, from where it advances with the audio while the transport plays.
    /// Before the first call a CLAP gets no song position, and a VST3 the one of the clock.
    fn seek(&mut self, seconds: f64) {
        self.song().position = Some(seconds);
    }

    /// Gives blocks a transport, as at first, or none.
    fn set_transport_given(&mut self, is_given: bool) {
        self.song().has_transport = is_given;
    }

    /// Lets this many frames pass on the host's clock without a call, as in hosts that do not process a plugin that is
    /// bypassed, or whose transport is stopped. The song position stays.
    fn skip(&mut self, frames: u64) {
        self.song().clock += frames;
    }

    /// The latency that the plugin reports, in frames.
    fn latency(&mut self) -> u32;

    /// The tail that the plugin reports, in frames; a CLAP has to be running.
    fn tail(&mut self) -> u32;

    /// Switches between offline and real-time rendering while the plugin is active, as some
    /// hosts do although the formats ask for it earlier.
    fn set_offline(&mut self, offline: bool);

    /// Activates the plugin and starts processing; a running plugin is stopped first.
    ///
    /// # Errors
    /// [`HostError`] if the plugin rejects the setup.
    fn start(&mut self, setup: Setup) -> Result<(), HostError>;

    /// Stops processing and starts it again, without deactivating the plugin; some hosts do so around every block.
    /// Does nothing if the plugin is not running.
    fn restart_processing(&mut self);

    /// Stops processing and deactivates the plugin.
    fn stop(&mut self);

    /// Processes one block: `input` and `output` have the setup's number of channels, all of
    /// the same length. Returns the parameter values that the plugin sent.
    ///
    /// # Errors
    /// [`HostError`] if the plugin fails or is not running.
    fn process(&mut self, input: &[Vec<f32>], output: &mut [Vec<f32>]) -> Result<Vec<ParameterChange>, HostError>;

    /// Calls `hook(true)` right before and `hook(false)` right after each call of the
    /// plugin's process function, on the same thread.
    fn set_process_hook(&mut self, hook: fn(bool));

    /// Exchanges parameter events without audio: sends what was set, and returns the values
    /// that the plugin sent.
    ///
    /// # Errors
    /// [`HostError`] if the plugin fails, or the format does not allow a flush in this state.
    fn flush(&mut self) -> Result<Vec<ParameterChange>, HostError>;

    /// Takes the events that the plugin sent since the last call, in their order.
    fn take_events(&mut self) -> Vec<HostEvent>;

    /// Saves the plugin's state.
    fn save(&mut self) -> Option<Vec<u8>>;

    /// Loads a state, and returns whether the plugin accepted it.
    fn load(&mut self, state: &[u8]) -> bool;

    /// Sets or removes a VST3's component handler. Does nothing for a CLAP, which has none.
    fn set_component_handler(&mut self, _is_set: bool) {}

    /// The counts of the plugin's requests so far.
    fn request_counts(&self) -> HostRequestCounts;

    /// Opens the plugin's window inside the window `parent`, which must outlive it, on a
    /// screen with the scale factor `scale`. Returns the size that the plugin requests.
    ///
    /// # Errors
    /// [`HostError`] if the plugin cannot open a window.
    fn open_window(&mut self, parent: ParentWindow, scale: f64) -> Result<Size, HostError>;

    /// Resizes the window, and returns the size that the plugin chose.
    ///
    /// # Errors
    /// [`HostError`] if the window cannot be resized, or is not open.
    fn resize_window(&mut self, size: Size) -> Result<Size, HostError>;

    /// Hides the open window, or shows it again.
    ///
    /// # Errors
    /// [`HostError`] if it is not open, or the format has no such call.
    fn hide_window(&mut self, hidden: bool) -> Result<(), HostError>;

    /// Closes the window, if it is open.
    fn close_window(&mut self);

    /// Runs the main-thread callbacks and timers that the plugin requested; call it often.
    fn idle(&mut self);
}
