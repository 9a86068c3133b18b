//! Both finished bundles in Tagvane's own host.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;
use tagvane_engine::{InferenceMode, Model};
use tagvane_host::player::{Playback, Summary, TagSnapshot, active_tags, is_bit_exact, play};
use tagvane_host::{HostRequestCounts, Session, Setup};
use tagvane_tests::{
    CLIPS, FIRST_TAG, FORMATS, assert_nothing_recorded, bounce_setup, clip, clip_stream, load_model, noise, open,
    send_noise, shipped_model, state_with_field, tag_values,
};
use tagvane_trainer::data::vocabularies::MAGNATAGATUNE;

/// Plays a whole clip offline; returns the snapshots and the summary.
fn play_clip(format: &str, name: &str, block: usize) -> (Vec<TagSnapshot>, Summary) {
    let mut session = open(format);
    let mut snapshots = Vec::new();
    let playback = Playback { block, fast: true, seconds: None };
    let summary = play(session.as_mut(), format, &mut clip_stream(name), playback, |_, snapshot, _| {
        snapshots.extend(snapshot.cloned());
        true
    });
    (snapshots, summary.expect("the clip plays"))
}

#[test]
fn tags_are_outputs_with_the_models_names_and_stable_ids() {
    let display = Model::open(&shipped_model(), InferenceMode::Sliding).unwrap().metadata().display_tags();
    for format in FORMATS {
        let mut session = open(format);
        let tags = active_tags(session.as_mut());
        let names: Vec<&str> = tags.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(names, display[..64], "{format}");
        // Those of a project of an earlier version, which loads one of the earlier models.
        load_model(session.as_mut(), &serde_json::json!({ "shipped": "MagnaTagATune 50" }));
        let tags = active_tags(session.as_mut());
        let names: Vec<&str> = tags.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(names, MAGNATAGATUNE, "{format}");
        let ids: Vec<u32> = tags.iter().map(|tag| tag.id).collect();
        assert_eq!(ids, (FIRST_TAG..FIRST_TAG + 50).collect::<Vec<_>>(), "{format}");
        assert!(tags.iter().all(|tag| tag.is_read_only && !tag.is_automatable), "{format}");
        let all = session.parameters();
        let others: Vec<_> =
            all.iter().filter(|parameter| parameter.is_read_only && parameter.id < FIRST_TAG).collect();
        assert_eq!(all.iter().filter(|parameter| parameter.is_read_only).count(), 64 + others.len(), "{format}");
        for number in 51..=64 {
            let unused = all.iter().find(|parameter| parameter.name == format!("Unused tag {number}")).unwrap();
            // A VST3 cannot hide a parameter later.
            assert_eq!((unused.id, unused.is_hidden), (FIRST_TAG + number - 1, format == "clap"), "{format}");
        }
        // The hidden output "Inference".
        assert!(matches!(&*others, [other] if other.is_hidden && other.id == FIRST_TAG - 1), "{format}: {others:?}");
        assert_eq!(session.text(FIRST_TAG, 0.437).as_deref(), Some("44 %"), "{format}");
    }
}

#[test]
fn audio_passes_bit_exactly() {
    let seed = 20_170_701;
    println!("seed {seed}");
    for format in FORMATS {
        let mut session = open(format);
        for rate in [44_100.0, 48_000.0, 96_000.0] {
            for block in [Some(1), Some(64), Some(512), Some(4_096), None] {
                for channels in [1, 2, 6] {
                    let setup =
                        Setup { sample_rate: rate, max_block_frames: block.unwrap_or(4_096), channels, offline: false };
                    session.start(setup).unwrap();
                    let mut random = StdRng::seed_from_u64(seed);
                    for _ in 0..if block == Some(1) { 300 } else { 24 } {
                        let frames = block.unwrap_or_else(|| random.random_range(1..=4_096));
                        let input: Vec<Vec<f32>> = (0..channels)
                            .map(|_| (0..frames).map(|_| random.random_range(-1.5..1.5)).collect())
                            .collect();
                        let mut output = vec![vec![f32::NAN; frames]; channels];
                        session.process(&input, &mut output).unwrap();
                        assert!(
                            is_bit_exact(&input, &output),
                            "{format} at {rate} Hz, {frames} frames, {channels} channels"
                        );
                    }
                }
            }
        }
    }
}

