//! `test --validators`: other people's checks of plug-ins, built from their sources.

use crate::paths::{create_folder, target_folder};
use crate::{bundle, run, system};
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Repositories on GitHub.
const VST3_SDK: Source = Source {
    repository: "steinbergmedia/vst3sdk",
    revision: "v3.7.14_build_55",
    submodules: &["base", "cmake", "pluginterfaces", "public.sdk"],
};
const CLAP_VALIDATOR: Source = Source { repository: "free-audio/clap-validator", revision: "0.4.1", submodules: &[] };
/// 15 commits after 1.0.3, with JUCE 8.0.3.
const PLUGINVAL: Source = Source {
    repository: "Tracktion/pluginval",
    revision: "6b028fd2e77759eb5c6acdefea7b0e3c34429192",
    submodules: &["modules/juce"],
};

/// What the three need for building on Debian, and a virtual screen.
const PACKAGES: &[&str] = &[
    "cmake",
    "git",
    "ladspa-sdk",
    "libasound2-dev",
    "libfontconfig1-dev",
    "libfreetype-dev",
    "libgl1-mesa-dri",
    "libgtkmm-3.0-dev",
    "libx11-dev",
    "libxcomposite-dev",
    "libxcursor-dev",
    "libxinerama-dev",
    "libxrandr-dev",
    "pkg-config",
    "xauth",
    "xvfb",
];

/// A repository at a tag or a commit.
struct Source {
    repository: &'static str,
    revision: &'static str,
    submodules: &'static [&'static str],
}

/// Runs Steinberg's validator, pluginval and clap-validator on the finished bundles.
///
/// # Errors
/// If one of them cannot be fetched or built, or finds a fault.
pub(crate) fn validate() -> Result<()> {
    if cfg!(target_os = "linux") && system::succeeds("apt-get", &["--version"]) {
        system::install(PACKAGES)?;
    }
    let bundles = bundle::bundle()?;
    let (clap, vst3) = (bundles.join("Tagvane.clap"), bundles.join("Tagvane.vst3"));
    let folder = create_folder(target_folder()?.join("validators"))?;

    let validator = build_with_cmake(
        &VST3_SDK.fetch(&folder)?,
        "validator",
        &["-DSMTG_ENABLE_VST3_PLUGIN_EXAMPLES=OFF", "-DSMTG_ENABLE_VSTGUI_SUPPORT=OFF"],
    )?
    .join("bin/Release/validator");
    let pluginval = build_with_cmake(&PLUGINVAL.fetch(&folder)?, "pluginval", &[])?.join("pluginval_artefacts/Release");
    let pluginval =
        pluginval.join(if cfg!(target_os = "macos") { "pluginval.app/Contents/MacOS/pluginval" } else { "pluginval" });
    let source = CLAP_VALIDATOR.fetch(&folder)?;
    let mut install = Command::new(env!("CARGO"));
    install.args(["install", "--locked", "--path"]).arg(&source).arg("--root").arg(&folder);
    run::command(install.env("CARGO_TARGET_DIR", source.join("target")))?;

    println!("== Steinberg's validator {}", VST3_SDK.revision);
    run::command(on_screen(&validator).arg(&vst3))?;
    println!("== pluginval {}", PLUGINVAL.revision);
    let mut command = on_screen(&pluginval);
    command.args(["--strictness-level", "10", "--repeat", "4", "--randomise", "--timeout-ms", "300000", "--validate"]);
    run::command(command.arg(&vst3))?;
    println!("== clap-validator {}", CLAP_VALIDATOR.revision);
    run::command(on_screen(&folder.join("bin/clap-validator")).arg("validate").arg(&clap))
}

/// A command that runs `program`, on a virtual screen on Linux.
fn on_screen(program: &Path) -> Command {
    if !cfg!(target_os = "linux") {
        return Command::new(program);
    }
    let mut command = Command::new("xvfb-run");
    command.arg("-a").arg(program);
    command
}

impl Source {
    /// Fetches the revision into a folder of `folder`, unless it is there.
    fn fetch(&self, folder: &Path) -> Result<PathBuf> {
        let name = self.repository.rsplit('/').next().unwrap_or(self.repository);
        let path = folder.join(format!("{name}-{}", self.revision));
        if path.exists() {
            return Ok(path);
        }
        // A folder of the final name is complete.
        let partial = create_folder(folder.join(format!("{name}.partial")))?;
        fs::remove_dir_all(&partial).with_context(|| format!("{} cannot be removed", partial.display()))?;
        let git = |arguments: &[&str]| run::command(Command::new("git").arg("-C").arg(&partial).args(arguments));
        create_folder(partial.clone())?;
        git(&["init", "--quiet"])?;
        let address = format!("https://github.com/{}", self.repository);
        git(&["remote", "add", "origin", &address])?;
        git(&["fetch", "--quiet", "--depth", "1", "origin", self.revision])?;
        git(&["checkout", "--quiet", "FETCH_HEAD"])?;
        if !self.submodules.is_empty() {
            let update = ["submodule", "update", "--quiet", "--init", "--recursive", "--depth", "1"];
            git(&[&update, self.submodules].concat())?;
        }
        fs::rename(&partial, &path).with_context(|| format!("{} cannot be renamed", partial.display()))?;
        Ok(path)
    }
}

/// Builds a target of `source`. Returns the build folder.
fn build_with_cmake(source: &Path, target: &str, options: &[&str]) -> Result<PathBuf> {
    ensure!(system::succeeds("cmake", &["--version"]), "cmake is missing; install it, for example from cmake.org");
    let folder = source.join("build");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(source).arg("-B").arg(&folder).arg("-DCMAKE_BUILD_TYPE=Release").args(options);
    run::command(&mut configure)?;
    // Without a number, make starts all jobs at once.
    let jobs = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    let mut build = Command::new("cmake");
    build.arg("--build").arg(&folder).args(["--config", "Release", "--parallel", &jobs, "--target", target]);
    run::command(&mut build)?;
    Ok(folder)
}
