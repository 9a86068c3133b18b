//! Models to which tags of a user's own can be taught: their whitened embedding.
#![cfg(feature = "flex")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod process;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use burn::backend::Flex;
use burn::tensor::{Tensor, TensorData};
use process::{fail, succeed};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use support::{SMALL_NETWORK, low_and_high};
use tagvane_engine::teaching::{LessonKind, Mine, TagFunction};
use tagvane_engine::{InferenceMode, Metadata, Model, StreamState, to_steps};
use tagvane_trainer::architecture::{Architecture, SampleLevel};
use tagvane_trainer::export::{Whitening, add_whitened_embedding, to_half_precision, to_onnx};
use tagvane_trainer::network::Network;

const WINDOW: usize = 2_187;

fn noise(random: &mut ChaCha12Rng, samples: usize) -> Vec<f32> {
    (0..samples).map(|_| random.random_range(-1.0..1.0)).collect()
}

/// The embeddings of windows by burn, row after row.
fn embeddings(network: &Network<Flex>, windows: &[f32]) -> Vec<f32> {
    let shape = [windows.len() / WINDOW, WINDOW];
    let waveforms = Tensor::<Flex, 2>::from_data(TensorData::new(windows.to_vec(), shape), &Default::default());
    network.forward(waveforms).embedding.into_data().to_vec().unwrap()
}

#[test]
fn the_whitened_embedding_is_the_same_sliding_and_in_full_windows_and_its_background_is_read() {
    let mut random = ChaCha12Rng::seed_from_u64(1);
    let architecture = Architecture::SampleLevel(SampleLevel::new(3, 6, WINDOW, vec![4, 4, 6, 6, 8, 8, 12]));
    let network = Network::<Flex>::with_seed(&architecture.plan(5).unwrap(), 3, &Default::default());
    let embedded = embeddings(&network, &noise(&mut random, 300 * WINDOW));
    let whitening = Whitening::fit(&embedded, 12).unwrap();
    let metadata = Metadata { tags: (0..5).map(|tag| format!("tag {tag}")).collect(), ..Metadata::default() };
    let plain = to_onnx(&network, &architecture, &metadata);
    let teachable = add_whitened_embedding(&plain, &whitening).unwrap();
    let half = to_half_precision(&teachable).unwrap();

    let background = Model::from_bytes(&teachable).unwrap().metadata().background.clone();
    assert_eq!((background.size(), background.rows().count()), (whitening.components(), 150));
    assert_eq!(Metadata::peek(&plain).background.size(), 0);
    assert_eq!(Model::from_bytes(&plain).unwrap().embedding_size(), 0);

    let music = noise(&mut random, 3 * WINDOW);
    for (bytes, tolerance) in [(&teachable, 1e-4), (&half, 2e-2)] {
        let [sliding, full] = [InferenceMode::Sliding, InferenceMode::FullWindows].map(|inference| {
            let model = Model::with(bytes, inference, Some(WINDOW / 3)).unwrap();
            assert_eq!((model.inference(), model.embedding_size()), (inference, whitening.components()));
            StreamState::new(model)
        });
        let (mut sliding, full) = (sliding, full);
        let mut compared = 0;
        for end in (WINDOW / 3..=music.len()).step_by(WINDOW / 3) {
            let latest = &music[end.saturating_sub(WINDOW)..end];
            sliding.step(latest).unwrap();
            if latest.len() < WINDOW {
                continue;
            }
            let (a, b) = (sliding.predict(latest).unwrap(), full.predict(latest).unwrap());
            let expected = whitening.apply(&embeddings(&network, latest));
            for (values, others) in [(&a.embedding, &expected), (&b.embedding, &expected)] {
                let apart = values.iter().zip(others).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(values.len() == whitening.components() && apart < tolerance, "{apart}");
            }
            assert!(a.probabilities.iter().zip(&b.probabilities).all(|(a, b)| (a - b).abs() < 1e-5));
            compared += 1;
        }
        assert_eq!(compared, 7);
    }
}

#[test]
fn a_run_is_exported_with_its_whitened_embedding() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let training = "[training]\nbatch_size = 12\nseed = 5\noptimiser = { kind = \"adam\" }\n\
                    schedule = { kind = \"one-cycle\", learning_rate = 3e-3, epochs = 1 }\n";
    std::fs::write(folder.join("run.toml"), format!("{SMALL_NETWORK}{training}")).unwrap();
    low_and_high(folder, "high");
    succeed(folder, "prepare folder --csv list.csv --audio audio --cache cache");
    succeed(folder, "train run.toml --cache cache --run run");
    succeed(folder, "export --run run --out model.onnx --teachable-on cache --half-precision");
    let model = Model::open(&folder.join("model.onnx"), InferenceMode::Sliding).unwrap();
    assert_eq!(model.inference(), InferenceMode::Sliding);
    assert!((1..=16).contains(&model.embedding_size()), "{}", model.embedding_size());
    assert_eq!(model.metadata().background.size(), model.embedding_size());
    let message = fail(folder, "export --run run --out other.onnx --teachable-on nowhere");
    assert!(message.contains("nowhere") && !folder.join("other.onnx").exists(), "{message}");
}

