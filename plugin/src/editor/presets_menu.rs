//! The menu of presets: loads one, or saves the current settings as one.

use super::{theme, widgets};
use crate::instance::Instance;
use crate::params::ModelChoice;
use crate::presets::{ParamSink, Preset, PresetFolder, SavedParam, shipped};
use egui::{Align, Layout, RichText, ScrollArea, TextEdit, Ui};
use nice_plug::context::gui::ParamSetter;
use nice_plug::params::persist::PersistentField as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The shortest time between two looks at the folder.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The state of the menu.
pub(crate) struct PresetsMenu {
    folder: Option<PresetFolder>,
    /// The presets of the user, each with its file; one that cannot be read is a sentence.
    own: Vec<(PathBuf, Result<Preset, String>)>,
    looked: Option<Instant>,
    /// The name and the description of the preset to save.
    name: String,
    description: String,
    saves_model: bool,
    /// The message about what was done last.
    message: Option<Result<String, String>>,
}

impl Default for PresetsMenu {
    fn default() -> Self {
        Self::new(PresetFolder::from_env())
    }
}

/// Sets parameters as a user does.
struct HostSink<'a>(&'a ParamSetter<'a>);

impl ParamSink for HostSink<'_> {
    fn set<P: SavedParam>(&mut self, _id: &str, param: &P, value: P::Plain) {
        if param.unmodulated_plain_value() != value {
            widgets::set(self.0, param, value);
        }
    }
}

impl PresetsMenu {
    /// A menu with the presets of this folder.
    pub(crate) fn new(folder: Option<PresetFolder>) -> Self {
        Self {
            folder,
            own: Vec::new(),
            looked: None,
            name: String::new(),
            description: String::new(),
            saves_model: false,
            message: None,
        }
    }

    /// Draws the button that opens the menu.
    pub(crate) fn button(&mut self, ui: &mut Ui, instance: &Instance, setter: &ParamSetter<'_>) {
        let menu =
            egui::containers::menu::MenuConfig::new().close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside);
        let button = egui::containers::menu::MenuButton::new("Presets…").config(menu);
        let (response, _) = button.ui(ui, |ui| {
            // A menu would justify the texts.
            ui.with_layout(Layout::top_down(Align::Min), |ui| self.show(ui, instance, setter));
        });
        response.on_hover_text("What the slots follow and what is sent: load it, or save it as a file");
    }

    fn show(&mut self, ui: &mut Ui, instance: &Instance, setter: &ParamSetter<'_>) {
        if self.looked.is_none_or(|looked| looked.elapsed() > LOOK_INTERVAL) {
            self.own = self.folder.as_ref().map(PresetFolder::presets).unwrap_or_default();
            self.looked = Some(Instant::now());
        }
        ui.set_width(380.0);
        let mut chosen = None;
        ScrollArea::vertical().max_height(250.0).auto_shrink([false, true]).show(ui, |ui| {
            // Beside the scroll bar.
            ui.set_max_width(ui.available_width() - 12.0);
            ui.label(RichText::new("Shipped").strong());
            for preset in shipped().iter().filter_map(|shipped| shipped.preset().ok()) {
                if entry(ui, &preset) {
                    chosen = Some(preset);
                }
            }
            if !self.own.is_empty() {
                ui.add_space(6.0);
                ui.label(RichText::new("Your own").strong());
            }
            for (_, preset) in &self.own {
                match preset {
                    Ok(preset) if entry(ui, preset) => chosen = Some(preset.clone()),
                    Ok(_) => {}
                    Err(why) => {
                        ui.label(RichText::new(why).size(12.0).color(theme::palette(ui).warning));
                    }
                }
            }
        });
        if let Some(preset) = chosen {
            load(&preset, instance, setter);
            self.message = Some(Ok(format!("{:?} is loaded", preset.name)));
        }
        ui.separator();
        self.save_form(ui, instance);
        match &self.message {
            Some(Ok(text)) => drop(ui.label(RichText::new(text).size(12.0))),
            Some(Err(text)) => drop(ui.label(RichText::new(text).size(12.0).color(theme::palette(ui).warning))),
            None => {}
        }
    }

    /// Draws the fields of a preset to save.
    fn save_form(&mut self, ui: &mut Ui, instance: &Instance) {
        let Some(folder) = &self.folder else {
            ui.label("The system has no folder for presets; set TAGVANE_PRESETS to one before the host starts.");
            return;
        };
        ui.horizontal(|ui| {
            ui.add(TextEdit::singleline(&mut self.name).hint_text("Name").desired_width(260.0).char_limit(64));
            if ui.button("Save preset").clicked() {
                let model = self.saves_model.then(|| current_model(instance)).flatten();
                let config = instance.outputs.config();
                let preset = Preset::of_current(&self.name, &self.description, &instance.params, &config, model);
                self.message = Some(folder.save(&preset).map(|file| format!("Saved as {}", file.display())));
                self.looked = None;
            }
        });
        let description = TextEdit::singleline(&mut self.description).hint_text("What it is for").char_limit(200);
        ui.add(description.desired_width(364.0));
        ui.checkbox(&mut self.saves_model, "With the current model");
        let text = format!("Your presets are files in {}.", folder.path().display());
        ui.label(RichText::new(text).size(12.0).color(theme::palette(ui).faint));
    }
}

/// Draws a preset of the list. Returns whether it was clicked.
fn entry(ui: &mut Ui, preset: &Preset) -> bool {
    let is_clicked = ui.selectable_label(false, RichText::new(&preset.name).size(13.0)).clicked();
    if !preset.description.is_empty() {
        ui.label(RichText::new(&preset.description).size(12.0).color(theme::palette(ui).faint));
    }
    is_clicked
}

/// Loads a preset for the user.
fn load(preset: &Preset, instance: &Instance, setter: &ParamSetter<'_>) {
    preset.set_params(&instance.params, &mut HostSink(setter));
    instance.edit_outputs(|config| preset.set_config(config));
    if let Some(model) = &preset.model {
        instance.choose_model(model.clone());
    }
}

/// The current model as a preset names it; `None` for the one of a new instance.
fn current_model(instance: &Instance) -> Option<ModelChoice> {
    match instance.params.model.map(ModelChoice::clone) {
        ModelChoice::Default => None,
        ModelChoice::Path(file) => Some(ModelChoice::File { file, sha256: None }),
        choice => Some(choice),
    }
}
