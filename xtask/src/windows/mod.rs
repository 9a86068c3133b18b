//! `windows`: the plug-in for Windows, built by mingw and run under Wine.

use crate::paths::{CLIP, create_folder, root, target_folder};
use crate::{bundle, run, system};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const TARGET: &str = "x86_64-pc-windows-gnu";

/// Debian's packages of the compiler and of Wine, and what shows and takes a picture of a window.
const PROGRAMS: &[(&str, &str)] = &[
    ("x86_64-w64-mingw32-g++-posix", "g++-mingw-w64-x86-64-posix"),
    ("wineserver", "wine64"),
    ("wine", "wine"),
    ("Xvfb", "xvfb"),
    ("import", "imagemagick"),
    ("xwininfo", "x11-utils"),
];

/// The libraries that a Windows without mingw lacks.
const MINGW_LIBRARIES: &[&str] = &["libstdc++", "libgcc", "libwinpthread"];

/// What is built for Windows: always together, so that cargo unifies the features in the same way.
const PACKAGES: &[&str] = &["--package", "tagvane", "--package", "tagvane-host", "--package", "tagvane-tests"];

/// A library of Windows that Rust's programs need, and Wine before version 9 lacks.
const PRNG_LIBRARY: &str = "bcryptprimitives.dll";

/// Its source.
const PRNG_SOURCE: &str = "xtask/src/windows/bcryptprimitives.c";

/// How far the tags may be from those on Linux.
const TOLERANCE: f64 = 1e-4;

/// For how long `any_order` calls the bundles: Wine draws each window by the processor.
const WALK_MINUTES: &str = "3";

/// The tests of whole bundles that run under Wine.
const BUNDLE_TESTS: &[&str] = &["any_order", "host_habits", "latency", "parameter_texts", "state_orders", "states"];

#[derive(clap::Args)]
pub(crate) struct Windows {
    /// Run the tests of the engine's and the outputs' libraries under Wine, too
    #[arg(long)]
    test: bool,
}

impl Windows {
    /// Builds both bundles and the small host for Windows, and runs them under Wine.
    ///
    /// # Errors
    /// If something is missing and cannot be installed, cannot be built, or differs from Linux.
    pub(crate) fn run(&self) -> Result<()> {
        ensure!(cfg!(all(target_os = "linux", target_arch = "x86_64")), "windows works on x86-64 Linux only");
        install()?;
        let bundles = build()?;
        check_imports(&bundles.join("Tagvane.clap"))?;
        let wine = Wine::start()?;
        for format in ["clap", "vst3"] {
            play_on_both(&wine, &bundles, format)?;
        }
        for format in ["clap", "vst3"] {
            photograph(&wine, &bundles, format)?;
        }
        println!("== tests of the bundles");
        wine.test(&bundles, &[PACKAGES, &bundle_tests()].concat())?;
        if self.test {
            println!("== tests of the libraries");
            wine.test(&bundles, &["--package", "tagvane-engine", "--package", "tagvane-outputs", "--lib"])?;
        }
        println!("Tagvane.clap and Tagvane.vst3 for Windows are in {}", bundles.display());
        Ok(())
    }
}

/// Installs the compiler, its target and Wine.
fn install() -> Result<()> {
    system::install_missing(PROGRAMS)?;
    ensure!(
        system::has_program("rustup"),
        "the standard library for Windows comes by rustup; install it from rustup.rs"
    );
    run::command(Command::new("rustup").args(["target", "add", TARGET]).stderr(Stdio::null()))
}

/// Builds the plug-in, the small host and the tests. Returns the folder of the bundles.
fn build() -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--release", "--target", TARGET, "--lib", "--bin", "tagvane-play"])
        .args(PACKAGES)
        .args(bundle_tests());
    run::command(&mut cargo)?;
    let built = built()?;
    let library = built.join(PRNG_LIBRARY);
    let mut compiler = Command::new("x86_64-w64-mingw32-gcc-posix");
    compiler.args(["-shared", "-O1", "-o"]).arg(&library).arg(root().join(PRNG_SOURCE)).arg("-ladvapi32");
    run::command(&mut compiler)?;
    fs::copy(&library, built.join("deps").join(PRNG_LIBRARY)).context("a library for Wine cannot be copied")?;
    let bundles = create_folder(target_folder()?.join("windows/bundles"))?;
    bundle::write(&built.join("tagvane.dll"), &bundles, bundle::WINDOWS_VST3)?;
    Ok(bundles)
}

