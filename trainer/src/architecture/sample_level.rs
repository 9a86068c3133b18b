//! The m^n networks on raw waveform, and their successors with other blocks.

use super::{ArchitectureError, ConvBlock, Layer, Plan, Residual, check_widths};
use serde::{Deserialize, Serialize};

/// A sample-level deep CNN (Lee et al. 2017, Tables 1 and 2): a strided convolution over the waveform,
/// `n` convolutions of length `m` that keep the length and are pooled by `m`, and a pointwise
/// convolution. With a larger stride it is one of the frame-level networks on raw waveform (Table 3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleLevel {
    /// Filter length and pooling of the `n` pooled layers, in frames.
    pub m: usize,
    /// Number of pooled layers.
    pub n: usize,
    /// Input samples. The first layer's stride is `window / m^n`.
    pub window: usize,
    /// Filters of the strided layer and of the `n` pooled ones, `n + 1` in all. The pointwise
    /// convolution has as many as the layer before it.
    pub widths: Vec<usize>,
    /// Length of the first layer's filters, in samples; by default its stride. A longer filter
    /// makes the overlapping frames of Table 3.
    // Checkpoints of earlier versions call it `first`.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "first")]
    pub first_kernel_size: Option<usize>,
    /// The building block of the pooled layers.
    #[serde(default, skip_serializing_if = "BlockKind::is_basic")]
    pub block: BlockKind,
    /// Whether the output layer sees the last three layers instead of the last one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub multi_level: bool,
}

/// The building block of a pooled layer. All but the first are from Kim, Lee and Nam 2018.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockKind {
    /// One convolution (Lee et al. 2017).
    #[default]
    Basic,
    /// One convolution with squeeze and excitation.
    Se,
    /// One convolution with a shortcut.
    Res1,
    /// Two convolutions with a shortcut.
    Res2,
    /// One convolution with squeeze and excitation and a shortcut.
    Rese1,
    /// Two convolutions with squeeze and excitation and a shortcut.
    Rese2,
}

impl BlockKind {
    fn is_basic(&self) -> bool {
        *self == Self::Basic
    }
}

/// Size of the gate's hidden layer, as a multiple of the filters (Kim et al. 2018).
const EXCITATION_RATIO: usize = 16;
/// Layers that multi-level pooling concatenates.
const LEVELS: usize = 3;

/// The widths of the m^n networks, from the first author's code; for 3^9 those of Table 1.
///
/// 128 in the strided layer and the first two pooled ones (the first one in shallow networks), 512
/// in the last pooled layer (the last two with m = 2), 256 between.
pub fn paper_widths(m: usize, n: usize) -> Vec<usize> {
    let low = if n <= 3 || (m, n) == (4, 4) { 1 } else { 2 };
    let high = if m == 2 { 2 } else { 1 };
    let width = |layer| {
        if layer <= low {
            128
        } else if layer + high > n {
            512
        } else {
            256
        }
    };
    (0..=n).map(width).collect()
}

/// "16 to 512 along the layers" (Lee et al. 2017, section 5.3): powers of two, spread evenly over `n` pooled layers.
pub fn narrow_widths(n: usize) -> Vec<usize> {
    (0..=n).map(|layer| 16 << (5 * layer / n.max(1))).collect()
}

impl SampleLevel {
    /// A network as in the paper of 2017.
    pub fn new(m: usize, n: usize, window: usize, widths: Vec<usize>) -> Self {
        Self { m, n, window, widths, first_kernel_size: None, block: BlockKind::Basic, multi_level: false }
    }

    fn check(&self) -> Result<(), ArchitectureError> {
        let Self { m, n, window, widths, first_kernel_size, .. } = self;
        let refuse = |what: String| Err(ArchitectureError(what));
        if !(2..=16).contains(m) || !(1..=20).contains(n) {
            return refuse(format!("m = {m} and n = {n} are outside 2..=16 and 1..=20"));
        }
        if m.checked_pow(*n as u32).is_none_or(|frames| frames > *window || window % frames != 0) {
            return refuse(format!(
                "a window of {window} samples is no multiple of {m}^{n}, so it cannot be pooled to one frame"
            ));
        }
        check_widths(widths, n + 1)?;
        let stride = self.stride();
        let is_valid = |size: usize| (stride..=16 * stride).contains(&size) && (size - stride).is_multiple_of(2);
        if let Some(size) = first_kernel_size.filter(|size| !is_valid(*size)) {
            return refuse(format!(
                "first_kernel_size is {size} samples; it must be at least the stride ({stride} samples), differ from \
                 it by an even number, and be at most {}",
                16 * stride
            ));
        }
        Ok(())
    }

    /// Stride of the first layer, in samples.
    pub fn stride(&self) -> usize {
        self.window / self.m.pow(self.n as u32)
    }

    /// Zeros before and after the input of a pooled layer, which keep its length. With an even `m`
    /// there is one more after it.
    fn padding(&self) -> (usize, usize) {
        ((self.m - 1) / 2, self.m / 2)
    }

    pub(super) fn plan(&self, tags: usize) -> Result<Plan, ArchitectureError> {
        self.check()?;
        let stride = self.stride();
        let kernel_size = self.first_kernel_size.unwrap_or(stride);
        let overhang = (kernel_size - stride) / 2;
        let first = ConvBlock {
            in_channels: 1,
            filters: self.widths[0],
            kernel_size,
            stride,
            padding: (overhang, overhang),
            has_norm: true,
            has_relu: true,
            pool: 1,
        };
        let mut trunk = vec![Layer::ConvBlock(first)];
        trunk.extend(self.widths.windows(2).map(|pair| self.pooled_layer(pair[0], pair[1])));
        let last = self.widths[self.n];
        if self.multi_level {
            return Ok(Plan::new(self.window, trunk, LEVELS.min(self.n), tags).with_embedding_sized_dense());
        }
        if self.block != BlockKind::Basic {
            return Ok(Plan::new(self.window, trunk, 1, tags).with_embedding_sized_dense());
        }
        trunk.push(Layer::ConvBlock(pointwise_conv(last)));
        Ok(Plan::new(self.window, trunk, 0, tags))
    }

