//! The page of the outputs besides the slots: tags for the host, MIDI, OSC.

use super::{controls, theme};
use crate::instance::Instance;
use egui::{ComboBox, PopupCloseBehavior, RichText, ScrollArea, TextEdit, Ui};
use nice_plug::context::gui::ParamSetter;
use std::time::{Duration, Instant};
use tagvane_outputs::{DELAY, OscSettings, OscStatus, PUBLISHED, Routing, osc_address_part};

/// The time that an activity light is on after a message was sent.
const LIGHT_DURATION: Duration = Duration::from_millis(150);

/// The activity lights.
#[derive(Default)]
pub(crate) struct Activity {
    midi: ActivityLight,
    osc: ActivityLight,
}

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

/// Draws the page; `names` are the tags of the model, `draft` is the text that is being typed.
pub(crate) fn show(
    ui: &mut Ui,
    instance: &Instance,
    setter: &ParamSetter<'_>,
    names: &[String],
    draft: &mut Option<OscSettings>,
    activity: &mut Activity,
) {
    ScrollArea::vertical().id_salt("outputs").auto_shrink([false, false]).show(ui, |ui| {
        let routing = instance.outputs.routing();
        tags(ui, instance, setter, names, &routing);
        midi(ui, instance, setter, &mut activity.midi);
        osc(ui, instance, &routing.osc, draft, &mut activity.osc);
    });
}

fn tags(ui: &mut Ui, instance: &Instance, setter: &ParamSetter<'_>, names: &[String], routing: &Routing) {
    let controls = &instance.controls.tags;
    heading(ui, "Tags, as the host's read-only parameters");
    controls::line(ui, "At most", |ui| controls::choice(ui, setter, &controls.announce));
    if instance.controls.host().treats_outputs_as_edits {
        faint(ui, "This host may take announced values for your edits. Auto announces none; the host can read them.");
    }
    controls::slider(ui, setter, "Attack", &controls.attack);
    controls::slider(ui, setter, "Release", &controls.release);
    let note = format!("Bars, host and OSC follow the same smoothed values, {DELAY:.1} s after a window's end.");
    faint(ui, &note);
    if names.len() > PUBLISHED {
        controls::line(ui, "Published", |ui| published_list(ui, instance, names, routing));
        faint(ui, &format!("The host sees at most {PUBLISHED} of the {} tags; the bars show all.", names.len()));
    }
}

/// Draws the list of the tags that the host sees of a large model.
fn published_list(ui: &mut Ui, instance: &Instance, names: &[String], routing: &Routing) {
    let published: Vec<String> = (0..PUBLISHED).map_while(|index| instance.outputs.published_name(index)).collect();
    let text = if routing.published.is_empty() { "the first".into() } else { format!("{} selected", published.len()) };
    let list = ComboBox::from_id_salt("published")
        .selected_text(text)
        .height(320.0)
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .show_ui(ui, |ui| {
            for tag in names {
                let mut is_selected = published.contains(tag);
                let is_enabled = is_selected || published.len() < PUBLISHED;
                if ui.add_enabled(is_enabled, egui::Checkbox::new(&mut is_selected, tag)).changed() {
                    let mut edited = published.clone();
                    if is_selected {
                        edited.push(tag.clone())
                    } else {
                        edited.retain(|other| other != tag)
                    }
                    instance.edit_routing(|routing| routing.published = edited);
                }
            }
        });
    list.response.on_hover_text("The tags that the host sees");
}

fn midi(ui: &mut Ui, instance: &Instance, setter: &ParamSetter<'_>, light: &mut ActivityLight) {
    let controls = &instance.controls.midi;
    heading(ui, "MIDI control changes");
    if instance.controls.host().is_vst3 {
        faint(ui, "A VST3 audio effect cannot send them; use the CLAP.");
        return;
    }
    ui.horizontal(|ui| {
        light.show(ui, instance.outputs.control_changes());
        controls::checkbox(ui, setter, "Send the slots", &controls.on);
    });
    ui.add_enabled_ui(controls.on.value(), |ui| {
        controls::line(ui, "Channel", |ui| controls::number(ui, setter, &controls.channel));
        controls::line(ui, "First controller", |ui| controls::number(ui, setter, &controls.first));
        controls::checkbox(ui, setter, "The tags too, on the next channel", &controls.tags);
    });
    controls::checkbox(ui, setter, "MIDI and OSC send the slots' live values even while Write is off", &controls.live);
}

fn osc(
    ui: &mut Ui,
    instance: &Instance,
    settings: &OscSettings,
    draft: &mut Option<OscSettings>,
    light: &mut ActivityLight,
) {
    heading(ui, "OSC over UDP");
    let status = instance.outputs.osc_status();
    let mut on = settings.on;
    ui.horizontal(|ui| {
        light.show(ui, if let OscStatus::Sending { datagrams, .. } = &status { *datagrams } else { 0 });
        if ui.checkbox(&mut on, "Send tags and slots").changed() {
            instance.edit_routing(|routing| routing.osc.on = on);
        }
    });
    let typed = draft.get_or_insert_with(|| settings.clone());
    let mut is_editing = false;
    let mut is_done = false;
    let fields = [
        ("To", &mut typed.address, "The receiver: an IP address and a port"),
        ("Instance", &mut typed.instance, "The name of this instance in the OSC addresses"),
    ];
    for (name, text, hint) in fields {
        controls::line(ui, name, |ui| {
            let field = TextEdit::singleline(text).desired_width(220.0).char_limit(64);
            let response = ui.add(field).on_hover_text(hint);
            is_editing |= response.has_focus();
            is_done |= response.lost_focus();
        });
    }
    if is_done {
        let (address, name) = (typed.address.trim().to_owned(), typed.instance.trim().to_owned());
        instance.edit_routing(|routing| (routing.osc.address, routing.osc.instance) = (address, name));
    }
    if !is_editing {
        // The fields show the current settings again.
        *draft = None;
    }
    match status {
        OscStatus::Off => faint(ui, "Off"),
        OscStatus::Sending { to, datagrams } => faint(ui, &format!("Sending to {to}, {datagrams} datagrams so far")),
        OscStatus::Failed(why) => {
            ui.label(RichText::new(why).size(12.0).color(theme::palette(ui).warning));
        }
    }
    faint(ui, &format!("/tagvane/{}/tag/…, /slot/1 to /slot/8", osc_address_part(&settings.instance)));
}

fn heading(ui: &mut Ui, text: &str) {
    ui.add_space(10.0);
    ui.label(RichText::new(text).size(14.0).strong());
    ui.add_space(2.0);
}

fn faint(ui: &mut Ui, text: &str) {
    let faint = theme::palette(ui).faint;
    ui.label(RichText::new(text).size(12.0).color(faint));
}
