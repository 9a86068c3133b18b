//! From host blocks to the board, with a tagger whose predictions are known.

mod support;

use std::sync::{Arc, Mutex};
use support::{bytes, loudness};
use tagvane_engine::{
    AudioProducer, Engine, EngineObserver, InferenceMode, ModelRequest, ModelSource, RenderMode, Status, StreamTime,
};

/// The hop of a model that is run by full windows, in samples.
const HOP: usize = 2_187;

/// The window of the loudness tagger, in samples.
const WINDOW: usize = 3 * HOP;

fn loudness_model(window: usize) -> ModelSource {
    ModelSource::Bytes { name: "loudness".into(), bytes: Vec::leak(bytes(&loudness(window))) }
}

/// An engine with the loudness tagger, connected at `rate` for offline rendering.
fn offline_engine(rate: f64) -> (Engine, AudioProducer) {
    let engine = Engine::start(loudness_model(WINDOW), InferenceMode::Sliding);
    engine.wait_until_loaded();
    let producer = engine.connect(rate, RenderMode::Offline).unwrap();
    (engine, producer)
}

/// The mean and the peak on the board, in thousandths: a mean of thousands of floats is not exact.
fn mean_and_peak(engine: &Engine) -> [i32; 2] {
    [0, 1].map(|tag| (engine.board().probability(tag) * 1_000.0).round() as i32)
}

/// Renders `frames` frames of a constant level, in blocks of 512.
fn render(engine: &Engine, producer: &mut AudioProducer, level: f32, frames: usize) {
    for start in (0..frames).step_by(512) {
        producer.push(&[&vec![level; 512.min(frames - start)][..]]);
        engine.process_offline();
    }
}

#[test]
fn the_first_prediction_needs_a_whole_window() {
    let (engine, mut producer) = offline_engine(22_050.0);
    render(&engine, &mut producer, 0.5, WINDOW - 1);
    assert_eq!((mean_and_peak(&engine), engine.board().version()), ([0; 2], 0));
    render(&engine, &mut producer, 0.5, 1);
    assert_eq!((mean_and_peak(&engine), engine.board().inferences()), ([500, 500], 1));
}

#[test]
fn the_window_advances_by_hops() {
    let (engine, mut producer) = offline_engine(22_050.0);
    render(&engine, &mut producer, 0.3, WINDOW);
    render(&engine, &mut producer, 0.9, HOP);
    assert_eq!(mean_and_peak(&engine), [500, 900]);
    render(&engine, &mut producer, 0.9, 2 * HOP);
    assert_eq!(mean_and_peak(&engine), [900, 900]);
    assert_eq!(engine.board().inferences(), 4);
}

#[test]
fn a_silent_window_is_not_predicted_and_clears_the_board() {
    let (engine, mut producer) = offline_engine(22_050.0);
    render(&engine, &mut producer, 0.5, WINDOW);
    let before = engine.board().inferences();
    // The window is not yet silent as a whole.
    render(&engine, &mut producer, 1e-5, 2 * HOP);
    assert_eq!(engine.board().inferences(), before + 2);
    render(&engine, &mut producer, 1e-5, 20 * HOP);
    assert_eq!((mean_and_peak(&engine), engine.board().inferences()), ([0; 2], before + 2));
    render(&engine, &mut producer, 0.5, HOP);
    assert_eq!(engine.board().inferences(), before + 3);
}

#[test]
fn a_discontinuity_clears_the_board_and_starts_a_new_window() {
    let (engine, mut producer) = offline_engine(22_050.0);
    render(&engine, &mut producer, 0.5, WINDOW + HOP / 2);
    producer.mark_discontinuity();
    engine.process_offline();
    assert_eq!(mean_and_peak(&engine), [0; 2]);
    render(&engine, &mut producer, 0.7, WINDOW - 1);
    assert_eq!(mean_and_peak(&engine), [0; 2]);
    render(&engine, &mut producer, 0.7, 1);
    assert_eq!(mean_and_peak(&engine), [700, 700]);
    assert_eq!(engine.board().gaps(), 0);
}

#[test]
fn lost_audio_is_counted_and_clears_the_board() {
    let (engine, mut producer) = offline_engine(22_050.0);
    render(&engine, &mut producer, 0.5, WINDOW);
    // Ten seconds are more than the queue's capacity.
    producer.push(&[&vec![0.5; 220_500][..]]);
    engine.process_offline();
    producer.push(&[&[0.5; 64][..]]);
    engine.process_offline();
    assert_eq!((engine.board().gaps(), mean_and_peak(&engine)), (1, [0; 2]));
}

