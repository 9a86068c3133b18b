//! Which of burn's backends a command runs on, chosen when it starts.

use clap::ValueEnum;

/// The backends that this trainer was built with.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Backend {
    /// LibTorch, on the CPU.
    #[cfg(feature = "libtorch")]
    Libtorch,
    /// burn's own CPU backend.
    #[cfg(feature = "flex")]
    Flex,
    /// burn on ndarray, on the CPU.
    #[cfg(feature = "ndarray")]
    Ndarray,
}

impl Backend {
    /// The fastest one there is.
    pub(crate) fn fastest() -> Self {
        Self::value_variants()[0]
    }
}

/// Runs a generic function on a backend: `on!(backend, train, run, data)` calls
/// `train::<B>(run, data, &device)` with `B` the backend's type.
macro_rules! on {
    ($backend:expr, $function:ident $(, $argument:expr)*) => {
        match $backend {
            #[cfg(feature = "libtorch")]
            $crate::backend::Backend::Libtorch => $function::<burn::backend::LibTorch>($($argument,)* &burn::backend::libtorch::LibTorchDevice::Cpu),
            #[cfg(feature = "flex")]
            $crate::backend::Backend::Flex => $function::<burn::backend::Flex>($($argument,)* &Default::default()),
            #[cfg(feature = "ndarray")]
            $crate::backend::Backend::Ndarray => $function::<burn::backend::NdArray>($($argument,)* &Default::default()),
        }
    };
}
pub(crate) use on;
