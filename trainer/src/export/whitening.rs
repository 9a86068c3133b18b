//! The whitened embedding, on which the plug-in teaches tags of a user's own: the principal components of the embedding
//! over general music, each with mean 0 and variance 1 there (PCA whitening).

use super::graph::{Graph, tensor_type};
use crate::data::{DataLoader, Split};
use crate::error::{Result, TrainerError};
use nalgebra::{DMatrix, SymmetricEigen};
use prost::Message as _;
use tagvane_engine::{Background, InferenceMode, Model, StreamState, WHITENED_EMBEDDING};
use tract_onnx::pb::{ModelProto, StringStringEntryProto, tensor_shape_proto, type_proto};

/// The most components: with twice as many, tags that are taught by six spans are hardly better.
const MAX_COMPONENTS: usize = 64;

/// A component whose variance is a smaller part of the largest one is noise.
const MIN_VARIANCE: f64 = 1e-6;

/// The number of whitened embeddings that a file carries as the background.
const BACKGROUND: usize = 256;

/// The number of windows that it is fitted to.
const WINDOWS: usize = 4_096;

/// An affine map from embeddings to whitened ones, and some of those.
#[derive(Debug, Clone, PartialEq)]
pub struct Whitening {
    /// Values of an embedding.
    values: usize,
    /// `[values, components]`.
    weight: Vec<f32>,
    /// `[components]`.
    bias: Vec<f32>,
    background: Background,
}

impl Whitening {
    /// Fits it to the embeddings of a model in a file that [`to_onnx`](super::to_onnx) wrote, over a split of at most 4096
    /// windows, evenly spaced.
    ///
    /// # Errors
    /// [`TrainerError`] where the file is another one, the audio cannot be read, or the embeddings do not differ.
    pub fn of_model(bytes: &[u8], split: &Split) -> Result<Self> {
        let size = embedding_size(bytes)?;
        // The engine gives the whitened embedding only: here it is the embedding itself.
        let plain = add_whitened_embedding(bytes, &Self::identity(size))?;
        let model = Model::with(&plain, InferenceMode::FullWindows, None)?;
        let state = StreamState::new(model);
        let sample = split.evenly_spaced(WINDOWS);
        let mut embeddings = Vec::new();
        std::thread::scope(|scope| -> Result<()> {
            for batch in DataLoader::sequential(&split.cache, &sample, split.window, 1).spawn(scope) {
                let window = batch?.waveforms.into_single(split.window);
                embeddings.extend(state.predict(&window)?.embedding);
            }
            Ok(())
        })?;
        Self::fit(&embeddings, size)
    }

    /// The map that changes nothing.
    fn identity(size: usize) -> Self {
        let weight = (0..size * size).map(|index| if index / size == index % size { 1.0 } else { 0.0 }).collect();
        Self { values: size, weight, bias: vec![0.0; size], background: Background::default() }
    }

    /// Fits it to embeddings of `values` values each, row after row. The components are in the order of their variance; the
    /// entry of a component that is largest, in absolute value, is positive.
    ///
    /// # Errors
    /// [`TrainerError::Request`] where there are fewer than two embeddings, or they are all the same.
    pub fn fit(embeddings: &[f32], values: usize) -> Result<Self> {
        let rows = embeddings.len() / values.max(1);
        let too_few =
            || TrainerError::Request("the embeddings of this cache do not differ; give one with more music".into());
        if rows < 2 {
            return Err(too_few());
        }
        let data = DMatrix::<f64>::from_row_iterator(rows, values, embeddings.iter().map(|value| f64::from(*value)));
        let mean = data.row_mean();
        let centred = DMatrix::from_fn(rows, values, |row, value| data[(row, value)] - mean[value]);
        let covariance = centred.tr_mul(&centred) / rows as f64;
        let eigen = SymmetricEigen::new(covariance);
        let mut order: Vec<usize> = (0..values).collect();
        order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        let largest = eigen.eigenvalues[order[0]];
        if largest <= 0.0 || largest.is_nan() {
            return Err(too_few());
        }
        order.retain(|component| eigen.eigenvalues[*component] > MIN_VARIANCE * largest);
        order.truncate(MAX_COMPONENTS);
        let scaled = DMatrix::from_fn(values, order.len(), |value, index| {
            let vector = eigen.eigenvectors.column(order[index]);
            let sign = if vector[vector.iamax()] < 0.0 { -1.0 } else { 1.0 };
            sign * vector[value] / eigen.eigenvalues[order[index]].sqrt()
        });
        let bias = -(&mean * &scaled);
        let step = rows.div_ceil(BACKGROUND);
        let sample = centred.select_rows((0..rows).step_by(step).collect::<Vec<_>>().iter()) * &scaled;
        let row_major =
            |matrix: &DMatrix<f64>| -> Vec<f32> { matrix.transpose().iter().map(|value| *value as f32).collect() };
        Ok(Self {
            values,
            weight: row_major(&scaled),
            bias: bias.iter().map(|value| *value as f32).collect(),
            background: Background::new(order.len(), &row_major(&sample)),
        })
    }

