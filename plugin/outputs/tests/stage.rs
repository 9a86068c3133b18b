//! Judgements in, events out, without a host.

use std::sync::Arc;
use std::time::Duration;
use tagvane_engine::{Inference, Moment, Observer, Status};
use tagvane_outputs::{
    Block, DELAY, Event, Gestures, Midi, Outputs, PUBLISHED, SLOTS, Settings, Shape, Source, Stage, Wiring,
};

const RATE: f64 = 48_000.0;

/// Seconds between two judgements.
const HOP: f64 = 2_187.0 / 22_050.0;

fn status(tags: usize) -> Status {
    Status::Ready {
        tags: (0..tags).map(|tag| format!("tag {tag}")).collect(),
        weak: vec![false; tags],
        name: "a model".into(),
        window: Duration::from_secs(3),
        hop: Duration::from_secs_f64(HOP),
        inference: Inference::Sliding,
        sample_rate: 22_050,
        is_sample_rate_assumed: false,
    }
}

/// Slots 1 to 3 hear tags 0 to 2.
fn wiring() -> Wiring {
    let mut wiring = Wiring::default();
    for (slot, source) in wiring.sources.iter_mut().take(3).enumerate() {
        *source = Source { tags: vec![format!("tag {slot}")], ..Source::default() };
    }
    wiring
}

struct Bench {
    outputs: Arc<Outputs>,
    stage: Stage,
    settings: Settings,
    playing: bool,
    bypassed: bool,
    start: u32,
    /// Frames that passed since the start, and in all.
    since_start: u64,
    position: u64,
    /// Events with the frame they fell on, of all that passed.
    told: Vec<(u64, Event)>,
}

impl Bench {
    fn new(tags: usize) -> Self {
        let outputs = Arc::new(Outputs::new());
        outputs.changed(&status(tags));
        outputs.wire(wiring());
        let mut stage = Stage::new(Arc::clone(&outputs)).expect("the first stage");
        stage.run(RATE);
        let settings = Settings { attack: 80.0, release: 200.0, ..Settings::default() };
        Self {
            outputs,
            stage,
            settings,
            playing: true,
            bypassed: false,
            start: 1,
            since_start: 0,
            position: 0,
            told: Vec::new(),
        }
    }

    fn judge(&self, seconds: f64, probabilities: &[f32]) {
        self.outputs.judged(Moment { start: self.start, seconds }, probabilities);
    }

    fn pass(&mut self, frames: u32) {
        self.since_start += u64::from(frames);
        let (playing, bypassed) = (self.playing, self.bypassed);
        self.stage.begin_block(true);
        let block = Block { frames, start: (self.start, self.since_start), playing, bypassed, offline: false };
        self.stage.pass(&block, &self.settings);
        self.take(frames);
    }

    fn take(&mut self, frames: u32) {
        let Self { stage, told, position, .. } = self;
        stage.tell(|timed| {
            assert!(timed.frame <= frames.saturating_sub(1), "{timed:?} in a block of {frames}");
            told.push((*position + u64::from(timed.frame), timed.event));
            true
        });
        self.position += u64::from(frames);
    }

    fn pass_seconds(&mut self, seconds: f64) {
        (0..(seconds * RATE) as u64 / 480).for_each(|_| self.pass(480));
    }

    fn gestures(&self) -> (usize, usize) {
        let count = |is: fn(&Event) -> bool| self.told.iter().filter(|(_, event)| is(event)).count();
        (count(|event| matches!(event, Event::Begin { .. })), count(|event| matches!(event, Event::End { .. })))
    }
}

/// What is judged of the window that ends with hop `hop`.
fn probabilities(hop: u64, tags: usize) -> Vec<f32> {
    let wave = |tag: u64| 0.5 + 0.45 * ((hop * (tag + 3)) as f32 * 0.11).sin();
    (0..tags as u64).map(wave).collect()
}

