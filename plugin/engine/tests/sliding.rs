//! Sliding steps answer as full windows do, on networks made at random.

mod support;

use support::network::{Random, Shape};
use tagvane_engine::{Engine, Hearing, Inference, Model, ModelSource, Pace, Tap};

/// How far two ways to the same probability may be apart.
const CLOSE: f32 = 1e-5;

/// Sound of four kinds, one after another, each long enough to fill a window.
fn sounds(random: &mut Random, window: usize) -> Vec<f32> {
    let mut samples = Vec::new();
    let length = window + window / 2;
    samples.extend((0..length).map(|_| random.between(-1.0, 1.0)));
    let (slow, fast) = (random.between(0.001, 0.02), random.between(0.05, 0.5));
    samples.extend((0..length).map(|i| (i as f32 * slow).sin() * (i as f32 * fast).sin() * 0.8));
    samples.extend(std::iter::repeat_n(0.0, length));
    let half = random.below(200) + 1;
    samples.extend((0..length).map(|i| if (i / half).is_multiple_of(2) { 1.0 } else { -1.0 }));
    samples
}

fn furthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Slides over `sounds` from the first window on and compares every window after
/// `every` hops with a full one.
fn slides_exactly(shape: &Shape, seed: u64, hop: usize, every: usize) {
    let what = format!("seed {seed}, hop {hop}, {shape:?}");
    let mut random = Random(seed);
    let bytes = shape.network(&mut random);
    let sliding = Model::with(&bytes, Inference::Sliding, Some(hop)).unwrap_or_else(|error| panic!("{what}: {error}"));
    let full = Model::with(&bytes, Inference::FullWindows, None).unwrap();
    assert_eq!((sliding.inference(), full.inference()), (Inference::Sliding, Inference::FullWindows), "{what}");
    assert_eq!((sliding.hop(), sliding.window()), (hop, shape.window()));
    let (window, sounds) = (sliding.window(), sounds(&mut random, sliding.window()));
    let mut hearing = Hearing::new(sliding.clone());
    let mut spread = 0.0_f32;
    for hops in 1..=sounds.len() / hop {
        let end = hops * hop;
        let heard = &sounds[end.saturating_sub(window)..end];
        hearing.step(heard).unwrap();
        if heard.len() == window && hops.is_multiple_of(every) {
            let expected = full.probabilities(heard).unwrap();
            let apart = furthest(&hearing.probabilities(heard).unwrap(), &expected);
            assert!(apart <= CLOSE, "{what}: after {hops} hops {apart} apart");
            spread = expected.iter().fold(spread, |spread, value| spread.max((value - 0.5).abs()));
        }
    }
    assert!(spread > 1e-3, "{what}: the network answers nothing");
}

#[test]
fn every_network_and_hop_slides_exactly() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let shape = Shape::any(&mut random, 20_000);
        let hops = shape.hops();
        for hop in hops {
            // Short hops make many windows.
            let every = (shape.window() / hop / 8).max(1);
            slides_exactly(&shape, seed, hop, every);
        }
    }
}

/// The paper's networks at their own windows, narrow.
#[test]
fn the_papers_networks_slide_exactly() {
    for (seed, (m, n, first)) in
        [(2, 13, 2), (2, 7, 256), (3, 9, 3), (3, 8, 9), (4, 6, 4), (4, 7, 4), (5, 5, 5), (5, 6, 5)]
            .into_iter()
            .enumerate()
    {
        let shape = Shape { m, layers: n, first, widths: vec![6; n + 2], normalised: seed % 2 == 0, tags: 5 };
        for hop in shape.hops().into_iter().rev().take(3) {
            slides_exactly(&shape, seed as u64, hop, 3);
        }
    }
}

/// After silence and after a jump the next window is as exact as any.
#[test]
fn silence_and_jumps_leave_nothing_behind() {
    for seed in 100..110 {
        let mut random = Random(seed);
        let shape = Shape::any(&mut random, 20_000);
        let bytes = shape.network(&mut random);
        let sliding = Model::from_bytes(&bytes).unwrap();
        let full = Model::with(&bytes, Inference::FullWindows, None).unwrap();
        let (window, hop) = (sliding.window(), sliding.hop());
        let mut hearing = Hearing::new(sliding);
        let noise: Vec<f32> = (0..2 * window).map(|_| random.between(-1.0, 1.0)).collect();
        let check = |hearing: &Hearing, heard: &[f32], when: &str| {
            let apart = furthest(&hearing.probabilities(heard).unwrap(), &full.probabilities(heard).unwrap());
            assert!(apart <= CLOSE, "seed {seed}, {shape:?}: {when} {apart} apart");
        };
        let mut heard = noise[..window].to_vec();
        hearing.catch_up(&heard).unwrap();
        check(&hearing, &heard, "after catching up");
        heard = noise[window..].to_vec();
        hearing.catch_up(&heard).unwrap();
        check(&hearing, &heard, "after a jump");
        hearing.hear_silence();
        heard.fill(0.0);
        hearing.step(&heard).unwrap();
        check(&hearing, &heard, "in silence");
        heard.rotate_left(hop);
        heard[window - hop..].copy_from_slice(&noise[..hop]);
        hearing.step(&heard).unwrap();
        check(&hearing, &heard, "after silence");
    }
}

