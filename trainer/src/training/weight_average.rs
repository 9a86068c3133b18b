//! The exponential moving average of a network's weights.

use super::checkpoint::{self, RunState};
use super::config::WeightAveraging;
use crate::error::Result;
use crate::kernels::NetworkBackend;
use crate::network::Network;
use burn::module::{AutodiffModule as _, Module, ModuleMapper, ModuleVisitor, Param};
use burn::record::Record;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use std::path::Path;

/// The average of the weights and of the running statistics of batch normalisation over the optimiser steps.
///
/// It is one flat tensor, as the parameters are in a step of the optimiser, and for the same reason.
pub(super) struct WeightAverage<B: AutodiffBackend> {
    decay: f64,
    /// Optimiser steps so far.
    steps: usize,
    /// All values in the order of the modules; `None` before the first step.
    values: Option<Tensor<B::InnerBackend, 1>>,
}

/// What a checkpoint has beside the averaged network: the network that is trained, and the number of steps.
type Trained<B> = (<Network<B> as Module<B>>::Record, usize);

/// The name of the record of [`Trained`].
const TRAINED: &str = "trained";

impl<B: AutodiffBackend + NetworkBackend> WeightAverage<B>
where
    B::InnerBackend: NetworkBackend,
{
    /// An average of no steps.
    pub(super) fn new(averaging: WeightAveraging) -> Self {
        Self { decay: averaging.decay, steps: 0, values: None }
    }

    /// Adds the network after an optimiser step. The first one is the first average.
    pub(super) fn update(&mut self, network: &Network<B>) {
        let new = flatten(&network.valid());
        let steps = self.steps as f64;
        let decay = self.decay.min((1.0 + steps) / (10.0 + steps));
        self.values = Some(match self.values.take() {
            // Keeps a value that does not change exactly as it is.
            Some(average) => average.clone() + (new - average).mul_scalar(1.0 - decay),
            None => new,
        });
        self.steps += 1;
    }

    /// The averaged network; `network` itself before the first step.
    pub(super) fn network(&self, network: &Network<B>) -> Network<B::InnerBackend> {
        // A copy has running statistics of its own.
        let copy = network.valid();
        match &self.values {
            Some(values) => copy.map(&mut Replace { values, start: 0 }),
            None => copy,
        }
    }

    /// Loads the average from a checkpoint, and returns the network that is trained.
    ///
    /// # Errors
    /// As [`checkpoint::load_network`].
    pub(super) fn load(&mut self, folder: &Path, network: Network<B>, device: &B::Device) -> Result<Network<B>> {
        let average = checkpoint::load_network(folder, network.valid(), device)?;
        let (record, steps): Trained<B> = checkpoint::load(folder, TRAINED, device)?;
        self.values = (steps > 0).then(|| flatten(&average));
        self.steps = steps;
        checkpoint::load_record(folder, TRAINED, network, record)
    }
}

/// Writes a checkpoint of the run, in which `network` is the averaged one where there is an average.
///
/// # Errors
/// As [`checkpoint::save`].
pub(super) fn save_checkpoint<B: AutodiffBackend + NetworkBackend>(
    run: &Path,
    state: &RunState,
    network: Network<B>,
    average: Option<&WeightAverage<B>>,
    optimiser: impl Record<B>,
) -> Result<()>
where
    B::InnerBackend: NetworkBackend,
{
    let Some(average) = average else { return checkpoint::save(run, state, network, optimiser) };
    let averaged = Network::<B>::from_inner(average.network(&network));
    let trained: Trained<B> = (network.into_record(), average.steps);
    checkpoint::save_with(run, state, averaged, optimiser, Some((TRAINED, trained)))
}

/// All values of a network: its parameters, and its running statistics.
fn flatten<B: Backend>(network: &Network<B>) -> Tensor<B, 1> {
    struct Flatten<B: Backend>(Vec<Tensor<B, 1>>);

    impl<B: Backend> ModuleVisitor<B> for Flatten<B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            self.0.push(param.val().reshape([-1]));
        }
    }

    let mut flatten = Flatten(Vec::new());
    network.visit(&mut flatten);
    Tensor::cat(flatten.0, 0)
}

