//! The page with the tags of the user's own.

use super::file_dialogs::FileDialogs;
use super::taggram::format_time;
use super::{theme, widgets};
use crate::files::{read_file, write_file};
use crate::instance::Instance;
use crate::mine::ButtonSource;
use egui::{Button, RichText, ScrollArea, TextEdit, Ui};
use std::path::Path;
use tagvane_engine::teaching::{Lesson, LessonKind, MAX_FILE_BYTES, Mine};

/// The state of the page.
#[derive(Default)]
pub(crate) struct MinePage {
    /// The name that is being typed for a tag, and the tag.
    renaming: Option<(String, String)>,
    path: String,
    message: Option<Result<String, String>>,
}

impl MinePage {
    /// Draws the page.
    pub(crate) fn show(&mut self, ui: &mut Ui, instance: &Instance, dialogs: &mut FileDialogs) {
        let palette = theme::palette(ui);
        let mine = instance.mine.get();
        let current_model = instance.mine.teachable_model();
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            ui.label(RichText::new("Tags of your own").size(14.0).strong());
            let hint =
                "Mark spans on the taggram, or hold a button below while the music plays. Each span improves the tag.";
            ui.label(RichText::new(hint).size(13.0).color(palette.faint));
            if let Err(why) = &current_model {
                ui.label(RichText::new(why).size(13.0).color(palette.warning));
            }
            ui.add_space(6.0);
            for (index, lesson) in mine.lessons().iter().enumerate() {
                self.lesson(ui, instance, &mine, index, lesson, current_model.as_deref().ok());
            }
            hold_buttons(ui, instance, mine.selected().unwrap_or("a first tag"), current_model.is_ok());
            if let Some(notice) = instance.mine.notice() {
                ui.label(RichText::new(notice).size(13.0).color(palette.warning));
            }
            self.files(ui, instance, dialogs, &mine);
        });
    }

    /// Draws a tag: its name, how well it knows, its spans if it is selected.
    fn lesson(
        &mut self,
        ui: &mut Ui,
        instance: &Instance,
        mine: &Mine,
        index: usize,
        lesson: &Lesson,
        model: Option<&str>,
    ) {
        let palette = theme::palette(ui);
        let saved = &instance.mine;
        let is_selected = mine.selected() == Some(&lesson.name);
        ui.horizontal_wrapped(|ui| {
            if ui.radio(is_selected, &lesson.name).on_hover_text("The tag that the buttons mark").clicked() {
                saved.edit(|mine| mine.select(&lesson.name));
            }
            let count = |is_example| lesson.spans.iter().filter(|span| span.is_example == is_example).count();
            let spans = format!("{} is, {} is not", count(true), count(false));
            ui.label(RichText::new(spans).size(12.0).color(palette.faint));
            let is_of_model = model == Some(lesson.model.as_str());
            let words = match saved.confidence(&lesson.name) {
                _ if !is_of_model => "taught on another model: mark it again",
                Some(confidence) => confidence.words(),
                None => "",
            };
            let color = if is_of_model { palette.text } else { palette.warning };
            ui.label(RichText::new(words).size(13.0).color(color));
        });
        if !is_selected {
            return;
        }
        ui.indent(index, |ui| {
            ui.horizontal_wrapped(|ui| {
                let name = match &mut self.renaming {
                    Some((of, name)) if *of == lesson.name => name,
                    renaming => &mut renaming.insert((lesson.name.clone(), lesson.name.clone())).1,
                };
                let field =
                    ui.add(TextEdit::singleline(name).desired_width(120.0)).on_hover_text("The name of the tag");
                if field.lost_focus() {
                    let name = name.clone();
                    self.renaming = None;
                    saved.edit(|mine| {
                        mine.rename(index, &name);
                        if let Some(name) = mine.lessons().get(index).map(|lesson| lesson.name.clone()) {
                            mine.select(&name);
                        }
                    });
                }
                let mut is_similar = lesson.kind == LessonKind::Similar;
                let hint = "How similar the music is to what was marked, instead of what tells it from the rest";
                if ui.checkbox(&mut is_similar, "like this").on_hover_text(hint).changed() {
                    let kind = if is_similar { LessonKind::Similar } else { LessonKind::Taught };
                    saved.edit(|mine| mine.set_kind(index, kind));
                }
                if ui.button("Remove").on_hover_text("Removes the tag and its spans").clicked() {
                    saved.edit(|mine| mine.remove(index));
                }
            });
            for (number, span) in lesson.spans.iter().enumerate() {
                ui.horizontal(|ui| {
                    let place = span.start.map_or_else(String::new, |start| format!(" at {}", format_time(start)));
                    let what = if span.is_example { "is" } else { "is not" };
                    ui.label(RichText::new(format!("{what}: {:.1} s{place}", span.seconds)).size(12.0));
                    if ui.small_button("×").on_hover_text("Removes the span").clicked() {
                        saved.edit(|mine| mine.remove_span(index, number));
                    }
                });
            }
        });
    }

    /// Draws the line for files.
    fn files(&mut self, ui: &mut Ui, instance: &Instance, dialogs: &mut FileDialogs, mine: &Mine) {
        widgets::heading(ui, "File");
        if let Some(path) = dialogs.take_mine() {
            self.path = path.display().to_string();
        }
        ui.horizontal_wrapped(|ui| {
            let field =
                TextEdit::singleline(&mut self.path).hint_text("path of a file with taught tags").desired_width(220.0);
            ui.add(field);
            if ui.button("Choose…").clicked() {
                dialogs.open_mine();
            }
            let has_path = !self.path.trim().is_empty();
            if ui.add_enabled(has_path, Button::new("Import")).on_hover_text("Adds the tags of a file").clicked() {
                self.message = Some(import(instance, self.path.trim()));
            }
            let can_export = has_path && !mine.lessons().is_empty();
            if ui
                .add_enabled(can_export, Button::new("Export"))
                .on_hover_text("Writes all these tags to a file")
                .clicked()
            {
                self.message = Some(export(mine, self.path.trim()));
            }
        });
        let palette = theme::palette(ui);
        match &self.message {
            Some(Ok(text)) => drop(ui.label(RichText::new(text).size(13.0))),
            Some(Err(why)) => drop(ui.label(RichText::new(why).size(13.0).color(palette.warning))),
            None => {}
        }
    }
}

