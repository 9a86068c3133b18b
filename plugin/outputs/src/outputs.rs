//! The part of the outputs that all threads of an instance share.

use crate::config::OutputConfig;
use crate::constants::{MAX_PUBLISHED_TAGS, SLOTS};
use crate::osc::{OscOutput, OscStatus, SnapshotSender};
use crate::predictions::{PredictionReceiver, PredictionSender, prediction_channel};
use crate::routing::{ResolvedRouting, SlotSource, published_tags};
use crate::timeline::{Timeline, TimelineModel, TransportSender, transport_channel};
use crate::writer::GestureMode;
use atomic_float::AtomicF32;
use std::ops::Deref;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::sync::{Mutex, MutexGuard};
use tagvane_engine::{EngineObserver, MAX_TAGS, Status, StreamTime};

/// The latest values, which any thread may read, and the configuration, which the editor and the host may
/// change. An [`OutputProcessor`](crate::OutputProcessor) writes the values; the engine hands over its
/// predictions through [`EngineObserver`].
pub struct Outputs {
    values: Values,
    /// Whether Write is armed.
    armed: AtomicBool,
    /// Whether a value is above zero or still moving.
    is_active: AtomicBool,
    midi_messages: AtomicU64,
    gesture_mode: AtomicU8,
    pub(crate) resolved_routing: ResolvedRouting,
    names_version: AtomicU64,
    config: Mutex<ConfigAndTags>,
    predictions: Mutex<PredictionSender>,
    /// The audio thread's ends of the queues, until a processor takes them.
    processor_queues: Mutex<Option<ProcessorQueues>>,
    osc: Mutex<OscOutput>,
    timeline: Mutex<Timeline>,
}

/// The latest values, for any thread to read.
struct Values {
    tags: Box<[AtomicF32]>,
    /// The version of the tag list that the indices of `tags` refer to.
    tags_version: AtomicU64,
    /// The parameters of the slots.
    slots: [AtomicF32; SLOTS],
    /// The live values of the slots.
    live: [AtomicF32; SLOTS],
    sources: [AtomicF32; SLOTS],
}

/// The audio thread's ends of the queues between the threads.
pub(crate) struct ProcessorQueues {
    pub(crate) predictions: PredictionReceiver,
    pub(crate) osc: SnapshotSender,
    pub(crate) transport: TransportSender,
}

/// The configuration and the model's tags, which it refers to.
#[derive(Default)]
struct ConfigAndTags {
    config: OutputConfig,
    /// The names of the model's tags, and then of the taught ones.
    tags: Vec<String>,
    /// The number of tags of the model's own.
    own_tags: usize,
    /// What the host calls the tags and the slots.
    names: Vec<String>,
}

impl Outputs {
    /// Outputs with the default configuration; all values are zero.
    pub fn new() -> Self {
        let (prediction_sender, predictions) = prediction_channel();
        let (osc_sender, osc) = OscOutput::new();
        let (transport, history) = transport_channel();
        Self {
            values: Values {
                tags: (0..MAX_TAGS).map(|_| AtomicF32::new(0.0)).collect(),
                tags_version: AtomicU64::new(0),
                slots: [const { AtomicF32::new(0.0) }; SLOTS],
                live: [const { AtomicF32::new(0.0) }; SLOTS],
                sources: [const { AtomicF32::new(0.0) }; SLOTS],
            },
            armed: AtomicBool::new(false),
            is_active: AtomicBool::new(false),
            midi_messages: AtomicU64::new(0),
            gesture_mode: AtomicU8::new(GestureMode::Held as u8),
            resolved_routing: ResolvedRouting::new(),
            names_version: AtomicU64::new(0),
            config: Mutex::default(),
            predictions: Mutex::new(prediction_sender),
            processor_queues: Mutex::new(Some(ProcessorQueues { predictions, osc, transport })),
            osc: Mutex::new(osc_sender),
            timeline: Mutex::new(Timeline::new(history)),
        }
    }

    /// The smoothed probability of a tag of the model, 0..=1. After a change of the model it is zero
    /// until the processor has seen the change, because the values belong to the tags before.
    pub fn tag_value(&self, tag: usize) -> f32 {
        if self.values.tags_version.load(Acquire) != self.resolved_routing.tags_version() {
            return 0.0;
        }
        self.values.tags.get(tag).map_or(0.0, |value| value.load(Relaxed))
    }

