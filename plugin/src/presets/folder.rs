//! The presets of the user: files in a folder.

use super::format::{MAX_BYTES, Preset};
use crate::files::{read_file, write_file};
use std::fs;
use std::path::{Path, PathBuf};

/// The extension of a preset file.
pub(crate) const EXTENSION: &str = "tagvane";

/// The environment variable with another folder for the presets.
const FOLDER_VARIABLE: &str = "TAGVANE_PRESETS";

/// The most files that are listed.
const MAX_FILES: usize = 500;

/// A folder of presets. Neither it nor anything in it has to exist.
#[derive(Debug, Clone)]
pub(crate) struct PresetFolder(PathBuf);

impl PresetFolder {
    /// The presets in a folder, which is made when something is saved.
    #[cfg(test)]
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The folder of the user; `None` if the system has no place for it.
    pub(crate) fn from_env() -> Option<Self> {
        let folder = match std::env::var_os(FOLDER_VARIABLE) {
            Some(folder) if !folder.is_empty() => folder.into(),
            _ => directories::ProjectDirs::from("", "", "Tagvane")?.data_dir().join("presets"),
        };
        Some(Self(folder))
    }

    /// The path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The presets, sorted by the names of their files, each with its file. One that cannot be read is a sentence.
    pub(crate) fn presets(&self) -> Vec<(PathBuf, Result<Preset, String>)> {
        let Ok(entries) = fs::read_dir(&self.0) else { return Vec::new() };
        let is_preset = |path: &PathBuf| path.extension().is_some_and(|extension| extension == EXTENSION);
        let mut files: Vec<PathBuf> =
            entries.filter_map(Result::ok).map(|entry| entry.path()).filter(is_preset).take(MAX_FILES).collect();
        files.sort();
        files.into_iter().map(|file| (file.clone(), load_file(&file))).collect()
    }

    /// Writes a preset, which replaces one of the same name. Returns its file.
    ///
    /// # Errors
    /// A sentence, if it cannot be written.
    pub(crate) fn save(&self, preset: &Preset) -> Result<PathBuf, String> {
        let name: String = preset.name.trim().chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        // A leading dot would hide the file.
        let file = self.0.join(format!("{}.{EXTENSION}", name.trim_start_matches('.').trim()));
        let failed = |why: String| format!("The preset cannot be saved as {}: {why}", file.display());
        let text = preset.to_text().map_err(failed)?;
        fs::create_dir_all(&self.0).map_err(|error| failed(error.to_string()))?;
        write_file(&file, text.as_bytes()).map_err(failed)?;
        Ok(file)
    }
}

/// Whether a character stays in the name of a file.
fn is_plain(character: char) -> bool {
    character.is_alphanumeric() || " -_.,()&+'".contains(character)
}

/// Reads a preset file.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub(crate) fn load_file(file: &Path) -> Result<Preset, String> {
    read(file).map_err(|why| {
        let advice = "nothing was changed; correct the file or choose another preset";
        format!("The preset {} cannot be loaded: {why}; {advice}", file.display())
    })
}

/// Reads a preset file; an error is a clause.
fn read(file: &Path) -> Result<Preset, String> {
    let bytes = read_file(file, MAX_BYTES)?;
    Preset::parse(std::str::from_utf8(&bytes).map_err(|_| "it is no text in UTF-8")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_saved_listed_and_replaced() {
        let folder = PresetFolder(std::env::temp_dir().join(format!("tagvane-presets-{}", std::process::id())));
        assert!(folder.presets().is_empty(), "a folder that does not exist");
        let preset = |name: &str, description: &str| Preset {
            name: name.into(),
            description: description.into(),
            ..Preset::default()
        };
        for (name, file) in
            [("B: up/down", "B_ up_down.tagvane"), ("..A", "A.tagvane"), ("B: up/down", "B_ up_down.tagvane")]
        {
            assert_eq!(folder.save(&preset(name, "new")).unwrap(), folder.path().join(file));
        }
        fs::write(folder.path().join("bad.tagvane"), "name = 3").unwrap();
        fs::write(folder.path().join("long.tagvane"), vec![b' '; MAX_BYTES as usize + 1]).unwrap();
        fs::write(folder.path().join("binary.tagvane"), [0xff, 0xfe]).unwrap();
        fs::create_dir(folder.path().join("folder.tagvane")).unwrap();
        fs::write(folder.path().join("notes.txt"), "name = \"no preset\"").unwrap();
        let listed: Vec<Result<String, String>> =
            folder.presets().into_iter().map(|(_, preset)| preset.map(|preset| preset.name)).collect();
        assert_eq!(listed[..2], [Ok("..A".into()), Ok("B: up/down".into())]);
        for (result, why) in listed[2..].iter().zip(["line 1", "UTF-8", "no file", "longer than 64 KiB"]) {
            assert!(result.as_ref().unwrap_err().contains(why), "{result:?}");
        }
        assert_eq!(listed.len(), 6);
        fs::remove_dir_all(folder.path()).unwrap();
    }
}
