//! What the threads of an instance share of its outputs.

use crate::judgements::{Judgements, Reporter, judgements};
use crate::osc::{Feed, Osc, OscStatus};
use crate::settings::Gestures;
use crate::timeline::{Teller, Timeline, places};
use crate::wiring::{Wired, Wiring, published};
use crate::{PUBLISHED, SLOTS};
use atomic_float::AtomicF32;
use std::ops::Deref;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tagvane_engine::{MAX_TAGS, Moment, Observer, Status};

/// The latest values, for the host and the editor to read at any time, and the wiring,
/// for them to change. A [`Stage`](crate::Stage) writes the values; the engine reports
/// its judgements by way of [`Observer`].
pub struct Outputs {
    tags: Box<[AtomicF32]>,
    /// Which numbering of the tags `tags` speaks of.
    numbered: AtomicU64,
    slots: [AtomicF32; SLOTS],
    live: [AtomicF32; SLOTS],
    heard: [AtomicF32; SLOTS],
    armed: AtomicBool,
    moves: AtomicBool,
    controllers_sent: AtomicU64,
    gestures: AtomicU8,
    pub(crate) wired: Wired,
    names_version: AtomicU64,
    said: Mutex<Said>,
    reporter: Mutex<Reporter>,
    /// The audio thread's ends, until a stage takes them.
    ends: Mutex<Option<Ends>>,
    osc: Mutex<Osc>,
    timeline: Mutex<Timeline>,
}

/// The audio thread's ends of what passes between the threads.
pub(crate) struct Ends {
    pub(crate) judgements: Judgements,
    pub(crate) osc: Feed,
    pub(crate) song: Teller,
}

/// What people and models said.
#[derive(Default)]
struct Said {
    wiring: Wiring,
    names: Vec<String>,
}

impl Outputs {
    /// Outputs of which nothing is wired; all values are zero.
    pub fn new() -> Self {
        let (reporter, judgements) = judgements();
        let (osc, feed) = Osc::new();
        let (song, places) = places();
        Self {
            tags: (0..MAX_TAGS).map(|_| AtomicF32::new(0.0)).collect(),
            numbered: AtomicU64::new(0),
            slots: [const { AtomicF32::new(0.0) }; SLOTS],
            live: [const { AtomicF32::new(0.0) }; SLOTS],
            heard: [const { AtomicF32::new(0.0) }; SLOTS],
            armed: AtomicBool::new(false),
            moves: AtomicBool::new(false),
            controllers_sent: AtomicU64::new(0),
            gestures: AtomicU8::new(Gestures::Held as u8),
            wired: Wired::new(),
            names_version: AtomicU64::new(0),
            said: Mutex::default(),
            reporter: Mutex::new(reporter),
            ends: Mutex::new(Some(Ends { judgements, osc: feed, song })),
            osc: Mutex::new(osc),
            timeline: Mutex::new(Timeline::new(places)),
        }
    }

    /// The smoothed probability of the model's tag `tag`, 0..=1; zero from a change of the model
    /// on until the stage knows of it, since what stands there is another tag's.
    pub fn tag(&self, tag: usize) -> f32 {
        if self.numbered.load(Acquire) != self.wired.tags_version() {
            return 0.0;
        }
        self.tags.get(tag).map_or(0.0, |value| value.load(Relaxed))
    }

    /// The smoothed probability at a published place; zero where there is no tag.
    pub fn published(&self, place: usize) -> f32 {
        self.wired.published(place).map_or(0.0, |tag| self.tag(tag))
    }

    /// How many tags the host sees, at most [`PUBLISHED`].
    pub fn published_count(&self) -> usize {
        (0..PUBLISHED).take_while(|place| self.wired.published(*place).is_some()).count()
    }

    /// What the parameter of a slot stands at, 0..=1.
    pub fn slot(&self, slot: usize) -> f32 {
        self.slots[slot].load(Relaxed)
    }

    /// Puts the parameter of a slot somewhere: a project was loaded. Values that are not
    /// finite are left out.
    pub fn set_slot(&self, slot: usize, value: f32) {
        if value.is_finite() {
            self.slots[slot].store(value.clamp(0.0, 1.0), Relaxed);
        }
    }

    /// What a slot makes of its source now, whether it is recorded or not, 0..=1.
    pub fn live(&self, slot: usize) -> f32 {
        self.live[slot].load(Relaxed)
    }

    /// What a slot's source says now, 0..=1.
    pub fn heard(&self, slot: usize) -> f32 {
        self.heard[slot].load(Relaxed)
    }

    /// Whether Write is armed.
    pub fn armed(&self) -> bool {
        self.armed.load(Relaxed)
    }

