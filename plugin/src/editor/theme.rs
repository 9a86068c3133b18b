//! The colours and sizes of the window.

use egui::{Color32, Context, Ui, Visuals};

/// The colours of a theme.
pub(crate) struct Palette {
    pub(crate) background: Color32,
    pub(crate) track: Color32,
    pub(crate) raised: Color32,
    pub(crate) text: Color32,
    pub(crate) faint: Color32,
    pub(crate) accent: Color32,
    pub(crate) armed: Color32,
    pub(crate) warning: Color32,
    /// The colours of the probabilities 0, 0.3, 0.65 and 1. They become steadily lighter in the dark theme
    /// and darker in the light one, so that strength can be read without telling the hues apart.
    scale: [[f32; 3]; 4],
}

const DARK: Palette = Palette {
    background: Color32::from_rgb(0x14, 0x17, 0x1c),
    track: Color32::from_rgb(0x1f, 0x24, 0x2c),
    raised: Color32::from_rgb(0x2a, 0x31, 0x3b),
    text: Color32::from_rgb(0xe8, 0xeb, 0xef),
    faint: Color32::from_rgb(0x8e, 0x98, 0xa6),
    accent: Color32::from_rgb(0x26, 0x80, 0x8e),
    armed: Color32::from_rgb(0xd6, 0x45, 0x45),
    warning: Color32::from_rgb(0xf2, 0xb1, 0x4a),
    scale: [[52.0, 78.0, 116.0], [38.0, 128.0, 142.0], [92.0, 190.0, 122.0], [240.0, 214.0, 88.0]],
};

const LIGHT: Palette = Palette {
    background: Color32::from_rgb(0xf6, 0xf7, 0xf9),
    track: Color32::from_rgb(0xe6, 0xe9, 0xee),
    raised: Color32::from_rgb(0xd4, 0xda, 0xe2),
    text: Color32::from_rgb(0x1b, 0x20, 0x28),
    faint: Color32::from_rgb(0x5c, 0x66, 0x74),
    accent: Color32::from_rgb(0x74, 0xb6, 0xc0),
    armed: Color32::from_rgb(0xd9, 0x4a, 0x4a),
    warning: Color32::from_rgb(0x9a, 0x5b, 0x00),
    scale: [[176.0, 200.0, 218.0], [96.0, 172.0, 178.0], [34.0, 122.0, 134.0], [44.0, 42.0, 96.0]],
};

/// The width of the window from which on the tags are beside the other pages, in points.
pub(crate) const WIDE_WIDTH: f32 = 760.0;

/// The lowest height of a tag's row, in points.
pub(crate) const TAG_ROW_HEIGHT: f32 = 25.0;

/// The greatest height of a tag's row, in points.
pub(crate) const MAX_TAG_ROW_HEIGHT: f32 = 44.0;

/// The height of the bar in a row of height [`TAG_ROW_HEIGHT`], in points.
pub(crate) const BAR_HEIGHT: f32 = 17.0;

/// The margin of the window, in points.
pub(crate) const WINDOW_MARGIN: f32 = 14.0;

/// The height of a line of controls, in points.
pub(crate) const CONTROL_HEIGHT: f32 = 22.0;

/// The colours of the current theme.
pub(crate) fn palette(ui: &Ui) -> &'static Palette {
    if ui.visuals().dark_mode { &DARK } else { &LIGHT }
}

impl Palette {
    /// The colours of the light or the dark theme.
    pub(crate) fn of(light: bool) -> &'static Self {
        if light { &LIGHT } else { &DARK }
    }

    /// The colour of a bar.
    pub(crate) fn bar(&self, probability: f32) -> Color32 {
        const STOPS: [f32; 4] = [0.0, 0.3, 0.65, 1.0];
        let probability = if probability.is_finite() { probability.clamp(0.0, 1.0) } else { 0.0 };
        let next = STOPS.iter().position(|stop| probability <= *stop).unwrap_or(STOPS.len() - 1).max(1);
        let fraction = (probability - STOPS[next - 1]) / (STOPS[next] - STOPS[next - 1]);
        let [r, g, b] = [0, 1, 2].map(|channel| {
            let (low, high) = (self.scale[next - 1][channel], self.scale[next][channel]);
            (low + (high - low) * fraction) as u8
        });
        Color32::from_rgb(r, g, b)
    }

    /// The colour of a tag's text: faint for a low value, so that the others can be read from afar.
    pub(crate) fn tag_text(&self, value: f32) -> Color32 {
        self.faint.lerp_to_gamma(self.text, (value * 4.0).min(1.0))
    }

    /// The colour of a cell in the taggram, which fades to the background below 0.2.
    pub(crate) fn cell(&self, probability: f32) -> Color32 {
        let opacity = (probability / 0.2).clamp(0.0, 1.0);
        self.track.lerp_to_gamma(self.bar(probability), opacity)
    }
}

/// Sets the colours of egui's own widgets.
pub(crate) fn apply(context: &Context, light: bool) {
    let palette = Palette::of(light);
    let mut visuals = if light { Visuals::light() } else { Visuals::dark() };
    visuals.panel_fill = palette.background;
    visuals.override_text_color = Some(palette.text);
    visuals.selection.bg_fill = palette.accent;
    visuals.selection.stroke = (1.0, palette.text).into();
    visuals.widgets.inactive.bg_fill = palette.track;
    visuals.widgets.inactive.weak_bg_fill = palette.track;
    visuals.widgets.inactive.bg_stroke = (1.0, palette.raised).into();
    visuals.widgets.active.bg_fill = palette.raised;
    visuals.widgets.hovered.weak_bg_fill = palette.raised;
    visuals.window_fill = palette.background;
    visuals.extreme_bg_color = palette.track;
    context.set_visuals(visuals);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The weighted sum of Rec. 709, without gamma.
    fn lightness(color: Color32) -> f32 {
        0.2126 * f32::from(color.r()) + 0.7152 * f32::from(color.g()) + 0.0722 * f32::from(color.b())
    }

    #[test]
    fn bar_colours_change_lightness_monotonically() {
        for (palette, sign) in [(&DARK, 1.0), (&LIGHT, -1.0)] {
            for step in 1..=50 {
                let [before, after] = [step - 1, step].map(|step| lightness(palette.bar(step as f32 / 50.0)));
                assert!(sign * (after - before) > 0.0, "at {step}: {before} {after}");
            }
            assert_eq!(palette.bar(f32::NAN), palette.bar(0.0));
        }
    }

    #[test]
    fn text_has_the_contrast_that_wcag_2_1_demands() {
        let linear = |channel: u8| {
            let value = f32::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let luminance =
            |color: Color32| 0.2126 * linear(color.r()) + 0.7152 * linear(color.g()) + 0.0722 * linear(color.b());
        for palette in [&DARK, &LIGHT] {
            for (front, back) in [
                (palette.text, palette.background),
                (palette.text, palette.track),
                (palette.text, palette.raised),
                (palette.faint, palette.background),
                (palette.warning, palette.background),
            ] {
                let (a, b) = (luminance(front) + 0.05, luminance(back) + 0.05);
                assert!(a.max(b) / a.min(b) >= 4.5, "{front:?} on {back:?}: {}", a.max(b) / a.min(b));
            }
        }
    }
}
