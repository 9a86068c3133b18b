//! The Million Song Dataset with Last.fm tags, in the split of keunwoochoi/MSD_split_for_tagging, with the previews of
//! 7digital.

use super::require_any;
use crate::data::Source;
use crate::error::{Result, TrainerError};
use npyz::{DType, NpyFile};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

/// Length of the clips, in seconds; longer previews are truncated, shorter ones are skipped.
pub const SECONDS: f64 = 29.1;

/// The songs of the folder `split`, which has `train_x_filename.txt` and `train_y.npy`, and the same files for `valid`
/// and `test`. `audio` has the previews: the name `3/6/36122424.npy` stands for the file `3/6/36122424.clip.mp3`.
///
/// # Errors
/// [`TrainerError`] where a file is missing or invalid, or the numbers of names and labels differ.
pub fn sources(split: &Path, audio: &Path, tags: usize) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for (prefix, group) in [("train", "training"), ("valid", "validation"), ("test", "test")] {
        let names = split.join(format!("{prefix}_x_filename.txt"));
        let text = std::fs::read_to_string(&names).map_err(TrainerError::file(&names))?;
        let songs: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let path = split.join(format!("{prefix}_y.npy"));
        let labels = labels(&path, songs.len(), tags)?;
        for (name, labels) in songs.into_iter().zip(labels.chunks_exact(tags)) {
            let stem = name.strip_suffix(".npy").unwrap_or(name);
            let is_inside = Path::new(stem).components().all(|part| matches!(part, std::path::Component::Normal(_)));
            if !is_inside {
                return Err(TrainerError::content(
                    &names,
                    format!("\"{name}\" is not a path below the audio folder; correct it"),
                ));
            }
            sources.push(Source {
                name: stem.into(),
                path: Some(audio.join(format!("{stem}.clip.mp3"))),
                group: group.into(),
                labels: Some(labels.to_vec()),
            });
        }
    }
    require_any(sources, split)
}

/// Maximum length of a numpy header in bytes. numpy writes about a hundred; npyz allocates as many as the file claims.
const MAX_HEADER_BYTES: u32 = 1 << 16;

/// Length of the header that a numpy file claims to have, in bytes; `start` is the beginning of the file.
fn header_length(start: &[u8]) -> u32 {
    match *start {
        [_, _, _, _, _, _, 1, _, a, b, ..] => u32::from_le_bytes([a, b, 0, 0]),
        [_, _, _, _, _, _, _, _, a, b, c, d, ..] => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// Reads labels `[songs, tags]` from a numpy file with any numeric type.
fn labels(path: &Path, songs: usize, tags: usize) -> Result<Vec<f32>> {
    let wrong = |what: String| TrainerError::content(path, what);
    let mut file = BufReader::new(File::open(path).map_err(TrainerError::file(path))?);
    let header = header_length(file.fill_buf().map_err(TrainerError::file(path))?);
    if header > MAX_HEADER_BYTES {
        return Err(wrong(format!(
            "this is not a numpy array, because its header would be {header} bytes long; download it again"
        )));
    }
    let array =
        NpyFile::new(file).map_err(|error| wrong(format!("this is not a numpy array; download it again: {error}")))?;
    if array.shape() != [songs as u64, tags as u64] {
        return Err(wrong(format!(
            "the array has the shape {:?}, but {songs} songs with {tags} tags were expected; download it again",
            array.shape()
        )));
    }
    if array.order() != npyz::Order::C {
        return Err(wrong("the array is in Fortran order; save it with numpy.ascontiguousarray".into()));
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
        other => return Err(wrong(format!("the array has the unsupported type \"{other}\"; save it as float32"))),
    };
    if values.iter().any(|value| !(0.0..=1.0).contains(value)) {
        return Err(wrong("the labels must be within 0 and 1; correct them".into()));
    }
    Ok(values)
}
