//! Which recordings are asked for: files, folders, patterns, addresses and lists of them.

use super::location::Location;
use super::stores::Stores;
use crate::error::{Result, TrainerError};
use crate::files;
use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use walkdir::WalkDir;

/// The names of columns with paths, in the order in which they are looked for.
const PATH_COLUMNS: [&str; 5] = ["path", "file", "filename", "url", "location"];

/// The list that is standard input.
const STANDARD_INPUT: &str = "-";

/// The recordings that were found, and a sentence for each thing that was not.
#[derive(Debug, Default)]
pub struct Inputs {
    /// The recordings, in the order of the arguments. One may be there several times.
    pub locations: Vec<Location>,
    /// What could not be listed.
    pub errors: Vec<String>,
}

impl Inputs {
    /// Finds recordings: each file that is named, all audio files below each folder and each address that ends in a slash,
    /// and those that fit a pattern with `*`, `?` or `[]`.
    pub fn find(arguments: &[Location], stores: &Stores) -> Self {
        let mut inputs = Self::default();
        for argument in arguments {
            match argument {
                Location::Local(path) => inputs.add_local(path),
                Location::Remote(address) => {
                    if let Err(error) = inputs.add_remote(address, stores) {
                        inputs.errors.push(error.to_string());
                    }
                }
            }
        }
        inputs
    }

    fn add_local(&mut self, path: &Path) {
        if path.is_dir() {
            for entry in WalkDir::new(path).sort_by_file_name() {
                match entry {
                    Ok(entry) if entry.file_type().is_file() && files::is_audio(entry.path()) => {
                        self.locations.push(Location::Local(entry.into_path()));
                    }
                    Ok(_) => {}
                    Err(error) => self.errors.push(error.to_string()),
                }
            }
            return;
        }
        let pattern = path.to_str().filter(|text| is_pattern(text) && !path.exists());
        let Some(Ok(paths)) = pattern.map(glob::glob) else {
            self.locations.push(Location::Local(path.to_owned()));
            return;
        };
        let before = (self.locations.len(), self.errors.len());
        for found in paths {
            match found {
                Ok(found) if found.is_file() => self.locations.push(Location::Local(found)),
                Ok(_) => {}
                Err(error) => self.errors.push(error.to_string()),
            }
        }
        if (self.locations.len(), self.errors.len()) == before {
            self.errors.push(format!("{}: no file fits this pattern", path.display()));
        }
    }

    fn add_remote(&mut self, address: &str, stores: &Stores) -> Result<()> {
        // A question mark in an address of the web begins a query.
        let is_pattern = address.contains('*') || (is_pattern(address) && !address.starts_with("http"));
        if !is_pattern && !address.ends_with('/') {
            self.locations.push(Location::Remote(address.into()));
            return Ok(());
        }
        let prefix = match address.find(['*', '?', '[']).filter(|_| is_pattern) {
            Some(at) => &address[..=address[..at].rfind('/').unwrap_or(0)],
            None => address,
        };
        let wrong = |error: glob::PatternError| TrainerError::content(Path::new(address), error.to_string());
        let pattern = is_pattern.then(|| glob::Pattern::new(address).map_err(wrong)).transpose()?;
        let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
        let before = self.locations.len();
        for found in stores.open(prefix)?.list()? {
            let fits = match &pattern {
                Some(pattern) => pattern.matches_with(&found, options),
                None => files::is_audio(Path::new(&found)),
            };
            if fits {
                self.locations.push(Location::Remote(found.into()));
            }
        }
        if self.locations.len() == before {
            return Err(TrainerError::content(Path::new(address), "no recordings are there"));
        }
        Ok(())
    }

    /// Adds the recordings of a list: the column `column` of a CSV, TSV or Parquet file, or the lines of any other; `-` are
    /// the lines of standard input. Paths are relative to the current folder.
    ///
    /// # Errors
    /// [`TrainerError`] where the list cannot be read or has no such column.
    pub fn add_list(&mut self, list: &Path, column: Option<&str>) -> Result<()> {
        if list == Path::new(STANDARD_INPUT) {
            return self.add_lines(list, std::io::stdin().lock());
        }
        let file = File::open(list).map_err(TrainerError::file(list))?;
        match list.extension().and_then(|extension| extension.to_str()).map(str::to_lowercase).as_deref() {
            Some("csv") => self.add_csv(list, file, b',', column),
            Some("tsv") => self.add_csv(list, file, b'\t', column),
            Some("parquet") => self.add_parquet(list, file, column),
            _ => self.add_lines(list, BufReader::new(file)),
        }
    }

    fn add_lines(&mut self, list: &Path, reader: impl BufRead) -> Result<()> {
        for line in lines(reader) {
            let location = line.map_err(TrainerError::file(list))?;
            if !location.as_path().as_os_str().is_empty() {
                self.locations.push(location);
            }
        }
        Ok(())
    }

    fn add_csv(&mut self, list: &Path, file: File, delimiter: u8, column: Option<&str>) -> Result<()> {
        let wrong = |error: csv::Error| TrainerError::content(list, error.to_string());
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(file);
        let header = reader.byte_headers().map_err(wrong)?;
        let names: Vec<String> = header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        let index = find_column(list, &names, column)?;
        let mut record = csv::ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(wrong)? {
            if let Some(path) = record.get(index).filter(|path| !path.is_empty()) {
                self.locations.push(from_bytes(path));
            }
        }
        Ok(())
    }

