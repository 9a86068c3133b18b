//! Batch normalisation at inference, when its statistics are fixed.

/// A batch normalisation with fixed statistics: `x scale + shift`, with one factor and one summand for
/// each channel.
///
/// Double precision, so that folding it into a layer rounds each weight once.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelAffine {
    /// The factor of each channel.
    pub scale: Vec<f64>,
    /// The summand of each channel.
    pub shift: Vec<f64>,
}

impl ChannelAffine {
    /// From the parameters of a batch normalisation, one of each per channel:
    /// `scale = gamma / sqrt(variance + epsilon)` and `shift = beta - mean scale`. `None` if their numbers
    /// differ.
    pub fn from_batch_norm(gamma: &[f32], beta: &[f32], mean: &[f32], variance: &[f32], epsilon: f64) -> Option<Self> {
        let channels = gamma.len();
        if [beta, mean, variance].iter().any(|values| values.len() != channels) {
            return None;
        }
        let scale = gamma.iter().zip(variance);
        let scale = scale.map(|(gamma, variance)| f64::from(*gamma) / (f64::from(*variance) + epsilon).sqrt());
        let scale: Vec<f64> = scale.collect();
        let shift = beta.iter().zip(mean).zip(&scale);
        let shift = shift.map(|((beta, mean), scale)| f64::from(*beta) - f64::from(*mean) * scale).collect();
        Some(Self { scale, shift })
    }

    /// Folds the normalisation into the layer before it: the weights and the biases (one per filter) of
    /// a convolution or a fully connected layer. `filter_of` gives the filter of the weight at an index.
    ///
    /// # Panics
    /// Panics unless there are as many biases as channels, and if `filter_of` gives more than that.
    pub fn fold_into(&self, weight: &mut [f32], bias: &mut [f32], filter_of: impl Fn(usize) -> usize) {
        assert_eq!(bias.len(), self.scale.len(), "filters differ from channels");
        for (index, weight) in weight.iter_mut().enumerate() {
            *weight = (f64::from(*weight) * self.scale[filter_of(index)]) as f32;
        }
        for (filter, bias) in bias.iter_mut().enumerate() {
            *bias = (f64::from(*bias) * self.scale[filter] + self.shift[filter]) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folded_layer_gives_the_normalised_output() {
        let norm = ChannelAffine::from_batch_norm(&[2.0, -1.0], &[0.5, 0.25], &[1.0, 3.0], &[3.75, 0.0], 0.25).unwrap();
        assert_eq!(norm, ChannelAffine { scale: vec![1.0, -2.0], shift: vec![-0.5, 6.25] });
        // Two filters of two weights, over the input 10, 100.
        let (mut weight, mut bias) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0]);
        norm.fold_into(&mut weight, &mut bias, |index| index / 2);
        let output = |filter: usize| weight[2 * filter] * 10.0 + weight[2 * filter + 1] * 100.0 + bias[filter];
        // Before: 215 and 436. After: 215 - 0.5 and -2 436 + 6.25.
        assert_eq!([output(0), output(1)], [214.5, -865.75]);
    }
}
