//! The library of a user's models: copies, statements, and projects that find their model by its hash.

mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{bytes, loudness};
use tagvane_engine::{Engine, InferenceMode, Metadata, ModelInfo, ModelLibrary, ModelRequest, ModelSource, Status};
use tract_onnx::pb::{ModelProto, TensorShapeProto, tensor_shape_proto::Dimension, type_proto};

/// An empty folder of this name.
fn empty_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("library").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A tagger that names neither its tags nor its sample rate; its window differs among tests, since instances share
/// equal models.
fn silent_about_itself(window: usize) -> ModelProto {
    let mut model = loudness(window);
    model.metadata_props.clear();
    model
}

/// The same, whose input may have any length.
fn of_open_length(window: usize) -> ModelProto {
    let mut model = silent_about_itself(window);
    let kind = model.graph.as_mut().unwrap().input[0].r#type.as_mut().unwrap();
    let Some(type_proto::Value::TensorType(tensor)) = &mut kind.value else { panic!("a tensor") };
    tensor.shape = Some(TensorShapeProto { dim: vec![Dimension::default(); 2] });
    // Makes the file differ from those of other tests.
    model.doc_string = window.to_string();
    model
}

fn load(request: &ModelRequest) -> (ModelInfo, Status) {
    let engine = Engine::start(request.clone(), InferenceMode::Sliding);
    engine.wait_until_loaded();
    (engine.board().model_info(), engine.board().status())
}

fn opened(file: &Path, library: &ModelLibrary) -> ModelRequest {
    let source = ModelSource::File(file.to_owned());
    ModelRequest { library: Some(library.clone()), is_added_to_library: true, ..source.into() }
}

/// Tags, window and sample rate of a loaded model, and whether the rate and the window are assumed.
fn facts(status: Status) -> (Vec<String>, Duration, u32, bool, bool) {
    match status {
        Status::Ready { tags, window, sample_rate, is_sample_rate_assumed, is_window_assumed, .. } => {
            (tags, window, sample_rate, is_sample_rate_assumed, is_window_assumed)
        }
        status => panic!("{status:?}"),
    }
}

/// The names of what is in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn never() -> bool {
    false
}

#[test]
fn a_project_finds_its_model_by_hash_whatever_its_path_was() {
    let folder = empty_folder("moved");
    let library = ModelLibrary::new(folder.join("models"));
    let file = folder.join("mine.onnx");
    std::fs::write(&file, bytes(&loudness(3_001))).unwrap();
    let (info, _) = load(&opened(&file, &library));
    assert_eq!((info.notice, names(library.folder())), (None, vec!["mine.onnx".to_owned()]));
    let hash = info.hash;
    std::fs::remove_file(&file).unwrap();
    for path in ["/home/other/mine.onnx", "C:\\Users\\other\\mine.onnx"] {
        let request =
            ModelRequest { hash: Some(hash.clone()), is_added_to_library: false, ..opened(Path::new(path), &library) };
        let (info, _) = load(&request);
        assert_eq!((info.notice, info.hash), (None, hash.clone()), "{path}");
        assert_eq!(info.source, Some(ModelSource::File(library.folder().join("mine.onnx"))), "{path}");
    }
    // A file that was replaced since does not take the place of the one that the project was saved with.
    std::fs::write(&file, bytes(&loudness(3_002))).unwrap();
    let request = ModelRequest { hash: Some(hash.clone()), ..opened(&file, &library) };
    assert_eq!(load(&request).0.hash, hash);
    // Without the library it does, and the notice says so.
    let (info, _) = load(&ModelRequest { library: None, ..request });
    assert!(info.hash != hash && info.notice.unwrap().contains("another file"));
}

#[test]
fn only_models_that_load_are_copied_and_equal_names_are_numbered() {
    let folder = empty_folder("copied");
    let library = ModelLibrary::new(folder.join("models"));
    std::fs::create_dir(folder.join("other")).unwrap();
    let (first, second, poem) = (folder.join("mine.onnx"), folder.join("other/mine.onnx"), folder.join("poem.onnx"));
    std::fs::write(&first, bytes(&loudness(3_003))).unwrap();
    std::fs::write(&second, bytes(&loudness(3_004))).unwrap();
    std::fs::write(&poem, "roses are red").unwrap();
    for file in [&poem, &first, &second, &first, &second] {
        load(&opened(file, &library));
    }
    assert_eq!(names(library.folder()), ["mine 2.onnx", "mine.onnx"]);
    assert_eq!(std::fs::read(library.folder().join("mine 2.onnx")).unwrap(), bytes(&loudness(3_004)));
    // What is opened in the library stays as it is.
    load(&opened(&library.folder().join("mine.onnx"), &library));
    assert_eq!(names(library.folder()), ["mine 2.onnx", "mine.onnx"]);
}

