//! Sliding inference gives the same predictions as full windows, on random networks.

mod support;

use support::network::{NetworkSpec, SeededRng};
use tagvane_engine::{AudioProducer, Engine, InferenceMode, Model, ModelSource, RenderMode, StreamState};

/// The largest difference between the probabilities of both inference modes.
const TOLERANCE: f32 = 1e-5;

/// Noise, a modulated tone, silence and a square wave, each of one and a half windows.
fn test_signal(rng: &mut SeededRng, window: usize) -> Vec<f32> {
    let mut samples = Vec::new();
    let length = window + window / 2;
    samples.extend((0..length).map(|_| rng.between(-1.0, 1.0)));
    let (slow, fast) = (rng.between(0.001, 0.02), rng.between(0.05, 0.5));
    samples.extend((0..length).map(|i| (i as f32 * slow).sin() * (i as f32 * fast).sin() * 0.8));
    samples.extend(std::iter::repeat_n(0.0, length));
    let half_period = rng.below(200) + 1;
    samples.extend((0..length).map(|i| if (i / half_period).is_multiple_of(2) { 1.0 } else { -1.0 }));
    samples
}

fn max_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Slides over the test signal and compares every `interval`-th prediction with the one of full windows.
fn assert_slides_exactly(spec: &NetworkSpec, seed: u64, hop: usize, interval: usize) {
    let case = format!("seed {seed}, hop {hop}, {spec:?}");
    let mut rng = SeededRng(seed);
    let bytes = spec.to_onnx(&mut rng);
    let sliding =
        Model::with(&bytes, InferenceMode::Sliding, Some(hop)).unwrap_or_else(|error| panic!("{case}: {error}"));
    let full = Model::with(&bytes, InferenceMode::FullWindows, None).unwrap();
    assert_eq!((sliding.inference(), full.inference()), (InferenceMode::Sliding, InferenceMode::FullWindows), "{case}");
    assert_eq!((sliding.hop(), sliding.window()), (hop, spec.window()));
    let (window, signal) = (sliding.window(), test_signal(&mut rng, sliding.window()));
    let mut state = StreamState::new(sliding.clone());
    let mut spread = 0.0_f32;
    for hops in 1..=signal.len() / hop {
        let end = hops * hop;
        let latest = &signal[end.saturating_sub(window)..end];
        state.step(latest).unwrap();
        if latest.len() == window && hops.is_multiple_of(interval) {
            let expected = full.predict(latest).unwrap();
            let difference = max_difference(&state.predict(latest).unwrap().probabilities, &expected);
            assert!(difference <= TOLERANCE, "{case}: a difference of {difference} after {hops} hops");
            spread = expected.iter().fold(spread, |spread, value| spread.max((value - 0.5).abs()));
        }
    }
    assert!(spread > 1e-3, "{case}: all probabilities are 0.5");
}

#[test]
fn random_networks_slide_exactly_by_every_hop() {
    for seed in 0..60 {
        let mut rng = SeededRng(seed);
        let spec = NetworkSpec::random(&mut rng, 20_000);
        let hops = spec.hops();
        for hop in hops {
            // About eight predictions per window: short hops make many windows.
            let interval = (spec.window() / hop / 8).max(1);
            assert_slides_exactly(&spec, seed, hop, interval);
        }
    }
}

/// The networks of the paper with its windows, but few filters.
#[test]
fn the_papers_networks_slide_exactly() {
    for (seed, (m, n, first)) in
        [(2, 13, 2), (2, 7, 256), (3, 9, 3), (3, 8, 9), (4, 6, 4), (4, 7, 4), (5, 5, 5), (5, 6, 5)]
            .into_iter()
            .enumerate()
    {
        let has_batch_norm = seed % 2 == 0;
        let spec = NetworkSpec { m, layers: n, first, widths: vec![6; n + 2], has_batch_norm, tags: 5 };
        for hop in spec.hops().into_iter().rev().take(3) {
            assert_slides_exactly(&spec, seed as u64, hop, 3);
        }
    }
}

