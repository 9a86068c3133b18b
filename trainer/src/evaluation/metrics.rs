//! ROC-AUC and average precision as defined by scikit-learn, Spearman's rank correlation as defined by SciPy, and the
//! expected calibration error.

/// The indices of `scores`, highest score first, in groups of equal score. NaN ranks below every number, so that a
/// model gains nothing by predicting NaN.
fn group_ties(scores: &[f32]) -> Vec<Vec<usize>> {
    let scores: Vec<f32> = scores.iter().map(|score| if score.is_nan() { f32::NEG_INFINITY } else { *score }).collect();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    order.chunk_by(|a, b| scores[*a] == scores[*b]).map(<[usize]>::to_vec).collect()
}

/// Area under the ROC curve: the probability that a positive scores higher than a negative, with ties counted as
/// half. `None` without positives or without negatives.
///
/// ```
/// # use tagvane_trainer::evaluation::metrics::roc_auc;
/// let scores = [0.9, 0.6, 0.6, 0.1];
/// // Of four pairs of a positive and a negative, three are in order and one is tied.
/// assert_eq!(roc_auc(&scores, &[true, true, false, false]), Some(0.875));
/// assert_eq!(roc_auc(&scores, &[true; 4]), None);
/// ```
///
/// # Panics
/// Panics if there are more scores than labels.
pub fn roc_auc(scores: &[f32], positive: &[bool]) -> Option<f64> {
    let positives = positive.iter().filter(|is| **is).count() as f64;
    let negatives = positive.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let (mut area, mut positives_above) = (0.0, 0.0);
    for ties in group_ties(scores) {
        let hits = ties.iter().filter(|index| positive[**index]).count() as f64;
        area += (ties.len() as f64 - hits) * (positives_above + hits / 2.0);
        positives_above += hits;
    }
    Some(area / (positives * negatives))
}

/// Average precision: the precision at each threshold, weighted by the increase in recall. `None` without positives.
///
/// ```
/// # use tagvane_trainer::evaluation::metrics::average_precision;
/// // Half of the positives at precision 1, the other half at 2/3.
/// let figure = average_precision(&[0.9, 0.6, 0.5, 0.1], &[true, false, true, false]).unwrap();
/// assert!((figure - 5.0 / 6.0).abs() < 1e-12);
/// ```
///
/// # Panics
/// Panics if there are more scores than labels.
pub fn average_precision(scores: &[f32], positive: &[bool]) -> Option<f64> {
    let positives = positive.iter().filter(|is| **is).count() as f64;
    if positives == 0.0 {
        return None;
    }
    let (mut sum, mut seen, mut found) = (0.0, 0.0, 0.0);
    for ties in group_ties(scores) {
        let hits = ties.iter().filter(|index| positive[**index]).count() as f64;
        seen += ties.len() as f64;
        found += hits;
        sum += hits / positives * (found / seen);
    }
    Some(sum)
}

/// Number of equal bins of [`expected_calibration_error`].
const CALIBRATION_BINS: usize = 15;

