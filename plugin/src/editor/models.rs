//! The model: those that ship, a file of one's own, and what the one that listens says of itself.

use super::files::Files;
use super::theme;
use crate::params::{Choice, SHIPPED};
use crate::parts::Parts;
use egui::{Event, RichText, ScrollArea, TextEdit, Ui};
use percent_encoding::percent_decode_str;
use std::path::PathBuf;
use tagvane_engine::{Inference, ModelSource, Status};
use tagvane_outputs::PUBLISHED;

/// What is being typed.
#[derive(Default)]
pub(crate) struct Models {
    path: String,
}

impl Models {
    /// The page.
    pub(crate) fn show(&mut self, ui: &mut Ui, parts: &Parts, files: &mut Files, status: &Status) {
        let palette = theme::palette(ui);
        let about = parts.engine.board().about();
        ScrollArea::vertical().id_salt("models").auto_shrink([false, false]).show(ui, |ui| {
            heading(ui, "Shipped");
            for model in &SHIPPED {
                let listens = about.source.as_ref() == Some(&model.source());
                if ui.radio(listens, model.name).on_hover_text(model.meaning).clicked() && !listens {
                    parts.choose_model(Choice::Shipped { shipped: model.name.into() });
                }
            }
            heading(ui, "A file of your own");
            self.file(ui, parts, files);
            if let Some(notice) = &about.notice {
                ui.add_space(4.0);
                ui.label(RichText::new(notice).size(13.0).color(palette.warning));
            }
            if parts.engine.is_loading() {
                ui.label(RichText::new("Loading…").size(13.0).color(palette.faint));
            }
            heading(ui, "What listens");
            match status {
                Status::Failed(why) => drop(ui.label(RichText::new(why).size(13.0).color(palette.warning))),
                Status::Loading { .. } => drop(ui.label("Loading…")),
                Status::Ready { tags, weak, name, window, hop, inference, sample_rate, is_sample_rate_assumed } => {
                    let metadata = &about.metadata;
                    let mut say = |what: &str, text: String| {
                        if !text.is_empty() {
                            ui.horizontal_wrapped(|ui| {
                                ui.label(RichText::new(what).size(13.0).color(palette.faint));
                                ui.label(RichText::new(text).size(13.0));
                            });
                        }
                    };
                    say("Model", name.clone());
                    if let Some(ModelSource::File(file)) = &about.source {
                        say("File", file.display().to_string());
                    }
                    let doubted = weak.iter().filter(|weak| **weak).count();
                    say("Tags", format!("{}, of which it is weak in {doubted}", tags.len()));
                    say("To know", remarks(tags));
                    say("Window", format!("{:.2} s", window.as_secs_f64()));
                    let assumed = if *is_sample_rate_assumed { ", assumed: the file does not tell it" } else { "" };
                    say("Sample rate", format!("{sample_rate} Hz{assumed}"));
                    let rate = 1.0 / hop.as_secs_f64();
                    say(
                        "Updates",
                        match inference {
                            Inference::Sliding => format!("{rate:.1} times a second, sliding"),
                            Inference::FullWindows => format!("up to {rate:.1} times a second, by full windows"),
                        },
                    );
                    say("Network", metadata.architecture.clone());
                    say("Filters", metadata.widths.clone());
                    say("Trained on", metadata.trained_on.clone());
                    say("Licence", metadata.licence.clone());
                    say("SHA-256", about.hash.clone());
                    say("All tags", tags.join(", "));
                }
            }
        });
    }

    fn file(&mut self, ui: &mut Ui, parts: &Parts, files: &mut Files) {
        let mut wanted = None;
        ui.horizontal(|ui| {
            let width = (ui.available_width() - 130.0).max(80.0);
            let field = TextEdit::singleline(&mut self.path).hint_text("Path of an .onnx file").desired_width(width);
            let typed = ui.add(field).on_hover_text(
                "The path of an ONNX tagger; a file that was copied can also be pasted anywhere in this window",
            );
            let entered = typed.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            if ui.button("Load").clicked() || entered {
                wanted = Some(PathBuf::from(self.path.trim()));
            }
            if ui.button("Browse…").clicked() {
                files.ask_for_model();
            }
        });
        wanted = wanted.filter(|path| !path.as_os_str().is_empty());
        if let Some(file) = wanted.or_else(|| files.model()) {
            self.load(file, parts);
        }
    }

    /// Has a file listen, and shows its path.
    pub(crate) fn load(&mut self, file: PathBuf, parts: &Parts) {
        self.path = file.display().to_string();
        parts.choose_model(Choice::File { file, sha256: None });
    }
}

/// A model's file that was copied elsewhere and pasted into the window, while nothing was being
/// typed: a file that is dropped onto the window does not reach it.
pub(crate) fn pasted(ui: &Ui) -> Option<PathBuf> {
    if ui.ctx().text_edit_focused() {
        return None;
    }
    ui.input(|input| {
        input.events.iter().find_map(|event| match event {
            Event::Text(text) | Event::Paste(text) => model_path(text),
            _ => None,
        })
    })
}

/// The path in what a file manager copies: the path itself, or an address of it.
fn model_path(text: &str) -> Option<PathBuf> {
    let text = text.trim();
    let path = match text.strip_prefix("file://") {
        Some(address) => PathBuf::from(percent_decode_str(address).decode_utf8().ok()?.into_owned()),
        None => PathBuf::from(text),
    };
    let is_model = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"));
    (path.is_absolute() && is_model && !text.contains('\n')).then_some(path)
}

/// What is unusual about a model's tags, in sentences.
fn remarks(tags: &[String]) -> String {
    let mut remarks = Vec::new();
    let unnamed = tags.iter().enumerate().filter(|(index, tag)| **tag == format!("tag {}", index + 1)).count();
    if unnamed > 0 {
        remarks.push(format!("The file does not name {unnamed} of its tags; they are numbered."));
    }
    if tags.len() > PUBLISHED {
        remarks.push(format!(
            "The host sees the first {PUBLISHED} of its tags; this window shows all, and slots hear any."
        ));
    }
    remarks.join(" ")
}

fn heading(ui: &mut Ui, text: &str) {
    ui.add_space(10.0);
    ui.label(RichText::new(text).size(14.0).strong());
    ui.add_space(2.0);
}
