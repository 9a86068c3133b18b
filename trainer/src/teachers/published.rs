//! Where the teachers' files are published, and the conversion of local copies.

use super::class_list::read_class_list;
use super::{TeacherNetwork, to_onnx};
use crate::data::vocabularies::{JAMENDO, MAGNATAGATUNE, MILLION_SONG};
use crate::error::{Result, TrainerError};
use crate::files;
use crate::local_copies::LocalCopies;
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use tagvane_engine::{Metadata, Model};

/// A file that a teacher is made of.
#[derive(Debug, PartialEq, Eq)]
pub struct PublishedFile {
    /// The repository, by owner and name on GitHub.
    pub repository: &'static str,
    /// The path in the repository. A local copy may have any name.
    pub path: &'static str,
    /// The licence.
    pub licence: &'static str,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256 of the only accepted file, as 64 hexadecimal digits.
    pub sha256: &'static str,
}

impl fmt::Display for PublishedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { repository, path, licence, sha256, .. } = self;
        write!(f, "github.com/{repository}, {path} ({licence}), SHA-256 {sha256}")
    }
}

/// The names of a teacher's outputs.
#[derive(Debug, PartialEq, Eq)]
pub enum TagNames {
    /// Fifty tags of a data set.
    Fifty(&'static [&'static str; 50]),
    /// The classes in a file.
    ClassList(PublishedFile),
}

/// A teacher whose weights are published.
#[derive(Debug, PartialEq, Eq)]
pub struct PublishedTeacher {
    /// Its name, and that of its ONNX file without the extension.
    pub name: &'static str,
    /// What it computes.
    pub network: TeacherNetwork,
    /// What it was trained on, and by whom.
    pub trained_on: &'static str,
    /// The file with its weights.
    pub weights: PublishedFile,
    /// Its tags.
    pub tags: TagNames,
}

/// A file of Won et al. 2020.
const fn sota(path: &'static str, bytes: u64, sha256: &'static str) -> PublishedFile {
    PublishedFile { repository: "minzwon/sota-music-tagging-models", path, licence: "MIT", bytes, sha256 }
}

const MAGNATAGATUNE_SOURCE: &str = "MagnaTagATune, by Won et al. (2020)";
const MILLION_SONG_SOURCE: &str = "the Million Song Dataset, by Won et al. (2020)";
const JAMENDO_SOURCE: &str = "MTG-Jamendo, by Won et al. (2020)";

/// The teachers. Those of the PyPI package musicnn are in [`musicnn`](crate::musicnn).
pub static TEACHERS: [PublishedTeacher; 8] = [
    PublishedTeacher {
        name: "MTT_fcn_torch",
        network: TeacherNetwork::Fcn,
        trained_on: MAGNATAGATUNE_SOURCE,
        weights: sota(
            "models/mtat/fcn/best_model.pth",
            1_902_811,
            "3bfc67e43f3e180194ab5993c947ffbf44b1a23dcdf42c374b1ced9d4d4de72e",
        ),
        tags: TagNames::Fifty(&MAGNATAGATUNE),
    },
    PublishedTeacher {
        name: "MTT_musicnn_torch",
        network: TeacherNetwork::Musicnn,
        trained_on: MAGNATAGATUNE_SOURCE,
        weights: sota(
            "models/mtat/musicnn/best_model.pth",
            3_257_164,
            "0a7ac8aa3daab3a1c59cae16a771b0bfa4064ac94502ebc990a5c32a2771e189",
        ),
        tags: TagNames::Fifty(&MAGNATAGATUNE),
    },
    PublishedTeacher {
        name: "MSD_fcn_torch",
        network: TeacherNetwork::Fcn,
        trained_on: MILLION_SONG_SOURCE,
        weights: sota(
            "models/msd/fcn/best_model.pth",
            1_902_815,
            "6012aa7eecf864a8081faedca56af054521e8dfb9c5c98659a3dd5d3e1e66f21",
        ),
        tags: TagNames::Fifty(&MILLION_SONG),
    },
    PublishedTeacher {
        name: "MSD_crnn_torch",
        network: TeacherNetwork::Crnn,
        trained_on: MILLION_SONG_SOURCE,
        weights: sota(
            "models/msd/crnn/best_model.pth",
            1_687_711,
            "ebb99855ed0c83f38845db9cfb383dd6fc70938bc58701dcb66e18af9ee7fbea",
        ),
        tags: TagNames::Fifty(&MILLION_SONG),
    },
    PublishedTeacher {
        name: "Jamendo_fcn_torch",
        network: TeacherNetwork::Fcn,
        trained_on: JAMENDO_SOURCE,
        weights: sota(
            "models/jamendo/fcn/best_model.pth",
            1_902_815,
            "7bce08a66dbc70d096b0a330f44b4cacd9aa25519b83489fbb98f2164a194e2b",
        ),
        tags: TagNames::Fifty(&JAMENDO),
    },
    PublishedTeacher {
        name: "Jamendo_crnn_torch",
        network: TeacherNetwork::Crnn,
        trained_on: JAMENDO_SOURCE,
        weights: sota(
            "models/jamendo/crnn/best_model.pth",
            1_687_626,
            "0a558989c0793f488cb677d188464c91f47c007f7c70473230e55537ca598215",
        ),
        tags: TagNames::Fifty(&JAMENDO),
    },
    PublishedTeacher {
        name: "Jamendo_musicnn_torch",
        network: TeacherNetwork::Musicnn,
        trained_on: JAMENDO_SOURCE,
        weights: sota(
            "models/jamendo/musicnn/best_model.pth",
            3_257_168,
            "66280f4859376377c47f64313c7ac889a3201fdb06a01bf6e94ac6e619081bb5",
        ),
        tags: TagNames::Fifty(&JAMENDO),
    },
    PublishedTeacher {
        name: "yamnet",
        network: TeacherNetwork::YamNet,
        trained_on: "AudioSet, by Google",
        // A copy in the repository of a project that uses it; the weights are those of Google.
        weights: PublishedFile {
            repository: "Dhiveej/Aranyadhwani",
            path: "yamnet.tflite",
            licence: "Apache-2.0",
            bytes: 3_959_752,
            sha256: "687f226c147a2caab4706fbbab5e9cecb14b9a368264bf61108078b1fddf68f5",
        },
        tags: TagNames::ClassList(PublishedFile {
            repository: "tensorflow/models",
            path: "research/audioset/yamnet/yamnet_class_map.csv",
            licence: "Apache-2.0",
            bytes: 14_096,
            sha256: "cdf24d193e196d9e95912a2667051ae203e92a2ba09449218ccb40ef787c6df2",
        }),
    },
];

