//! Opens recordings wherever they are, and hashes them while they are decoded.

use super::location::Location;
use super::remote_reader::RemoteReader;
use super::stores::Stores;
use crate::error::{Result, TrainerError};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tagvane_audio::{AudioError, AudioStream, MediaSource};

/// What tells without reading it whether a recording has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Size in bytes.
    pub(crate) size: i64,
    /// When it was changed last, in milliseconds since 1970; `None` if that is not known.
    pub(crate) modified: Option<i64>,
}

impl Stamp {
    /// That of a recording as it is now.
    ///
    /// # Errors
    /// [`TrainerError`], which names the recording, where it is not there or is not a file.
    pub(crate) fn of(location: &Location, stores: &Stores) -> Result<Self> {
        match location {
            Location::Local(path) => {
                if path.as_os_str().is_empty() {
                    return Err(TrainerError::Request("the line is empty; give a path or an address".into()));
                }
                let open = |cause| AudioError::Open { path: path.clone(), cause };
                let metadata = std::fs::metadata(path).map_err(open)?;
                if !metadata.is_file() {
                    return Err(TrainerError::content(path, "this is not a file; give an audio file"));
                }
                let since_epoch =
                    metadata.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
                let modified = since_epoch.map(|time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
                Ok(Self { size: i64::try_from(metadata.len()).unwrap_or(i64::MAX), modified })
            }
            Location::Remote(address) => {
                let object = stores.open(address)?;
                let options = object_store::GetOptions { head: true, ..Default::default() };
                let found = object.wait(object.store.get_opts(&object.path, options));
                let found = found.map_err(|error| object.failed("cannot be opened", &error))?;
                Ok(Self::of_object(&found.meta))
            }
        }
    }

    /// That of an object. A server that does not know its time says 1970.
    fn of_object(meta: &object_store::ObjectMeta) -> Self {
        let modified = Some(meta.last_modified.timestamp_millis()).filter(|time| *time > 0);
        Self { size: i64::try_from(meta.size).unwrap_or(i64::MAX), modified }
    }
}

/// A recording that is read while its SHA-256 is computed.
pub(crate) struct Source {
    pub(crate) stamp: Stamp,
    shared: Arc<Mutex<HashedReader>>,
}

impl Source {
    /// Opens a recording.
    ///
    /// # Errors
    /// [`TrainerError`], which names the recording, where it cannot be opened.
    pub(crate) fn open(location: &Location, stores: &Stores) -> Result<Self> {
        let (stamp, reader): (Stamp, Box<dyn MediaSource>) = match location {
            Location::Local(path) => {
                let stamp = Stamp::of(location, stores)?;
                let file = File::open(path).map_err(|cause| AudioError::Open { path: path.clone(), cause })?;
                (stamp, Box::new(file))
            }
            Location::Remote(address) => {
                let object = stores.open(address)?;
                let reader = RemoteReader::open(object.clone());
                let reader = reader.map_err(|error| object.failed("cannot be opened", &error))?;
                (Stamp::of_object(reader.meta()), Box::new(reader))
            }
        };
        let shared = HashedReader { reader, position: 0, hasher: Sha256::new(), hashed: 0, error: None };
        Ok(Self { stamp, shared: Arc::new(Mutex::new(shared)) })
    }

    /// The audio of the recording.
    ///
    /// # Errors
    /// [`AudioError`] where nothing in it can be decoded.
    pub(crate) fn audio(&self, location: &Location) -> std::result::Result<AudioStream, AudioError> {
        match AudioStream::from_source(Box::new(SharedReader(self.shared.clone())), location.as_path()) {
            // ffmpeg reads files only.
            Err(AudioError::Unsupported { path, .. }) if matches!(location, Location::Local(_)) => {
                AudioStream::open(&path)
            }
            opened => opened,
        }
    }

    /// Makes sure that nothing failed in reading what was read.
    ///
    /// # Errors
    /// [`TrainerError::Content`], which names the recording.
    pub(crate) fn check(&self, location: &Location) -> Result<()> {
        match lock(&self.shared).error.take() {
            Some(why) => Err(broken(location.as_path(), &why)),
            None => Ok(()),
        }
    }

