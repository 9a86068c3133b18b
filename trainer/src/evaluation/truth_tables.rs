//! Output of the figures on recordings with a known truth: terminal, CSV and JSON.

use super::reaction::{ModelReactions, reactions_to_text};
use super::tables::format_metric;
use super::truth::TruthSet;
use super::truth_scores::{TruthScores, TruthTagScore};
use crate::error::{Result, TrainerError};
use crate::files;
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;

/// Maximum number of tags that are named of each model: the lowest ones below 1.
const NAMED_TAGS: usize = 5;

/// The figures of models side by side.
pub struct TruthTable<'a> {
    /// The truth that they were evaluated on.
    pub truth: &'a TruthSet,
    /// The models.
    pub models: &'a [TruthScores],
    /// The reactions that were measured, if any.
    pub reactions: &'a [ModelReactions],
    /// Minimum number of positives, and of negatives, of a tag that enters the means.
    pub min_known: usize,
}

impl TruthTable<'_> {
    /// The tags that some model predicts, most positives first, with their counts.
    fn rows(&self) -> Vec<&TruthTagScore> {
        let first = |tag: &String| self.models.iter().find_map(|model| model.tag(tag));
        let mut rows: Vec<&TruthTagScore> = self.truth.tags.iter().filter_map(first).collect();
        rows.sort_by(|a, b| b.positives.cmp(&a.positives).then(a.tag.cmp(&b.tag)));
        rows
    }

    /// Whether all models predict a tag.
    fn is_common(&self, tag: &str) -> bool {
        self.models.iter().all(|model| model.tag(tag).is_some())
    }

    /// The table as text: a row for each tag, the means, the lowest tags of each model, and the reactions.
    pub fn to_text(&self) -> String {
        let Self { truth, models, reactions, min_known } = self;
        let rows = self.rows();
        let (averaged, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.is_averaged(*min_known));
        let width = rows.iter().map(|row| row.tag.chars().count()).max().unwrap_or(0).max(22);
        let columns: Vec<usize> = models.iter().map(|model| model.model.chars().count().max(8)).collect();
        let cells = |cell: &dyn Fn(&TruthScores) -> String| -> String {
            models.iter().zip(&columns).fold(String::new(), |text, (model, width)| {
                let cell = cell(model);
                text + &format!("  {cell:>width$}")
            })
        };
        let line = |first: &str, positives: &str, negatives: &str, cells: String| {
            format!("{first:<width$} {positives:>9} {negatives:>9}{cells}\n")
        };
        let tag_line = |row: &&TruthTagScore| {
            let area =
                |model: &TruthScores| model.tag(&row.tag).map_or(String::new(), |tag| format_metric(tag.roc_auc));
            line(&row.tag, &row.positives.to_string(), &row.negatives.to_string(), cells(&area))
        };
        let mut text = line("ROC-AUC of the tag", "positives", "negatives", cells(&|model| model.model.clone()));
        text.extend(averaged.iter().map(tag_line));
        if !others.is_empty() {
            text += &format!("tags with fewer than {min_known} positives or negatives, which are in no mean:\n");
            text.extend(others.iter().map(tag_line));
        }
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} recordings; mean over the tags with at least {min_known} positives and {min_known} negatives:",
            truth.clips.len()
        );
        let all_common = averaged.iter().all(|row| self.is_common(&row.tag));
        for model in *models {
            let _ = write!(text, "{}: {}", model.model, mean(model.macro_roc_auc(*min_known, |_| true)));
            if !all_common && models.len() > 1 {
                let common = model.macro_roc_auc(*min_known, |tag| self.is_common(tag));
                let _ = write!(text, "; {}, of those that all models predict", mean(common));
            }
            let lowest = model.averaged_tags(*min_known);
            let lowest = lowest.iter().filter(|tag| tag.roc_auc.is_some_and(|area| area < 1.0));
            let named = |tag: &&TruthTagScore| format!("{} {}", tag.tag, format_metric(tag.roc_auc));
            let names: Vec<String> = lowest.take(NAMED_TAGS).map(named).collect();
            if !names.is_empty() {
                let _ = write!(text, "; lowest: {}", names.join(", "));
            }
            text.push('\n');
        }
        let unknown: Vec<&str> =
            truth.tags.iter().filter(|tag| rows.iter().all(|row| row.tag != **tag)).map(String::as_str).collect();
        if !unknown.is_empty() {
            let _ = writeln!(text, "tags that no model predicts ({}): {}", unknown.len(), unknown.join(", "));
        }
        if !reactions.is_empty() {
            text += &reactions_to_text(reactions);
        }
        text
    }

    /// Writes a row for each tag as CSV: the tag, its positives and negatives, and the ROC-AUC of each model.
    ///
    /// # Errors
    /// [`TrainerError::File`].
    pub fn write_csv(&self, path: &Path) -> Result<()> {
        let failed = |error: csv::Error| TrainerError::content(path, error.to_string());
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = ["tag", "positives", "negatives"].into_iter().chain(self.models.iter().map(|model| &*model.model));
        writer.write_record(header).map_err(failed)?;
        for row in self.rows() {
            let area = |model: &TruthScores| {
                model.tag(&row.tag).and_then(|tag| tag.roc_auc).map_or(String::new(), |area| area.to_string())
            };
            let counts = [row.tag.clone(), row.positives.to_string(), row.negatives.to_string()];
            writer.write_record(counts.into_iter().chain(self.models.iter().map(area))).map_err(failed)?;
        }
        let bytes = writer.into_inner().map_err(|error| TrainerError::content(path, error.to_string()))?;
        files::write(path, &bytes)
    }

    /// Writes the figures of every model and tag, the means and the reactions as JSON.
    ///
    /// # Errors
    /// [`TrainerError::File`].
    pub fn write_json(&self, path: &Path) -> Result<()> {
        let model = |model: &TruthScores| {
            let (area, tags) = model.macro_roc_auc(self.min_known, |_| true).unzip();
            json!({
                "model": model.model,
                "tags_averaged": tags.unwrap_or(0),
                "roc_auc": area,
                "tags": model.tags,
            })
        };
        let figures = json!({
            "clips": self.truth.clips.len(),
            "min_known": self.min_known,
            "models": self.models.iter().map(model).collect::<Vec<_>>(),
            "reactions": self.reactions,
        });
        files::write_json(path, &figures)
    }
}

/// A mean and the number of its tags.
fn mean(mean: Option<(f64, usize)>) -> String {
    let format = |(area, tags): (f64, usize)| {
        let plural = if tags == 1 { "" } else { "s" };
        format!("ROC-AUC {area:.4} over {tags} tag{plural}")
    };
    mean.map_or("no such tag".into(), format)
}