impl PublishedTeacher {
    /// The files that it is made of.
    pub fn files(&self) -> Vec<&PublishedFile> {
        let list = match &self.tags {
            TagNames::Fifty(_) => None,
            TagNames::ClassList(list) => Some(list),
        };
        std::iter::once(&self.weights).chain(list).collect()
    }

    /// The bytes of its ONNX file.
    fn convert(&self, copies: &LocalCopies) -> Result<Vec<u8>> {
        let tags = match &self.tags {
            TagNames::Fifty(tags) => tags.map(str::to_owned).to_vec(),
            TagNames::ClassList(list) => read_copy(copies, list, read_class_list)?,
        };
        let metadata = Metadata {
            tags,
            architecture: self.name.to_owned(),
            trained_on: self.trained_on.to_owned(),
            licence: self.weights.licence.to_owned(),
            ..Metadata::default()
        };
        read_copy(copies, &self.weights, |bytes| to_onnx(self.network, bytes, &metadata))
    }
}

/// What [`convert_folder`] did.
#[derive(Debug, Default)]
pub struct Conversion {
    /// The ONNX files that it wrote.
    pub written: Vec<PathBuf>,
    /// The names of the teachers that it did not convert, each with a file that is missing.
    pub missing: Vec<(&'static str, &'static PublishedFile)>,
}

/// Writes an ONNX file into the folder `out` for each teacher whose files are below the folder `sources`, under whatever
/// names: they are found by their checksums.
///
/// # Errors
/// [`TrainerError`] if none of the files is there, or one cannot be read or written.
pub fn convert_folder(sources: &Path, out: &Path) -> Result<Conversion> {
    let wanted: Vec<&PublishedFile> = TEACHERS.iter().flat_map(PublishedTeacher::files).collect();
    let copies = find_copies(sources, &wanted)?;
    if copies.is_empty() {
        let what =
            "none of the teachers' files is in this folder; `cargo trainer teachers` says where they are published";
        return Err(TrainerError::content(sources, what));
    }
    std::fs::create_dir_all(out).map_err(TrainerError::file(out))?;
    let mut conversion = Conversion::default();
    for teacher in &TEACHERS {
        let missing = teacher.files().into_iter().filter(|file| copies.path(file.sha256).is_none());
        let before = conversion.missing.len();
        conversion.missing.extend(missing.map(|file| (teacher.name, file)));
        if conversion.missing.len() > before {
            continue;
        }
        let onnx = teacher.convert(&copies)?;
        Model::from_bytes(&onnx)?;
        let path = out.join(teacher.name).with_extension("onnx");
        files::write(&path, &onnx)?;
        conversion.written.push(path);
    }
    Ok(conversion)
}

/// The local copies of published files below a folder. Only files as long as one that is wanted are read.
fn find_copies(folder: &Path, wanted: &[&PublishedFile]) -> Result<LocalCopies> {
    let hashes: HashSet<&str> = wanted.iter().map(|file| file.sha256).collect();
    let is_as_long =
        |path: &Path| path.metadata().is_ok_and(|metadata| wanted.iter().any(|file| file.bytes == metadata.len()));
    LocalCopies::find(folder, &hashes, |path| files::has_extension(path, &["pth", "tflite", "csv"]) && is_as_long(path))
}

/// Reads a file of which there is a copy.
fn read_copy<T>(
    copies: &LocalCopies,
    file: &PublishedFile,
    read: impl FnOnce(&[u8]) -> std::result::Result<T, String>,
) -> Result<T> {
    let path = copies.path(file.sha256).ok_or_else(|| TrainerError::Request(format!("there is no copy of {file}")))?;
    let bytes = std::fs::read(path).map_err(TrainerError::file(path))?;
    read(&bytes).map_err(|what| TrainerError::content(path, what))
}
