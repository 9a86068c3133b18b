//! The m^n family, and its successors with other blocks.

use super::{ArchitectureError, Layer, Plan, Residual, Stage};
use serde::{Deserialize, Serialize};

/// A sample-level deep CNN (Lee et al. 2017, section 3.1): one strided convolution
/// over the waveform, `n` convolutions of length `m` that each keep their input's
/// length and are pooled by `m`, and one last convolution of length one. Every other
/// layer follows from these numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleLevel {
    /// Filter length and pooling of the `n` inner layers, in samples or frames.
    pub m: usize,
    /// How many pooled layers there are.
    pub n: usize,
    /// Input samples; the first layer's stride is `window / m^n`.
    pub window: usize,
    /// Filters of the strided layer and of the `n` pooled ones, `n + 1` in all; the
    /// last convolution has as many as the layer before it.
    pub widths: Vec<usize>,
    /// Samples the first layer's filters see, its stride unless told: more make the
    /// frames of Table 3 that overlap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<usize>,
    /// What the pooled layers are made of.
    #[serde(default, skip_serializing_if = "Block::is_basic")]
    pub block: Block,
    /// Whether the last three layers are heard by the tag layer, not only the last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub multi_level: bool,
}

/// What a pooled layer is made of. All but the first are Kim, Lee and Nam's (2018).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Block {
    /// One convolution, as in the paper of 2017.
    #[default]
    Basic,
    /// One convolution and a gate over its filters (squeeze and excitation).
    Se,
    /// One convolution and a way around it.
    Res1,
    /// Two convolutions and a way around them.
    Res2,
    /// One convolution, a gate, and a way around both.
    Rese1,
    /// Two convolutions, a gate, and a way around all.
    Rese2,
}

impl Block {
    fn is_basic(&self) -> bool {
        *self == Self::Basic
    }
}

/// The gate's hidden layer has so many times the filters (Kim et al. 2018).
const EXCITE: usize = 16;
/// How many layers multi-level networks hear.
const LEVELS: usize = 3;

