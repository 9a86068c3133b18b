//! The fused kernels give the same outputs and gradients as burn's modules.
#![cfg(feature = "flex")]

use burn::backend::{Autodiff, Flex};
use burn::module::{AutodiffModule as _, Module as _};
use burn::nn::conv::Conv1dConfig;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;
use burn::tensor::module::max_pool1d;
use burn::tensor::{Distribution, Tensor, TensorPrimitive};
use tagvane_engine::Metadata;
use tagvane_trainer::architecture::Architecture;
use tagvane_trainer::architecture::catalogue::find;
use tagvane_trainer::data::{Batch, to_tensors};
use tagvane_trainer::export::{from_onnx, to_onnx};
use tagvane_trainer::kernels::{ConvBlockInputs, ConvBlockKernel, ConvBlockOptions, NetworkBackend as _};
use tagvane_trainer::network::Network;

fn assert_close(what: &str, a: Vec<f32>, b: Vec<f32>) {
    assert_eq!(a.len(), b.len(), "{what}");
    let size = a.iter().fold(1e-3_f32, |size, value| size.max(value.abs()));
    let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= 2e-4 * size, "{what}: {worst} apart, values up to {size}");
}

fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

#[test]
fn fused_outputs_statistics_and_gradients_equal_burns() {
    fused_equals_composed::<Flex>(&Default::default());
}

#[cfg(feature = "libtorch")]
#[test]
fn fused_outputs_statistics_and_gradients_equal_burns_on_libtorch() {
    let on_card = std::env::var_os("TAGVANE_TEST_CUDA").is_some();
    let card = burn::backend::libtorch::LibTorchDevice::Cuda(0);
    fused_equals_composed::<burn::backend::LibTorch>(&if on_card { card } else { Default::default() });
}

#[cfg(feature = "vulkan")]
#[test]
fn fused_outputs_statistics_and_gradients_equal_burns_on_vulkan() {
    fused_equals_composed::<burn::backend::Vulkan>(&Default::default());
}

#[cfg(feature = "cuda")]
#[test]
#[ignore = "needs an NVIDIA graphics card"]
fn fused_outputs_statistics_and_gradients_equal_burns_on_cuda() {
    fused_equals_composed::<burn::backend::Cuda>(&Default::default());
}

