//! Pushes a minute of noise through an engine, as an offline render of a host does, and prints the strongest
//! tag of each prediction.
//!
//! ```text
//! cargo run --release -p tagvane-engine --example stream -- model.onnx
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tagvane_engine::{Engine, InferenceMode, ModelSource, RenderMode, Status};

/// The host's sample rate, in hertz.
const RATE: usize = 48_000;

/// The host's block size, in frames.
const BLOCK: usize = 512;

/// The length of the noise, in seconds.
const SECONDS: usize = 60;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(model), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: stream MODEL.onnx");
        return ExitCode::FAILURE;
    };
    match stream(PathBuf::from(model)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn stream(model: PathBuf) -> Result<(), Box<dyn Error>> {
    let engine = Engine::start(ModelSource::File(model), InferenceMode::Sliding);
    engine.wait_until_loaded();
    let board = engine.board();
    let tags = match board.status() {
        Status::Ready { tags, .. } => tags,
        Status::Failed(why) => return Err(why.into()),
        Status::Loading { .. } => return Err("the model is not loaded".into()),
    };

    let mut producer = engine.connect(RATE as f64, RenderMode::Offline)?;
    let mut noise = Noise(1);
    let mut version = board.version();
    for block in 0..SECONDS * RATE / BLOCK {
        let left: Vec<f32> = (0..BLOCK).map(|_| noise.sample()).collect();
        let right: Vec<f32> = (0..BLOCK).map(|_| noise.sample()).collect();
        producer.push(&[left, right]);
        engine.process_offline();
        if board.version() != version {
            version = board.version();
            let seconds = ((block + 1) * BLOCK) as f64 / RATE as f64;
            let probabilities = tags.iter().enumerate().map(|(index, tag)| (board.probability(index), tag));
            if let Some((probability, tag)) = probabilities.max_by(|a, b| a.0.total_cmp(&b.0)) {
                println!("{seconds:6.2} s  {probability:.3}  {tag}");
            }
        }
    }
    println!("{} predictions", board.inferences());
    Ok(())
}

/// White noise from a linear congruential generator.
struct Noise(u32);

impl Noise {
    /// The next sample, in -0.5..0.5.
    fn sample(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 24) as f32 - 0.5
    }
}
