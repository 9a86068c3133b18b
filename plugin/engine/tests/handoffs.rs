//! The engine's threads under many schedules: shuttle runs one thread at a time and decides at every lock,
//! wait and atomic access which one continues. It detects deadlocks by itself.
//!
//! `cargo xtask test` tries [`SCHEDULES`] of each test; `TAGVANE_ORDERS` sets another number. A failure
//! prints its schedule; `TAGVANE_SCHEDULE` repeats it.

mod support;

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler};
use shuttle::{Config, Runner, thread};
use std::sync::{Arc, LazyLock, Mutex};
use support::network::{NetworkSpec, SeededRng};
use tagvane_engine::{
    AudioProducer, Engine, EngineObserver, InferenceMode, ModelSource, RenderMode, SAMPLE_RATE, Status, StreamTime,
};

/// Schedules of each test: half of them random, half with few preemptions.
const SCHEDULES: usize = 1_000;

/// The seed of the schedules.
const SEED: u64 = 9_001;

/// The preemptions of a schedule in the second half.
const DEPTH: usize = 3;

/// The window and the hop of the small networks, in samples.
const WINDOW: usize = 81;
const HOP: usize = 27;

const RATE: f64 = SAMPLE_RATE as f64;

fn explore(test: fn()) {
    // All engines of a process share their threads, and so would tests that run at the same time.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut config = Config::new();
    // Models are loaded and run on these stacks.
    config.stack_size = 4 << 20;
    if let Ok(schedule) = std::env::var("TAGVANE_SCHEDULE") {
        Runner::new(ReplayScheduler::new_from_encoded(&schedule), config).run(test);
        return;
    }
    let schedules = std::env::var("TAGVANE_ORDERS").ok().and_then(|count| count.parse().ok()).unwrap_or(SCHEDULES);
    println!("seed {SEED}, {schedules} schedules");
    Runner::new(RandomScheduler::new_from_seed(SEED, schedules / 2), config.clone()).run(test);
    Runner::new(PctScheduler::new_from_seed(SEED, DEPTH, schedules / 2), config).run(test);
}

/// A small network with one to three tags.
fn model(tags: usize) -> ModelSource {
    static FILES: LazyLock<[&[u8]; 3]> = LazyLock::new(|| {
        [1, 2, 3].map(|tags| {
            let spec = NetworkSpec { m: 3, layers: 3, first: 3, widths: vec![2; 5], has_batch_norm: false, tags };
            &*spec.to_onnx(&mut SeededRng(tags as u64)).leak()
        })
    });
    ModelSource::Bytes { name: format!("{tags} tags").into(), bytes: FILES[tags - 1] }
}

fn broken_model() -> ModelSource {
    ModelSource::Bytes { name: "broken".into(), bytes: b"no model" }
}

/// Pushes hops of audio that is not silent.
fn push_hops(producer: &mut AudioProducer, hops: usize) {
    let block: Vec<f32> = (0..HOP).map(|sample| (sample as f32 * 0.7).sin()).collect();
    (0..hops).for_each(|_| producer.push(&[&block[..]]));
}

/// Records the number of tags of the current model and the time of every prediction.
#[derive(Default)]
struct Recorder(Mutex<(usize, Vec<StreamTime>)>);

impl EngineObserver for Recorder {
    fn on_status(&self, status: &Status) {
        self.0.lock().unwrap().0 = status.tags().len();
    }

    fn on_prediction(&self, time: StreamTime, probabilities: &[f32], _: &[i8]) {
        let (tags, times) = &mut *self.0.lock().unwrap();
        assert_eq!(probabilities.len(), *tags, "a prediction of another model than the current one");
        times.push(time);
    }
}

impl Recorder {
    /// The ends of the predicted windows, in hops.
    fn hops(&self) -> Vec<usize> {
        self.0.lock().unwrap().1.iter().map(|time| (time.seconds * RATE / HOP as f64).round() as usize).collect()
    }
}

