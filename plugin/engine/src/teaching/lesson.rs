//! What a user has marked as a tag, and the tag that this gives.

use super::logistic::{Example, fit};
use super::span::MarkedSpan;
use super::tag::{TagFunction, TaughtTag};
use crate::model::{Background, from_steps};
use serde::{Deserialize, Serialize};

/// The ridge, for weights of examples that add up to 1.
const RIDGE: f64 = 0.1;

/// The part of the counterexamples' weight that the background has where there are marked ones.
const BACKGROUND_SHARE: f64 = 0.5;

/// The mean probability from which a span is told clearly, where that is right; its complement where it is not the tag.
const CLEAR: f32 = 0.7;

/// How a tag is computed from its spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LessonKind {
    /// By logistic regression: what tells its examples from its counterexamples and from the background.
    #[default]
    Taught,
    /// By similarity to its examples.
    Similar,
}

/// A tag with the spans that were marked for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
    /// Its name.
    pub name: String,
    /// How it is computed.
    #[serde(default)]
    pub kind: LessonKind,
    /// The SHA-256 of the file of the model whose embeddings the spans have.
    pub model: String,
    /// The spans, in the order in which they were marked.
    pub spans: Vec<MarkedSpan>,
    /// What was learned from the spans; `None` if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<TagFunction>,
}

/// How well a taught tag tells its spans apart, each by a tag that was taught without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confidence {
    /// Each span is told clearly.
    Sure,
    /// Each span is on the right side.
    GettingThere,
    /// There are too few examples, or one is not recognised.
    MarkExamples,
    /// There are no counterexamples, or one is taken for the tag.
    MarkCounterexamples,
}

impl Confidence {
    /// What to tell the user.
    pub fn words(self) -> &'static str {
        match self {
            Self::Sure => "sure",
            Self::GettingThere => "getting there",
            Self::MarkExamples => "mark more of what it is",
            Self::MarkCounterexamples => "mark more of what it is not",
        }
    }
}

impl Lesson {
    /// A tag without spans.
    pub fn new(name: &str, model: &str) -> Self {
        let (kind, spans, function) = Default::default();
        Self { name: name.into(), kind, model: model.into(), spans, function }
    }

    /// Learns from the spans; `None` while there is no example with embeddings of the background's size.
    pub fn learn(&self, background: &Background) -> Option<TagFunction> {
        function(self.kind, &self.usable(background).collect::<Vec<_>>(), background)
    }

    /// The tag, if something was learned.
    pub fn taught(&self) -> Option<TaughtTag> {
        let function = self.function.clone()?;
        Some(TaughtTag { name: self.name.clone(), model: self.model.clone(), function })
    }

    /// How well the spans are told apart: each by a tag that is taught by the others.
    pub fn confidence(&self, background: &Background) -> Confidence {
        let spans: Vec<&MarkedSpan> = self.usable(background).collect();
        let count = |is_example| spans.iter().filter(|span| span.is_example == is_example).count();
        if count(true) < 2 {
            return Confidence::MarkExamples;
        }
        if count(false) == 0 && self.kind == LessonKind::Taught {
            return Confidence::MarkCounterexamples;
        }
        // The probability of what is right, of the least certain span of each kind.
        let mut least = [1.0_f32; 2];
        for (index, span) in spans.iter().enumerate() {
            let others: Vec<&MarkedSpan> =
                spans.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, span)| *span).collect();
            let Some(function) = function(self.kind, &others, background) else { continue };
            let rows = span.embeddings();
            let mean = rows.iter().map(|row| function.probability(row)).sum::<f32>() / rows.len().max(1) as f32;
            let right = if span.is_example { mean } else { 1.0 - mean };
            let least = &mut least[usize::from(span.is_example)];
            *least = least.min(right);
        }
        let [counterexample, example] = least;
        match example.min(counterexample) {
            least if least >= CLEAR => Confidence::Sure,
            least if least >= 0.5 => Confidence::GettingThere,
            _ if example <= counterexample => Confidence::MarkExamples,
            _ => Confidence::MarkCounterexamples,
        }
    }

    fn usable<'a>(&'a self, background: &Background) -> impl Iterator<Item = &'a MarkedSpan> {
        let size = background.size();
        self.spans.iter().filter(move |span| size > 0 && span.size() == size)
    }
}

/// What tells the examples among the spans from the rest; `None` without an example.
fn function(kind: LessonKind, spans: &[&MarkedSpan], background: &Background) -> Option<TagFunction> {
    if !spans.iter().any(|span| span.is_example) {
        return None;
    }
    match kind {
        LessonKind::Taught => Some(logistic(spans, background)),
        LessonKind::Similar => similarity(spans),
    }
}

/// Logistic regression. Examples and counterexamples have the same weight, and within each so has every span, apart from the
/// share of the background.
fn logistic(spans: &[&MarkedSpan], background: &Background) -> TagFunction {
    let count = |is_example| spans.iter().filter(|span| span.is_example == is_example).count();
    let background_rows: Vec<Vec<f32>> = background.rows().collect();
    let background_share = if count(false) == 0 { 1.0 } else { BACKGROUND_SHARE };
    let mut rows: Vec<(Vec<f32>, bool, f64)> = Vec::new();
    for span in spans {
        let share = if span.is_example { 1.0 } else { 1.0 - background_share };
        let embeddings = span.embeddings();
        let weight = share / (count(span.is_example) * embeddings.len()) as f64;
        rows.extend(embeddings.iter().map(|row| (from_steps(row), span.is_example, weight)));
    }
    let weight = background_share / background_rows.len().max(1) as f64;
    rows.extend(background_rows.into_iter().map(|row| (row, false, weight)));
    let examples: Vec<Example<'_>> = rows
        .iter()
        .map(|(values, is_positive, weight)| Example { values, is_positive: *is_positive, weight: *weight })
        .collect();
    let (weights, bias) = fit(&examples, RIDGE);
    TagFunction::Logistic { weights: weights.into(), bias }
}