    /// Whitens an embedding.
    pub fn apply(&self, embedding: &[f32]) -> Vec<f32> {
        let mut whitened = self.bias.clone();
        for (value, weights) in embedding.iter().zip(self.weight.chunks_exact(self.components())) {
            whitened.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
        }
        whitened
    }

    /// The number of values of a whitened embedding.
    pub fn components(&self) -> usize {
        self.bias.len()
    }
}

/// Adds the output `whitened_embedding` and the background to a file that [`to_onnx`](super::to_onnx) wrote.
///
/// # Errors
/// [`TrainerError::Request`] where the bytes are another file.
pub fn add_whitened_embedding(bytes: &[u8], whitening: &Whitening) -> Result<Vec<u8>> {
    let foreign = || TrainerError::Request("this ONNX file was not written by this trainer".into());
    let mut model = ModelProto::decode(bytes).map_err(|_| foreign())?;
    let graph = model.graph.as_mut().filter(|graph| graph.output.iter().any(|output| output.name == "embedding"));
    let graph = graph.ok_or_else(foreign)?;
    let mut added = Graph::default();
    let weight = added.add_weights("whitening.weight", &[whitening.values, whitening.components()], &whitening.weight);
    let bias = added.add_weights("whitening.bias", &[whitening.components()], &whitening.bias);
    added.add_node("Gemm", &["embedding", &weight, &bias], WHITENED_EMBEDDING, &[]);
    graph.node.extend(added.nodes);
    graph.initializer.extend(added.initializers);
    graph.output.push(tensor_type(WHITENED_EMBEDDING, whitening.components()));
    let value = whitening.background.to_property();
    model.metadata_props.push(StringStringEntryProto { key: Background::PROPERTY.into(), value });
    Ok(model.encode_to_vec())
}

/// The values of the embedding of a file that [`to_onnx`](super::to_onnx) wrote.
fn embedding_size(bytes: &[u8]) -> Result<usize> {
    let foreign = || TrainerError::Request("this ONNX file was not written by this trainer".into());
    let graph = ModelProto::decode(bytes).map_err(|_| foreign())?.graph.ok_or_else(foreign)?;
    let output = graph.output.into_iter().find(|output| output.name == "embedding").ok_or_else(foreign)?;
    let Some(type_proto::Value::TensorType(tensor)) = output.r#type.and_then(|kind| kind.value) else {
        return Err(foreign());
    };
    match tensor.shape.and_then(|shape| shape.dim.into_iter().nth(1)).and_then(|dim| dim.value) {
        Some(tensor_shape_proto::dimension::Value::DimValue(size)) if size > 0 => Ok(size as usize),
        _ => Err(foreign()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha12Rng;
    use rand_distr::StandardNormal;

    #[test]
    fn whitened_embeddings_have_mean_0_variance_1_and_no_correlation() {
        let mut random = ChaCha12Rng::seed_from_u64(1);
        let mut normal = || random.sample::<f32, _>(StandardNormal);
        // Three values that vary in two directions, and one that never does.
        let embeddings: Vec<f32> = (0..600)
            .flat_map(|_| {
                let (a, b) = (normal(), normal());
                [3.0 * a + 1.0, a - 0.2 * b, 0.5 * b - 4.0, 7.0]
            })
            .collect();
        let whitening = Whitening::fit(&embeddings, 4).unwrap();
        assert_eq!(whitening.components(), 2);
        let whitened: Vec<[f64; 2]> = embeddings
            .chunks_exact(4)
            .map(|row| [0, 1].map(|component| f64::from(whitening.apply(row)[component])))
            .collect();
        let mean = |of: &dyn Fn(&[f64; 2]) -> f64| whitened.iter().map(of).sum::<f64>() / 600.0;
        for (of, expected) in [
            (&(|row: &[f64; 2]| row[0]) as &dyn Fn(&[f64; 2]) -> f64, 0.0),
            (&|row| row[1], 0.0),
            (&|row| row[0] * row[0], 1.0),
            (&|row| row[1] * row[1], 1.0),
            (&|row| row[0] * row[1], 0.0),
        ] {
            assert!((mean(of) - expected).abs() < 1e-3, "{} instead of {expected}", mean(of));
        }
        // Every third embedding, in steps of a sixteenth.
        let rows: Vec<Vec<f32>> = whitening.background.rows().collect();
        assert_eq!(rows.len(), 200);
        for (row, whitened) in rows.iter().zip(whitened.iter().step_by(3)) {
            assert!(row.iter().zip(whitened).all(|(a, b)| (f64::from(*a) - b).abs() < 0.04), "{row:?} {whitened:?}");
        }
        assert_eq!(whitening, Whitening::fit(&embeddings, 4).unwrap());
        for same in [&[1.0; 4][..], &[1.0; 400]] {
            assert!(Whitening::fit(same, 4).unwrap_err().to_string().contains("do not differ"));
        }
    }
}
