//! The finished bundles in our own hosts, CLAP and VST3 alike.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;
use tagvane_host::player::{Moment, Playback, Summary, play, same_bits, tags};
use tagvane_host::{Disturbances, Session, Setup};
use tagvane_tests::{CLIPS, FORMATS, bounce, changed_state, clip, noise, open, send, shipped_model};
use tagvane_trainer::data::vocabularies::MAGNATAGATUNE;

/// The id of the first tag's parameter. Projects refer to it: it must never change.
const FIRST_TAG: u32 = 0x5441_4700;

fn play_clip(format: &str, name: &str, block: usize) -> (Vec<Moment>, Summary) {
    let mut session = open(format);
    let mut moments = Vec::new();
    let playback = Playback { block, fast: true, seconds: None };
    let summary = play(session.as_mut(), format, &clip(name), playback, |_, moment, _| {
        moments.extend(moment.cloned());
        true
    });
    (moments, summary.expect("the clip plays"))
}

#[test]
fn the_tags_are_outputs_with_the_models_names_and_stable_ids() {
    for format in FORMATS {
        let mut session = open(format);
        let tags = tags(session.as_mut());
        let names: Vec<&str> = tags.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(names, MAGNATAGATUNE, "{format}");
        let ids: Vec<u32> = tags.iter().map(|tag| tag.id).collect();
        assert_eq!(ids, (FIRST_TAG..FIRST_TAG + 50).collect::<Vec<_>>(), "{format}");
        assert!(tags.iter().all(|tag| tag.read_only && !tag.automatable), "{format}");
        let all = session.parameters();
        let others: Vec<_> = all.iter().filter(|parameter| parameter.read_only && parameter.id < FIRST_TAG).collect();
        assert_eq!(all.iter().filter(|parameter| parameter.read_only).count(), 64 + others.len(), "{format}");
        for number in 51..=64 {
            let unused = all.iter().find(|parameter| parameter.name == format!("Unused tag {number}")).unwrap();
            // A VST3 cannot show later what it hides first.
            assert_eq!((unused.id, unused.hidden), (FIRST_TAG + number - 1, format == "clap"), "{format}");
        }
        // The hidden one that says how the model is run.
        assert!(matches!(&*others, [other] if other.hidden && other.id == FIRST_TAG - 1), "{format}: {others:?}");
        assert_eq!(session.text(FIRST_TAG, 0.437).as_deref(), Some("44 %"), "{format}");
    }
}

