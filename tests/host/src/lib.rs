//! A small host for the finished bundles: it loads a `.clap` or a `.vst3` through
//! its binary interface, streams audio through it, and keeps what a DAW would see.
//!
//! Loading a foreign library and calling VST3 are unsafe by nature; that is confined
//! to [`clap_host`] and [`vst3_host`].

#[allow(unsafe_code)]
pub mod clap_host;
pub mod player;
#[allow(unsafe_code)]
pub mod vst3_host;
#[cfg(target_os = "linux")]
pub mod window;

use std::path::{Path, PathBuf};

/// Why a bundle cannot be used, in one sentence.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", bundle.display())]
pub struct HostError {
    /// The bundle.
    pub bundle: PathBuf,
    /// What went wrong.
    pub what: String,
}

/// How a plugin is to run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setup {
    /// Frames a second.
    pub sample_rate: f64,
    /// The most frames a block.
    pub longest_block: usize,
    /// Channels in and out.
    pub channels: usize,
    /// Whether this is a bounce rather than playback.
    pub offline: bool,
}

/// A parameter as the plugin lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its id, never the same for another one.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Whether it is an output.
    pub read_only: bool,
    /// Whether a host may record it.
    pub automatable: bool,
    /// Whether it is not meant to be shown.
    pub hidden: bool,
    /// The group it belongs to: CLAP's module, VST3's unit.
    pub group: String,
    /// Its lowest and highest value: 0 and 1 in a VST3.
    pub range: (f64, f64),
}

/// A value that the plugin told the host during a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Announcement {
    /// The parameter.
    pub id: u32,
    /// The frame within the block.
    pub frame: u32,
    /// The value, 0..=1 for every parameter of Tagvane.
    pub value: f64,
}

/// Something else than a value that the plugin told the host, or a value again, in the
/// order in which it was told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Told {
    /// A parameter stands somewhere.
    Value(Announcement),
    /// A person, or the plugin in the place of one, begins to move a parameter.
    Begin {
        /// The parameter.
        id: u32,
    },
    /// It moves: VST3's `performEdit`, which a CLAP tells by values alone.
    Edit {
        /// The parameter.
        id: u32,
        /// The value, 0..=1 for every parameter of Tagvane.
        value: f64,
    },
    /// The movement ends.
    End {
        /// The parameter.
        id: u32,
    },
    /// A MIDI message (CLAP).
    Midi {
        /// The frame within the block.
        frame: u32,
        /// Its three bytes.
        data: [u8; 3],
    },
}

/// What a plugin asked of its host, other than by announcing values; each of these
/// disturbs a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Disturbances {
    /// Times it called the project changed.
    pub dirty: u64,
    /// Times it asked to be restarted.
    pub restarts: u64,
    /// Edits, and gestures' beginnings and ends.
    pub edits: u64,
    /// Times it had its parameters' names or values looked at again.
    pub rescans: u64,
}

/// Width and height of a window, in pixels.
pub type Size = (u32, u32);

/// One loaded plugin, stopped or running, in either format.
pub trait Session {
    /// The parameters, in the plugin's order.
    fn parameters(&mut self) -> Vec<Parameter>;

    /// The value that the plugin tells of a parameter when asked.
    fn value(&mut self, id: u32) -> Option<f64>;

    /// The text that the plugin gives for a parameter's value.
    fn text(&mut self, id: u32, value: f64) -> Option<String>;

    /// The value that the plugin reads from a text.
    fn parse(&mut self, id: u32, text: &str) -> Option<f64>;

    /// Sets a parameter with the next block.
    fn set(&mut self, id: u32, value: f64) {
        self.set_at(id, value, 0);
    }

    /// Sets a parameter at a frame of the next block.
    fn set_at(&mut self, id: u32, value: f64, frame: u32);

    /// Starts or stops the transport, which stands at first.
    fn play(&mut self, playing: bool);

    /// Says, while the plugin runs, whether this is a bounce from now on: some hosts say
    /// it late.
    fn set_offline(&mut self, offline: bool);

    /// Activates the plugin and starts processing; a running one is stopped first.
    ///
    /// # Errors
    /// [`HostError`] where it does not take the setup.
    fn start(&mut self, setup: Setup) -> Result<(), HostError>;

    /// Stops processing and deactivates the plugin.
    fn stop(&mut self);

    /// Sends one block through: `input` and `output` have the setup's channels, all
    /// of one length. Gives what was announced.
    ///
    /// # Errors
    /// [`HostError`] where the plugin fails or is not running.
    fn process(&mut self, input: &[Vec<f32>], output: &mut [Vec<f32>]) -> Result<Vec<Announcement>, HostError>;

    /// Calls `watch` with true right before, and with false right after every call of
    /// the plugin's process function, on the same thread.
    fn watch(&mut self, watch: fn(bool));

    /// Exchanges parameters without audio: what was set goes in, and what comes out is
    /// given.
    ///
    /// # Errors
    /// [`HostError`] where the plugin fails, or the format has no such call now.
    fn flush(&mut self) -> Result<Vec<Announcement>, HostError>;

    /// Everything that was told since this was asked last.
    fn told(&mut self) -> Vec<Told>;

    /// Saves the plugin's state.
    fn save(&mut self) -> Option<Vec<u8>>;

    /// Loads a state; whether the plugin took it.
    fn load(&mut self, state: &[u8]) -> bool;

    /// Sets the component handler by which a VST3 talks to its host, or takes it away. A CLAP has
    /// none, and nothing happens.
    fn set_handler(&mut self, _there: bool) {}

    /// What the plugin asked for so far.
    fn disturbances(&self) -> Disturbances;

    /// Opens the plugin's window within the X11 window `parent`, which has to outlive it, as a host
    /// does on a screen that is scaled by `scale`; gives the size that it wants.
    ///
    /// # Errors
    /// [`HostError`] where the plugin has no window here.
    #[cfg(target_os = "linux")]
    fn open_window(&mut self, parent: u32, scale: f64) -> Result<Size, HostError>;

    /// Gives the window another size; tells which one it took.
    ///
    /// # Errors
    /// [`HostError`] where it takes none, or is not open.
    #[cfg(target_os = "linux")]
    fn resize_window(&mut self, size: Size) -> Result<Size, HostError>;

    /// Hides the window, which stays open, or shows it again.
    ///
    /// # Errors
    /// [`HostError`] where it is not open, or the format has no such call.
    #[cfg(target_os = "linux")]
    fn hide_window(&mut self, hidden: bool) -> Result<(), HostError>;

    /// Closes the window, if it is open.
    #[cfg(target_os = "linux")]
    fn close_window(&mut self);

    /// Does what the plugin asked to be done on the main thread; call it often.
    fn idle(&mut self);
}

/// Loads the bundle at `path` as [`open`] does; a VST3 gets no component handler yet.
///
/// # Errors
/// As [`open`].
pub fn open_without_handler(path: &Path) -> Result<Box<dyn Session>, HostError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("vst3") => Ok(Box::new(vst3_host::Vst3Session::open_without_handler(path)?)),
        _ => open(path),
    }
}

/// Loads the bundle at `path`; its extension tells the format.
///
/// # Errors
/// [`HostError`] where it is no bundle of a known format, or does not load.
pub fn open(path: &Path) -> Result<Box<dyn Session>, HostError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("clap") => Ok(Box::new(clap_host::ClapSession::open(path)?)),
        Some("vst3") => Ok(Box::new(vst3_host::Vst3Session::open(path)?)),
        _ => Err(HostError { bundle: path.to_owned(), what: "this is neither a .clap nor a .vst3".into() }),
    }
}
