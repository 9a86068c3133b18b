//! The audio thread's end of the outputs.

use crate::announcer::{Announcer, Limit};
use crate::event::{Event, Timed};
use crate::judgements::{Judgement, Judgements};
use crate::midi::Controllers;
use crate::osc::{Feed, Snapshot};
use crate::outputs::Ends;
use crate::settings::Settings;
use crate::slot::Slot;
use crate::smoothing::Smoothing;
use crate::timeline::{Place, Teller};
use crate::writer::Writer;
use crate::{DELAY, Outputs, PUBLISHED, SLOTS, TICKS};
use std::collections::VecDeque;
use std::sync::Arc;
use tagvane_engine::{MAX_TAGS, Moment};

/// Events that may wait for the host without an allocation.
const EVENTS: usize = 4_096;

/// The most events of one tick: every tag twice, each slot's recording and controller,
/// and Write.
const EVENTS_A_TICK: usize = 2 * PUBLISHED + 5 * SLOTS + 1;

/// Ticks between two updates over OSC, at least and at most.
const OSC_SPACING: f64 = 4.0;
const OSC_REFRESH: u32 = TICKS;

/// What passes of the host's audio in one call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// Its length.
    pub frames: u32,
    /// What [`Tap::start`](tagvane_engine::Tap::start) says after it was heard.
    pub start: (u32, u64),
    /// Whether the host's transport plays.
    pub playing: bool,
    /// Whether nothing is to be recorded now.
    pub bypassed: bool,
    /// Whether this is a bounce, which may wait.
    pub offline: bool,
}

/// Takes the judgements that are due and leaves events for the host.
///
/// Once it is made, nothing here locks, allocates, waits or calls the system, unless the
/// block is offline.
pub struct Stage {
    outputs: Arc<Outputs>,
    judgements: Judgements,
    song: Teller,
    /// A judgement whose time has not come.
    next: Option<Judgement>,
    rate: f64,
    start: u32,
    tags_version: u64,
    /// When the window ended that was judged last, in seconds after the start.
    window_end: f64,
    /// What was judged last, and where the smoothed tags are on their way there.
    targets: Box<[f32]>,
    shown: Box<[f32]>,
    /// Whether they are on their way.
    moving: bool,
    /// Whether the host may not know the latest of the tags.
    news: bool,
    limit: Limit,
    announcer: Announcer,
    slots: [Slot; SLOTS],
    writers: [Writer; SLOTS],
    /// What goes out of each slot; `None` for one that is not used.
    out: [Option<f32>; SLOTS],
    controllers: Controllers,
    osc: Feed,
    osc_limit: Limit,
    /// Whether something moved since the last update over OSC, and ticks since then.
    osc_news: bool,
    osc_since: u32,
    told_armed: bool,
    /// What the host set in this block: the frame, the slot, the value.
    set: VecDeque<(u32, usize, f32)>,
    events: VecDeque<Timed>,
    /// How far the host's block has passed.
    frame: u32,
    running: bool,
    has_transport: bool,
}

impl Stage {
    /// The one stage of these outputs; `None` if there is one already.
    pub fn new(outputs: Arc<Outputs>) -> Option<Self> {
        let Ends { judgements, osc, song } = outputs.take_ends()?;
        let tags_version = outputs.wired.tags_version();
        outputs.set_numbered(tags_version);
        Some(Self {
            tags_version,
            outputs,
            judgements,
            song,
            next: None,
            rate: 48_000.0,
            start: 0,
            window_end: 0.0,
            targets: vec![0.0; MAX_TAGS].into(),
            shown: vec![0.0; MAX_TAGS].into(),
            moving: false,
            news: false,
            limit: Limit::default(),
            announcer: Announcer::new(),
            slots: Default::default(),
            writers: Default::default(),
            out: [None; SLOTS],
            controllers: Controllers::new(),
            osc,
            osc_limit: Limit::default(),
            osc_news: false,
            osc_since: 0,
            told_armed: false,
            set: VecDeque::with_capacity(EVENTS),
            events: VecDeque::with_capacity(EVENTS),
            frame: 0,
            running: false,
            has_transport: false,
        })
    }

    /// The host starts, at `rate` hertz; at one that is none, or below 1 kHz, time passes as
    /// at 48 kHz. Not while audio passes.
    pub fn run(&mut self, rate: f64) {
        self.rate = if (1e3..=1e9).contains(&rate) { rate } else { 48e3 };
        self.judgements.clear();
        self.next = None;
        self.set.clear();
        self.controllers = Controllers::new();
        self.begin(0);
        self.running = true;
    }

    /// The host stops: recordings end, the tags go to zero. What the host is to be told
    /// of that waits for a [`flush`](Self::flush), or the next block.
    pub fn stop(&mut self) {
        self.end_recordings();
        self.begin(self.start);
        self.running = false;
    }

