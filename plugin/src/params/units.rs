//! Parameters with a unit or a range.

use nice_plug::prelude::*;
use std::ops::RangeInclusive;

/// A time constant from 0 to 5000 ms that cannot be automated; 0 means no smoothing.
pub(super) fn milliseconds(name: &str, default: f32) -> FloatParam {
    let range = FloatRange::Skewed { min: 0.0, max: 5_000.0, factor: FloatRange::skew_factor(-2.0) };
    FloatParam::new(name, default, range).with_step_size(1.0).with_unit(" ms").non_automatable()
}

/// A value from 0 to 1 that is shown in per cent.
pub(super) fn percent(name: &str, default: f32) -> FloatParam {
    FloatParam::new(name, default, FloatRange::Linear { min: 0.0, max: 1.0 })
        .with_unit(" %")
        .with_value_to_string(formatters::v2s_f32_percentage(0))
        .with_string_to_value(formatters::s2v_f32_percentage())
}

/// A whole number that cannot be automated.
///
/// clap-wrapper rounds down what nice-plug computes in single precision. With 15 or 119 steps each number survives that,
/// with 126 or 127 steps every second one became the one below it.
pub(super) fn whole_number(name: &str, default: u8, range: RangeInclusive<u8>) -> IntParam {
    let range = IntRange::Linear { min: (*range.start()).into(), max: (*range.end()).into() };
    IntParam::new(name, default.into(), range).non_automatable()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_survives_that_a_vst3_rounds_it_down() {
        let params = crate::instance::Instance::with_library(None).params.clone();
        let midi = &params.midi;
        for param in [&midi.channel, &midi.first_controller, &midi.first_key, &midi.velocity] {
            let IntRange::Linear { min, max } = param.range() else { panic!("{}", param.name()) };
            for number in min..=max {
                let steps = f64::from(max - min);
                let rounded = (f64::from(param.preview_normalized(number)) * steps).floor();
                assert_eq!(rounded as i32 + min, number, "{}", param.name());
            }
        }
    }
}