/// Passes twelve seconds in blocks of `frames`, with each judgement made `late` seconds
/// after its window.
fn play(frames: u32, late: f64) -> Vec<(u64, Event)> {
    let mut bench = Bench::new(50);
    bench.settings.midi = Some(Midi { channel: 0, first: 20, tags: true });
    bench.outputs.arm(true);
    let (mut hop, total) = (1, (12.0 * RATE) as u64);
    while bench.position < total {
        let frames = frames.min((total - bench.position) as u32);
        let end = (bench.position + u64::from(frames)) as f64 / RATE;
        while hop as f64 * HOP + late <= end {
            bench.judge(hop as f64 * HOP, &probabilities(hop, 50));
            hop += 1;
        }
        bench.pass(frames);
    }
    bench.told
}

#[test]
fn neither_blocks_nor_late_judgements_change_what_is_told_and_when() {
    let reference = play(512, 0.0);
    assert!(reference.len() > 5_000, "{} events", reference.len());
    for (frames, late) in [(512, 0.03), (64, 0.09), (1, 0.05), (441, 0.0), (4_096, 0.01), (16_384, 0.0)] {
        assert!(play(frames, late) == reference, "blocks of {frames}, {late} s late");
    }
}

#[test]
fn a_judgement_counts_a_delay_after_its_window() {
    let mut bench = Bench::new(3);
    bench.judge(1.0, &[0.8, 0.0, 0.0]);
    bench.settings = Settings { attack: 0.0, release: 0.0, ..bench.settings };
    bench.pass_seconds(2.0);
    let tag = |event: &Event| matches!(event, Event::Tag { index: 0, value } if *value == 0.8);
    let at = bench.told.iter().find(|(_, event)| tag(event)).unwrap().0;
    assert_eq!(at, ((1.0 + DELAY) * RATE) as u64);
    assert_eq!(bench.outputs.published(0), 0.8);
    // A new start forgets, and what was judged before it does not count.
    bench.judge(1.2, &[0.9, 0.0, 0.0]);
    (bench.start, bench.since_start) = (2, 0);
    bench.pass_seconds(2.0);
    assert_eq!(bench.outputs.published(0), 0.0);
    assert!(!bench.outputs.moves());
}

#[test]
fn what_the_host_does_not_take_comes_again_in_order() {
    let mut bench = Bench::new(50);
    bench.outputs.arm(true);
    bench.judge(0.1, &probabilities(1, 50));
    bench.stage.begin_block(true);
    let block = Block { frames: 24_000, start: (1, 24_000), playing: true, bypassed: false, offline: false };
    bench.stage.pass(&block, &bench.settings);
    let mut all = Vec::new();
    loop {
        let before = all.len();
        bench.stage.tell(|timed| {
            let room = all.len() < before + 7;
            if room {
                all.push(timed.event);
            }
            room
        });
        if all.len() == before {
            break;
        }
    }
    let mut other = Bench::new(50);
    other.outputs.arm(true);
    other.judge(0.1, &probabilities(1, 50));
    other.pass(24_000);
    let whole: Vec<Event> = other.told.iter().map(|(_, event)| *event).collect();
    assert!(all == whole, "{} and {} events", all.len(), whole.len());
}

/// A host that never takes anything must not make the plugin allocate; and once it
/// takes again, every gesture that began ends.
#[test]
fn a_host_that_takes_nothing_is_told_no_more_than_fits() {
    let mut bench = Bench::new(50);
    bench.settings.midi = Some(Midi { channel: 0, first: 0, tags: true });
    bench.outputs.arm(true);
    for hop in 1..600 {
        bench.judge(hop as f64 * HOP, &probabilities(hop, 50));
        bench.stage.begin_block(true);
        bench.since_start += 4_762;
        let block =
            Block { frames: 4_762, start: (1, bench.since_start), playing: true, bypassed: false, offline: false };
        bench.stage.pass(&block, &bench.settings);
    }
    bench.take(4_762);
    assert!((3_000..=4_096).contains(&bench.told.len()), "{} events waited", bench.told.len());
    bench.outputs.arm(false);
    bench.pass_seconds(0.1);
    assert_eq!(bench.gestures(), (3, 3));
}

