//! `dist`: both bundles as people download them.

use crate::paths::{create_folder, root, target_folder};
use crate::{bundle, run, system};
use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The profile in Cargo.toml.
const PROFILE: &str = "dist";

/// The glibc of Debian 11, the oldest that the library loads with on Linux.
const GLIBC: (u32, u32) = (2, 31);

/// The triple that is built on Linux.
const LINUX: &str = "x86_64-unknown-linux-gnu";

/// Debian 11's packages of that glibc, each with its SHA-256. The library is linked against them.
const GLIBC_PACKAGES: &[(&str, &str)] = &[
    ("libc6_2.31-13+deb11u11_amd64.deb", "05f7264da867b37f4c5ce49266b558ea1e81e05a9464f623152fca70f3550282"),
    ("libc6-dev_2.31-13+deb11u11_amd64.deb", "e7f7b45d9c5cfcf37609f0b6efd3c645272c812144703af89dfd32218fcb0fd3"),
];

/// Where the linker finds its libraries there.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// Where Debian has them.
const GLIBC_FOLDER: &str = "https://deb.debian.org/debian/pool/main/g/glibc";

/// What a later libstdc++ needs besides.
const GLIBC_ADDITIONS: &str = "xtask/src/dist/single_threaded.c";

/// The collector of the dependencies' licences.
const CARGO_ABOUT: &str = "cargo-about@0.8.4";

