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
use tagvane_host::clap_host::ClapSession;
use tagvane_host::player::{Moment, Playback, Summary, play};
use tagvane_host::vst3_host::Vst3Session;
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
    /// Show the plugin's own window too (CLAP, X11)
    #[arg(long)]
    window: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Clap,
    Vst3,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds.is_finite() => Ok(seconds),
        _ => Err("this takes a number of seconds above 0".into()),
    }
}

/// The plugin, in the format that was asked for.
enum Loaded {
    Clap(Box<ClapSession>),
    Vst3(Box<Vst3Session>),
}

impl Loaded {
    fn session(&mut self) -> &mut dyn Session {
        match self {
            Self::Clap(session) => session.as_mut(),
            Self::Vst3(session) => session.as_mut(),
        }
    }
}

fn main() -> ExitCode {
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
    let mut loaded = match arguments.format {
        Format::Clap => Loaded::Clap(Box::new(ClapSession::open(&bundle)?)),
        Format::Vst3 => Loaded::Vst3(Box::new(Vst3Session::open(&bundle)?)),
    };
    let window = open_window(arguments, &mut loaded)?;
    let playback = Playback { block: arguments.block as usize, fast: arguments.fast, seconds: arguments.seconds };
    let summary = listen(&mut loaded, name, &recording, playback, file, json.as_mut(), &window)?;
    if let (Loaded::Clap(session), Some(_)) = (&mut loaded, &window) {
        session.hide();
    }
    if let Some(json) = json {
        json.finish(&summary)?;
    }
    view::print_summary(&summary);
    Ok(())
}

/// Streams the music, drawing and writing what is seen.
fn listen(
    loaded: &mut Loaded,
    format: &str,
    recording: &Recording,
    playback: Playback,
    file: &Path,
    mut json: Option<&mut JsonLines>,
    window: &Option<EditorWindow>,
) -> Result<Summary, Box<dyn std::error::Error>> {
    let mut view = View::new(file, recording, playback);
    let mut failed = None;
    let summary = play(loaded.session(), format, recording, playback, |moment, progress| {
        view.show(moment, progress);
        if let (Some(moment), Some(json)) = (moment, json.as_deref_mut())
            && let Err(error) = json.write(moment)
        {
            failed = Some(error);
        }
        failed.is_none() && is_open(window)
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
fn open_window(arguments: &Arguments, loaded: &mut Loaded) -> Result<Option<EditorWindow>, Box<dyn std::error::Error>> {
    if !arguments.window {
        return Ok(None);
    }
    let Loaded::Clap(session) = loaded else {
        return Err("--window shows the CLAP's window; leave out --format vst3".into());
    };
    let window = EditorWindow::open("Tagvane")?;
    let (width, height) = session.show(window.id())?;
    window.resize(width, height);
    Ok(Some(window))
}

#[cfg(not(target_os = "linux"))]
fn open_window(
    arguments: &Arguments,
    _loaded: &mut Loaded,
) -> Result<Option<EditorWindow>, Box<dyn std::error::Error>> {
    if arguments.window { Err("--window works on Linux only".into()) } else { Ok(None) }
}

fn is_open(window: &Option<EditorWindow>) -> bool {
    #[cfg(target_os = "linux")]
    return window.as_ref().is_none_or(EditorWindow::is_open);
    #[cfg(not(target_os = "linux"))]
    return window.is_none();
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