/// A name of something, and how it is done.
type Way<T> = (&'static str, fn(&mut T));

#[test]
fn every_way_to_stop_ends_the_gestures() {
    let ways: [Way<Bench>; 6] = [
        ("disarming", |bench| bench.outputs.arm(false)),
        ("the host disarms", |bench| bench.stage.arm(false)),
        ("bypassing", |bench| bench.bypassed = true),
        ("the transport stops", |bench| bench.playing = false),
        ("the source goes", |bench| bench.outputs.wire(Wiring::default())),
        ("another model", |bench| bench.outputs.changed(&Status::Failed("gone".into()))),
    ];
    for (way, stop) in ways {
        let mut bench = Bench::new(50);
        bench.outputs.arm(true);
        (1..20).for_each(|hop| bench.judge(hop as f64 * HOP, &probabilities(hop, 50)));
        bench.pass_seconds(1.0);
        assert_eq!(bench.gestures(), (3, 0), "{way}");
        stop(&mut bench);
        bench.pass_seconds(0.1);
        assert_eq!(bench.gestures(), (3, 3), "{way}");
        assert!(!bench.stage.has_open_gestures(), "{way}");
    }
    let stops: [Way<Stage>; 2] = [("stopping", Stage::stop), ("stopping to process", Stage::end_recordings)];
    for (way, stop) in stops {
        let mut bench = Bench::new(50);
        bench.outputs.arm(true);
        (1..20).for_each(|hop| bench.judge(hop as f64 * HOP, &probabilities(hop, 50)));
        bench.pass_seconds(1.0);
        stop(&mut bench.stage);
        assert!(bench.stage.has_open_gestures(), "{way}");
        bench.stage.begin_block(false);
        bench.stage.flush(&bench.settings);
        bench.take(0);
        assert_eq!(bench.gestures(), (3, 3), "{way}");
        assert!(!bench.stage.has_open_gestures(), "{way}");
    }
}

#[test]
fn a_lane_is_played_back_to_the_frame_and_midi_follows() {
    let mut bench = Bench::new(50);
    bench.settings.midi = Some(Midi { channel: 2, first: 20, tags: false });
    bench.pass_seconds(0.5);
    bench.told.clear();
    bench.stage.begin_block(true);
    for (frame, value) in [(3, 0.5), (200, 0.75), (479, 1.0)] {
        bench.stage.set(frame, 1, value);
    }
    bench.since_start += 480;
    let block = Block { frames: 480, start: (1, bench.since_start), playing: true, bypassed: false, offline: false };
    bench.stage.pass(&block, &bench.settings);
    let from = bench.position;
    bench.take(480);
    let change = |frame: u64, value| (from + frame, Event::Controller { channel: 2, controller: 21, value });
    assert_eq!(bench.told, [change(3, 64), change(200, 95), change(479, 127)]);
    assert_eq!(bench.outputs.slot(1), 1.0);
    // A slot that hears nothing plays its lane as well.
    bench.told.clear();
    bench.stage.begin_block(true);
    bench.stage.set(0, 7, 0.5);
    bench.since_start += 480;
    let block = Block { start: (1, bench.since_start), ..block };
    bench.stage.pass(&block, &bench.settings);
    bench.take(480);
    let event = Event::Controller { channel: 2, controller: 27, value: 64 };
    assert!(matches!(bench.told[..], [(_, told)] if told == event), "{:?}", bench.told);
}

#[test]
fn disarmed_and_off_nothing_is_told_but_everything_moves() {
    let mut bench = Bench::new(50);
    bench.settings.announce = None;
    (1..100).for_each(|hop| bench.judge(hop as f64 * HOP, &probabilities(hop, 50)));
    bench.pass_seconds(9.0);
    assert_eq!(bench.told, []);
    assert!((0..50).all(|tag| bench.outputs.published(tag) > 0.0));
    assert!(bench.outputs.live(0) > 0.0);
    assert_eq!((0..SLOTS).map(|slot| bench.outputs.slot(slot)).sum::<f32>(), 0.0);
}

#[test]
fn while_a_slot_is_recorded_the_host_does_not_move_it() {
    let mut bench = Bench::new(50);
    bench.outputs.set_gestures(Gestures::Brief);
    bench.settings.slots[0] = Shape { attack: 0.0, release: 0.0, ..Shape::default() };
    bench.judge(0.1, &[0.6]);
    bench.outputs.arm(true);
    bench.pass_seconds(0.5);
    assert_eq!(bench.outputs.slot(0), 0.6);
    bench.stage.begin_block(true);
    bench.stage.set(0, 0, 0.1);
    bench.pass(480);
    assert_eq!(bench.outputs.slot(0), 0.6);
    bench.outputs.arm(false);
    bench.pass(480);
    bench.stage.begin_block(true);
    bench.stage.set(0, 0, 0.1);
    bench.pass(480);
    assert_eq!(bench.outputs.slot(0), 0.1);
}

#[test]
fn the_editor_arms_and_the_host_is_told_but_not_of_its_own() {
    let mut bench = Bench::new(3);
    bench.outputs.arm(true);
    bench.pass(480);
    assert_eq!(
        bench.told,
        [(0, Event::Write { armed: true })].into_iter().chain(bench.told[1..].to_vec()).collect::<Vec<_>>()
    );
    bench.stage.arm(false);
    let before = bench.told.len();
    bench.pass_seconds(0.1);
    assert!(!bench.told[before..].iter().any(|(_, event)| matches!(event, Event::Write { .. })));
}

#[test]
fn of_a_large_model_the_chosen_tags_are_told_by_their_places() {
    let mut bench = Bench::new(200);
    let mut wiring = wiring();
    wiring.published = vec!["tag 150".into(), "tag 7".into()];
    bench.outputs.wire(wiring);
    assert_eq!(bench.outputs.published_name(0).as_deref(), Some("tag 150"));
    assert_eq!((bench.outputs.published_name(2), bench.outputs.published_count()), (None, 2));
    let mut tags = vec![0.0; 200];
    (tags[150], tags[7], tags[8]) = (0.5, 0.25, 0.9);
    bench.judge(0.1, &tags);
    bench.settings = Settings { attack: 0.0, ..bench.settings };
    bench.pass_seconds(0.5);
    let told: Vec<Event> = bench.told.iter().map(|(_, event)| *event).collect();
    assert_eq!(told, [Event::Tag { index: 0, value: 0.5 }, Event::Tag { index: 1, value: 0.25 }]);
    assert_eq!(bench.outputs.tag(8), 0.9);
    assert_eq!(bench.outputs.published(PUBLISHED), 0.0);
}

#[test]
fn another_model_s_tags_stand_at_zero_at_once() {
    let mut bench = Bench::new(50);
    bench.judge(0.1, &[0.9; 50]);
    bench.pass_seconds(0.5);
    assert!(bench.outputs.tag(7) > 0.5 && bench.outputs.published(7) > 0.5);
    bench.outputs.changed(&status(40));
    assert_eq!((bench.outputs.tag(7), bench.outputs.published(7)), (0.0, 0.0), "before the stage knows");
    bench.pass(480);
    assert_eq!((bench.outputs.tag(7), bench.outputs.published(7)), (0.0, 0.0), "once it knows");
    bench.judge(0.6, &[0.4; 40]);
    bench.pass_seconds(0.5);
    assert!(bench.outputs.tag(7) > 0.3, "{}", bench.outputs.tag(7));
}

#[test]
fn nonsense_is_left_out() {
    let mut bench = Bench::new(3);
    bench.judge(0.1, &[f32::NAN, f32::INFINITY, -3.0]);
    bench.stage.begin_block(true);
    for value in [f32::NAN, f32::INFINITY, 7.0] {
        bench.stage.set(0, 2, value);
    }
    bench.stage.set(0, 99, 0.5);
    bench.pass_seconds(0.5);
    assert_eq!([0, 1, 2].map(|tag| bench.outputs.tag(tag)), [0.0; 3]);
    assert_eq!(bench.outputs.slot(2), 1.0);
}

#[test]
fn at_a_rate_that_is_none_a_block_ends() {
    for rate in [0.0, -1.0, 1e-300, 1e300, f64::NAN, f64::INFINITY] {
        let mut bench = Bench::new(50);
        bench.stage.run(rate);
        bench.pass(512);
        bench.pass(48_000);
    }
}
