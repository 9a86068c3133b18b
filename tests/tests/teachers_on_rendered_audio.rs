//! Teacher models find the instruments of rendered pieces, and voices in synthesised voices.

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use std::path::PathBuf;
use tagvane_engine::resample::Resampler;
use tagvane_engine::{InferenceMode, Model, SAMPLE_RATE};
use tagvane_trainer::data::Labels;
use tagvane_trainer::data::vocabularies::MAGNATAGATUNE;
use tagvane_trainer::musicnn::{RATE, convert};
use tagvane_trainer::prepare::known_labels::of_clip;
use tagvane_trainer::render::pieces::Pieces;
use tagvane_trainer::render::voices::Voices;

fn from_environment(name: &str) -> PathBuf {
    std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run `cargo xtask test`")).into()
}

#[test]
fn teachers_find_the_instruments_that_play() {
    let Some(font) = std::env::var_os("TAGVANE_SOUND_FONT") else {
        println!("skipped: TAGVANE_SOUND_FONT is not set; `cargo xtask test` sets it on Debian");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let teachers = convert(&from_environment("TAGVANE_MUSICNN"), folder.path()).unwrap();
    let teacher = Model::open(&teachers[1], InferenceMode::FullWindows).unwrap();
    let pieces = Pieces::open(&[font.into()], &[], 60, 6.0, 1).unwrap();
    let tags: Vec<String> = MAGNATAGATUNE.map(String::from).to_vec();
    let mut labelled = Vec::new();
    for source in pieces.sources() {
        let (samples, truth) = pieces.render(&source.name).unwrap();
        assert_eq!(samples.len(), 6 * SAMPLE_RATE as usize);
        let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!((0.19..0.96).contains(&peak), "{}: the peak is {peak}", source.name);
        assert_eq!((samples.clone(), truth.clone()), pieces.render(&source.name).unwrap(), "{}", source.name);
        let to_teacher = Resampler::new(f64::from(SAMPLE_RATE), f64::from(RATE)).unwrap();
        let window = &to_teacher.resample_all(&samples)[16_000..16_000 + teacher.window()];
        let Labels::Clip(known) = of_clip(&tags, &truth) else { panic!("no label of the clip") };
        labelled.push((known, teacher.predict(window).unwrap()));
    }
    for tag in ["piano", "harpsichord", "guitar", "violin", "flute", "sitar", "choir", "drums"] {
        let index = MAGNATAGATUNE.iter().position(|other| *other == tag).unwrap();
        let mean = |truth: f32| {
            let with_truth = labelled.iter().filter(|(labels, _)| labels[index] == truth);
            let values: Vec<f32> = with_truth.map(|(_, prediction)| prediction[index]).collect();
            assert!(!values.is_empty(), "no piece has the label {truth} for {tag}");
            values.iter().sum::<f32>() / values.len() as f32
        };
        let (with, without) = (mean(1.0), mean(0.0));
        println!("{tag}: {with:.3} where it plays, {without:.3} where it does not");
        assert!(with > 1.3 * without, "{tag}: {with} where it plays, {without} where it does not");
    }
}

/// Tags that mean a voice, and tags that do not.
const VOCAL: [&str; 8] = ["vocal", "vocals", "singing", "voice", "male", "female", "man", "woman"];
const NOT_VOCAL: [&str; 8] = ["classical", "strings", "drums", "rock", "piano", "violin", "harpsichord", "sitar"];

#[test]
fn teachers_tag_voices_as_voices() {
    let voices = match Voices::find() {
        Ok(voices) => voices,
        Err(error) => return println!("skipped: {error}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let teachers = convert(&from_environment("TAGVANE_MUSICNN"), folder.path()).unwrap();
    let teacher = Model::open(&teachers[1], InferenceMode::FullWindows).unwrap();
    let mut means = [0.0_f32; 2];
    for seed in 0..10 {
        let voice = voices.synthesize(&mut ChaCha12Rng::seed_from_u64(seed)).unwrap();
        assert_eq!(voice, voices.synthesize(&mut ChaCha12Rng::seed_from_u64(seed)).unwrap(), "seed {seed}");
        assert!(voice.len() > 10 * SAMPLE_RATE as usize, "seed {seed}: {} samples", voice.len());
        let to_teacher = Resampler::new(f64::from(SAMPLE_RATE), f64::from(RATE)).unwrap();
        let window = &to_teacher.resample_all(&voice)[16_000..16_000 + teacher.window()];
        let prediction = teacher.predict(window).unwrap();
        for (mean, tags) in means.iter_mut().zip([VOCAL, NOT_VOCAL]) {
            let value = |tag: &str| prediction[MAGNATAGATUNE.iter().position(|other| *other == tag).unwrap()];
            *mean += tags.iter().map(|tag| value(tag)).sum::<f32>() / 80.0;
        }
    }
    let [vocal, other] = means;
    println!("vocal tags: {vocal:.3}, other tags: {other:.3}");
    assert!(vocal > 2.0 * other, "vocal tags: {vocal}, other tags: {other}");
}