/// Replaces the values of a network by those of a flat tensor.
struct Replace<'a, B: Backend> {
    values: &'a Tensor<B, 1>,
    start: usize,
}

impl<B: Backend> ModuleMapper<B> for Replace<'_, B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, tensor, mapper) = param.consume();
        let shape: [usize; D] = tensor.dims();
        let count = shape.iter().product();
        let values = self.values.clone().narrow(0, self.start, count).reshape(shape);
        self.start += count;
        Param::from_mapped_value(id, values, mapper)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::architecture::{Architecture, SampleLevel};
    use crate::network::values;
    use crate::training::config::Config;
    use burn::backend::{Autodiff, Flex};

    type B = Autodiff<Flex>;

    fn network() -> Network<B> {
        let plan = Architecture::SampleLevel(SampleLevel::new(3, 2, 27, vec![4; 3])).plan(2).unwrap();
        Network::with_seed(&plan, 3, &Default::default())
    }

    /// The network with all parameters and running statistics at one value.
    fn constant(value: f32) -> Network<B> {
        let network = network().valid();
        let flat = flatten(&network).full_like(value);
        Network::from_inner(network.map(&mut Replace { values: &flat, start: 0 }))
    }

    #[test]
    fn the_average_is_as_by_hand_with_its_warm_up() {
        let mut average = WeightAverage::new(WeightAveraging { decay: 0.2 });
        assert_eq!(values(flatten(&average.network(&constant(7.0)))), values(flatten(&constant(7.0).valid())));
        // The decays are 2/11 after one step, and then 0.2, which is below 3/12 and 4/13.
        let expected = [1.0, 20.0 / 11.0, 0.2 * 20.0 / 11.0 + 0.8 * 3.0, 0.04 * 20.0 / 11.0 + 0.16 * 3.0 - 0.8 * 5.0];
        for (weight, expected) in [1.0, 2.0, 3.0, -5.0].into_iter().zip(expected) {
            average.update(&constant(weight));
            let averaged = values(flatten(&average.network(&constant(weight))));
            assert!(averaged.iter().all(|value| (f64::from(*value) - expected).abs() < 1e-6), "{weight}: {averaged:?}");
        }
    }

    #[test]
    fn a_checkpoint_has_the_average_the_network_and_the_steps_and_its_damage_is_an_error() {
        let run = tempfile::tempdir().unwrap();
        let architecture = Architecture::SampleLevel(SampleLevel::new(3, 2, 27, vec![4; 3]));
        let state = RunState::new(Config::paper_defaults(architecture, 2), vec!["guitar".into(), "slow".into()]);
        let averaging = WeightAveraging { decay: 0.9 };
        let mut average = WeightAverage::new(averaging);
        (1..=3).for_each(|weight| average.update(&constant(weight as f32)));
        save_checkpoint(run.path(), &state, constant(3.0), Some(&average), ()).unwrap();
        let (folder, _) = checkpoint::latest(run.path()).unwrap().unwrap();
        let all = |network: &Network<B>| values(flatten(&network.valid()));

        let evaluated = checkpoint::load_network(&folder, network(), &Default::default()).unwrap();
        assert_eq!(all(&evaluated), values(average.values.clone().unwrap()));
        let mut loaded = WeightAverage::new(averaging);
        let trained = loaded.load(&folder, network(), &Default::default()).unwrap();
        assert_eq!(all(&trained), all(&constant(3.0)));
        assert_eq!((loaded.steps, all(&evaluated)), (3, values(loaded.values.clone().unwrap())));

        std::fs::write(folder.join("trained.mpk"), b"damaged").unwrap();
        let error = loaded.load(&folder, network(), &Default::default()).unwrap_err().to_string();
        assert!(error.contains("trained.mpk") && error.contains("delete the checkpoint's folder"), "{error}");
    }
}
