//! Files that appear whole or not at all, in a folder or below a prefix of a store.

use super::location::Location;
use super::stores::{Object, Stores};
use crate::error::{Result, TrainerError};
use crate::files;
use bytes::Bytes;
use object_store::{Error as StoreError, PutMode, UpdateVersion};
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::PathBuf;

/// The file that is locked while a file beside it changes. Readers of data sets skip names that begin so.
const LOCK: &str = "_lock";

/// How often another run may be faster in changing an object.
const CONFLICTS: usize = 50;

/// Where a catalogue is written.
pub(crate) enum Folder {
    Local(PathBuf),
    Remote(Object),
}

impl Folder {
    /// The folder `name` in `location`. A local one is created.
    ///
    /// # Errors
    /// [`TrainerError`] where it cannot be created, or the address is not valid.
    pub(crate) fn open(location: &Location, name: &str, stores: &Stores) -> Result<Self> {
        match location {
            Location::Local(path) => {
                let path = path.join(name);
                std::fs::create_dir_all(&path).map_err(TrainerError::file(&path))?;
                Ok(Self::Local(path))
            }
            Location::Remote(address) => Ok(Self::Remote(stores.open(address)?.join(name))),
        }
    }

    /// The name of a file for errors.
    pub(crate) fn name(&self, name: &str) -> PathBuf {
        match self {
            Self::Local(path) => path.join(name),
            Self::Remote(object) => object.join(name).address().into(),
        }
    }

    /// The bytes of a file; `None` if there is none.
    ///
    /// # Errors
    /// [`TrainerError`] where it cannot be read.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Bytes>> {
        match self {
            Self::Local(path) => read_file(path.join(name)),
            Self::Remote(object) => Ok(read_object(&object.join(name))?.map(|(bytes, _)| bytes)),
        }
    }

    /// Writes what `change` makes of a file's bytes, which are `None` if there is none. Of two runs that change a file at
    /// once, one waits for the other; where a store has no such promise, the later one wins.
    ///
    /// # Errors
    /// [`TrainerError`], with the file as before, where it cannot be read or written, and those of `change`.
    pub(crate) fn update(&self, name: &str, change: impl Fn(Option<Bytes>) -> Result<Vec<u8>>) -> Result<()> {
        match self {
            Self::Local(folder) => {
                let _lock = lock(folder)?;
                let path = folder.join(name);
                let bytes = change(read_file(path.clone())?)?;
                files::write(&path, &bytes)
            }
            Self::Remote(object) => {
                let object = object.join(name);
                let (mut conflicts, mut is_conditional) = (0, true);
                loop {
                    let (bytes, version) = read_object(&object)?.unzip();
                    let bytes = change(bytes)?;
                    let mode = match version {
                        _ if !is_conditional => PutMode::Overwrite,
                        Some(version) => PutMode::Update(version),
                        None => PutMode::Create,
                    };
                    match object.wait(object.store.put_opts(&object.path, bytes.into(), mode.into())) {
                        Ok(_) => return Ok(()),
                        Err(StoreError::NotImplemented { .. } | StoreError::NotSupported { .. }) if is_conditional => {
                            is_conditional = false;
                        }
                        Err(StoreError::Precondition { .. } | StoreError::AlreadyExists { .. })
                            if conflicts < CONFLICTS =>
                        {
                            conflicts += 1;
                        }
                        Err(error) => return Err(object.failed("cannot be written", &error)),
                    }
                }
            }
        }
    }
}

/// The lock of a folder, until it is dropped. Where a file system knows no locks, there is none, and other runs are not waited
/// for.
///
/// # Errors
/// [`TrainerError::File`] where it cannot be had.
fn lock(folder: &std::path::Path) -> Result<Option<File>> {
    let path = folder.join(LOCK);
    // Another user may have made it.
    let file = OpenOptions::new().create(true).append(true).open(&path).or_else(|_| File::open(&path));
    let file = file.map_err(TrainerError::file(&path))?;
    match file.lock() {
        Ok(()) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(TrainerError::file(&path)(error)),
    }
}

fn read_file(path: PathBuf) -> Result<Option<Bytes>> {
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TrainerError::file(&path)(error)),
    }
}

/// An object and its version; `None` if there is none.
fn read_object(object: &Object) -> Result<Option<(Bytes, UpdateVersion)>> {
    let read = object.wait(async {
        let found = object.store.get_opts(&object.path, Default::default()).await?;
        let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        Ok((found.bytes().await?, version))
    });
    match read {
        Ok(found) => Ok(Some(found)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(object.failed("cannot be read", &error)),
    }
}
