//! A timeline as files that other programs read.

use super::{Row, Song, Timeline};
use serde::Serialize;
use std::fmt::Write as _;

/// The kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table, a row a window.
    Csv,
    /// Everything, for programs.
    Json,
    /// A label track that Audacity imports.
    Audacity,
    /// Regions that REAPER's Region/Marker Manager imports.
    Reaper,
}

/// Where a tag is at or above a threshold, from second to second.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// The tag.
    pub tag: usize,
    /// Where it begins, in seconds.
    pub start: f64,
    /// Where it ends, in seconds.
    pub end: f64,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Csv, Self::Json, Self::Audacity, Self::Reaper];

    /// What it is called in front of a person.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV table",
            Self::Json => "JSON",
            Self::Audacity => "Audacity labels",
            Self::Reaper => "REAPER regions",
        }
    }

    /// The ending of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv | Self::Reaper => "csv",
            Self::Json => "json",
            Self::Audacity => "txt",
        }
    }
}

/// The whole as JSON tells it; probabilities are in the order of `tags`.
#[derive(Serialize)]
struct Document<'a> {
    tags: &'a [String],
    window_seconds: f64,
    hop_seconds: f64,
    rows: Vec<Moment>,
}

#[derive(Serialize)]
struct Moment {
    clock: f64,
    song: Option<Song>,
    cut: bool,
    probabilities: Vec<f64>,
}

impl Timeline {
    /// The rows that are kept, as the text of a file. Labels and regions are where a tag is at or
    /// above `threshold`; they are placed in the song where the host said where it stood, and in
    /// the time that was listened to otherwise.
    pub fn export(&self, format: Format, threshold: f32) -> String {
        match format {
            Format::Csv => self.table(),
            Format::Json => self.document(),
            Format::Audacity => self.labels(threshold),
            Format::Reaper => self.reaper(threshold),
        }
    }

    /// Where each tag is at or above a threshold, in the order of time; what a cut divides are two
    /// regions.
    pub fn regions(&self, threshold: f32) -> Vec<Region> {
        let song_is_known = self.rows().any(|row| row.song.is_some());
        let time = |row: &Row| if song_is_known { row.song.map(|song| song.seconds) } else { Some(row.clock) };
        let half = self.hop / 2.0;
        let mut regions = Vec::new();
        for tag in 0..self.tags.len() {
            let mut open: Option<Region> = None;
            for row in self.rows() {
                let here = time(row).filter(|_| row.probability(tag) >= threshold);
                if let (Some(region), Some(here), false) = (&mut open, here, row.cut) {
                    region.end = here + half;
                    continue;
                }
                regions.extend(open.take());
                open = here.map(|here| Region { tag, start: (here - half).max(0.0), end: here + half });
            }
            regions.extend(open);
        }
        regions.sort_by(|a, b| a.start.total_cmp(&b.start).then(a.tag.cmp(&b.tag)));
        regions
    }

    fn table(&self) -> String {
        let mut table = String::from("clock,song_seconds,song_beats,cut");
        for tag in &self.tags {
            table.push(',');
            table.push_str(&cell(tag));
        }
        table.push('\n');
        let number = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.4}"));
        for row in self.rows() {
            let seconds = number(row.song.map(|song| song.seconds));
            let beats = number(row.song.and_then(|song| song.beats));
            // Writing to a string cannot fail.
            let _ = write!(table, "{:.4},{seconds},{beats},{}", row.clock, u8::from(row.cut));
            for tag in 0..self.tags.len() {
                let _ = write!(table, ",{:.4}", row.probability(tag));
            }
            table.push('\n');
        }
        table
    }

    fn document(&self) -> String {
        let round = |value: f64| (value * 1e4).round() / 1e4;
        let moment = |row: &Row| Moment {
            clock: round(row.clock),
            song: row.song,
            cut: row.cut,
            probabilities: (0..self.tags.len()).map(|tag| round(row.probability(tag).into())).collect(),
        };
        let document = Document {
            tags: &self.tags,
            window_seconds: self.window,
            hop_seconds: self.hop,
            rows: self.rows().map(moment).collect(),
        };
        // Numbers here are finite, and keys are strings: there is nothing that JSON cannot tell.
        serde_json::to_string(&document).unwrap_or_default()
    }

    fn labels(&self, threshold: f32) -> String {
        let mut labels = String::new();
        for region in self.regions(threshold) {
            // A tab or a line's end would be read as one of the track.
            let tag = self.tags[region.tag].replace(char::is_control, " ");
            let _ = writeln!(labels, "{:.6}\t{:.6}\t{tag}", region.start, region.end);
        }
        labels
    }

    fn reaper(&self, threshold: f32) -> String {
        let mut regions = String::from("#,Name,Start,End,Length\n");
        for (number, region) in self.regions(threshold).into_iter().enumerate() {
            let Region { tag, start, end } = region;
            let [from, to, length] = [start, end, end - start].map(clock_time);
            let _ = writeln!(regions, "R{},{},{from},{to},{length}", number + 1, cell(&self.tags[tag]));
        }
        regions
    }
}