/// What lies beside the bundles: the file in the repository, and its name in the archive.
const DOCUMENTS: &[(&str, &str)] = &[
    ("plugin/README.md", "README.md"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("LICENSE-MIT", "LICENSE-MIT"),
];

/// The folder of the models, whose cards are in the archive.
const MODELS: &str = "plugin/models";

#[derive(clap::Args)]
pub(crate) struct Dist {
    /// Build twice, each time from nothing, and compare both archives byte by byte
    #[arg(long)]
    twice: bool,
    /// Folder to put the archive and its SHA-256 into
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

impl Dist {
    /// Builds the archive, or two that have to be equal.
    ///
    /// # Errors
    /// If something cannot be built, or the archives differ.
    pub(crate) fn run(&self) -> Result<()> {
        let folder = target_folder()?.join(PROFILE);
        let archive = archive(&folder)?;
        if self.twice {
            let again = self::archive(&target_folder()?.join(format!("{PROFILE}-again")))?;
            let [one, other] =
                [&archive, &again].map(|path| fs::read(path).with_context(|| path.display().to_string()));
            ensure!(one? == other?, "{} and {} differ", archive.display(), again.display());
            println!("both archives are equal to the last byte");
        }
        if let Some(out) = &self.out {
            let name = archive.file_name().context("the archive has no name")?;
            let to = create_folder(out.clone())?.join(name);
            copy(&archive, &to)?;
            let line = sum_line(&archive, &name.to_string_lossy())?;
            fs::write(to.with_added_extension("sha256"), line).context("the SHA-256 cannot be written")?;
        }
        Ok(())
    }
}

/// The system of the archive, as its name has it.
fn system_name() -> String {
    let (system, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{system}-{}", if cfg!(target_os = "macos") { "universal" } else { architecture })
}

/// Builds in a target folder of its own, and packs. Returns the archive.
fn archive(folder: &Path) -> Result<PathBuf> {
    system::ensure_packages()?;
    let name = format!("tagvane-{}-{}", env!("CARGO_PKG_VERSION"), system_name());
    let staged = folder.join(&name);
    if staged.exists() {
        fs::remove_dir_all(&staged).with_context(|| format!("{} cannot be removed", staged.display()))?;
    }
    create_folder(staged.clone())?;
    write_bundles(folder, &staged)?;
    for (file, name) in DOCUMENTS {
        copy(&root().join(file), &staged.join(name))?;
    }
    for card in cards()? {
        copy(&card, &create_folder(staged.join("models"))?.join(card.file_name().unwrap_or_default()))?;
    }
    licences(&staged.join("THIRD-PARTY.html"))?;
    write_sums(&staged)?;
    let archive = folder.join(name).with_added_extension("zip");
    pack(&staged, &archive)?;
    let megabytes = |path: &Path| fs::metadata(path).map(|metadata| metadata.len() as f64 / 1e6);
    let library = library(&staged);
    println!("{}: {:.1} MB, its library {:.1} MB", archive.display(), megabytes(&archive)?, megabytes(&library)?);
    Ok(archive)
}

/// Builds the library, and writes both bundles.
fn write_bundles(folder: &Path, staged: &Path) -> Result<()> {
    match std::env::consts::OS {
        "linux" => {
            let library = build_for_old_glibc(folder)?;
            check_symbols(&library)?;
            bundle::write(&library, staged, bundle::LINUX_VST3)
        }
        "windows" => bundle::write(&build(folder)?.join("tagvane.dll"), staged, bundle::WINDOWS_VST3),
        // There a CLAP is a folder, too; nice-plug's bundler has signed both.
        "macos" => {
            let bundled = build_universal(folder)?;
            for bundle in ["Tagvane.clap", "Tagvane.vst3"] {
                run::command(Command::new("cp").arg("-a").arg(bundled.join(bundle)).arg(staged))?;
            }
            Ok(())
        }
        system => bail!("no archive is known for {system}"),
    }
}

/// The library of a CLAP in the archive.
fn library(staged: &Path) -> PathBuf {
    let bundle = staged.join("Tagvane.clap");
    if cfg!(target_os = "macos") { bundle.join("Contents/MacOS/Tagvane") } else { bundle }
}

/// The flags that keep the machine's paths out of the library.
fn remap(folder: &Path) -> Result<String> {
    let home = |name: &str| std::env::var(name).ok();
    let cargo = home("CARGO_HOME").or_else(|| Some(format!("{}/.cargo", home("HOME")?)));
    let cargo = cargo.context("neither CARGO_HOME nor HOME is set")?;
    // The last one that fits counts.
    let paths = [(root().display().to_string(), "tagvane"), (cargo, "cargo"), (folder.display().to_string(), "target")];
    Ok(paths.map(|(from, to)| format!("--remap-path-prefix={from}={to}")).join("\u{1f}"))
}

/// Builds with cargo for the system at hand. Returns the folder of the library.
fn build(folder: &Path) -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--profile", PROFILE, "--package", "tagvane", "--lib"]);
    cargo.env("CARGO_TARGET_DIR", folder).env("CARGO_ENCODED_RUSTFLAGS", remap(folder)?);
    run::command(&mut cargo)?;
    Ok(folder.join(PROFILE))
}

/// Builds for both architectures of macOS, bundles them as one, and signs them ad hoc. Returns the folder of the bundles.
fn build_universal(folder: &Path) -> Result<PathBuf> {
    for target in ["x86_64-apple-darwin", "aarch64-apple-darwin"] {
        run::command(Command::new("rustup").args(["target", "add", target]))?;
    }
    let arguments = ["--profile".to_owned(), PROFILE.to_owned()];
    nice_plug_xtask::bundle(folder, "tagvane", &arguments, true)?;
    Ok(folder.join("bundled"))
}

/// Builds against the glibc of [`GLIBC`]. Returns the library.
fn build_for_old_glibc(folder: &Path) -> Result<PathBuf> {
    ensure!(cfg!(target_arch = "x86_64"), "the archive for Linux is built on x86-64 only");
    let glibc = old_glibc(&target_folder()?.join("glibc"))?;
    let additions = folder.join("single_threaded.o");
    let mut compiler = Command::new("cc");
    run::command(compiler.args(["-c", "-O2", "-fPIC", "-o"]).arg(&additions).arg(root().join(GLIBC_ADDITIONS)))?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["rustc", "--profile", PROFILE, "--package", "tagvane", "--lib", "--crate-type", "cdylib"]);
    cargo.args(["--target", LINUX, "--"]).arg(format!("-Clink-arg=--sysroot={}", glibc.display()));
    // gcc looks into the system's folders before those in its sysroot, but into these first.
    let libraries = glibc.join(LIBRARIES);
    for option in ["-B", "-L"] {
        cargo.arg(format!("-Clink-arg={option}{}", libraries.display()));
    }
    cargo.arg(format!("-Clink-arg={}", additions.display()));
    cargo.env("CARGO_TARGET_DIR", folder).env("CARGO_ENCODED_RUSTFLAGS", remap(folder)?);
    run::command(&mut cargo)?;
    Ok(folder.join(LINUX).join(PROFILE).join("libtagvane.so"))
}

/// Downloads and unpacks an old glibc, unless it is there. Returns the folder in which the linker finds it as `/`.
fn old_glibc(folder: &Path) -> Result<PathBuf> {
    create_folder(folder.to_owned())?;
    for (package, sum) in GLIBC_PACKAGES {
        let file = folder.join(package);
        let is_there = || fs::read(&file).is_ok_and(|bytes| format!("{:x}", Sha256::digest(&bytes)) == *sum);
        if !is_there() {
            system::install(if system::has_program("curl") { &[] } else { &["curl", "ca-certificates"] })?;
            let mut curl = Command::new("curl");
            curl.args(["--fail", "--silent", "--show-error", "--location", "--output"]).arg(&file);
            run::command(curl.arg(format!("{GLIBC_FOLDER}/{package}")))?;
            ensure!(is_there(), "{GLIBC_FOLDER}/{package} is another file than expected");
        }
        run::command(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(folder.join("root")))?;
    }
    let root = folder.join("root");
    for libraries in [LIBRARIES, "lib64"].map(|folder| root.join(folder)) {
        for entry in fs::read_dir(&libraries).with_context(|| format!("{} cannot be read", libraries.display()))? {
            let link = entry?.path();
            // A link to `/lib` means that of the old glibc, which is here.
            if let Ok(target) = fs::read_link(&link)
                && let Ok(inside) = target.strip_prefix("/")
                && !target.starts_with(&root)
            {
                replace_link(&link, &root.join(inside))?;
            }
        }
    }
    Ok(root)
}

#[cfg(unix)]
fn replace_link(link: &Path, target: &Path) -> Result<()> {
    fs::remove_file(link)
        .and_then(|()| std::os::unix::fs::symlink(target, link))
        .with_context(|| format!("{} cannot be changed", link.display()))
}

#[cfg(not(unix))]
fn replace_link(_link: &Path, _target: &Path) -> Result<()> {
    bail!("the archive for Linux is built on Linux only")
}

/// Makes sure that a library asks for no symbol of a later glibc, and for no C++ library.
fn check_symbols(library: &Path) -> Result<()> {
    let output =
        Command::new("objdump").args(["-T", "-p"]).arg(library).output().context("objdump cannot be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = |text: &str| -> Option<(u32, u32)> {
        let mut parts = text.split('.').map(|part| part.parse().ok());
        Some((parts.next()??, parts.next()??))
    };
    let names = text.split(|c: char| c.is_whitespace() || c == '(' || c == ')');
    let latest = names.filter_map(|name| version(name.strip_prefix("GLIBC_")?)).max();
    let latest = latest.with_context(|| format!("{} names no glibc", library.display()))?;
    ensure!(latest <= GLIBC, "{} needs glibc {}.{}", library.display(), latest.0, latest.1);
    for line in text.lines().filter(|line| line.contains("NEEDED")) {
        ensure!(!line.contains("++"), "{} needs a C++ library: {line}", library.display());
    }
    println!("the library needs glibc {}.{} at most", latest.0, latest.1);
    Ok(())
}

/// The cards of the models.
fn cards() -> Result<Vec<PathBuf>> {
    let folder = root().join(MODELS);
    let entries = fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut cards: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    cards.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    cards.sort();
    Ok(cards)
}

/// Writes the licences of every dependency of the plug-in.
fn licences(to: &Path) -> Result<()> {
    let tools = target_folder()?.join("tools");
    let program = tools.join("bin/cargo-about");
    if !program.exists() {
        let mut install = Command::new(env!("CARGO"));
        install.args(["install", "--locked", CARGO_ABOUT, "--root"]).arg(&tools);
        run::command(&mut install)?;
    }
    let mut about = Command::new(program);
    about.args(["about", "generate", "--fail", "--manifest-path"]).arg(root().join("plugin/Cargo.toml"));
    about.arg("--config").arg(root().join("xtask/src/dist/about.toml")).arg("--output-file").arg(to);
    run::command(about.arg(root().join("xtask/src/dist/about.hbs")))
}

/// Writes the SHA-256 of each file, as `sha256sum` checks them.
fn write_sums(staged: &Path) -> Result<()> {
    let mut sums = String::new();
    for file in files(staged)? {
        sums.push_str(&sum_line(&staged.join(&file), &file.to_string_lossy().replace('\\', "/"))?);
    }
    fs::write(staged.join("SHA256SUMS"), sums).context("SHA256SUMS cannot be written")
}

/// The SHA-256 of a file and its name, as a line that `sha256sum` checks.
fn sum_line(file: &Path, name: &str) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(format!("{:x}  {name}\n", Sha256::digest(bytes)))
}

