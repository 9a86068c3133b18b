//! ROC-AUC and average precision agree with scikit-learn, and rank correlation with SciPy.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::io::Write as _;
use std::process::{Command, Stdio};
use tagvane_tests::python;
use tagvane_trainer::evaluation::metrics::{average_precision, roc_auc, spearman};

/// The cases have scores with and without ties, and rare and common labels.
#[test]
fn metrics_agree_with_scikit_learn_and_scipy() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut cases = Vec::new();
    for case in 0..300 {
        let count = random.random_range(2..200);
        let levels = [2, 5, 30, 100_000][case % 4];
        let rate = [0.05, 0.5, 0.95][case % 3];
        let scores: Vec<f32> = (0..count).map(|_| random.random_range(0..levels) as f32 / levels as f32).collect();
        let positive: Vec<bool> = (0..count).map(|_| random.random_bool(rate)).collect();
        cases.push((scores, positive));
    }
    let script = "import json, sys, warnings
from sklearn.metrics import average_precision_score, roc_auc_score
from scipy.stats import spearmanr
warnings.simplefilter('ignore')
for scores, positive in json.load(sys.stdin):
    both = len(set(positive)) == 2
    print(roc_auc_score(positive, scores) if both else '-',
          average_precision_score(positive, scores) if any(positive) else '-',
          spearmanr(scores, positive).statistic if both and len(set(scores)) > 1 else '-')";
    let mut child =
        Command::new(python()).args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Both sides compute in double precision from the same single-precision scores.
    let exact: Vec<(Vec<f64>, &Vec<bool>)> =
        cases.iter().map(|(scores, positive)| (scores.iter().copied().map(f64::from).collect(), positive)).collect();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(&exact).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), cases.len());
    for (line, (scores, positive)) in text.lines().zip(&cases) {
        let labels: Vec<f32> = positive.iter().map(|is| f32::from(u8::from(*is))).collect();
        let ours = [
            ("ROC-AUC", roc_auc(scores, positive)),
            ("AP", average_precision(scores, positive)),
            ("rank correlation", spearman(scores, &labels)),
        ];
        assert_eq!(line.split(' ').count(), ours.len());
        for (theirs, (what, ours)) in line.split(' ').zip(ours) {
            match theirs.parse::<f64>() {
                Ok(theirs) => assert!((ours.unwrap() - theirs).abs() < 1e-9, "{what}: {ours:?} and {theirs}"),
                Err(_) => assert_eq!(ours, None, "{what} of {positive:?}"),
            }
        }
    }
}