#[test]
fn what_is_no_such_network_is_run_by_full_windows() {
    let loudness = Model::from_bytes(&support::bytes(&support::loudness(3_000))).unwrap();
    assert_eq!(loudness.inference(), Inference::FullWindows);
    let shape = Shape { m: 3, layers: 4, first: 3, widths: vec![4; 6], normalised: false, tags: 3 };
    let bytes = shape.network(&mut Random(1));
    assert_eq!(Model::from_bytes(&bytes).unwrap().inference(), Inference::Sliding);
    // A hop that no layer's frames have, and one as long as the window.
    for hop in [shape.window(), 10, 1] {
        assert!(Model::with(&bytes, Inference::Sliding, Some(hop)).is_err(), "a hop of {hop}");
    }
}

/// Errors would add up if frames were computed from frames of earlier windows; they are
/// computed from samples.
#[test]
fn an_hour_of_sound_does_not_drift() {
    let mut random = Random(7);
    let shape = Shape { m: 3, layers: 6, first: 9, widths: vec![4; 8], normalised: false, tags: 4 };
    let bytes = shape.network(&mut random);
    let sliding = Model::from_bytes(&bytes).unwrap();
    let full = Model::with(&bytes, Inference::FullWindows, None).unwrap();
    let (window, hop) = (sliding.window(), sliding.hop());
    let sound = |i: usize| ((i as f64 * 0.031).sin() * (i as f64 * 1e-5).cos()) as f32;
    let mut hearing = Hearing::new(sliding);
    let hops = 3_600 * 22_050 / hop;
    for hops in 1..=hops {
        let end = hops * hop;
        let heard: Vec<f32> = (end.saturating_sub(window)..end).map(sound).collect();
        hearing.step(&heard).unwrap();
        if hops.is_multiple_of(1_000) {
            let apart = furthest(&hearing.probabilities(&heard).unwrap(), &full.probabilities(&heard).unwrap());
            assert!(apart <= CLOSE, "after {hops} hops {apart} apart");
        }
    }
}

/// Two engines hear the same, one by sliding and one by full windows, whatever a host
/// does: blocks of any size, seeks, lost audio, silence, other rates, other models.
#[test]
fn an_engine_slides_as_it_runs_full_windows_whatever_the_host_does() {
    for seed in 200..212 {
        let mut random = Random(seed);
        let shape = Shape {
            widths: vec![5; 11],
            ..Shape { m: 3, layers: 7, first: 3, widths: vec![], normalised: true, tags: 4 }
        };
        let models: Vec<&[u8]> = (0..2).map(|_| &*Vec::leak(shape.network(&mut random))).collect();
        let source = |index: usize| ModelSource::Bytes { name: "network".into(), bytes: models[index] };
        let engines = [Inference::Sliding, Inference::FullWindows].map(|inference| Engine::start(source(0), inference));
        engines.iter().for_each(Engine::wait_until_loaded);
        let mut rate = 22_050.0;
        let mut taps = engines.each_ref().map(|engine| engine.connect(rate, Pace::EveryHop).unwrap());
        let mut compared = 0;
        for event in 0..400 {
            match random.below(40) {
                0 => taps.iter_mut().for_each(Tap::start_afresh),
                1 => {
                    rate = [22_050.0, 44_100.0, 48_000.0][random.below(3)];
                    taps = engines.each_ref().map(|engine| engine.connect(rate, Pace::EveryHop).unwrap());
                }
                2 => {
                    let model = random.below(2);
                    engines.iter().for_each(|engine| engine.load(source(model)));
                    engines.iter().for_each(Engine::wait_until_loaded);
                }
                3 => {
                    // More at once than the ring holds.
                    let block = vec![0.1; 7 * rate as usize];
                    taps.iter_mut().for_each(|tap| tap.hear(&[&block]));
                }
                4 => {
                    let block = vec![0.0; 20_000];
                    taps.iter_mut().for_each(|tap| tap.hear(&[&block]));
                }
                _ => {
                    let block: Vec<f32> = (0..1 + random.below(4_000)).map(|_| random.between(-0.8, 0.8)).collect();
                    taps.iter_mut().for_each(|tap| tap.hear(&[&block]));
                }
            }
            engines.iter().for_each(Engine::catch_up);
            let boards = engines.each_ref().map(Engine::board);
            assert_eq!(boards[0].inferences(), boards[1].inferences(), "seed {seed}, event {event}");
            compared += usize::from(!boards[0].is_clear());
            for tag in 0..4 {
                let apart = (boards[0].tag(tag) - boards[1].tag(tag)).abs();
                assert!(apart <= CLOSE, "seed {seed}, event {event}: {apart} apart");
            }
        }
        assert!(compared > 50, "seed {seed}: too little was heard");
    }
}

/// Another model goes on with what was heard: the next hop has an answer.
#[test]
fn another_model_answers_from_the_next_hop_on() {
    let mut random = Random(5);
    let shape = Shape { m: 3, layers: 7, first: 3, widths: vec![5; 9], normalised: false, tags: 4 };
    let source =
        |random: &mut Random| ModelSource::Bytes { name: "network".into(), bytes: Vec::leak(shape.network(random)) };
    let engine = Engine::start(source(&mut random), Inference::Sliding);
    engine.wait_until_loaded();
    let mut tap = engine.connect(22_050.0, Pace::EveryHop).unwrap();
    let noise: Vec<f32> = (0..shape.window() + 100).map(|_| random.between(-1.0, 1.0)).collect();
    tap.hear(&[&noise]);
    engine.catch_up();
    let before = engine.board().inferences();
    assert_eq!(before, 1);
    engine.load(source(&mut random));
    engine.wait_until_loaded();
    assert!(engine.board().is_clear(), "the tags of another model stay");
    tap.hear(&[&noise[..2_187]]);
    engine.catch_up();
    assert_eq!(engine.board().inferences(), before + 1);
}
