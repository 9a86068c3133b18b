//! Where the recordings of a list are on the disk, and how their paths differ from the list.

use super::audio_index::{AudioIndex, Difference, Match, clean};
use super::list::ListedRecording;
use crate::error::Result;
use crate::files;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// How many examples a note names.
const NAMED: usize = 5;

/// The files of a list.
#[derive(Debug)]
pub(super) struct Located {
    /// The name and the path of each line's recording. Lines about the same file have the same path.
    pub(super) files: Vec<(String, PathBuf)>,
    /// The recordings that are not found, each with its first line.
    pub(super) missing: Vec<String>,
    /// What differs from the disk, in sentences.
    pub(super) notes: Vec<String>,
}

/// Finds the files of a list below `audio`. A file that is found only by another extension or without leading folders
/// is taken only where no other path of the list is for the same file.
///
/// # Errors
/// [`TrainerError::File`](crate::TrainerError) where the folder cannot be read.
pub(super) fn locate(recordings: &[ListedRecording], audio: &Path) -> Result<Located> {
    let index = AudioIndex::new(audio);
    let names: Vec<String> = recordings.iter().map(|recording| clean(&recording.path, audio)).collect();
    // Several lines may be about one file.
    let mut matches: HashMap<&str, Match> = HashMap::new();
    let mut claims: HashMap<PathBuf, HashSet<&str>> = HashMap::new();
    for (recording, name) in recordings.iter().zip(&names) {
        if matches.contains_key(name.as_str()) {
            continue;
        }
        let found = index.find(&recording.path, name)?;
        if let Match::Found(path, _) = &found {
            claims.entry(path.clone()).or_default().insert(name);
        }
        matches.insert(name, found);
    }
    for found in matches.values_mut() {
        if let Match::Found(path, Difference::Extension | Difference::Folders) = found
            && claims.get(path).is_some_and(|names| names.len() > 1)
        {
            *found = Match::Ambiguous(vec![format!("{}, as another path of the list", path.display())]);
        }
    }

    let mut located = Located { files: Vec::new(), missing: Vec::new(), notes: Vec::new() };
    let mut differences: BTreeMap<Difference, Vec<String>> = BTreeMap::new();
    let mut said: HashSet<&str> = HashSet::new();
    for (recording, name) in recordings.iter().zip(&names) {
        let is_new = said.insert(name);
        let path = match &matches[name.as_str()] {
            Match::Found(path, difference) => {
                if is_new && *difference != Difference::None {
                    let file = files::relative_name(path, audio);
                    differences.entry(*difference).or_default().push(format!("{name}, which is {file}"));
                }
                path.clone()
            }
            unclear => {
                if is_new {
                    let why = match unclear {
                        Match::Ambiguous(several) => {
                            let shown = &several[..several.len().min(3)];
                            format!(", which may be {}", shown.join(" or "))
                        }
                        _ => String::new(),
                    };
                    located.missing.push(format!("{name} (line {}{why})", recording.line));
                }
                audio.join(name)
            }
        };
        located.files.push((name.clone(), path));
    }
    for (difference, examples) in differences {
        let how = match difference {
            Difference::Case => "in upper and lower case",
            Difference::Extension => "in the extension",
            _ => "in the folders that they start with",
        };
        let differ = if examples.len() == 1 { "path differs" } else { "paths differ" };
        located.notes.push(format!("{} {differ} from the disk {how}: {}", examples.len(), shortened(&examples)));
    }
    if !located.missing.is_empty() {
        let (count, all, names) = (located.missing.len(), said.len(), shortened(&located.missing));
        located.notes.push(format!("{count} of {all} recordings cannot be found in {}: {names}", audio.display()));
    }
    Ok(located)
}

/// The first examples.
fn shortened(examples: &[String]) -> String {
    let more = if examples.len() > NAMED { "; and so on" } else { "" };
    format!("{}{more}", examples[..examples.len().min(NAMED)].join("; "))
}
