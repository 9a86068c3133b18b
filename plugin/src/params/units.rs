//! Float parameters with a unit.

use nice_plug::prelude::*;

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
