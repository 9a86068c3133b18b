//! A part of a recording that was marked as a tag, or as what it is not.

use crate::model::{decode_steps, encode_steps};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The parts of a span, whose mean embeddings are kept.
pub(super) const PARTS: usize = 4;

/// The most values of an embedding in a span.
const MAX_SIZE: usize = 1_024;

/// A marked span. It has the mean embeddings of four parts of it, in steps, instead of its audio.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MarkedSpan {
    /// Whether it is an example of the tag, in contrast to a counterexample.
    #[serde(rename = "is")]
    pub is_example: bool,
    /// Where it begins in the song, in seconds; `None` if the transport was stopped.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub start: Option<f64>,
    /// Its length in seconds.
    pub seconds: f64,
    /// The values of an embedding.
    size: usize,
    /// Row after row.
    #[serde(serialize_with = "write_steps", deserialize_with = "read_steps")]
    embeddings: Vec<i8>,
}

impl MarkedSpan {
    /// A span with these embeddings, in steps, in the order of time; `None` without any, or if they are of several sizes.
    pub fn new(is_example: bool, start: Option<f64>, seconds: f64, embeddings: &[&[i8]]) -> Option<Self> {
        let size = embeddings.first()?.len();
        if size == 0 || size > MAX_SIZE || embeddings.iter().any(|row| row.len() != size) {
            return None;
        }
        let parts = PARTS.min(embeddings.len());
        let mut means = Vec::with_capacity(parts * size);
        for part in 0..parts {
            let rows = &embeddings[part * embeddings.len() / parts..(part + 1) * embeddings.len() / parts];
            means.extend((0..size).map(|value| {
                let sum: i32 = rows.iter().map(|row| i32::from(row[value])).sum();
                (f64::from(sum) / rows.len() as f64).round() as i8
            }));
        }
        Some(Self { is_example, start, seconds, size, embeddings: means })
    }

    /// The values of an embedding.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The embeddings, in steps.
    pub fn embeddings(&self) -> Vec<&[i8]> {
        self.embeddings.chunks_exact(self.size.max(1)).collect()
    }

    /// Whether it shares a part of the song with another one.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self.start, other.start) {
            (Some(start), Some(other_start)) => {
                start < other_start + other.seconds && other_start < start + self.seconds
            }
            _ => false,
        }
    }

    /// Whether all that is in it is in its range, as it is in a span that was made by [`new`](Self::new).
    pub fn is_valid(&self) -> bool {
        let is_time = |seconds: f64| seconds.is_finite() && seconds.abs() < 1e9;
        let rows = self.embeddings.len() / self.size.max(1);
        self.start.is_none_or(is_time)
            && is_time(self.seconds)
            && self.seconds >= 0.0
            && (1..=MAX_SIZE).contains(&self.size)
            && (1..=PARTS).contains(&rows)
            && self.embeddings.len() == rows * self.size
    }
}

fn write_steps<S: Serializer>(steps: &[i8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode_steps(steps))
}

fn read_steps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i8>, D::Error> {
    decode_steps(&String::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("the embeddings are damaged"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_the_means_of_four_parts() {
        let rows: Vec<[i8; 2]> = (0..10).map(|row| [row * 10, -row]).collect();
        let rows: Vec<&[i8]> = rows.iter().map(<[i8; 2]>::as_slice).collect();
        let span = MarkedSpan::new(true, Some(3.0), 1.0, &rows).unwrap();
        // Rows 0 and 1, 2 to 4, 5 and 6, 7 to 9; halves are rounded away from zero.
        assert_eq!(span.embeddings(), [[5, -1], [30, -3], [55, -6], [80, -8]]);
        assert_eq!(MarkedSpan::new(true, None, 1.0, &rows[..1]).unwrap().embeddings(), [[0, 0]]);
        assert!(span.is_valid());
        assert_eq!(MarkedSpan::new(true, None, 1.0, &[]), None);
        assert_eq!(MarkedSpan::new(true, None, 1.0, &[&[1, 2], &[1]]), None);
        let read: MarkedSpan = serde_json::from_str(&serde_json::to_string(&span).unwrap()).unwrap();
        assert_eq!(read, span);
    }

    #[test]
    fn spans_overlap_where_they_share_a_part_of_the_song() {
        let at = |start| MarkedSpan::new(true, start, 2.0, &[&[1]]).unwrap();
        assert!(at(Some(1.0)).overlaps(&at(Some(2.5))) && at(Some(2.5)).overlaps(&at(Some(1.0))));
        assert!(!at(Some(1.0)).overlaps(&at(Some(3.0))));
        assert!(!at(None).overlaps(&at(None)), "no position is known");
    }
}
