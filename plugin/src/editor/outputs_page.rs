//! The page of the outputs besides the slots: tags for the host, MIDI, OSC.

use super::{theme, widgets};
use crate::instance::Instance;
use egui::{ComboBox, PopupCloseBehavior, RichText, ScrollArea, TextEdit, Ui};
use nice_plug::context::gui::ParamSetter;
use std::time::{Duration, Instant};
use tagvane_engine::Vocabulary;
use tagvane_outputs::{MAX_PUBLISHED_TAGS, OscMessageKind, OscSettings, OscStatus, PREDICTION_DELAY, Routing, SLOTS};

/// The time that an activity light is on after a message was sent.
const LIGHT_DURATION: Duration = Duration::from_millis(150);

/// The state of the page.
#[derive(Default)]
pub(crate) struct OutputsPage {
    /// The OSC settings while they are being typed.
    osc_draft: Option<OscSettings>,
    midi_light: ActivityLight,
    osc_light: ActivityLight,
}

/// A light that is on while messages are sent.
#[derive(Default)]
struct ActivityLight {
    /// The number of messages at the last frame.
    count: u64,
    last_sent: Option<Instant>,
}

impl ActivityLight {
    /// Draws the light, which goes on when `count`, the number of messages, grows.
    fn show(&mut self, ui: &mut Ui, count: u64) {
        if count > self.count {
            self.last_sent = Some(Instant::now());
        }
        self.count = count;
        let is_on = self.last_sent.is_some_and(|last_sent| last_sent.elapsed() < LIGHT_DURATION);
        let palette = theme::palette(ui);
        let (area, response) = ui.allocate_exact_size(egui::Vec2::splat(10.0), egui::Sense::hover());
        ui.painter().circle_filled(area.center(), 4.0, if is_on { palette.warning } else { palette.raised });
        if is_on {
            ui.ctx().request_repaint_after(LIGHT_DURATION);
        }
        response.on_hover_text(format!("{count} sent so far"));
    }
}

impl OutputsPage {
    /// Draws the page; `names` are the tags of the model.
    pub(crate) fn show(&mut self, ui: &mut Ui, instance: &Instance, setter: &ParamSetter<'_>, names: &[String]) {
        ScrollArea::vertical().id_salt("outputs").auto_shrink([false, false]).show(ui, |ui| {
            let config = instance.outputs.config();
            tags(ui, instance, setter, names, &config.routing);
            midi(ui, instance, setter, &mut self.midi_light);
            osc(ui, instance, &config.osc, &mut self.osc_draft, &mut self.osc_light);
        });
    }
}

fn tags(ui: &mut Ui, instance: &Instance, setter: &ParamSetter<'_>, names: &[String], routing: &Routing) {
    let params = &instance.params.tags;
    widgets::heading(ui, "Tags, as the host's read-only parameters");
    widgets::line(ui, "Update rate", |ui| widgets::choice(ui, setter, &params.announce_rate));
    if instance.params.host_quirks().treats_outputs_as_edits {
        faint(ui, "This host may take announced values for your edits. Auto announces none; the host can read them.");
    }
    widgets::slider(ui, setter, "Attack", &params.attack);
    widgets::slider(ui, setter, "Release", &params.release);
    let note =
        format!("Bars, host and OSC follow the same smoothed values, {PREDICTION_DELAY:.1} s after a window's end.");
    faint(ui, &note);
    if names.len() > MAX_PUBLISHED_TAGS {
        widgets::line(ui, "Published", |ui| published_list(ui, instance, names, routing));
        faint(
            ui,
            &format!("The host sees at most {MAX_PUBLISHED_TAGS} of the {} tags, whatever the bars show.", names.len()),
        );
    }
}

/// Draws the list of the tags that the host sees of a large model.
fn published_list(ui: &mut Ui, instance: &Instance, names: &[String], routing: &Routing) {
    let published: Vec<String> =
        (0..MAX_PUBLISHED_TAGS).map_while(|index| instance.outputs.published_name(index)).collect();
    let has_taught = !instance.engine.board().status().taught().is_empty();
    let text = match (&*routing.published, has_taught) {
        ([], false) => format!("first {MAX_PUBLISHED_TAGS}"),
        ([], true) => "first ones, Mine".to_owned(),
        _ => format!("{} selected", published.len()),
    };
    let list = ComboBox::from_id_salt("published")
        .selected_text(text)
        .height(320.0)
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .show_ui(ui, |ui| {
            let status = instance.engine.board().status();
            for (name, range) in Vocabulary::ranges(status.vocabularies()) {
                let own: Vec<String> =
                    names.get(range).unwrap_or_default().iter().take(MAX_PUBLISHED_TAGS).cloned().collect();
                let count = own.len();
                if ui.button(format!("{name}: {count} tags")).on_hover_text("Publishes these alone").clicked() {
                    instance.edit_outputs(|config| config.routing.published = own);
                }
            }
            for tag in names {
                let mut is_selected = published.contains(tag);
                let is_enabled = is_selected || published.len() < MAX_PUBLISHED_TAGS;
                if ui.add_enabled(is_enabled, egui::Checkbox::new(&mut is_selected, tag)).changed() {
                    let mut edited = published.clone();
                    if is_selected {
                        edited.push(tag.clone())
                    } else {
                        edited.retain(|other| other != tag)
                    }
                    instance.edit_outputs(|config| config.routing.published = edited);
                }
            }
        });
    list.response.on_hover_text("The tags that the host sees");
}

