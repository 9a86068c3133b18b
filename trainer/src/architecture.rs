//! The m^n family of sample-level networks, as one value.

use serde::{Deserialize, Serialize};

/// A sample-level deep CNN (Lee et al. 2017, section 3.1): one strided
/// convolution over the waveform, `n` convolutions of length `m` that each keep
/// their input's length and are pooled by `m`, and one last convolution of length
/// one. Every other layer follows from these numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Filter length and pooling of the `n` inner layers, in samples or frames.
    pub m: usize,
    /// How many pooled layers there are.
    pub n: usize,
    /// Input samples; the first layer's filter length and stride are
    /// `window / m^n`.
    pub window: usize,
    /// Filters of the strided layer and of the `n` pooled ones, `n + 1` in all; the
    /// last convolution has as many as the layer before it.
    pub widths: Vec<usize>,
    /// Tag probabilities that come out.
    pub tags: usize,
}

/// Why a network cannot be built, in one sentence.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the architecture cannot be built: {0}")]
pub struct ArchitectureError(String);

impl Architecture {
    /// Checks that the numbers make a network whose last pooling leaves exactly one
    /// frame.
    ///
    /// # Errors
    /// [`ArchitectureError`], which says which number is wrong and what it could be.
    pub fn check(&self) -> Result<(), ArchitectureError> {
        let Self { m, n, window, widths, tags } = self;
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
        if widths.iter().chain([tags]).any(|width| !(1..=4_096).contains(width)) {
            return refuse("each width and the number of tags must be within 1..=4096".into());
        }
        Ok(())
    }

    /// Filter length and stride of the first layer, in samples.
    pub fn stride(&self) -> usize {
        self.window / self.m.pow(self.n as u32)
    }

    /// Zeros before and after the input of an inner layer, so that its length is
    /// kept; with an even `m` the odd one comes last.
    pub fn padding(&self) -> (usize, usize) {
        ((self.m - 1) / 2, self.m / 2)
    }

    /// The filters of the last layers.
    pub fn last_width(&self) -> usize {
        self.widths.last().copied().unwrap_or(0)
    }

    /// Trainable parameters of each layer, in order, biases and batch normalisation
    /// (two a filter) included, the tag layer last; the paper's Table 1 counts
    /// weights and biases alone.
    pub fn parameters(&self) -> Vec<usize> {
        let mut inputs = 1;
        let mut counts = Vec::new();
        for (layer, width) in self.widths.iter().enumerate() {
            let length = if layer == 0 { self.stride() } else { self.m };
            counts.push(inputs * length * width + 3 * width);
            inputs = *width;
        }
        counts.push(inputs * inputs + 3 * inputs);
        counts.push((inputs + 1) * self.tags);
        counts
    }
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}^{}", self.m, self.n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide() -> Architecture {
        let widths = vec![128, 128, 128, 256, 256, 256, 256, 256, 256, 512];
        Architecture { m: 3, n: 9, window: 59_049, widths, tags: 50 }
    }

    #[test]
    fn the_wide_network_is_table_1() {
        let network = wide();
        network.check().unwrap();
        assert_eq!((network.stride(), network.padding()), (3, (1, 1)));
        let norms: Vec<usize> = network.widths.iter().chain([&512]).map(|width| 2 * width).chain([0]).collect();
        let weights: Vec<usize> = network.parameters().iter().zip(norms).map(|(all, norm)| all - norm).collect();
        let paper =
            [512, 49_280, 49_280, 98_560, 196_864, 196_864, 196_864, 196_864, 196_864, 393_728, 262_656, 25_650];
        assert_eq!(weights, paper);
    }

    #[test]
    fn a_shallower_network_strides_further() {
        let network = Architecture { n: 4, widths: vec![128; 5], ..wide() };
        network.check().unwrap();
        assert_eq!(network.stride(), 729);
        assert_eq!(Architecture { m: 4, ..wide() }.padding(), (1, 2));
    }

    #[test]
    fn impossible_networks_are_refused_in_words() {
        for (network, word) in [
            (Architecture { window: 59_050, ..wide() }, "59050"),
            (Architecture { widths: vec![16], ..wide() }, "widths"),
            (Architecture { m: 0, ..wide() }, "m = 0"),
            (Architecture { m: 16, n: 20, ..wide() }, "no multiple"),
            (Architecture { tags: 0, ..wide() }, "tags"),
        ] {
            let said = network.check().unwrap_err().to_string();
            assert!(said.contains(word), "{said}");
        }
    }
}
