//! Whitened embeddings of general music, which a model file carries for tags of a user's own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The output with the whitened embedding, on which tags of a user's own are taught.
pub const WHITENED_EMBEDDING: &str = "whitened_embedding";

/// Steps between 0 and 1 in a whitened embedding.
pub(crate) const STEPS: f32 = 16.0;

/// Rounds a whitened embedding to sixteenths and cuts it at ±7.94. Tags of a user's own read it so, live as in what was
/// recorded, which gives the same values in both.
pub fn to_steps(embedding: &[f32]) -> Vec<i8> {
    embedding.iter().map(|value| (value * STEPS).round().clamp(-127.0, 127.0) as i8).collect()
}

/// The values of an embedding in sixteenths.
pub(crate) fn from_steps(steps: &[i8]) -> Vec<f32> {
    steps.iter().map(|step| f32::from(*step) / STEPS).collect()
}

/// The base64 of steps, a byte each.
pub(crate) fn encode_steps(steps: &[i8]) -> String {
    STANDARD.encode(steps.iter().map(|step| step.cast_unsigned()).collect::<Vec<u8>>())
}

/// Reads what [`encode_steps`] wrote; `None` where it is malformed.
pub(crate) fn decode_steps(text: &str) -> Option<Vec<i8>> {
    Some(STANDARD.decode(text).ok()?.into_iter().map(u8::cast_signed).collect())
}

/// Whitened embeddings of some windows of general music, which are none of what a user teaches. They are rounded to
/// sixteenths and cut at ±7.94.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Background {
    /// Values of an embedding.
    size: usize,
    /// Row after row, in sixteenths.
    steps: Vec<i8>,
}

impl Background {
    /// The key of its metadata property.
    pub const PROPERTY: &str = "background";

    /// The background of embeddings of `size` values each, row after row.
    pub fn new(size: usize, embeddings: &[f32]) -> Self {
        Self { size, steps: to_steps(embeddings) }
    }

    /// The values of an embedding; 0 without any.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The embeddings.
    pub fn rows(&self) -> impl Iterator<Item = Vec<f32>> {
        self.steps.chunks_exact(self.size.max(1)).map(from_steps)
    }

    /// The value of the metadata property: the number of values of an embedding, and the base64 of all steps.
    pub fn to_property(&self) -> String {
        format!("{} {}", self.size, encode_steps(&self.steps))
    }

    /// Reads the value of the property; none where it is malformed.
    pub(super) fn from_property(value: &str) -> Option<Self> {
        let (size, steps) = value.split_once(' ')?;
        let size: usize = size.parse().ok().filter(|size| *size > 0)?;
        let steps = decode_steps(steps)?;
        steps.len().is_multiple_of(size).then_some(Self { size, steps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_background_is_read_back_and_a_malformed_one_is_none() {
        let background = Background::new(2, &[0.5, -0.031, 100.0, -100.0, f32::NAN, 1.0]);
        let rows: Vec<Vec<f32>> = background.rows().collect();
        assert_eq!(rows, [[0.5, 0.0], [127.0 / 16.0, -127.0 / 16.0], [0.0, 1.0]]);
        assert_eq!(Background::from_property(&background.to_property()), Some(background));
        for malformed in ["", "2", "0 AAAA", "2 A", "2 AAAA", "x AAAA", "-1 AAAA", "2 ????"] {
            assert_eq!(Background::from_property(malformed), None, "{malformed}");
        }
    }
}