fn midi(ui: &mut Ui, instance: &Instance, setter: &ParamSetter<'_>, light: &mut ActivityLight) {
    let params = &instance.params.midi;
    widgets::heading(ui, "MIDI");
    ui.horizontal(|ui| {
        light.show(ui, instance.outputs.midi_messages());
        widgets::checkbox(ui, setter, "Send the slots as controllers", &params.is_on);
    });
    ui.add_enabled_ui(params.is_on.value(), |ui| {
        widgets::line(ui, "Channel", |ui| {
            widgets::number(ui, setter, &params.channel);
            ui.add_space(10.0);
            widgets::checkbox(ui, setter, "The tags too, on the next channel", &params.sends_tags);
        });
        widgets::line(ui, "First controller", |ui| {
            widgets::number(ui, setter, &params.first_controller);
            ui.add_space(10.0);
            widgets::checkbox(ui, setter, "14 bits, with the controllers 32 above", &params.is_14_bit);
        });
        if params.is_14_bit.value()
            && let Some(why) = unsent_pairs(params.first_controller.value())
        {
            ui.label(RichText::new(why).size(12.0).color(theme::palette(ui).warning));
        }
        widgets::checkbox(ui, setter, "Slots in gate mode send notes too", &params.sends_notes);
        ui.add_enabled_ui(params.sends_notes.value(), |ui| {
            widgets::line(ui, "First note", |ui| {
                widgets::number(ui, setter, &params.first_key);
                ui.add_space(10.0);
                ui.label("Velocity");
                widgets::number(ui, setter, &params.velocity);
            });
        });
    });
    widgets::checkbox(
        ui,
        setter,
        "MIDI and OSC send the slots' live values even while Write is off",
        &params.sends_live_values,
    );
}

/// Which slots have no controller for 14 bits, in a sentence.
fn unsent_pairs(first_controller: i32) -> Option<String> {
    let sent = (32 - first_controller).clamp(0, SLOTS as i32);
    let slots = match SLOTS as i32 - sent {
        0 => return None,
        1 => format!("Slot {SLOTS} is"),
        _ => format!("Slots {} to {SLOTS} are", sent + 1),
    };
    Some(format!("{slots} not sent: 14 bits need a controller below 32. Set the first one to 24 or lower."))
}

fn osc(
    ui: &mut Ui,
    instance: &Instance,
    settings: &OscSettings,
    draft: &mut Option<OscSettings>,
    light: &mut ActivityLight,
) {
    widgets::heading(ui, "OSC over UDP");
    let status = instance.outputs.osc_status();
    let mut is_on = settings.on;
    ui.horizontal(|ui| {
        light.show(ui, if let OscStatus::Sending { datagrams, .. } = &status { *datagrams } else { 0 });
        if ui.checkbox(&mut is_on, "Send tags and slots").changed() {
            instance.edit_outputs(|config| config.osc.on = is_on);
        }
    });
    let typed = draft.get_or_insert_with(|| settings.clone());
    let mut is_editing = false;
    let mut is_done = false;
    let fields = [
        ("To", &mut typed.address, 200, "The receivers: IP addresses with ports, separated by commas"),
        ("Instance", &mut typed.instance, 64, "The name of this instance in the OSC addresses"),
        (
            "Pattern",
            &mut typed.pattern,
            128,
            "The OSC addresses; {kind} stands for tag, slot or age, {name} for the tag's name or the slot's number",
        ),
    ];
    for (name, text, limit, hint) in fields {
        widgets::line(ui, name, |ui| {
            let field = TextEdit::singleline(text).desired_width(260.0).char_limit(limit);
            let response = ui.add(field).on_hover_text(hint);
            is_editing |= response.has_focus();
            is_done |= response.lost_focus();
        });
    }
    if is_done {
        let [address, name, pattern] =
            [&typed.address, &typed.instance, &typed.pattern].map(|text| text.trim().to_owned());
        instance.edit_outputs(|config| {
            config.osc = OscSettings { address, instance: name, pattern, ..config.osc.clone() };
        });
    }
    if !is_editing {
        // The fields show the current settings again.
        *draft = None;
    }
    let mut sends_bundles = settings.sends_bundles;
    let bundles = ui.checkbox(&mut sends_bundles, "Send the messages of a moment as a bundle");
    if bundles.on_hover_text("Off: each message alone, for receivers that know no bundles, such as ChucK").changed() {
        instance.edit_outputs(|config| config.osc.sends_bundles = sends_bundles);
    }
    match status {
        OscStatus::Off => faint(ui, "Off"),
        OscStatus::Sending { to, datagrams } => {
            let to: Vec<String> = to.iter().map(ToString::to_string).collect();
            faint(ui, &format!("Sending to {}, {datagrams} datagrams so far", to.join(", ")));
        }
        OscStatus::Failed(why) => {
            ui.label(RichText::new(why).size(12.0).color(theme::palette(ui).warning));
        }
    }
    let [first, last] = [1, SLOTS].map(|number| settings.message_address(OscMessageKind::Slot(number)));
    faint(ui, &format!("{}, {first} to {last}", settings.message_address(OscMessageKind::Tag("…"))));
}

fn faint(ui: &mut Ui, text: &str) {
    let faint = theme::palette(ui).faint;
    ui.label(RichText::new(text).size(12.0).color(faint));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_without_a_controller_for_14_bits_are_named() {
        let start = |first| unsent_pairs(first).map(|why| why.split(" not").next().unwrap().to_owned());
        assert_eq!([20, 24].map(start), [None, None]);
        assert_eq!(
            [25, 30, 32, 119].map(|first| start(first).unwrap()),
            ["Slot 8 is", "Slots 3 to 8 are", "Slots 1 to 8 are", "Slots 1 to 8 are"]
        );
    }
}