/// Mono tracks, quadraphonic, 5.1 and 7.1 buses.
#[test]
fn all_layouts_give_the_same_tags() {
    let last_values = |format, channels| {
        let mut session = open(format);
        session.start(Setup { channels, ..bounce_setup(44_100.0, 512) }).unwrap();
        let music = clip("rock").mono();
        let mut last = BTreeMap::new();
        for part in music.chunks_exact(512).take(500) {
            let input = vec![part.to_vec(); channels];
            let changes = session.process(&input, &mut vec![vec![0.0; 512]; channels]).unwrap();
            last.extend(changes.iter().map(|change| (change.id, (change.value * 1_000.0).round() as i32)));
        }
        assert_nothing_recorded(session.as_mut(), format);
        last
    };
    for format in FORMATS {
        let stereo = last_values(format, 2);
        assert!(stereo.values().any(|value| *value > 100));
        for channels in [1, 4, 6, 8] {
            assert_eq!(last_values(format, channels), stereo, "{format}, {channels} channels");
        }
    }
}

/// A host with a bus of 64 channels is refused, and then uses what the plugin has: it keeps the layout before.
#[test]
fn a_layout_that_the_plugin_does_not_have_is_refused_and_changes_nothing() {
    for format in FORMATS {
        let mut session = open(format);
        for channels in [64, 3, 16, 32] {
            let error = session.start(Setup { channels, ..bounce_setup(44_100.0, 512) }).unwrap_err().to_string();
            assert!(error.contains(&format!("{channels} channels")), "{format}: {error}");
            session.start(bounce_setup(44_100.0, 512)).unwrap();
            let changes = send_noise(session.as_mut(), 0.3, 512, 300).unwrap();
            assert!(changes.iter().any(|change| change.value > 0.0), "{format} after {channels} channels");
            session.stop();
            assert_nothing_recorded(session.as_mut(), format);
        }
    }
}

/// Silence with the noise of a filter that has decayed is silence.
#[test]
fn denormal_silence_has_no_tags() {
    for format in FORMATS {
        let mut session = open(format);
        session.start(bounce_setup(44_100.0, 512)).unwrap();
        let noise = noise(512, 1e-39);
        assert!(noise.iter().all(|sample| sample.is_subnormal() || *sample == 0.0));
        let input = vec![noise; 2];
        let mut output = vec![vec![0.5; 512]; 2];
        for _ in 0..10 * 86 {
            assert_eq!(session.process(&input, &mut output).unwrap(), [], "{format}");
            assert!(is_bit_exact(&input, &output), "{format}");
        }
        assert!(tag_values(session.as_mut()).iter().all(|value| *value == 0.0), "{format}");
        // Music after it has tags as if nothing had been before.
        let changes = send_noise(session.as_mut(), 0.3, 512, 300).unwrap();
        assert!(changes.iter().any(|change| change.value > 0.0), "{format}");
        assert_nothing_recorded(session.as_mut(), format);
    }
}

/// Stereo with one side inverted once became silence, because its mean is zero.
#[test]
fn stereo_out_of_phase_has_the_tags_of_one_channel() {
    let music = clip("rock").mono();
    for format in FORMATS {
        let [in_phase, inverted] = [1.0, -1.0].map(|sign| {
            let mut session = open(format);
            session.start(bounce_setup(44_100.0, 512)).unwrap();
            let mut last = BTreeMap::new();
            for part in music.chunks_exact(512).take(800) {
                let input = vec![part.to_vec(), part.iter().map(|sample| sign * sample).collect()];
                let mut output = vec![vec![0.0; 512]; 2];
                let changes = session.process(&input, &mut output).unwrap();
                assert!(is_bit_exact(&input, &output), "{format}");
                last.extend(changes.iter().map(|change| (change.id, change.value)));
            }
            last
        });
        assert!(in_phase.values().any(|value| *value > 0.3), "{format}: {in_phase:?}");
        // The window no longer includes the first 0.1 s, before the choice of a channel.
        for (id, value) in &in_phase {
            let found = inverted.get(id).copied().unwrap_or(0.0);
            assert!((found - value).abs() < 0.01, "{format}: {id:x} is {found}, not {value}");
        }
    }
}

#[test]
fn non_finite_and_denormal_audio_passes_and_tags_stay_in_range() {
    let extremes = [f32::NAN, f32::INFINITY, -f32::INFINITY, 1e38, -1e38, 1e-42, -0.0, 0.0];
    for format in FORMATS {
        let mut session = open(format);
        session.start(bounce_setup(48_000.0, 4_096)).unwrap();
        let input: Vec<Vec<f32>> = vec![(0..4_096).map(|index| extremes[index % extremes.len()]).collect(); 2];
        for _ in 0..40 {
            let mut output = vec![vec![0.5; 4_096]; 2];
            for change in session.process(&input, &mut output).unwrap() {
                assert!((0.0..=1.0).contains(&change.value), "{format}: {change:?}");
            }
            assert!(is_bit_exact(&input, &output), "{format}");
        }
    }
}

