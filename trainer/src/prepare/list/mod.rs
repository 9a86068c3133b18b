//! Lists of recordings with their tags, as people and data sets have them: CSV in many forms.

mod cells;
mod columns;
mod names;
mod separator;
mod text;

use super::line_of;
use crate::error::{Result, TrainerError};
use cells::{TagSeparators, tag_cells};
use columns::{Columns, Role, quoted};
use csv::StringRecord;
use std::collections::BTreeMap;
use std::path::Path;

pub use separator::Separator;

/// A line of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedRecording {
    /// The line, from 1.
    pub line: u64,
    /// The path, as the list writes it.
    pub path: String,
    /// The group: `training`, `validation` or `test`; `None` where the list does not say.
    pub group: Option<&'static str>,
    /// The label of each tag, 0 to 1; 0 where a tag is missing.
    pub labels: BTreeMap<String, f32>,
}

/// A list that was read.
#[derive(Debug, PartialEq)]
pub struct TagList {
    /// The recordings, in the order of the lines. Several lines may be about the same one.
    pub recordings: Vec<ListedRecording>,
    /// How the list was understood, in a sentence.
    pub description: String,
}

/// Maximum number of line breaks in a cell. More of them come from a quotation mark that is not closed.
const MAX_LINE_BREAKS: usize = 20;

impl TagList {
    /// Reads a list. The separator is detected, unless it is given.
    ///
    /// # Errors
    /// [`TrainerError`], which names the line, where the list cannot be read or is not clear.
    pub fn read(list: &Path, separator: Option<Separator>) -> Result<Self> {
        let bytes = std::fs::read(list).map_err(TrainerError::file(list))?;
        parse(&bytes, separator).map_err(|what| TrainerError::content(list, what))
    }
}

fn parse(bytes: &[u8], separator: Option<Separator>) -> std::result::Result<TagList, String> {
    let text = text::decode(bytes)?;
    let separator = separator.unwrap_or_else(|| Separator::detect(&text.text));
    let records = separator.records(&text.text).collect::<std::result::Result<Vec<_>, _>>();
    let mut records = records.map_err(|error| error.to_string())?;
    records.retain(|record| !separator::is_stated(record) && record.iter().any(|cell| !cell.trim().is_empty()));
    if let Some(open) =
        records.iter().find(|record| record.iter().any(|cell| cell.matches('\n').count() > MAX_LINE_BREAKS))
    {
        return Err(format!(
            "line {}: a cell goes on for more than {MAX_LINE_BREAKS} lines; close its quotation mark, or double it if it \
             is a part of the text",
            line_of(open)
        ));
    }
    let columns = Columns::of(&records)?;
    let rows = if columns.names.is_empty() { &records[..] } else { &records[1..] };
    let tag_separators = TagSeparators::detect(rows, &columns, separator == Separator::COMMA);
    let recordings = rows.iter().map(|row| recording(row, &columns, &tag_separators));
    let recordings = recordings.collect::<std::result::Result<_, _>>()?;
    let encoding = text.encoding.map_or(String::new(), |encoding| format!(", read as {encoding}"));
    let description = format!("{}{encoding}; {}", separator.description(), describe(&columns, &tag_separators));
    Ok(TagList { recordings, description })
}

/// The recording in a line.
fn recording(
    row: &StringRecord,
    columns: &Columns,
    tag_separators: &TagSeparators,
) -> std::result::Result<ListedRecording, String> {
    let line = line_of(row);
    let wrong = |what: String| format!("line {line}: {what}");
    let cell = |column: usize| row.get(column).unwrap_or_default().trim();
    if row.len() > columns.roles.len() && !columns.are_further_cells_tags {
        return Err(wrong(format!(
            "there are {} cells, but {} columns; put cells that contain the separator in quotation marks",
            row.len(),
            columns.roles.len()
        )));
    }
    let path_column = columns.with(Role::Path).next().unwrap_or(0);
    let path = cell(path_column);
    if path.is_empty() {
        let first =
            if path_column == 0 { "first column".into() } else { format!("column {}", columns.name(path_column)) };
        return Err(wrong(format!("there is no path in the {first}; add it")));
    }
    let group = match columns.with(Role::Group).next().map(cell).unwrap_or_default() {
        "" => None,
        word => Some(names::group(word).ok_or_else(|| {
            wrong(format!(
                "the group {} is none of training, validation, test; correct it, leave it empty to have it drawn, or \
                 delete the column",
                quoted(word)
            ))
        })?),
    };
    let tags = tag_cells(row, columns).flat_map(|cell| tag_separators.split(cell));
    let mut labels: BTreeMap<String, f32> = tags.map(|tag| (tag, 1.0)).collect();
    for column in columns.with(Role::Label) {
        let name = &columns.names[column];
        let label = match row.get(column).map(str::trim) {
            Some("") => 0.0,
            Some(text) => names::label(text).ok_or_else(|| {
                wrong(format!("the label {} of {} is not a number from 0 to 1; correct it", quoted(text), quoted(name)))
            })?,
            None => {
                return Err(wrong(format!("there is no cell for {}; add what is missing", quoted(name))));
            }
        };
        let known = labels.entry(name.clone()).or_default();
        *known = known.max(label);
    }
    Ok(ListedRecording { line, path: path.to_owned(), group, labels })
}

/// What the columns are, for the description of a list.
fn describe(columns: &Columns, tag_separators: &TagSeparators) -> String {
    let named = |role: Role| columns.with(role).map(|column| columns.name(column)).collect::<Vec<_>>();
    let list = |names: &[String]| {
        const NAMED: usize = 5;
        let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
        format!("{}{more}", names[..names.len().min(NAMED)].join(", "))
    };
    let column = |names: &[String]| if names.len() == 1 { "the column" } else { "the columns" };
    let mut parts = Vec::new();
    if columns.names.is_empty() {
        parts.push("no header".into());
    }
    for (role, what) in [
        (Role::Path, "paths in"),
        (Role::Tags, "tags in"),
        (Role::Label, "one tag for each of"),
        (Role::Group, "groups in"),
        (Role::Ignored, "not used:"),
    ] {
        let names = named(role);
        if !names.is_empty() {
            parts.push(format!("{what} {} {}", column(&names), list(&names)));
        }
    }
    if columns.with(Role::Tags).next().is_some() && tag_separators.is_comma() {
        parts.push("commas between the tags of a cell".into());
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests;
