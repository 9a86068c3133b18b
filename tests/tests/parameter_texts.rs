//! A parameter's value becomes a text, and the plugin parses that text to the same value.

use std::time::{Duration, Instant};
use tagvane_tests::{FORMATS, open};

/// Steps between the minimum and maximum of each parameter.
const STEPS: u32 = 400;

/// clap-validator 0.4.1 found that the text of "Inference" was not parsed.
#[test]
fn the_text_of_each_parameters_value_is_parsed_to_that_value() {
    for format in FORMATS {
        let mut session = open(format);
        // While the model is loading, and after.
        for _ in 0..2 {
            for parameter in session.parameters() {
                let (minimum, maximum) = parameter.range;
                for step in 0..=STEPS {
                    let value = minimum + (maximum - minimum) * f64::from(step) / f64::from(STEPS);
                    let name = format!("{format}, {} at {value}", parameter.name);
                    let text = session.text(parameter.id, value).unwrap_or_else(|| panic!("{name}: no text"));
                    let parsed = session.parse(parameter.id, &text);
                    let parsed = parsed.unwrap_or_else(|| panic!("{name}: \"{text}\" cannot be parsed"));
                    assert!((minimum..=maximum).contains(&parsed), "{name}: \"{text}\" becomes {parsed}");
                    assert_eq!(session.text(parameter.id, parsed).as_ref(), Some(&text), "{name}: {parsed}");
                    assert_eq!(session.parse(parameter.id, &text), Some(parsed), "{name}");
                }
            }
            wait_until_loaded(session.as_mut());
        }
    }
}

/// A host may request the text of any value at any time.
#[test]
fn a_text_depends_on_the_value_alone() {
    for format in FORMATS {
        let mut session = open(format);
        let id = inference_id(session.as_mut());
        let texts = |session: &mut dyn tagvane_host::Session| -> Vec<String> {
            (0..=5).map(|step| session.text(id, f64::from(step) / 5.0).unwrap()).collect()
        };
        let before = texts(session.as_mut());
        assert_eq!((&*before[0], &*before[4]), ("loading", "sliding"), "{format}");
        wait_until_loaded(session.as_mut());
        assert_eq!(texts(session.as_mut()), before, "{format}");
    }
}

fn inference_id(session: &mut dyn tagvane_host::Session) -> u32 {
    session
        .parameters()
        .iter()
        .find(|parameter| parameter.name == "Inference")
        .expect("there is a parameter Inference")
        .id
}

/// Starts bounces, which wait for the model, until the model is loaded.
fn wait_until_loaded(session: &mut dyn tagvane_host::Session) {
    let id = inference_id(session);
    let start = Instant::now();
    while session.value(id) == Some(0.0) {
        session.start(tagvane_tests::bounce_setup(48_000.0, 512)).unwrap();
        session.stop();
        assert!(start.elapsed() < Duration::from_secs(10), "the model is not loaded after 10 s");
    }
}
