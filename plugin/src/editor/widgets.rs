//! Headings, and widgets for parameters, which send the host the gestures around each change.

use super::theme;
use egui::{ComboBox, RichText, Ui};
use nice_plug::context::gui::ParamSetter;
use nice_plug::prelude::*;
use nice_plug_egui::widgets::ParamSlider;

/// The width of the name in front of a control, in points.
const NAME_WIDTH: f32 = 92.0;

/// A heading.
pub(crate) fn heading(ui: &mut Ui, text: &str) {
    ui.add_space(10.0);
    ui.label(RichText::new(text).size(14.0).strong());
    ui.add_space(2.0);
}

/// A name with a control behind it.
pub(crate) fn line(ui: &mut Ui, name: &str, control: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        let label = egui::Label::new(RichText::new(name).size(13.0).color(theme::palette(ui).faint));
        ui.allocate_ui_with_layout(
            egui::vec2(NAME_WIDTH, theme::CONTROL_HEIGHT),
            egui::Layout::left_to_right(egui::Align::Center),
            |ui| {
                ui.set_min_width(NAME_WIDTH);
                ui.add(label);
            },
        );
        control(ui);
    });
}

/// A name with a text behind it; nothing without a text.
pub(crate) fn detail(ui: &mut Ui, name: &str, text: String) {
    if !text.is_empty() {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new(name).size(13.0).color(theme::palette(ui).faint));
            ui.label(RichText::new(text).size(13.0));
        });
    }
}

/// A slider with its value, which can be typed too.
pub(crate) fn slider<P: Param>(ui: &mut Ui, setter: &ParamSetter<'_>, name: &str, parameter: &P) {
    line(ui, name, |ui| {
        ui.add(ParamSlider::for_param(parameter, setter).with_width(ui.available_width() - 76.0));
    });
}

/// A checkbox.
pub(crate) fn checkbox(ui: &mut Ui, setter: &ParamSetter<'_>, text: &str, parameter: &BoolParam) {
    let mut is_on = parameter.value();
    if ui.checkbox(&mut is_on, text).changed() {
        set(setter, parameter, is_on);
    }
}

/// The variants of an enum, side by side.
pub(crate) fn choice<T: Enum + PartialEq + 'static>(ui: &mut Ui, setter: &ParamSetter<'_>, parameter: &EnumParam<T>) {
    let current = parameter.value().to_index();
    for (index, name) in T::variants().iter().enumerate() {
        if ui.selectable_label(index == current, *name).clicked() && index != current {
            set(setter, parameter, T::from_index(index));
        }
    }
}

/// A list of whole numbers.
pub(crate) fn number(ui: &mut Ui, setter: &ParamSetter<'_>, parameter: &IntParam) {
    let IntRange::Linear { min, max } = parameter.range() else { return };
    let list = ComboBox::from_id_salt(parameter.name())
        .selected_text(parameter.value().to_string())
        .width(64.0)
        .show_ui(ui, |ui| {
            for number in min..=max {
                if ui.selectable_label(number == parameter.value(), number.to_string()).clicked() {
                    set(setter, parameter, number);
                }
            }
        });
    list.response.on_hover_text(parameter.name());
}

/// Sets a parameter within a gesture.
pub(crate) fn set<P: Param>(setter: &ParamSetter<'_>, parameter: &P, value: P::Plain) {
    setter.begin_set_parameter(parameter);
    setter.set_parameter(parameter, value);
    setter.end_set_parameter(parameter);
}