#[test]
fn prime_and_reset_leave_nothing_of_earlier_windows() {
    for seed in 100..110 {
        let mut rng = SeededRng(seed);
        let spec = NetworkSpec::random(&mut rng, 20_000);
        let bytes = spec.to_onnx(&mut rng);
        let sliding = Model::from_bytes(&bytes).unwrap();
        let full = Model::with(&bytes, InferenceMode::FullWindows, None).unwrap();
        let (window, hop) = (sliding.window(), sliding.hop());
        let mut state = StreamState::new(sliding);
        let noise: Vec<f32> = (0..2 * window).map(|_| rng.between(-1.0, 1.0)).collect();
        let assert_exact = |state: &StreamState, latest: &[f32], when: &str| {
            let difference =
                max_difference(&state.predict(latest).unwrap().probabilities, &full.predict(latest).unwrap());
            assert!(difference <= TOLERANCE, "seed {seed}, {spec:?}: a difference of {difference} {when}");
        };
        let mut latest = noise[..window].to_vec();
        state.prime(&latest).unwrap();
        assert_exact(&state, &latest, "after priming");
        latest = noise[window..].to_vec();
        state.prime(&latest).unwrap();
        assert_exact(&state, &latest, "after priming again");
        state.reset();
        latest.fill(0.0);
        state.step(&latest).unwrap();
        assert_exact(&state, &latest, "in silence");
        latest.rotate_left(hop);
        latest[window - hop..].copy_from_slice(&noise[..hop]);
        state.step(&latest).unwrap();
        assert_exact(&state, &latest, "after silence");
    }
}

#[test]
fn other_models_use_full_windows_and_other_hops_are_refused() {
    let loudness = Model::from_bytes(&support::bytes(&support::loudness(3_000))).unwrap();
    assert_eq!(loudness.inference(), InferenceMode::FullWindows);
    let spec = NetworkSpec { m: 3, layers: 4, first: 3, widths: vec![4; 6], has_batch_norm: false, tags: 3 };
    let bytes = spec.to_onnx(&mut SeededRng(1));
    assert_eq!(Model::from_bytes(&bytes).unwrap().inference(), InferenceMode::Sliding);
    // A hop as long as the window, and hops that are the frame of no layer.
    for hop in [spec.window(), 10, 1] {
        assert!(Model::with(&bytes, InferenceMode::Sliding, Some(hop)).is_err(), "a hop of {hop}");
    }
}

/// Errors do not accumulate, because no frame is computed from frames at the ends of earlier windows.
#[test]
fn an_hour_of_audio_does_not_drift() {
    let mut rng = SeededRng(7);
    let spec = NetworkSpec { m: 3, layers: 6, first: 9, widths: vec![4; 8], has_batch_norm: false, tags: 4 };
    let bytes = spec.to_onnx(&mut rng);
    let sliding = Model::from_bytes(&bytes).unwrap();
    let full = Model::with(&bytes, InferenceMode::FullWindows, None).unwrap();
    let (window, hop) = (sliding.window(), sliding.hop());
    let sample = |i: usize| ((i as f64 * 0.031).sin() * (i as f64 * 1e-5).cos()) as f32;
    let mut state = StreamState::new(sliding);
    let hops = 3_600 * 22_050 / hop;
    for hops in 1..=hops {
        let end = hops * hop;
        let latest: Vec<f32> = (end.saturating_sub(window)..end).map(sample).collect();
        state.step(&latest).unwrap();
        if hops.is_multiple_of(1_000) {
            let difference =
                max_difference(&state.predict(&latest).unwrap().probabilities, &full.predict(&latest).unwrap());
            assert!(difference <= TOLERANCE, "a difference of {difference} after {hops} hops");
        }
    }
}