    /// The smoothed probability at a published index, 0..=1; zero if there is no tag.
    pub fn published_value(&self, index: usize) -> f32 {
        self.resolved_routing.published_tag(index).map_or(0.0, |tag| self.tag_value(tag))
    }

    /// The number of tags that the host sees, at most [`MAX_PUBLISHED_TAGS`].
    pub fn published_count(&self) -> usize {
        (0..MAX_PUBLISHED_TAGS).take_while(|index| self.resolved_routing.published_tag(*index).is_some()).count()
    }

    /// The value of a slot's parameter, 0..=1; zero if there is no such slot.
    pub fn slot_value(&self, slot: usize) -> f32 {
        self.values.slots.get(slot).map_or(0.0, |value| value.load(Relaxed))
    }

    /// Sets the value of a slot's parameter, clamped to 0..=1. Ignores values that are not finite, and slots
    /// that do not exist.
    pub fn set_slot_value(&self, slot: usize, value: f32) {
        if let Some(slot) = self.values.slots.get(slot).filter(|_| value.is_finite()) {
            slot.store(value.clamp(0.0, 1.0), Relaxed);
        }
    }

    /// The live value of a slot, whether it is recorded or not: its source after threshold, smoothing and
    /// range, 0..=1; zero if there is no such slot.
    pub fn live_value(&self, slot: usize) -> f32 {
        self.values.live.get(slot).map_or(0.0, |value| value.load(Relaxed))
    }

    /// The value of a slot's source now, 0..=1; zero if there is no such slot.
    pub fn source_value(&self, slot: usize) -> f32 {
        self.values.sources.get(slot).map_or(0.0, |value| value.load(Relaxed))
    }

    /// Whether Write is armed.
    pub fn is_armed(&self) -> bool {
        self.armed.load(Relaxed)
    }

    /// Arms or disarms Write.
    pub fn set_armed(&self, armed: bool) {
        self.armed.store(armed, Relaxed);
    }

    /// The number of MIDI messages that the host has taken.
    pub fn midi_messages(&self) -> u64 {
        self.midi_messages.load(Relaxed)
    }

    pub(crate) fn count_midi_message(&self) {
        self.midi_messages.fetch_add(1, Relaxed);
    }

    pub(crate) fn gesture_mode(&self) -> GestureMode {
        match self.gesture_mode.load(Relaxed) {
            value if value == GestureMode::PerValue as u8 => GestureMode::PerValue,
            value if value == GestureMode::Off as u8 => GestureMode::Off,
            _ => GestureMode::Held,
        }
    }

    /// Sets how gestures enclose the automation of the slots.
    pub fn set_gesture_mode(&self, mode: GestureMode) {
        self.gesture_mode.store(mode as u8, Relaxed);
    }

    /// Whether a value is above zero or still moving, so that the host must not put the plug-in to sleep.
    pub fn is_active(&self) -> bool {
        self.is_active.load(Relaxed)
    }

    /// A number that changes whenever a [`published_name`] or a [`slot_name`] changes.
    ///
    /// [`published_name`]: Self::published_name
    /// [`slot_name`]: Self::slot_name
    pub fn names_version(&self) -> u64 {
        self.names_version.load(Acquire)
    }

    /// The name of the tag at a published index. Takes a lock.
    pub fn published_name(&self, index: usize) -> Option<String> {
        let ConfigAndTags { config, tags, own_tags, .. } = &*self.lock_config();
        let tag = published_tags(&config.routing, tags, *own_tags).nth(index)?;
        tags.get(tag).cloned()
    }

    /// The name of a slot: its number, from 1, and its source. Takes a lock.
    pub fn slot_name(&self, slot: usize) -> String {
        let number = slot + 1;
        let source = self.lock_config().config.routing.sources.get(slot).and_then(SlotSource::name);
        source.map_or_else(|| format!("Slot {number}"), |source| format!("Slot {number}: {source}"))
    }

    /// The configuration. Takes a lock.
    pub fn config(&self) -> OutputConfig {
        self.lock_config().config.clone()
    }