fn bundle_tests() -> Vec<&'static str> {
    BUNDLE_TESTS.iter().flat_map(|test| ["--test", *test]).collect()
}

/// The folder of what was built.
fn built() -> Result<PathBuf> {
    Ok(target_folder()?.join(TARGET).join("release"))
}

/// Makes sure that a library needs none of mingw's, which a Windows lacks.
fn check_imports(library: &Path) -> Result<()> {
    let output = Command::new("x86_64-w64-mingw32-objdump").arg("-p").arg(library).output();
    let output = output.context("x86_64-w64-mingw32-objdump cannot be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let needed: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("DLL Name: ")).collect();
    ensure!(!needed.is_empty(), "{} has no table of imports", library.display());
    let is_mingw = |name: &&&str| MINGW_LIBRARIES.iter().any(|library| name.starts_with(library));
    let wrong: Vec<&&str> = needed.iter().filter(is_mingw).collect();
    ensure!(wrong.is_empty(), "{} needs {wrong:?}, which Windows lacks", library.display());
    println!("it needs {} libraries of Windows and none of mingw", needed.len());
    Ok(())
}

/// Plays a clip natively and under Wine, and compares.
fn play_on_both(wine: &Wine, bundles: &Path, format: &str) -> Result<()> {
    println!("== {format}");
    let folder = create_folder(target_folder()?.join("windows/played"))?;
    let [here, there] = ["linux", "windows"].map(|system| folder.join(format!("{format}-{system}.json")));
    let clip = root().join(CLIP);
    let arguments = |command: &mut Command, bundles: &Path, json: &Path| {
        command.args(["--format", format, "--fast", "--bundles"]).arg(bundles).arg("--json").arg(json);
        command.arg("--clip").arg(&clip).stdout(Stdio::null());
        run::command(command)
    };
    arguments(&mut Command::new(target_folder()?.join("release/tagvane-play")), &bundle::bundle()?, &here)?;
    arguments(&mut wine.command(&built()?.join("tagvane-play.exe")), bundles, &there)?;
    let (mut compared, mut apart) = (0_usize, 0.0_f64);
    let (here, there) = (read_lines(&here)?, read_lines(&there)?);
    ensure!(here.len() == there.len(), "Wine wrote {} lines and Linux {}", there.len(), here.len());
    for (here, there) in here.iter().zip(&there) {
        compare(here, there, &mut compared, &mut apart)?;
    }
    let exact = there.last().and_then(|line| line["summary"]["audio_bit_exact"].as_bool());
    ensure!(exact == Some(true), "the plug-in changed the audio under Wine");
    ensure!(compared > 1_000 && apart <= TOLERANCE, "of {compared} values one is {apart:e} apart");
    println!("the audio is bit-exact, and {compared} values are within {apart:.1e} of Linux");
    Ok(())
}

fn read_lines(path: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    text.lines().map(|line| serde_json::from_str(line).context("the player wrote no JSON")).collect()
}

/// Compares the tags of two lines of the player; counts them, and keeps how far they are apart at most.
fn compare(here: &Value, there: &Value, compared: &mut usize, apart: &mut f64) -> Result<()> {
    let of = |value: &Value| -> BTreeMap<String, f64> {
        let tags = value["tags"].as_object().into_iter().flatten();
        tags.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect()
    };
    let (here, there) = (of(here), of(there));
    ensure!(here.keys().eq(there.keys()), "the tags have other names under Wine");
    for (name, value) in &here {
        *compared += 1;
        *apart = apart.max((value - there[name]).abs());
    }
    Ok(())
}

/// Opens the window under Wine, and takes a picture of it.
fn photograph(wine: &Wine, bundles: &Path, format: &str) -> Result<()> {
    let picture = target_folder()?.join(format!("windows/window-{format}.png"));
    let mut player = wine.command(&built()?.join("tagvane-play.exe"));
    player.args(["--format", format, "--window", "--seconds", "20", "--bundles"]).arg(bundles);
    let mut player =
        player.arg("--clip").arg(root().join(CLIP)).stdout(Stdio::null()).spawn().context("Wine cannot be started")?;
    std::thread::sleep(Duration::from_secs(12));
    let taken = wine.take_picture(&picture);
    let status = player.wait().context("the player has not ended")?;
    taken?;
    ensure!(status.success(), "the player failed under Wine with {status}");
    let identified = Command::new("identify").args(["-format", "%k"]).arg(&picture).output();
    let output = identified.context("identify cannot be started")?;
    let colours: usize = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0);
    ensure!(colours > 500, "{} has {colours} colours: the window is not drawn", picture.display());
    println!("the window is in {}", picture.display());
    Ok(())
}

