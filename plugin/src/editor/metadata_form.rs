//! The form for what a model file does not say itself: its tags, its sample rate and its window.

use super::{theme, widgets};
use crate::instance::Instance;
use egui::{RichText, TextEdit, Ui};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use tagvane_engine::resample::RATES;
use tagvane_engine::{Metadata, ModelInfo, ModelSource, Status, WINDOWS, unnamed_tag};

/// The state of the form.
#[derive(Default)]
pub(crate) struct MetadataForm {
    /// The file that the fields are about.
    file: Option<PathBuf>,
    sample_rate: String,
    window: String,
    /// The tags, one a line.
    tags: String,
    /// What is wrong with the fields, in a sentence.
    error: Option<String>,
}

/// What to ask of a file.
struct Question {
    file: PathBuf,
    asks_sample_rate: bool,
    asks_window: bool,
    asks_tags: bool,
    /// The number of its tags, if it could be loaded.
    tag_count: Option<usize>,
    /// What is assumed until it is answered, in sentences.
    assumptions: String,
}

impl MetadataForm {
    /// Draws the form, if the current model or the file that could not be loaded leaves something open.
    pub(crate) fn show(&mut self, ui: &mut Ui, instance: &Instance, info: &ModelInfo, status: &Status, tried: &Path) {
        let Some(question) = Question::of_failed(info, tried).or_else(|| Question::of_current(info, status)) else {
            return;
        };
        if self.file.as_ref() != Some(&question.file) {
            self.fill_in(&question, info);
        }
        let palette = theme::palette(ui);
        widgets::heading(ui, "What the file does not say");
        ui.label(RichText::new(&question.assumptions).size(13.0).color(palette.warning));
        ui.add_space(4.0);
        let mut field = |is_asked: bool, name: &str, text: &mut String, unit: &str| {
            if is_asked {
                widgets::line(ui, name, |ui| {
                    ui.add(TextEdit::singleline(text).hint_text(unit).desired_width(120.0).char_limit(10));
                    ui.label(RichText::new(unit).size(12.0).color(palette.faint));
                });
            }
        };
        field(question.asks_sample_rate, "Sample rate", &mut self.sample_rate, "Hz");
        field(question.asks_window, "Window", &mut self.window, "samples");
        if question.asks_tags {
            widgets::line(ui, "Tags", |ui| {
                let width = (ui.available_width() - 8.0).max(80.0);
                ui.add(
                    TextEdit::multiline(&mut self.tags).hint_text("A tag a line").desired_rows(4).desired_width(width),
                );
            });
        }
        if let Some(error) = &self.error {
            ui.label(RichText::new(error).size(13.0).color(palette.warning));
        }
        if ui.button("Use").on_hover_text("Remembers this for the file and loads it again").clicked() {
            match self.read(&question) {
                Ok(stated) => {
                    self.error = None;
                    instance.load_with_metadata(question.file, stated);
                }
                Err(error) => self.error = Some(error),
            }
        }
    }

    /// Fills in the fields for another file with what is known of it.
    fn fill_in(&mut self, question: &Question, info: &ModelInfo) {
        let is_current = info.source == Some(ModelSource::File(question.file.clone()));
        let known = if is_current { (*info.metadata).clone() } else { Metadata::default() };
        let text = |number: Option<String>| number.unwrap_or_default();
        let has_names = known.tags.iter().enumerate().any(|(index, tag)| *tag != unnamed_tag(index));
        *self = Self {
            file: Some(question.file.clone()),
            sample_rate: text(known.sample_rate.map(|rate| rate.to_string())),
            window: text(known.window.map(|window| window.to_string())),
            tags: if has_names { known.tags.join("\n") } else { String::new() },
            error: None,
        };
    }

