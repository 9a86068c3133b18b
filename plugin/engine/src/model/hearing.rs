//! One listener's place in the sound.

use super::{Model, ModelError, Way, one_line, sliding::Frames};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tract_onnx::prelude::{TractError, TractResult};

/// What may be meant as a probability: a float's error may leave 0..=1.
const PROBABILITIES: std::ops::RangeInclusive<f32> = -1e-3..=1.001;

/// Judges windows that follow one another, each [`Model::hop`] samples after the last.
/// The model is shared; what is kept from window to window, a few megabytes, is not.
///
/// Nothing here is for the audio thread.
pub struct Hearing {
    model: Model,
    /// `None` where the model keeps nothing.
    frames: Option<Frames>,
}

impl Hearing {
    /// As after a window of digital silence.
    pub fn new(model: Model) -> Self {
        let mut hearing = Self { model, frames: None };
        hearing.hear_silence();
        hearing
    }

    /// The model that judges.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Goes on as after a window of digital silence.
    pub fn hear_silence(&mut self) {
        self.frames = match &self.model.0.way {
            Way::Sliding(sliding) => Some(sliding.quiet()),
            Way::Full(_) => None,
        };
    }

    /// A hop has passed. `samples` are the last that were heard: a window of them, or
    /// as many hops as there were yet.
    ///
    /// # Errors
    /// [`ModelError::Failed`] where the model cannot run.
    pub fn step(&mut self, samples: &[f32]) -> Result<(), ModelError> {
        match (&self.model.0.way, &mut self.frames) {
            (Way::Sliding(sliding), Some(frames)) => guarded(|| sliding.step(frames, samples)),
            _ => Ok(()),
        }
    }

    /// Forgets what was heard and goes on as if `samples`, a whole number of hops up to
    /// a window, had been heard instead: a step for each hop.
    ///
    /// # Errors
    /// [`ModelError::Failed`] where the model cannot run.
    pub fn catch_up(&mut self, samples: &[f32]) -> Result<(), ModelError> {
        self.hear_silence();
        if self.frames.is_none() {
            return Ok(());
        }
        let hop = self.model.hop();
        (1..=samples.len() / hop).try_for_each(|hops| self.step(&samples[..hops * hop]))
    }

    /// The probability of every tag, each in 0..=1, of the window that ended with the
    /// last step; `window` has its samples.
    ///
    /// # Errors
    /// [`ModelError::Failed`] where the model cannot run, its answer is not one number a
    /// tag, a number is no probability, or there was no step yet.
    pub fn probabilities(&self, window: &[f32]) -> Result<Vec<f32>, ModelError> {
        let values = guarded(|| match (&self.model.0.way, &self.frames) {
            (Way::Sliding(sliding), Some(frames)) => Ok(probabilities_of(sliding.logits(frames)?)),
            (Way::Full(full), _) if self.model.0.is_logits => Ok(probabilities_of(full.run(window)?)),
            (Way::Full(full), _) => full.run(window),
            (Way::Sliding(_), None) => Err(TractError::msg("nothing was heard yet")),
        })?;
        if values.len() != self.model.tags().len() {
            return Err(ModelError::Failed("it gave another number of tags than it promised".into()));
        }
        if let Some(value) = values.iter().find(|value| value.is_finite() && !PROBABILITIES.contains(*value)) {
            let why = format!("its output is {value}, which is no probability; export it with a sigmoid at its end");
            return Err(ModelError::Failed(why));
        }
        let safe = |value: f32| if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
        Ok(values.into_iter().map(safe).collect())
    }
}

/// The sigmoid of each logit.
fn probabilities_of(logits: Vec<f32>) -> Vec<f32> {
    logits.into_iter().map(|logit| 1.0 / (1.0 + (-logit).exp())).collect()
}

/// Runs what a stranger's numbers may upset; a panic is an error like any other.
fn guarded<T>(run: impl FnOnce() -> TractResult<T>) -> Result<T, ModelError> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(TractError::msg("it panicked")))
        .map_err(|error| ModelError::Failed(one_line(&error)))
}