#[test]
fn the_level_is_the_same_at_every_sample_rate() {
    for rate in [8_000.0, 11_025.0, 44_100.0, 48_000.0, 96_000.0, 192_000.0, 768_000.0, 44_101.5] {
        let (engine, mut producer) = offline_engine(rate);
        let seconds = (WINDOW + 6 * HOP) as f64 / 22_050.0;
        render(&engine, &mut producer, 0.5, (seconds * rate) as usize);
        assert_eq!(mean_and_peak(&engine)[0], 500, "{rate} Hz");
    }
}

#[test]
fn predictions_do_not_depend_on_the_block_size() {
    let music = |frame: usize| ((frame as f32 * 0.013).sin() * (frame as f32 * 0.000_7).cos()) * 0.8;
    let run = |block: usize| {
        let (engine, mut producer) = offline_engine(48_000.0);
        let samples: Vec<f32> = (0..48_000).map(music).collect();
        for block in samples.chunks(block) {
            producer.push(&[block]);
            engine.process_offline();
        }
        ([0, 1].map(|tag| engine.board().probability(tag).to_bits()), engine.board().inferences())
    };
    let expected = run(48_000);
    assert!(expected.1 > 3);
    for block in [1, 64, 511, 4_096] {
        assert_eq!(run(block), expected, "blocks of {block}");
    }
}

#[test]
fn connect_and_disconnect_clear_the_board() {
    let (engine, mut producer) = offline_engine(48_000.0);
    render(&engine, &mut producer, 0.5, 48_000);
    assert_ne!(mean_and_peak(&engine), [0; 2]);
    let mut producer = engine.connect(96_000.0, RenderMode::Offline).unwrap();
    assert_eq!(mean_and_peak(&engine), [0; 2]);
    render(&engine, &mut producer, 0.2, 96_000);
    assert_eq!(mean_and_peak(&engine)[0], 200);
    engine.disconnect();
    assert_eq!(mean_and_peak(&engine), [0; 2]);
    assert!(engine.connect(1.0, RenderMode::Realtime).is_err());
}