    /// MIDI control changes that the host took so far.
    pub fn controllers_sent(&self) -> u64 {
        self.controllers_sent.load(Relaxed)
    }

    pub(crate) fn count_controller(&self) {
        self.controllers_sent.fetch_add(1, Relaxed);
    }

    /// Arms or disarms Write.
    pub fn arm(&self, armed: bool) {
        self.armed.store(armed, Relaxed);
    }

    /// How the host takes the recording of a slot.
    pub(crate) fn gestures(&self) -> Gestures {
        match self.gestures.load(Relaxed) {
            value if value == Gestures::Brief as u8 => Gestures::Brief,
            value if value == Gestures::Without as u8 => Gestures::Without,
            _ => Gestures::Held,
        }
    }

    /// The host takes the recording of a slot so from now on.
    pub fn set_gestures(&self, gestures: Gestures) {
        self.gestures.store(gestures as u8, Relaxed);
    }

    /// Whether a value is not at rest at zero, so that the host must go on calling.
    pub fn moves(&self) -> bool {
        self.moves.load(Relaxed)
    }

    /// A number that is another one after each change of what [`published_name`] and
    /// [`slot_name`] say.
    ///
    /// [`published_name`]: Self::published_name
    /// [`slot_name`]: Self::slot_name
    pub fn names_version(&self) -> u64 {
        self.names_version.load(Acquire)
    }

    /// The name of the tag at a published place. Takes a lock.
    pub fn published_name(&self, place: usize) -> Option<String> {
        let said = self.said();
        let tag = published(&said.wiring, &said.names).nth(place)?;
        said.names.get(tag).cloned()
    }

    /// The name of a slot: its number, from 1, and what it listens to. Takes a lock.
    pub fn slot_name(&self, slot: usize) -> String {
        let number = slot + 1;
        match self.said().wiring.sources[slot].name() {
            Some(source) => format!("Slot {number}: {source}"),
            None => format!("Slot {number}"),
        }
    }

    /// The wiring. Takes a lock.
    pub fn wiring(&self) -> Wiring {
        self.said().wiring.clone()
    }

    /// Takes over another wiring. Takes locks, and starts or ends a thread where OSC is
    /// switched.
    pub fn wire(&self, wiring: Wiring) {
        let mut said = self.said();
        self.osc().set(&wiring.osc);
        said.wiring = wiring;
        self.rewire(&said);
    }

    /// How OSC is doing. Takes a lock.
    pub fn osc_status(&self) -> OscStatus {
        self.osc().status()
    }

    /// After a change of what was said.
    fn rewire(&self, said: &Said) {
        self.wired.wire(&said.wiring, &said.names);
        let published = published(&said.wiring, &said.names).filter_map(|tag| said.names.get(tag)).cloned();
        self.osc().rename(published.collect());
        self.names_version.fetch_add(1, Release);
    }

    pub(crate) fn set_tag(&self, tag: usize, value: f32) {
        self.tags[tag].store(value, Relaxed);
    }

    /// The tags that are set from now on have the numbers of this version.
    pub(crate) fn set_numbered(&self, tags_version: u64) {
        self.numbered.store(tags_version, Release);
    }

    pub(crate) fn set_live(&self, slot: usize, heard: f32, live: f32) {
        self.heard[slot].store(heard, Relaxed);
        self.live[slot].store(live, Relaxed);
    }

    pub(crate) fn set_moves(&self, moves: bool) {
        self.moves.store(moves, Relaxed);
    }

    /// What was judged so far. Takes a lock, which the thread that listens waits for: to be let go
    /// soon.
    pub fn timeline(&self) -> impl Deref<Target = Timeline> + '_ {
        lock(&self.timeline)
    }

    /// The audio thread's ends, once.
    pub(crate) fn take_ends(&self) -> Option<Ends> {
        lock(&self.ends).take()
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        lock(&self.said)
    }

    fn osc(&self) -> MutexGuard<'_, Osc> {
        lock(&self.osc)
    }
}

impl Default for Outputs {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for Outputs {
    fn changed(&self, status: &Status) {
        let mut said = self.said();
        let (window, hop) = match status {
            Status::Ready { window, hop, .. } => (*window, *hop),
            Status::Loading { .. } | Status::Failed(_) => (Duration::ZERO, Duration::ZERO),
        };
        self.osc().set_window(window);
        lock(&self.timeline).listen(status.tags(), window, hop);
        if said.names != status.tags() {
            said.names = status.tags().to_vec();
            self.wired.renumber(said.names.len());
            self.rewire(&said);
        }
    }

    fn judged(&self, moment: Moment, probabilities: &[f32]) {
        lock(&self.reporter).report(moment, self.wired.tags_version(), probabilities);
        lock(&self.timeline).record(moment, probabilities);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
