//! Lists name recordings in other ways than the disk, several times, or not at all.

#[expect(dead_code, reason = "each test uses a part of it")]
mod process;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use process::{fail, succeed};
use std::path::Path;
use support::tone;
use tagvane_trainer::data::{Cache, Labels};
use tagvane_trainer::prepare::folder::{HoldOut, ListedSources, from_csv};

/// Empty files below a folder.
fn touch(folder: &Path, names: &[&str]) {
    for name in names {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"").unwrap();
    }
}

fn read(folder: &Path, text: &str) -> tagvane_trainer::Result<ListedSources> {
    let list = folder.join("list.csv");
    std::fs::write(&list, text).unwrap();
    from_csv(&list, &folder.join("audio"), None, HoldOut { validation: 0.2, test: 0.2 })
}

/// The file of each recording, below the folder of the audio.
fn files(folder: &Path, listed: &ListedSources) -> Vec<String> {
    let file = |path: &Path| path.strip_prefix(folder.join("audio")).unwrap().to_str().unwrap().to_owned();
    listed.sources.iter().map(|source| file(source.path.as_deref().unwrap())).collect()
}

#[test]
fn paths_that_are_written_in_another_way_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // The ä of the first is one letter, that of the second is two.
    let (composed, decomposed) = ("\u{e4}/one.wav", "b\u{61}\u{308}r/two.wav");
    touch(
        &folder.join("audio"),
        &[composed, decomposed, "Drums/Three.WAV", "four.mp3", "14/214.low.mp3", "deep/five.flac"],
    );
    let absolute = folder.join("audio/four.mp3");
    for (listed, file, note) in [
        (composed, composed, ""),
        ("a\u{308}/one.wav", composed, ""),
        ("b\u{e4}r/two.wav", decomposed, ""),
        ("./b\u{e4}r//two.wav", decomposed, ""),
        (r"Drums\Three.WAV", "Drums/Three.WAV", ""),
        (
            r".\drums\three.wav",
            "Drums/Three.WAV",
            "1 path differs from the disk in upper and lower case: drums/three.wav",
        ),
        (absolute.to_str().unwrap(), "four.mp3", ""),
        (r"C:\Users\me\Music\four.mp3", "four.mp3", "in the folders that they start with"),
        ("/home/me/music/deep/five.flac", "deep/five.flac", "which is deep/five.flac"),
        ("music/Drums/Three.WAV", "Drums/Three.WAV", "in the folders"),
        ("four.wav", "four.mp3", "in the extension: four.wav, which is four.mp3"),
        ("four", "four.mp3", "in the extension"),
        ("deep/FIVE.wav", "deep/five.flac", "in the extension"),
        ("14/214.mp3", "14/214.low.mp3", "in the extension"),
    ] {
        let listed_sources = read(folder, &format!("path,tag\n{listed},x\n")).unwrap();
        assert_eq!(files(folder, &listed_sources), [file], "{listed}");
        let notes = &listed_sources.notes[1..];
        assert_eq!(notes.len(), usize::from(!note.is_empty()), "{listed}: {notes:?}");
        assert!(notes.iter().all(|said| said.contains(note)), "{listed}: {notes:?}");
    }
}

#[test]
fn paths_that_may_be_several_files_are_not_guessed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    touch(&folder.join("audio"), &["there.wav", "a.mp3", "a.flac", "01.wav", "b.mp3", "case/X.wav", "CASE/x.wav"]);
    for (listed, why) in [
        ("a.wav,x", "a.wav (line 3, which may be "),
        ("Case/X.wav,x", "Case/X.wav (line 3, which may be "),
        // One file for two paths.
        ("/one/01.wav,x\n/two/01.wav,y", "2 of 3 recordings"),
        ("b.wav,x\nb.mp3,y", "b.wav (line 3, which may be "),
        ("none.wav,x", "1 of 2 recordings cannot be found in "),
    ] {
        let listed_sources = read(folder, &format!("path,tag\nthere.wav,x\n{listed}\n")).unwrap();
        let notes = &listed_sources.notes[1..];
        assert!(matches!(notes, [note] if note.contains(why)), "{listed}: {notes:?}");
    }
    let message = read(folder, "path,tag\nnone.wav,x\nmore/none.wav,y\n").unwrap_err().to_string();
    assert!(message.contains("none of the 2 recordings is in") && message.contains("none.wav (line 2)"), "{message}");
    assert!(message.contains("--audio"), "{message}");
}

