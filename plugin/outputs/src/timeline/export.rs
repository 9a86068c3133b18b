//! Exports a timeline to files for other programs.

use super::regions::{PredictionSpan, Region, audacity_labels, find_regions};
use super::{Timeline, TimelineEntry, TransportPosition};
use serde::Serialize;

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// A table with a row for each window.
    Csv,
    /// All data, for programs.
    Json,
    /// A label track that Audacity imports.
    Audacity,
    /// Regions that REAPER's Region/Marker Manager imports.
    Reaper,
}

impl ExportFormat {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Csv, Self::Json, Self::Audacity, Self::Reaper];

    /// The display name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV table",
            Self::Json => "JSON",
            Self::Audacity => "Audacity labels",
            Self::Reaper => "REAPER regions",
        }
    }

    /// The extension of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv | Self::Reaper => "csv",
            Self::Json => "json",
            Self::Audacity => "txt",
        }
    }
}

/// The JSON document; probabilities are in the order of `tags`.
#[derive(Serialize)]
struct Document<'a> {
    tags: &'a [String],
    window_seconds: f64,
    hop_seconds: f64,
    entries: Vec<DocumentEntry>,
}

#[derive(Serialize)]
struct DocumentEntry {
    clock: f64,
    position: Option<TransportPosition>,
    is_discontinuity: bool,
    probabilities: Vec<f64>,
}

impl Timeline {
    /// The text of a file with the entries that are kept. Labels and regions are where a tag is at or
    /// above `threshold`, 0..=1; their times are song positions if any is known, and the clock otherwise.
    pub fn export(&self, format: ExportFormat, threshold: f32) -> String {
        match format {
            ExportFormat::Csv => self.csv_table(),
            ExportFormat::Json => self.json_document(),
            ExportFormat::Audacity => audacity_labels(self.regions_after_start(threshold), &self.tags),
            ExportFormat::Reaper => self.reaper_regions(threshold),
        }
    }

    /// Where each tag is at or above `threshold`, 0..=1, in the order of time: in seconds of the song if any
    /// position in it is known, otherwise of the clock. A discontinuity splits a region in two.
    pub fn regions(&self, threshold: f32) -> Vec<Region> {
        let has_positions = self.entries().any(|entry| entry.position.is_some());
        let time_of = |entry: TimelineEntry<'_>| {
            if has_positions { entry.position.map(|position| position.seconds) } else { Some(entry.clock) }
        };
        let half = self.hop / 2.0;
        let span = |entry: TimelineEntry<'_>| {
            let is_discontinuity = entry.is_discontinuity;
            time_of(entry).map(|time| PredictionSpan { start: time - half, end: time + half, is_discontinuity })
        };
        let spans: Vec<_> = self.entries().map(span).collect();
        find_regions(self.tags.len(), &spans, |index, tag| {
            self.get(index).is_some_and(|entry| entry.probability(tag) >= threshold)
        })
    }

    /// The regions in the song: without the pre-roll before its start, which other programs cannot place.
    fn regions_after_start(&self, threshold: f32) -> impl Iterator<Item = Region> {
        let regions = self.regions(threshold).into_iter().filter(|region| region.end > 0.0);
        regions.map(|region| Region { start: region.start.max(0.0), ..region })
    }

    fn csv_table(&self) -> String {
        let columns = ["clock", "position_seconds", "position_beats", "is_discontinuity"].map(str::to_owned);
        let header: Vec<String> = columns.into_iter().chain(self.tags.iter().cloned()).collect();
        let number = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.4}"));
        let rows = self.entries().map(|entry| {
            let mut row = Vec::with_capacity(4 + self.tags.len());
            row.push(format!("{:.4}", entry.clock));
            row.push(number(entry.position.map(|position| position.seconds)));
            row.push(number(entry.position.and_then(|position| position.beats)));
            row.push(u8::from(entry.is_discontinuity).to_string());
            row.extend((0..self.tags.len()).map(|tag| format!("{:.4}", entry.probability(tag))));
            row
        });
        csv_text(std::iter::once(header).chain(rows))
    }

    fn json_document(&self) -> String {
        let round = |value: f64| (value * 1e4).round() / 1e4;
        let document_entry = |entry: TimelineEntry<'_>| DocumentEntry {
            clock: round(entry.clock),
            position: entry.position,
            is_discontinuity: entry.is_discontinuity,
            probabilities: (0..self.tags.len()).map(|tag| round(entry.probability(tag).into())).collect(),
        };
        let document = Document {
            tags: &self.tags,
            window_seconds: self.window,
            hop_seconds: self.hop,
            entries: self.entries().map(document_entry).collect(),
        };
        // Serialising cannot fail: there are no maps with other keys than strings.
        serde_json::to_string(&document).unwrap_or_default()
    }

    fn reaper_regions(&self, threshold: f32) -> String {
        let header = ["#", "Name", "Start", "End", "Length"].map(str::to_owned).to_vec();
        let rows = self.regions_after_start(threshold).enumerate().map(|(index, region)| {
            let Region { tag, start, end } = region;
            let [from, to, length] = [start, end, end - start].map(clock_time);
            vec![format!("R{}", index + 1), self.tags[tag].clone(), from, to, length]
        });
        csv_text(std::iter::once(header).chain(rows))
    }
}

