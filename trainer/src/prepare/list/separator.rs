//! The separator of a list's cells.

use super::names::{is_audio_name, meaning};
use csv::StringRecord;
use std::str::FromStr;

/// What separates the cells of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separator(u8);

impl Separator {
    /// The comma.
    pub const COMMA: Self = Self(b',');

    /// Those that are detected; of several that fit equally well, the first one.
    const DETECTED: [Self; 4] = [Self::COMMA, Self(b';'), Self(b'\t'), Self(b'|')];

    /// Name for a description, such as `comma-separated`.
    pub(super) fn description(self) -> String {
        match self.0 {
            b',' => "comma-separated".into(),
            b';' => "semicolon-separated".into(),
            b'\t' => "tab-separated".into(),
            b'|' => "separated by |".into(),
            other => format!("separated by {}", char::from(other)),
        }
    }

    /// The lines of a list, as cells. Lines may have different numbers of cells.
    pub(super) fn records(self, text: &str) -> csv::StringRecordsIntoIter<&[u8]> {
        let mut builder = csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(self.0);
        builder.from_reader(text.as_bytes()).into_records()
    }

    /// Detects the separator. A line `sep=;`, which Excel reads, says it. Otherwise it is the one that makes a known
    /// column name of the first line, or names of audio files of a column, or at least two cells of every line.
    pub(super) fn detect(text: &str) -> Self {
        if let Some(stated) = stated(text) {
            return stated;
        }
        let samples = Self::DETECTED.map(|separator| {
            let records = separator.records(text).take(LINES).filter_map(Result::ok);
            (separator, records.filter(|record| !is_stated(record)).collect::<Vec<StringRecord>>())
        });
        let known_names = |records: &[StringRecord]| match records.first() {
            Some(first) if first.len() > 1 => first.iter().filter(|cell| meaning(cell).is_certain()).count(),
            _ => 0,
        };
        let has_audio_column = |records: &[StringRecord]| {
            let columns = records.iter().map(StringRecord::len).max().unwrap_or(0);
            columns > 1 && (0..columns).any(|column| is_audio_column(records, column))
        };
        let cells = |records: &[StringRecord], every: bool| {
            let is_split = |record: &StringRecord| record.len() > 1;
            !records.is_empty() && if every { records.iter().all(is_split) } else { records.iter().any(is_split) }
        };
        // Of several with the same number, `max_by_key` returns the last one.
        let named = samples.iter().rev().max_by_key(|(_, records)| known_names(records));
        named
            .filter(|(_, records)| known_names(records) > 0)
            .or_else(|| samples.iter().find(|(_, records)| has_audio_column(records)))
            .or_else(|| samples.iter().find(|(_, records)| cells(records, true)))
            .or_else(|| samples.iter().find(|(_, records)| cells(records, false)))
            .map_or(Self::COMMA, |(separator, _)| *separator)
    }
}

/// Number of lines that the separator is detected from.
const LINES: usize = 200;

/// The separator in a first line `sep=;`.
fn stated(text: &str) -> Option<Separator> {
    let line = text.lines().next()?.trim_matches('"');
    let separator = line.strip_prefix("sep=")?;
    if separator == "\t" { Some(Separator(b'\t')) } else { separator.parse().ok() }
}

/// Whether a record is the line `sep=;`.
pub(super) fn is_stated(record: &StringRecord) -> bool {
    let is_first = record.position().is_some_and(|position| position.line() == 1);
    is_first && record.get(0).is_some_and(|cell| cell.starts_with("sep=") && cell.len() <= 5)
}

/// Whether most of a column's cells are names of audio files; the first cell may be the column's name.
pub(super) fn is_audio_column(records: &[StringRecord], column: usize) -> bool {
    let count = records.iter().filter(|record| record.get(column).is_some_and(is_audio_name)).count();
    2 * count >= records.len().max(1)
}

impl FromStr for Separator {
    type Err = String;

    /// A single character of ASCII, or `tab`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            [separator] if separator.is_ascii() && !matches!(separator, b'"' | b'\n' | b'\r') => Ok(Self(*separator)),
            b"tab" | b"\\t" => Ok(Self(b'\t')),
            _ => Err("give one character, such as ; or the word tab".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_detected_from_names_from_paths_or_from_the_number_of_cells() {
        for (text, separator) in [
            ("path,group,tag\na.wav,test,loud;dry\n", b','),
            ("file;tags\na.wav;rock, pop\n", b';'),
            ("FILE\tTAGS\na, b.wav\trock;pop\n", b'\t'),
            ("filename|label\na.wav|rock\n", b'|'),
            ("a.wav,loud;dry\nb.wav,loud;wet\n", b','),
            ("a.wav;rock,pop\nb.wav;rock\n", b';'),
            ("My Song, live.wav;rock\nb.wav;rock\n", b';'),
            ("\"two, too.wav\"\tdrums\n", b'\t'),
            ("loops/a,rock;pop\nloops/b,jazz;pop\n", b','),
            ("loops/a;rock\nloops/b;jazz, pop\n", b';'),
            ("sound;rock;jazz\na.ogg;0,5;1\n", b';'),
            ("sep=|\na|x,y;z\n", b'|'),
            ("a.wav;rock,,\nb.wav;jazz\n", b';'),
            ("a.wav\n", b','),
            ("", b','),
        ] {
            assert_eq!(Separator::detect(text), Separator(separator), "{text}");
        }
        assert_eq!(("tab".parse(), ";".parse()), (Ok(Separator(b'\t')), Ok(Separator(b';'))));
        assert!("ab".parse::<Separator>().is_err() && "\"".parse::<Separator>().is_err());
    }
}
