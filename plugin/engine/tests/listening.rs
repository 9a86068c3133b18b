//! From host blocks to the board, with a tagger whose answers are known.

mod support;

use std::sync::{Arc, Mutex};
use support::{bytes, loudness};
use tagvane_engine::{Engine, Inference, ModelSource, Moment, Observer, Pace, Request, Status};

/// Samples between two windows that are judged.
const HOP: usize = 2_187;

/// Three hops.
const WINDOW: usize = 3 * HOP;

/// An engine with the loudness tagger, which is connected at `rate` and caught up
/// with by the test itself.
fn engine(rate: f64) -> (Engine, tagvane_engine::Tap) {
    let bytes = Vec::leak(bytes(&loudness(WINDOW)));
    let engine = Engine::start(ModelSource::Bytes { name: "loudness".into(), bytes }, Inference::Sliding);
    engine.wait_until_loaded();
    let tap = engine.connect(rate, Pace::EveryHop).unwrap();
    (engine, tap)
}

/// The mean and the peak on the board, in thousandths: a mean over thousands of
/// floats is not exact.
fn heard(engine: &Engine) -> [i32; 2] {
    [0, 1].map(|tag| (engine.board().tag(tag) * 1_000.0).round() as i32)
}

fn feed(engine: &Engine, tap: &mut tagvane_engine::Tap, level: f32, frames: usize) {
    for start in (0..frames).step_by(512) {
        tap.hear(&[&vec![level; 512.min(frames - start)][..]]);
        engine.catch_up();
    }
}

#[test]
fn the_first_window_must_be_whole() {
    let (engine, mut tap) = engine(22_050.0);
    feed(&engine, &mut tap, 0.5, WINDOW - 1);
    assert_eq!((heard(&engine), engine.board().version()), ([0; 2], 0));
    feed(&engine, &mut tap, 0.5, 1);
    assert_eq!((heard(&engine), engine.board().inferences()), ([500, 500], 1));
}

#[test]
fn the_window_slides_by_hops() {
    let (engine, mut tap) = engine(22_050.0);
    feed(&engine, &mut tap, 0.3, WINDOW);
    feed(&engine, &mut tap, 0.9, HOP);
    assert_eq!(heard(&engine), [500, 900]);
    feed(&engine, &mut tap, 0.9, 2 * HOP);
    assert_eq!(heard(&engine), [900, 900]);
    assert_eq!(engine.board().inferences(), 4);
}

#[test]
fn a_silent_window_costs_nothing_and_shows_nothing() {
    let (engine, mut tap) = engine(22_050.0);
    feed(&engine, &mut tap, 0.5, WINDOW);
    let before = engine.board().inferences();
    // Until the window is silent as a whole, it is judged.
    feed(&engine, &mut tap, 1e-5, 2 * HOP);
    assert_eq!(engine.board().inferences(), before + 2);
    feed(&engine, &mut tap, 1e-5, 20 * HOP);
    assert_eq!((heard(&engine), engine.board().inferences()), ([0; 2], before + 2));
    feed(&engine, &mut tap, 0.5, HOP);
    assert_eq!(engine.board().inferences(), before + 3);
}

#[test]
fn starting_afresh_forgets_at_once_and_needs_a_whole_window_again() {
    let (engine, mut tap) = engine(22_050.0);
    feed(&engine, &mut tap, 0.5, WINDOW + HOP / 2);
    tap.start_afresh();
    engine.catch_up();
    assert_eq!(heard(&engine), [0; 2]);
    feed(&engine, &mut tap, 0.7, WINDOW - 1);
    assert_eq!(heard(&engine), [0; 2]);
    feed(&engine, &mut tap, 0.7, 1);
    assert_eq!(heard(&engine), [700, 700]);
    assert_eq!(engine.board().gaps(), 0);
}

#[test]
fn lost_audio_is_counted_and_never_glued_over() {
    let (engine, mut tap) = engine(22_050.0);
    feed(&engine, &mut tap, 0.5, WINDOW);
    // Ten seconds at once are more than the ring holds.
    tap.hear(&[&vec![0.5; 220_500][..]]);
    engine.catch_up();
    tap.hear(&[&[0.5; 64][..]]);
    engine.catch_up();
    assert_eq!((engine.board().gaps(), heard(&engine)), (1, [0; 2]));
}