/// Two engines get the same audio and the same calls: blocks of any size, discontinuities, gaps, silence,
/// other sample rates, other models.
#[test]
fn engines_of_both_inference_modes_agree_whatever_the_host_does() {
    for seed in 200..212 {
        let mut rng = SeededRng(seed);
        let spec = NetworkSpec { m: 3, layers: 7, first: 3, widths: vec![5; 11], has_batch_norm: true, tags: 4 };
        let models: Vec<&[u8]> = (0..2).map(|_| &*Vec::leak(spec.to_onnx(&mut rng))).collect();
        let source = |index: usize| ModelSource::Bytes { name: "network".into(), bytes: models[index] };
        let engines =
            [InferenceMode::Sliding, InferenceMode::FullWindows].map(|inference| Engine::start(source(0), inference));
        engines.iter().for_each(Engine::wait_until_loaded);
        let mut rate = 22_050.0;
        let mut producers = engines.each_ref().map(|engine| engine.connect(rate, RenderMode::Offline).unwrap());
        let mut compared = 0;
        for event in 0..400 {
            match rng.below(40) {
                0 => producers.iter_mut().for_each(AudioProducer::mark_discontinuity),
                1 => {
                    rate = [22_050.0, 44_100.0, 48_000.0][rng.below(3)];
                    producers = engines.each_ref().map(|engine| engine.connect(rate, RenderMode::Offline).unwrap());
                }
                2 => {
                    let model = rng.below(2);
                    engines.iter().for_each(|engine| engine.load(source(model)));
                    engines.iter().for_each(Engine::wait_until_loaded);
                }
                3 => {
                    // More than the queue's capacity.
                    let block = vec![0.1; 7 * rate as usize];
                    producers.iter_mut().for_each(|producer| producer.push(&[&block]));
                }
                4 => {
                    let block = vec![0.0; 20_000];
                    producers.iter_mut().for_each(|producer| producer.push(&[&block]));
                }
                _ => {
                    let block: Vec<f32> = (0..1 + rng.below(4_000)).map(|_| rng.between(-0.8, 0.8)).collect();
                    producers.iter_mut().for_each(|producer| producer.push(&[&block]));
                }
            }
            engines.iter().for_each(Engine::process_offline);
            let boards = engines.each_ref().map(Engine::board);
            assert_eq!(boards[0].inferences(), boards[1].inferences(), "seed {seed}, event {event}");
            compared += usize::from(!boards[0].is_clear());
            for tag in 0..4 {
                let difference = (boards[0].probability(tag) - boards[1].probability(tag)).abs();
                assert!(difference <= TOLERANCE, "seed {seed}, event {event}: a difference of {difference}");
            }
        }
        assert!(compared > 50, "seed {seed}: only {compared} predictions");
    }
}

#[test]
fn another_model_continues_with_the_current_window() {
    let mut rng = SeededRng(5);
    let spec = NetworkSpec { m: 3, layers: 7, first: 3, widths: vec![5; 9], has_batch_norm: false, tags: 4 };
    let source =
        |rng: &mut SeededRng| ModelSource::Bytes { name: "network".into(), bytes: Vec::leak(spec.to_onnx(rng)) };
    let engine = Engine::start(source(&mut rng), InferenceMode::Sliding);
    engine.wait_until_loaded();
    let mut producer = engine.connect(22_050.0, RenderMode::Offline).unwrap();
    let noise: Vec<f32> = (0..spec.window() + 100).map(|_| rng.between(-1.0, 1.0)).collect();
    producer.push(&[&noise]);
    engine.process_offline();
    let before = engine.board().inferences();
    assert_eq!(before, 1);
    engine.load(source(&mut rng));
    engine.wait_until_loaded();
    assert!(engine.board().is_clear(), "the board keeps the tags of the other model");
    producer.push(&[&noise[..2_187]]);
    engine.process_offline();
    assert_eq!(engine.board().inferences(), before + 1);
}