    /// The SHA-256 of the whole recording, as 64 hexadecimal digits. What was not read in order yet is read now.
    ///
    /// # Errors
    /// [`TrainerError::Content`], which names the recording, where it could not be read somewhere on the way.
    pub(crate) fn sha256(self, location: &Location) -> Result<String> {
        let mut shared = lock(&self.shared);
        let end = shared.hashed;
        let finished = if shared.error.is_none() && shared.reader.is_seekable() {
            shared.seek(SeekFrom::Start(end)).map(drop)
        } else {
            Ok(())
        };
        let finished = finished.and_then(|()| io::copy(&mut *shared, &mut io::sink()));
        match (shared.error.take(), finished) {
            (Some(why), _) => Err(broken(location.as_path(), &why)),
            (None, Err(error)) => Err(broken(location.as_path(), &error.to_string())),
            (None, Ok(_)) => Ok(format!("{:x}", shared.hasher.finalize_reset())),
        }
    }
}

/// The error of a recording that breaks off. A store says itself where.
fn broken(name: &Path, why: &str) -> TrainerError {
    let why = why.strip_prefix(&format!("{}: ", name.display())).unwrap_or(why);
    TrainerError::content(name, format!("reading it failed: {why}"))
}

fn lock(shared: &Mutex<HashedReader>) -> MutexGuard<'_, HashedReader> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hashes what is read in order.
struct HashedReader {
    reader: Box<dyn MediaSource>,
    position: u64,
    hasher: Sha256,
    /// Bytes that are hashed, from the first on.
    hashed: u64,
    /// The first error, which Symphonia takes for an end.
    error: Option<String>,
}

impl Read for HashedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer).inspect_err(|error| note(&mut self.error, error))?;
        let start = self.position;
        self.position += count as u64;
        if let Some(known) = self.hashed.checked_sub(start)
            && self.position > self.hashed
        {
            self.hasher.update(&buffer[known as usize..count]);
            self.hashed = self.position;
        }
        Ok(count)
    }
}

impl Seek for HashedReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = self.reader.seek(to).inspect_err(|error| note(&mut self.error, error))?;
        Ok(self.position)
    }
}

/// Keeps the first error that is one.
fn note(first: &mut Option<String>, error: &io::Error) {
    if !matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::Unsupported) {
        first.get_or_insert_with(|| error.to_string());
    }
}

/// What Symphonia owns of a recording.
struct SharedReader(Arc<Mutex<HashedReader>>);

impl Read for SharedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        lock(&self.0).read(buffer)
    }
}

impl Seek for SharedReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        lock(&self.0).seek(to)
    }
}

impl MediaSource for SharedReader {
    fn is_seekable(&self) -> bool {
        lock(&self.0).reader.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        lock(&self.0).reader.byte_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_hash_is_that_of_the_file_in_whatever_order_it_is_read() {
        let seed = rand::random();
        println!("seed {seed}");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let folder = tempfile::tempdir().unwrap();
        let stores = Stores::new(std::time::Duration::from_secs(1)).unwrap();
        for _ in 0..200 {
            let bytes: Vec<u8> = (0..rng.random_range(1..5_000)).map(|_| rng.random()).collect();
            let location = Location::Local(folder.path().join("bytes"));
            std::fs::write(location.as_path(), &bytes).unwrap();
            let source = Source::open(&location, &stores).unwrap();
            let mut reader = SharedReader(source.shared.clone());
            for _ in 0..rng.random_range(0..20) {
                let start = rng.random_range(0..bytes.len());
                if rng.random() {
                    reader.seek(SeekFrom::Start(start as u64)).unwrap();
                }
                let at = lock(&source.shared).position as usize;
                let mut buffer = vec![0; rng.random_range(0..1_000)];
                let count = reader.read(&mut buffer).unwrap();
                assert_eq!(buffer[..count], bytes[at..at + count]);
            }
            assert_eq!(source.sha256(&location).unwrap(), crate::files::sha256(&bytes));
        }
    }
}