/// The text of a CSV file whose rows have the same number of cells.
fn csv_text(rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        // Writing to memory cannot fail.
        let _ = writer.write_record(&row);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// Seconds as hours, minutes, seconds and milliseconds.
fn clock_time(seconds: f64) -> String {
    let milliseconds = (seconds * 1e3).round() as u64;
    let (seconds, rest) = (milliseconds / 1_000, milliseconds % 1_000);
    format!("{}:{:02}:{:02}.{rest:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::super::tests::timeline;
    use super::super::{Timeline, Transport};
    use super::*;
    use tagvane_engine::StreamTime;

    /// Ten entries: the first tag is above 0.5 from the third to the sixth, the second in the last. If
    /// `has_transport`, the song starts at a minute and jumps back by ten seconds after five entries.
    fn ten_entries(has_transport: bool) -> Timeline {
        let (mut timeline, mut sender) = timeline();
        for number in 0..10 {
            let seconds = 2.0 + f64::from(number) * 0.1;
            if has_transport {
                let origin = if number < 5 { 60.0 } else { 50.0 };
                let position = TransportPosition { seconds: origin + f64::from(number) * 0.1, beats: None, bar: None };
                let transport = Transport { position: Some(position), tempo: 0.0 };
                sender.send(StreamTime { segment: 1, seconds: seconds - 1.0 }, transport);
            }
            let first = if (2..6).contains(&number) { 0.9 } else { 0.1 };
            let second = if number == 9 { 0.7 } else { 0.0 };
            timeline.record(StreamTime { segment: 1, seconds }, &[first, second], &[]);
        }
        timeline
    }

    #[test]
    fn labels_are_where_a_tag_is_and_discontinuities_split_them() {
        let expected = "0.250000\t0.650000\trock\n0.950000\t1.050000\tslow, sad\n";
        assert_eq!(ten_entries(false).export(ExportFormat::Audacity, 0.5), expected);
        let expected = "50.450000\t50.550000\trock\n50.850000\t50.950000\tslow, sad\n60.150000\t60.450000\trock\n";
        assert_eq!(ten_entries(true).export(ExportFormat::Audacity, 0.5), expected);
    }

    /// A region before the start of the song once had its start, but not its end, set to zero.
    #[test]
    fn regions_in_the_pre_roll_end_after_they_start() {
        let (mut timeline, mut sender) = timeline();
        for (number, probability) in [0.9, 0.1, 0.9, 0.9, 0.9, 0.1].into_iter().enumerate() {
            let seconds = 2.0 + number as f64 * 0.1;
            let position = TransportPosition { seconds: number as f64 * 0.1 - 0.3, beats: None, bar: None };
            let transport = Transport { position: Some(position), tempo: 0.0 };
            sender.send(StreamTime { segment: 1, seconds: seconds - 1.0 }, transport);
            timeline.record(StreamTime { segment: 1, seconds }, &[probability, 0.0], &[]);
        }
        let regions = timeline.regions(0.5);
        assert!(regions.len() == 2 && regions.iter().all(|region| region.start < region.end), "{regions:?}");
        assert_eq!(timeline.export(ExportFormat::Audacity, 0.5), "0.000000\t0.150000\trock\n");
    }

    #[test]
    fn reaper_regions_have_hours_minutes_and_seconds() {
        let regions = ten_entries(true).export(ExportFormat::Reaper, 0.5);
        let lines: Vec<&str> = regions.lines().collect();
        assert_eq!(lines[0], "#,Name,Start,End,Length");
        assert_eq!(lines[2], "R2,\"slow, sad\",0:00:50.850,0:00:50.950,0:00:00.100");
        assert_eq!(lines[3], "R3,rock,0:01:00.150,0:01:00.450,0:00:00.300");
        assert_eq!(clock_time(3_725.042), "1:02:05.042");
    }

    #[test]
    fn tables_and_documents_have_every_entry() {
        let timeline = ten_entries(true);
        let table = timeline.export(ExportFormat::Csv, 0.5);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 11);
        assert_eq!(lines[0], "clock,position_seconds,position_beats,is_discontinuity,rock,\"slow, sad\"");
        assert_eq!(lines[6], "0.6000,50.5000,,1,0.9000,0.0000");
        let document: serde_json::Value = serde_json::from_str(&timeline.export(ExportFormat::Json, 0.5)).unwrap();
        assert_eq!(document["tags"][1], "slow, sad");
        assert_eq!(document["entries"][9]["probabilities"], serde_json::json!([0.1, 0.7]));
        assert_eq!(document["entries"][5]["is_discontinuity"], true);
        assert!((document["entries"][5]["position"]["seconds"].as_f64().unwrap() - 50.5).abs() < 1e-6);
    }

    #[test]
    fn a_timeline_without_entries_exports_at_most_a_header() {
        let (timeline, _sender) = timeline();
        for format in ExportFormat::ALL {
            assert!(timeline.export(format, 0.5).lines().count() <= 1, "{}", format.name());
        }
    }
}
