//! Teachers from PyPI: the taggers of the PyPI package `musicnn` 0.1.0 (Pons and Serra 2019, ISC licence),
//! converted from TensorFlow checkpoints to ONNX, without TensorFlow.
//!
//! Their input is 47616 mono samples at 16 kHz: 187 frames of a mel spectrogram.

mod checkpoint;
mod front_end;
mod networks;

use crate::data::vocabularies::{MAGNATAGATUNE, MILLION_SONG};
use crate::error::{Result, TrainerError};
use crate::export::graph::Graph;
use crate::files;
use checkpoint::Checkpoint;
use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};
use tagvane_engine::{Metadata, Model};
use zip::ZipArchive;

/// Input samples: 186 hops, which make 187 frames.
pub const WINDOW: usize = 186 * front_end::HOP;

/// Sample rate of the input, in hertz.
pub const RATE: u32 = 16_000;

/// SHA-256 of the only accepted wheel, so that its content can be trusted.
pub const WHEEL_SHA256: &str = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa";

/// Adds a network after the spectrogram of the given name and returns the name of its logits.
type AddNetwork = fn(&mut Graph, &Checkpoint, &str) -> std::result::Result<String, String>;

/// Each teacher's folder in the wheel, its tags and its network.
const TEACHERS: [(&str, &[&str; 50], AddNetwork); 4] = [
    ("MTT_musicnn", &MAGNATAGATUNE, networks::add_musicnn),
    ("MTT_vgg", &MAGNATAGATUNE, networks::add_vgg),
    ("MSD_musicnn", &MILLION_SONG, networks::add_musicnn),
    ("MSD_vgg", &MILLION_SONG, networks::add_vgg),
];

/// The names of the teachers in the wheel.
pub fn names() -> impl Iterator<Item = &'static str> {
    TEACHERS.iter().map(|(name, ..)| *name)
}

/// Writes the four teachers of a wheel into a folder as ONNX files and returns their paths.
///
/// # Errors
/// [`TrainerError`] if this is not the wheel of musicnn 0.1.0, or a file cannot be written.
pub fn convert(wheel: &Path, out: &Path) -> Result<Vec<PathBuf>> {
    let bytes = std::fs::read(wheel).map_err(TrainerError::file(wheel))?;
    if files::sha256(&bytes) != WHEEL_SHA256 {
        let what = "this is not the wheel of musicnn 0.1.0; get it with `pip download --no-deps musicnn==0.1.0`";
        return Err(TrainerError::content(wheel, what));
    }
    let broken = |what: String| TrainerError::content(wheel, what);
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(error.to_string()))?;
    std::fs::create_dir_all(out).map_err(TrainerError::file(out))?;
    let mut written = Vec::new();
    for (name, tags, add_network) in TEACHERS {
        let mut part = |part: &str| -> Result<Vec<u8>> {
            let mut bytes = Vec::new();
            let mut file =
                archive.by_name(&format!("musicnn/{name}/{part}")).map_err(|error| broken(error.to_string()))?;
            file.read_to_end(&mut bytes).map_err(TrainerError::file(wheel))?;
            Ok(bytes)
        };
        let checkpoint = Checkpoint::open(part(".index")?, part(".data-00000-of-00001")?).map_err(broken)?;
        let onnx = to_onnx(name, tags, add_network, &checkpoint).map_err(broken)?;
        Model::from_bytes(&onnx)?;
        let path = out.join(name).with_extension("onnx");
        files::write(&path, &onnx)?;
        written.push(path);
    }
    Ok(written)
}

fn to_onnx(
    name: &str,
    tags: &[&str; 50],
    add_network: AddNetwork,
    checkpoint: &Checkpoint,
) -> std::result::Result<Vec<u8>, String> {
    let mut graph = Graph::default();
    let spectrogram = front_end::add_spectrogram(&mut graph, "waveform");
    let logits = add_network(&mut graph, checkpoint, &spectrogram)?;
    graph.add_node("Sigmoid", &[&logits], "probabilities", &[]);
    let dataset = if tags[0] == MAGNATAGATUNE[0] { "MagnaTagATune" } else { "the Million Song Dataset" };
    let metadata = Metadata {
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        vocabularies: Vec::new(),
        weak_tags: Vec::new(),
        sample_rate: Some(RATE),
        window: Some(WINDOW),
        architecture: name.to_owned(),
        widths: String::new(),
        trained_on: format!("{dataset}, by the authors of musicnn (Pons and Serra 2019)"),
        licence: "ISC".into(),
        ..Metadata::default()
    };
    Ok(graph.into_model_bytes(name.to_owned(), ("waveform", WINDOW), &[("probabilities", tags.len())], &metadata))
}
