//! The same audio under several names, in one part of a cache or in several: it is opened once, in one group.
//!
//! Parts are made separately, so none of them knows the audio of the others. Each track has hashes of its audio and of
//! its file, and whoever opens all parts resolves them in the same way:
//!
//! * Tracks with the same audio or of the same file belong together. (Augmented copies of a file have other audio.)
//! * They stay in the group that is most held out: test, then validation, then any other. Of two other groups, it is
//!   that of the first name in alphabetical order. Tracks in the remaining groups are left out.
//! * Of the tracks in that group with the same audio, the first name is kept. It gets the labels of all of them: the
//!   largest value for each tag. Segments are labelled by their audio, so only the kept track's count.

use super::track::{Labels, Track};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// A recording that is left out, because another one has the same audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// Name of the recording in the data set.
    pub source: String,
    /// Its group.
    pub group: String,
    /// Name of the recording that is kept instead.
    pub kept: String,
    /// The group of that one.
    pub kept_group: String,
}

impl fmt::Display for Duplicate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, group, kept, kept_group } = self;
        write!(formatter, "{source}: the same audio as {kept}")?;
        if group == kept_group { Ok(()) } else { write!(formatter, ", which is in {kept_group} instead of {group}") }
    }
}

/// How many duplicates [`summary`] names.
const NAMED: usize = 5;

/// The number of duplicates and the first of them, in a sentence; `None` where there are none.
pub fn summary(duplicates: &[Duplicate]) -> Option<String> {
    let moved = duplicates.iter().filter(|duplicate| duplicate.group != duplicate.kept_group).count();
    let from_others =
        if moved > 0 { format!(", {moved} of them in another group than that one") } else { String::new() };
    // Those in another group first, because they say that the split of the data set is not clean.
    let mut named: Vec<&Duplicate> = duplicates.iter().collect();
    named.sort_by_key(|duplicate| duplicate.group == duplicate.kept_group);
    let names: Vec<String> = named.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if duplicates.len() > NAMED { "; and so on" } else { "" };
    let count = match duplicates.len() {
        0 => return None,
        1 => "1 recording has the same audio as another one and is".to_owned(),
        count => format!("{count} recordings have the same audio as another one and are"),
    };
    Some(format!("{count} left out{from_others}: {}{more}", names.join("; ")))
}

/// How far a group is held out; a larger number is held out further.
fn held_out(group: &str) -> u8 {
    match group {
        "test" => 2,
        "validation" => 1,
        _ => 0,
    }
}

/// Which of two tracks is kept: the smaller one.
fn order(track: &Track) -> (Reverse<u8>, &str, &str) {
    (Reverse(held_out(&track.group)), &track.source, &track.group)
}

/// Returns the tracks that are kept, with the labels of their duplicates, and the duplicates, sorted by name. The result
/// does not depend on the order of `tracks`.
pub fn resolve<T>(tracks: Vec<(Track, T)>) -> (Vec<(Track, T)>, Vec<Duplicate>) {
    let sets = sets_of(&tracks);
    let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
    for (index, set) in sets.iter().enumerate() {
        members.entry(*set).or_default().push(index);
    }
    let mut labels: HashMap<usize, Vec<f32>> = HashMap::new();
    let mut duplicates: BTreeMap<usize, usize> = BTreeMap::new();
    for mut set in members.into_values().filter(|set| set.len() > 1) {
        set.sort_by_key(|index| order(&tracks[*index].0));
        let first = set[0];
        // The kept track of each audio in the group of the first one.
        let mut kept: HashMap<(&str, usize), usize> = HashMap::new();
        for index in set {
            let track = &tracks[index].0;
            let audio = (track.audio_hash.as_str(), track.samples);
            match kept.get(&audio) {
                Some(same) => {
                    duplicates.insert(index, *same);
                    if let (Labels::Clip(own), Labels::Clip(other)) = (&track.labels, &tracks[*same].0.labels) {
                        let merged = labels.entry(*same).or_insert_with(|| other.clone());
                        merged.iter_mut().zip(own).for_each(|(label, other)| *label = label.max(*other));
                    }
                }
                None if track.group == tracks[first].0.group => {
                    kept.insert(audio, index);
                }
                None => {
                    duplicates.insert(index, first);
                }
            }
        }
    }
    let duplicate = |(index, kept): (&usize, &usize)| {
        let ((track, _), (kept, _)) = (&tracks[*index], &tracks[*kept]);
        Duplicate {
            source: track.source.clone(),
            group: track.group.clone(),
            kept: kept.source.clone(),
            kept_group: kept.group.clone(),
        }
    };
    let mut left_out: Vec<Duplicate> = duplicates.iter().map(duplicate).collect();
    left_out.sort_by(|a, b| (&a.source, &a.group).cmp(&(&b.source, &b.group)));
    let with_labels = |(index, (mut track, rest)): (usize, (Track, T))| {
        if let Some(merged) = labels.remove(&index) {
            track.labels = Labels::Clip(merged);
        }
        (!duplicates.contains_key(&index)).then_some((track, rest))
    };
    (tracks.into_iter().enumerate().filter_map(with_labels).collect(), left_out)
}

/// A number for each track, which is the same for tracks that belong together, directly or through others.
fn sets_of<T>(tracks: &[(Track, T)]) -> Vec<usize> {
    /// The first track of the set that `index` belongs to, by the links to earlier tracks.
    fn find(links: &mut [usize], mut index: usize) -> usize {
        while links[index] != index {
            links[index] = links[links[index]];
            index = links[index];
        }
        index
    }
    let mut links: Vec<usize> = (0..tracks.len()).collect();
    let mut by_audio: HashMap<(&str, usize), usize> = HashMap::new();
    let mut by_file: HashMap<&str, usize> = HashMap::new();
    for (index, (track, _)) in tracks.iter().enumerate() {
        let same_audio = *by_audio.entry((&track.audio_hash, track.samples)).or_insert(index);
        let same_file = track.file_hash.as_deref().map_or(index, |hash| *by_file.entry(hash).or_insert(index));
        for other in [same_audio, same_file] {
            let (own, other) = (find(&mut links, index), find(&mut links, other));
            links[own.max(other)] = own.min(other);
        }
    }
    (0..tracks.len()).map(|index| find(&mut links, index)).collect()
}
