//! Colours and sizes, in one place.

use egui::{Color32, Context, Visuals};

pub(crate) const BACKGROUND: Color32 = Color32::from_rgb(0x14, 0x17, 0x1c);
pub(crate) const TRACK: Color32 = Color32::from_rgb(0x1f, 0x24, 0x2c);
pub(crate) const TEXT: Color32 = Color32::from_rgb(0xe8, 0xeb, 0xef);
pub(crate) const FAINT: Color32 = Color32::from_rgb(0x84, 0x8e, 0x9c);
pub(crate) const RAISED: Color32 = Color32::from_rgb(0x2a, 0x31, 0x3b);
pub(crate) const ACCENT: Color32 = Color32::from_rgb(0x26, 0x80, 0x8e);
pub(crate) const ARMED: Color32 = Color32::from_rgb(0xe8, 0x5d, 0x5d);
pub(crate) const WARNING: Color32 = Color32::from_rgb(0xf2, 0xb1, 0x4a);

/// The window's first size, in logical pixels.
pub(crate) const SIZE: (f32, f32) = (440.0, 640.0);

/// The height of a tag's row and of the bar in it, and the space around all.
pub(crate) const ROW: f32 = 27.0;
pub(crate) const BAR: f32 = 19.0;
pub(crate) const MARGIN: f32 = 16.0;

/// The height of a line of controls.
pub(crate) const LINE: f32 = 22.0;

/// A bar's colour: from a quiet blue over teal to a warm yellow, lighter all the
/// way, so that strength reads without telling the hues apart.
pub(crate) fn bar(probability: f32) -> Color32 {
    const STOPS: [(f32, [f32; 3]); 4] = [
        (0.0, [52.0, 78.0, 116.0]),
        (0.3, [38.0, 128.0, 142.0]),
        (0.65, [92.0, 190.0, 122.0]),
        (1.0, [240.0, 214.0, 88.0]),
    ];
    let at = probability.clamp(0.0, 1.0);
    let next = STOPS.iter().position(|(stop, _)| at <= *stop).unwrap_or(STOPS.len() - 1).max(1);
    let ((from, low), (to, high)) = (STOPS[next - 1], STOPS[next]);
    let part = (at - from) / (to - from);
    let [r, g, b] = [0, 1, 2].map(|channel| (low[channel] + (high[channel] - low[channel]) * part) as u8);
    Color32::from_rgb(r, g, b)
}

/// Sets the look of everything that is not drawn by hand.
pub(crate) fn apply(context: &Context) {
    let mut visuals = Visuals::dark();
    visuals.panel_fill = BACKGROUND;
    visuals.override_text_color = Some(TEXT);
    visuals.selection.bg_fill = ACCENT;
    visuals.widgets.inactive.bg_fill = TRACK;
    visuals.widgets.inactive.weak_bg_fill = TRACK;
    visuals.widgets.inactive.bg_stroke = (1.0, RAISED).into();
    visuals.widgets.active.bg_fill = RAISED;
    visuals.widgets.hovered.weak_bg_fill = RAISED;
    visuals.window_fill = BACKGROUND;
    visuals.extreme_bg_color = TRACK;
    context.set_visuals(visuals);
}
