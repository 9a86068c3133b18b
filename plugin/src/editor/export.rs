//! The export menu: writes the session's timeline to a table, labels, regions or a picture.

use super::file_dialogs::FileDialogs;
use super::tag_rows::TagRow;
use super::taggram::TaggramCells;
use super::theme::Palette;
use crate::files::write_file;
use crate::instance::Instance;
use crate::params::ViewSettings;
use egui::{DragValue, RichText, TextEdit, Ui};
use std::path::{Path, PathBuf};
use tagvane_outputs::ExportFormat;

/// The most columns of a picture: more than the predictions that the timeline keeps of fifty tags, 40,000.
const MAX_COLUMNS: usize = 65_536;

/// The height of a tag in a picture, in pixels.
const TAG_HEIGHT: usize = 8;

/// The kind of an exported file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExportKind {
    Timeline(ExportFormat),
    Picture,
}

impl ExportKind {
    const ALL: [Self; 5] = [
        Self::Timeline(ExportFormat::ALL[0]),
        Self::Timeline(ExportFormat::ALL[1]),
        Self::Timeline(ExportFormat::ALL[2]),
        Self::Timeline(ExportFormat::ALL[3]),
        Self::Picture,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Timeline(format) => format.name(),
            Self::Picture => "Taggram as PNG",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Timeline(format) => format.extension(),
            Self::Picture => "png",
        }
    }
}

/// The state of the export menu.
pub(crate) struct ExportMenu {
    kind: ExportKind,
    path: String,
    /// The message about the last export.
    message: Option<Result<String, String>>,
}

impl Default for ExportMenu {
    fn default() -> Self {
        let mut menu = Self { kind: ExportKind::ALL[0], path: String::new(), message: None };
        menu.propose_path();
        menu
    }
}

impl ExportMenu {
    /// Gives the path the extension of the kind; an empty path becomes a file in the user's home folder.
    fn propose_path(&mut self) {
        let path = PathBuf::from(&self.path);
        let path = if self.path.is_empty() {
            let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE")).unwrap_or_default();
            PathBuf::from(home).join("tagvane")
        } else {
            path
        };
        self.path = path.with_extension(self.kind.extension()).display().to_string();
    }

    /// Draws the menu.
    pub(crate) fn show(
        &mut self,
        ui: &mut Ui,
        instance: &Instance,
        dialogs: &mut FileDialogs,
        rows: &[&TagRow],
        view: &mut ViewSettings,
    ) {
        ui.set_min_width(320.0);
        ui.label(RichText::new("Export this session").strong());
        for kind in ExportKind::ALL {
            if ui.radio_value(&mut self.kind, kind, kind.name()).changed() {
                self.propose_path();
                self.message = None;
            }
        }
        if matches!(self.kind, ExportKind::Timeline(ExportFormat::Audacity | ExportFormat::Reaper)) {
            ui.horizontal(|ui| {
                ui.label("Region threshold");
                let mut percent = f64::from(view.region_threshold) * 100.0;
                let value = DragValue::new(&mut percent).range(0.0..=100.0).fixed_decimals(0).suffix(" %");
                if ui.add(value).on_hover_text("The lowest probability at which a region has a tag").changed() {
                    view.region_threshold = (percent / 100.0) as f32;
                }
            });
        }
        ui.horizontal(|ui| {
            let field = TextEdit::singleline(&mut self.path).desired_width(230.0).hint_text("Path of the file");
            ui.add(field).on_hover_text("The file to write");
            if ui.button("Browse…").clicked() {
                dialogs.open_export(&format!("tagvane.{}", self.kind.extension()), self.kind.extension());
            }
        });
        if let Some(path) = dialogs.take_export() {
            self.path = path.display().to_string();
        }
        if ui.button("Save").clicked() {
            let path = PathBuf::from(self.path.trim());
            self.message = Some(match self.save(&path, instance, rows, view) {
                Ok(()) => Ok(format!("Saved as {}", path.display())),
                Err(why) => Err(format!("{} cannot be written: {why}", path.display())),
            });
        }
        match &self.message {
            Some(Ok(text)) => drop(ui.label(RichText::new(text).size(12.0))),
            Some(Err(text)) => {
                drop(ui.label(RichText::new(text).size(12.0).color(super::theme::palette(ui).warning)));
            }
            None => {}
        }
    }

    fn save(&self, path: &Path, instance: &Instance, rows: &[&TagRow], view: &ViewSettings) -> Result<(), String> {
        let bytes = match self.kind {
            ExportKind::Timeline(format) => {
                instance.outputs.timeline().export(format, view.region_threshold).into_bytes()
            }
            ExportKind::Picture => picture(instance, rows, view)?,
        };
        write_file(path, &bytes)
    }
}

/// The whole session as a PNG file, with a column for each prediction and a band for each of `rows`, the visible
/// ones. (With more than [`MAX_COLUMNS`] predictions some share a column, which has their maximum.) A text chunk
/// has the names of the rows.
fn picture(instance: &Instance, rows: &[&TagRow], view: &ViewSettings) -> Result<Vec<u8>, String> {
    if rows.is_empty() {
        return Err("no tag is visible; clear the search or show hidden tags".into());
    }
    let (cells, columns) = {
        let timeline = instance.outputs.timeline();
        let Some((first, last)) = timeline.entries().next().zip(timeline.entries().next_back()) else {
            return Err("there are no predictions yet; play something first".into());
        };
        let right = last.clock + timeline.hop() / 2.0;
        let seconds = right - first.clock + timeline.hop() / 2.0;
        let columns = ((seconds / timeline.hop().max(1e-3)).round() as usize).clamp(1, MAX_COLUMNS);
        let tags: Vec<&[usize]> = rows.iter().map(|row| row.tags.as_slice()).collect();
        (TaggramCells::new(&timeline, &tags, right, seconds, columns), columns)
    };
    let palette = Palette::of(view.light);
    let mut pixels = Vec::with_capacity(columns * rows.len() * TAG_HEIGHT * 3);
    for line in 0..rows.len() * TAG_HEIGHT {
        for column in 0..columns {
            let color = palette.cell(cells.value(column, line / TAG_HEIGHT));
            pixels.extend([color.r(), color.g(), color.b()]);
        }
    }
    let to_text = |error: png::EncodingError| error.to_string();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, columns as u32, (rows.len() * TAG_HEIGHT) as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    encoder.add_itxt_chunk("Tags from top to bottom".into(), names.join(", ")).map_err(to_text)?;
    let mut writer = encoder.write_header().map_err(to_text)?;
    writer.write_image_data(&pixels).map_err(to_text)?;
    writer.finish().map_err(to_text)?;
    Ok(bytes)
}
