//! The cost of the outputs on the audio thread, in blocks of 512 frames at 48 kHz: blocks in which
//! nothing changed, and blocks in which every tag did while all outputs are on. Prints one line of JSON,
//! in microseconds.

use std::hint::black_box;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tagvane_engine::{EngineObserver as _, InferenceMode, Status, StreamPosition, StreamTime};
use tagvane_outputs::{
    Block, Event, MAX_PUBLISHED_TAGS, MidiSettings, OutputConfig, OutputParams, OutputProcessor, Outputs, SLOTS,
    SlotSource,
};

const RATE: f64 = 48_000.0;
const FRAMES: u32 = 512;
const BLOCKS: u64 = 60_000;

fn outputs(config: OutputConfig) -> Arc<Outputs> {
    let outputs = Arc::new(Outputs::new());
    outputs.on_status(&Status::Ready {
        tags: (0..MAX_PUBLISHED_TAGS).map(|tag| format!("tag {tag}")).collect(),
        vocabularies: Vec::new(),
        weak: vec![false; MAX_PUBLISHED_TAGS],
        name: "bench".into(),
        window: Duration::from_secs(3),
        hop: Duration::from_millis(100),
        inference: InferenceMode::Sliding,
        taught: Arc::default(),
        section_tag: None,
        hash: String::new(),
        embedding_size: 0,
        sample_rate: 22_050,
        is_sample_rate_assumed: false,
        is_window_assumed: false,
    });
    outputs.set_config(config);
    outputs
}

/// Processes blocks; `prediction` returns the probability of all tags at a block, if there is a
/// prediction. Returns the nanoseconds of each block and the number of tags announced in it.
fn measure(
    outputs: &Arc<Outputs>,
    params: &OutputParams,
    prediction: impl Fn(u64) -> Option<f32>,
) -> Vec<(u64, usize)> {
    let mut processor = OutputProcessor::new(Arc::clone(outputs)).expect("new outputs have no processor");
    processor.activate(RATE);
    let mut measured = Vec::with_capacity(BLOCKS as usize);
    for block in 1..=BLOCKS {
        let end = block * u64::from(FRAMES);
        if let Some(probability) = prediction(block) {
            // Long enough ago to take effect in this block.
            let time = StreamTime { segment: 1, seconds: end as f64 / RATE - 0.2 };
            outputs.on_prediction(time, &[probability; MAX_PUBLISHED_TAGS], &[]);
        }
        let mut announced = 0;
        let start = Instant::now();
        processor.begin_block(true);
        let block = Block {
            frames: FRAMES,
            end: StreamPosition { segment: 1, frames: end },
            is_playing: true,
            is_bypassed: false,
            is_offline: false,
        };
        processor.process(black_box(&block), params);
        processor.drain_events(|timed| {
            announced += usize::from(matches!(black_box(timed.event), Event::Tag { .. }));
            true
        });
        measured.push((start.elapsed().as_nanos() as u64, announced));
    }
    measured
}

/// The median and the 99.9th percentile of nanoseconds, in microseconds, and their number.
fn median_and_p999(mut times: Vec<u64>) -> (f64, f64, usize) {
    times.sort_unstable();
    let at = |fraction: f64| times[((times.len() - 1) as f64 * fraction) as usize] as f64 / 1e3;
    (at(0.5), at(0.999), times.len())
}

fn main() {
    let idle = measure(&outputs(OutputConfig::default()), &OutputParams::default(), |_| None);
    let (unchanged, unchanged_p999, _) = median_and_p999(idle.into_iter().map(|(time, _)| time).collect());

    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket can be opened");
    let mut config = OutputConfig::default();
    for (slot, source) in config.routing.sources.iter_mut().enumerate() {
        *source = SlotSource {
            tags: (0..4).map(|tag| format!("tag {}", slot + tag * SLOTS)).collect(),
            ..SlotSource::default()
        };
    }
    config.osc.on = true;
    config.osc.address = receiver.local_addr().expect("a bound socket has an address").to_string();
    let outputs = outputs(config);
    outputs.set_armed(true);
    let params = OutputParams {
        attack: 100.0,
        release: 300.0,
        midi: Some(MidiSettings { sends_tags: true, ..MidiSettings::default() }),
        ..OutputParams::default()
    };
    // A prediction for each block, up and down: ten times as many as the plug-in makes.
    let busy = measure(&outputs, &params, |block| Some(if block % 2 == 0 { 0.95 } else { 0.05 }));
    // Only the blocks in which every tag was announced.
    let all =
        busy.into_iter().filter(|(_, announced)| *announced >= MAX_PUBLISHED_TAGS).map(|(time, _)| time).collect();
    let (changed, changed_p999, count) = median_and_p999(all);
    println!(
        "{{\"duration\": {:.1}, \"unchanged\": {unchanged:.3}, \"unchanged_p999\": {unchanged_p999:.3}, \
         \"changed\": {changed:.3}, \"changed_p999\": {changed_p999:.3}, \"changed_blocks\": {count}}}",
        f64::from(FRAMES) / RATE * 1e6
    );
}