/// Compares a block of many sizes with the same block composed of burn's modules.
fn fused_equals_composed<K: ConvBlockKernel>(device: &K::Device) {
    type B<K> = Autodiff<K>;
    K::seed(device, 11);
    // batch, channels, frames, filters, kernel size, stride, padding, pool, ReLU
    for (batch, channels, frames, filters, kernel_size, stride, padding, pool, has_relu) in [
        (2, 1, 81, 4, 3, 3, 0, 1, true),
        (2, 1, 83, 4, 3, 3, 0, 1, true),
        (5, 4, 27, 6, 3, 1, 1, 3, true),
        (3, 3, 29, 5, 3, 1, 1, 3, true),
        (7, 8, 3, 9, 3, 1, 1, 3, true),
        (4, 6, 1, 5, 1, 1, 0, 1, true),
        (2, 1, 1_000, 3, 7, 5, 2, 1, false),
        (3, 2, 700, 3, 5, 1, 2, 5, false),
        (2, 40, 6_000, 3, 3, 1, 1, 3, true),
        (3, 600, 9, 7, 3, 1, 1, 3, true),
        (1, 2, 50, 2, 9, 4, 8, 2, true),
    ] {
        let what = format!("{batch} x {channels} x {frames}, {filters} filters of {kernel_size} by {stride}");
        let random = |shape| Tensor::<B<K>, 3>::random(shape, Distribution::Normal(0.3, 1.0), device).require_grad();
        let signal = random([batch, channels, frames]);
        let convolution = Conv1dConfig::new(channels, filters, kernel_size).with_stride(stride).init::<B<K>>(device);
        let norm: BatchNorm<B<K>> = BatchNormConfig::new(filters).init(device);
        let line =
            |low, high| Tensor::<B<K>, 1>::random([filters], Distribution::Uniform(low, high), device).require_grad();
        let (gamma, beta) = (line(-1.0, 2.0), line(-0.5, 0.5));
        let weight = convolution.weight.val();
        let bias = convolution.bias.as_ref().unwrap().val();

        let padded = signal.clone().pad((padding, padding, 0, 0), 0.0);
        let sums = convolution.forward(padded);
        let mean = sums.clone().mean_dim(0).mean_dim(2);
        let centred = sums - mean.clone();
        let variance = centred.clone().square().mean_dim(0).mean_dim(2);
        let column = |line: &Tensor<B<K>, 1>| line.clone().reshape([1, filters, 1]);
        let std = variance.clone().add_scalar(norm.epsilon).sqrt();
        let mut composed = centred / std * column(&gamma) + column(&beta);
        if has_relu {
            composed = relu(composed);
        }
        if pool > 1 {
            composed = max_pool1d(composed, pool, pool, 0, 1, false);
        }

        let float = |tensor: TensorPrimitive<B<K>>| tensor.tensor();
        let inputs = ConvBlockInputs {
            signal: float(signal.clone().into_primitive()),
            weight: float(weight.clone().into_primitive()),
            bias: float(bias.clone().into_primitive()),
            gamma: float(gamma.clone().into_primitive()),
            beta: float(beta.clone().into_primitive()),
        };
        let options = ConvBlockOptions { stride, padding, epsilon: norm.epsilon, has_relu, pool };
        let output = B::<K>::train_conv_block(inputs, options).expect("this backend has a kernel");
        let fused = Tensor::<B<K>, 3>::from_primitive(TensorPrimitive::Float(output.signal));
        // Evaluation mode with the batch's mean and variance has the same output.
        let plain = |tensor: TensorPrimitive<K>| tensor.tensor();
        let inputs = ConvBlockInputs {
            signal: plain(signal.clone().inner().into_primitive()),
            weight: plain(weight.clone().inner().into_primitive()),
            bias: plain(bias.clone().inner().into_primitive()),
            gamma: plain(gamma.clone().inner().into_primitive()),
            beta: plain(beta.clone().inner().into_primitive()),
        };
        let statistic =
            |statistic: &Tensor<B<K>, 3>| plain(statistic.clone().inner().flatten::<1>(0, 2).into_primitive());
        let evaluated = K::eval_conv_block(inputs, statistic(&mean), statistic(&variance), options);
        let evaluated = evaluated.expect("this backend has a kernel");
        let evaluated = Tensor::<K, 3>::from_primitive(TensorPrimitive::Float(evaluated));
        assert_close(&format!("{what}: evaluation mode"), values(composed.clone().inner()), values(evaluated));
        let line = |primitive| Tensor::<B<K>, 1>::from_primitive(TensorPrimitive::Float(primitive)).inner();
        assert_close(&format!("{what}: output"), values(composed.clone().inner()), values(fused.clone().inner()));
        assert_close(&format!("{what}: mean"), values(mean.inner()), values(line(output.mean)));
        assert_close(&format!("{what}: variance"), values(variance.inner()), values(line(output.variance)));

        let weights = Tensor::<B<K>, 3>::random(fused.dims(), Distribution::Default, device);
        let composed = (composed * weights.clone()).sum().backward();
        let fused = (fused * weights).sum().backward();
        assert_close(
            &format!("{what}: signal's gradient"),
            values(signal.grad(&composed).unwrap()),
            values(signal.grad(&fused).unwrap()),
        );
        assert_close(
            &format!("{what}: weights' gradient"),
            values(weight.grad(&composed).unwrap()),
            values(weight.grad(&fused).unwrap()),
        );
        for (name, parameter) in [("gamma", &gamma), ("beta", &beta)] {
            assert_close(
                &format!("{what}: {name}'s gradient"),
                values(parameter.grad(&composed).unwrap()),
                values(parameter.grad(&fused).unwrap()),
            );
        }
        // A bias before a normalisation has no effect; its gradient is rounding error.
        assert!(values(bias.grad(&fused).unwrap()).iter().all(|gradient| gradient.abs() < 1e-2), "{what}");
        drop(convolution.no_grad());
    }
}

/// burn-flex has fused kernels, burn-ndarray has none.
#[cfg(feature = "ndarray")]
#[test]
fn ndarray_has_the_outputs_of_flex_in_evaluation_and_training() {
    has_the_outputs_of_flex::<burn::backend::NdArray>();
}

#[cfg(feature = "libtorch")]
#[test]
fn libtorch_has_the_outputs_of_flex_in_evaluation_and_training() {
    has_the_outputs_of_flex::<burn::backend::LibTorch>();
}

