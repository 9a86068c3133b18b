//! Inference over the successive windows of a stream.

use super::{Model, ModelError, Runtime, one_line, sliding::FrameState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tract_onnx::prelude::{TractError, TractResult};

/// Accepted as probabilities: rounding errors may leave 0..=1.
const PROBABILITIES: std::ops::RangeInclusive<f32> = -1e-3..=1.001;

/// What a model predicts for a window.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prediction {
    /// The probability of each tag, in 0..=1; 0 where the output is not finite.
    pub probabilities: Vec<f32>,
    /// The whitened embedding, on which tags of a user's own are taught; 0 where it is not finite. Empty if the model has
    /// none.
    pub embedding: Vec<f32>,
}

/// The state of one stream: predicts successive windows, [`Model::hop`] samples apart.
///
/// Streams share the model. The state itself takes a few megabytes under sliding inference, and nothing
/// with full windows. All methods allocate: not for the audio thread.
pub struct StreamState {
    model: Model,
    /// `None` with full windows.
    frames: Option<FrameState>,
}

impl StreamState {
    /// The state after a window of digital silence.
    pub fn new(model: Model) -> Self {
        let mut state = Self { model, frames: None };
        state.reset();
        state
    }

    /// The model of the stream.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Resets the state to the one after a window of digital silence.
    pub fn reset(&mut self) {
        self.frames = match &self.model.0.runtime {
            Runtime::Sliding(network) => Some(network.silent_state()),
            Runtime::FullWindows(_) => None,
        };
    }

    /// Advances the state by a hop. `samples` are the latest samples of the stream, the new hop
    /// included: a window of them, or all hops so far if they are shorter than a window.
    ///
    /// # Errors
    /// [`ModelError::Failed`] if `samples` are longer than a window, or inference fails.
    pub fn step(&mut self, samples: &[f32]) -> Result<(), ModelError> {
        if samples.len() > self.model.window() {
            let (window, given) = (self.model.window(), samples.len());
            return Err(ModelError::Failed(format!("its window has {window} samples, but {given} were given")));
        }
        match (&self.model.0.runtime, &mut self.frames) {
            (Runtime::Sliding(network), Some(frames)) => catch_failure(|| network.step(frames, samples)),
            _ => Ok(()),
        }
    }

    /// Primes the state with `samples`, a whole number of hops up to a window: resets it and steps
    /// through them.
    ///
    /// # Errors
    /// [`ModelError::Failed`] if inference fails.
    pub fn prime(&mut self, samples: &[f32]) -> Result<(), ModelError> {
        self.reset();
        if self.frames.is_none() {
            return Ok(());
        }
        let hop = self.model.hop();
        (1..=samples.len() / hop).try_for_each(|hops| self.step(&samples[..hops * hop]))
    }

    /// Predicts the window that ends with the last step. `window` holds the samples of that window; sliding inference
    /// does not read them.
    ///
    /// # Errors
    /// [`ModelError::Failed`] if inference fails, there was no step since the last reset, or a finite value
    /// of the output is not a probability.
    pub fn predict(&self, window: &[f32]) -> Result<Prediction, ModelError> {
        let (values, embedding) = catch_failure(|| match (&self.model.0.runtime, &self.frames) {
            (Runtime::Sliding(network), Some(frames)) => {
                let (logits, embedding) = network.predict(frames)?;
                Ok((sigmoid(logits), embedding))
            }
            (Runtime::FullWindows(plan), _) if self.model.0.is_logits => {
                let (logits, embedding) = plan.run(window)?;
                Ok((sigmoid(logits), embedding))
            }
            (Runtime::FullWindows(plan), _) => plan.run(window),
            (Runtime::Sliding(_), None) => Err(TractError::msg("the stream has no state")),
        })?;
        if values.len() != self.model.tags().len() {
            let (expected, given) = (self.model.tags().len(), values.len());
            return Err(ModelError::Failed(format!("its output has {given} values for {expected} tags")));
        }
        if let Some(value) = values.iter().find(|value| value.is_finite() && !PROBABILITIES.contains(*value)) {
            let why = format!("its output {value} is not a probability; export it with a sigmoid at its end");
            return Err(ModelError::Failed(why));
        }
        let to_probability = |value: f32| if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
        let to_finite = |value: f32| if value.is_finite() { value } else { 0.0 };
        Ok(Prediction {
            probabilities: values.into_iter().map(to_probability).collect(),
            embedding: embedding.into_iter().map(to_finite).collect(),
        })
    }
}

/// The sigmoid of each logit.
fn sigmoid(logits: Vec<f32>) -> Vec<f32> {
    logits.into_iter().map(|logit| 1.0 / (1.0 + (-logit).exp())).collect()
}

/// Runs inference with untrusted weights; a panic is an error.
fn catch_failure<T>(run: impl FnOnce() -> TractResult<T>) -> Result<T, ModelError> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(TractError::msg("inference panicked; load another model")))
        .map_err(|error| ModelError::Failed(one_line(&error)))
}
