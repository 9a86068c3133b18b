//! ROC-AUC and average precision, as scikit-learn defines them, and rank correlation.

/// The indices of `scores`, highest first, cut into runs of equal score. What is no
/// number ranks below every number: a model earns nothing by not answering.
fn ranked(scores: &[f32]) -> Vec<Vec<usize>> {
    let scores: Vec<f32> = scores.iter().map(|score| if score.is_nan() { f32::NEG_INFINITY } else { *score }).collect();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    order.chunk_by(|a, b| scores[*a] == scores[*b]).map(<[usize]>::to_vec).collect()
}

/// The area under the ROC curve: the chance that a positive scores higher than a
/// negative, ties counting half. `None` where either kind is missing.
pub fn roc_auc(scores: &[f32], positive: &[bool]) -> Option<f64> {
    let positives = positive.iter().filter(|is| **is).count() as f64;
    let negatives = positive.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let (mut area, mut positives_above) = (0.0, 0.0);
    for run in ranked(scores) {
        let hits = run.iter().filter(|index| positive[**index]).count() as f64;
        area += (run.len() as f64 - hits) * (positives_above + hits / 2.0);
        positives_above += hits;
    }
    Some(area / (positives * negatives))
}

/// Average precision: the precision at each threshold, weighted by the recall it
/// adds. `None` where there is no positive.
pub fn average_precision(scores: &[f32], positive: &[bool]) -> Option<f64> {
    let positives = positive.iter().filter(|is| **is).count() as f64;
    if positives == 0.0 {
        return None;
    }
    let (mut sum, mut seen, mut found) = (0.0, 0.0, 0.0);
    for run in ranked(scores) {
        let hits = run.iter().filter(|index| positive[**index]).count() as f64;
        seen += run.len() as f64;
        found += hits;
        sum += hits / positives * (found / seen);
    }
    Some(sum)
}

/// Spearman's rank correlation, ties sharing their mean rank: 1 where `a` orders the clips as
/// `b` does, 0 where it knows nothing of that order. `None` where either is the same throughout.
pub fn rank_correlation(a: &[f32], b: &[f32]) -> Option<f64> {
    let middle = (a.len() as f64 - 1.0) / 2.0;
    let centred = |scores: &[f32]| {
        let mut ranks = vec![0.0; scores.len()];
        let mut above = 0;
        for run in ranked(scores) {
            let rank = above as f64 + (run.len() as f64 - 1.0) / 2.0 - middle;
            run.iter().for_each(|index| ranks[*index] = rank);
            above += run.len();
        }
        ranks
    };
    let (a, b) = (centred(a), centred(b));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let size = (product(&a, &a) * product(&b, &b)).sqrt();
    (size > 0.0).then(|| product(&a, &b) / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_correlations_by_hand() {
        let near = |a: &[f32], b: &[f32], wanted: f64| {
            let found = rank_correlation(a, b).unwrap();
            assert!((found - wanted).abs() < 1e-12, "{a:?} and {b:?}: {found}");
        };
        near(&[0.1, 0.2, 0.9], &[1.0, 5.0, 6.0], 1.0);
        near(&[0.1, 0.2, 0.9], &[6.0, 5.0, 1.0], -1.0);
        // Ranks 1 2 3 4 5 and 2 1 4 3 5: 1 - 6 * 4 / (5 * 24).
        near(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 1.0, 4.0, 3.0, 5.0], 0.8);
        // Ranks 1.5 1.5 3 and 1 2 3, by Pearson's formula.
        near(&[0.5, 0.5, 0.7], &[1.0, 2.0, 3.0], 0.75_f64.sqrt());
        assert_eq!(rank_correlation(&[0.5, 0.5], &[0.1, 0.2]), None);
        assert_eq!(rank_correlation(&[], &[]), None);
    }

    #[test]
    fn known_values() {
        // scikit-learn 1.x's documented example for both scores.
        let (scores, positive) = ([0.1, 0.4, 0.35, 0.8], [false, false, true, true]);
        assert_eq!(roc_auc(&scores, &positive), Some(0.75));
        let precision = average_precision(&scores, &positive).unwrap();
        assert!((precision - 0.833_333_333).abs() < 1e-6, "{precision}");
    }

    #[test]
    fn ties_count_half() {
        let positive = [true, false, true, false];
        assert_eq!(roc_auc(&[0.5; 4], &positive), Some(0.5));
        assert_eq!(average_precision(&[0.5; 4], &positive), Some(0.5));
        // By hand: pairs (0.9, 0.5) and (0.9, 0.1) won, (0.5, 0.5) tied, (0.5, 0.1) won.
        assert_eq!(roc_auc(&[0.9, 0.5, 0.5, 0.1], &positive), Some(3.5 / 4.0));
    }

    #[test]
    fn no_number_ranks_last() {
        assert_eq!(roc_auc(&[f32::NAN, 0.1, 0.2], &[true, false, false]), Some(0.0));
        assert_eq!(roc_auc(&[f32::NAN, 0.1, f32::NAN], &[false, true, true]), Some(0.75));
        assert_eq!(average_precision(&[f32::NAN, 0.1], &[false, true]), Some(1.0));
    }

    #[test]
    fn one_kind_alone_has_no_value() {
        assert_eq!(roc_auc(&[0.2, 0.3], &[true, true]), None);
        assert_eq!(roc_auc(&[0.2, 0.3], &[false, false]), None);
        assert_eq!(average_precision(&[0.2, 0.3], &[false, false]), None);
        assert_eq!(average_precision(&[], &[]), None);
    }
}
