//! Data sets in miniature, which the tests make themselves.

use std::path::{Path, PathBuf};

/// Writes seconds of a tone as a WAV file, whatever the name's extension says.
pub(crate) fn tone(path: &Path, hertz: f32, seconds: f32) {
    const RATE: u32 = 16_000;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let spec =
        hound::WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for index in 0..(seconds * RATE as f32) as usize {
        let turns = hertz * index as f32 / RATE as f32;
        writer.write_sample((10_000.0 * (std::f32::consts::TAU * turns).sin()) as i16).unwrap();
    }
    writer.finalize().unwrap();
}

/// Low tones and high ones in `audio`, and `list.csv` with their tags and groups: the low ones are
/// called low, the others as asked.
pub(crate) fn low_and_high(folder: &Path, high: &str) {
    let mut list = String::from("path,group,tag\n");
    for index in 0..12 {
        let (tag, above) = if index % 2 == 0 { ("low", 0.0) } else { (high, 2_000.0) };
        tone(&folder.join(format!("audio/{index}.wav")), 80.0 + 17.0 * index as f32 + above, 6.0);
        list += &format!("{index}.wav,{},{tag}\n", if index < 8 { "training" } else { "validation" });
    }
    std::fs::write(folder.join("list.csv"), list).unwrap();
}

/// A tree like MagnaTagATune's: `annotations.csv` and `mp3/`, with `clips` given by
/// their path, their tags and their length. The columns are in the order of the
/// alphabet, with tags besides that do not count.
pub(crate) fn magnatagatune(folder: &Path, clips: &[(&str, &[&str], f32)]) -> (PathBuf, PathBuf) {
    let mut tags: Vec<&str> = tagvane_trainer::data::vocabularies::MAGNATAGATUNE.to_vec();
    tags.extend(["zither", "a tag that nobody counts"]);
    tags.sort();
    let mut text = format!("clip_id\t{}\tmp3_path\n", tags.join("\t"));
    for (index, (path, has, seconds)) in clips.iter().enumerate() {
        let row: Vec<&str> = tags.iter().map(|tag| if has.contains(tag) { "1" } else { "0" }).collect();
        text += &format!("{index}\t{}\t{path}\n", row.join("\t"));
        if *seconds > 0.0 {
            tone(&folder.join("mp3").join(path), 100.0 + 50.0 * index as f32, *seconds);
        }
    }
    let annotations = folder.join("annotations.csv");
    std::fs::write(&annotations, text).unwrap();
    (annotations, folder.join("mp3"))
}
