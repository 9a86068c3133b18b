#[path = "../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;
use std::time::Instant;
use support::network::{Random, Shape};
use tagvane_engine::{Hearing, Inference, Model};
fn main() {
    let wide = vec![128, 128, 128, 256, 256, 256, 256, 256, 256, 512, 512];
    let narrow = vec![16, 16, 16, 32, 32, 64, 64, 128, 128, 256, 512];
    let only = std::env::args().nth(1);
    for (name, widths) in
        [("wide", wide), ("narrow", narrow)].into_iter().filter(|(n, _)| only.as_deref().is_none_or(|o| o == *n))
    {
        let shape = Shape { m: 3, layers: 9, first: 3, widths, normalised: false, tags: 50 };
        let bytes = shape.network(&mut Random(1));
        std::fs::write(format!("/tmp/{name}.onnx"), &bytes).unwrap();
        let t = Instant::now();
        let model = Model::from_bytes(&bytes).unwrap();
        println!("{name}: load {:?}", t.elapsed());
        let sound: Vec<f32> = {
            let mut r = Random(3);
            (0..59049 * 2).map(|_| r.between(-1.0, 1.0)).collect()
        };
        for hop in [729, 2187, 6561] {
            let model = Model::with(&bytes, Inference::Sliding, Some(hop)).unwrap();
            let mut h = Hearing::new(model);
            let mut times = vec![];
            let n = if only.is_some() { if name == "narrow" { 30000 } else { 3000 } } else { 200 };
            for i in 0..n {
                let s = (i % 27) * 2187;
                let w = &sound[s..s + 59049];
                let t = Instant::now();
                h.step(w).unwrap();
                let _ = h.probabilities(w).unwrap();
                times.push(t.elapsed().as_secs_f64() * 1e3);
            }
            times.sort_by(f64::total_cmp);
            println!("  hop {hop}: median {:.3} ms min {:.3}", times[times.len() / 2], times[0]);
            if only.is_some() && hop == 2187 {
                return;
            }
        }
        let _ = model;
        let full = Model::with(&bytes, Inference::FullWindows, None).unwrap();
        let mut times = vec![];
        for _ in 0..10 {
            let t = Instant::now();
            full.probabilities(&sound[..59049]).unwrap();
            times.push(t.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        println!("  full: median {:.3} ms", times[5]);
    }
}
