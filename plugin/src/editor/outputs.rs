//! What goes out besides the slots: tags to the host, MIDI, OSC.

use super::{controls, theme};
use crate::parts::Parts;
use egui::{ComboBox, PopupCloseBehavior, RichText, ScrollArea, TextEdit, Ui};
use nice_plug::context::gui::ParamSetter;
use std::time::{Duration, Instant};
use tagvane_outputs::{DELAY, OscSettings, OscStatus, PUBLISHED, Wiring, osc_part};

/// How long a light stays on after something was sent.
const LIT: Duration = Duration::from_millis(150);

/// What was sent so far, and when that was last more than before.
#[derive(Default)]
pub(crate) struct Activity {
    midi: Light,
    osc: Light,
}

#[derive(Default)]
struct Light {
    count: u64,
    moved: Option<Instant>,
}

impl Light {
    /// A point that lights up when `count` grows.
    fn show(&mut self, ui: &mut Ui, count: u64) {
        if count > self.count {
            self.moved = Some(Instant::now());
        }
        self.count = count;
        let lit = self.moved.is_some_and(|moved| moved.elapsed() < LIT);
        let palette = theme::palette(ui);
        let (area, response) = ui.allocate_exact_size(egui::Vec2::splat(10.0), egui::Sense::hover());
        ui.painter().circle_filled(area.center(), 4.0, if lit { palette.warning } else { palette.raised });
        if lit {
            ui.ctx().request_repaint_after(LIT);
        }
        response.on_hover_text(format!("{count} sent so far"));
    }
}

/// The page of the outputs; `draft` is what is being typed.
pub(crate) fn show(
    ui: &mut Ui,
    parts: &Parts,
    setter: &ParamSetter<'_>,
    names: &[String],
    draft: &mut Option<OscSettings>,
    activity: &mut Activity,
) {
    ScrollArea::vertical().id_salt("outputs").auto_shrink([false, false]).show(ui, |ui| {
        let wiring = parts.outputs.wiring();
        tags(ui, parts, setter, names, &wiring);
        midi(ui, parts, setter, &mut activity.midi);
        osc(ui, parts, &wiring.osc, draft, &mut activity.osc);
    });
}

fn tags(ui: &mut Ui, parts: &Parts, setter: &ParamSetter<'_>, names: &[String], wiring: &Wiring) {
    let controls = &parts.controls.tags;
    heading(ui, "Tags, as the host's read-only parameters");
    controls::line(ui, "At most", |ui| controls::choice(ui, setter, &controls.announce));
    if parts.controls.host().touchy {
        faint(ui, "This host may take each value told for an edit of yours. Auto tells none: it can read them.");
    }
    controls::slider(ui, setter, "Attack", &controls.attack);
    controls::slider(ui, setter, "Release", &controls.release);
    let note = format!("Bars, host and OSC follow the same smoothed values, {DELAY:.1} s after a window's end.");
    faint(ui, &note);
    if names.len() > PUBLISHED {
        controls::line(ui, "Published", |ui| choose_published(ui, parts, names, wiring));
        faint(ui, &format!("The host has room for {PUBLISHED} of the {} tags; the bars show all.", names.len()));
    }
}

/// Which tags of a large model the host sees.
fn choose_published(ui: &mut Ui, parts: &Parts, names: &[String], wiring: &Wiring) {
    let now: Vec<String> = (0..PUBLISHED).map_while(|place| parts.outputs.published_name(place)).collect();
    let shown = if wiring.published.is_empty() { "the first".into() } else { format!("{} chosen", now.len()) };
    let choice = ComboBox::from_id_salt("published")
        .selected_text(shown)
        .height(320.0)
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .show_ui(ui, |ui| {
            for tag in names {
                let mut on = now.contains(tag);
                if ui.add_enabled(on || now.len() < PUBLISHED, egui::Checkbox::new(&mut on, tag)).changed() {
                    let mut chosen = now.clone();
                    if on {
                        chosen.push(tag.clone())
                    } else {
                        chosen.retain(|other| other != tag)
                    }
                    parts.rewire(|wiring| wiring.published = chosen);
                }
            }
        });
    choice.response.on_hover_text("The tags that the host sees");
}

fn midi(ui: &mut Ui, parts: &Parts, setter: &ParamSetter<'_>, light: &mut Light) {
    let controls = &parts.controls.midi;
    heading(ui, "MIDI control changes");
    if parts.controls.host().vst3 {
        faint(ui, "A VST3 cannot send them from an audio effect; the CLAP does.");
        return;
    }
    ui.horizontal(|ui| {
        light.show(ui, parts.outputs.controllers_sent());
        controls::switch(ui, setter, "Send the slots", &controls.on);
    });
    ui.add_enabled_ui(controls.on.value(), |ui| {
        controls::line(ui, "Channel", |ui| controls::number(ui, setter, &controls.channel));
        controls::line(ui, "First controller", |ui| controls::number(ui, setter, &controls.first));
        controls::switch(ui, setter, "The tags too, on the next channel", &controls.tags);
    });
    controls::switch(ui, setter, "MIDI and OSC follow what the slots hear, though Write is off", &controls.live);
}

fn osc(ui: &mut Ui, parts: &Parts, settings: &OscSettings, draft: &mut Option<OscSettings>, light: &mut Light) {
    heading(ui, "OSC over UDP");
    let status = parts.outputs.osc_status();
    let mut on = settings.on;
    ui.horizontal(|ui| {
        light.show(ui, if let OscStatus::Sending { datagrams, .. } = &status { *datagrams } else { 0 });
        if ui.checkbox(&mut on, "Send tags and slots").changed() {
            parts.rewire(|wiring| wiring.osc.on = on);
        }
    });
    let typed = draft.get_or_insert_with(|| settings.clone());
    let mut busy = false;
    let mut done = false;
    let fields = [
        ("To", &mut typed.address, "The receiver: an IP address and a port"),
        ("Instance", &mut typed.instance, "What this instance is called in the addresses"),
    ];
    for (name, text, meaning) in fields {
        controls::line(ui, name, |ui| {
            let field = TextEdit::singleline(text).desired_width(220.0).char_limit(64);
            let response = ui.add(field).on_hover_text(meaning);
            busy |= response.has_focus();
            done |= response.lost_focus();
        });
    }
    if done {
        let (address, instance) = (typed.address.trim().to_owned(), typed.instance.trim().to_owned());
        parts.rewire(|wiring| (wiring.osc.address, wiring.osc.instance) = (address, instance));
    }
    if !busy {
        // What is shown follows what a project or another window says.
        *draft = None;
    }
    match status {
        OscStatus::Off => faint(ui, "Off"),
        OscStatus::Sending { to, datagrams } => faint(ui, &format!("Sending to {to}, {datagrams} datagrams so far")),
        OscStatus::Failed(why) => {
            ui.label(RichText::new(why).size(12.0).color(theme::palette(ui).warning));
        }
    }
    faint(ui, &format!("/tagvane/{}/tag/…, /slot/1 to /slot/8", osc_part(&settings.instance)));
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
