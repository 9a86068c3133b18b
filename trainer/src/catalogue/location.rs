//! Where recordings and outputs are: files, and objects of stores.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

/// The schemes of the addresses that `object_store` knows.
const SCHEMES: [&str; 10] = ["s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss", "http", "https"];

/// Where a recording or an output is. Displays as the path or the address; bytes of a path that are not UTF-8 as `\xE9`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// A file or folder.
    Local(PathBuf),
    /// An object of a store, or a prefix of such: `s3://`, `gs://`, `az://`, `http://` and the like.
    Remote(Box<str>),
}

impl Location {
    /// Reads a path or an address.
    pub fn new(text: impl AsRef<OsStr>) -> Self {
        let text = text.as_ref();
        match text.to_str() {
            Some(address) if is_address(address) => Self::Remote(address.into()),
            _ => Self::Local(text.into()),
        }
    }

    /// The name for errors, and for the hint of the format that its extension is.
    pub fn as_path(&self) -> &Path {
        match self {
            Self::Local(path) => path,
            Self::Remote(address) => Path::new(address.as_ref()),
        }
    }
}

/// Whether a text is an address of a store.
fn is_address(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| SCHEMES.contains(&scheme))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => {
                for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
                    f.write_str(chunk.valid())?;
                    chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02X}"))?;
                }
                Ok(())
            }
            Self::Remote(address) => f.write_str(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_remote_and_all_else_is_local() {
        for text in ["s3://bucket/a b.mp3", "gs://bucket/a", "az://container/a", "https://host/a.ogg"] {
            assert_eq!(Location::new(text), Location::Remote(text.into()));
        }
        for text in ["a.mp3", "/music/s3:/a.mp3", "c:\\music\\a.mp3", "file name://a", "ftp://host/a"] {
            assert_eq!(Location::new(text), Location::Local(text.into()));
        }
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_not_utf_8_stay_distinct() {
        use std::os::unix::ffi::OsStrExt as _;
        let name = |bytes: &[u8]| Location::new(OsStr::from_bytes(bytes)).to_string();
        assert_eq!(name(b"caf\xe9.mp3"), "caf\\xE9.mp3");
        assert_eq!(name("café.mp3".as_bytes()), "café.mp3");
        assert_ne!(name(b"\xe8"), name(b"\xe9"));
    }
}
