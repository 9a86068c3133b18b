//! Recordings whose truth is known in part: which tags they certainly have, and which they certainly do not have.

use super::tag_match::spelling_key;
use crate::error::{Result, TrainerError};
use csv::{ErrorKind, StringRecord};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// The columns that a list needs.
const NEEDED: [&str; 3] = ["file", "positive", "negative"];

/// The columns that a list may have, which are not read.
const NOT_READ: [&str; 4] = ["seconds", "source", "licence", "basis"];

/// Separates the tags in a cell.
const TAG_SEPARATOR: char = ';';

/// A recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruthClip {
    /// The audio file.
    pub file: PathBuf,
    /// Whether it has a tag, by the tag's index in [`TruthSet::tags`]. A tag that is not here is unknown for it.
    pub known: BTreeMap<usize, bool>,
}

/// Recordings, and what is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruthSet {
    /// The tags of which something is known, as they are spelled first.
    pub tags: Vec<String>,
    /// The recordings, in the order of the list.
    pub clips: Vec<TruthClip>,
}

impl TruthSet {
    /// Reads a CSV file with the columns `file`, `positive` and `negative`, in any order; `seconds`, `source`, `licence`
    /// and `basis` are not read. Paths are relative to the file's folder. Tags are separated by `;`, and those that differ
    /// in capitals, spaces and hyphens alone are one tag.
    ///
    /// # Errors
    /// [`TrainerError`], which names the line, where the list is malformed or contradicts itself, or an audio file is
    /// missing.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(TrainerError::file(path))?;
        let list =
            parse(&bytes, path.parent().unwrap_or(Path::new(""))).map_err(|what| TrainerError::content(path, what))?;
        let mut missing = list.clips.iter().filter(|clip| !clip.file.is_file()).map(|clip| clip.file.display());
        if let Some(first) = missing.next() {
            let others = match missing.count() {
                0 => String::new(),
                count => format!(" and {count} more"),
            };
            let what = format!(
                "{first}{others} cannot be found; put the audio files where the list says, relative to its folder, or \
                 delete their lines"
            );
            return Err(TrainerError::content(path, what));
        }
        Ok(list)
    }
}

fn parse(bytes: &[u8], folder: &Path) -> std::result::Result<TruthSet, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|error| describe(&error))?.clone();
    let [file, positive, negative] = columns(&header)?;
    let mut tags = Tags::default();
    let (mut clips, mut files) = (Vec::new(), HashSet::new());
    for record in reader.records() {
        let record = record.map_err(|error| describe(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let name = cell(file);
        if name.is_empty() {
            return Err(format!("line {line}: the column file is empty; write the path of the recording into it"));
        }
        if !files.insert(name.to_owned()) {
            return Err(format!("line {line}: {name} is in an earlier line, too; make one line of both"));
        }
        let mut known = BTreeMap::new();
        for (column, is_positive) in [(positive, true), (negative, false)] {
            let names = cell(column).split(TAG_SEPARATOR).map(str::trim).filter(|tag| !tag.is_empty());
            for tag in names {
                if known.insert(tags.index(tag), is_positive) == Some(!is_positive) {
                    return Err(format!(
                        "line {line}: {name} has the tag \"{tag}\" among the positive and the negative ones; delete it \
                         from one of them, or from both if it is not known"
                    ));
                }
            }
        }
        clips.push(TruthClip { file: folder.join(name), known });
    }
    if tags.names.is_empty() {
        return Err("no recording in it has a known tag; add lines with a file and its tags, separated by ;".into());
    }
    Ok(TruthSet { tags: tags.names, clips })
}

/// The tags so far.
#[derive(Default)]
struct Tags {
    names: Vec<String>,
    by_key: HashMap<String, usize>,
}

impl Tags {
    /// The index of a tag, which is new or not.
    fn index(&mut self, tag: &str) -> usize {
        let next = self.names.len();
        let index = *self.by_key.entry(spelling_key(tag)).or_insert(next);
        if index == next {
            self.names.push(tag.to_owned());
        }
        index
    }
}

/// The indices of the needed columns.
fn columns(header: &StringRecord) -> std::result::Result<[usize; 3], String> {
    let forms = format!("{}, and on demand {}", NEEDED.join(", "), NOT_READ.join(", "));
    let names: Vec<String> = header.iter().map(str::to_lowercase).collect();
    let is_known = |name: &String| NEEDED.iter().chain(&NOT_READ).any(|known| *known == name.as_str());
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        return Err(format!("line 1: the column \"{unknown}\" is unknown; name the columns {forms}"));
    }
    if let Some(index) = (0..names.len()).find(|index| names[..*index].contains(&names[*index])) {
        return Err(format!("line 1: there are two columns \"{}\"; delete one of them", names[index]));
    }
    let mut found = [0; 3];
    for (column, name) in found.iter_mut().zip(NEEDED) {
        *column = names.iter().position(|other| other == name).ok_or_else(|| {
            format!("line 1: the column \"{name}\" is missing; begin with a line that names the columns {forms}")
        })?;
    }
    Ok(found)
}

