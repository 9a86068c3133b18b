//! What the outputs cost the audio thread, in blocks of 512 frames at 48 kHz: of those
//! in which nothing changed, and of those in which everything did and all is on. Prints
//! one line of JSON, in microseconds.

use std::hint::black_box;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tagvane_engine::{Inference, Moment, Observer as _, Status};
use tagvane_outputs::{Block, Event, Midi, Outputs, PUBLISHED, SLOTS, Settings, Source, Stage, Wiring};

const RATE: f64 = 48_000.0;
const FRAMES: u32 = 512;
const BLOCKS: u64 = 60_000;

fn outputs(wiring: Wiring) -> Arc<Outputs> {
    let outputs = Arc::new(Outputs::new());
    outputs.changed(&Status::Ready {
        tags: (0..PUBLISHED).map(|tag| format!("tag {tag}")).collect(),
        weak: vec![false; PUBLISHED],
        name: "bench".into(),
        window: Duration::from_secs(3),
        hop: Duration::from_millis(100),
        inference: Inference::Sliding,
        sample_rate: 22_050,
        is_sample_rate_assumed: false,
    });
    outputs.wire(wiring);
    outputs
}

/// Passes blocks; gives the nanoseconds of each with what was told in it.
fn blocks(outputs: &Arc<Outputs>, settings: &Settings, judge: impl Fn(u64) -> Option<f32>) -> Vec<(u64, usize)> {
    let mut stage = Stage::new(Arc::clone(outputs)).expect("the first stage");
    stage.run(RATE);
    let mut measured = Vec::with_capacity(BLOCKS as usize);
    for block in 1..=BLOCKS {
        let end = block * u64::from(FRAMES);
        if let Some(level) = judge(block) {
            // Long enough ago to count at once.
            let moment = Moment { start: 1, seconds: end as f64 / RATE - 0.2 };
            outputs.judged(moment, &[level; PUBLISHED]);
        }
        let mut told = 0;
        let start = Instant::now();
        stage.begin_block(true);
        let block = Block { frames: FRAMES, start: (1, end), playing: true, bypassed: false, offline: false };
        stage.pass(black_box(&block), settings);
        stage.tell(|timed| {
            told += usize::from(matches!(black_box(timed.event), Event::Tag { .. }));
            true
        });
        measured.push((start.elapsed().as_nanos() as u64, told));
    }
    measured
}

/// The median and the 99.9th percentile of nanoseconds, in microseconds.
fn middle_and_worst(mut times: Vec<u64>) -> (f64, f64, usize) {
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize] as f64 / 1e3;
    (at(0.5), at(0.999), times.len())
}

fn main() {
    let quiet = blocks(&outputs(Wiring::default()), &Settings::default(), |_| None);
    let (unchanged, unchanged_worst, _) = middle_and_worst(quiet.into_iter().map(|(time, _)| time).collect());

    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut wiring = Wiring::default();
    for (slot, source) in wiring.sources.iter_mut().enumerate() {
        *source =
            Source { tags: (0..4).map(|tag| format!("tag {}", slot + tag * SLOTS)).collect(), ..Source::default() };
    }
    wiring.osc.on = true;
    wiring.osc.address = receiver.local_addr().expect("an address").to_string();
    let outputs = outputs(wiring);
    outputs.arm(true);
    let settings = Settings {
        attack: 100.0,
        release: 300.0,
        midi: Some(Midi { channel: 0, first: 20, tags: true }),
        ..Settings::default()
    };
    // A judgement a block, up and down, ten times as many as the plugin makes.
    let loud = blocks(&outputs, &settings, |block| Some(if block % 2 == 0 { 0.95 } else { 0.05 }));
    // The blocks in which every tag was announced.
    let all = loud.into_iter().filter(|(_, told)| *told >= PUBLISHED).map(|(time, _)| time).collect();
    let (changed, changed_worst, count) = middle_and_worst(all);
    println!(
        "{{\"duration\": {:.1}, \"unchanged\": {unchanged:.3}, \"unchanged_worst\": {unchanged_worst:.3}, \
         \"changed\": {changed:.3}, \"changed_worst\": {changed_worst:.3}, \"changed_blocks\": {count}}}",
        f64::from(FRAMES) / RATE * 1e6
    );
}