#[test]
fn the_model_requested_last_is_used() {
    explore(|| {
        let engine = Arc::new(Engine::start(model(1), InferenceMode::Sliding));
        let requests = {
            let engine = Arc::clone(&engine);
            thread::spawn(move || [broken_model(), model(3), model(2)].into_iter().for_each(|model| engine.load(model)))
        };
        engine.wait_until_loaded();
        requests.join().unwrap();
        engine.wait_until_loaded();
        assert!(!engine.is_loading());
        let Status::Ready { name, tags, .. } = engine.board().status() else { panic!("no model is loaded") };
        assert_eq!((&*name, tags.len()), ("2 tags", 2));
        assert_eq!(engine.board().model_info().source, Some(model(2)));
    });
}

#[test]
fn every_prediction_is_of_the_model_in_the_last_status() {
    explore(|| {
        let recorder = Arc::new(Recorder::default());
        let observer: Arc<dyn EngineObserver> = Arc::clone(&recorder) as _;
        let engine = Arc::new(Engine::with_observer(model(1), InferenceMode::Sliding, observer));
        let mut producer = engine.connect(RATE, RenderMode::Realtime).unwrap();
        let audio = thread::spawn(move || {
            for _ in 0..4 {
                push_hops(&mut producer, 2);
                thread::yield_now();
            }
            producer
        });
        engine.load(model(3));
        engine.wait_until_loaded();
        engine.load(model(2));
        engine.wait_until_loaded();
        let mut producer = audio.join().unwrap();
        while recorder.hops().is_empty() {
            // Audio comes more slowly than it is processed.
            push_hops(&mut producer, 1);
            (0..100).for_each(|_| thread::yield_now());
        }
    });
}

/// Whichever thread runs at the change to offline rendering: no hop is predicted twice, and from then on
/// every hop is predicted.
#[test]
fn a_bounce_is_complete_whenever_it_begins() {
    explore(|| {
        let recorder = Arc::new(Recorder::default());
        let observer: Arc<dyn EngineObserver> = Arc::clone(&recorder) as _;
        let engine = Engine::with_observer(model(2), InferenceMode::Sliding, observer);
        engine.wait_until_loaded();
        let mut producer = engine.connect(RATE, RenderMode::Realtime).unwrap();
        push_hops(&mut producer, WINDOW / HOP + 3);
        engine.set_render_mode(RenderMode::Offline);
        let before = recorder.hops();
        engine.process_offline();
        // In real time so many hops at once would be skipped.
        for _ in 0..2 {
            push_hops(&mut producer, 12);
            engine.process_offline();
        }
        let hops = recorder.hops();
        assert!(hops.is_sorted_by(|one, next| one < next), "{hops:?}");
        let last = WINDOW / HOP + 3 + 24;
        let first = before.last().map_or(WINDOW / HOP, |hop| hop + 1);
        assert_eq!(hops[before.len()..], (first..=last).collect::<Vec<_>>(), "after {before:?}");

        engine.set_render_mode(RenderMode::Realtime);
        push_hops(&mut producer, 1);
        while recorder.hops().len() == hops.len() {
            thread::yield_now();
        }
    });
}

#[test]
fn a_dropped_engine_predicts_no_more_and_the_last_one_stops_the_threads() {
    explore(|| {
        let instance = || {
            let engine = Engine::start(model(1), InferenceMode::Sliding);
            let mut producer = engine.connect(RATE, RenderMode::Realtime).unwrap();
            push_hops(&mut producer, 6);
            let board = Arc::clone(engine.board());
            drop(engine);
            (board.version(), board)
        };
        let others = [thread::spawn(instance), thread::spawn(instance)];
        let mut dropped = others.map(|other| other.join().unwrap()).to_vec();
        dropped.push(instance());
        thread::yield_now();
        for (version, board) in dropped {
            assert_eq!(board.version(), version, "a dropped engine wrote to its board");
        }
    });
}