#[test]
fn lines_about_one_file_are_merged_and_two_groups_for_it_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    touch(&folder.join("audio"), &["album/a.wav", "b.wav"]);
    let text =
        "file,tag,split\nalbum/a.wav,rock,\nb.wav,jazz,train\n.\\album\\a.wav,slow,test\nalbum/a.wav,rock,testing\n";
    let listed = read(folder, text).unwrap();
    assert_eq!(listed.tags, ["jazz", "rock", "slow"]);
    let row = |index: usize| (listed.sources[index].group.as_str(), listed.sources[index].labels.clone().unwrap());
    assert_eq!([row(0), row(1)], [("test", vec![0.0, 1.0, 1.0]), ("training", vec![1.0, 0.0, 0.0])]);
    assert!(
        listed.notes.contains(&"lines about the same file are merged: 4 lines, 2 recordings".to_owned()),
        "{:?}",
        listed.notes
    );
    // Soft labels: the largest. A tag that nothing has is left out, which is said.
    let listed = read(folder, "file,rock,jazz,polka\nb.wav,0.25,1,0\nb.wav,0.5,0.75,0\n").unwrap();
    assert_eq!(
        (listed.tags, listed.sources[0].labels.as_deref()),
        (vec!["jazz".into(), "rock".into()], Some(&[1.0, 0.5][..]))
    );
    assert!(
        listed.notes.iter().any(|note| note.contains("no recording has the tags polka, so they are left out")),
        "{:?}",
        listed.notes
    );

    let text = "file,tag,split\nb.wav,rock,train\nalbum/a.wav,rock,\nB.wav,slow,val\n";
    let message = read(folder, text).unwrap_err().to_string();
    let expected = "line 4: B.wav is in the group validation, but in training in line 2; correct one of the lines";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn the_command_says_how_it_understood_a_list_and_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (index, name) in ["low", "high", "other"].iter().enumerate() {
        tone(&folder.join(format!("audio/{name}.wav")), 200.0 * (index + 1) as f32, 4.0);
    }
    let table = "id;Datei;low;high;file;split\r\n1;x;1;0;low.wav;train\r\n2;y;0,5;1;HIGH.wav;valid\r\n3;z;0;0;gone.wav;test\r\n";
    let bytes: Vec<u8> = [0xfeff].into_iter().chain(table.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    std::fs::write(folder.join("table.csv"), bytes).unwrap();
    let prepare = "prepare folder --csv table.csv --audio audio --cache cache";
    let message = succeed(folder, prepare);
    for words in [
        "table.csv: semicolon-separated, read as UTF-16LE; paths in the column \"file\", one tag for each of the columns \
         \"low\", \"high\", groups in the column \"split\", not used: the columns \"id\", \"Datei\"",
        "1 path differs from the disk in upper and lower case: HIGH.wav, which is high.wav",
        "1 of 3 recordings cannot be found in audio: gone.wav (line 4)",
        "2 tags: low, high",
        "skipped gone.wav: ",
        "2 recordings in this part, 1 skipped",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }
    let cache = Cache::open(&folder.join("cache"), |group| group == "validation").unwrap();
    assert_eq!((cache.len(), cache.track(0).source.as_str()), (1, "HIGH.wav"));
    assert_eq!(cache.track(0).labels, Labels::Clip(vec![0.5, 1.0]));

    // A separator that is not detected can be given.
    std::fs::write(folder.join("list.csv"), "low.wav:low\nother.wav:high\n").unwrap();
    let prepare = "prepare folder --csv list.csv --audio audio --cache other";
    assert!(fail(folder, prepare).contains("no recording here has a tag"));
    let message = succeed(folder, &format!("{prepare} --separator :"));
    assert!(
        message.contains("separated by :; no header") && message.contains("2 recordings in this part"),
        "{message}"
    );
    assert!(fail(folder, &format!("{prepare} --separator ::")).contains("give one character"));
}
