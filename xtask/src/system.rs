//! The system packages that Tagvane needs, and how to get them.

use anyhow::{Result, bail};
use std::process::{Command, Stdio};

/// What the editor loads when it opens, on Linux, and Debian's packages for it. It
/// loads them at run time, so that building needs no development files.
const LIBRARIES: &[(&str, &str)] = &[
    ("libGL.so.1", "libgl1"),
    ("libX11.so.6", "libx11-6"),
    ("libX11-xcb.so.1", "libx11-xcb1"),
    ("libxcb.so.1", "libxcb1"),
    ("libxkbcommon.so.0", "libxkbcommon0"),
    ("libxkbcommon-x11.so.0", "libxkbcommon-x11-0"),
];

/// Makes sure that the plugin can be built and its editor opened: installs what is
/// missing with apt-get when it may, and otherwise says what to type.
///
/// # Errors
/// The line to type, where something is missing and cannot be installed from here.
pub(crate) fn ensure_packages() -> Result<()> {
    if cfg!(target_os = "linux") {
        install(&missing_libraries())?;
    }
    ensure_compiler()
}

/// Makes sure that windows can be opened without a monitor, on Linux: an X server in memory, and
/// OpenGL by the processor.
///
/// # Errors
/// As [`ensure_packages`].
pub(crate) fn ensure_screen() -> Result<()> {
    if cfg!(target_os = "linux") && !has("Xvfb") {
        install(&["xvfb", "libgl1-mesa-dri"])?;
    }
    Ok(())
}

/// The packages of the libraries that the system's linker does not know. A system
/// without `ldconfig` keeps its libraries elsewhere; it is taken to have them.
fn missing_libraries() -> Vec<&'static str> {
    let output = Command::new("/sbin/ldconfig").arg("-p").output();
    let Ok(known) = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()) else {
        return Vec::new();
    };
    let has = |library: &str| known.lines().any(|line| line.split_whitespace().next() == Some(library));
    LIBRARIES.iter().filter(|(library, _)| !has(library)).map(|(_, package)| *package).collect()
}

/// Installs packages with apt-get, as root or by a sudo that asks nothing.
///
/// # Errors
/// The line to type, where that is not possible.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if !runs("apt-get", &["--version"]) {
        bail!(
            "building needs the development files of OpenGL, X11 and xcb, which this system lacks. {}",
            other_systems()
        );
    }
    if !may_install() {
        bail!("Tagvane needs packages that this system lacks. Type:\n\n    sudo apt-get install {list}\n");
    }
    println!("Installing what is missing: {list}");
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    // The package lists may be old, or not be there at all yet.
    apt(&arguments).or_else(|_| update().and_then(|()| apt(&arguments)))
}

/// Brings apt-get's lists of packages up to date.
///
/// # Errors
/// Where that may not be done here, or fails.
pub(crate) fn update() -> Result<()> {
    apt(&["update"])
}

fn is_root() -> bool {
    runs("sh", &["-c", "test \"$(id -u)\" = 0"])
}

fn may_install() -> bool {
    is_root() || runs("sudo", &["-n", "true"])
}

/// Runs apt-get as root, or by sudo.
fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(if is_root() { "apt-get" } else { "sudo" });
    if !is_root() {
        command.args(["-n", "apt-get"]);
    }
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
    crate::run::command(&mut command)
}

/// What to type on systems without apt-get.
fn other_systems() -> &'static str {
    if runs("dnf", &["--version"]) {
        "Type:\n\n    sudo dnf install libglvnd-glx libX11 libX11-xcb libxcb libxkbcommon libxkbcommon-x11 gcc-c++\n"
    } else if runs("pacman", &["--version"]) {
        "Type:\n\n    sudo pacman -S --needed libglvnd libx11 libxcb libxkbcommon libxkbcommon-x11 gcc\n"
    } else if runs("zypper", &["--version"]) {
        "Type:\n\n    sudo zypper install Mesa-libGL1 libX11-6 libX11-xcb1 libxcb1 libxkbcommon0 libxkbcommon-x11-0 gcc-c++\n"
    } else {
        "Install them with your system's package manager."
    }
}

fn ensure_compiler() -> Result<()> {
    let found = cfg!(target_os = "windows") || ["c++", "g++", "clang++"].iter().any(|name| runs(name, &["--version"]));
    if found {
        return Ok(());
    }
    if cfg!(target_os = "macos") {
        bail!("building needs a C++ compiler. Type:\n\n    xcode-select --install\n");
    }
    install(&["g++"])
}

/// Whether a program is there.
pub(crate) fn has(program: &str) -> bool {
    runs("sh", &["-c", &format!("command -v {program}")])
}

/// Whether a program is there and content.
pub(crate) fn runs(program: &str, arguments: &[&str]) -> bool {
    let status =
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
