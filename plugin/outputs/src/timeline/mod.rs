//! The predictions of a session with their positions in the host's song: for the editor's taggram and
//! for export.

mod entries;
mod export;
mod marking;
mod regions;
mod sections;
mod transport;

pub use entries::TimelineEntry;
pub use export::ExportFormat;
pub use regions::{PredictionSpan, Region, audacity_labels, find_regions};
pub use transport::{Bar, Transport, TransportPosition};
pub(crate) use transport::{TransportHistory, TransportSender, transport_channel};

use entries::Entries;
use std::sync::Arc;
use std::time::Duration;
use tagvane_engine::teaching::TaughtTag;
use tagvane_engine::{SectionTag, StreamTime};

/// Bytes that are kept: an hour of 214 tags and embeddings of 64 values, at ten predictions a second.
const MAX_BYTES: usize = 22_000_000;

/// The deviation of the song position, in seconds, that makes an entry a discontinuity.
const MAX_DEVIATION: f64 = 0.05;

/// What a timeline has to know of a model.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TimelineModel<'a> {
    /// The SHA-256 of its file.
    pub(crate) hash: &'a str,
    /// The values of its whitened embedding; 0 without one.
    pub(crate) embedding_size: usize,
    /// The length of its window.
    pub(crate) window: Duration,
    /// The time between two predictions.
    pub(crate) hop: Duration,
    /// The tag of new sections.
    pub(crate) section_tag: Option<SectionTag>,
}

/// The predictions of a session: at least the last hour of the shipped models.
pub struct Timeline {
    /// The names of the model's tags, and of the taught ones.
    tags: Vec<String>,
    taught: Arc<[TaughtTag]>,
    /// The tag of new sections, and how many entries later its value comes.
    section_tag: Option<(usize, usize)>,
    /// The SHA-256 of the model's file.
    model: String,
    /// Seconds of the model's window.
    window: f64,
    /// Seconds between two predictions.
    hop: f64,
    entries: Entries,
    /// The number of the first entry that is kept.
    first: u64,
    /// The end of the last window.
    last: Option<StreamTime>,
    transport: TransportHistory,
}

impl Timeline {
    /// An empty timeline without a model.
    pub(crate) fn new(transport: TransportHistory) -> Self {
        Self {
            tags: Vec::new(),
            taught: Arc::default(),
            section_tag: None,
            model: String::new(),
            window: 0.0,
            hop: 0.0,
            entries: Entries::new(0, 0),
            first: 0,
            last: None,
            transport,
        }
    }

    /// The tags, in the order of the probabilities.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Seconds between two predictions.
    pub fn hop(&self) -> f64 {
        self.hop
    }

