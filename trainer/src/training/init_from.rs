//! The initial network of a run: random weights, or those of exported models to fine-tune.

use super::config::Config;
use crate::architecture::{Architecture, BlockKind, SampleLevel};
use crate::data::{DataLoader, Split, to_tensors, vocabularies};
use crate::error::{Result, TrainerError};
use crate::export::{filter_counts, from_onnx};
use crate::kernels::NetworkBackend;
use crate::network::{Network, values};
use burn::module::{Module as _, Param};
use burn::nn::Linear;
use burn::record::{BinBytesRecorder, FullPrecisionSettings, Recorder as _};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use std::ops::Range;
use std::path::Path;
use tagvane_engine::{InferenceMode, Model};

/// Windows over which batch normalisation is recalibrated: as many as two of the paper's batches of 23. They
/// pass through the network at once, so the memory bounds their number.
const RECALIBRATION_WINDOWS: usize = 46;

/// The initial network of a run: with random weights, or fine-tuned from the models in `init_from`. Plain m^n networks with
/// fewer filters are widened.
///
/// # Errors
/// [`TrainerError`] if a model cannot be loaded, has another architecture that cannot be widened, or does not share its
/// filters with the others.
pub(super) fn initial_network<B: AutodiffBackend + NetworkBackend>(
    config: &Config,
    training: &Split,
    device: &B::Device,
) -> Result<Network<B>>
where
    B::InnerBackend: NetworkBackend,
{
    let tags = &training.cache.info.tags;
    let random = Network::<B>::with_seed(&config.architecture.plan(tags.len())?, config.training.seed, device);
    let sources: Vec<SourceModel<'_, B::InnerBackend>> =
        config.training.init_from.iter().map(|path| SourceModel::open(path, config, device)).collect::<Result<_>>()?;
    let Some(first) = sources.first() else { return Ok(random) };

    let windows = sample_windows::<B::InnerBackend>(training, device)?;
    let embedding =
        |source: &SourceModel<'_, B::InnerBackend>| values(source.network.forward(windows.clone()).embedding);
    let expected = embedding(first);
    for other in &sources[1..] {
        let difference = embedding(other).iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        if difference > 1e-3 {
            let what = format!(
                "its filters are not those of {}; name models that were exported from one run",
                first.path.display()
            );
            return Err(TrainerError::content(other.path, what));
        }
    }

    let mut network = first.network.clone();
    let seed = config.training.seed;
    network.tags = Network::with_seed(&first.architecture.plan(tags.len())?, seed, device).tags;
    let count = copy_tag_weights(&mut network.tags, tags, &sources);
    let is_widened = first.architecture != config.architecture;
    if is_widened {
        network = network.widened(&config.architecture.plan(tags.len())?, seed, device);
    }
    network.recalibrate_batch_norm(windows);
    let widened = if is_widened { ", and its filters widened" } else { "" };
    println!("initialised from {}{widened}: {count} of {} tags are known", join_paths(&sources), tags.len());

    // Through a record, so that the weights require gradients as in the random network.
    let failed = |error: burn::record::RecorderError| TrainerError::Request(error.to_string());
    let recorder = BinBytesRecorder::<FullPrecisionSettings>::default();
    let record = recorder.record(network.into_record(), ()).map_err(failed)?;
    Ok(random.load_record(recorder.load(record, device).map_err(failed)?))
}

/// An exported model to fine-tune.
struct SourceModel<'a, B: Backend> {
    path: &'a Path,
    tags: Vec<String>,
    /// The configured architecture, or one with fewer filters.
    architecture: Architecture,
    network: Network<B>,
}

impl<'a, B: NetworkBackend> SourceModel<'a, B> {
    fn open(path: &'a Path, config: &Config, device: &B::Device) -> Result<Self> {
        let wrong = |what: String| TrainerError::content(path, what);
        let model = Model::open(path, InferenceMode::FullWindows).map_err(|error| wrong(error.to_string()))?;
        let tags = model.tags().to_vec();
        let bytes = std::fs::read(path).map_err(TrainerError::file(path))?;
        let architecture = narrower(&config.architecture, &filter_counts(&bytes));
        let architecture = architecture.unwrap_or_else(|| config.architecture.clone());
        let network = from_onnx(&bytes, &architecture, tags.len(), device).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { path, tags, architecture, network })
    }
}

/// The m^n network with these filters in its layers, if it can be widened to `architecture`.
fn narrower(architecture: &Architecture, filters: &[usize]) -> Option<Architecture> {
    let Architecture::SampleLevel(network) = architecture else { return None };
    let widths =
        filters.get(..network.widths.len()).filter(|_| network.block == BlockKind::Basic && !network.multi_level)?;
    let is_narrower = widths.iter().zip(&network.widths).all(|(width, wanted)| width <= wanted);
    is_narrower.then(|| Architecture::SampleLevel(SampleLevel { widths: widths.to_vec(), ..network.clone() }))
}

