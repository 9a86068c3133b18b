//! Selection of the burn backend and the devices of a command.

use clap::{Args, ValueEnum};

/// The backends that this build includes, in order of preference. LibTorch stands after CUDA, although it is faster for
/// most networks: it runs on the CPU unless --devices names a card.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum BackendKind {
    /// burn on CUDA.
    #[cfg(feature = "cuda")]
    Cuda,
    /// burn on Vulkan.
    #[cfg(feature = "vulkan")]
    Vulkan,
    /// LibTorch, on the CPU, or on CUDA with --devices.
    #[cfg(feature = "libtorch")]
    Libtorch,
    /// burn's own CPU backend.
    #[cfg(feature = "flex")]
    Flex,
    /// burn on ndarray, on the CPU.
    #[cfg(feature = "ndarray")]
    Ndarray,
}

/// The command-line arguments that select the backend and the devices.
#[derive(Args)]
pub(crate) struct BackendArguments {
    /// Backend [default: the first one listed]
    #[arg(long = "backend", value_name = "BACKEND")]
    kind: Option<BackendKind>,
    /// Indices of the graphics cards, such as 0,1; a batch is split among several
    #[arg(long, value_delimiter = ',')]
    devices: Vec<usize>,
}

impl BackendArguments {
    /// The selected backend, or the first one.
    pub(crate) fn kind(&self) -> BackendKind {
        self.kind.unwrap_or(BackendKind::value_variants()[0])
    }

    /// The selected devices, or the backend's default one.
    pub(crate) fn devices<D: Default>(&self, device: impl Fn(usize) -> D) -> Vec<D> {
        if self.devices.is_empty() {
            vec![D::default()]
        } else {
            self.devices.iter().map(|&index| device(index)).collect()
        }
    }
}

/// Checks that the selected graphics cards are there, where asking is cheap.
///
/// # Errors
/// As [`kernels::check_cuda`](tagvane_trainer::kernels::check_cuda).
#[cfg(feature = "libtorch")]
pub(crate) fn check_libtorch(backend: &BackendArguments) -> tagvane_trainer::Result<()> {
    backend.devices.iter().try_for_each(|index| tagvane_trainer::kernels::check_cuda(*index))
}

/// Calls a generic function with the selected backend: `dispatch!(backend, train, run, data)` calls
/// `train::<B>(run, data, &devices)` with the backend's type as `B`.
macro_rules! dispatch {
    ($backend:expr, $function:ident $(, $argument:expr)*) => {{
        let backend: &$crate::backend::BackendArguments = $backend;
        match backend.kind() {
            #[cfg(feature = "cuda")]
            $crate::backend::BackendKind::Cuda => {
                tagvane_trainer::kernels::cache_cuda_kernels();
                $function::<burn::backend::Cuda>(
                    $($argument,)* &backend.devices(burn::backend::cuda::CudaDevice::new)
                )
            }
            #[cfg(feature = "vulkan")]
            $crate::backend::BackendKind::Vulkan => {
                tagvane_trainer::kernels::cache_vulkan_kernels();
                $function::<burn::backend::Vulkan>(
                    $($argument,)* &backend.devices(burn::backend::wgpu::WgpuDevice::DiscreteGpu)
                )
            }
            #[cfg(feature = "libtorch")]
            $crate::backend::BackendKind::Libtorch => $crate::backend::check_libtorch(backend).and_then(|()| {
                $function::<burn::backend::LibTorch>(
                    $($argument,)* &backend.devices(burn::backend::libtorch::LibTorchDevice::Cuda)
                )
            }),
            #[cfg(feature = "flex")]
            $crate::backend::BackendKind::Flex => $function::<burn::backend::Flex>(
                $($argument,)* &backend.devices(|_| burn::backend::flex::FlexDevice)
            ),
            #[cfg(feature = "ndarray")]
            $crate::backend::BackendKind::Ndarray => $function::<burn::backend::NdArray>(
                $($argument,)* &backend.devices(|_| burn::backend::ndarray::NdArrayDevice::Cpu)
            ),
        }
    }};
}
pub(crate) use dispatch;