#[test]
fn the_audio_comes_out_bit_for_bit() {
    let seed = 20_170_701;
    println!("seed {seed}");
    for format in FORMATS {
        let mut session = open(format);
        for rate in [44_100.0, 48_000.0, 96_000.0] {
            for block in [Some(1), Some(64), Some(512), Some(4_096), None] {
                for channels in [1, 2] {
                    let setup =
                        Setup { sample_rate: rate, longest_block: block.unwrap_or(4_096), channels, offline: false };
                    if session.start(setup).is_err() && channels == 1 && format == "vst3" {
                        // clap-wrapper offers a VST3 host the main layout only.
                        continue;
                    }
                    let mut random = StdRng::seed_from_u64(seed);
                    for _ in 0..if block == Some(1) { 300 } else { 24 } {
                        let frames = block.unwrap_or_else(|| random.random_range(1..=4_096));
                        let input: Vec<Vec<f32>> = (0..channels)
                            .map(|_| (0..frames).map(|_| random.random_range(-1.5..1.5)).collect())
                            .collect();
                        let mut output = vec![vec![f32::NAN; frames]; channels];
                        session.process(&input, &mut output).unwrap();
                        assert!(
                            same_bits(&input, &output),
                            "{format} at {rate} Hz, {frames} frames, {channels} channels"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn every_layout_is_heard_alike() {
    let heard = |channels| {
        let mut session = open("clap");
        session.start(Setup { channels, ..bounce(44_100.0, 512) }).unwrap();
        let music = clip("rock").mono();
        let mut last = BTreeMap::new();
        for part in music.chunks_exact(512).take(500) {
            let input = vec![part.to_vec(); channels];
            let announced = session.process(&input, &mut vec![vec![0.0; 512]; channels]).unwrap();
            last.extend(announced.iter().map(|one| (one.id, (one.value * 1_000.0).round() as i32)));
        }
        last
    };
    let stereo = heard(2);
    assert!(stereo.values().any(|value| *value > 100));
    for channels in [1, 4, 6, 8] {
        assert_eq!(heard(channels), stereo, "{channels} channels");
    }
    // A VST3 host is told that there is stereo only, and in words.
    let refused = open("vst3").start(Setup { channels: 1, ..bounce(44_100.0, 512) }).unwrap_err().to_string();
    assert!(refused.contains("channels"), "{refused}");
}

/// Once, stereo with one side inverted was heard as silence.
#[test]
fn stereo_out_of_phase_has_the_tags_of_one_side() {
    let music = clip("rock").mono();
    for format in FORMATS {
        let [alone, inverted] = [1.0, -1.0].map(|sign| {
            let mut session = open(format);
            session.start(bounce(44_100.0, 512)).unwrap();
            let mut last = BTreeMap::new();
            for part in music.chunks_exact(512).take(800) {
                let input = vec![part.to_vec(), part.iter().map(|sample| sign * sample).collect()];
                let mut output = vec![vec![0.0; 512]; 2];
                let announced = session.process(&input, &mut output).unwrap();
                assert!(same_bits(&input, &output), "{format}");
                last.extend(announced.iter().map(|one| (one.id, one.value)));
            }
            last
        });
        assert!(alone.values().any(|value| *value > 0.3), "{format}: {alone:?}");
        // By now the tenth of a second before the first decision is out of the window.
        for (id, value) in &alone {
            let found = inverted.get(id).copied().unwrap_or(0.0);
            assert!((found - value).abs() < 0.01, "{format}: {id:x} is {found}, not {value}");
        }
    }
}

#[test]
fn strange_audio_passes_and_the_tags_stay_sound() {
    let strange = [f32::NAN, f32::INFINITY, -f32::INFINITY, 1e38, -1e38, 1e-42, -0.0, 0.0];
    for format in FORMATS {
        let mut session = open(format);
        session.start(bounce(48_000.0, 4_096)).unwrap();
        let input: Vec<Vec<f32>> = vec![(0..4_096).map(|index| strange[index % strange.len()]).collect(); 2];
        for _ in 0..40 {
            let mut output = vec![vec![0.5; 4_096]; 2];
            for announced in session.process(&input, &mut output).unwrap() {
                assert!((0.0..=1.0).contains(&announced.value), "{format}: {announced:?}");
            }
            assert!(same_bits(&input, &output), "{format}");
        }
    }
}

#[test]
fn the_clips_read_right_to_a_listener() {
    let expected: [(&str, &[&str], usize); 3] = [
        ("orchestral", &["classical", "strings", "violin"], 2),
        ("rock", &["rock", "guitar", "drums", "loud", "metal"], 3),
        ("electronic", &["electronic", "techno", "synth"], 2),
    ];
    for (name, words, least) in expected {
        let (_, summary) = play_clip("clap", name, 512);
        let top: Vec<&str> = summary.top[..5].iter().map(|(tag, _)| tag.as_str()).collect();
        println!("{name}: {:?}", &summary.top[..5]);
        let found = words.iter().filter(|word| top.contains(word)).count();
        assert!(found >= least, "{name} reads {top:?}");
        assert!(words.contains(&top[0]), "{name} reads {} before all", top[0]);
        assert!(summary.audio_bit_exact);
    }
}

#[test]
fn both_formats_and_all_block_sizes_see_the_same_tags() {
    let last =
        |moments: &[Moment]| -> BTreeMap<String, f64> { moments.last().expect("tags were announced").tags.clone() };
    for name in CLIPS {
        let (reference, summary) = play_clip("clap", name, 512);
        let reference = last(&reference);
        for (format, block) in [("vst3", 512), ("clap", 64), ("vst3", 2_048), ("clap", 441)] {
            let (moments, other) = play_clip(format, name, block);
            for (tag, value) in last(&moments) {
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
fn two_bounces_are_the_same() {
    for format in FORMATS {
        assert_eq!(play_clip(format, "electronic", 512), play_clip(format, "electronic", 512), "{format}");
    }
}

#[test]
fn nothing_disturbs_the_session() {
    for format in FORMATS {
        let mut session = open(format);
        let playback = Playback { block: 512, fast: true, seconds: None };
        let summary = play(session.as_mut(), format, &clip("rock"), playback, |_, _, _| true).unwrap();
        assert!(summary.announcements > 100, "{format}: only {} values moved", summary.announcements);
        assert_eq!(session.disturbances(), Disturbances::default(), "{format}");
    }
}

#[test]
fn announcements_are_at_most_25_a_second_and_tags() {
    for format in FORMATS {
        let mut session = open(format);
        session.start(bounce(48_000.0, 64)).unwrap();
        let music = clip("electronic").channels;
        let mut blocks = Vec::new();
        for start in (0..48_000 * 8).step_by(64) {
            let input: Vec<Vec<f32>> = music.iter().map(|channel| channel[start..start + 64].to_vec()).collect();
            let announced = session.process(&input, &mut vec![vec![0.0; 64]; 2]).unwrap();
            assert!(announced.iter().all(|one| (FIRST_TAG..FIRST_TAG + 64).contains(&one.id)), "{format}");
            if !announced.is_empty() {
                blocks.push(start / 64);
            }
        }
        assert!(blocks.len() > 10, "{format}: {} times", blocks.len());
        assert!(blocks.windows(2).all(|pair| pair[1] - pair[0] >= 48_000 / 25 / 64), "{format}");
    }
}

#[test]
fn silence_shows_no_tags_and_bypass_puts_them_to_zero() {
    for format in FORMATS {
        let mut session = open(format);
        session.start(bounce(44_100.0, 1_024)).unwrap();
        assert_eq!(send(session.as_mut(), 0.0, 1_024, 300).unwrap(), [], "{format}");
        let heard = send(session.as_mut(), 0.3, 1_024, 300).unwrap();
        assert!(heard.iter().any(|one| one.value > 0.0), "{format}");
        let bypass = session.parameters().iter().find(|parameter| parameter.name == "Bypass").unwrap().id;
        session.set(bypass, 1.0);
        send(session.as_mut(), 0.3, 1_024, 100).unwrap();
        for tag in tags(session.as_mut()) {
            assert_eq!(session.value(tag.id), Some(0.0), "{format}: {}", tag.name);
        }
    }
}

#[test]
fn a_hosts_write_to_a_tag_changes_nothing() {
    for format in FORMATS {
        let mut session = open(format);
        session.start(bounce(44_100.0, 512)).unwrap();
        session.set(FIRST_TAG, 0.9);
        send(session.as_mut(), 0.0, 512, 4).unwrap();
        assert_eq!(session.value(FIRST_TAG), Some(0.0), "{format}");
    }
}

#[test]
fn rates_blocks_and_restarts_may_change_at_will() {
    for format in FORMATS {
        let mut session = open(format);
        for (rate, block) in [(44_100.0, 512), (192_000.0, 4_096), (8_000.0, 1), (48_000.0, 16_384), (44_100.0, 32)] {
            for offline in [false, true] {
                session.start(Setup { sample_rate: rate, longest_block: block, channels: 2, offline }).unwrap();
                send(session.as_mut(), 0.2, block, 3).unwrap();
                send(session.as_mut(), 0.2, block.div_ceil(2), 3).unwrap();
            }
        }
        session.stop();
        session.stop();
    }
}

#[test]
fn a_rate_that_cannot_be_heard_passes_the_audio() {
    let mut session = open("clap");
    session.start(bounce(1_000.0, 512)).unwrap();
    let input = vec![noise(512, 0.5); 2];
    let mut output = vec![vec![0.0; 512]; 2];
    assert_eq!(session.process(&input, &mut output).unwrap(), []);
    assert!(same_bits(&input, &output));
}

/// What is saved says nothing that moves by itself: it is the same before and after
/// listening.
#[test]
fn the_state_holds_the_controls_and_the_model_alone() {
    for format in FORMATS {
        let mut session = open(format);
        let before = session.save().expect("a state");
        session.start(bounce(44_100.0, 512)).unwrap();
        send(session.as_mut(), 0.4, 512, 400).unwrap();
        assert_eq!(session.save().unwrap(), before, "{format}");
        let bypass = session.parameters().iter().find(|parameter| parameter.name == "Bypass").unwrap().id;
        session.set(bypass, 1.0);
        send(session.as_mut(), 0.4, 512, 4).unwrap();
        let saved = session.save().unwrap();
        assert_ne!(saved, before, "{format}");
        let mut fresh = open(format);
        assert!(fresh.load(&saved), "{format}");
        assert_eq!(fresh.save().unwrap(), saved, "{format}");
        assert_eq!(fresh.value(bypass), Some(1.0), "{format}");
    }
}

#[test]
fn a_project_remembers_its_model_and_survives_its_loss() {
    let folder = tempfile::tempdir().unwrap();
    let mine = folder.path().join("mine.onnx");
    for format in FORMATS {
        std::fs::copy(shipped_model(), &mine).unwrap();
        let mut session = open(format);
        let state = changed_state(&session.save().unwrap(), "model", &mine.to_str().into());
        assert!(session.load(&state), "{format}");
        session.start(bounce(44_100.0, 512)).unwrap();
        assert!(!send(session.as_mut(), 0.3, 512, 400).unwrap().is_empty(), "{format}");
        let saved = session.save().unwrap();
        drop(session);

        std::fs::remove_file(&mine).unwrap();
        let mut session = open(format);
        assert!(session.load(&saved), "{format}");
        session.start(bounce(44_100.0, 512)).unwrap();
        // The usual one listens instead.
        assert!(!send(session.as_mut(), 0.3, 512, 400).unwrap().is_empty(), "{format}");
        // The file may come back: the project still names it.
        assert_eq!(session.save().unwrap(), saved, "{format}");
    }
}

#[test]
fn a_state_that_is_none_leaves_a_working_plugin() {
    for format in FORMATS {
        let mut session = open(format);
        for bytes in [&b""[..], b"nonsense", &[0; 64], b"{\"version\":\"9\"}", &[0xff; 3_000]] {
            session.load(bytes);
        }
        session.start(bounce(44_100.0, 512)).unwrap();
        let heard = send(session.as_mut(), 0.3, 512, 400).unwrap();
        assert!(!heard.is_empty(), "{format}");
    }
}

#[test]
fn many_instances_come_and_go() {
    for format in FORMATS {
        let mut sessions: Vec<Box<dyn Session>> = (0..12).map(|_| open(format)).collect();
        for session in &mut sessions {
            session.start(Setup { sample_rate: 48_000.0, longest_block: 512, channels: 2, offline: false }).unwrap();
            send(session.as_mut(), 0.2, 512, 20).unwrap();
        }
        // The first goes while its model may still be loading.
        sessions.truncate(3);
        for session in &mut sessions {
            send(session.as_mut(), 0.2, 512, 20).unwrap();
        }
    }
}