#[test]
fn statements_are_remembered_for_the_hash_of_a_file() {
    let folder = empty_folder("stated");
    let library = ModelLibrary::new(folder.join("models"));
    let file = folder.join("tagger.onnx");
    std::fs::write(&file, bytes(&of_open_length(3_005))).unwrap();
    let (info, status) = load(&opened(&file, &library));
    let (tags, window, sample_rate, is_sample_rate_assumed, is_window_assumed) = facts(status);
    assert_eq!((tags, sample_rate), (vec!["tag 1".to_owned(), "tag 2".to_owned()], 22_050));
    assert!(is_sample_rate_assumed && is_window_assumed);
    assert!((window.as_secs_f64() - 59_049.0 / 22_050.0).abs() < 1e-6);
    assert_eq!(*info.file_metadata, Metadata::default(), "the file says nothing itself");

    let stated = Metadata {
        tags: vec!["mean".into(), "peak".into()],
        sample_rate: Some(16_000),
        window: Some(8_000),
        ..Metadata::default()
    };
    load(&ModelRequest { stated: Some(stated), ..opened(&file, &library) });
    // By another path, in another instance.
    let renamed = folder.join("renamed.onnx");
    std::fs::rename(&file, &renamed).unwrap();
    let (_, status) = load(&ModelRequest { is_added_to_library: false, ..opened(&renamed, &library) });
    let (tags, window, sample_rate, is_sample_rate_assumed, is_window_assumed) = facts(status);
    assert_eq!((tags, sample_rate), (vec!["mean".to_owned(), "peak".to_owned()], 16_000));
    assert_eq!((window.as_millis(), is_sample_rate_assumed, is_window_assumed), (500, false, false));
}

#[test]
fn what_stands_beside_a_file_is_remembered_with_its_copy() {
    let folder = empty_folder("beside");
    let library = ModelLibrary::new(folder.join("models"));
    let file = folder.join("tagger.onnx");
    std::fs::write(&file, bytes(&silent_about_itself(3_006))).unwrap();
    std::fs::write(folder.join("tagger.json"), r#"{"tags": ["a", "b"], "sample_rate": 16000}"#).unwrap();
    load(&opened(&file, &library));
    std::fs::remove_file(folder.join("tagger.json")).unwrap();
    let (_, status) = load(&opened(&library.folder().join("tagger.onnx"), &library));
    assert_eq!(status.tags(), ["a", "b"]);
    // A statement of the user counts before it.
    let stated = Metadata { tags: vec!["c".into(), "d".into()], ..Metadata::default() };
    let (_, status) = load(&ModelRequest { stated: Some(stated), ..opened(&file, &library) });
    assert_eq!(status.tags(), ["c", "d"]);
}

#[test]
fn the_list_has_what_each_file_is_or_why_it_cannot_be_used() {
    let folder = empty_folder("listed");
    let library = ModelLibrary::new(folder.clone());
    assert_eq!(library.entries(never), []);
    std::fs::write(folder.join("b.onnx"), bytes(&loudness(3_007))).unwrap();
    std::fs::write(folder.join("a.ONNX"), "roses are red").unwrap();
    std::fs::write(folder.join("notes.txt"), "not listed").unwrap();
    std::fs::create_dir(folder.join("c.onnx")).unwrap();
    assert_eq!(library.entries(|| true), [], "cancelled before the first file");
    let first = library.entries(never);
    let names: Vec<_> = first.iter().map(|entry| entry.path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["a.ONNX", "b.onnx"]);
    assert!(first[0].summary.as_ref().unwrap_err().contains("not an ONNX model"));
    let summary = first[1].summary.as_ref().unwrap();
    assert_eq!((&summary.tags[..], summary.sample_rate), (&["mean".to_owned(), "peak".to_owned()][..], 22_050));
    assert!(summary.prediction_time > Duration::ZERO && summary.window.as_secs_f64() < 0.2);
    assert_eq!(library.entries(|| true), first, "unchanged files are not loaded again");
    // A damaged index, and one that speaks of other files, are made anew.
    let index = std::fs::read(folder.join("index.json")).unwrap();
    for damage in [&b"{"[..], b"[]", b"{\"files\": {\"b.onnx\": {}}}", b""] {
        std::fs::write(folder.join("index.json"), damage).unwrap();
        let names = |entries: &[tagvane_engine::LibraryEntry]| -> Vec<_> {
            entries.iter().map(|entry| (entry.path.clone(), entry.hash.clone(), entry.summary.is_ok())).collect()
        };
        assert_eq!(names(&library.entries(never)), names(&first));
    }
    std::fs::write(folder.join("index.json"), index).unwrap();
    std::fs::write(folder.join("a.ONNX"), bytes(&loudness(3_008))).unwrap();
    assert!(library.entries(never)[0].summary.is_ok(), "a changed file is loaded again");
}

/// A project's hash is text from a stranger; as a part of a path it could lead out of the folder.
#[test]
fn a_hash_that_is_none_leads_nowhere() {
    let folder = empty_folder("hostile");
    let library = ModelLibrary::new(folder.join("models"));
    std::fs::create_dir_all(folder.join("models/settings")).unwrap();
    std::fs::write(folder.join("models/out.json"), r#"{"tags": ["stolen", "tags"]}"#).unwrap();
    for hash in ["../out", "", "zz", &"x".repeat(64), &"../".repeat(21)] {
        let request = ModelRequest { hash: Some(hash.to_owned()), ..opened(&folder.join("missing.onnx"), &library) };
        assert!(matches!(load(&request).1, Status::Failed(_)), "{hash}");
    }
}

#[cfg(unix)]
#[test]
fn a_model_runs_although_the_library_cannot_be_written() {
    let folder = empty_folder("locked");
    let file = folder.join("mine.onnx");
    std::fs::write(&file, bytes(&loudness(3_009))).unwrap();
    // A file where the folder should be: not even root can write into it.
    std::fs::write(folder.join("models"), "").unwrap();
    let (info, status) = load(&opened(&file, &ModelLibrary::new(folder.join("models"))));
    assert!(matches!(status, Status::Ready { .. }));
    assert!(info.notice.unwrap().contains("cannot be copied to the library"));
}