    /// What the fields say; an empty one says nothing.
    ///
    /// # Errors
    /// A sentence about a field that cannot be used.
    fn read(&self, question: &Question) -> Result<Metadata, String> {
        let rates = *RATES.start() as usize..=*RATES.end() as usize;
        let number = |is_asked: bool, text: &str, range: RangeInclusive<usize>, what: &str, unit: &str| {
            let text = text.trim();
            if !is_asked || text.is_empty() {
                return Ok(None);
            }
            let error = || {
                format!("The {what} \"{text}\" is not a number of {unit} from {} to {}.", range.start(), range.end())
            };
            text.parse().ok().filter(|number| range.contains(number)).map(Some).ok_or_else(error)
        };
        let sample_rate = number(question.asks_sample_rate, &self.sample_rate, rates, "sample rate", "hertz")?;
        let window = number(question.asks_window, &self.window, WINDOWS, "window", "samples")?;
        let lines = self.tags.lines().map(str::trim).filter(|line| !line.is_empty());
        let tags: Vec<String> = if question.asks_tags { lines.map(str::to_owned).collect() } else { Vec::new() };
        match question.tag_count {
            Some(count) if !tags.is_empty() && tags.len() != count => {
                Err(format!("The model has {count} tags, but {} are given; give one a line.", tags.len()))
            }
            _ => Ok(Metadata { tags, sample_rate: sample_rate.map(|rate| rate as u32), window, ..Metadata::default() }),
        }
    }
}

impl Question {
    /// What to ask of the file that was tried last and could not be loaded.
    fn of_failed(info: &ModelInfo, tried: &Path) -> Option<Self> {
        let is_current = info.source == Some(ModelSource::File(tried.to_owned()));
        let has_failed = info.notice.is_some() && !is_current && tried.is_file();
        has_failed.then(|| Self {
            file: tried.to_owned(),
            asks_sample_rate: true,
            asks_window: true,
            asks_tags: true,
            tag_count: None,
            assumptions:
                "The file could not be used as it is. If it needs one of these, give it; it only counts where \
                          the file does not say it itself."
                    .into(),
        })
    }

    /// What to ask of the current model.
    fn of_current(info: &ModelInfo, status: &Status) -> Option<Self> {
        let (
            Some(ModelSource::File(file)),
            Status::Ready { tags, window, sample_rate, is_sample_rate_assumed, is_window_assumed, .. },
        ) = (&info.source, status)
        else {
            return None;
        };
        let own = &info.file_metadata;
        let question = Self {
            file: file.clone(),
            asks_sample_rate: own.sample_rate.is_none(),
            asks_window: own.window.is_none(),
            asks_tags: own.tags.len() < tags.len(),
            tag_count: Some(tags.len()),
            assumptions: {
                let unnamed = tags.iter().enumerate().any(|(index, tag)| *tag == unnamed_tag(index));
                let seconds = window.as_secs_f64();
                let assumptions = [
                    (*is_sample_rate_assumed, format!("A sample rate of {sample_rate} Hz is assumed.")),
                    (*is_window_assumed, format!("A window of {seconds:.2} s is assumed.")),
                    (unnamed, "Tags without a name are numbered.".into()),
                    (
                        *is_sample_rate_assumed || *is_window_assumed,
                        "If the model needs another, its tags are wrong.".into(),
                    ),
                ];
                let given = assumptions.into_iter().filter_map(|(is_given, text)| is_given.then_some(text));
                given.collect::<Vec<_>>().join(" ")
            },
        };
        (question.asks_sample_rate || question.asks_window || question.asks_tags).then_some(question)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_and_in_range_is_read() {
        let question = |tag_count| Question {
            file: "tagger.onnx".into(),
            asks_sample_rate: true,
            asks_window: false,
            asks_tags: true,
            tag_count,
            assumptions: String::new(),
        };
        let form = |sample_rate: &str, tags: &str| MetadataForm {
            sample_rate: sample_rate.into(),
            window: "not asked".into(),
            tags: tags.into(),
            ..MetadataForm::default()
        };
        let read = form(" 16000 ", "rock\r\n\n  pop\n").read(&question(Some(2))).unwrap();
        let expected =
            Metadata { tags: vec!["rock".into(), "pop".into()], sample_rate: Some(16_000), ..Metadata::default() };
        assert_eq!(read, expected);
        assert_eq!(form("", "").read(&question(Some(2))), Ok(Metadata::default()));
        for (sample_rate, tags, words) in
            [("7999", "", "8000 to 768000"), ("16 kHz", "", "16 kHz"), ("16000", "rock", "has 2 tags, but 1 are given")]
        {
            let error = form(sample_rate, tags).read(&question(Some(2))).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        assert!(
            form("", "rock").read(&question(None)).is_ok(),
            "of a file that cannot be loaded the number is unknown"
        );
    }
}