#[cfg(feature = "vulkan")]
#[test]
fn vulkan_has_the_outputs_of_flex_in_evaluation_and_training() {
    has_the_outputs_of_flex::<burn::backend::Vulkan>();
}

/// bfloat16 has eight significant bits: the losses are similar but not equal.
#[cfg(feature = "libtorch")]
#[test]
fn bfloat16_reaches_the_loss_of_single_precision_on_libtorch() {
    use burn::backend::LibTorch;
    use tagvane_trainer::network::Precision;
    use tagvane_trainer::training::{Learner, config::Optimiser};
    let (architecture, batch) = small_network_and_batch();
    let mut plan = architecture.plan(3).unwrap();
    plan.dropout = 0.0;
    let device = Default::default();
    let start = Network::<Autodiff<LibTorch>>::new(&plan, &device);
    let train = |precision| -> Vec<f64> {
        let devices = [device];
        let mut learner = Learner::new(start.clone(), Optimiser::Adam, &devices).with_precision(precision);
        (0..100).map(|_| learner.step(&batch, 3e-3)).collect()
    };
    let (single, bf16) = (train(Precision::Single), train(Precision::Bf16));
    assert_ne!(single, bf16, "the blocks did not compute in bfloat16");
    assert!((single[0] - bf16[0]).abs() < 0.02 * single[0], "{} and {} at the start", single[0], bf16[0]);
    let end = |losses: &[f64]| losses[80..].iter().sum::<f64>() / 20.0;
    let (single, bf16) = (end(&single) / single[0], end(&bf16) / bf16[0]);
    assert!(single < 0.6 && bf16 < 1.3 * single, "{single} and {bf16} of the loss is left");
}

/// Regression: outside training LibTorch got a bfloat16 signal with weights in single precision.
#[cfg(feature = "libtorch")]
#[test]
fn bfloat16_has_no_effect_outside_training_on_libtorch() {
    use burn::backend::LibTorch;
    use tagvane_trainer::network::Precision;
    let (architecture, batch) = small_network_and_batch();
    let device = Default::default();
    let network = Network::<LibTorch>::new(&architecture.plan(3).unwrap(), &device);
    let logits = |precision| {
        let waveforms = to_tensors::<LibTorch>(&batch, &device).0;
        values(network.forward_with_precision(precision, waveforms).logits)
    };
    assert_eq!(logits(Precision::Bf16), logits(Precision::Single));
}

/// A small deep network for three tags, and a batch of sweeps.
fn small_network_and_batch() -> (Architecture, Batch) {
    let architecture = find("2^8-16384").unwrap().architecture;
    let narrow: Vec<usize> = architecture.widths().iter().map(|width| width / 32).collect();
    let architecture = architecture.with_widths(narrow);
    let (rows, window) = (4, architecture.window());
    let wave = |index: usize| ((index * (1 + index / window)) as f32 * 0.013).sin();
    let batch = Batch {
        waveforms: (0..rows * window).map(wave).collect(),
        targets: vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0],
        rows,
    };
    (architecture, batch)
}

fn has_the_outputs_of_flex<K: ConvBlockKernel>() {
    let (architecture, batch) = small_network_and_batch();
    let plan = architecture.plan(3).unwrap();
    let start = Network::<Flex>::new(&plan, &Default::default());
    let bytes = to_onnx(&start, &architecture, &Metadata::default());
    fn outputs<B: ConvBlockKernel>(bytes: &[u8], architecture: &Architecture, batch: &Batch) -> (Vec<f32>, Vec<f32>) {
        let device = B::Device::default();
        let network: Network<B> = from_onnx(bytes, architecture, 3, &device).unwrap();
        let logits = network.forward(to_tensors::<B>(batch, &device).0).logits;
        // Training mode normalises by the batch's mean and variance. The embedding is before the dropout,
        // which is random.
        let network = Network::<Autodiff<B>>::from_inner(network);
        let embedding = network.forward(to_tensors::<Autodiff<B>>(batch, &device).0).embedding;
        (logits.into_data().iter::<f32>().collect(), embedding.into_data().iter::<f32>().collect())
    }
    let (flex, flex_training) = outputs::<Flex>(&bytes, &architecture, &batch);
    let (other, other_training) = outputs::<K>(&bytes, &architecture, &batch);
    assert_close("logits", flex, other);
    assert_close("embedding in training", flex_training, other_training);
}