#[test]
fn a_model_is_made_teachable_and_learns_low_tones_from_a_list_of_spans() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    low_and_high(folder, "high");
    succeed(folder, "prepare folder --csv list.csv --audio audio --cache cache");
    // A network with random weights tells tones apart, too.
    let architecture = Architecture::SampleLevel(SampleLevel::new(3, 5, WINDOW, vec![8, 8, 8, 16, 16, 16]));
    let network = Network::<Flex>::with_seed(&architecture.plan(2).unwrap(), 3, &Default::default());
    let metadata = Metadata { tags: vec!["a".into(), "b".into()], ..Metadata::default() };
    let plain = to_half_precision(&to_onnx(&network, &architecture, &metadata)).unwrap();
    std::fs::write(folder.join("plain.onnx"), &plain).unwrap();
    succeed(folder, "make-teachable plain.onnx --on cache --out model.onnx");
    let model = Model::open(&folder.join("model.onnx"), InferenceMode::Sliding).unwrap();
    assert!(model.embedding_size() > 1 && model.metadata().background.size() == model.embedding_size());
    let window: Vec<f32> = (0..WINDOW).map(|sample| (sample as f32 * 0.05).sin()).collect();
    let before = Model::from_bytes(&plain).unwrap().predict(&window).unwrap();
    assert_eq!(model.predict(&window).unwrap(), before, "the tags are what they were");

    let spans = "file,start,end,tag,is\naudio/0.wav,1,4,deep,yes\naudio/2.wav,1,4,deep,yes\naudio/1.wav,1,4,deep,no\n\
                 audio/3.wav,1,4,deep,no\n";
    std::fs::write(folder.join("spans.csv"), spans).unwrap();
    let output = succeed(folder, "teach model.onnx --spans spans.csv --out mine.json");
    // Each span is on the right side of the tag that the others teach.
    let is_told = ["sure", "getting there"].iter().any(|words| output.contains(&format!("deep: 4 spans, {words}")));
    assert!(is_told, "{output}");
    let mine = Mine::from_file(&std::fs::read(folder.join("mine.json")).unwrap()).unwrap();
    let function = &mine.taught()[0].function;
    let mut state = StreamState::new(model.clone());
    for (hertz, is_low) in [(114.0, true), (2_131.0, false)] {
        let tone: Vec<f32> =
            (0..WINDOW).map(|sample| 0.3 * (std::f32::consts::TAU * hertz * sample as f32 / 22_050.0).sin()).collect();
        state.prime(&tone).unwrap();
        let probability = function.probability(&to_steps(&state.predict(&tone).unwrap().embedding));
        assert_eq!(probability > 0.5, is_low, "{hertz} Hz: {probability}");
    }

    // The same tag as a part of the model.
    let output = succeed(folder, "teach model.onnx --mine mine.json --onnx with.onnx --vocabulary Sounds");
    assert!(output.contains("deep: 4 spans") && output.contains("the vocabulary Sounds"), "{output}");
    let with = Model::open(&folder.join("with.onnx"), InferenceMode::Sliding).unwrap();
    let names: Vec<String> = with.metadata().display_tags();
    assert_eq!((names.join(", "), with.inference()), ("a, b, deep".to_owned(), InferenceMode::Sliding));
    assert_eq!(with.metadata().vocabulary_ranges(), [("model", 0..2), ("Sounds", 2..3)]);
    let TagFunction::Logistic { weights, bias } = function else { panic!("{function:?}") };
    for window in [&window, &noise(&mut ChaCha12Rng::seed_from_u64(7), WINDOW)] {
        let predicted = with.predict(window).unwrap();
        assert_eq!(predicted[..2], model.predict(window).unwrap(), "its own tags are what they were");
        state.prime(window).unwrap();
        let embedding = state.predict(window).unwrap().embedding;
        let logit = embedding.iter().zip(&**weights).map(|(a, b)| a * b).sum::<f32>() + bias;
        let expected = 1.0 / (1.0 + (-logit).exp());
        assert!((predicted[2] - expected).abs() < 0.01, "{} {expected}", predicted[2]);
    }
    // Tags can be taught to it in turn.
    succeed(folder, "teach with.onnx --spans spans.csv --out more.json --onnx more.onnx");
    for (command, words) in [
        ("teach with.onnx --mine mine.json --onnx x.onnx", "the tag deep was taught on another model file"),
        ("teach with.onnx --spans spans.csv --onnx x.onnx --vocabulary Sounds", "has a vocabulary of that name"),
        ("teach model.onnx --mine spans.csv --onnx x.onnx", "it has no taught tags"),
        ("teach model.onnx --mine similar.json --onnx x.onnx", "the tag deep follows a similarity"),
        ("teach model.onnx --onnx x.onnx", "--spans"),
        ("teach model.onnx --mine mine.json", "--out"),
    ] {
        let mut similar = mine.clone();
        similar.set_kind(0, LessonKind::Similar);
        std::fs::write(folder.join("similar.json"), similar.to_file()).unwrap();
        let message = fail(folder, command);
        assert!(message.contains(words) && !folder.join("x.onnx").exists(), "{message}");
    }

    let message = fail(folder, "teach plain.onnx --spans spans.csv --out other.json");
    assert!(message.contains("no whitened embedding") && !folder.join("other.json").exists(), "{message}");
    for (list, words) in [
        ("file,start,end,tag\n", "no column is"),
        ("file,start,end,tag,is\n", "no span"),
        ("file,start,end,tag,is\naudio/0.wav,4,1,x,yes\n", "line 2: the span ends before it starts"),
        ("file,start,end,tag,is\naudio/0.wav,1,4,x,perhaps\n", "line 2: the column is has yes or no"),
        ("file,start,end,tag,is\naudio/0.wav,1,nan,x,yes\n", "line 2: start and end are seconds"),
        ("file,start,end,tag,is\naudio/0.wav,90,95,x,yes\n", "give a longer span"),
        ("file,start,end,tag,is\nnowhere.wav,1,4,x,yes\n", "nowhere.wav"),
    ] {
        std::fs::write(folder.join("bad.csv"), list).unwrap();
        let message = fail(folder, "teach model.onnx --spans bad.csv --out other.json");
        assert!(message.contains(words), "{message}");
    }
}
