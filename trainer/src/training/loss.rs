//! The loss of a batch.

use burn::tensor::activation::relu;
use burn::tensor::{Tensor, backend::Backend};

/// Mean binary cross-entropy of `logits` against soft `targets` within 0..=1, both `[batch, tags]`.
///
/// Computed as `max(x, 0) - x t + ln(1 + exp(-|x|))`, which no logit overflows.
pub fn binary_cross_entropy_with_logits<B: Backend>(logits: Tensor<B, 2>, targets: Tensor<B, 2>) -> Tensor<B, 1> {
    let softplus = logits.clone().abs().neg().exp().log1p();
    (relu(logits.clone()) - logits * targets + softplus).mean()
}

/// The value of a tensor of one element.
pub(super) fn scalar<B: Backend>(tensor: &Tensor<B, 1>) -> f64 {
    tensor.to_data().iter::<f64>().next().unwrap_or(f64::NAN)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use std::f64::consts::LN_2;

    #[test]
    fn binary_cross_entropy_of_soft_targets_is_as_by_hand_and_large_logits_do_not_overflow() {
        let loss = |logits: [f32; 2], targets: [f32; 2]| {
            let tensor = |values: [f32; 2]| Tensor::<Flex, 2>::from_floats([values], &Default::default());
            scalar(&binary_cross_entropy_with_logits(tensor(logits), tensor(targets)))
        };
        // sigmoid(0) = 1/2, and sigmoid(ln 3) = 3/4.
        let by_hand = (LN_2 - 0.25 * 0.75_f64.ln() - 0.75 * 0.25_f64.ln()) / 2.0;
        assert!((loss([0.0, 3_f32.ln()], [0.3, 0.25]) - by_hand).abs() < 1e-6);
        assert!((loss([200.0, -200.0], [0.0, 0.0]) - 100.0).abs() < 1e-4);
    }
}
