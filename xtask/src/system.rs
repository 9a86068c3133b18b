//! The system packages that Tagvane needs, and their installation.

use crate::run;
use anyhow::{Result, bail};
use std::process::{Command, Stdio};

/// The libraries that the editor loads at run time on Linux, and their Debian packages. Building needs
/// no development files.
const LIBRARIES: &[(&str, &str)] = &[
    ("libGL.so.1", "libgl1"),
    ("libX11.so.6", "libx11-6"),
    ("libX11-xcb.so.1", "libx11-xcb1"),
    ("libxcb.so.1", "libxcb1"),
    ("libxkbcommon.so.0", "libxkbcommon0"),
    ("libxkbcommon-x11.so.0", "libxkbcommon-x11-0"),
];

/// Debian's package of a C++ compiler.
const COMPILER: &str = "g++";

/// Makes sure that the packages for building the plugin and opening its editor are installed.
///
/// # Errors
/// If a package is missing and cannot be installed; the error has the command for the user.
pub(crate) fn ensure_packages() -> Result<()> {
    if cfg!(target_os = "linux") {
        install(&missing_libraries())?;
    }
    ensure_compiler()
}

/// Makes sure that Xvfb is installed on Linux, for windows on a virtual screen. Where it is missing, Mesa's
/// software renderer is installed with it.
///
/// # Errors
/// The same as [`ensure_packages`].
pub(crate) fn ensure_screen() -> Result<()> {
    if cfg!(target_os = "linux") && !has_program("Xvfb") {
        install(&["xvfb", "libgl1-mesa-dri"])?;
    }
    Ok(())
}

/// The packages of the libraries that are not in the dynamic linker's cache. On a system without
/// `ldconfig` all libraries count as present.
fn missing_libraries() -> Vec<&'static str> {
    let output = Command::new("/sbin/ldconfig").arg("-p").output();
    let Ok(cache) = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()) else {
        return Vec::new();
    };
    let is_cached = |library: &str| cache.lines().any(|line| line.split_whitespace().next() == Some(library));
    LIBRARIES.iter().filter(|(library, _)| !is_cached(library)).map(|(_, package)| *package).collect()
}

/// Installs packages with apt-get, as root or by sudo without a password.
///
/// # Errors
/// If that is not possible; the error has the command for the user.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if !succeeds("apt-get", &["--version"]) {
        bail!(
            "Tagvane needs packages that this system lacks: {list}, as Debian calls them. {}",
            install_hint(packages)
        );
    }
    if !can_install() {
        bail!("Tagvane needs packages that this system lacks. Install them:\n\n    sudo apt-get install {list}\n");
    }
    println!("Installing missing packages: {list}");
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    // The package lists may be old or missing.
    apt(&arguments).or_else(|_| update().and_then(|()| apt(&arguments)))
}

/// Installs the packages of the programs that are missing; each program is given with its package.
///
/// # Errors
/// The same as [`install`].
pub(crate) fn install_missing(programs: &[(&str, &str)]) -> Result<()> {
    let missing = programs.iter().filter(|(program, _)| !has_program(program)).map(|(_, package)| *package);
    install(&missing.collect::<Vec<_>>())
}

/// Updates apt-get's package lists.
///
/// # Errors
/// If apt-get fails, or root rights are missing.
pub(crate) fn update() -> Result<()> {
    apt(&["update"])
}

fn is_root() -> bool {
    succeeds("sh", &["-c", "test \"$(id -u)\" = 0"])
}

/// Whether apt-get can run as root.
fn can_install() -> bool {
    is_root() || succeeds("sudo", &["-n", "true"])
}

/// Runs apt-get as root, or by sudo.
fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(if is_root() { "apt-get" } else { "sudo" });
    if !is_root() {
        command.args(["-n", "apt-get"]);
    }
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
    run::command(&mut command)
}

/// The command for the user on systems without apt-get, or a sentence where it is not known.
fn install_hint(packages: &[&str]) -> &'static str {
    let is_for_building = |package: &&str| *package == COMPILER || LIBRARIES.iter().any(|(_, name)| name == package);
    if !packages.iter().all(is_for_building) {
        "Install them with your system's package manager."
    } else if succeeds("dnf", &["--version"]) {
        "Install them:\n\n    sudo dnf install libglvnd-glx libX11 libX11-xcb libxcb libxkbcommon libxkbcommon-x11 gcc-c++\n"
    } else if succeeds("pacman", &["--version"]) {
        "Install them:\n\n    sudo pacman -S --needed libglvnd libx11 libxcb libxkbcommon libxkbcommon-x11 gcc\n"
    } else if succeeds("zypper", &["--version"]) {
        "Install them:\n\n    sudo zypper install Mesa-libGL1 libX11-6 libX11-xcb1 libxcb1 libxkbcommon0 libxkbcommon-x11-0 gcc-c++\n"
    } else {
        "Install them with your system's package manager."
    }
}

fn ensure_compiler() -> Result<()> {
    let has_compiler =
        cfg!(target_os = "windows") || ["c++", "g++", "clang++"].iter().any(|name| succeeds(name, &["--version"]));
    if has_compiler {
        return Ok(());
    }
    if cfg!(target_os = "macos") {
        bail!("building needs a C++ compiler. Install it:\n\n    xcode-select --install\n");
    }
    install(&[COMPILER])
}

/// Whether a program is on the path.
pub(crate) fn has_program(program: &str) -> bool {
    succeeds("sh", &["-c", &format!("command -v {program}")])
}

/// Whether a program runs and exits successfully with these arguments.
pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let status =
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