    /// Applies another configuration. Takes locks, and starts or ends a thread if the OSC settings change.
    pub fn set_config(&self, config: OutputConfig) {
        let mut current = self.lock_config();
        if config.osc != current.config.osc {
            self.osc().restart(&config.osc);
        }
        current.config = config;
        self.apply_routing(&mut current);
    }

    /// The state of the OSC output. Takes a lock.
    pub fn osc_status(&self) -> OscStatus {
        self.osc().status()
    }

    /// Hands the routing or the tags, after a change, to everything that uses them.
    fn apply_routing(&self, ConfigAndTags { config, tags, own_tags, names }: &mut ConfigAndTags) {
        self.resolved_routing.resolve(&config.routing, tags, *own_tags);
        let published = published_tags(&config.routing, tags, *own_tags).filter_map(|tag| tags.get(tag)).cloned();
        let published: Vec<String> = published.collect();
        self.osc().set_names(published.clone());
        let slots = config.routing.sources.iter().map(|source| source.name().unwrap_or_default());
        let new_names: Vec<String> = slots.chain(published).collect();
        // A host reads all parameters again when names change.
        if *names != new_names {
            *names = new_names;
            self.names_version.fetch_add(1, Release);
        }
    }

    pub(crate) fn set_tag_value(&self, tag: usize, value: f32) {
        self.values.tags[tag].store(value, Relaxed);
    }

    /// The indices of the tags refer to this version of the tag list from now on.
    pub(crate) fn set_tags_version(&self, tags_version: u64) {
        self.values.tags_version.store(tags_version, Release);
    }

    pub(crate) fn set_live_value(&self, slot: usize, source: f32, live: f32) {
        self.values.sources[slot].store(source, Relaxed);
        self.values.live[slot].store(live, Relaxed);
    }

    pub(crate) fn set_active(&self, is_active: bool) {
        self.is_active.store(is_active, Relaxed);
    }

    /// The predictions so far. Takes a lock that the thread that runs the model waits for: drop the
    /// guard soon.
    pub fn timeline(&self) -> impl Deref<Target = Timeline> + '_ {
        lock(&self.timeline)
    }

    /// The audio thread's ends of the queues; `None` if they are taken.
    pub(crate) fn take_processor_queues(&self) -> Option<ProcessorQueues> {
        lock(&self.processor_queues).take()
    }

    fn lock_config(&self) -> MutexGuard<'_, ConfigAndTags> {
        lock(&self.config)
    }

    fn osc(&self) -> MutexGuard<'_, OscOutput> {
        lock(&self.osc)
    }
}

impl Default for Outputs {
    fn default() -> Self {
        Self::new()
    }
}

impl EngineObserver for Outputs {
    fn on_status(&self, status: &Status) {
        let mut current = self.lock_config();
        let model = match status {
            Status::Ready { window, hop, hash, embedding_size, section_tag, .. } => TimelineModel {
                hash,
                embedding_size: *embedding_size,
                window: *window,
                hop: *hop,
                section_tag: *section_tag,
            },
            Status::Loading { .. } | Status::Failed(_) => TimelineModel::default(),
        };
        self.osc().set_window(model.window);
        // A file may name more tags before its model is loaded and refused.
        let tags = &status.tags()[..status.tags().len().min(MAX_TAGS)];
        if current.tags != tags {
            let own_tags = tags.len().saturating_sub(status.taught().len());
            let has_own_changed = current.tags[..current.own_tags] != tags[..own_tags];
            (current.tags, current.own_tags) = (tags.to_vec(), own_tags);
            self.resolved_routing.set_tag_count(current.tags.len());
            // The tags of the model go on while another one is taught.
            if has_own_changed {
                self.resolved_routing.count_tags_version();
            }
            self.apply_routing(&mut current);
        }
        lock(&self.timeline).set_model(tags, status.taught(), model);
    }

    fn on_prediction(&self, time: StreamTime, probabilities: &[f32], embedding: &[i8]) {
        lock(&self.predictions).send(time, self.resolved_routing.tags_version(), probabilities);
        lock(&self.timeline).record(time, probabilities, embedding);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
