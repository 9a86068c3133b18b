//! The log: a file of bounded size in the user's state folder. Nothing is written to the streams of the host.

use directories::ProjectDirs;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tracing::level_filters::LevelFilter;

/// The environment variable with `stderr`, or with another file.
const LOG_VARIABLE: &str = "TAGVANE_LOG";

/// The most bytes of the file. Then it is renamed, replaces the one that was renamed before, and a new one begins.
const MAX_BYTES: u64 = 256 << 10;

/// Where the log is written to.
#[derive(Debug, PartialEq)]
enum LogTarget {
    Stderr,
    File(PathBuf),
}

/// A file that is opened with the first line, so that a host that only scans the plug-in leaves no file behind.
struct LogFile {
    path: PathBuf,
    file: Option<File>,
}

/// Writes whole lines to the file; lines that cannot be written are dropped.
struct LogWriter<'a>(&'a Mutex<LogFile>);

/// Starts logging for this process.
pub(crate) fn start() {
    let builder = tracing_subscriber::fmt().with_max_level(LevelFilter::INFO).with_target(false).with_ansi(false);
    let started = match LogTarget::from_env() {
        Some(LogTarget::Stderr) => builder.without_time().with_writer(io::stderr).try_init(),
        Some(LogTarget::File(path)) => {
            let file: &'static Mutex<LogFile> = Box::leak(Box::new(Mutex::new(LogFile { path, file: None })));
            builder.with_writer(move || LogWriter(file)).try_init()
        }
        None => Ok(()),
    };
    // It fails if something else in this library has started logging, which then goes there.
    drop(started);
}

/// The file of the log; `None` if there is none.
pub(crate) fn file() -> Option<PathBuf> {
    match LogTarget::from_env()? {
        LogTarget::Stderr => None,
        LogTarget::File(path) => Some(path),
    }
}

impl LogTarget {
    /// The target from the environment or the system; `None` if the system has no folder for it.
    fn from_env() -> Option<Self> {
        match std::env::var_os(LOG_VARIABLE) {
            Some(target) if target == "stderr" => Some(Self::Stderr),
            Some(path) if !path.is_empty() => Some(Self::File(path.into())),
            _ => {
                let folders = ProjectDirs::from("", "", "Tagvane")?;
                let folder = folders.state_dir().unwrap_or(folders.data_local_dir());
                Some(Self::File(folder.join("tagvane.log")))
            }
        }
    }
}

impl LogFile {
    /// Appends a line.
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let is_full = |file: &File| file.metadata().is_ok_and(|file| file.len() + line.len() as u64 > MAX_BYTES);
        if self.file.as_ref().is_some_and(is_full) {
            self.file = None;
        }
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                if let Some(folder) = self.path.parent() {
                    fs::create_dir_all(folder)?;
                }
                let file = open(&self.path)?;
                if is_full(&file) {
                    // Another process may have done so meanwhile.
                    drop(fs::rename(&self.path, self.path.with_extension("old.log")));
                    open(&self.path)?
                } else {
                    file
                }
            }
        };
        file.write_all(line)?;
        self.file = Some(file);
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl Write for LogWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A full disk, or a home that is read-only, must not reach the host's streams.
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).append(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_stays_within_two_files_of_bounded_size() {
        let folder = std::env::temp_dir().join(format!("tagvane-log-{}", std::process::id()));
        let path = folder.join("state/tagvane.log");
        let log = Mutex::new(LogFile { path: path.clone(), file: None });
        assert!(!folder.exists(), "nothing is written before the first line");
        for number in 0..10_000 {
            writeln!(LogWriter(&log), "{number:099}").unwrap();
        }
        // Another process goes on with the same file.
        let other = Mutex::new(LogFile { path: path.clone(), file: None });
        writeln!(LogWriter(&other), "other").unwrap();
        let mut names: Vec<_> =
            fs::read_dir(path.parent().unwrap()).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["tagvane.log", "tagvane.old.log"]);
        let sizes = ["log", "old.log"].map(|end| fs::metadata(path.with_extension(end)).unwrap().len());
        assert!(sizes.iter().all(|size| (1..=MAX_BYTES).contains(size)), "{sizes:?}");
        assert!(fs::read_to_string(&path).unwrap().ends_with("9999\nother\n"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_written_is_no_error() {
        let log = Mutex::new(LogFile { path: "/dev/null/tagvane.log".into(), file: None });
        writeln!(LogWriter(&log), "lost").unwrap();
    }
}