#[test]
fn every_rate_hears_the_same_level() {
    for rate in [8_000.0, 11_025.0, 44_100.0, 48_000.0, 96_000.0, 192_000.0, 768_000.0, 44_101.5] {
        let (engine, mut tap) = engine(rate);
        let seconds = (WINDOW + 6 * HOP) as f64 / 22_050.0;
        feed(&engine, &mut tap, 0.5, (seconds * rate) as usize);
        assert_eq!(heard(&engine)[0], 500, "{rate} Hz");
    }
}

#[test]
fn the_answer_does_not_depend_on_the_block_size() {
    let music = |frame: usize| ((frame as f32 * 0.013).sin() * (frame as f32 * 0.000_7).cos()) * 0.8;
    let run = |block: usize| {
        let (engine, mut tap) = engine(48_000.0);
        let samples: Vec<f32> = (0..48_000).map(music).collect();
        for block in samples.chunks(block) {
            tap.hear(&[block]);
            engine.catch_up();
        }
        ([0, 1].map(|tag| engine.board().tag(tag).to_bits()), engine.board().inferences())
    };
    let whole = run(48_000);
    assert!(whole.1 > 3);
    for block in [1, 64, 511, 4_096] {
        assert_eq!(run(block), whole, "blocks of {block}");
    }
}

#[test]
fn another_rate_and_a_stop_start_clean() {
    let (engine, mut tap) = engine(48_000.0);
    feed(&engine, &mut tap, 0.5, 48_000);
    assert_ne!(heard(&engine), [0; 2]);
    let mut tap = engine.connect(96_000.0, Pace::EveryHop).unwrap();
    assert_eq!(heard(&engine), [0; 2]);
    feed(&engine, &mut tap, 0.2, 96_000);
    assert_eq!(heard(&engine)[0], 200);
    engine.disconnect();
    assert_eq!(heard(&engine), [0; 2]);
    assert!(engine.connect(1.0, Pace::Live).is_err());
}

