//! `tagvane-play`: what `cargo xtask play` runs.
#![forbid(unsafe_code)]

mod view;

use clap::{Parser, ValueEnum};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tagvane_audio::Recording;
use tagvane_host::Session;
use tagvane_host::player::{Moment, Playback, Summary, play, prepare};
use view::View;

/// Plays music through the bundled plugin and shows the tags that the host sees. The
/// environment variable TAGVANE_MODEL names another model file for the plugin;
/// TAGVANE_FULL_WINDOWS=1 has it run by full windows instead of sliding.
#[derive(Parser)]
#[command(name = "cargo xtask play")]
struct Arguments {
    /// The music: wav, flac, mp3, ogg or opus; without it, a clip that ships with Tagvane
    file: Option<PathBuf>,
    #[arg(long, hide = true)]
    clip: PathBuf,
    #[arg(long, hide = true)]
    bundles: PathBuf,
    /// The format to load
    #[arg(long, default_value = "clap")]
    format: Format,
    /// Write what the host saw, one JSON object a line
    #[arg(long)]
    json: Option<PathBuf>,
    /// As fast as it goes instead of in real time
    #[arg(long)]
    fast: bool,
    /// Stop after so many seconds
    #[arg(long, value_parser = seconds)]
    seconds: Option<f64>,
    /// Frames a block
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    block: u32,
    /// Show the plugin's own window too (X11)
    #[arg(long)]
    window: bool,
    /// How much the window's screen is scaled
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
        _ => Err("this takes a number from 0.5 to 4".into()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds.is_finite() => Ok(seconds),
        _ => Err("this takes a number of seconds above 0".into()),
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
    let recording = tagvane_audio::read(file)?;
    let (extension, name) = match arguments.format {
        Format::Clap => ("clap", "clap"),
        Format::Vst3 => ("vst3", "vst3"),
    };
    let bundle = arguments.bundles.join("Tagvane").with_extension(extension);
    let mut json = arguments.json.as_deref().map(JsonLines::create).transpose()?;
    let mut session = tagvane_host::open(&bundle)?;
    let window = open_window(arguments, session.as_mut())?;
    let playback = Playback { block: arguments.block as usize, fast: arguments.fast, seconds: arguments.seconds };
    let summary = listen(session.as_mut(), name, &recording, playback, file, json.as_mut(), &window)?;
    // The plugin's window goes before the one that it is in.
    drop(session);
    drop(window);
    if let Some(json) = json {
        json.finish(&summary)?;
    }
    view::print_summary(&summary);
    Ok(())
}

/// Streams the music, drawing and writing what is seen.
fn listen(
    session: &mut dyn Session,
    format: &str,
    recording: &Recording,
    playback: Playback,
    file: &Path,
    mut json: Option<&mut JsonLines>,
    window: &Option<EditorWindow>,
) -> Result<Summary, Box<dyn std::error::Error>> {
    let inference = prepare(session)?;
    let mut view = View::new(file, recording, playback, inference.as_deref());
    let mut failed = None;
    let summary = play(session, format, recording, playback, |session, moment, progress| {
        view.show(moment, progress);
        if let (Some(moment), Some(json)) = (moment, json.as_deref_mut())
            && let Err(error) = json.write(moment)
        {
            failed = Some(error);
        }
        failed.is_none() && is_open(window, session)
    })?;
    view.finish();
    match failed {
        Some(error) => Err(error),
        None => Ok(summary),
    }
}

#[cfg(target_os = "linux")]
type EditorWindow = tagvane_host::window::Window;
#[cfg(not(target_os = "linux"))]
type EditorWindow = std::convert::Infallible;

#[cfg(target_os = "linux")]
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

#[cfg(not(target_os = "linux"))]
fn open_window(
    arguments: &Arguments,
    _session: &mut dyn Session,
) -> Result<Option<EditorWindow>, Box<dyn std::error::Error>> {
    if arguments.window { Err("--window works on Linux only".into()) } else { Ok(None) }
}

/// Whether the window is still wanted. Where it was made larger or smaller, the plugin follows,
/// and where that goes no further, the window follows the plugin.
#[cfg(target_os = "linux")]
fn is_open(window: &Option<EditorWindow>, session: &mut dyn Session) -> bool {
    let Some(window) = window else { return true };
    let Some(size) = window.events() else { return false };
    if let Some(size) = size
        && let Ok(taken) = session.resize_window(size)
        && taken != size
    {
        window.resize(taken);
    }
    true
}

#[cfg(not(target_os = "linux"))]
fn is_open(window: &Option<EditorWindow>, _session: &mut dyn Session) -> bool {
    window.is_none()
}

/// The file that `--json` names.
struct JsonLines {
    path: PathBuf,
    to: BufWriter<File>,
}

impl JsonLines {
    fn create(path: &Path) -> Result<Self, String> {
        let file = File::create(path).map_err(|error| format!("{}: cannot be written: {error}", path.display()))?;
        Ok(Self { path: path.to_owned(), to: BufWriter::new(file) })
    }

    fn write(&mut self, moment: &Moment) -> Result<(), Box<dyn std::error::Error>> {
        let line = serde_json::to_string(moment)?;
        writeln!(self.to, "{line}").map_err(|error| format!("{}: {error}", self.path.display()).into())
    }

    fn finish(mut self, summary: &Summary) -> Result<(), Box<dyn std::error::Error>> {
        let line = serde_json::json!({ "summary": summary });
        writeln!(self.to, "{line}")
            .and_then(|()| self.to.flush())
            .map_err(|error| format!("{}: {error}", self.path.display()).into())
    }
}