/// An error of the CSV reader, and what to do.
fn describe(error: &csv::Error) -> String {
    let line = error.position().map_or(String::new(), |position| format!("line {}: ", position.line()));
    match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => format!(
            "{line}there are {len} cells, but {expected_len} columns; separate them by commas, and put cells that contain \
             a comma in quotation marks"
        ),
        ErrorKind::Utf8 { .. } => format!("{line}this is not UTF-8; save the list as UTF-8"),
        _ => format!("{line}{error}; save the list as CSV again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> std::result::Result<TruthSet, String> {
        parse(text.as_bytes(), Path::new("music"))
    }

    #[test]
    fn tags_in_neither_column_are_unknown_and_spellings_are_one_tag() {
        let list = read(
            "\u{feff}file,seconds,positive,negative,source,licence,basis\n\
             a.ogg,20.0,Hip-Hop; no vocals,\"metal\",\"a, b\",CC0,label\n\
             sub/b.ogg,3,,hip hop;METAL;;sitar,,,\n",
        )
        .unwrap();
        assert_eq!(list.tags, ["Hip-Hop", "no vocals", "metal", "sitar"]);
        let known: Vec<Vec<(usize, bool)>> =
            list.clips.iter().map(|clip| clip.known.clone().into_iter().collect()).collect();
        assert_eq!(known, [vec![(0, true), (1, true), (2, false)], vec![(0, false), (2, false), (3, false)]]);
        assert_eq!(list.clips[1].file, Path::new("music/sub/b.ogg"));
        let reordered = read("Negative,FILE,positive\nrock,a.ogg,jazz\n").unwrap();
        assert_eq!(reordered.tags, ["jazz", "rock"]);
    }

    #[test]
    fn malformed_lists_are_refused_with_their_line_and_what_to_do() {
        for (text, words) in [
            ("", "the column \"file\" is missing; begin with a line that names the columns file, positive, negative"),
            ("a.ogg,rock,jazz\n", "line 1: the column \"a.ogg\" is unknown; name the columns file"),
            ("file,positive\na.ogg,rock\n", "line 1: the column \"negative\" is missing"),
            ("file,postive,negative\na,b,c\n", "line 1: the column \"postive\" is unknown"),
            ("file,positive,negative,file\na,b,c,d\n", "line 1: there are two columns \"file\""),
            ("file,positive,negative\na.ogg,rock\n", "line 2: there are 2 cells, but 3 columns"),
            ("file,positive,negative\na.ogg,rock,jazz\n,rock,jazz\n", "line 3: the column file is empty"),
            ("file,positive,negative\na.ogg,rock,\na.ogg,,jazz\n", "line 3: a.ogg is in an earlier line, too"),
            ("file,positive,negative\na.ogg,rock;New Age,new-age\n", "line 2: a.ogg has the tag \"new-age\" among"),
            ("file,positive,negative\na.ogg,,\n", "no recording in it has a known tag"),
            ("file,positive,negative\n", "no recording in it has a known tag"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(words) && message.contains(';'), "{text}: {message}");
        }
        let message = parse(b"file,positive,negative\na.ogg,r\xe9,\n", Path::new("")).unwrap_err();
        assert!(message.contains("line 2: this is not UTF-8"), "{message}");
    }
}
