//! What metadata a file has.

use crate::riff::WavFile;
use crate::symphonia_reader::open_format;
use std::fs::File;
use std::path::Path;
use symphonia::core::meta::MetadataContainer;

/// The values of all tags of a file and the data of its pictures, without their keys; empty if the format is not known.
///
/// A program that changes metadata compares them before and after.
pub fn metadata_values(path: &Path) -> Vec<Vec<u8>> {
    let source = File::open(path).and_then(|file| WavFile::new(Box::new(file)));
    let Some(mut format) = source.ok().and_then(|source| open_format(Box::new(source), path)) else {
        return Vec::new();
    };
    let mut values = Vec::new();
    let mut take = |container: &MetadataContainer| {
        values.extend(container.tags.iter().map(|tag| tag.raw.value.to_string().into_bytes()));
        values.extend(container.visuals.iter().map(|visual| visual.data.to_vec()));
    };
    let mut metadata = format.metadata();
    loop {
        if let Some(revision) = metadata.current() {
            take(&revision.media);
            revision.per_track.iter().for_each(|track| take(&track.metadata));
        }
        if metadata.pop().is_none() {
            return values;
        }
    }
}
