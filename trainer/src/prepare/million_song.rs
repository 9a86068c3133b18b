//! The Million Song Dataset with Last.fm tags, in the split of
//! keunwoochoi/MSD_split_for_tagging, and 7digital's previews.

use super::{Source, some};
use crate::error::{Result, TrainerError};
use npyz::{DType, NpyFile};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

/// The previews' length that is taken, in seconds.
pub const SECONDS: f64 = 29.1;

/// The songs of a folder with `train_x_filename.txt`, `train_y.npy` and the like for
/// `valid` and `test`; `audio` is the folder below which the previews are. A preview
/// `3/6/36122424.npy` is the file `3/6/36122424.clip.mp3`. With `shortest_only`, as for
/// the paper, nothing else changes: too short previews are left out when decoded.
///
/// # Errors
/// [`TrainerError`] where a file is missing or two of them disagree.
pub fn sources(split: &Path, audio: &Path, tags: usize) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for (prefix, group) in [("train", "training"), ("valid", "validation"), ("test", "test")] {
        let names = split.join(format!("{prefix}_x_filename.txt"));
        let text = std::fs::read_to_string(&names).map_err(TrainerError::file(&names))?;
        let names_of: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let path = split.join(format!("{prefix}_y.npy"));
        let labels = labels(&path, names_of.len(), tags)?;
        for (name, labels) in names_of.into_iter().zip(labels.chunks_exact(tags)) {
            let stem = name.strip_suffix(".npy").unwrap_or(name);
            let inside = Path::new(stem).components().all(|part| matches!(part, std::path::Component::Normal(_)));
            if !inside {
                return Err(TrainerError::content(&names, format!("\"{name}\" is no path below the audio folder")));
            }
            sources.push(Source {
                name: stem.into(),
                path: audio.join(format!("{stem}.clip.mp3")),
                group: group.into(),
                labels: labels.to_vec(),
            });
        }
    }
    some(sources, split)
}

/// numpy's own are of some hundred bytes; npyz makes room for as many as the file says.
const LONGEST_HEADER: u32 = 1 << 16;

/// How long the header of a numpy array says that it is, in bytes, by the file's beginning.
fn header_length(start: &[u8]) -> u32 {
    match *start {
        [_, _, _, _, _, _, 1, _, a, b, ..] => u32::from_le_bytes([a, b, 0, 0]),
        [_, _, _, _, _, _, _, _, a, b, c, d, ..] => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// The labels of a numpy file `[songs, tags]`, of whichever type of number.
fn labels(path: &Path, songs: usize, tags: usize) -> Result<Vec<f32>> {
    let wrong = |what: String| TrainerError::content(path, what);
    let mut file = BufReader::new(File::open(path).map_err(TrainerError::file(path))?);
    let header = header_length(file.fill_buf().map_err(TrainerError::file(path))?);
    if header > LONGEST_HEADER {
        return Err(wrong(format!("this is no numpy array: its header would be {header} bytes long")));
    }
    let array = NpyFile::new(file).map_err(|error| wrong(format!("this is no numpy array: {error}")))?;
    if array.shape() != [songs as u64, tags as u64] {
        return Err(wrong(format!(
            "the array is {:?}, and {songs} songs with {tags} tags were expected",
            array.shape()
        )));
    }
    if array.order() != npyz::Order::C {
        return Err(wrong("the array is in Fortran's order; save it with numpy.ascontiguousarray".into()));
    }
    let kind = match array.dtype() {
        DType::Plain(kind) => kind.to_string(),
        _ => String::new(),
    };
    let read = |error: std::io::Error| wrong(format!("the array cannot be read: {error}"));
    let values: Vec<f32> = match kind.as_str() {
        "<f4" => array.into_vec::<f32>().map_err(read)?,
        "<f8" => array.into_vec::<f64>().map_err(read)?.into_iter().map(|value| value as f32).collect(),
        "<i8" => array.into_vec::<i64>().map_err(read)?.into_iter().map(|value| value as f32).collect(),
        "<i4" => array.into_vec::<i32>().map_err(read)?.into_iter().map(|value| value as f32).collect(),
        "|u1" => array.into_vec::<u8>().map_err(read)?.into_iter().map(f32::from).collect(),
        "|i1" => array.into_vec::<i8>().map_err(read)?.into_iter().map(f32::from).collect(),
        "|b1" => array.into_vec::<bool>().map_err(read)?.into_iter().map(f32::from).collect(),
        other => return Err(wrong(format!("the array's numbers are of the type \"{other}\", which is not known"))),
    };
    if values.iter().any(|value| !(0.0..=1.0).contains(value)) {
        return Err(wrong("the labels must be within 0 and 1".into()));
    }
    Ok(values)
}
