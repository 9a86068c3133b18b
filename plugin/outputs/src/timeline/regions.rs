//! Where tags reach a threshold, and the labels of it for other programs.

use std::fmt::Write as _;

/// A stretch in which a tag is at or above a threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// The tag.
    pub tag: usize,
    /// The start, in the seconds of its [`PredictionSpan`]s.
    pub start: f64,
    /// The end, in the same seconds.
    pub end: f64,
}

/// The time that a prediction describes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictionSpan {
    /// The start, in seconds.
    pub start: f64,
    /// The end, in seconds.
    pub end: f64,
    /// Whether it does not continue the prediction before it.
    pub is_discontinuity: bool,
}

/// Where each of `tags` tags is active, in the order of time. `spans` are the times of successive predictions,
/// `None` where one has none; `is_active` tells of a prediction and a tag. Successive predictions are merged, but
/// not over a discontinuity.
pub fn find_regions(
    tags: usize,
    spans: &[Option<PredictionSpan>],
    is_active: impl Fn(usize, usize) -> bool,
) -> Vec<Region> {
    let mut regions = Vec::new();
    for tag in 0..tags {
        let mut open: Option<Region> = None;
        for (index, span) in spans.iter().enumerate() {
            let span = span.filter(|_| is_active(index, tag));
            if let (Some(region), Some(span)) = (&mut open, span)
                && !span.is_discontinuity
            {
                region.end = span.end;
                continue;
            }
            regions.extend(open.take());
            open = span.map(|span| Region { tag, start: span.start, end: span.end });
        }
        regions.extend(open);
    }
    regions.sort_by(|a, b| a.start.total_cmp(&b.start).then(a.tag.cmp(&b.tag)));
    regions
}

/// A label track that Audacity imports; `tags` are the names of all tags. Control characters in a name become
/// spaces, because tabs and line breaks separate the fields.
pub fn audacity_labels(regions: impl IntoIterator<Item = Region>, tags: &[String]) -> String {
    let mut labels = String::new();
    for Region { tag, start, end } in regions {
        let name = tags[tag].replace(char::is_control, " ");
        // Writing to a string cannot fail.
        let _ = writeln!(labels, "{start:.6}\t{end:.6}\t{name}");
    }
    labels
}
