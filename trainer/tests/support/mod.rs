//! Miniature data sets that the tests generate.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The first sections of a configuration for the data set of [`low_and_high`]: a small network, and the groups.
pub(crate) const SMALL_NETWORK: &str = "
[architecture]
kind = \"sample-level\"
m = 3
n = 5
window = 2187
widths = [8, 8, 8, 16, 16, 16]
[groups]
validation = [\"validation\"]
test = [\"test\"]
";

/// A command prefix that may mount a file system; `None` if the system does not allow it.
pub(crate) fn with_mounts() -> Option<Vec<&'static str>> {
    let prefixes = [vec!["unshare", "--user", "--map-root-user", "--mount"], vec!["unshare", "--mount"]];
    prefixes.into_iter().find(|prefix| {
        let tried = Command::new(prefix[0]).args(&prefix[1..]).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
        tried.is_ok_and(|output| output.status.success())
    })
}

/// Writes a sine tone as a WAV file; the extension of `path` may be another one.
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

/// Writes low and high tones into `audio`, and `list.csv` with their groups and their tags, which are `low` and
/// `high_tag`.
pub(crate) fn low_and_high(folder: &Path, high_tag: &str) {
    let mut list = String::from("path,group,tag\n");
    for index in 0..12 {
        let (tag, offset) = if index % 2 == 0 { ("low", 0.0) } else { (high_tag, 2_000.0) };
        tone(&folder.join(format!("audio/{index}.wav")), 80.0 + 17.0 * index as f32 + offset, 6.0);
        list += &format!("{index}.wav,{},{tag}\n", if index < 8 { "training" } else { "validation" });
    }
    std::fs::write(folder.join("list.csv"), list).unwrap();
}

/// Writes a data set like MagnaTagATune, `annotations.csv` and `mp3/`, and returns both paths. `clips` are paths, tags
/// and lengths in seconds; a clip of 0 seconds has no file. The columns are in alphabetical order, with additional tags
/// outside the fifty.
pub(crate) fn magnatagatune(folder: &Path, clips: &[(&str, &[&str], f32)]) -> (PathBuf, PathBuf) {
    let mut tags: Vec<&str> = tagvane_trainer::data::vocabularies::MAGNATAGATUNE.to_vec();
    tags.extend(["zither", "another tag"]);
    tags.sort();
    let mut text = format!("clip_id\t{}\tmp3_path\n", tags.join("\t"));
    for (index, (path, positives, seconds)) in clips.iter().enumerate() {
        let row: Vec<&str> = tags.iter().map(|tag| if positives.contains(tag) { "1" } else { "0" }).collect();
        text += &format!("{index}\t{}\t{path}\n", row.join("\t"));
        if *seconds > 0.0 {
            tone(&folder.join("mp3").join(path), 100.0 + 50.0 * index as f32, *seconds);
        }
    }
    let annotations = folder.join("annotations.csv");
    std::fs::write(&annotations, text).unwrap();
    (annotations, folder.join("mp3"))
}

/// Writes a small network with random weights and these tags to `path`, as a teacher.
#[cfg(feature = "flex")]
pub(crate) fn random_teacher(path: &Path, tags: &[&str]) -> PathBuf {
    use tagvane_trainer::architecture::{Architecture, SampleLevel};
    let architecture = Architecture::SampleLevel(SampleLevel::new(3, 5, 6_561, vec![4, 4, 6, 6, 8, 8]));
    let plan = architecture.plan(tags.len()).unwrap();
    let network = tagvane_trainer::network::Network::<burn::backend::Flex>::new(&plan, &Default::default());
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    let metadata = tagvane_engine::Metadata { tags, ..Default::default() };
    std::fs::write(path, tagvane_trainer::export::to_onnx(&network, &architecture, &metadata)).unwrap();
    path.to_owned()
}
