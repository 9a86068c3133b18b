//! The smoothed tags: what the editor displays, the host reads, and MIDI and OSC send.

use crate::outputs::Outputs;
use crate::params::OutputParams;
use crate::smoothing::Smoothing;
use tagvane_engine::MAX_TAGS;

/// The probabilities of all tags, each on its way to the latest prediction.
pub(crate) struct SmoothedTags {
    /// The version of the tag list that the indices refer to.
    tags_version: u64,
    /// The end of the window of the latest prediction, in seconds since the start of the segment.
    window_end: f64,
    /// The latest prediction.
    targets: Box<[f32]>,
    values: Box<[f32]>,
    /// Whether a value has not reached its target.
    is_moving: bool,
}

impl SmoothedTags {
    pub(crate) fn new(tags_version: u64) -> Self {
        Self {
            tags_version,
            window_end: 0.0,
            targets: vec![0.0; MAX_TAGS].into(),
            values: vec![0.0; MAX_TAGS].into(),
            is_moving: false,
        }
    }

    /// The version of the tag list that the indices refer to.
    pub(crate) fn tags_version(&self) -> u64 {
        self.tags_version
    }

    /// The end of the window of the latest prediction, in seconds since the start of the segment.
    pub(crate) fn window_end(&self) -> f64 {
        self.window_end
    }

    /// The latest prediction, indexed by tag.
    pub(crate) fn targets(&self) -> &[f32] {
        &self.targets
    }

    /// Sets all tags to zero: a segment starts, which has no prediction yet.
    pub(crate) fn start_segment(&mut self, outputs: &Outputs) {
        self.window_end = 0.0;
        self.clear(outputs);
    }

    /// Sets all tags to zero: the indices refer to another version of the tag list from now on.
    pub(crate) fn set_tags_version(&mut self, tags_version: u64, outputs: &Outputs) {
        self.tags_version = tags_version;
        self.clear(outputs);
        outputs.set_tags_version(tags_version);
    }

    fn clear(&mut self, outputs: &Outputs) {
        self.targets.fill(0.0);
        for (tag, value) in self.values.iter_mut().enumerate() {
            if *value != 0.0 {
                *value = 0.0;
                outputs.set_tag_value(tag, 0.0);
            }
        }
        self.is_moving = false;
    }

    /// Takes the prediction of a window as the target of the first `tag_count` tags; tags without a
    /// probability fall to zero.
    pub(crate) fn set_targets(&mut self, probabilities: &[f32], tag_count: usize, window_end: f64) {
        let probabilities = probabilities.iter().copied().chain(std::iter::repeat(0.0));
        for (target, probability) in self.targets[..tag_count].iter_mut().zip(probabilities) {
            *target = if probability.is_finite() { probability.clamp(0.0, 1.0) } else { 0.0 };
        }
        self.window_end = window_end;
        self.is_moving = true;
    }

    /// Advances the first `tag_count` tags by a tick and writes them to `outputs`. Returns whether a tag
    /// may have moved.
    pub(crate) fn step(&mut self, params: &OutputParams, tag_count: usize, outputs: &Outputs) -> bool {
        if !self.is_moving {
            return false;
        }
        let smoothing = Smoothing::new(params.attack, params.release);
        let mut is_moving = false;
        for (tag, (value, target)) in self.values[..tag_count].iter_mut().zip(&self.targets[..tag_count]).enumerate() {
            if value != target {
                *value = smoothing.step(*value, *target);
                is_moving |= value != target;
                outputs.set_tag_value(tag, *value);
            }
        }
        self.is_moving = is_moving;
        true
    }

    /// Whether one of the first `tag_count` tags moves or has a target above zero.
    pub(crate) fn is_active(&self, tag_count: usize) -> bool {
        self.is_moving || self.targets[..tag_count].iter().any(|target| *target > 0.0)
    }
}
