//! Data-parallel training on several devices.
#![cfg(feature = "flex")]

use burn::backend::{Autodiff, Flex};
use burn::module::AutodiffModule as _;
use burn::tensor::backend::Backend as _;
use burn::tensor::{Distribution, Tensor};
use tagvane_trainer::architecture::catalogue::find;
use tagvane_trainer::data::{Batch, to_tensors};
use tagvane_trainer::network::Network;
use tagvane_trainer::training::Learner;
use tagvane_trainer::training::config::Optimiser;

/// The network has no normalisation and no dropout, so its gradients do not depend on the split.
#[test]
fn several_devices_give_the_losses_of_one() {
    let device = Default::default();
    Flex::seed(&device, 3);
    let mut plan = find("1d-cnn").unwrap().architecture.plan(5).unwrap();
    plan.dropout = 0.0;
    let rows = 7;
    let values = |size: [usize; 2], distribution| {
        Tensor::<Flex, 2>::random(size, distribution, &device).into_data().iter::<f32>().collect::<Vec<f32>>()
    };
    let batch = Batch {
        waveforms: values([rows, plan.window], Distribution::Uniform(-0.5, 0.5)).into(),
        targets: values([rows, 5], Distribution::Bernoulli(0.5)),
        rows,
    };
    let start = Network::<Autodiff<Flex>>::new(&plan, &device);
    let train = |count: usize| -> (Vec<f64>, Vec<f32>) {
        let devices = vec![device; count];
        let mut learner = Learner::new(start.clone(), Optimiser::Sgd { momentum: 0.9 }, &devices);
        let losses = (0..4).map(|_| learner.step(&batch, 0.05)).collect();
        let logits = learner.network.valid().forward(to_tensors::<Flex>(&batch, &device).0).logits;
        (losses, logits.into_data().iter::<f32>().collect())
    };
    let (losses, logits) = train(1);
    assert!(losses[3] < losses[0], "{losses:?}");
    // Of five devices three are used, since each needs at least two of the seven rows.
    for count in [2, 3, 5] {
        let (other_losses, other_logits) = train(count);
        assert!(
            losses.iter().zip(&other_losses).all(|(a, b)| (a - b).abs() < 1e-5),
            "{count}: {losses:?} {other_losses:?}"
        );
        let worst = logits.iter().zip(&other_logits).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4, "{count} devices: {worst} apart");
    }
}

/// Each device normalises over its own rows, as in PyTorch's data parallelism, and the running
/// statistics are those of the first device.
#[test]
fn networks_with_batch_norm_train_on_several_devices() {
    let device = Default::default();
    let architecture = find("narrow-3^5").unwrap().architecture.with_widths(vec![8; 6]);
    let mut plan = architecture.plan(2).unwrap();
    plan.dropout = 0.0;
    let network = Network::<Autodiff<Flex>>::new(&plan, &device);
    let devices = [device, device];
    let mut learner = Learner::new(network, Optimiser::Adam, &devices);
    let window = architecture.window();
    let row = |row: usize| (0..window).map(move |sample| ((sample * (row + 1)) as f32 * 0.01).sin() * 0.5);
    let batch = Batch {
        waveforms: (0..6).flat_map(row).collect(),
        targets: (0..6).flat_map(|row| [f32::from(row % 2 == 0), f32::from(row % 2 == 1)]).collect(),
        rows: 6,
    };
    let losses: Vec<f64> = (0..40).map(|_| learner.step(&batch, 1e-2)).collect();
    assert!(losses[39] < 0.7 * losses[0], "{losses:?}");
    let logits = learner.network.valid().forward(to_tensors::<Flex>(&batch, &device).0).logits;
    assert!(logits.into_data().iter::<f32>().all(f32::is_finite));
}
