//! Prints the ten strongest tags of each window of a recording.
//!
//! The recording is a file of mono samples without a header: 32-bit floats, little-endian, at the model's
//! sample rate.
//!
//! ```text
//! ffmpeg -i song.mp3 -ac 1 -ar 22050 -f f32le song.f32
//! cargo run --release -p tagvane-engine --example tag_file -- model.onnx song.f32
//! ```

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use tagvane_engine::{InferenceMode, Model};

/// The number of tags to print for a window.
const TAGS: usize = 10;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [model, recording] = arguments.as_slice() else {
        eprintln!("usage: tag_file MODEL.onnx RECORDING.f32");
        return ExitCode::FAILURE;
    };
    match tag_file(Path::new(model), Path::new(recording)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn tag_file(model: &Path, recording: &Path) -> Result<(), Box<dyn Error>> {
    // The windows do not overlap, so nothing would be gained by sliding inference.
    let model = Model::open(model, InferenceMode::FullWindows)?;
    let samples = read_samples(recording)?;
    let names = model.metadata().display_tags();
    let seconds = model.window() as f64 / f64::from(model.sample_rate());
    for (index, window) in samples.chunks_exact(model.window()).enumerate() {
        let probabilities = model.predict(window)?;
        let mut tags: Vec<(&String, f32)> = names.iter().zip(probabilities).collect();
        tags.sort_by(|a, b| b.1.total_cmp(&a.1));
        println!("{:.1} s to {:.1} s", index as f64 * seconds, (index + 1) as f64 * seconds);
        for (tag, probability) in tags.iter().take(TAGS) {
            println!("  {probability:.3}  {tag}");
        }
    }
    Ok(())
}

/// Reads a file of little-endian 32-bit floats; an incomplete one at its end is ignored.
fn read_samples(path: &Path) -> std::io::Result<Vec<f32>> {
    let bytes = std::fs::read(path)?;
    let samples = bytes.chunks_exact(4).map(|sample| f32::from_le_bytes([sample[0], sample[1], sample[2], sample[3]]));
    Ok(samples.collect())
}
