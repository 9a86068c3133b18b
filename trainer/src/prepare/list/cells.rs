//! The tags in a cell.

use super::columns::{Columns, Role};
use super::names::{Meaning, meaning};
use csv::StringRecord;

/// What separates several tags in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TagSeparators(Vec<char>);

impl TagSeparators {
    /// Those of a list: semicolons and bars; commas where no cell has one of these. Where commas separate the cells
    /// too, a tag in quotation marks may have a comma, so they separate tags only in a column whose name is a plural.
    pub(super) fn detect(rows: &[StringRecord], columns: &Columns, are_cells_comma_separated: bool) -> Self {
        let strong = vec![';', '|'];
        let has =
            |separators: &[char]| rows.iter().any(|row| tag_cells(row, columns).any(|cell| cell.contains(separators)));
        let is_plural = |column: usize| columns.names.get(column).is_some_and(|name| meaning(name) == Meaning::Tags);
        if has(&[',']) && !has(&strong) && (!are_cells_comma_separated || columns.with(Role::Tags).any(is_plural)) {
            return Self(vec![',']);
        }
        Self(strong)
    }

    /// The tags in a cell, trimmed. A list in brackets, as Python writes it, is one of quoted tags between commas.
    pub(super) fn split(&self, cell: &str) -> Vec<String> {
        let cell = cell.trim();
        let tags = |text: &str, separators: &[char], quotes: &[char]| -> Vec<String> {
            let trimmed = text.split(separators).map(|tag| tag.trim().trim_matches(quotes).trim().to_owned());
            trimmed.filter(|tag| !tag.is_empty()).collect()
        };
        match cell.strip_prefix('[').and_then(|cell| cell.strip_suffix(']')) {
            Some(list) => tags(list, &[','], &['"', '\'']),
            None => tags(cell, &self.0, &[]),
        }
    }

    /// Whether commas are among them.
    pub(super) fn is_comma(&self) -> bool {
        self.0 == [',']
    }
}

/// The cells of a line with tags in words.
pub(super) fn tag_cells<'a>(row: &'a StringRecord, columns: &'a Columns) -> impl Iterator<Item = &'a str> {
    let is_tags =
        |column: usize| columns.roles.get(column).map_or(columns.are_further_cells_tags, |role| *role == Role::Tags);
    row.iter().enumerate().filter(move |(column, _)| is_tags(*column)).map(|(_, cell)| cell)
}