#[test]
fn the_clips_have_plausible_tags() {
    let expected: [(&str, &[&str], usize); 3] = [
        ("orchestral", &["classical", "strings", "violin"], 2),
        ("rock", &["rock", "guitar", "drums", "loud", "metal"], 3),
        ("electronic", &["electronic", "techno", "synth"], 2),
    ];
    for (name, plausible, min_count) in expected {
        let (_, summary) = play_clip("clap", name, 512);
        let top: Vec<&str> = summary.top[..5].iter().map(|(tag, _)| tag.as_str()).collect();
        println!("{name}: {:?}", &summary.top[..5]);
        let found = plausible.iter().filter(|tag| top.contains(tag)).count();
        assert!(found >= min_count, "{name} has the tags {top:?}");
        assert!(plausible.contains(&top[0]), "the first tag of {name} is {}", top[0]);
        assert!(summary.audio_bit_exact);
    }
}

#[test]
fn both_formats_and_all_block_sizes_give_the_same_tags() {
    let last = |snapshots: &[TagSnapshot]| -> BTreeMap<String, f64> {
        snapshots.last().expect("the plugin sent values").tags.clone()
    };
    for name in CLIPS {
        let (reference, summary) = play_clip("clap", name, 512);
        let reference = last(&reference);
        for (format, block) in [("vst3", 512), ("clap", 64), ("vst3", 2_048), ("clap", 441)] {
            let (snapshots, other) = play_clip(format, name, block);
            for (tag, value) in last(&snapshots) {
                assert!(
                    (value - reference[&tag]).abs() < 2e-3,
                    "{name}, {format}, {block}: {tag} is {value} and {}",
                    reference[&tag]
                );
            }
            assert_eq!(other.top[0].0, summary.top[0].0, "{name}, {format}, {block}");
        }
    }
}

#[test]
fn two_bounces_give_the_same_tags() {
    for format in FORMATS {
        assert_eq!(play_clip(format, "electronic", 512), play_clip(format, "electronic", 512), "{format}");
    }
}

#[test]
fn playing_makes_no_edits_restarts_or_rescans() {
    for format in FORMATS {
        let mut session = open(format);
        let playback = Playback { block: 512, fast: true, seconds: None };
        let summary = play(session.as_mut(), format, &mut clip_stream("rock"), playback, |_, _, _| true).unwrap();
        assert!(summary.announcements > 100, "{format}: only {} values were sent", summary.announcements);
        assert_eq!(session.request_counts(), HostRequestCounts::default(), "{format}");
    }
}

#[test]
fn only_tags_are_sent_and_at_most_25_times_a_second() {
    for format in FORMATS {
        let mut session = open(format);
        session.start(bounce_setup(48_000.0, 64)).unwrap();
        let music = clip("electronic").channels;
        let mut blocks = Vec::new();
        for start in (0..48_000 * 8).step_by(64) {
            let input: Vec<Vec<f32>> = music.iter().map(|channel| channel[start..start + 64].to_vec()).collect();
            let changes = session.process(&input, &mut vec![vec![0.0; 64]; 2]).unwrap();
            assert!(changes.iter().all(|change| (FIRST_TAG..FIRST_TAG + 64).contains(&change.id)), "{format}");
            if !changes.is_empty() {
                blocks.push(start / 64);
            }
        }
        assert!(blocks.len() > 10, "{format}: {} times", blocks.len());
        assert!(blocks.windows(2).all(|pair| pair[1] - pair[0] >= 48_000 / 25 / 64), "{format}");
    }
}

#[test]
fn silence_has_no_tags_and_bypass_sets_them_to_zero() {
    for format in FORMATS {
        let mut session = open(format);
        session.start(bounce_setup(44_100.0, 1_024)).unwrap();
        assert_eq!(send_noise(session.as_mut(), 0.0, 1_024, 300).unwrap(), [], "{format}");
        let changes = send_noise(session.as_mut(), 0.3, 1_024, 300).unwrap();
        assert!(changes.iter().any(|change| change.value > 0.0), "{format}");
        let bypass = session.parameters().iter().find(|parameter| parameter.name == "Bypass").unwrap().id;
        session.set(bypass, 1.0);
        send_noise(session.as_mut(), 0.3, 1_024, 100).unwrap();
        for tag in active_tags(session.as_mut()) {
            assert_eq!(session.value(tag.id), Some(0.0), "{format}: {}", tag.name);
        }
    }
}

