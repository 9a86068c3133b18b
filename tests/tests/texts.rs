//! What parameters are called in words: a value becomes a text, and the text that value again.

use std::time::{Duration, Instant};
use tagvane_tests::{FORMATS, open};

/// Values of each parameter, from its lowest to its highest.
const VALUES: u32 = 400;

/// clap-validator 0.4.1 found that the text of "Inference" was not read back.
#[test]
fn every_value_of_every_parameter_goes_both_ways() {
    for format in FORMATS {
        let mut session = open(format);
        // While the model is loaded, and after.
        for _ in 0..2 {
            for parameter in session.parameters() {
                let (lowest, highest) = parameter.range;
                for step in 0..=VALUES {
                    let value = lowest + (highest - lowest) * f64::from(step) / f64::from(VALUES);
                    let name = format!("{format}, {} at {value}", parameter.name);
                    let text = session.text(parameter.id, value).unwrap_or_else(|| panic!("{name}: no text"));
                    let parsed = session.parse(parameter.id, &text);
                    let parsed = parsed.unwrap_or_else(|| panic!("{name}: \"{text}\" is not read back"));
                    assert!((lowest..=highest).contains(&parsed), "{name}: \"{text}\" becomes {parsed}");
                    assert_eq!(session.text(parameter.id, parsed).as_ref(), Some(&text), "{name}: {parsed}");
                    assert_eq!(session.parse(parameter.id, &text), Some(parsed), "{name}");
                }
            }
            wait_until_loaded(session.as_mut());
        }
    }
}

/// Texts do not depend on what the plugin does at the moment, so that a host may ask for any value's.
#[test]
fn a_text_is_the_values_alone() {
    for format in FORMATS {
        let mut session = open(format);
        let id = inference(session.as_mut());
        let texts = |session: &mut dyn tagvane_host::Session| -> Vec<String> {
            (0..=5).map(|step| session.text(id, f64::from(step) / 5.0).unwrap()).collect()
        };
        let before = texts(session.as_mut());
        assert_eq!((&*before[0], &*before[4]), ("loading", "sliding"), "{format}");
        wait_until_loaded(session.as_mut());
        assert_eq!(texts(session.as_mut()), before, "{format}");
    }
}

fn inference(session: &mut dyn tagvane_host::Session) -> u32 {
    session.parameters().iter().find(|parameter| parameter.name == "Inference").expect("an Inference").id
}

/// Waits until a model is loaded, as a bounce does.
fn wait_until_loaded(session: &mut dyn tagvane_host::Session) {
    let id = inference(session);
    let start = Instant::now();
    while session.value(id) == Some(0.0) {
        session.start(tagvane_tests::bounce(48_000.0, 512)).unwrap();
        session.stop();
        assert!(start.elapsed() < Duration::from_secs(10), "the model is not loaded");
    }
}
