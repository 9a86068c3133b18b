//! Where a run begins: at fresh weights, or at those of exported models.

use super::config::Config;
use super::{Split, to_tensors};
use crate::data::{Example, Pass, vocabularies};
use crate::error::{Result, TrainerError};
use crate::export::from_onnx;
use crate::export::graph::values;
use crate::kernels::NetworkBackend;
use crate::network::Network;
use burn::module::{AutodiffModule as _, Module as _, Param};
use burn::nn::Linear;
use burn::record::{BinBytesRecorder, FullPrecisionSettings, Recorder as _};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use std::path::Path;
use tagvane_engine::{Inference, Model};

/// Windows that normalisation is settled by.
const SETTLED: usize = 46;

/// The network that a run begins with: fresh, or with the filters of the models that its
/// configuration names.
///
/// # Errors
/// [`TrainerError`] where one of the models cannot be used, or they are no parts of one network.
pub(super) fn network<B: AutodiffBackend + NetworkBackend>(
    config: &Config,
    training: &Split,
    device: &B::Device,
) -> Result<Network<B>>
where
    B::InnerBackend: NetworkBackend,
{
    let tags = &training.cache.info.tags;
    let fresh = Network::<B>::new(&config.architecture.plan(tags.len())?, device);
    let known: Vec<Known<'_, B::InnerBackend>> =
        config.training.begin_with.iter().map(|path| Known::open(path, config, device)).collect::<Result<_>>()?;
    let Some(first) = known.first() else { return Ok(fresh) };

    let windows = windows::<B::InnerBackend>(training, device)?;
    let embedding = |known: &Known<'_, B::InnerBackend>| values(known.network.forward(windows.clone()).embedding);
    let wanted = embedding(first);
    for other in &known[1..] {
        let apart = embedding(other).iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        if apart > 1e-3 {
            let what = format!("its filters are not those of {}: both have to be of one run", first.path.display());
            return Err(TrainerError::content(other.path, what));
        }
    }

    let mut network = first.network.clone();
    network.tags = fresh.valid().tags;
    let count = adopt(&mut network.tags, tags, &known);
    network.settle(windows);
    println!("begins with {}: {count} of {} tags are known", names(&known), tags.len());

    // By a record, so that what can learn in the fresh network can in this one.
    let lost = |error: burn::record::RecorderError| TrainerError::Request(error.to_string());
    let recorder = BinBytesRecorder::<FullPrecisionSettings>::default();
    let record = recorder.record(network.into_record(), ()).map_err(lost)?;
    Ok(fresh.load_record(recorder.load(record, device).map_err(lost)?))
}

/// An exported model, read back.
struct Known<'a, B: Backend> {
    path: &'a Path,
    tags: Vec<String>,
    network: Network<B>,
}

impl<'a, B: NetworkBackend> Known<'a, B> {
    fn open(path: &'a Path, config: &Config, device: &B::Device) -> Result<Self> {
        let wrong = |what: String| TrainerError::content(path, what);
        let model = Model::open(path, Inference::FullWindows).map_err(|error| wrong(error.to_string()))?;
        let tags = model.tags().to_vec();
        let bytes = std::fs::read(path).map_err(TrainerError::file(path))?;
        let network =
            from_onnx(&bytes, &config.architecture, tags.len(), device).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { path, tags, network })
    }

    /// The place of a tag in its answers.
    fn place(&self, tag: &str) -> Option<usize> {
        self.tags.iter().position(|own| own == tag)
    }
}

fn names<B: Backend>(known: &[Known<'_, B>]) -> String {
    known.iter().map(|known| known.path.display().to_string()).collect::<Vec<_>>().join(" and ")
}

/// Windows from all over the training set, `[rows, window]`.
fn windows<B: Backend>(training: &Split, device: &B::Device) -> Result<Tensor<B, 2>> {
    let Split { cache, examples, window } = training;
    let step = examples.len().div_ceil(SETTLED).max(1);
    let some: Vec<Example> = examples.iter().copied().step_by(step).collect();
    std::thread::scope(|scope| {
        let batches = Pass::plain(cache, &some, *window, some.len()).start(scope);
        let batch =
            batches.recv().map_err(|_| TrainerError::Request("there are no windows to begin with".into()))??;
        Ok(to_tensors(&batch, device).0)
    })
}

/// Takes over what the models know of `tags`, in the layer that answers for them; gives how many
/// tags that are. Of each vocabulary among them one model answers for all, that which knows most.
fn adopt<B: NetworkBackend>(layer: &mut Linear<B>, tags: &[String], known: &[Known<'_, B>]) -> usize {
    let [inputs, outputs] = layer.weight.dims();
    let bias = |layer: &Linear<B>| layer.bias.as_ref().map_or_else(Vec::new, |bias| values(bias.val()));
    let (mut weights, mut biases) = (values(layer.weight.val()), bias(layer));
    let mut count = 0;
    for (places, own) in vocabularies::parts(tags) {
        let knows = |known: &&Known<'_, B>| own.iter().filter(|tag| known.place(tag).is_some()).count();
        // The first of several that know as many.
        let Some(best) = known.iter().rev().max_by_key(knows) else { continue };
        let theirs = (values(best.network.tags.weight.val()), bias(&best.network.tags));
        for (to, from) in places.zip(&own).filter_map(|(to, tag)| Some((to, best.place(tag)?))) {
            for row in 0..inputs {
                weights[row * outputs + to] = theirs.0[row * best.tags.len() + from];
            }
            biases[to] = theirs.1[from];
            count += 1;
        }
    }
    let device = layer.weight.val().device();
    layer.weight = Param::from_tensor(Tensor::from_data(TensorData::new(weights, [inputs, outputs]), &device));
    layer.bias = Some(Param::from_tensor(Tensor::from_data(TensorData::new(biases, [outputs]), &device)));
    count
}
