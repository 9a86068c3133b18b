//! The optimisers.
//!
//! All parameters are one flat tensor in a step: a network has dozens of them, and on a graphics card each
//! operation costs more than the few thousand values of most. Checkpoints have the state of each parameter.

use super::checkpoint;
use super::config::Optimiser;
use super::weight_average::{self, WeightAverage};
use crate::error::{self, Result};
use crate::kernels::NetworkBackend;
use crate::network::Network;
use burn::module::{Module as _, ModuleMapper, ModuleVisitor, Param};
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::record::AdaptorRecord;
use burn::optim::{
    Adam, AdamConfig, AdamState, AdaptiveMomentumState, GradientsParams, LearningRate, Optimizer, SimpleOptimizer,
};
use burn::record::Record;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use std::path::Path;

/// An optimiser with its state.
pub(super) enum NetworkOptimiser<B: AutodiffBackend> {
    Sgd(FlatOptimiser<Sgd, B>),
    Adam(FlatOptimiser<Adam, B>),
}

impl<B: AutodiffBackend> NetworkOptimiser<B> {
    /// An optimiser with empty state.
    pub(super) fn new(optimiser: Optimiser) -> Self {
        match optimiser {
            Optimiser::Sgd { momentum } => Self::Sgd(FlatOptimiser::new(Sgd { momentum })),
            Optimiser::Adam => Self::Adam(FlatOptimiser::new(AdamConfig::new().with_epsilon(1e-8).build())),
        }
    }

    /// One optimiser step at a learning rate.
    pub(super) fn step(&mut self, learning_rate: f64, network: Network<B>, gradients: GradientsParams) -> Network<B> {
        match self {
            Self::Sgd(optimiser) => optimiser.step(learning_rate, network, gradients),
            Self::Adam(optimiser) => optimiser.step(learning_rate, network, gradients),
        }
    }

    /// Writes a checkpoint of the run, with the network, its average and the optimiser's state.
    ///
    /// # Errors
    /// As [`checkpoint::save`].
    pub(super) fn save_checkpoint(
        &self,
        run: &Path,
        state: &checkpoint::RunState,
        network: Network<B>,
        average: Option<&WeightAverage<B>>,
    ) -> Result<()>
    where
        B: NetworkBackend,
        B::InnerBackend: NetworkBackend,
    {
        match self {
            Self::Sgd(optimiser) => {
                let record = optimiser.to_record(&network);
                weight_average::save_checkpoint(run, state, network, average, record)
            }
            Self::Adam(optimiser) => {
                let record = optimiser.to_record(&network);
                weight_average::save_checkpoint(run, state, network, average, record)
            }
        }
    }

    /// Loads the optimiser's state for `network` from a checkpoint.
    ///
    /// # Errors
    /// As [`checkpoint::load`].
    pub(super) fn load(self, folder: &Path, network: &Network<B>, device: &B::Device) -> Result<Self> {
        Ok(match self {
            Self::Sgd(optimiser) => Self::Sgd(optimiser.load(folder, network, device)?),
            Self::Adam(optimiser) => Self::Adam(optimiser.load(folder, network, device)?),
        })
    }
}

/// Stochastic gradient descent with Nesterov momentum. burn's keeps its velocity to itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sgd {
    momentum: f64,
}

/// The state of [`Sgd`], with the names of burn's records.
#[derive(Record, Clone)]
pub(super) struct SgdState<B: Backend, const D: usize> {
    momentum: Option<MomentumState<B, D>>,
}

/// The velocity of [`Sgd`].
#[derive(Record, Clone)]
pub(super) struct MomentumState<B: Backend, const D: usize> {
    velocity: Tensor<B, D>,
}

impl<B: Backend> SimpleOptimizer<B> for Sgd {
    type State<const D: usize> = SgdState<B, D>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        tensor: Tensor<B, D>,
        gradient: Tensor<B, D>,
        state: Option<SgdState<B, D>>,
    ) -> (Tensor<B, D>, Option<SgdState<B, D>>) {
        let velocity = match state.and_then(|state| state.momentum) {
            Some(last) => gradient.clone() + last.velocity.mul_scalar(self.momentum),
            None => gradient.clone(),
        };
        let delta = (velocity.clone().mul_scalar(self.momentum) + gradient).mul_scalar(learning_rate);
        (tensor - delta, Some(SgdState { momentum: Some(MomentumState { velocity }) }))
    }

    fn to_device<const D: usize>(state: SgdState<B, D>, device: &B::Device) -> SgdState<B, D> {
        let momentum = state.momentum.map(|state| MomentumState { velocity: state.velocity.to_device(device) });
        SgdState { momentum }
    }
}

/// An optimiser whose state is a few tensors of the parameter's size, so that it can be cut and joined.
pub(super) trait FlatState<B: Backend>: SimpleOptimizer<B> {
    /// The number of steps, and the tensors of a state.
    fn into_moments<const D: usize>(state: Self::State<D>) -> (usize, Vec<Tensor<B, D>>);

