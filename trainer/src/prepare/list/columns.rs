//! Which column of a list has the paths, the tags and the groups.

use super::names::{self, Meaning, label, meaning};
use super::separator::is_audio_column;
use csv::StringRecord;

/// What a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The path of the recording.
    Path,
    /// The group of the split.
    Group,
    /// Tags in words, one in a cell or several.
    Tags,
    /// 0, 1 or a number between for the tag that is the column's name.
    Label,
    /// Nothing that is used.
    Ignored,
}

/// The columns of a list.
#[derive(Debug, PartialEq)]
pub(super) struct Columns {
    /// The names; empty where the list has no header.
    pub(super) names: Vec<String>,
    /// The role of each column.
    pub(super) roles: Vec<Role>,
    /// Whether further cells of a line are tags too; otherwise they are an error.
    pub(super) are_further_cells_tags: bool,
}

impl Columns {
    /// The columns of a list with these lines.
    ///
    /// # Errors
    /// What is not clear and what to do, in a sentence.
    pub(super) fn of(records: &[StringRecord]) -> Result<Self, String> {
        let count = records.iter().map(StringRecord::len).max().unwrap_or(0);
        let has_header = has_header(records, count);
        let columns = if has_header { records[0].len() } else { count };
        let rows = if has_header { &records[1..] } else { records };
        let values = |column: usize| rows.iter().filter_map(move |row| row.get(column)).map(str::trim);
        let filled = |column: usize| values(column).filter(|cell| !cell.is_empty()).count();
        let labels = |column: usize| values(column).filter(|cell| label(cell).is_some()).count();
        if !has_header {
            let path = (0..columns).find(|column| is_audio_column(rows, *column)).unwrap_or(0);
            let numbers = (0..columns)
                .filter(|column| *column != path && filled(*column) > 0 && labels(*column) == filled(*column));
            if numbers.count() > 1 {
                return Err(
                    "line 1: the cells are numbers, but no header says which tags they are for; add a line with \
                            the names of the columns"
                        .into(),
                );
            }
            let role = |column| if column == path { Role::Path } else { Role::Tags };
            let roles = (0..columns).map(role).collect();
            return Ok(Self { names: Vec::new(), roles, are_further_cells_tags: true });
        }

        let names: Vec<String> = records[0].iter().map(|name| name.trim().to_owned()).collect();
        let meanings: Vec<Meaning> = names.iter().map(|name| meaning(name)).collect();
        // A column of labels may have a few cells that are wrong, which are reported with their lines.
        let has_labels = |column: usize| filled(column) > 0 && 2 * labels(column) >= filled(column);
        let path = path_column(&names, &meanings, rows, has_labels)?;
        let mut roles = vec![Role::Ignored; columns];
        roles[path] = Role::Path;
        if let Some(group) = group_column(&names, &meanings, path)? {
            roles[group] = Role::Group;
        }
        let unused: Vec<usize> = (0..columns).filter(|column| roles[*column] == Role::Ignored).collect();
        let with = |wanted: &[Meaning]| -> Vec<usize> {
            unused.iter().copied().filter(|column| wanted.contains(&meanings[*column])).collect()
        };
        let in_words = with(&[Meaning::Tag, Meaning::Tags]);
        let (with_labels, others): (Vec<usize>, Vec<usize>) =
            with(&[Meaning::Unknown]).into_iter().partition(|column| has_labels(*column));
        if let (Some(word), Some(number)) = (in_words.first(), with_labels.first()) {
            return Err(format!(
                "line 1: the column {} has tags in words and the column {} has numbers or truth values, so it is not \
                 clear where the tags are; delete the columns of one kind, or end their names in _id",
                quoted(&names[*word]),
                quoted(&names[*number])
            ));
        }
        let mut is_further = in_words.last() == Some(&(columns - 1));
        if !in_words.is_empty() {
            for column in in_words {
                roles[column] = Role::Tags;
                // Empty names after a column of tags belong to it.
                let more = (column + 1..columns).take_while(|next| names[*next].is_empty());
                more.for_each(|next| {
                    roles[next] = Role::Tags;
                    is_further |= next == columns - 1;
                });
            }
        } else if !with_labels.is_empty() {
            let splits = with_labels.iter().filter(|column| names::group(&names[**column]).is_some());
            let splits: Vec<String> = splits.map(|column| quoted(&names[*column])).collect();
            if splits.len() > 1 {
                return Err(format!(
                    "line 1: the columns {} seem to be groups and no tags; put the group's name in one column group",
                    splits.join(" and ")
                ));
            }
            with_labels.into_iter().for_each(|column| roles[column] = Role::Label);
        } else {
            let others = if others.is_empty() { with(&[Meaning::Metadata]) } else { others };
            is_further = others.is_empty() || others.last() == Some(&(columns - 1));
            others.into_iter().for_each(|column| roles[column] = Role::Tags);
        }
        Ok(Self { names, roles, are_further_cells_tags: is_further })
    }