    /// Ends all recordings.
    pub fn end_recordings(&mut self) {
        let Self { writers, events, outputs, frame, .. } = self;
        for (slot, writer) in writers.iter_mut().enumerate() {
            let tell = |event| events.push_back(Timed { frame: *frame, event });
            if let Some(value) = writer.end(slot, outputs.slot(slot), tell) {
                outputs.set_slot(slot, value);
            }
        }
    }

    /// Whether a gesture of a recording has not ended, as far as the host knows.
    pub fn has_open_gestures(&self) -> bool {
        self.writers.iter().any(Writer::is_open)
            || self.events.iter().any(|timed| matches!(timed.event, Event::End { .. }))
    }

    /// A block of the host begins; whether it says if its transport plays.
    pub fn begin_block(&mut self, has_transport: bool) {
        (self.frame, self.has_transport) = (0, has_transport);
    }

    /// The host sets a slot, at a frame of this block; to be said before the block passes,
    /// in order. A slot that is being recorded takes nothing.
    pub fn set(&mut self, frame: u32, slot: usize, value: f32) {
        // A host that sends more than fit in one block can do without the rest.
        if slot < SLOTS && value.is_finite() && self.set.len() < EVENTS {
            self.set.push_back((frame, slot, value.clamp(0.0, 1.0)));
        }
    }

    /// The host arms or disarms Write.
    pub fn arm(&mut self, armed: bool) {
        self.outputs.arm(armed);
        self.told_armed = armed;
    }

    /// Where the host's song stood as `block`, which was heard, began.
    pub fn place(&mut self, block: &Block, place: Place) {
        let (start, end) = block.start;
        let frames = end.saturating_sub(u64::from(block.frames));
        self.song.tell(Moment { start, seconds: frames as f64 / self.rate }, place);
    }

    /// Lets a block, or a part of one, pass.
    pub fn pass(&mut self, block: &Block, settings: &Settings) {
        let (start, end) = block.start;
        if start != self.start {
            self.begin(start);
        }
        self.controllers.set(settings.midi);
        self.tell_armed();
        let begin = end.saturating_sub(u64::from(block.frames));
        let mut tick = (begin as f64 * f64::from(TICKS) / self.rate) as u64;
        loop {
            let position = (tick as f64 * self.rate / f64::from(TICKS)).ceil() as u64;
            if position >= end {
                break;
            }
            if position >= begin {
                let frame = self.frame + (position - begin) as u32;
                self.take_set(frame, settings.live);
                self.tick(tick, position, frame, block, settings);
            }
            tick += 1;
        }
        self.frame += block.frames;
        self.take_set(self.frame.saturating_sub(1), settings.live);
    }

    /// The host asks without audio: takes what it set, and says what waits.
    pub fn flush(&mut self, settings: &Settings) {
        self.take_set(u32::MAX, settings.live);
        self.tell_armed();
        if !self.running && self.news && settings.announce.is_some() {
            self.announce(0);
        }
    }

    /// Hands the host's events to `push`, which says whether the host took one; what it
    /// did not take comes again next time.
    pub fn tell(&mut self, mut push: impl FnMut(Timed) -> bool) {
        while let Some(timed) = self.events.front() {
            if !push(*timed) {
                break;
            }
            if let Event::Controller { .. } = timed.event {
                self.outputs.count_controller();
            }
            self.events.pop_front();
        }
        self.events.iter_mut().for_each(|timed| timed.frame = 0);
        self.frame = 0;
    }

    /// A start: nothing has been heard.
    fn begin(&mut self, start: u32) {
        self.start = start;
        self.window_end = 0.0;
        self.forget_tags();
        self.slots = Default::default();
        for slot in 0..SLOTS {
            self.outputs.set_live(slot, 0.0, 0.0);
        }
        self.outputs.set_moves(false);
    }

    fn forget_tags(&mut self) {
        self.targets.fill(0.0);
        for (tag, shown) in self.shown.iter_mut().enumerate() {
            if *shown != 0.0 {
                *shown = 0.0;
                self.outputs.set_tag(tag, 0.0);
            }
        }
        (self.moving, self.news, self.osc_news) = (false, true, true);
    }

    fn tell_armed(&mut self) {
        let armed = self.outputs.armed();
        if armed != self.told_armed {
            self.told_armed = armed;
            self.events.push_back(Timed { frame: self.frame, event: Event::Write { armed } });
        }
    }

    /// Takes what the host set up to `frame`.
    fn take_set(&mut self, frame: u32, live: bool) {
        while let Some((at, slot, value)) = self.set.pop_front_if(|(at, ..)| *at <= frame) {
            if self.writers[slot].records() {
                continue;
            }
            self.outputs.set_slot(slot, value);
            if !live {
                self.out[slot] = Some(value);
                self.osc_news = true;
                let events = &mut self.events;
                self.controllers.slot(slot, value, |event| events.push_back(Timed { frame: at, event }));
            }
        }
    }