#[test]
fn the_workers_predict_in_real_time() {
    let (engine, _) = offline_engine(22_050.0);
    let mut producer = engine.connect(22_050.0, RenderMode::Realtime).unwrap();
    producer.push(&[&vec![0.5; WINDOW][..]]);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while engine.board().version() == 0 || mean_and_peak(&engine) == [0; 2] {
        assert!(std::time::Instant::now() < deadline, "there is no prediction");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(mean_and_peak(&engine), [500, 500]);
}

#[test]
fn a_first_model_that_cannot_be_used_fails_in_one_sentence() {
    let engine = Engine::start(ModelSource::File("no/such/model.onnx".into()), InferenceMode::Sliding);
    engine.wait_until_loaded();
    let Status::Failed(why) = engine.board().status() else { panic!("it is loaded") };
    assert!(why.contains("no/such/model.onnx") && !why.contains('\n'), "{why}");
    let mut producer = engine.connect(22_050.0, RenderMode::Offline).unwrap();
    render(&engine, &mut producer, 0.5, 2 * WINDOW);
    assert_eq!((mean_and_peak(&engine), engine.board().inferences()), ([0; 2], 0));
    // Another model can still be loaded.
    engine.load(loudness_model(WINDOW));
    engine.wait_until_loaded();
    render(&engine, &mut producer, 0.5, WINDOW);
    assert_eq!(mean_and_peak(&engine), [500, 500]);
}

#[test]
fn the_current_model_stays_in_use_if_another_one_cannot_be_used() {
    let (engine, mut producer) = offline_engine(22_050.0);
    engine.load(ModelSource::File("no/such/model.onnx".into()));
    engine.wait_until_loaded();
    let info = engine.board().model_info();
    let notice = info.notice.unwrap();
    assert!(notice.contains("no/such/model.onnx") && notice.contains("loudness stays in use"), "{notice}");
    assert!(matches!(engine.board().status(), Status::Ready { .. }));
    render(&engine, &mut producer, 0.5, 2 * WINDOW);
    assert_eq!(mean_and_peak(&engine), [500, 500]);
    // A model that can be used removes the notice.
    let source = ModelSource::Bytes { name: "again".into(), bytes: Vec::leak(bytes(&loudness(WINDOW))) };
    engine.load(source.clone());
    engine.wait_until_loaded();
    let info = engine.board().model_info();
    assert_eq!((info.notice, info.source, info.hash.len()), (None, Some(source), 64));
}

#[test]
fn a_missing_file_is_substituted_and_a_changed_one_gives_a_notice() {
    let folder = std::env::temp_dir().join(format!("tagvane-missing-model-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("mine.onnx");
    // A window that no other test uses: instances with the same model share it.
    std::fs::write(&file, bytes(&loudness(3 * WINDOW))).unwrap();
    let source = ModelSource::File(file.clone());
    let first = Engine::start(source.clone(), InferenceMode::Sliding);
    first.wait_until_loaded();
    let hash = first.board().model_info().hash;
    let fallback = ModelSource::Bytes { name: "the usual".into(), bytes: Vec::leak(bytes(&loudness(2 * WINDOW))) };
    let request = ModelRequest { hash: Some(hash.clone()), fallback: Some(fallback.clone()), ..source.clone().into() };
    let load = |request: &ModelRequest| {
        let engine = Engine::start(request.clone(), InferenceMode::Sliding);
        engine.wait_until_loaded();
        engine.board().model_info()
    };
    assert_eq!(load(&request).notice, None);
    let with_other_hash = ModelRequest { hash: Some("0".repeat(64)), ..request.clone() };
    assert!(load(&with_other_hash).notice.unwrap().contains("another file"));
    std::fs::remove_dir_all(&folder).unwrap();
    // Another instance uses the model; it is found by its hash.
    let info = load(&request);
    assert!(info.notice.unwrap().contains("another instance"));
    assert_eq!((info.source, info.hash), (Some(source), hash));
    drop(first);
    let info = load(&request);
    assert!(info.notice.unwrap().contains("the usual is used instead"));
    assert_eq!(info.source, Some(fallback));
}

/// Records the time of every prediction.
#[derive(Default)]
struct Recorder(Mutex<Vec<StreamTime>>);

impl EngineObserver for Recorder {
    fn on_status(&self, _: &Status) {}

    fn on_prediction(&self, time: StreamTime, _: &[f32], _: &[i8]) {
        self.0.lock().unwrap().push(time);
    }
}

#[test]
fn prediction_times_are_the_same_at_any_sample_rate_and_block_size() {
    let prediction_times = |rate: f64, block: usize| {
        let recorder = Arc::new(Recorder::default());
        let observer: Arc<dyn EngineObserver> = Arc::clone(&recorder) as _;
        let engine = Engine::with_observer(loudness_model(WINDOW), InferenceMode::Sliding, observer);
        engine.wait_until_loaded();
        let mut producer = engine.connect(rate, RenderMode::Offline).unwrap();
        // Two segments of a second and a half.
        for _ in 0..2 {
            let frames = (1.5 * rate) as usize;
            for first in (0..frames).step_by(block) {
                producer.push(&[&vec![0.5; block.min(frames - first)][..]]);
                engine.process_offline();
            }
            producer.mark_discontinuity();
        }
        recorder.0.lock().unwrap().clone()
    };
    let reference = prediction_times(22_050.0, 512);
    let hops = (1.5 * 22_050.0) as usize / HOP;
    assert_eq!(reference.len(), 2 * (hops - 2));
    for (index, time) in reference.iter().enumerate() {
        let (segment, hop) = (index / (hops - 2), 3 + index % (hops - 2));
        assert_eq!(time.segment - reference[0].segment, segment as u32);
        assert!((time.seconds - (hop * HOP) as f64 / 22_050.0).abs() < 1e-9, "{time:?}");
    }
    for (rate, block) in [(22_050.0, 64), (44_100.0, 441), (48_000.0, 4_096), (96_000.0, 1)] {
        assert!(prediction_times(rate, block) == reference, "{rate} Hz, blocks of {block}");
    }
}

/// Stereo with one side inverted once gave silence without a warning.
#[test]
fn the_loudest_channel_is_used_for_stereo_that_cancels() {
    let sides = |frame: usize| {
        let left = 0.5 * (frame as f32 * 0.1).sin();
        [left, -0.9 * left]
    };
    let run = |block: usize| {
        let (engine, mut producer) = offline_engine(44_100.0);
        for start in (0..80_000).step_by(block) {
            let frames = start..(start + block).min(80_000);
            let channels = [0, 1].map(|side| frames.clone().map(|frame| sides(frame)[side]).collect::<Vec<f32>>());
            producer.push(&channels);
            engine.process_offline();
        }
        let result =
            ([0, 1].map(|tag| engine.board().probability(tag)), engine.board().channel(), engine.board().inferences());
        engine.disconnect();
        assert_eq!(engine.board().channel(), None);
        result
    };
    let (tags, channel, inferences) = run(512);
    assert_eq!((channel, inferences), (Some(0), 16));
    // The mean and the peak of a sine of amplitude 0.5.
    assert!((tags[0] - std::f32::consts::FRAC_1_PI).abs() < 0.005 && (tags[1] - 0.5).abs() < 0.02, "{tags:?}");
    for block in [1, 100, 4_096] {
        assert_eq!(run(block), (tags, channel, inferences), "blocks of {block}");
    }
}