    fn pooled_layer(&self, in_channels: usize, filters: usize) -> Layer {
        let padding = self.padding();
        let (convolutions, has_gate, has_shortcut) = match self.block {
            BlockKind::Basic => {
                return Layer::ConvBlock(ConvBlock {
                    in_channels,
                    filters,
                    kernel_size: self.m,
                    stride: 1,
                    padding,
                    has_norm: true,
                    has_relu: true,
                    pool: self.m,
                });
            }
            BlockKind::Se => (1, true, false),
            BlockKind::Res1 => (1, false, true),
            BlockKind::Res2 => (2, false, true),
            BlockKind::Rese1 => (1, true, true),
            BlockKind::Rese2 => (2, true, true),
        };
        Layer::Residual(Residual {
            in_channels,
            filters,
            kernel_size: self.m,
            padding,
            convolutions,
            excitation_ratio: has_gate.then_some(EXCITATION_RATIO),
            has_shortcut,
            pool: self.m,
        })
    }
}

/// The last convolution: one frame long, with as many filters as input channels.
pub(super) fn pointwise_conv(width: usize) -> ConvBlock {
    ConvBlock {
        in_channels: width,
        filters: width,
        kernel_size: 1,
        stride: 1,
        padding: (0, 0),
        has_norm: true,
        has_relu: true,
        pool: 1,
    }
}

impl Plan {
    /// Appends a fully connected layer of the embedding's size (Kim et al. 2018).
    fn with_embedding_sized_dense(self) -> Self {
        let size = self.embedding_size;
        self.with_dense(size, true)
    }
}

impl std::fmt::Display for SampleLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}^{}", self.m, self.n)?;
        if let Some(frame) = self.first_kernel_size {
            write!(f, ", frames of {frame}")?;
        }
        let block = match self.block {
            BlockKind::Basic => "",
            BlockKind::Se => " SE",
            BlockKind::Res1 => " Res-1",
            BlockKind::Res2 => " Res-2",
            BlockKind::Rese1 => " ReSE-1",
            BlockKind::Rese2 => " ReSE-2",
        };
        write!(f, "{block}{}", if self.multi_level { " multi-level" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Architecture;
    use super::*;

    fn table_1() -> SampleLevel {
        SampleLevel::new(3, 9, 59_049, paper_widths(3, 9))
    }

    fn plan(network: SampleLevel) -> Result<Plan, ArchitectureError> {
        Architecture::SampleLevel(network).plan(50)
    }

    #[test]
    fn paper_widths_give_the_parameters_of_table_1() {
        assert_eq!((table_1().stride(), table_1().padding()), (3, (1, 1)));
        let weights: Vec<usize> =
            plan(table_1()).unwrap().layer_costs().unwrap().iter().map(|cost| cost.weights).collect();
        let paper =
            [512, 49_280, 49_280, 98_560, 196_864, 196_864, 196_864, 196_864, 196_864, 393_728, 262_656, 25_650];
        assert_eq!(weights, paper);
    }

    #[test]
    fn multiply_adds_of_a_window_are_1728_million_wide_and_46_million_narrow() {
        let wide = plan(table_1()).unwrap().total_cost().unwrap();
        let narrow = plan(SampleLevel { widths: narrow_widths(9), ..table_1() }).unwrap().total_cost().unwrap();
        assert_eq!((wide.multiply_adds as f64 / 1e9 * 1e3).round(), 1_728.0);
        assert_eq!((narrow.multiply_adds as f64 / 1e6).round(), 46.0);
    }

    #[test]
    fn narrow_widths_go_from_16_to_512() {
        assert_eq!(narrow_widths(9), [16, 16, 32, 32, 64, 64, 128, 128, 256, 512]);
        assert_eq!(narrow_widths(4), [16, 32, 64, 128, 512]);
    }

    #[test]
    fn a_shallower_network_has_a_larger_stride() {
        let network = SampleLevel::new(3, 4, 59_049, narrow_widths(4));
        assert_eq!(network.stride(), 729);
        plan(network).unwrap();
        assert_eq!(SampleLevel { m: 4, ..table_1() }.padding(), (1, 2));
    }

    #[test]
    fn invalid_hyperparameters_are_refused_by_name() {
        for (network, word) in [
            (SampleLevel { window: 59_050, ..table_1() }, "59050"),
            (SampleLevel { widths: vec![16], ..table_1() }, "widths"),
            (SampleLevel { m: 0, ..table_1() }, "m = 0"),
            (SampleLevel { m: 16, n: 20, ..table_1() }, "no multiple"),
            (SampleLevel { first_kernel_size: Some(2), ..table_1() }, "at least the stride (3 samples)"),
            (SampleLevel { first_kernel_size: Some(4), ..table_1() }, "even number"),
            (SampleLevel { first_kernel_size: Some(51), ..table_1() }, "at most 48"),
            (SampleLevel { window: 3_000_000, ..table_1() }, "3000000"),
        ] {
            let error = plan(network).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        assert!(Architecture::SampleLevel(table_1()).plan(0).unwrap_err().to_string().contains("tags"));
    }
}