    fn tick(&mut self, tick: u64, position: u64, frame: u32, block: &Block, settings: &Settings) {
        let stirred = self.take_judgements(position) | self.smooth(settings);
        self.news |= stirred;
        self.osc_news |= stirred;
        // A host that takes nothing must not fill the memory.
        let room = block.offline || self.events.len() + EVENTS_A_TICK <= EVENTS;
        // Without a transport nothing says that time stands still.
        let playing = block.playing || !self.has_transport;
        let armed = self.outputs.armed() && playing && !block.bypassed;
        let mut awake = self.moving || self.targets[..self.outputs.wired.tags()].iter().any(|target| *target > 0.0);
        for slot in 0..SLOTS {
            awake |= self.tick_slot(slot, frame, armed && room, settings, room);
        }
        self.outputs.set_moves(awake);
        if !room {
            return;
        }
        let Self { outputs, controllers, events, .. } = self;
        let value = |place| outputs.wired.published(place).map(|tag| outputs.tag(tag));
        controllers.tags(value, |event| events.push_back(Timed { frame, event }));
        if let Some(rate) = settings.announce
            && self.news
            && self.limit.allows(tick, f64::from(TICKS) / rate)
        {
            self.announce(frame);
        }
        self.osc_since += 1;
        if (self.osc_news || self.osc_since >= OSC_REFRESH) && self.osc_limit.allows(tick, OSC_SPACING) {
            (self.osc_news, self.osc_since) = (false, 0);
            let age = (position as f64 / self.rate - self.window_end) as f32;
            let tags = std::array::from_fn(|place| self.outputs.published(place));
            self.osc.push(Snapshot { tags, slots: self.out, age }, block.offline);
        }
    }

    /// Goes on with one slot; gives whether it is not at rest.
    fn tick_slot(&mut self, slot: usize, frame: u32, armed: bool, settings: &Settings, room: bool) -> bool {
        let source = self.outputs.wired.source(slot, &self.targets);
        let heard = source.unwrap_or(0.0);
        let live = self.slots[slot].step(heard, &settings.slots[slot]);
        self.outputs.set_live(slot, heard, live);
        if !room {
            return true;
        }
        let events = &mut self.events;
        let mut tell = |event| events.push_back(Timed { frame, event });
        let recording = armed && source.is_some();
        if let Some(value) = self.writers[slot].step(slot, recording, live, self.outputs.gestures(), &mut tell) {
            self.outputs.set_slot(slot, value);
        }
        let parameter = self.outputs.slot(slot);
        let out = match source {
            Some(_) if recording || settings.live => Some(live),
            Some(_) => Some(parameter),
            // A lane is played back, or was, though the slot hears nothing now.
            None if self.out[slot].is_some() || parameter != 0.0 => Some(parameter),
            None => None,
        };
        if out != self.out[slot] {
            self.out[slot] = out;
            self.osc_news = true;
        }
        if let Some(out) = out {
            self.controllers.slot(slot, out, tell);
        }
        self.writers[slot].is_open() || !self.slots[slot].is_at_rest()
    }

    /// Takes the judgements that count by `position`; gives whether there was one.
    fn take_judgements(&mut self, position: u64) -> bool {
        let version = self.outputs.wired.tags_version();
        let renumbered = version != self.tags_version;
        if renumbered {
            self.tags_version = version;
            self.forget_tags();
            self.outputs.set_numbered(version);
        }
        let mut taken = false;
        while let Some(judgement) = self.next.take().or_else(|| self.judgements.next()) {
            let current = judgement.moment.start == self.start && judgement.tags_version == version as u32;
            // Half a frame for what rounding does.
            if current && (judgement.moment.seconds + DELAY) * self.rate > position as f64 + 0.5 {
                self.next = Some(judgement);
                break;
            }
            let values = self.judgements.values(&judgement);
            if current {
                let values = values.chain(std::iter::repeat(0.0));
                for (target, value) in self.targets[..self.outputs.wired.tags()].iter_mut().zip(values) {
                    *target = if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
                }
                self.window_end = judgement.moment.seconds;
                (taken, self.moving) = (true, true);
            } else {
                values.for_each(drop);
            }
        }
        taken || renumbered
    }

    /// Moves the smoothed tags on by a tick; gives whether one moved.
    fn smooth(&mut self, settings: &Settings) -> bool {
        if !self.moving {
            return false;
        }
        let smoothing = Smoothing::new(settings.attack, settings.release);
        let tags = self.outputs.wired.tags();
        let mut moving = false;
        for (tag, (shown, target)) in self.shown[..tags].iter_mut().zip(&self.targets[..tags]).enumerate() {
            if shown != target {
                *shown = smoothing.step(*shown, *target);
                moving |= shown != target;
                self.outputs.set_tag(tag, *shown);
            }
        }
        self.moving = moving;
        true
    }

    fn announce(&mut self, frame: u32) {
        let Self { outputs, announcer, events, .. } = self;
        let tell = |index, value| events.push_back(Timed { frame, event: Event::Tag { index, value } });
        announcer.announce(|place| outputs.published(place), tell);
        self.news = false;
    }
}