#[test]
fn the_worker_listens_by_itself_when_live() {
    let (engine, _) = engine(22_050.0);
    let mut tap = engine.connect(22_050.0, Pace::Live).unwrap();
    tap.hear(&[&vec![0.5; WINDOW][..]]);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while engine.board().version() == 0 || heard(&engine) == [0; 2] {
        assert!(std::time::Instant::now() < deadline, "the worker never answered");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(heard(&engine), [500, 500]);
}

#[test]
fn a_model_that_cannot_be_used_says_so_and_shows_nothing() {
    let engine = Engine::start(ModelSource::File("no/such/model.onnx".into()), Inference::Sliding);
    engine.wait_until_loaded();
    let Status::Failed(why) = engine.board().status() else { panic!("it loaded") };
    assert!(why.contains("no/such/model.onnx") && !why.contains('\n'), "{why}");
    let mut tap = engine.connect(22_050.0, Pace::EveryHop).unwrap();
    feed(&engine, &mut tap, 0.5, 2 * WINDOW);
    assert_eq!((heard(&engine), engine.board().inferences()), ([0; 2], 0));
    // A good one afterwards makes it well again.
    engine.load(ModelSource::Bytes { name: "loudness".into(), bytes: Vec::leak(bytes(&loudness(WINDOW))) });
    engine.wait_until_loaded();
    feed(&engine, &mut tap, 0.5, WINDOW);
    assert_eq!(heard(&engine), [500, 500]);
}

#[test]
fn what_listens_stays_when_another_model_cannot_be_used() {
    let (engine, mut tap) = engine(22_050.0);
    engine.load(ModelSource::File("no/such/model.onnx".into()));
    engine.wait_until_loaded();
    let about = engine.board().about();
    let notice = about.notice.unwrap();
    assert!(notice.contains("no/such/model.onnx") && notice.contains("loudness listens on"), "{notice}");
    assert!(matches!(engine.board().status(), Status::Ready { .. }));
    feed(&engine, &mut tap, 0.5, 2 * WINDOW);
    assert_eq!(heard(&engine), [500, 500]);
    // One that can be leaves nothing to say.
    let source = ModelSource::Bytes { name: "again".into(), bytes: Vec::leak(bytes(&loudness(WINDOW))) };
    engine.load(source.clone());
    engine.wait_until_loaded();
    let about = engine.board().about();
    assert_eq!((about.notice, about.source, about.hash.len()), (None, Some(source), 64));
}

#[test]
fn a_file_that_is_gone_is_stood_in_for_and_a_changed_one_is_told_of() {
    let folder = std::env::temp_dir().join(format!("tagvane-stand-in-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("mine.onnx");
    // A model of no other test: instances share theirs.
    std::fs::write(&file, bytes(&loudness(3 * WINDOW))).unwrap();
    let source = ModelSource::File(file.clone());
    let first = Engine::start(source.clone(), Inference::Sliding);
    first.wait_until_loaded();
    let hash = first.board().about().hash;
    let instead = ModelSource::Bytes { name: "the usual".into(), bytes: Vec::leak(bytes(&loudness(2 * WINDOW))) };
    let request = Request { source: source.clone(), hash: Some(hash.clone()), instead: Some(instead.clone()) };
    let open = |request: &Request| {
        let engine = Engine::start(request.clone(), Inference::Sliding);
        engine.wait_until_loaded();
        engine.board().about()
    };
    assert_eq!(open(&request).notice, None);
    let other = Request { hash: Some("0".repeat(64)), ..request.clone() };
    assert!(open(&other).notice.unwrap().contains("another file"));
    std::fs::remove_dir_all(&folder).unwrap();
    // Another instance has it: by its hash it is found.
    let about = open(&request);
    assert!(about.notice.unwrap().contains("elsewhere"));
    assert_eq!((about.source, about.hash), (Some(source), hash));
    drop(first);
    let about = open(&request);
    assert!(about.notice.unwrap().contains("the usual listens instead"));
    assert_eq!(about.source, Some(instead));
}

/// Keeps the moments it is told.
#[derive(Default)]
struct Moments(Mutex<Vec<Moment>>);

impl Observer for Moments {
    fn changed(&self, _: &Status) {}

    fn judged(&self, moment: Moment, _: &[f32]) {
        self.0.lock().unwrap().push(moment);
    }
}

#[test]
fn an_observer_hears_of_the_same_moments_at_any_rate_and_block() {
    let moments = |rate: f64, block: usize| {
        let observer = Arc::new(Moments::default());
        let model = ModelSource::Bytes { name: "loudness".into(), bytes: Vec::leak(bytes(&loudness(WINDOW))) };
        let engine = Engine::observed(model, Inference::Sliding, Arc::<Moments>::clone(&observer));
        engine.wait_until_loaded();
        let mut tap = engine.connect(rate, Pace::EveryHop).unwrap();
        // A second and a half from the start, then as much from another one.
        for _ in 0..2 {
            let frames = (1.5 * rate) as usize;
            for first in (0..frames).step_by(block) {
                tap.hear(&[&vec![0.5; block.min(frames - first)][..]]);
                engine.catch_up();
            }
            tap.start_afresh();
        }
        observer.0.lock().unwrap().clone()
    };
    let reference = moments(22_050.0, 512);
    let hops = (1.5 * 22_050.0) as usize / HOP;
    assert_eq!(reference.len(), 2 * (hops - 2));
    for (place, moment) in reference.iter().enumerate() {
        let (start, hop) = (place / (hops - 2), 3 + place % (hops - 2));
        assert_eq!(moment.start - reference[0].start, start as u32);
        assert!((moment.seconds - (hop * HOP) as f64 / 22_050.0).abs() < 1e-9, "{moment:?}");
    }
    for (rate, block) in [(22_050.0, 64), (44_100.0, 441), (48_000.0, 4_096), (96_000.0, 1)] {
        assert!(moments(rate, block) == reference, "{rate} Hz, blocks of {block}");
    }
}

/// Once, stereo with one side inverted was heard as silence, without a word.
#[test]
fn stereo_that_cancels_is_heard_by_its_loudest_channel() {
    let sides = |frame: usize| {
        let left = 0.5 * (frame as f32 * 0.1).sin();
        [left, -0.9 * left]
    };
    let heard = |block: usize| {
        let (engine, mut tap) = engine(44_100.0);
        for start in (0..80_000).step_by(block) {
            let frames = start..(start + block).min(80_000);
            let channels = [0, 1].map(|side| frames.clone().map(|frame| sides(frame)[side]).collect::<Vec<f32>>());
            tap.hear(&channels);
            engine.catch_up();
        }
        let seen = ([0, 1].map(|tag| engine.board().tag(tag)), engine.board().channel(), engine.board().inferences());
        engine.disconnect();
        assert_eq!(engine.board().channel(), None);
        seen
    };
    let (tags, channel, judged) = heard(512);
    assert_eq!((channel, judged), (Some(0), 16));
    // A sine of 0.5.
    assert!((tags[0] - 0.318).abs() < 0.005 && (tags[1] - 0.5).abs() < 0.02, "{tags:?}");
    for block in [1, 100, 4_096] {
        assert_eq!(heard(block), (tags, channel, judged), "blocks of {block}");
    }
}
