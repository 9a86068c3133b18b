//! Sliding steps answer as full windows do, on networks made at random.

mod support;

use support::network::{Random, Shape};
use tagvane_engine::{Hearing, Inference, Model};

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
    samples.extend((0..length).map(|i| if i / half % 2 == 0 { 1.0 } else { -1.0 }));
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
        let mut check = |hearing: &Hearing, heard: &[f32], when: &str| {
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