    /// The reverse of [`into_moments`](Self::into_moments); `None` if there are too few tensors.
    fn from_moments<const D: usize>(time: usize, moments: Vec<Tensor<B, D>>) -> Option<Self::State<D>>;
}

impl<B: Backend> FlatState<B> for Sgd {
    fn into_moments<const D: usize>(state: SgdState<B, D>) -> (usize, Vec<Tensor<B, D>>) {
        (0, state.momentum.into_iter().map(|state| state.velocity).collect())
    }

    fn from_moments<const D: usize>(_: usize, moments: Vec<Tensor<B, D>>) -> Option<SgdState<B, D>> {
        let velocity = moments.into_iter().next()?;
        Some(SgdState { momentum: Some(MomentumState { velocity }) })
    }
}

impl<B: Backend> FlatState<B> for Adam {
    fn into_moments<const D: usize>(state: AdamState<B, D>) -> (usize, Vec<Tensor<B, D>>) {
        let AdaptiveMomentumState { time, moment_1, moment_2, .. } = state.momentum;
        (time, vec![moment_1, moment_2])
    }

    fn from_moments<const D: usize>(time: usize, moments: Vec<Tensor<B, D>>) -> Option<AdamState<B, D>> {
        let mut moments = moments.into_iter();
        Some(AdamState::new(AdaptiveMomentumState::new(time, moments.next()?, moments.next()?)))
    }
}

/// An optimiser of a network's parameters as one tensor.
pub(super) struct FlatOptimiser<O: SimpleOptimizer<B::InnerBackend>, B: AutodiffBackend> {
    optimiser: O,
    /// `None` before the first step.
    state: Option<O::State<1>>,
}

/// The state of each parameter by its id, as burn's optimisers record it.
type Records<O, B> = <OptimizerAdaptor<O, Network<B>, B> as Optimizer<Network<B>, B>>::Record;

impl<O: FlatState<B::InnerBackend>, B: AutodiffBackend> FlatOptimiser<O, B> {
    fn new(optimiser: O) -> Self {
        Self { optimiser, state: None }
    }

    fn step(&mut self, learning_rate: f64, network: Network<B>, gradients: GradientsParams) -> Network<B> {
        let mut flatten = Flatten::<B> { gradients, parameters: Vec::new(), flat_gradients: Vec::new() };
        network.visit(&mut flatten);
        if flatten.parameters.is_empty() {
            return network;
        }
        let (parameters, gradients) = (Tensor::cat(flatten.parameters, 0), Tensor::cat(flatten.flat_gradients, 0));
        let (flat, state) = self.optimiser.step(learning_rate, parameters, gradients, self.state.take());
        self.state = state;
        network.map(&mut Replace::<B> { flat, start: 0 })
    }

    fn to_record(&self, network: &Network<B>) -> Records<O, B> {
        let mut records = Records::<O, B>::new();
        if let Some(state) = &self.state {
            let (time, moments) = O::into_moments(state.clone());
            network.visit(&mut Cut::<O, B> { time, moments, start: 0, records: &mut records });
        }
        records
    }

    fn load(self, folder: &Path, network: &Network<B>, device: &B::Device) -> Result<Self> {
        let records: Records<O, B> = checkpoint::load(folder, "optimiser", device)?;
        if records.is_empty() {
            return Ok(self);
        }
        let mut join = Join::<O, B> { records, time: 0, moments: Vec::new(), is_complete: true };
        network.visit(&mut join);
        let moments = join.moments.into_iter().map(|parts| Tensor::cat(parts, 0)).collect();
        let state = O::from_moments(join.time, moments).filter(|_| join.is_complete);
        let damaged = || checkpoint::damaged(&folder.join("optimiser.mpk"), "it is of another network");
        Ok(Self { state: Some(state.ok_or_else(damaged)?), ..self })
    }
}

fn flat<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Tensor<B, 1> {
    tensor.reshape([-1])
}

/// Takes `shape` out of a flat tensor, from `start` on.
fn cut<B: Backend, const D: usize>(flat: &Tensor<B, 1>, start: usize, shape: [usize; D]) -> Tensor<B, D> {
    flat.clone().narrow(0, start, shape.iter().product()).reshape(shape)
}

/// Collects the parameters that are trained, and their gradients.
struct Flatten<B: AutodiffBackend> {
    gradients: GradientsParams,
    parameters: Vec<Tensor<B::InnerBackend, 1>>,
    flat_gradients: Vec<Tensor<B::InnerBackend, 1>>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Flatten<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let value = param.val();
        if value.is_require_grad() {
            let value = value.inner();
            let gradient = self.gradients.remove::<B::InnerBackend, D>(param.id);
            self.flat_gradients.push(flat(gradient.unwrap_or_else(|| value.zeros_like())));
            self.parameters.push(flat(value));
        }
    }
}

