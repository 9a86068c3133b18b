//! `tagvane-play`: what `cargo xtask play` runs.
#![forbid(unsafe_code)]

mod display;

use clap::{Parser, ValueEnum};
use display::Display;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tagvane_audio::AudioStream;
use tagvane_host::Session;
use tagvane_host::player::{Playback, Summary, TagSnapshot, play, wait_for_model};

/// Plays music through the bundled plugin and shows the tags that the host receives. The
/// environment variable TAGVANE_MODEL selects another model file; TAGVANE_FULL_WINDOWS=1
/// disables sliding inference, so that each window is computed completely.
#[derive(Parser)]
#[command(name = "cargo xtask play")]
struct Arguments {
    /// The audio file: wav, aiff, flac, mp3, m4a, ogg, opus, or what an installed ffmpeg decodes [default: a clip that ships with Tagvane]
    file: Option<PathBuf>,
    #[arg(long, hide = true)]
    clip: PathBuf,
    #[arg(long, hide = true)]
    bundles: PathBuf,
    /// The plugin format to load
    #[arg(long, default_value = "clap")]
    format: Format,
    /// Write the tags that the host received to this file, one JSON object per line
    #[arg(long)]
    json: Option<PathBuf>,
    /// Render offline as fast as possible instead of in real time
    #[arg(long)]
    fast: bool,
    /// Stop after this many seconds
    #[arg(long, value_parser = seconds)]
    seconds: Option<f64>,
    /// Frames per block
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    block: u32,
    /// Open the plugin's editor window (Linux with X11, Windows)
    #[arg(long)]
    window: bool,
    /// The scale factor of the editor's screen
    #[arg(long, default_value_t = 1.0, value_parser = scale)]
    scale: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Clap,
    Vst3,
}

fn scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if (0.5..=4.0).contains(&scale) => Ok(scale),
        _ => Err("the scale must be a number from 0.5 to 4".into()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds.is_finite() => Ok(seconds),
        _ => Err("the duration must be a number of seconds above 0".into()),
    }
}

fn main() -> ExitCode {
    sigpipe::reset();
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let file = arguments.file.as_ref().unwrap_or(&arguments.clip);
    let mut audio = AudioStream::open(file)?;
    if audio.is_by_ffmpeg() {
        eprintln!("{}: decoded by ffmpeg", file.display());
    }
    let format = match arguments.format {
        Format::Clap => "clap",
        Format::Vst3 => "vst3",
    };
    let bundle = arguments.bundles.join("Tagvane").with_extension(format);
    let mut json = arguments.json.as_deref().map(JsonLines::create).transpose()?;
    let mut session = tagvane_host::open(&bundle)?;
    let window = open_window(arguments, session.as_mut())?;
    let playback = Playback { block: arguments.block as usize, fast: arguments.fast, seconds: arguments.seconds };
    let summary = stream(session.as_mut(), format, &mut audio, playback, file, json.as_mut(), &window)?;
    // The plugin's window must close before its parent.
    drop(session);
    drop(window);
    if let Some(notice) = audio.notice() {
        eprintln!("{}: {notice}", file.display());
    }
    if let Some(json) = json {
        json.finish(&summary)?;
    }
    display::print_summary(&summary);
    Ok(())
}

/// Plays the audio, displays the tags and writes them to the JSON file.
fn stream(
    session: &mut dyn Session,
    format: &str,
    audio: &mut AudioStream,
    playback: Playback,
    file: &Path,
    mut json: Option<&mut JsonLines>,
    window: &Option<EditorWindow>,
) -> Result<Summary, Box<dyn std::error::Error>> {
    let inference = wait_for_model(session)?;
    let mut display = Display::new(file, audio, playback, inference.as_deref());
    let mut write_error = None;
    let summary = play(session, format, audio, playback, |session, snapshot, seconds| {
        display.update(snapshot, seconds);
        if let (Some(snapshot), Some(json)) = (snapshot, json.as_deref_mut())
            && let Err(error) = json.write(snapshot)
        {
            write_error = Some(error);
        }
        write_error.is_none() && update_window(window, session)
    })?;
    display.finish();
    match write_error {
        Some(error) => Err(error),
        None => Ok(summary),
    }
}

#[cfg(any(target_os = "linux", target_os = "windows"))]
use tagvane_host::window::Window as EditorWindow;

#[cfg(any(target_os = "linux", target_os = "windows"))]
fn open_window(
    arguments: &Arguments,
    session: &mut dyn Session,
) -> Result<Option<EditorWindow>, Box<dyn std::error::Error>> {
    if !arguments.window {
        return Ok(None);
    }
    let window = EditorWindow::open("Tagvane")?;
    let size = session.open_window(window.id(), arguments.scale)?;
    window.resize(size);
    Ok(Some(window))
}

/// Resizes the plugin's window with its parent, and the parent back if the plugin chooses another
/// size. Returns false if the user closed the window.
#[cfg(any(target_os = "linux", target_os = "windows"))]
fn update_window(window: &Option<EditorWindow>, session: &mut dyn Session) -> bool {
    let Some(window) = window else { return true };
    let Some(size) = window.poll_events() else { return false };
    if let Some(size) = size
        && let Ok(chosen) = session.resize_window(size)
        && chosen != size
    {
        window.resize(chosen);
    }
    true
}

#[cfg(not(any(target_os = "linux", target_os = "windows")))]
type EditorWindow = std::convert::Infallible;

#[cfg(not(any(target_os = "linux", target_os = "windows")))]
fn open_window(
    arguments: &Arguments,
    _session: &mut dyn Session,
) -> Result<Option<EditorWindow>, Box<dyn std::error::Error>> {
    let why = "--window works on Linux and Windows only; leave it out on this system";
    if arguments.window { Err(why.into()) } else { Ok(None) }
}

#[cfg(not(any(target_os = "linux", target_os = "windows")))]
fn update_window(window: &Option<EditorWindow>, _session: &mut dyn Session) -> bool {
    window.is_none()
}

/// The output file of `--json`.
struct JsonLines {
    path: PathBuf,
    writer: BufWriter<File>,
}

impl JsonLines {
    fn create(path: &Path) -> Result<Self, String> {
        let file =
            File::create(path).map_err(|error| format!("{}: the file cannot be created: {error}", path.display()))?;
        Ok(Self { path: path.to_owned(), writer: BufWriter::new(file) })
    }

    fn write(&mut self, snapshot: &TagSnapshot) -> Result<(), Box<dyn std::error::Error>> {
        let line = serde_json::to_string(snapshot)?;
        writeln!(self.writer, "{line}")
            .map_err(|error| format!("{}: the file cannot be written: {error}", self.path.display()).into())
    }

    fn finish(mut self, summary: &Summary) -> Result<(), Box<dyn std::error::Error>> {
        let line = serde_json::json!({ "summary": summary });
        writeln!(self.writer, "{line}")
            .and_then(|()| self.writer.flush())
            .map_err(|error| format!("{}: the file cannot be written: {error}", self.path.display()).into())
    }
}
