//! The page of the model: the shipped models, the user's library, a file, and the details of the current model.

use super::file_dialogs::FileDialogs;
use super::library_list::LibraryList;
use super::metadata_form::MetadataForm;
use super::{theme, widgets};
use crate::instance::Instance;
use crate::log;
use crate::params::{ModelChoice, SHIPPED_MODELS};
use egui::{Event, RichText, ScrollArea, TextEdit, Ui};
use percent_encoding::percent_decode_str;
use std::path::{Path, PathBuf};
use tagvane_engine::{InferenceMode, ModelSource, Status, unnamed_tag};
use tagvane_outputs::MAX_PUBLISHED_TAGS;

/// The state of the page.
#[derive(Default)]
pub(crate) struct ModelPage {
    /// The text of the path field.
    path: String,
    form: MetadataForm,
}

impl ModelPage {
    /// Draws the page.
    pub(crate) fn show(
        &mut self,
        ui: &mut Ui,
        instance: &Instance,
        dialogs: &mut FileDialogs,
        library: &LibraryList,
        status: &Status,
    ) {
        let palette = theme::palette(ui);
        let info = instance.engine.board().model_info();
        ScrollArea::vertical().id_salt("models").auto_shrink([false, false]).show(ui, |ui| {
            widgets::heading(ui, "Shipped");
            for model in &SHIPPED_MODELS {
                let is_current = info.source.as_ref() == Some(&model.source());
                if ui.radio(is_current, model.name).on_hover_text(model.description).clicked() && !is_current {
                    instance.choose_model(ModelChoice::Shipped { shipped: model.name.into() });
                }
            }
            widgets::heading(ui, "Library");
            library.show(ui, instance, &info);
            widgets::heading(ui, "A file of your own");
            self.file(ui, instance, dialogs);
            if let Some(notice) = &info.notice {
                ui.add_space(4.0);
                ui.label(RichText::new(notice).size(13.0).color(palette.warning));
            }
            if instance.engine.is_loading() {
                ui.label(RichText::new("Loading…").size(13.0).color(palette.faint));
            }
            self.form.show(ui, instance, &info, status, Path::new(self.path.trim()));
            widgets::heading(ui, "Current model");
            match status {
                Status::Failed(why) => drop(ui.label(RichText::new(why).size(13.0).color(palette.warning))),
                Status::Loading { .. } => drop(ui.label("Loading…")),
                Status::Ready {
                    tags,
                    vocabularies,
                    weak,
                    name,
                    window,
                    hop,
                    inference,
                    sample_rate,
                    is_sample_rate_assumed,
                    is_window_assumed,
                    ..
                } => {
                    let metadata = &info.metadata;
                    let mut detail = |name: &str, text: String| widgets::detail(ui, name, text);
                    detail("Model", name.clone());
                    if let Some(ModelSource::File(file)) = &info.source {
                        detail("File", file.display().to_string());
                    }
                    let weak_count = weak.iter().filter(|weak| **weak).count();
                    detail("Tags", format!("{}, {weak_count} of them weak", tags.len()));
                    let parts = vocabularies.iter().map(|part| format!("{} ({})", part.name, part.tag_count));
                    detail("Vocabularies", parts.collect::<Vec<_>>().join(", "));
                    detail("Note", remarks(tags));
                    let assumed = |is_assumed: bool| if is_assumed { ", assumed: the file has none" } else { "" };
                    detail("Window", format!("{:.2} s{}", window.as_secs_f64(), assumed(*is_window_assumed)));
                    detail("Sample rate", format!("{sample_rate} Hz{}", assumed(*is_sample_rate_assumed)));
                    let rate = 1.0 / hop.as_secs_f64();
                    detail(
                        "Predictions",
                        match inference {
                            InferenceMode::Sliding => format!("{rate:.1} per second, sliding"),
                            InferenceMode::FullWindows => format!("up to {rate:.1} per second, full windows"),
                        },
                    );
                    detail("Network", metadata.architecture.clone());
                    detail("Filters", metadata.widths.clone());
                    detail("Trained on", metadata.trained_on.clone());
                    detail("Licence", metadata.licence.clone());
                    detail("SHA-256", info.hash.clone());
                    detail("All tags", tags.join(", "));
                }
            }
            about(ui);
        });
    }

    /// Draws the field for the path of a file.
    fn file(&mut self, ui: &mut Ui, instance: &Instance, dialogs: &mut FileDialogs) {
        let mut path = None;
        ui.horizontal(|ui| {
            let width = (ui.available_width() - 142.0).max(80.0);
            let field = TextEdit::singleline(&mut self.path).hint_text("Path of an .onnx file").desired_width(width);
            let response = ui.add(field).on_hover_text(
                "The path of an ONNX tagger; you can also copy a file and paste it anywhere in this window",
            );
            let is_entered = response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            if ui.button("Load").clicked() || is_entered {
                path = Some(PathBuf::from(self.path.trim()));
            }
            if ui.button("Browse…").clicked() {
                dialogs.open_model();
            }
        });
        path = path.filter(|path| !path.as_os_str().is_empty());
        if let Some(file) = path.or_else(|| dialogs.take_model()) {
            self.load(file, instance);
        }
    }

    /// Loads a file and shows its path in the field.
    pub(crate) fn load(&mut self, file: PathBuf, instance: &Instance) {
        self.path = file.display().to_string();
        instance.choose_model(ModelChoice::File { file, sha256: None });
    }
}

/// Draws what this program is, and where its log is.
fn about(ui: &mut Ui) {
    widgets::heading(ui, "About");
    widgets::detail(ui, "Version", env!("CARGO_PKG_VERSION").into());
    let licence = "MIT or Apache-2.0; THIRD-PARTY.html in the download has those of its parts";
    widgets::detail(ui, "Licence", licence.into());
    widgets::detail(ui, "Log", log::file().map_or_else(String::new, |file| file.display().to_string()));
}

/// The path of a model file that is pasted into the window while no text field has the focus. It replaces
/// dropping a file, which does not reach the window.
pub(crate) fn pasted_model(ui: &Ui) -> Option<PathBuf> {
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

/// The path of an ONNX file in a text that a file manager copies: a path or a file URL.
fn model_path(text: &str) -> Option<PathBuf> {
    let text = text.trim();
    let path = match text.strip_prefix("file://") {
        Some(url_path) => PathBuf::from(percent_decode_str(url_path).decode_utf8().ok()?.into_owned()),
        None => PathBuf::from(text),
    };
    let is_model = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"));
    (path.is_absolute() && is_model && !text.contains('\n')).then_some(path)
}

/// Remarks on unusual tags, in sentences.
fn remarks(tags: &[String]) -> String {
    let mut remarks = Vec::new();
    let unnamed = tags.iter().enumerate().filter(|(index, tag)| **tag == unnamed_tag(*index)).count();
    if unnamed > 0 {
        remarks.push(format!("The file does not name {unnamed} of its tags; they are numbered."));
    }
    if tags.len() > MAX_PUBLISHED_TAGS {
        remarks.push(format!(
            "The host sees {MAX_PUBLISHED_TAGS} of its tags, which you choose on the page Outputs; all can drive slots."
        ));
    }
    remarks.join(" ")
}
