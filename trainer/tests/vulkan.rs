//! The kernels for graphics cards over many epochs and without a cache, on Vulkan, which Mesa has in software.
#![cfg(feature = "vulkan")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod process;

use burn::backend::wgpu::{WgpuDevice, WgpuRuntime};
use burn::backend::{Autodiff, Vulkan};
use burn_cubecl::cubecl::Runtime as _;
use burn_cubecl::cubecl::stream_id::StreamId;
use process::command;
use tagvane_trainer::architecture::catalogue::find;
use tagvane_trainer::data::Batch;
use tagvane_trainer::network::Network;
use tagvane_trainer::training::config::Optimiser;
use tagvane_trainer::training::{DeviceBatch, Learner};

/// The bytes that each of cubecl's streams has reserved on a device.
fn reserved(device: &WgpuDevice) -> Vec<u64> {
    let client = WgpuRuntime::client(device);
    (0..128).map(|value| StreamId { value }.executes(|| client.memory_usage().unwrap().bytes_reserved)).collect()
}

/// Regression: cubecl has memory for each thread, and each epoch had new threads.
#[test]
fn vulkan_reserves_no_more_memory_after_many_epochs() {
    let architecture = find("narrow-3^5").unwrap().architecture.with_widths(vec![8; 6]);
    let plan = architecture.plan(2).unwrap();
    let device = WgpuDevice::default();
    let devices = [device.clone(), device.clone()];
    let network = Network::<Autodiff<Vulkan>>::new(&plan, &device);
    let mut learner = Learner::new(network, Optimiser::Sgd { momentum: 0.9 }, &devices);
    let batch = Batch {
        waveforms: (0..4 * plan.window).map(|sample| (sample as f32 * 0.01).sin()).collect(),
        targets: [1.0, 0.0].repeat(4),
        rows: 4,
    };
    let mut epoch = || {
        let upload = || DeviceBatch::new(&batch, &devices);
        let on_device = std::thread::scope(|scope| scope.spawn(upload).join()).unwrap();
        learner.step_on_device(on_device, 0.01).value();
        reserved(&device)
    };
    (0..4).for_each(|_| drop(epoch()));
    let early = epoch();
    assert!(early.iter().any(|bytes| *bytes > 0), "a step needs memory");
    let late = (0..16).map(|_| epoch()).last().unwrap();
    let streams = |reserved: &[u64]| reserved.iter().filter(|bytes| **bytes > 0).count();
    assert_eq!(streams(&early), streams(&late), "{early:?} became {late:?}");
    assert!(late.iter().sum::<u64>() <= early.iter().sum::<u64>() * 5 / 4, "{early:?} became {late:?}");
}

/// Regression: cubecl panicked.
#[test]
fn vulkan_runs_although_the_cache_folder_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let mut bench = command(folder.path(), "bench --backend vulkan --network narrow-3^5 --batch 2 --steps 1");
    let output = bench.env("XDG_CACHE_HOME", folder.path().join("file")).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{message}");
    assert!(message.contains("compiled kernels are not kept") && !message.contains("panicked"), "{message}");
}