/// A cell of a table, in quotes where it has to be.
fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into() }
}

/// Hours, minutes, seconds and thousandths.
fn clock_time(seconds: f64) -> String {
    let thousandths = (seconds * 1e3).round() as u64;
    let (seconds, rest) = (thousandths / 1_000, thousandths % 1_000);
    format!("{}:{:02}:{:02}.{rest:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::super::tests::timeline;
    use super::super::{Place, Timeline};
    use super::*;
    use tagvane_engine::Moment;

    /// Ten rows; the first tag is there from the third to the sixth, the second in the last. The
    /// song, if it is told of, starts at a minute and jumps back by ten seconds after five rows.
    fn ten_rows(song: bool) -> Timeline {
        let (mut timeline, mut teller) = timeline();
        for number in 0..10 {
            let seconds = 2.0 + f64::from(number) * 0.1;
            if song {
                let jumped = if number < 5 { 60.0 } else { 50.0 };
                let song = Some(Song { seconds: jumped + f64::from(number) * 0.1, beats: None, bar: None });
                teller.tell(Moment { start: 1, seconds: seconds - 1.0 }, Place { song, tempo: 0.0 });
            }
            let first = if (2..6).contains(&number) { 0.9 } else { 0.1 };
            let second = if number == 9 { 0.7 } else { 0.0 };
            timeline.record(Moment { start: 1, seconds }, &[first, second]);
        }
        timeline
    }

    #[test]
    fn labels_are_where_a_tag_is_and_cuts_divide_them() {
        let expected = "0.250000\t0.650000\trock\n0.950000\t1.050000\tslow, sad\n";
        assert_eq!(ten_rows(false).export(Format::Audacity, 0.5), expected);
        let expected = "50.450000\t50.550000\trock\n50.850000\t50.950000\tslow, sad\n60.150000\t60.450000\trock\n";
        assert_eq!(ten_rows(true).export(Format::Audacity, 0.5), expected);
    }

    #[test]
    fn reaper_reads_hours_minutes_and_seconds() {
        let regions = ten_rows(true).export(Format::Reaper, 0.5);
        let lines: Vec<&str> = regions.lines().collect();
        assert_eq!(lines[0], "#,Name,Start,End,Length");
        assert_eq!(lines[2], "R2,\"slow, sad\",0:00:50.850,0:00:50.950,0:00:00.100");
        assert_eq!(lines[3], "R3,rock,0:01:00.150,0:01:00.450,0:00:00.300");
        assert_eq!(clock_time(3_725.042), "1:02:05.042");
    }

    #[test]
    fn tables_and_documents_hold_every_row() {
        let timeline = ten_rows(true);
        let table = timeline.export(Format::Csv, 0.5);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 11);
        assert_eq!(lines[0], "clock,song_seconds,song_beats,cut,rock,\"slow, sad\"");
        assert_eq!(lines[6], "0.6000,50.5000,,1,0.9000,0.0000");
        let document: serde_json::Value = serde_json::from_str(&timeline.export(Format::Json, 0.5)).unwrap();
        assert_eq!(document["tags"][1], "slow, sad");
        assert_eq!(document["rows"][9]["probabilities"], serde_json::json!([0.1, 0.7]));
        assert_eq!(document["rows"][5]["cut"], true);
        assert!((document["rows"][5]["song"]["seconds"].as_f64().unwrap() - 50.5).abs() < 1e-6);
    }

    #[test]
    fn nothing_judged_is_an_empty_file_and_no_panic() {
        let (timeline, _teller) = timeline();
        for format in Format::ALL {
            assert!(timeline.export(format, 0.5).lines().count() <= 1, "{}", format.name());
        }
    }
}
