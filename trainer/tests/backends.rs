//! Each backend has the CPU's first weights, dropout, losses and gradients, for every kind of network.
//!
//! The tests of LibTorch run on its CPU, or with `TAGVANE_TEST_CUDA=1` on the first graphics card; that of CUDA needs
//! a card and is ignored otherwise. Set `NVIDIA_TF32_OVERRIDE=0` there, so that both compute in single precision: in TF32
//! one in a thousand of the largest frames of a pool is another one, which moves a tenth of the gradient. burn's
//! recurrent unit stays in TF32 on CUDA.
#![cfg(all(feature = "flex", any(feature = "libtorch", feature = "cuda", feature = "vulkan")))]

use burn::backend::{Autodiff, Flex};
use burn::module::{Module as _, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use tagvane_trainer::architecture::Plan;
use tagvane_trainer::architecture::catalogue::find;
use tagvane_trainer::data::{Batch, Waveforms, to_tensors};
use tagvane_trainer::kernels::ConvBlockKernel;
use tagvane_trainer::network::Network;
use tagvane_trainer::training::config::Optimiser;
use tagvane_trainer::training::{Learner, binary_cross_entropy_with_logits};

const TAGS: usize = 3;
const SEED: u64 = 5;

/// A network of each kind: plain, squeeze-and-excitation, residual, both with several levels, frame-level, on a mel
/// spectrogram, two-dimensional, recurrent.
const NETWORKS: [&str; 8] =
    ["narrow-3^7", "se", "res2-multi", "rese1", "raw-5-729-243", "mel-4-729-729", "2d-cnn", "crnn"];

#[cfg(feature = "libtorch")]
#[test]
fn libtorch_has_the_losses_and_gradients_of_the_cpu() {
    use burn::backend::libtorch::LibTorchDevice;
    let on_card = std::env::var_os("TAGVANE_TEST_CUDA").is_some();
    let device = if on_card { LibTorchDevice::Cuda(0) } else { LibTorchDevice::Cpu };
    // On some processors oneDNN's convolutions are less exact than the card's.
    compare_all::<burn::backend::LibTorch>(&device, |_| if on_card { 1e-3 } else { 5e-3 });
}

#[cfg(feature = "vulkan")]
#[test]
fn vulkan_has_the_losses_and_gradients_of_the_cpu() {
    compare_all::<burn::backend::Vulkan>(&Default::default(), |_| 1e-3);
}

#[cfg(feature = "cuda")]
#[test]
#[ignore = "needs an NVIDIA graphics card"]
fn cuda_has_the_losses_and_gradients_of_the_cpu() {
    compare_all::<burn::backend::Cuda>(&Default::default(), |name| if name == "crnn" { 5e-2 } else { 1e-3 });
}

/// The batches with which a network is compared, until one of them agrees. Where the two largest frames of a pool are equal
/// but for rounding, the gradient goes to one or the other, and is some thousandths of its norm away.
const BATCHES: u64 = 3;

/// `tolerance` gives the largest distance of the gradients of a network, as a fraction of their norm.
fn compare_all<B: ConvBlockKernel>(device: &B::Device, tolerance: impl Fn(&str) -> f64) {
    let agrees = |name: &str| (0..BATCHES).any(|seed| compare::<B>(name, seed, device, tolerance(name)));
    let wrong: Vec<&str> = NETWORKS.into_iter().filter(|name| !agrees(name)).collect();
    assert!(wrong.is_empty(), "{wrong:?} differ from the CPU's; the lines above say how far");
}

fn compare<B: ConvBlockKernel>(name: &str, seed: u64, device: &B::Device, tolerance: f64) -> bool {
    let architecture = find(name).unwrap().architecture;
    let narrow = architecture.widths().iter().map(|width| (width / 16).max(4)).collect();
    let plan = architecture.with_widths(narrow).plan(TAGS).unwrap();
    let batch = batch(plan.window, seed);
    let expected = gradients::<Flex>(&plan, &batch, &Default::default());
    let actual = gradients::<B>(&plan, &batch, device);
    assert_eq!(expected.len(), actual.len(), "{name}");
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    let difference = norm(&mut expected.iter().zip(&actual).map(|(a, b)| a - b)) / norm(&mut expected.iter().copied());

    let expected = losses::<Flex>(&plan, &batch, &Default::default());
    let actual = losses::<B>(&plan, &batch, device);
    let worst = expected.iter().zip(&actual).map(|(a, b)| (a - b).abs() / a).fold(0.0, f64::max);
    println!("{name}: gradients {difference:.1e} of their norm apart, ten losses {:.3} %", 100.0 * worst);
    difference < tolerance && worst < 0.01
}

/// Eight windows of noisy sweeps in 16 bits. With fewer, the batch normalisations after the last pooling have too few
/// values to be well-conditioned.
fn batch(window: usize, seed: u64) -> Batch {
    let rows = 8;
    let mut random = ChaCha12Rng::seed_from_u64(3 + seed);
    let mut noise = move || random.random_range(-6_000.0..6_000.0);
    let mut wave = |index: usize| {
        let (row, sample) = (index / window, index % window);
        let phase = (1 + row) as f64 * 0.01 * sample as f64 * (1.0 + sample as f64 / window as f64);
        (15_000.0 * phase.sin() * (1.0 + row as f64) / rows as f64 + noise()) as i16
    };
    Batch {
        waveforms: Waveforms::Pcm {
            samples: (0..rows * window).map(&mut wave).collect(),
            gains: vec![1.0, -0.5, 0.8, 1.3, 0.9, -1.1, 0.7, 1.2],
        },
        targets: (0..rows * TAGS).map(|index| if index % 4 == 0 { 0.9 } else { 0.1 }).collect(),
        rows,
    }
}

/// The gradients of one batch, all parameters in a row. In a thread of its own, where dropout begins with its first
/// seed.
fn gradients<B: ConvBlockKernel>(plan: &Plan, batch: &Batch, device: &B::Device) -> Vec<f32> {
    let compute = || {
        let network = Network::<Autodiff<B>>::with_seed(plan, SEED, device);
        let (waveforms, targets) = to_tensors::<Autodiff<B>>(batch, device);
        let loss = binary_cross_entropy_with_logits(network.forward(waveforms).logits, targets);
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        let mut collect = Collect { gradients, values: Vec::new() };
        network.visit(&mut collect);
        collect.values
    };
    std::thread::scope(|scope| scope.spawn(compute).join()).unwrap()
}

struct Collect {
    gradients: GradientsParams,
    values: Vec<f32>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = self.gradients.remove::<B::InnerBackend, D>(param.id) {
            self.values.extend(gradient.into_data().iter::<f32>());
        }
    }
}

/// The losses of ten steps.
fn losses<B: ConvBlockKernel>(plan: &Plan, batch: &Batch, device: &B::Device) -> Vec<f64> {
    let devices = [device.clone()];
    let network = Network::<Autodiff<B>>::with_seed(plan, SEED, device);
    let mut learner = Learner::new(network, Optimiser::Sgd { momentum: 0.9 }, &devices);
    (0..10).map(|_| learner.step(batch, 1e-4)).collect()
}