/// Expected calibration error (Guo et al. 2017) against soft labels: in fifteen equal bins of the probability, the
/// distance between the mean probability and the mean label, weighted by the bin's clips. NaN counts as 0. `None` without
/// any clip.
///
/// ```
/// # use tagvane_trainer::evaluation::metrics::expected_calibration_error;
/// // Two clips in one bin: mean probability 0.51, mean label 0.5. One in another: 0.9 and 0.6.
/// let figure = expected_calibration_error(&[0.5, 0.52, 0.9], &[1.0, 0.0, 0.6]).unwrap();
/// assert!((figure - (2.0 * 0.01 + 0.3) / 3.0).abs() < 1e-6);
/// ```
pub fn expected_calibration_error(probabilities: &[f32], labels: &[f32]) -> Option<f64> {
    let mut differences = [0.0; CALIBRATION_BINS];
    for (probability, label) in probabilities.iter().zip(labels) {
        let probability = if probability.is_nan() { 0.0 } else { f64::from(*probability) };
        let bin = ((probability * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1);
        differences[bin] += probability - f64::from(*label);
    }
    let clips = probabilities.len().min(labels.len());
    (clips > 0).then(|| differences.iter().map(|difference: &f64| difference.abs()).sum::<f64>() / clips as f64)
}

/// Spearman's rank correlation, -1 to 1; ties share their mean rank. `None` where `a` or `b` is constant or empty.
pub fn spearman(a: &[f32], b: &[f32]) -> Option<f64> {
    let middle = (a.len() as f64 - 1.0) / 2.0;
    let centred_ranks = |scores: &[f32]| {
        let mut ranks = vec![0.0; scores.len()];
        let mut above = 0;
        for ties in group_ties(scores) {
            let rank = above as f64 + (ties.len() as f64 - 1.0) / 2.0 - middle;
            ties.iter().for_each(|index| ranks[*index] = rank);
            above += ties.len();
        }
        ranks
    };
    let (a, b) = (centred_ranks(a), centred_ranks(b));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let norm = (product(&a, &a) * product(&b, &b)).sqrt();
    (norm > 0.0).then(|| product(&a, &b) / norm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spearman_matches_values_computed_by_hand() {
        let assert_near = |a: &[f32], b: &[f32], wanted: f64| {
            let found = spearman(a, b).unwrap();
            assert!((found - wanted).abs() < 1e-12, "{a:?} and {b:?}: {found}");
        };
        assert_near(&[0.1, 0.2, 0.9], &[1.0, 5.0, 6.0], 1.0);
        assert_near(&[0.1, 0.2, 0.9], &[6.0, 5.0, 1.0], -1.0);
        // Ranks 1 2 3 4 5 and 2 1 4 3 5: 1 - 6 * 4 / (5 * 24).
        assert_near(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 1.0, 4.0, 3.0, 5.0], 0.8);
        // Pearson's correlation of the ranks 1.5 1.5 3 and 1 2 3.
        assert_near(&[0.5, 0.5, 0.7], &[1.0, 2.0, 3.0], 0.75_f64.sqrt());
        assert_eq!(spearman(&[0.5, 0.5], &[0.1, 0.2]), None);
        assert_eq!(spearman(&[], &[]), None);
    }

    #[test]
    fn metrics_match_the_examples_in_scikit_learns_documentation() {
        let (scores, positive) = ([0.1, 0.4, 0.35, 0.8], [false, false, true, true]);
        assert_eq!(roc_auc(&scores, &positive), Some(0.75));
        let precision = average_precision(&scores, &positive).unwrap();
        assert!((precision - 0.833_333_333).abs() < 1e-6, "{precision}");
    }

    #[test]
    fn ties_count_as_half() {
        let positive = [true, false, true, false];
        assert_eq!(roc_auc(&[0.5; 4], &positive), Some(0.5));
        assert_eq!(average_precision(&[0.5; 4], &positive), Some(0.5));
        // Of the four pairs of a positive and a negative three are ordered correctly and one is tied.
        assert_eq!(roc_auc(&[0.9, 0.5, 0.5, 0.1], &positive), Some(3.5 / 4.0));
    }

    #[test]
    fn nan_ranks_last() {
        assert_eq!(roc_auc(&[f32::NAN, 0.1, 0.2], &[true, false, false]), Some(0.0));
        assert_eq!(roc_auc(&[f32::NAN, 0.1, f32::NAN], &[false, true, true]), Some(0.75));
        assert_eq!(average_precision(&[f32::NAN, 0.1], &[false, true]), Some(1.0));
    }

    #[test]
    fn metrics_are_none_without_positives_or_negatives() {
        assert_eq!(roc_auc(&[0.2, 0.3], &[true, true]), None);
        assert_eq!(roc_auc(&[0.2, 0.3], &[false, false]), None);
        assert_eq!(average_precision(&[0.2, 0.3], &[false, false]), None);
        assert_eq!(average_precision(&[], &[]), None);
    }
}