    /// The columns with a role.
    pub(super) fn with(&self, role: Role) -> impl Iterator<Item = usize> + '_ {
        (0..self.roles.len()).filter(move |column| self.roles[*column] == role)
    }

    /// The name of a column, or its number from 1 where it has none.
    pub(super) fn name(&self, column: usize) -> String {
        match self.names.get(column) {
            Some(name) if !name.is_empty() => quoted(name),
            _ => (column + 1).to_string(),
        }
    }
}

/// Whether the first line has the names of the columns. It does where one of them is known. Otherwise it does where a
/// column has the names of audio files, or labels, in all lines but the first.
fn has_header(records: &[StringRecord], columns: usize) -> bool {
    let Some(first) = records.first() else { return false };
    if first.iter().any(names::is_audio_name) {
        return false;
    }
    if first.iter().any(|cell| meaning(cell).is_certain()) {
        return true;
    }
    let rows = &records[1..];
    let is_labels = |column: &usize| {
        let mut cells = rows.iter().map(|row| row.get(*column).unwrap_or_default().trim());
        first.get(*column).is_some_and(|cell| label(cell.trim()).is_none()) && cells.all(|cell| label(cell).is_some())
    };
    let has_audio = |column: usize| is_audio_column(rows, column);
    !rows.is_empty()
        && ((0..columns).any(has_audio) || (0..columns).filter(is_labels).count() >= if rows.len() > 1 { 1 } else { 2 })
}

/// The column of the paths.
fn path_column(
    names: &[String],
    meanings: &[Meaning],
    rows: &[StringRecord],
    has_labels: impl Fn(usize) -> bool,
) -> Result<usize, String> {
    let columns = 0..names.len();
    let named: Vec<usize> =
        columns.clone().filter(|column| meanings[*column] == Meaning::Path && !has_labels(*column)).collect();
    let with_audio: Vec<usize> = if named.is_empty() { columns.clone().collect() } else { named.clone() };
    let with_audio: Vec<usize> = with_audio.into_iter().filter(|column| is_audio_column(rows, *column)).collect();
    match (&named[..], &with_audio[..]) {
        ([only], _) | (_, [only]) => Ok(*only),
        ([], []) => {
            // Of a table of labels, the column that is left.
            let mut left = columns.filter(|column| meanings[*column] == Meaning::Unknown && !has_labels(*column));
            match (left.next(), left.next()) {
                (Some(only), None) => Ok(only),
                _ => Err("line 1: no column is called path or file, and none has the names of audio files; call the \
                          one with the recordings path"
                    .into()),
            }
        }
        (several, audio) => {
            let several = if audio.is_empty() { several } else { audio };
            let names: Vec<String> = several.iter().map(|column| quoted(&names[*column])).collect();
            Err(format!(
                "line 1: each of the columns {} may have the paths; delete all but one, or end their names in _id",
                names.join(" and ")
            ))
        }
    }
}

/// The column of the groups, if there is one.
fn group_column(names: &[String], meanings: &[Meaning], path: usize) -> Result<Option<usize>, String> {
    let mut found = (0..names.len()).filter(|column| *column != path && meanings[*column] == Meaning::Group);
    match (found.next(), found.next()) {
        (Some(first), Some(second)) => Err(format!(
            "line 1: both columns {} and {} may have the groups; delete one, or end its name in _id",
            quoted(&names[first]),
            quoted(&names[second])
        )),
        (found, _) => Ok(found),
    }
}

/// A text of the list for a message: shortened and in quotation marks.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("\"{short}\"")
}
