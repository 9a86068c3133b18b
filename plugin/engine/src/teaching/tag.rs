//! A tag that a user has taught.

use crate::model::STEPS;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// A tag of a user's own, as a function of a model's whitened embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct TaughtTag {
    /// Its name.
    pub name: String,
    /// The SHA-256 of the file of the model whose embedding it reads, as [`ModelInfo::hash`](crate::ModelInfo::hash) has it.
    pub model: String,
    /// What it computes.
    pub function: TagFunction,
}

/// How the probability of a taught tag depends on a whitened embedding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TagFunction {
    /// Logistic regression.
    Logistic {
        /// One for each value of the embedding.
        #[serde(serialize_with = "write_floats", deserialize_with = "read_floats")]
        weights: Arc<[f32]>,
        /// The logit where all of these are 0.
        bias: f32,
    },
    /// The cosine of the angle to a direction, 0 from a right angle on.
    Similarity {
        /// Of length 1.
        #[serde(serialize_with = "write_floats", deserialize_with = "read_floats")]
        direction: Arc<[f32]>,
    },
}

impl TagFunction {
    /// The number of values of the embedding.
    pub fn size(&self) -> usize {
        match self {
            Self::Logistic { weights, .. } => weights.len(),
            Self::Similarity { direction } => direction.len(),
        }
    }

    /// The probability, 0..=1, for an embedding in steps; 0 for one of another size.
    pub fn probability(&self, embedding: &[i8]) -> f32 {
        if embedding.len() != self.size() {
            return 0.0;
        }
        match self {
            Self::Logistic { weights, bias } => 1.0 / (1.0 + (-(dot(weights, embedding) + bias)).exp()),
            Self::Similarity { direction } => {
                let squares: i32 = embedding.iter().map(|step| i32::from(*step) * i32::from(*step)).sum();
                if squares == 0 {
                    return 0.0;
                }
                (dot(direction, embedding) * STEPS / (squares as f32).sqrt()).clamp(0.0, 1.0)
            }
        }
    }
}

fn write_floats<S: Serializer>(values: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn read_floats<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[f32]>, D::Error> {
    let bytes = STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)?;
    let (words, rest) = bytes.as_chunks::<4>();
    let values: Arc<[f32]> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    if rest.is_empty() && values.iter().all(|value| value.is_finite()) {
        Ok(values)
    } else {
        Err(D::Error::custom("the weights are damaged"))
    }
}

fn dot(weights: &[f32], embedding: &[i8]) -> f32 {
    weights.iter().zip(embedding).map(|(weight, step)| weight * f32::from(*step)).sum::<f32>() / STEPS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::to_steps;

    #[test]
    fn a_logistic_tag_is_the_sigmoid_of_its_sum() {
        let function = TagFunction::Logistic { weights: [0.5, -2.0].into(), bias: 0.25 };
        let expected = 1.0 / (1.0 + (-(0.5 * 1.5 - 2.0 * -0.25 + 0.25_f32)).exp());
        assert!((function.probability(&to_steps(&[1.5, -0.25])) - expected).abs() < 1e-6);
        assert_eq!(function.probability(&[1]), 0.0, "of another size");
        let far = TagFunction::Logistic { weights: [1e30].into(), bias: 0.0 };
        assert_eq!([far.probability(&[-127]), far.probability(&[127])], [0.0, 1.0]);
    }

    #[test]
    fn a_similarity_is_1_for_the_same_direction_and_0_for_the_opposite() {
        let function = TagFunction::Similarity { direction: [0.6, 0.8].into() };
        assert!((function.probability(&[30, 40]) - 1.0).abs() < 1e-6);
        assert!((function.probability(&[127, 0]) - 0.6).abs() < 1e-6);
        assert_eq!([function.probability(&[-30, -40]), function.probability(&[0, 0])], [0.0, 0.0]);
    }

    #[test]
    fn functions_are_read_back_to_the_last_bit_and_damaged_ones_are_refused() {
        for function in [
            TagFunction::Logistic { weights: [0.1, -3e-7, 1e10].into(), bias: -0.3 },
            TagFunction::Similarity { direction: [0.6, 0.8].into() },
        ] {
            let text = serde_json::to_string(&function).unwrap();
            assert_eq!(serde_json::from_str::<TagFunction>(&text).unwrap(), function, "{text}");
        }
        let of = |weights: &str| {
            serde_json::from_str::<TagFunction>(&format!(
                "{{\"logistic\": {{\"weights\": \"{weights}\", \"bias\": 0}}}}"
            ))
        };
        assert!(of("AACAPw==").is_ok());
        for damaged in ["AACAP", "AACA", "AADAfw==", "?"] {
            assert!(of(damaged).is_err(), "{damaged}");
        }
    }
}