/// All files in a folder, relative to it, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(inside) = folders.pop() {
        let path = folder.join(&inside);
        for entry in fs::read_dir(&path).with_context(|| format!("{} cannot be read", path.display()))? {
            let entry = entry?;
            let name = inside.join(entry.file_name());
            if entry.file_type()?.is_dir() { folders.push(name) } else { found.push(name) }
        }
    }
    found.sort();
    Ok(found)
}

/// Writes an archive of a folder that depends on its files alone.
fn pack(staged: &Path, archive: &Path) -> Result<()> {
    let Some(parent) = staged.parent() else { bail!("{} is in no folder", staged.display()) };
    let file = fs::File::create(archive).with_context(|| format!("{} cannot be created", archive.display()))?;
    let mut writer = ZipWriter::new(file);
    for file in files(staged)? {
        let path = staged.join(&file);
        let is_program = path.extension().is_none_or(|extension| extension == "clap" || extension == "so");
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9))
            .unix_permissions(if is_program { 0o755 } else { 0o644 });
        let name = path.strip_prefix(parent)?.to_string_lossy().replace('\\', "/");
        writer.start_file(name, options)?;
        writer.write_all(&fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?)?;
    }
    writer.finish()?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("{} cannot be copied to {}", from.display(), to.display()))?;
    Ok(())
}