fn join_paths<B: Backend>(sources: &[SourceModel<'_, B>]) -> String {
    sources.iter().map(|source| source.path.display().to_string()).collect::<Vec<_>>().join(" and ")
}

/// Windows spread evenly over the training set, `[rows, window]`.
fn sample_windows<B: NetworkBackend>(training: &Split, device: &B::Device) -> Result<Tensor<B, 2>> {
    let Split { cache, window, .. } = training;
    let sample = training.evenly_spaced(RECALIBRATION_WINDOWS);
    std::thread::scope(|scope| {
        let batches = DataLoader::sequential(cache, &sample, *window, sample.len()).spawn(scope);
        let batch = batches.recv().map_err(|_| {
            TrainerError::Request("the training set has no windows to recalibrate batch normalisation with".into())
        })??;
        Ok(to_tensors(&batch, device).0)
    })
}

/// Copies the output weights of `tags` from the models that have them, and returns the number of those
/// tags. All tags of a vocabulary come from one vocabulary of one model: the one that has most of them.
fn copy_tag_weights<B: NetworkBackend>(
    layer: &mut Linear<B>,
    tags: &[String],
    sources: &[SourceModel<'_, B>],
) -> usize {
    let [inputs, outputs] = layer.weight.dims();
    let bias = |layer: &Linear<B>| layer.bias.as_ref().map_or_else(Vec::new, |bias| values(bias.val()));
    let (mut weights, mut biases) = (values(layer.weight.val()), bias(layer));
    let mut count = 0;
    let mut known: Vec<(&SourceModel<'_, B>, Range<usize>, Vec<String>)> = Vec::new();
    for source in sources {
        known.extend(vocabularies::split(&source.tags).into_iter().map(|(range, names)| (source, range, names)));
    }
    for (range, names) in vocabularies::split(tags) {
        let shared_tags = |(_, _, known): &&(_, _, Vec<String>)| names.iter().filter(|tag| known.contains(tag)).count();
        // `max_by_key` returns the last maximum; reversed, a tie goes to the first one.
        let Some((best, known_range, known_names)) = known.iter().rev().max_by_key(shared_tags) else { continue };
        let output = |tag: &String| Some(known_range.start + known_names.iter().position(|known| known == tag)?);
        let (source_weights, source_biases) = (values(best.network.tags.weight.val()), bias(&best.network.tags));
        for (to, from) in range.zip(&names).filter_map(|(to, tag)| Some((to, output(tag)?))) {
            for row in 0..inputs {
                weights[row * outputs + to] = source_weights[row * best.tags.len() + from];
            }
            biases[to] = source_biases[from];
            count += 1;
        }
    }
    let device = layer.weight.val().device();
    layer.weight = Param::from_tensor(Tensor::from_data(TensorData::new(weights, [inputs, outputs]), &device));
    layer.bias = Some(Param::from_tensor(Tensor::from_data(TensorData::new(biases, [outputs]), &device)));
    count
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::backend::Flex;

    /// Regression: of a model with several vocabularies no tag was known.
    #[test]
    fn tags_are_found_in_any_vocabulary_of_a_model() {
        let names = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
        let (first, second) = (names(&["guitar", "rock"]), names(&["jazz", "rock", "soul"]));
        let joined = vocabularies::join(&[&first, &second]);
        let architecture = Architecture::SampleLevel(SampleLevel::new(3, 2, 27, vec![4; 3]));
        let network = |tags: usize, seed| {
            Network::<Flex>::with_seed(&architecture.plan(tags).unwrap(), seed, &Default::default())
        };
        let column = |layer: &Linear<Flex>, tag: usize| values(layer.weight.val().slice_dim(1, tag..tag + 1));
        let source = |tags: &[String]| SourceModel {
            path: Path::new("source.onnx"),
            tags: tags.to_vec(),
            architecture: architecture.clone(),
            network: network(tags.len(), 1),
        };
        let copied = |tags: &[String], sources: &[SourceModel<'_, Flex>]| {
            let mut layer = network(tags.len(), 2).tags;
            (copy_tag_weights(&mut layer, tags, sources), layer)
        };
        let several = [source(&joined)];
        let (count, layer) = copied(&joined, &several);
        assert_eq!((count, values(layer.weight.val())), (5, values(several[0].network.tags.weight.val())));
        // One of its vocabularies, in another order and with a tag that it does not have.
        let (count, layer) = copied(&names(&["soul", "polka", "jazz"]), &several);
        assert_eq!(count, 2);
        assert_eq!(column(&layer, 0), column(&several[0].network.tags, 4));
        assert_eq!(column(&layer, 2), column(&several[0].network.tags, 2));
        // A joined cache from models of one vocabulary each.
        let single = [source(&second), source(&first)];
        let (count, layer) = copied(&joined, &single);
        assert_eq!(count, 5);
        assert_eq!(column(&layer, 1), column(&single[1].network.tags, 1));
        assert_eq!(column(&layer, 3), column(&single[0].network.tags, 1));
    }
}