/// Wine with a folder of its own, and a virtual screen.
struct Wine {
    prefix: PathBuf,
    screen: Child,
    display: String,
}

impl Wine {
    fn start() -> Result<Self> {
        let prefix = create_folder(target_folder()?.join("windows/wine"))?;
        let mut screen = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1600x1200x24", "-noreset"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("Xvfb cannot be started")?;
        let mut number = String::new();
        let output = screen.stdout.take().context("Xvfb has no output")?;
        BufReader::new(output).read_line(&mut number)?;
        let wine = Self { prefix, screen, display: format!(":{}", number.trim()) };
        println!("Wine's folder is {}", wine.prefix.display());
        let mut boot = wine.command(Path::new("wineboot"));
        run::command(boot.arg("--init").stdout(Stdio::null()).stderr(Stdio::null()))?;
        Ok(wine)
    }

    fn set(&self, command: &mut Command) {
        command.env("WINEPREFIX", &self.prefix).env("WINEDEBUG", "-all").env("WINEARCH", "win64");
        command.env("DISPLAY", &self.display).env("WINEDLLOVERRIDES", "mscoree,mshtml=");
    }

    /// A program of Windows.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("wine");
        self.set(&mut command);
        command.arg(program);
        command
    }

    /// Takes a picture of what the plug-in draws: Wine draws a child window by OpenGL into an X11 window of its own, which has
    /// the size of the host's window.
    fn take_picture(&self, picture: &Path) -> Result<()> {
        let output = Command::new("xwininfo").args(["-root", "-tree", "-display", &self.display]).output();
        let output = output.context("xwininfo cannot be started")?;
        let tree = String::from_utf8_lossy(&output.stdout);
        let size_of = |line: &str| line.split_whitespace().rev().nth(1).map(str::to_owned);
        let host = tree.lines().find(|line| line.contains("\"Tagvane\"")).and_then(size_of);
        let host = host.context("the window did not open")?;
        let size = format!("{}+0+0", host.split('+').next().unwrap_or_default());
        let drawn = tree.lines().find(|line| line.contains("(has no name)") && size_of(line).as_ref() == Some(&size));
        let id = drawn.and_then(|line| line.split_whitespace().next()).context("the plug-in's window did not open")?;
        run::command(Command::new("import").args(["-display", &self.display, "-window", id]).arg(picture))
    }

    /// Runs tests with these arguments for cargo.
    fn test(&self, bundles: &Path, arguments: &[&str]) -> Result<()> {
        let mut cargo = Command::new(env!("CARGO"));
        self.set(&mut cargo);
        cargo.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "wine").env("TAGVANE_BUNDLES", bundles);
        cargo.env("TAGVANE_MINUTES", WALK_MINUTES);
        run::command(cargo.args(["test", "--release", "--target", TARGET]).args(arguments))
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        let mut end = Command::new("wineserver");
        self.set(&mut end);
        drop(end.arg("-k").status());
        drop(self.screen.kill());
        drop(self.screen.wait());
    }
}
