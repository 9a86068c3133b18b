//! The part of the outputs that all threads of an instance share.

use crate::constants::{PUBLISHED, SLOTS};
use crate::osc::{OscSender, OscStatus, SnapshotSender};
use crate::predictions::{PredictionReceiver, PredictionSender, prediction_channel};
use crate::routing::{ResolvedRouting, Routing, published_tags};
use crate::settings::GestureMode;
use crate::timeline::{Timeline, TransportSender, transport_channel};
use atomic_float::AtomicF32;
use std::ops::Deref;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tagvane_engine::{EngineObserver, MAX_TAGS, Status, StreamTime};

/// The latest values, which any thread may read, and the routing, which the editor and the host may
/// change. An [`OutputProcessor`](crate::OutputProcessor) writes the values; the engine hands over its
/// predictions through [`EngineObserver`].
pub struct Outputs {
    values: Values,
    /// Whether Write is armed.
    armed: AtomicBool,
    /// Whether a value is not at rest at zero.
    is_active: AtomicBool,
    control_changes: AtomicU64,
    gesture_mode: AtomicU8,
    pub(crate) resolved_routing: ResolvedRouting,
    names_version: AtomicU64,
    routing: Mutex<NamedRouting>,
    predictions: Mutex<PredictionSender>,
    /// The audio thread's ends of the queues, until a processor takes them.
    processor_queues: Mutex<Option<ProcessorQueues>>,
    osc: Mutex<OscSender>,
    timeline: Mutex<Timeline>,
}

/// The latest values, for any thread to read.
struct Values {
    tags: Box<[AtomicF32]>,
    /// Which numbering of the tags `tags` has.
    tags_version: AtomicU64,
    /// The parameters of the slots.
    slots: [AtomicF32; SLOTS],
    /// What each slot makes of its source.
    live: [AtomicF32; SLOTS],
    sources: [AtomicF32; SLOTS],
}

/// The audio thread's ends of the queues between the threads.
pub(crate) struct ProcessorQueues {
    pub(crate) predictions: PredictionReceiver,
    pub(crate) osc: SnapshotSender,
    pub(crate) transport: TransportSender,
}

/// The routing and the names of the tags that it refers to.
#[derive(Default)]
struct NamedRouting {
    routing: Routing,
    names: Vec<String>,
}

impl Outputs {
    /// Outputs with an empty routing; all values are zero.
    pub fn new() -> Self {
        let (prediction_sender, predictions) = prediction_channel();
        let (osc_sender, osc) = OscSender::new();
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
            control_changes: AtomicU64::new(0),
            gesture_mode: AtomicU8::new(GestureMode::Held as u8),
            resolved_routing: ResolvedRouting::new(),
            names_version: AtomicU64::new(0),
            routing: Mutex::default(),
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

    /// The number of tags that the host sees, at most [`PUBLISHED`].
    pub fn published_count(&self) -> usize {
        (0..PUBLISHED).take_while(|index| self.resolved_routing.published_tag(*index).is_some()).count()
    }

    /// The value of a slot's parameter, 0..=1.
    pub fn slot_value(&self, slot: usize) -> f32 {
        self.values.slots[slot].load(Relaxed)
    }

    /// Sets the value of a slot's parameter, clamped to 0..=1. Ignores values that are not finite.
    pub fn set_slot_value(&self, slot: usize, value: f32) {
        if value.is_finite() {
            self.values.slots[slot].store(value.clamp(0.0, 1.0), Relaxed);
        }
    }

    /// What a slot makes of its source now, whether it is recorded or not, 0..=1.
    pub fn live_value(&self, slot: usize) -> f32 {
        self.values.live[slot].load(Relaxed)
    }

    /// The value of a slot's source now, 0..=1.
    pub fn source_value(&self, slot: usize) -> f32 {
        self.values.sources[slot].load(Relaxed)
    }

    /// Whether Write is armed.
    pub fn is_armed(&self) -> bool {
        self.armed.load(Relaxed)
    }

    /// Arms or disarms Write.
    pub fn set_armed(&self, armed: bool) {
        self.armed.store(armed, Relaxed);
    }

    /// The number of MIDI control changes that the host has taken.
    pub fn control_changes(&self) -> u64 {
        self.control_changes.load(Relaxed)
    }

    pub(crate) fn count_control_change(&self) {
        self.control_changes.fetch_add(1, Relaxed);
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

    /// Whether a value is not at rest at zero, so that the host must keep processing.
    pub fn is_active(&self) -> bool {
        self.is_active.load(Relaxed)
    }

    /// A number that changes whenever [`published_name`] or [`slot_name`] may change.
    ///
    /// [`published_name`]: Self::published_name
    /// [`slot_name`]: Self::slot_name
    pub fn names_version(&self) -> u64 {
        self.names_version.load(Acquire)
    }

    /// The name of the tag at a published index. Takes a lock.
    pub fn published_name(&self, index: usize) -> Option<String> {
        let named = self.named_routing();
        let tag = published_tags(&named.routing, &named.names).nth(index)?;
        named.names.get(tag).cloned()
    }

    /// The name of a slot: its number, from 1, and its source. Takes a lock.
    pub fn slot_name(&self, slot: usize) -> String {
        let number = slot + 1;
        match self.named_routing().routing.sources[slot].name() {
            Some(source) => format!("Slot {number}: {source}"),
            None => format!("Slot {number}"),
        }
    }

    /// The routing. Takes a lock.
    pub fn routing(&self) -> Routing {
        self.named_routing().routing.clone()
    }

    /// Takes over another routing. Takes locks, and starts or ends a thread if OSC is switched on or off.
    pub fn set_routing(&self, routing: Routing) {
        let mut named = self.named_routing();
        self.osc().set(&routing.osc);
        named.routing = routing;
        self.apply_routing(&named);
    }

    /// The state of the OSC output. Takes a lock.
    pub fn osc_status(&self) -> OscStatus {
        self.osc().status()
    }

    /// Hands the routing or the names, after a change, to everything that uses them.
    fn apply_routing(&self, named: &NamedRouting) {
        self.resolved_routing.resolve(&named.routing, &named.names);
        let published = published_tags(&named.routing, &named.names).filter_map(|tag| named.names.get(tag)).cloned();
        self.osc().set_names(published.collect());
        self.names_version.fetch_add(1, Release);
    }

    pub(crate) fn set_tag_value(&self, tag: usize, value: f32) {
        self.values.tags[tag].store(value, Relaxed);
    }

    /// The tags that are set from now on have the indices of this version.
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

    fn named_routing(&self) -> MutexGuard<'_, NamedRouting> {
        lock(&self.routing)
    }

    fn osc(&self) -> MutexGuard<'_, OscSender> {
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
        let mut named = self.named_routing();
        let (window, hop) = match status {
            Status::Ready { window, hop, .. } => (*window, *hop),
            Status::Loading { .. } | Status::Failed(_) => (Duration::ZERO, Duration::ZERO),
        };
        self.osc().set_window(window);
        lock(&self.timeline).set_model(status.tags(), window, hop);
        if named.names != status.tags() {
            named.names = status.tags().to_vec();
            self.resolved_routing.renumber(named.names.len());
            self.apply_routing(&named);
        }
    }

    fn on_prediction(&self, time: StreamTime, probabilities: &[f32]) {
        lock(&self.predictions).send(time, self.resolved_routing.tags_version(), probabilities);
        lock(&self.timeline).record(time, probabilities);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
