//! The session's timeline into files: tables, labels, regions, and the taggram as a picture.

use super::files::Files;
use super::rows::Row;
use super::taggram::Cells;
use super::theme::Palette;
use crate::params::View;
use crate::parts::Parts;
use egui::{DragValue, RichText, TextEdit, Ui};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use tagvane_outputs::Format;

/// What can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Timeline(Format),
    Picture,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Timeline(Format::ALL[0]),
        Self::Timeline(Format::ALL[1]),
        Self::Timeline(Format::ALL[2]),
        Self::Timeline(Format::ALL[3]),
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

/// What is about to be written, and how the last one went.
pub(crate) struct Export {
    kind: Kind,
    path: String,
    said: Option<Result<String, String>>,
}

impl Default for Export {
    fn default() -> Self {
        let mut export = Self { kind: Kind::ALL[0], path: String::new(), said: None };
        export.propose();
        export
    }
}

impl Export {
    /// A place in the user's own folder, with the kind's ending.
    fn propose(&mut self) {
        let path = PathBuf::from(&self.path);
        let path = if self.path.is_empty() {
            let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE")).unwrap_or_default();
            PathBuf::from(home).join("tagvane")
        } else {
            path
        };
        self.path = path.with_extension(self.kind.extension()).display().to_string();
    }

    /// The menu's content.
    pub(crate) fn show(&mut self, ui: &mut Ui, parts: &Parts, files: &mut Files, rows: &[&Row], view: &mut View) {
        ui.set_min_width(320.0);
        ui.label(RichText::new("Export this session").strong());
        for kind in Kind::ALL {
            if ui.radio_value(&mut self.kind, kind, kind.name()).changed() {
                self.propose();
                self.said = None;
            }
        }
        if matches!(self.kind, Kind::Timeline(Format::Audacity | Format::Reaper)) {
            ui.horizontal(|ui| {
                ui.label("Where a tag is at least");
                let mut percent = f64::from(view.threshold) * 100.0;
                let value = DragValue::new(&mut percent).range(0.0..=100.0).fixed_decimals(0).suffix(" %");
                if ui.add(value).on_hover_text("The probability from which on a region has a tag").changed() {
                    view.threshold = (percent / 100.0) as f32;
                }
            });
        }
        ui.horizontal(|ui| {
            let field = TextEdit::singleline(&mut self.path).desired_width(230.0).hint_text("Where to");
            ui.add(field).on_hover_text("The file to write");
            if ui.button("Browse…").clicked() {
                files.ask_where(&format!("tagvane.{}", self.kind.extension()), self.kind.extension());
            }
        });
        if let Some(chosen) = files.target() {
            self.path = chosen.display().to_string();
        }
        if ui.button("Save").clicked() {
            let path = PathBuf::from(self.path.trim());
            self.said = Some(match self.save(&path, parts, rows, view) {
                Ok(()) => Ok(format!("Saved as {}", path.display())),
                Err(why) => Err(format!("{} cannot be written: {why}", path.display())),
            });
        }
        match &self.said {
            Some(Ok(text)) => drop(ui.label(RichText::new(text).size(12.0))),
            Some(Err(text)) => {
                drop(ui.label(RichText::new(text).size(12.0).color(super::theme::palette(ui).warning)));
            }
            None => {}
        }
    }

    fn save(&self, path: &Path, parts: &Parts, rows: &[&Row], view: &View) -> Result<(), String> {
        let Kind::Timeline(format) = self.kind else { return picture(path, parts, rows, view) };
        let text = parts.outputs.timeline().export(format, view.threshold);
        std::fs::write(path, text).map_err(|error| error.to_string())
    }
}

/// The most columns of a picture: an hour at nine updates a second.
const WIDEST: usize = 32_768;

/// How high a tag is in a picture.
const TALL: usize = 8;

/// Writes the whole session as a picture: a column an update, a band a tag, with the tags' names
/// in the file's text.
fn picture(path: &Path, parts: &Parts, rows: &[&Row], view: &View) -> Result<(), String> {
    let (cells, columns) = {
        let timeline = parts.outputs.timeline();
        let Some((first, last)) = timeline.rows().next().zip(timeline.rows().next_back()) else {
            return Err("nothing was judged yet".into());
        };
        let right = last.clock + timeline.hop() / 2.0;
        let seconds = right - first.clock + timeline.hop() / 2.0;
        let columns = ((seconds / timeline.hop().max(1e-3)).round() as usize).clamp(1, WIDEST);
        let tags: Vec<&[usize]> = rows.iter().map(|row| row.tags.as_slice()).collect();
        (Cells::of(&timeline, &tags, right, seconds, columns), columns)
    };
    let palette = Palette::of(view.light);
    let mut pixels = Vec::with_capacity(columns * rows.len() * TALL * 3);
    for line in 0..rows.len() * TALL {
        for column in 0..columns {
            let color = palette.cell(cells.values[column * rows.len() + line / TALL]);
            pixels.extend([color.r(), color.g(), color.b()]);
        }
    }
    let wrong = |error: png::EncodingError| error.to_string();
    let file = File::create(path).map_err(|error| error.to_string())?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), columns as u32, (rows.len() * TALL) as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    encoder.add_itxt_chunk("Tags from top to bottom".into(), names.join(", ")).map_err(wrong)?;
    let mut writer = encoder.write_header().map_err(wrong)?;
    writer.write_image_data(&pixels).map_err(wrong)?;
    writer.finish().map_err(wrong)
}
