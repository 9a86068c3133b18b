//! The engine's threads in many of the orders in which they can come to run: shuttle runs one
//! at a time and decides at every lock, wait and atomic who goes on. It finds a wait that
//! nobody ends by itself.
//!
//! `cargo xtask test` goes through [`ORDERS`] of each test, `TAGVANE_ORDERS` through as many as it
//! says. What fails prints its schedule; `TAGVANE_SCHEDULE` with that repeats it.

mod support;

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler};
use shuttle::{Config, Runner, thread};
use std::sync::{Arc, LazyLock, Mutex};
use support::network::{Random, Shape};
use tagvane_engine::{Engine, Inference, ModelSource, Moment, Observer, Pace, SAMPLE_RATE, Status, Tap};

/// Orders of each test, half of them by chance, half with few changes of who runs.
const ORDERS: usize = 1_000;

/// Where chance starts.
const SEED: u64 = 9_001;

/// Changes of who runs that a bug may need, in the second half.
const DEPTH: usize = 3;

/// Samples that the small networks hear, and by which they slide.
const WINDOW: usize = 81;
const HOP: usize = 27;

const RATE: f64 = SAMPLE_RATE as f64;

fn explore(test: fn()) {
    // All instances of a process share their threads, and so would tests that run side by side.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut config = Config::new();
    // A model is loaded and run on these stacks too.
    config.stack_size = 4 << 20;
    if let Ok(schedule) = std::env::var("TAGVANE_SCHEDULE") {
        Runner::new(ReplayScheduler::new_from_encoded(&schedule), config).run(test);
        return;
    }
    let orders = std::env::var("TAGVANE_ORDERS").ok().and_then(|orders| orders.parse().ok()).unwrap_or(ORDERS);
    println!("seed {SEED}, {orders} orders");
    Runner::new(RandomScheduler::new_from_seed(SEED, orders / 2), config.clone()).run(test);
    Runner::new(PctScheduler::new_from_seed(SEED, DEPTH, orders / 2), config).run(test);
}

/// Small networks of one to three tags, by how many they have.
fn model(tags: usize) -> ModelSource {
    static FILES: LazyLock<[&[u8]; 3]> = LazyLock::new(|| {
        [1, 2, 3].map(|tags| {
            let shape = Shape { m: 3, layers: 3, first: 3, widths: vec![2; 5], normalised: false, tags };
            &*shape.network(&mut Random(tags as u64)).leak()
        })
    });
    ModelSource::Bytes { name: format!("{tags} tags").into(), bytes: FILES[tags - 1] }
}

fn broken() -> ModelSource {
    ModelSource::Bytes { name: "broken".into(), bytes: b"no model" }
}

/// Lets the tap hear so many hops of something that is not silence.
fn hear(tap: &mut Tap, hops: usize) {
    let block: Vec<f32> = (0..HOP).map(|sample| (sample as f32 * 0.7).sin()).collect();
    (0..hops).for_each(|_| tap.hear(&[&block[..]]));
}

/// Remembers what it is told: how many tags there are, and what was judged.
#[derive(Default)]
struct Memory(Mutex<(usize, Vec<Moment>)>);

impl Observer for Memory {
    fn changed(&self, status: &Status) {
        self.0.lock().unwrap().0 = status.tags().len();
    }

    fn judged(&self, moment: Moment, probabilities: &[f32]) {
        let (tags, moments) = &mut *self.0.lock().unwrap();
        assert_eq!(probabilities.len(), *tags, "a judgement by another model than was said");
        moments.push(moment);
    }
}

impl Memory {
    /// When the judged windows ended, in hops.
    fn hops(&self) -> Vec<usize> {
        self.0.lock().unwrap().1.iter().map(|moment| (moment.seconds * RATE / HOP as f64).round() as usize).collect()
    }
}

#[test]
fn the_model_that_was_asked_for_last_listens() {
    explore(|| {
        let engine = Arc::new(Engine::start(model(1), Inference::Sliding));
        let asks = {
            let engine = Arc::clone(&engine);
            thread::spawn(move || [broken(), model(3), model(2)].into_iter().for_each(|model| engine.load(model)))
        };
        engine.wait_until_loaded();
        asks.join().unwrap();
        engine.wait_until_loaded();
        assert!(!engine.is_loading());
        let Status::Ready { name, tags, .. } = engine.board().status() else { panic!("none listens") };
        assert_eq!((&*name, tags.len()), ("2 tags", 2));
        assert_eq!(engine.board().about().source, Some(model(2)));
    });
}

#[test]
fn a_judgement_is_of_the_model_that_was_said_before_it() {
    explore(|| {
        let memory = Arc::new(Memory::default());
        let observer: Arc<dyn Observer> = Arc::clone(&memory) as _;
        let engine = Arc::new(Engine::observed(model(1), Inference::Sliding, observer));
        let mut tap = engine.connect(RATE, Pace::Live).unwrap();
        let audio = thread::spawn(move || {
            for _ in 0..4 {
                hear(&mut tap, 2);
                thread::yield_now();
            }
            tap
        });
        engine.load(model(3));
        engine.wait_until_loaded();
        engine.load(model(2));
        engine.wait_until_loaded();
        let mut tap = audio.join().unwrap();
        while memory.hops().is_empty() {
            // Audio comes more slowly than it can be heard.
            hear(&mut tap, 1);
            (0..100).for_each(|_| thread::yield_now());
        }
    });
}

/// Whoever is served when the pace changes: no hop is judged twice, and from the change on
/// all are.
#[test]
fn a_bounce_is_complete_whenever_it_begins() {
    explore(|| {
        let memory = Arc::new(Memory::default());
        let observer: Arc<dyn Observer> = Arc::clone(&memory) as _;
        let engine = Engine::observed(model(2), Inference::Sliding, observer);
        engine.wait_until_loaded();
        let mut tap = engine.connect(RATE, Pace::Live).unwrap();
        hear(&mut tap, WINDOW / HOP + 3);
        engine.set_pace(Pace::EveryHop);
        let before = memory.hops();
        engine.catch_up();
        // Live, so many would be too late to be judged one by one.
        for _ in 0..2 {
            hear(&mut tap, 12);
            engine.catch_up();
        }
        let hops = memory.hops();
        assert!(hops.is_sorted_by(|one, next| one < next), "{hops:?}");
        let last = WINDOW / HOP + 3 + 24;
        let first = before.last().map_or(WINDOW / HOP, |hop| hop + 1);
        assert_eq!(hops[before.len()..], (first..=last).collect::<Vec<_>>(), "after {before:?}");

        engine.set_pace(Pace::Live);
        hear(&mut tap, 1);
        while memory.hops().len() == hops.len() {
            thread::yield_now();
        }
    });
}

#[test]
fn who_is_closed_is_not_served_any_more_and_the_last_ends_the_threads() {
    explore(|| {
        let instance = || {
            let engine = Engine::start(model(1), Inference::Sliding);
            let mut tap = engine.connect(RATE, Pace::Live).unwrap();
            hear(&mut tap, 6);
            let board = Arc::clone(engine.board());
            drop(engine);
            (board.version(), board)
        };
        let others = [thread::spawn(instance), thread::spawn(instance)];
        let mut closed = others.map(|other| other.join().unwrap()).to_vec();
        closed.push(instance());
        thread::yield_now();
        for (version, board) in closed {
            assert_eq!(board.version(), version, "it was listened to after its end");
        }
    });
}