/// The direction of the examples' mean; `None` where they cancel.
fn similarity(spans: &[&MarkedSpan]) -> Option<TagFunction> {
    let mut sum = vec![0.0_f32; spans.first()?.size()];
    for span in spans.iter().filter(|span| span.is_example) {
        let rows = span.embeddings();
        for row in &rows {
            sum.iter_mut().zip(*row).for_each(|(sum, step)| *sum += f32::from(*step) / rows.len() as f32);
        }
    }
    let length = sum.iter().map(|value| value * value).sum::<f32>().sqrt();
    (length > 0.0).then(|| TagFunction::Similarity { direction: sum.iter().map(|value| value / length).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::to_steps;
    use crate::support::network::SeededRng;

    const SIZE: usize = 8;

    /// A span around a point whose first value is `first`.
    fn span(rng: &mut SeededRng, is_example: bool, first: f32) -> MarkedSpan {
        let rows: Vec<Vec<i8>> = (0..50)
            .map(|_| {
                let row: Vec<f32> =
                    (0..SIZE).map(|value| rng.between(-1.0, 1.0) + if value == 0 { first } else { 0.0 }).collect();
                to_steps(&row)
            })
            .collect();
        let rows: Vec<&[i8]> = rows.iter().map(Vec::as_slice).collect();
        MarkedSpan::new(is_example, None, 5.0, &rows).unwrap()
    }

    fn background(rng: &mut SeededRng) -> Background {
        let values: Vec<f32> = (0..256 * SIZE).map(|_| rng.between(-2.0, 2.0)).collect();
        Background::new(SIZE, &values)
    }

    fn lesson(kind: LessonKind, spans: Vec<MarkedSpan>) -> Lesson {
        Lesson { kind, spans, ..Lesson::new("chorus", "a") }
    }

    #[test]
    fn one_example_is_enough_for_a_tag_and_more_spans_make_it_sure() {
        let mut rng = SeededRng(1);
        let background = background(&mut rng);
        let mut lesson = lesson(LessonKind::Taught, vec![span(&mut rng, true, 4.0)]);
        let probability = |lesson: &Lesson, first: f32, rng: &mut SeededRng| {
            let function = lesson.learn(&background).unwrap();
            let span = span(rng, true, first);
            span.embeddings().into_iter().map(|row| function.probability(row)).sum::<f32>() / 4.0
        };
        assert!(probability(&lesson, 4.0, &mut rng) > 0.8);
        assert!(probability(&lesson, -2.0, &mut rng) < 0.2);
        assert_eq!(lesson.confidence(&background), Confidence::MarkExamples);
        lesson.spans.push(span(&mut rng, true, 4.0));
        assert_eq!(lesson.confidence(&background), Confidence::MarkCounterexamples);
        lesson.spans.extend([span(&mut rng, false, -2.0), span(&mut rng, false, -2.0)]);
        assert_eq!(lesson.confidence(&background), Confidence::Sure);
        assert_eq!(lesson.learn(&background), lesson.learn(&background), "deterministic");
    }

    #[test]
    fn spans_that_say_the_opposite_leave_the_tag_unsure() {
        let mut rng = SeededRng(2);
        let background = background(&mut rng);
        let spans = (0..6).map(|number| span(&mut rng, number % 2 == 0, 0.0)).collect();
        let confidence = lesson(LessonKind::Taught, spans).confidence(&background);
        assert!(matches!(confidence, Confidence::MarkExamples | Confidence::MarkCounterexamples), "{confidence:?}");
    }

    #[test]
    fn similarity_needs_no_counterexamples() {
        let mut rng = SeededRng(3);
        let background = background(&mut rng);
        let lesson = lesson(LessonKind::Similar, vec![span(&mut rng, true, 4.0), span(&mut rng, true, 5.0)]);
        let function = lesson.learn(&background).unwrap();
        let [near, far] = [4.0, -4.0].map(|first| function.probability(span(&mut rng, true, first).embeddings()[0]));
        assert!(near > 0.9 && far == 0.0, "{near} {far}");
        assert_eq!(lesson.confidence(&background), Confidence::Sure);
    }

    #[test]
    fn without_an_example_of_the_models_size_nothing_is_learned() {
        let mut rng = SeededRng(4);
        let background = background(&mut rng);
        let counterexample = lesson(LessonKind::Taught, vec![span(&mut rng, false, 1.0)]);
        assert_eq!(counterexample.learn(&background), None);
        let example = lesson(LessonKind::Taught, vec![span(&mut rng, true, 1.0)]);
        assert_eq!(example.learn(&Background::default()), None);
        assert_eq!(example.learn(&Background::new(4, &[0.0; 40])), None);
        assert_eq!(lesson(LessonKind::Similar, Vec::new()).learn(&background), None);
    }
}