    fn add_parquet(&mut self, list: &Path, file: File, column: Option<&str>) -> Result<()> {
        let wrong = |why: &dyn std::fmt::Display| TrainerError::content(list, format!("cannot be read: {why}"));
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| wrong(&error))?;
        let names: Vec<String> = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
        let index = find_column(list, &names, column)?;
        let mask = ProjectionMask::roots(reader.parquet_schema(), [index]);
        for batch in reader.with_projection(mask).build().map_err(|error| wrong(&error))? {
            let batch = batch.map_err(|error| wrong(&error))?;
            let column = batch.column(0);
            let mut add = |path: Option<&str>| {
                self.locations.extend(path.filter(|path| !path.is_empty()).map(Location::new));
            };
            match column.data_type() {
                DataType::Utf8 => column.as_string::<i32>().iter().for_each(&mut add),
                DataType::LargeUtf8 => column.as_string::<i64>().iter().for_each(&mut add),
                DataType::Utf8View => column.as_string_view().iter().for_each(&mut add),
                other => {
                    let name = &names[index];
                    return Err(wrong(&format!("the column {name} has {other}, not text; give --column")));
                }
            }
        }
        Ok(())
    }
}

/// The location in each line, as the lines arrive.
pub(crate) fn lines(mut reader: impl BufRead) -> impl Iterator<Item = std::io::Result<Location>> {
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => {
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                Some(Ok(from_bytes(line.strip_suffix(b"\r").unwrap_or(line))))
            }
            Err(error) => Some(Err(error)),
        }
    })
}

/// The location that a list writes so. Elsewhere than on Unix, bytes that are not UTF-8 name no file.
fn from_bytes(bytes: &[u8]) -> Location {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        Location::new(std::ffi::OsStr::from_bytes(bytes))
    }
    #[cfg(not(unix))]
    Location::new(String::from_utf8_lossy(bytes).as_ref())
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The index of the column with the paths.
fn find_column(list: &Path, names: &[String], column: Option<&str>) -> Result<usize> {
    let position = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
    let found = match column {
        Some(column) => position(column),
        None => PATH_COLUMNS.iter().find_map(|name| position(name)),
    };
    found.ok_or_else(|| {
        let wanted = column.map_or(PATH_COLUMNS.join(", "), str::to_owned);
        let names = names.join(", ");
        TrainerError::content(list, format!("it has no column {wanted}; give --column with one of {names}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(inputs: &Inputs, folder: &Path) -> Vec<String> {
        let name = |location: &Location| files::relative_name(location.as_path(), folder);
        inputs.locations.iter().map(name).collect()
    }

    fn find(folder: &Path, argument: &str) -> Inputs {
        let stores = Stores::new(std::time::Duration::from_secs(1)).unwrap();
        Inputs::find(&[Location::new(folder.join(argument))], &stores)
    }

    #[test]
    fn files_folders_and_patterns_are_found() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/1.mp3", "a/b/2.FLAC", "a/notes.txt", "c/3.wav", "c/[4].wav"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = |argument: &str| names(&find(folder.path(), argument), folder.path());
        assert_eq!(found(""), ["a/1.mp3", "a/b/2.FLAC", "c/3.wav", "c/[4].wav"]);
        assert_eq!(found("a/notes.txt"), ["a/notes.txt"]);
        assert_eq!(found("missing.wav"), ["missing.wav"]);
        assert_eq!(found("*/?.*"), ["a/1.mp3", "c/3.wav"]);
        assert_eq!(found("**/*.FLAC"), ["a/b/2.FLAC"]);
        assert_eq!(found("c/[4].wav"), ["c/[4].wav"]);
        let none = find(folder.path(), "*.ogg");
        assert!(none.locations.is_empty() && none.errors[0].contains("no file fits"), "{none:?}");
    }

    #[test]
    fn lists_name_the_column_or_have_a_path_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str, text: &[u8], column: Option<&str>| {
            let list = folder.path().join(name);
            std::fs::write(&list, text).unwrap();
            let mut inputs = Inputs::default();
            inputs.add_list(&list, column).map(|()| names(&inputs, Path::new("/")))
        };
        assert_eq!(read("a.txt", b"/x/a b.mp3\r\n\n/y.mp3", None).unwrap(), ["x/a b.mp3", "y.mp3"]);
        assert_eq!(read("a.csv", b"id,Path\n1,\"/x, y.mp3\"\n2,/z.mp3\n", None).unwrap(), ["x, y.mp3", "z.mp3"]);
        assert_eq!(read("a.tsv", b"where\tid\n/a.mp3\t1\n", Some("where")).unwrap(), ["a.mp3"]);
        let error = read("b.csv", b"id,where\n1,/a.mp3\n", None).unwrap_err().to_string();
        assert!(error.contains("--column") && error.contains("id, where"), "{error}");
        assert!(read("a.parquet", b"this is no Parquet", None).is_err());
    }
}
