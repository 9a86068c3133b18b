//! A processor with a host, for the tests.
#![allow(dead_code, reason = "each test uses some of it")]

use std::sync::Arc;
use std::time::Duration;
use tagvane_engine::{EngineObserver, InferenceMode, Status, StreamPosition, StreamTime};
use tagvane_outputs::{Block, Event, OutputConfig, OutputParams, OutputProcessor, Outputs, Routing, SlotSource};

pub(crate) const RATE: f64 = 48_000.0;

/// Seconds between two predictions.
pub(crate) const HOP: f64 = 2_187.0 / 22_050.0;

pub(crate) fn status(tags: usize) -> Status {
    Status::Ready {
        tags: (0..tags).map(|tag| format!("tag {tag}")).collect(),
        vocabularies: Vec::new(),
        weak: vec![false; tags],
        name: "a model".into(),
        window: Duration::from_secs(3),
        hop: Duration::from_secs_f64(HOP),
        inference: InferenceMode::Sliding,
        taught: Arc::default(),
        section_tag: None,
        hash: String::new(),
        embedding_size: 0,
        sample_rate: 22_050,
        is_sample_rate_assumed: false,
        is_window_assumed: false,
    }
}

/// A routing of tags 0 to 2 to the first three slots.
pub(crate) fn three_slots() -> Routing {
    let mut routing = Routing::default();
    for (slot, source) in routing.sources.iter_mut().take(3).enumerate() {
        *source = SlotSource { tags: vec![format!("tag {slot}")], ..SlotSource::default() };
    }
    routing
}

/// A processor with a host that keeps its events.
pub(crate) struct Bench {
    pub(crate) outputs: Arc<Outputs>,
    pub(crate) processor: OutputProcessor,
    pub(crate) params: OutputParams,
    pub(crate) is_playing: bool,
    pub(crate) is_bypassed: bool,
    pub(crate) segment: u32,
    /// Frames since the start of the segment.
    pub(crate) segment_frames: u64,
    /// Frames in all.
    pub(crate) frames: u64,
    /// The events so far, each with its frame among all.
    pub(crate) events: Vec<(u64, Event)>,
}

impl Bench {
    pub(crate) fn new(tags: usize) -> Self {
        let outputs = Arc::new(Outputs::new());
        outputs.on_status(&status(tags));
        outputs.set_config(OutputConfig { routing: three_slots(), ..OutputConfig::default() });
        let mut processor = OutputProcessor::new(Arc::clone(&outputs)).expect("new outputs have no processor");
        processor.activate(RATE);
        let params = OutputParams { attack: 80.0, release: 200.0, ..OutputParams::default() };
        Self {
            outputs,
            processor,
            params,
            is_playing: true,
            is_bypassed: false,
            segment: 1,
            segment_frames: 0,
            frames: 0,
            events: Vec::new(),
        }
    }

    pub(crate) fn predict(&self, seconds: f64, probabilities: &[f32]) {
        self.outputs.on_prediction(StreamTime { segment: self.segment, seconds }, probabilities, &[]);
    }

    /// Makes the predictions of the first hops.
    pub(crate) fn predict_hops(&self, hops: std::ops::Range<u64>) {
        hops.for_each(|hop| self.predict(hop as f64 * HOP, &probabilities(hop, 50)));
    }

    /// The next block.
    pub(crate) fn block(&mut self, frames: u32) -> Block {
        self.segment_frames += u64::from(frames);
        Block {
            frames,
            end: StreamPosition { segment: self.segment, frames: self.segment_frames },
            is_playing: self.is_playing,
            is_bypassed: self.is_bypassed,
            is_offline: false,
        }
    }

    pub(crate) fn process(&mut self, frames: u32) {
        self.processor.begin_block(true);
        let block = self.block(frames);
        self.processor.process(&block, &self.params);
        self.drain(frames);
    }

    /// Takes the events of a block.
    pub(crate) fn drain(&mut self, frames: u32) {
        let Self { processor, events, frames: before, .. } = self;
        processor.drain_events(|timed| {
            assert!(timed.frame <= frames.saturating_sub(1), "{timed:?} in a block of {frames}");
            events.push((*before + u64::from(timed.frame), timed.event));
            true
        });
        self.frames += u64::from(frames);
    }

    pub(crate) fn process_seconds(&mut self, seconds: f64) {
        (0..(seconds * RATE) as u64 / 480).for_each(|_| self.process(480));
    }

    /// How many gestures began and ended.
    pub(crate) fn gestures(&self) -> (usize, usize) {
        let count = |is: fn(&Event) -> bool| self.events.iter().filter(|(_, event)| is(event)).count();
        let begun = count(|event| matches!(event, Event::BeginGesture { .. }));
        (begun, count(|event| matches!(event, Event::EndGesture { .. })))
    }
}

/// The prediction for the window that ends with hop `hop`.
pub(crate) fn probabilities(hop: u64, tags: usize) -> Vec<f32> {
    let wave = |tag: u64| 0.5 + 0.45 * ((hop * (tag + 3)) as f32 * 0.11).sin();
    (0..tags as u64).map(wave).collect()
}