/// Puts the values of a flat tensor into the parameters that are trained.
struct Replace<B: AutodiffBackend> {
    flat: Tensor<B::InnerBackend, 1>,
    start: usize,
}

impl<B: AutodiffBackend> ModuleMapper<B> for Replace<B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, mut tensor, mapper) = param.consume();
        if tensor.is_require_grad() {
            let shape: [usize; D] = tensor.dims();
            tensor = Tensor::from_inner(cut(&self.flat, self.start, shape)).require_grad();
            self.start += shape.iter().product::<usize>();
        }
        Param::from_mapped_value(id, tensor, mapper)
    }
}

/// Cuts a flat state into a record for each parameter.
struct Cut<'a, O: SimpleOptimizer<B::InnerBackend> + 'a, B: AutodiffBackend> {
    time: usize,
    moments: Vec<Tensor<B::InnerBackend, 1>>,
    start: usize,
    records: &'a mut Records<O, B>,
}

impl<O: FlatState<B::InnerBackend>, B: AutodiffBackend> ModuleVisitor<B> for Cut<'_, O, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let value = param.val();
        if value.is_require_grad() {
            let shape: [usize; D] = value.dims();
            let moments = self.moments.iter().map(|moment| cut(moment, self.start, shape)).collect();
            if let Some(state) = O::from_moments::<D>(self.time, moments) {
                self.records.insert(param.id, AdaptorRecord::from_state(state));
            }
            self.start += shape.iter().product::<usize>();
        }
    }
}

/// Joins the records of all parameters.
struct Join<O: SimpleOptimizer<B::InnerBackend>, B: AutodiffBackend> {
    records: Records<O, B>,
    time: usize,
    /// The parts of each flat moment.
    moments: Vec<Vec<Tensor<B::InnerBackend, 1>>>,
    is_complete: bool,
}

impl<O: FlatState<B::InnerBackend>, B: AutodiffBackend> ModuleVisitor<B> for Join<O, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let value = param.val();
        if !value.is_require_grad() {
            return;
        }
        let Some(record) = self.records.remove(&param.id) else {
            self.is_complete = false;
            return;
        };
        // burn panics over a record of a parameter with another number of dimensions.
        let Some((time, moments)) = error::catch_panic(|| O::into_moments(record.into_state::<D>())) else {
            self.is_complete = false;
            return;
        };
        self.time = time;
        self.moments.resize_with(moments.len(), Vec::new);
        for (parts, moment) in self.moments.iter_mut().zip(moments) {
            self.is_complete &= moment.dims() == value.dims();
            parts.push(flat(moment));
        }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::architecture::{Architecture, SampleLevel};
    use crate::training::config::Config;
    use burn::backend::{Autodiff, Flex};

    type Records = super::Records<Sgd, Autodiff<Flex>>;

    /// The first parameter's id and the state of all of them after a step.
    struct FirstParameter(Option<burn::module::ParamId>);

    impl ModuleVisitor<Autodiff<Flex>> for FirstParameter {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<Flex>, D>>) {
            assert!(self.0.is_some() || D == 3, "the first parameter is that of a convolution");
            self.0.get_or_insert(param.id);
        }
    }

    /// Regression: burn's panic over a record of another network was not caught.
    #[test]
    fn a_state_with_another_number_of_dimensions_is_an_error() {
        let architecture = Architecture::SampleLevel(SampleLevel::new(3, 2, 27, vec![4, 4, 4]));
        let device = Default::default();
        let network = Network::<Autodiff<Flex>>::new(&architecture.plan(1).unwrap(), &device);
        let optimiser = || FlatOptimiser::<Sgd, Autodiff<Flex>>::new(Sgd { momentum: 0.9 });
        let state = checkpoint::RunState::new(Config::paper_defaults(architecture, 23), vec!["guitar".into()]);
        let load = |records: Records| {
            let run = tempfile::tempdir().unwrap();
            checkpoint::save(run.path(), &state, network.clone(), records).unwrap();
            let (folder, _) = checkpoint::latest(run.path()).unwrap().unwrap();
            optimiser().load(&folder, &network, &device).map(|optimiser| optimiser.state.is_some())
        };
        let mut stepped = optimiser();
        stepped.step(0.1, network.clone(), GradientsParams::new());
        let mut records = stepped.to_record(&network);
        assert!(load(records.clone()).unwrap());

        let mut first = FirstParameter(None);
        network.visit(&mut first);
        let line = Tensor::<Flex, 1>::zeros([12], &device);
        let wrong = <Sgd as FlatState<Flex>>::from_moments(0, vec![line]).unwrap();
        records.insert(first.0.unwrap(), AdaptorRecord::from_state(wrong));
        let error = load(records).unwrap_err().to_string();
        assert!(error.contains("optimiser.mpk") && error.contains("it is of another network"), "{error}");
    }
}