/// The widths of the m^n networks, as in the first author's code: 128 in the strided
/// layer and the first two pooled ones (one, where there are few), 512 in the last (the
/// last two with m = 2), 256 between. For 3^9 they are Table 1's.
pub fn wide(m: usize, n: usize) -> Vec<usize> {
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

/// "16 to 512 along the layers" (section 5.3): powers of two, evenly over `n` pooled
/// layers.
pub fn narrow(n: usize) -> Vec<usize> {
    (0..=n).map(|layer| 16 << (5 * layer / n.max(1))).collect()
}

impl SampleLevel {
    /// A network of the family as the paper has it.
    pub fn new(m: usize, n: usize, window: usize, widths: Vec<usize>) -> Self {
        Self { m, n, window, widths, first: None, block: Block::Basic, multi_level: false }
    }

    fn check(&self) -> Result<(), ArchitectureError> {
        let Self { m, n, window, widths, first, .. } = self;
        let refuse = |what: String| Err(ArchitectureError(what));
        if !(2..=16).contains(m) || !(1..=20).contains(n) {
            return refuse(format!("m = {m} and n = {n} are outside 2..=16 and 1..=20"));
        }
        if m.checked_pow(*n as u32).is_none_or(|frames| frames > *window || window % frames != 0) {
            return refuse(format!(
                "a window of {window} samples is no multiple of {m}^{n}, so no single frame is left"
            ));
        }
        if widths.len() != n + 1 {
            return refuse(format!("{} widths are given and {} layers need one", widths.len(), n + 1));
        }
        if widths.iter().any(|width| !(1..=4_096).contains(width)) {
            return refuse("each width must be within 1..=4096".into());
        }
        let stride = self.stride();
        if first.is_some_and(|first| first < stride || first > 16 * stride || !(first - stride).is_multiple_of(2)) {
            return refuse(format!(
                "the first filters must be {stride} samples long, or longer by an even number, up to {}",
                16 * stride
            ));
        }
        Ok(())
    }

    /// Stride of the first layer, in samples.
    pub fn stride(&self) -> usize {
        self.window / self.m.pow(self.n as u32)
    }

    /// Zeros before and after the input of an inner layer, so that its length is
    /// kept; with an even `m` the odd one comes last.
    fn padding(&self) -> (usize, usize) {
        ((self.m - 1) / 2, self.m / 2)
    }

    pub(super) fn plan(&self, tags: usize) -> Result<Plan, ArchitectureError> {
        self.check()?;
        let stride = self.stride();
        let length = self.first.unwrap_or(stride);
        let outside = (length - stride) / 2;
        let width = self.widths[0];
        let first = Stage {
            inputs: 1,
            filters: width,
            length,
            stride,
            padding: (outside, outside),
            norm: true,
            rectify: true,
            pool: 1,
        };
        let mut trunk = vec![Layer::Stage(first)];
        trunk.extend(self.widths.windows(2).map(|pair| self.pooled(pair[0], pair[1])));
        let last = self.widths[self.n];
        if self.multi_level {
            return Ok(Plan::new(self.window, trunk, LEVELS.min(self.n), tags).with_dense_of_its_size());
        }
        if self.block != Block::Basic {
            return Ok(Plan::new(self.window, trunk, 1, tags).with_dense_of_its_size());
        }
        trunk.push(Layer::Stage(point(last)));
        Ok(Plan::new(self.window, trunk, 0, tags))
    }

    fn pooled(&self, inputs: usize, filters: usize) -> Layer {
        let padding = self.padding();
        let stage =
            Stage { inputs, filters, length: self.m, stride: 1, padding, norm: true, rectify: true, pool: self.m };
        let (convolutions, excite, shortcut) = match self.block {
            Block::Basic => return Layer::Stage(stage),
            Block::Se => (1, true, false),
            Block::Res1 => (1, false, true),
            Block::Res2 => (2, false, true),
            Block::Rese1 => (1, true, true),
            Block::Rese2 => (2, true, true),
        };
        Layer::Residual(Residual {
            inputs,
            filters,
            length: self.m,
            padding,
            convolutions,
            excite: excite.then_some(EXCITE),
            shortcut,
            pool: self.m,
        })
    }
}

/// The last convolution: one frame long, as many filters as channels.
pub(super) fn point(width: usize) -> Stage {
    Stage { inputs: width, filters: width, length: 1, stride: 1, padding: (0, 0), norm: true, rectify: true, pool: 1 }
}

impl Plan {
    /// One fully connected layer as large as the embedding (Kim et al. 2018).
    fn with_dense_of_its_size(self) -> Self {
        let size = self.embedding;
        self.dense(size, true)
    }
}

impl std::fmt::Display for SampleLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}^{}", self.m, self.n)?;
        if let Some(first) = self.first {
            write!(f, ", frames of {first}")?;
        }
        let block = match self.block {
            Block::Basic => "",
            Block::Se => " SE",
            Block::Res1 => " Res-1",
            Block::Res2 => " Res-2",
            Block::Rese1 => " ReSE-1",
            Block::Rese2 => " ReSE-2",
        };
        write!(f, "{block}{}", if self.multi_level { " multi-level" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Architecture;
    use super::*;

    fn table_1() -> SampleLevel {
        SampleLevel::new(3, 9, 59_049, wide(3, 9))
    }

    fn plan(network: SampleLevel) -> Result<Plan, ArchitectureError> {
        Architecture::SampleLevel(network).plan(50)
    }

    #[test]
    fn the_wide_network_is_table_1() {
        assert_eq!((table_1().stride(), table_1().padding()), (3, (1, 1)));
        let weights: Vec<usize> =
            plan(table_1()).unwrap().counts().unwrap().iter().map(|count| count.weights).collect();
        let paper =
            [512, 49_280, 49_280, 98_560, 196_864, 196_864, 196_864, 196_864, 196_864, 393_728, 262_656, 25_650];
        assert_eq!(weights, paper);
    }

    #[test]
    fn the_work_of_a_window_is_as_designed() {
        let wide = plan(table_1()).unwrap().total().unwrap();
        let narrow = plan(SampleLevel { widths: narrow(9), ..table_1() }).unwrap().total().unwrap();
        assert_eq!((wide.multiply_adds as f64 / 1e9 * 1e3).round(), 1_728.0);
        assert_eq!((narrow.multiply_adds as f64 / 1e6).round(), 46.0);
    }

    #[test]
    fn narrow_networks_go_from_16_to_512() {
        assert_eq!(narrow(9), [16, 16, 32, 32, 64, 64, 128, 128, 256, 512]);
        assert_eq!(narrow(4), [16, 32, 64, 128, 512]);
    }

    #[test]
    fn a_shallower_network_strides_further() {
        let network = SampleLevel::new(3, 4, 59_049, narrow(4));
        assert_eq!(network.stride(), 729);
        plan(network).unwrap();
        assert_eq!(SampleLevel { m: 4, ..table_1() }.padding(), (1, 2));
    }

    #[test]
    fn impossible_networks_are_refused_in_words() {
        for (network, word) in [
            (SampleLevel { window: 59_050, ..table_1() }, "59050"),
            (SampleLevel { widths: vec![16], ..table_1() }, "widths"),
            (SampleLevel { m: 0, ..table_1() }, "m = 0"),
            (SampleLevel { m: 16, n: 20, ..table_1() }, "no multiple"),
            (SampleLevel { first: Some(4), ..table_1() }, "even number"),
            (SampleLevel { window: 3_000_000, ..table_1() }, "3000000"),
        ] {
            let said = plan(network).unwrap_err().to_string();
            assert!(said.contains(word), "{said}");
        }
        assert!(Architecture::SampleLevel(table_1()).plan(0).unwrap_err().to_string().contains("tags"));
    }
}
