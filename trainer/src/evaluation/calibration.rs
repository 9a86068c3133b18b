//! Calibration of a network: a Platt scaling of each tag, fitted on windows that it was not trained on.

use super::metrics::expected_calibration_error;
use super::platt::PlattScaling;
use super::runner::predict_split;
use super::scores::VocabularyCalibration;
use crate::data::Split;
use crate::error::{Result, TrainerError};
use crate::files;
use crate::kernels::NetworkBackend;
use crate::network::{Network, values};
use serde::Serialize;
use std::ops::Range;
use std::path::Path;

/// The calibration of a tag.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TagCalibration {
    /// The tag.
    pub tag: String,
    /// What its logits go through.
    #[serde(flatten)]
    pub scaling: PlattScaling,
    /// Expected calibration error without it.
    pub error_before: f64,
    /// Expected calibration error with it, on the windows that it was fitted on.
    pub error_after: f64,
}

/// The calibration of a network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Number of windows that it was fitted on.
    pub windows: usize,
    /// The tags, in the order of the network's.
    pub tags: Vec<TagCalibration>,
}

impl Calibration {
    /// Fits the scaling of each tag to the labels of a split, whose tags are those of the network.
    ///
    /// # Errors
    /// [`TrainerError`] where the audio cannot be read or there are no windows.
    pub fn fit<B: NetworkBackend>(
        network: &Network<B>,
        split: &Split,
        batch_size: usize,
        device: &B::Device,
    ) -> Result<Self> {
        let names = &split.cache.info.tags;
        let windows = split.examples.len();
        if windows == 0 {
            return Err(TrainerError::Request("there are no windows to calibrate on; give groups with some".into()));
        }
        let columns = || vec![Vec::with_capacity(windows); names.len()];
        let (mut logits, mut labels): (Vec<Vec<f32>>, Vec<Vec<f32>>) = (columns(), columns());
        predict_split(network, split, batch_size, device, |batch, output, _| {
            for (columns, rows) in [(&mut logits, &values(output)), (&mut labels, &batch.targets)] {
                for row in rows.chunks_exact(names.len()) {
                    columns.iter_mut().zip(row).for_each(|(column, value)| column.push(*value));
                }
            }
        })?;
        let tags = names.iter().zip(logits.iter().zip(&labels));
        let tags = tags.map(|(tag, (logits, labels))| calibrate_tag(tag, logits, labels)).collect();
        Ok(Self { windows, tags })
    }

    /// The network with the scaling folded into its last layer.
    ///
    /// # Panics
    /// Panics if the network has another number of tags.
    pub fn fold_into<B: NetworkBackend>(&self, network: Network<B>) -> Network<B> {
        let (scales, offsets): (Vec<f32>, Vec<f32>) =
            self.tags.iter().map(|tag| (tag.scaling.scale as f32, tag.scaling.offset as f32)).unzip();
        network.with_scaled_logits(&scales, &offsets)
    }

    /// The mean expected calibration errors of each vocabulary among `tags`, before and after.
    pub fn by_vocabulary(&self, tags: Range<usize>) -> Vec<(VocabularyCalibration, VocabularyCalibration)> {
        let names: Vec<String> = self.tags[tags.clone()].iter().map(|tag| tag.tag.clone()).collect();
        let means = |error: fn(&TagCalibration) -> f64| {
            let errors: Vec<f64> = self.tags[tags.clone()].iter().map(error).collect();
            VocabularyCalibration::of(&names, &errors)
        };
        means(|tag| tag.error_before).into_iter().zip(means(|tag| tag.error_after)).collect()
    }

    /// Writes all of it as JSON.
    ///
    /// # Errors
    /// [`TrainerError::File`].
    pub fn write_json(&self, path: &Path) -> Result<()> {
        files::write_json(path, self)
    }
}

fn calibrate_tag(tag: &str, logits: &[f32], labels: &[f32]) -> TagCalibration {
    let scaling = PlattScaling::fit(logits, labels);
    let error = |scaling: PlattScaling| {
        let probability = |logit: &f32| (1.0 / (1.0 + (-scaling.apply(f64::from(*logit))).exp())) as f32;
        let probabilities: Vec<f32> = logits.iter().map(probability).collect();
        expected_calibration_error(&probabilities, labels).unwrap_or(0.0)
    };
    TagCalibration {
        tag: tag.to_owned(),
        scaling,
        error_before: error(PlattScaling::IDENTITY),
        error_after: error(scaling),
    }
}