    /// The entries that are kept, the oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = TimelineEntry<'_>> + ExactSizeIterator {
        self.entries.iter().enumerate().map(|(index, entry)| self.complete(index, entry))
    }

    /// The sequence numbers of the entries that are kept. The end of an earlier call is the first new entry.
    pub fn numbers(&self) -> std::ops::Range<u64> {
        self.first..self.first + self.entries.len() as u64
    }

    /// The entry with a number; `None` if it is not kept.
    pub fn entry(&self, number: u64) -> Option<TimelineEntry<'_>> {
        self.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn get(&self, index: usize) -> Option<TimelineEntry<'_>> {
        self.entries.get(index).map(|entry| self.complete(index, entry))
    }

    /// The entry at an index, with what its tags depend on.
    fn complete<'a>(&'a self, index: usize, entry: TimelineEntry<'a>) -> TimelineEntry<'a> {
        let section = self.section_tag.map(|(tag, later)| {
            // A start in between has set the value to zero.
            (tag, self.entries.get(index + later).map_or(0.0, |entry| entry.probability(tag)))
        });
        TimelineEntry { taught: &self.taught, section, ..entry }
    }

    /// Takes the predictions of a model from now on, with these tags, of which the last ones are taught. The entries are kept
    /// if it has the same tags of its own, and their embeddings, too, if it is the same model.
    pub(crate) fn set_model(&mut self, tags: &[String], taught: &Arc<[TaughtTag]>, model: TimelineModel<'_>) {
        let TimelineModel { hash, embedding_size, window, hop, section_tag } = model;
        (self.window, self.hop) = (window.as_secs_f64(), hop.as_secs_f64());
        let own = |tags: &[String], taught: usize| tags.len().saturating_sub(taught);
        let (own_before, own_now) = (own(&self.tags, self.taught.len()), own(tags, taught.len()));
        let is_same = self.tags[..own_before] == tags[..own_now] && self.entries.embedding_size() == embedding_size;
        if !is_same || self.entries.tags() != own_now {
            self.first = self.numbers().end;
            self.entries = Entries::new(own_now, embedding_size);
            self.last = None;
        } else if self.model != hash {
            self.entries.clear_embeddings();
        }
        hash.clone_into(&mut self.model);
        self.tags = tags.to_vec();
        self.taught = Arc::clone(taught);
        let entries = |delay: Duration| (delay.as_secs_f64() / self.hop.max(1e-3)).round() as usize;
        self.section_tag = section_tag.map(|SectionTag { index, delay }| (index, entries(delay)));
    }

    /// Adds the prediction for the window that ended at `time`; empty slices for a silent window.
    pub(crate) fn record(&mut self, time: StreamTime, probabilities: &[f32], embedding: &[i8]) {
        self.transport.update();
        let middle = StreamTime { seconds: time.seconds - self.window / 2.0, ..time };
        let position = self.transport.position(middle);
        let elapsed = match self.last {
            Some(last) if last.segment == time.segment => Some((time.seconds - last.seconds).max(0.0)),
            _ => None,
        };
        let before = self.entries.iter().next_back();
        let clock = before.map_or(self.hop, |entry| entry.clock + elapsed.unwrap_or(self.hop));
        let is_discontinuity = match (before, elapsed) {
            (Some(entry), Some(elapsed)) => match (entry.position, position) {
                (Some(from), Some(to)) => (to.seconds - from.seconds - elapsed).abs() > MAX_DEVIATION,
                (from, to) => from.is_some() != to.is_some(),
            },
            _ => true,
        };
        self.entries.push(clock, position, is_discontinuity, probabilities, embedding);
        self.last = Some(time);
        while self.entries.len() > (MAX_BYTES / self.entries.entry_bytes()).max(1) {
            self.entries.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use tagvane_engine::teaching::TagFunction;

    const HOP: f64 = 0.1;

    /// A timeline with two tags, and the audio thread's end of its transport.
    pub(crate) fn timeline() -> (Timeline, TransportSender) {
        let (sender, transport) = transport_channel();
        let mut timeline = Timeline::new(transport);
        let names = ["rock".to_owned(), "slow, sad".to_owned()];
        timeline.set_model(&names, &Arc::default(), model("a"));
        (timeline, sender)
    }

    /// A model with this hash and embeddings of two values.
    fn model(hash: &str) -> TimelineModel<'_> {
        let (window, hop) = (Duration::from_secs(2), Duration::from_secs_f64(HOP));
        TimelineModel { hash, embedding_size: 2, window, hop, section_tag: None }
    }

    fn at(segment: u32, seconds: f64) -> StreamTime {
        StreamTime { segment, seconds }
    }

    fn playing(seconds: f64) -> Transport {
        Transport { position: Some(TransportPosition { seconds, beats: Some(seconds), bar: None }), tempo: 60.0 }
    }

    #[test]
    fn an_entry_has_the_position_of_the_middle_of_its_window() {
        let (mut timeline, mut sender) = timeline();
        sender.send(at(1, 0.0), playing(30.0));
        timeline.record(at(1, 2.0), &[0.25, 1.0], &[]);
        timeline.record(at(1, 2.1), &[f32::NAN], &[]);
        let entries: Vec<TimelineEntry<'_>> = timeline.entries().collect();
        assert_eq!(entries[0].position.unwrap().seconds, 31.0);
        assert!((entries[1].position.unwrap().beats.unwrap() - 31.1).abs() < 1e-9);
        assert!((entries[1].clock - entries[0].clock - HOP).abs() < 1e-9);
        assert!(entries[0].is_discontinuity && !entries[1].is_discontinuity);
        assert!((entries[0].probability(0) - 0.25).abs() < 1e-4);
        assert_eq!([entries[0].probability(1), entries[1].probability(0), entries[1].probability(7)], [1.0, 0.0, 0.0]);
    }

    #[test]
    fn starts_seeks_and_loops_are_discontinuities_and_the_clock_continues() {
        let (mut timeline, mut sender) = timeline();
        let mut discontinuities = Vec::new();
        for number in 0..100_u32 {
            let seconds = f64::from(number) * HOP;
            // The song loops after five seconds.
            let position = if seconds < 5.0 { seconds } else { seconds - 5.0 };
            sender.send(at(1, seconds), playing(position));
            if number >= 20 {
                timeline.record(at(1, seconds), &[0.5, 0.5], &[]);
            }
        }
        timeline.record(at(2, 2.0), &[0.5, 0.5], &[]);
        for (number, entry) in timeline.entries().enumerate() {
            if entry.is_discontinuity {
                discontinuities.push(number);
            }
            assert!((entry.clock - (number + 1) as f64 * HOP).abs() < 1e-6);
        }
        // The middle of a window is at five seconds when its end is at six: entry 40.
        assert_eq!(discontinuities, [0, 40, 80]);
    }

    #[test]
    fn an_hour_of_a_two_bar_loop_has_one_cut_for_each_loop() {
        let (mut timeline, mut sender) = timeline();
        let (loop_seconds, blocks) = (4.0, 3_600 * 100);
        for block in 0..blocks {
            // Blocks of 10 ms, and a prediction with each tenth.
            let seconds = f64::from(block) / 100.0;
            sender.send(at(1, seconds), playing(seconds % loop_seconds));
            if block % 10 == 0 {
                timeline.record(at(1, seconds), &[0.5, 0.5], &[]);
            }
        }
        let cuts: Vec<f64> =
            timeline.entries().filter(|entry| entry.is_discontinuity).map(|entry| entry.clock).collect();
        // The first entry is one, too. The middle of a window is a second before its end.
        assert_eq!(cuts.len(), 900, "{:?}", &cuts[..5]);
        for (number, pair) in cuts.windows(2).enumerate().skip(1) {
            assert!((pair[1] - pair[0] - loop_seconds).abs() < 1e-6, "cut {number} is at {}", pair[0]);
        }
        let positions = timeline.entries().filter_map(|entry| entry.position);
        assert!(positions.skip(20).all(|position| (0.0..loop_seconds).contains(&position.seconds)));
    }

    #[test]
    fn memory_is_bounded_and_entries_keep_their_numbers() {
        let (mut timeline, _sender) = timeline();
        let names: Vec<String> = (0..1_000).map(|tag| tag.to_string()).collect();
        timeline.set_model(&names, &Arc::default(), model("a"));
        let kept = (MAX_BYTES / timeline.entries.entry_bytes()) as u64;
        let recorded = kept + 1_000;
        for number in 0..recorded {
            timeline.record(at(1, number as f64 * HOP), &[0.5; 1_000], &[]);
        }
        assert_eq!(timeline.numbers(), 1_000..recorded);
        assert!(timeline.entry(999).is_none() && timeline.entry(recorded - 1).is_some());
        // A model with other tags empties the timeline.
        timeline.set_model(&names[..2], &Arc::default(), model("a"));
        assert_eq!(timeline.numbers(), recorded..recorded);
    }

    #[test]
    fn an_hour_of_the_shipped_models_is_kept() {
        let entries = Entries::new(214 + 64, 64);
        let hop = 2_187.0 / 22_050.0;
        assert!((MAX_BYTES / entries.entry_bytes()) as f64 * hop >= 3_000.0);
        assert!((MAX_BYTES / Entries::new(214, 64).entry_bytes()) as f64 * hop >= 3_600.0);
    }

    #[test]
    fn taught_tags_have_values_in_the_past_until_another_model_is_there() {
        let (mut timeline, _sender) = timeline();
        let mut names = vec!["rock".to_owned(), "slow, sad".to_owned()];
        for number in 0..6_i8 {
            let embedding: &[i8] = if number == 3 { &[] } else { &[16 * number, 16] };
            timeline.record(at(1, f64::from(number) * HOP), &[0.5, 0.25], embedding);
        }
        names.push("mine".into());
        let function = TagFunction::Logistic { weights: [1.0, 0.0].into(), bias: -2.0 };
        let taught: Arc<[TaughtTag]> = [TaughtTag { name: "mine".into(), model: "a".into(), function }].into();
        timeline.set_model(&names, &taught, model("a"));
        let values =
            |timeline: &Timeline, tag| timeline.entries().map(|entry| entry.probability(tag)).collect::<Vec<f32>>();
        let expected = [0.0, 1.0, 2.0, f32::NEG_INFINITY, 4.0, 5.0].map(|logit: f32| 1.0 / (1.0 + (2.0 - logit).exp()));
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4);
        // A window without an embedding was silent.
        assert!(close(&values(&timeline, 2), &expected), "{:?}", values(&timeline, 2));
        // Regions once had the tags of the model only.
        assert!(
            timeline.regions(0.8).iter().any(|region| region.tag == 2 && region.start > 0.4),
            "{:?}",
            timeline.regions(0.8)
        );
        assert!(close(&values(&timeline, 0), &[0.5; 6]) && timeline.entry(5).unwrap().probability(3) == 0.0);

        // The same tags by another model: what it did not see has no value.
        timeline.set_model(&names, &taught, model("b"));
        timeline.record(at(1, 0.6), &[0.5, 0.25, 0.9], &[32, 0]);
        assert!(close(&values(&timeline, 2), &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]));
        timeline.set_model(&names[..2], &Arc::default(), model("b"));
        assert_eq!((timeline.entries().len(), timeline.tags().len()), (7, 2));
    }

    #[test]
    fn a_span_is_marked_with_its_place_in_the_song_and_without_its_silence() {
        let (mut timeline, mut sender) = timeline();
        sender.send(at(1, 0.0), playing(30.0));
        for number in 0..40_i8 {
            let embedding: &[i8] = if number < 8 { &[] } else { &[number, 0] };
            timeline.record(at(1, 2.0 + f64::from(number) * HOP), &[0.5, 0.5], embedding);
        }
        // The first entry is at a tenth of a second on the clock, and the window's middle at 31 s in the song.
        let span = timeline.mark(true, 2.05, 0.05).unwrap();
        assert_eq!((span.is_example, span.embeddings().len()), (true, 4));
        assert!((span.start.unwrap() - 31.8).abs() < 1e-6 && (span.seconds - 1.2).abs() < 1e-6, "{span:?}");
        assert_eq!(span.embeddings()[0], [9, 0]);
        assert_eq!(timeline.mark(true, 0.0, 0.75), None, "only silence");
        assert_eq!(timeline.mark(true, 50.0, 60.0), None);
    }
}
