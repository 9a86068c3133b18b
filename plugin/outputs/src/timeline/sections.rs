//! Where new sections begin.

use super::Timeline;

/// The novelty from which a new section begins.
const THRESHOLD: f32 = 0.5;

/// The shortest distance between the beginnings of two sections, in seconds.
const MIN_DISTANCE: f64 = 4.0;

impl Timeline {
    /// Where new sections begin between two times on the timeline's clock, in the order of time: at the peaks of the novelty.
    /// The end of the timeline has none, because a higher peak may follow.
    pub fn section_starts(&self, from: f64, to: f64) -> Vec<f64> {
        let Some((tag, later)) = self.section_tag else { return Vec::new() };
        let novelty: Vec<(f64, f32)> = self
            .entries()
            .rev()
            .skip(later)
            .skip_while(|entry| entry.clock > to + MIN_DISTANCE)
            .take_while(|entry| entry.clock >= from - MIN_DISTANCE)
            .map(|entry| (entry.clock, entry.probability(tag)))
            .collect();
        let Some(last) = novelty.first().map(|(clock, _)| *clock) else { return Vec::new() };
        let mut starts = Vec::new();
        for (index, (clock, value)) in novelty.iter().enumerate().rev() {
            let is_in_range = *clock >= from && *clock <= to.min(last - MIN_DISTANCE);
            if !is_in_range || *value < THRESHOLD {
                continue;
            }
            let is_near = |(other, _): &&(f64, f32)| (other - clock).abs() < MIN_DISTANCE;
            let is_peak = novelty[..index].iter().rev().take_while(is_near).all(|(_, after)| after <= value)
                && novelty[index + 1..].iter().take_while(is_near).all(|(_, before)| before < value);
            if is_peak {
                starts.push(clock + self.hop / 2.0);
            }
        }
        starts
    }
}

#[cfg(test)]
mod tests {
    use super::super::TimelineModel;
    use super::super::tests::timeline;
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;
    use tagvane_engine::{SectionTag, StreamTime};

    const HOP: f64 = 0.1;

    /// Thirty seconds of a tag whose novelty is `value` at each tenth, which comes three seconds later.
    fn with_novelty(value: impl Fn(f64) -> f32) -> Timeline {
        let (mut timeline, _sender) = timeline();
        let section_tag = Some(SectionTag { index: 1, delay: Duration::from_secs(3) });
        let hop = Duration::from_secs_f64(HOP);
        let model = TimelineModel { hash: "a", window: Duration::from_secs(2), hop, section_tag, embedding_size: 0 };
        timeline.set_model(&["rock".into(), "new section".into()], &Arc::default(), model);
        for number in 0..300 {
            let clock = f64::from(number + 1) * HOP;
            let time = StreamTime { segment: 1, seconds: 2.0 + clock - HOP };
            timeline.record(time, &[0.2, value(clock - 3.0)], &[]);
        }
        timeline
    }

    /// A peak of this height at a time.
    fn peak(clock: f64, at: f64, height: f32) -> f32 {
        (height - (clock - at).abs() as f32 * 0.2).max(0.0)
    }

    #[test]
    fn a_section_starts_where_the_novelty_that_came_later_has_its_peak() {
        let timeline = with_novelty(|clock| peak(clock, 10.0, 0.9).max(peak(clock, 18.0, 0.4)));
        let starts = timeline.section_starts(0.0, 30.0);
        assert!(starts.len() == 1 && (starts[0] - 10.05).abs() < 0.06, "{starts:?}");
        assert!(timeline.section_starts(11.0, 30.0).is_empty());
        // The values stand where the music is that they are about.
        let value = |clock: f64| {
            let entry = timeline.entries().find(|entry| (entry.clock - clock).abs() < 1e-6).unwrap();
            (entry.probability(0), entry.probability(1))
        };
        assert!((value(10.0).1 - 0.9).abs() < 1e-3 && (value(10.0).0 - 0.2).abs() < 1e-3, "{:?}", value(10.0));
        assert_eq!(value(28.0).1, 0.0, "not known yet");
        assert!(timeline.regions(0.6).iter().any(|region| region.tag == 1 && region.start < 10.0 && region.end > 10.0));
    }

    #[test]
    fn of_two_peaks_close_together_the_higher_one_counts_and_the_end_waits() {
        let two = with_novelty(|clock| peak(clock, 10.0, 0.8).max(peak(clock, 12.5, 0.9)));
        let starts = two.section_starts(0.0, 30.0);
        assert!(starts.len() == 1 && (starts[0] - 12.55).abs() < 0.06, "{starts:?}");
        // Held for four entries, as blocks do: the first one counts.
        let held = with_novelty(|clock| if (10.0..10.35).contains(&clock) { 0.8 } else { 0.1 });
        let starts = held.section_starts(0.0, 30.0);
        assert!(starts.len() == 1 && (starts[0] - 10.05).abs() < 0.11, "{starts:?}");
        assert!(with_novelty(|clock| peak(clock, 25.0, 0.9)).section_starts(0.0, 30.0).is_empty());
        let (timeline, _sender) = timeline();
        assert!(timeline.section_starts(0.0, 30.0).is_empty(), "a model without that tag");
    }
}