/// Draws the two buttons that mark while they are held.
fn hold_buttons(ui: &mut Ui, instance: &Instance, name: &str, can_mark: bool) {
    ui.add_space(8.0);
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new("Hold while it plays:").size(13.0));
        let held = [format!("is {name}"), format!("is not {name}")].map(|text| {
            let hint = "The parameter \"Mark: is\" or \"Mark: is not\" does the same, for controllers and automation";
            let button = ui.add_enabled(can_mark, Button::new(RichText::new(text).size(13.0)).truncate());
            button.on_hover_text(hint).is_pointer_button_down_on()
        });
        instance.mark_buttons.press(ButtonSource::Window, held[0], held[1]);
        if instance.mark_buttons.marks_example().is_some() {
            ui.label(RichText::new("marking…").size(13.0).color(theme::palette(ui).armed));
        }
    });
}

fn import(instance: &Instance, path: &str) -> Result<String, String> {
    let advice = "choose a file that Tagvane exported";
    let bytes = read_file(Path::new(path), MAX_FILE_BYTES)
        .map_err(|error| format!("{path} cannot be read: {error}; {advice}"))?;
    instance.mine.import(&bytes).map_err(|why| format!("{path}: {why}"))?;
    Ok(format!("The tags of {path} are here"))
}

fn export(mine: &Mine, path: &str) -> Result<String, String> {
    write_file(Path::new(path), &mine.to_file()).map_err(|error| format!("{path} cannot be written: {error}"))?;
    Ok(format!("Written to {path}"))
}
