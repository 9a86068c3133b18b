//! Reads an object of a store as it arrives.

use super::stores::Object;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::{Error as StoreError, GetOptions, GetRange, ObjectMeta};
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tagvane_audio::MediaSource;

/// How often a request that breaks off is sent again without a byte in between.
const RETRIES: u32 = 4;

/// Bytes that are rather read than skipped by a new request.
const SKIP: u64 = 1 << 18;

/// The blocks of an object, as they arrive.
type Blocks = BoxStream<'static, object_store::Result<bytes::Bytes>>;

/// An object that is read in one request, and in further ones where it is not read in order behind its first block. A request that breaks off is
/// sent again from there on.
pub(crate) struct RemoteReader {
    object: Object,
    meta: ObjectMeta,
    /// Whether the store sends parts of an object.
    has_ranges: bool,
    position: u64,
    /// The request that goes on at the end of `block`. The lock is never waited for: it makes the stream shareable.
    blocks: Mutex<Option<Blocks>>,
    /// What has arrived from `position` on.
    block: bytes::Bytes,
    /// The first block, to which readers of headers return.
    first: bytes::Bytes,
}

impl RemoteReader {
    /// Asks for an object.
    ///
    /// # Errors
    /// That of the store.
    pub(crate) fn open(object: Object) -> object_store::Result<Self> {
        let get = |options| object.wait(object.store.get_opts(&object.path, options));
        let (found, has_ranges) = match get(GetOptions { range: Some(GetRange::Offset(0)), ..GetOptions::default() }) {
            Ok(found) => (found, true),
            Err(error @ (StoreError::NotFound { .. } | StoreError::PermissionDenied { .. })) => return Err(error),
            Err(error @ StoreError::Unauthenticated { .. }) => return Err(error),
            // A web server that knows no ranges, or an empty object.
            Err(_) => (get(GetOptions::default())?, false),
        };
        let meta = found.meta.clone();
        Ok(Self {
            meta,
            has_ranges,
            position: 0,
            blocks: Mutex::new(Some(found.into_stream())),
            block: bytes::Bytes::new(),
            first: bytes::Bytes::new(),
            object,
        })
    }

    /// Size, time and version of the object.
    pub(crate) fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    /// Asks for the object from `position` on.
    fn request(&self) -> object_store::Result<Blocks> {
        let range = Some(GetRange::Offset(self.position));
        // Another version would be joined to this one.
        let if_match = self.meta.e_tag.clone().filter(|tag| !tag.starts_with("W/"));
        let options = GetOptions { range, if_match, ..GetOptions::default() };
        let found = self.object.wait(self.object.store.get_opts(&self.object.path, options))?;
        Ok(found.into_stream())
    }

    /// Waits for the next block.
    ///
    /// # Errors
    /// A sentence, where the store sends none in several requests.
    fn receive(&mut self) -> Result<()> {
        let mut failures = 0;
        loop {
            let blocks = self.blocks.get_mut().unwrap_or_else(PoisonError::into_inner).take();
            let received = match blocks.map_or_else(|| self.request(), Ok) {
                Ok(mut blocks) => {
                    let next = self.object.wait(blocks.next());
                    *self.blocks.get_mut().unwrap_or_else(PoisonError::into_inner) = Some(blocks);
                    next.unwrap_or_else(|| {
                        let source = "the object ends before its stated size".into();
                        Err(StoreError::Generic { store: "store", source })
                    })
                }
                Err(error) => Err(error),
            };
            match received {
                Ok(block) if block.is_empty() => {}
                Ok(block) => {
                    if self.position == 0 {
                        self.first = block.clone();
                    }
                    self.block = block;
                    return Ok(());
                }
                Err(error) if failures == RETRIES || !self.has_ranges || is_final(&error) => {
                    return Err(Error::other(self.object.failed("cannot be read", &error).to_string()));
                }
                Err(_) => {
                    *self.blocks.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
                    std::thread::sleep(Duration::from_millis(200) * 2_u32.pow(failures));
                    failures += 1;
                }
            }
        }
    }
}

/// Whether an error comes again at the next request.
fn is_final(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::NotFound { .. }
            | StoreError::Precondition { .. }
            | StoreError::PermissionDenied { .. }
            | StoreError::Unauthenticated { .. }
    )
}

impl Read for RemoteReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if buffer.is_empty() || self.position >= self.meta.size {
            return Ok(0);
        }
        if self.block.is_empty() {
            self.receive()?;
        }
        let count = buffer.len().min(self.block.len());
        buffer[..count].copy_from_slice(&self.block.split_to(count));
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for RemoteReader {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::End(offset) => self.meta.size.saturating_add_signed(offset),
            SeekFrom::Current(offset) => self.position.saturating_add_signed(offset),
        };
        if target == self.position {
            return Ok(target);
        }
        if !self.has_ranges {
            return Err(Error::new(ErrorKind::Unsupported, "the server sends objects as a whole only"));
        }
        let arrived = self.position + self.block.len() as u64;
        if arrived == self.first.len() as u64 && target < arrived {
            self.block = self.first.slice(target as usize..);
            self.position = target;
        }
        while target > self.position && target - self.position <= SKIP && self.position < self.meta.size {
            if self.block.is_empty() {
                self.receive()?;
            }
            let count = (target - self.position).min(self.block.len() as u64);
            drop(self.block.split_to(count as usize));
            self.position += count;
        }
        if target != self.position {
            *self.blocks.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
            self.block.clear();
            self.position = target;
        }
        Ok(target)
    }
}

impl MediaSource for RemoteReader {
    fn is_seekable(&self) -> bool {
        self.has_ranges
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.meta.size)
    }
}
