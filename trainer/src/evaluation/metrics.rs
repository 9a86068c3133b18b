//! ROC-AUC and average precision, as scikit-learn defines them.

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

#[cfg(test)]
mod tests {
    use super::*;

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