#[test]
fn a_host_cannot_set_a_tag() {
    for format in FORMATS {
        let mut session = open(format);
        session.start(bounce_setup(44_100.0, 512)).unwrap();
        session.set(FIRST_TAG, 0.9);
        send_noise(session.as_mut(), 0.0, 512, 4).unwrap();
        assert_eq!(session.value(FIRST_TAG), Some(0.0), "{format}");
    }
}

#[test]
fn sample_rate_block_size_and_render_mode_may_change_at_each_start() {
    for format in FORMATS {
        let mut session = open(format);
        for (rate, block) in [(44_100.0, 512), (192_000.0, 4_096), (8_000.0, 1), (48_000.0, 16_384), (44_100.0, 32)] {
            for offline in [false, true] {
                session.start(Setup { sample_rate: rate, max_block_frames: block, channels: 2, offline }).unwrap();
                send_noise(session.as_mut(), 0.2, block, 3).unwrap();
                send_noise(session.as_mut(), 0.2, block.div_ceil(2), 3).unwrap();
            }
        }
        session.stop();
        session.stop();
    }
}

#[test]
fn an_unsupported_sample_rate_passes_the_audio_and_gives_no_tags() {
    let mut session = open("clap");
    session.start(bounce_setup(1_000.0, 512)).unwrap();
    let input = vec![noise(512, 0.5); 2];
    let mut output = vec![vec![0.0; 512]; 2];
    assert_eq!(session.process(&input, &mut output).unwrap(), []);
    assert!(is_bit_exact(&input, &output));
}

/// The state has no values that change by themselves.
#[test]
fn processing_leaves_the_state_alone_and_a_loaded_state_is_saved_again() {
    for format in FORMATS {
        let mut session = open(format);
        let before = session.save().expect("the plugin saves a state");
        session.start(bounce_setup(44_100.0, 512)).unwrap();
        send_noise(session.as_mut(), 0.4, 512, 400).unwrap();
        assert_eq!(session.save().unwrap(), before, "{format}");
        let bypass = session.parameters().iter().find(|parameter| parameter.name == "Bypass").unwrap().id;
        session.set(bypass, 1.0);
        send_noise(session.as_mut(), 0.4, 512, 4).unwrap();
        let saved = session.save().unwrap();
        assert_ne!(saved, before, "{format}");
        let mut fresh = open(format);
        assert!(fresh.load(&saved), "{format}");
        assert_eq!(fresh.save().unwrap(), saved, "{format}");
        assert_eq!(fresh.value(bypass), Some(1.0), "{format}");
    }
}

#[test]
fn a_project_keeps_its_model_and_loads_without_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.onnx");
    for format in FORMATS {
        std::fs::copy(shipped_model(), &model).unwrap();
        let mut session = open(format);
        let state = state_with_field(&session.save().unwrap(), "model", &model.to_str().into());
        assert!(session.load(&state), "{format}");
        session.start(bounce_setup(44_100.0, 512)).unwrap();
        assert!(!send_noise(session.as_mut(), 0.3, 512, 400).unwrap().is_empty(), "{format}");
        let saved = session.save().unwrap();
        drop(session);

        std::fs::remove_file(&model).unwrap();
        let mut session = open(format);
        assert!(session.load(&saved), "{format}");
        session.start(bounce_setup(44_100.0, 512)).unwrap();
        // The default model makes predictions instead.
        assert!(!send_noise(session.as_mut(), 0.3, 512, 400).unwrap().is_empty(), "{format}");
        // The state still names the file, which the user may restore.
        assert_eq!(session.save().unwrap(), saved, "{format}");
    }
}

#[test]
fn an_invalid_state_leaves_a_working_plugin() {
    for format in FORMATS {
        let mut session = open(format);
        for bytes in [&b""[..], b"nonsense", &[0; 64], b"{\"version\":\"9\"}", &[0xff; 3_000]] {
            session.load(bytes);
        }
        session.start(bounce_setup(44_100.0, 512)).unwrap();
        let changes = send_noise(session.as_mut(), 0.3, 512, 400).unwrap();
        assert!(!changes.is_empty(), "{format}");
    }
}

#[test]
fn instances_may_close_while_their_model_is_loading() {
    for format in FORMATS {
        let mut sessions: Vec<Box<dyn Session>> = (0..12).map(|_| open(format)).collect();
        for session in &mut sessions {
            session.start(Setup { sample_rate: 48_000.0, max_block_frames: 512, channels: 2, offline: false }).unwrap();
            send_noise(session.as_mut(), 0.2, 512, 20).unwrap();
        }
        // The closed instances may still be loading their model.
        sessions.truncate(3);
        for session in &mut sessions {
            send_noise(session.as_mut(), 0.2, 512, 20).unwrap();
        }
    }
}
