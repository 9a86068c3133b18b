//! Ridge-regularised logistic regression, solved to its optimum by Newton's method.

use nalgebra::{DMatrix, DVector};

/// Newton steps after which the solution is taken as it is; a dozen are enough.
const MAX_STEPS: usize = 60;

/// The largest entry of the gradient at the optimum, for weights of examples that add up to 1.
const TOLERANCE: f64 = 1e-10;

/// An example: its values, whether it is positive, and how much it counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Example<'a> {
    pub(super) values: &'a [f32],
    pub(super) is_positive: bool,
    pub(super) weight: f64,
}

/// The weights and the bias at which the weighted mean of the cross-entropy, and `ridge` times half the square of the
/// weights, are together the least. The bias is not penalised. The same for the same examples in the same order.
pub(super) fn fit(examples: &[Example<'_>], ridge: f64) -> (Vec<f32>, f32) {
    let size = examples.first().map_or(0, |example| example.values.len());
    let total: f64 = examples.iter().map(|example| example.weight).sum();
    // The last column is that of the bias.
    let data = DMatrix::from_fn(examples.len(), size + 1, |row, column| {
        examples[row].values.get(column).map_or(1.0, |value| f64::from(*value))
    });
    let weights: Vec<f64> = examples.iter().map(|example| example.weight / total).collect();
    let penalty = DVector::from_fn(size + 1, |column, _| if column < size { ridge } else { 0.0 });
    let loss = |solution: &DVector<f64>| {
        let logits = &data * solution;
        let entropy = examples.iter().zip(&weights).zip(logits.iter()).map(|((example, weight), logit)| {
            weight * log_one_plus_exp(if example.is_positive { -*logit } else { *logit })
        });
        entropy.sum::<f64>() + 0.5 * solution.component_mul(&penalty).dot(solution)
    };
    let mut solution = DVector::zeros(size + 1);
    let mut value = loss(&solution);
    for _ in 0..MAX_STEPS {
        let probabilities = (&data * &solution).map(|logit| 1.0 / (1.0 + (-logit).exp()));
        let errors = DVector::from_fn(examples.len(), |row, _| {
            weights[row] * (probabilities[row] - f64::from(u8::from(examples[row].is_positive)))
        });
        let gradient = data.tr_mul(&errors) + solution.component_mul(&penalty);
        if gradient.amax() < TOLERANCE {
            break;
        }
        let mut scaled = data.clone();
        for (row, probability) in probabilities.iter().enumerate() {
            scaled.row_mut(row).scale_mut(weights[row] * probability * (1.0 - probability));
        }
        let mut hessian = data.tr_mul(&scaled) + DMatrix::from_diagonal(&penalty);
        // Keeps the bias determined where all probabilities are 0 or 1.
        hessian[(size, size)] += 1e-12;
        let Some(cholesky) = hessian.cholesky() else { break };
        let step = cholesky.solve(&gradient);
        // Halved until it goes down: far from the optimum a whole step may go too far.
        let descent = (0..40).map(|halvings| &solution - &step * 0.5_f64.powi(halvings));
        let Some((next, next_value)) =
            descent.map(|next| (loss(&next), next)).find(|(next, _)| *next < value).map(|(value, next)| (next, value))
        else {
            break;
        };
        (solution, value) = (next, next_value);
    }
    (solution.iter().take(size).map(|weight| *weight as f32).collect(), solution[size] as f32)
}

/// `ln(1 + exp(x))` without overflow.
fn log_one_plus_exp(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::network::SeededRng;

    /// The gradient of the loss, by its definition.
    fn gradient(examples: &[Example<'_>], ridge: f64, weights: &[f32], bias: f32) -> Vec<f64> {
        let total: f64 = examples.iter().map(|example| example.weight).sum();
        let mut gradient: Vec<f64> = weights.iter().map(|weight| ridge * f64::from(*weight)).chain([0.0]).collect();
        for example in examples {
            let products =
                example.values.iter().zip(weights).map(|(value, weight)| f64::from(*value) * f64::from(*weight));
            let logit = products.sum::<f64>() + f64::from(bias);
            let target = f64::from(u8::from(example.is_positive));
            let error = example.weight / total * (1.0 / (1.0 + (-logit).exp()) - target);
            for (sum, value) in gradient.iter_mut().zip(example.values.iter().chain(&[1.0])) {
                *sum += error * f64::from(*value);
            }
        }
        gradient
    }

    #[test]
    fn the_gradient_is_zero_at_the_solution_for_separable_and_mixed_classes() {
        let mut rng = SeededRng(3);
        for case in 0..60 {
            let (size, count) = (1 + case % 40, 2 + case % 70);
            let shift = [0.0, 0.5, 20.0][case % 3];
            let rows: Vec<(Vec<f32>, bool)> = (0..count)
                .map(|row| {
                    let is_positive = row % 2 == 0;
                    let values = (0..size).map(|_| rng.between(-1.0, 1.0) + if is_positive { shift } else { 0.0 });
                    (values.collect(), is_positive)
                })
                .collect();
            let examples: Vec<Example<'_>> = rows
                .iter()
                .map(|(values, is_positive)| {
                    let weight = f64::from(rng.between(0.1, 3.0));
                    Example { values, is_positive: *is_positive, weight }
                })
                .collect();
            let ridge = [1e-3, 0.1, 1.0][case / 20];
            let (weights, bias) = fit(&examples, ridge);
            let worst = gradient(&examples, ridge, &weights, bias).into_iter().map(f64::abs).fold(0.0, f64::max);
            // The solution is rounded to single precision.
            assert!(worst < 1e-5, "case {case}: {worst}");
            assert_eq!(fit(&examples, ridge), (weights, bias));
        }
    }

    #[test]
    fn examples_of_one_class_give_finite_weights() {
        let values = [[1.0_f32, 2.0], [0.5, -1.0]];
        let examples: Vec<Example<'_>> =
            values.iter().map(|values| Example { values, is_positive: true, weight: 1.0 }).collect();
        let (weights, bias) = fit(&examples, 0.1);
        assert!(weights.iter().chain([&bias]).all(|value| value.is_finite()), "{weights:?} {bias}");
    }
}
