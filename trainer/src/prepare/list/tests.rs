use super::*;

/// The path, the group and the labels above 0 of each line.
fn rows(text: &str) -> Vec<String> {
    let list = parse(text.as_bytes(), None).unwrap_or_else(|error| panic!("{text}: {error}"));
    let row = |recording: ListedRecording| {
        let labels = recording.labels.iter().filter(|(_, label)| **label > 0.0);
        let labels: Vec<String> =
            labels.map(|(tag, label)| if *label == 1.0 { tag.clone() } else { format!("{tag} {label}") }).collect();
        format!("{} {} [{}]", recording.path, recording.group.unwrap_or("-"), labels.join(", "))
    };
    list.recordings.into_iter().map(row).collect()
}

fn description(text: &str) -> String {
    parse(text.as_bytes(), None).unwrap().description
}

fn refusal(text: &str) -> String {
    parse(text.as_bytes(), None).err().unwrap_or_else(|| panic!("{text} is read"))
}

#[test]
fn tags_in_words_are_read_in_every_form() {
    let expected = ["a.wav test [dry, loud]", "b/c.wav - [dry]"];
    for text in [
        "path,group,tag\na.wav,test,loud;dry\nb/c.wav,,dry\n",
        "path,group,tag\na.wav,test,loud,dry\nb/c.wav,,dry\n",
        "Tags;File Name;Split\n\"loud;dry\";a.wav;testing\ndry;b/c.wav;\n",
        "tags\tmp3_path\tsubset\nloud, dry\ta.wav\tTEST\ndry\tb/c.wav\t\n",
        "FILE|LABEL_1|LABEL_2|FOLD\na.wav|loud|dry|test\nb/c.wav|dry||\n",
        "filename,split,labels\n\"a.wav\",\"test\",\"loud, dry\"\nb/c.wav,,dry\n",
        "filename,split,labels\n\"a.wav\",test,\"['loud', 'dry']\"\nb/c.wav,,[dry]\n",
        "sep=;\nfile;group;genre\na.wav;test;loud|dry\nb/c.wav;;dry\n",
        "file,group,mood,space\n\na.wav,test,loud,dry\nb/c.wav,,,dry\n,,,\n",
        "clip_id,sound,group,tag,duration\n7,a.wav,test,loud;dry,3.5\n8,b/c.wav,,dry,0.5\n",
        "path,group,tag,,\na.wav,test,loud,dry,\nb/c.wav,,dry,,\n",
    ] {
        assert_eq!(rows(text), expected, "{text}");
    }
    // Without a header.
    assert_eq!(rows("a.wav,loud;dry\nb.wav,dry\n"), ["a.wav - [dry, loud]", "b.wav - [dry]"]);
    assert_eq!(rows("a.wav;loud;dry\nb.wav;dry\n"), ["a.wav - [dry, loud]", "b.wav - [dry]"]);
    assert_eq!(rows("loud\ta.wav\ndry\tb.wav\n"), ["a.wav - [loud]", "b.wav - [dry]"]);
    // A comma in quotation marks may belong to a tag.
    assert_eq!(rows("path,tag\na.wav,\"rock, slow\"\n"), ["a.wav - [rock, slow]"]);
    assert_eq!(parse(b"path,tag\na.wav,\"rock, slow\"\n", None).unwrap().recordings[0].labels.len(), 1);
}

#[test]
fn the_list_of_mtg_jamendo_is_read() {
    let text = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n\
                track_0000214\tartist_000014\talbum_000031\t14/214.mp3\t124.6\tgenre---punkrock\n\
                track_0000215\tartist_000014\talbum_000031\t15/215.mp3\t151.4\tgenre---metal\tmood/theme---dark\n";
    assert_eq!(rows(text), ["14/214.mp3 - [genre---punkrock]", "15/215.mp3 - [genre---metal, mood/theme---dark]"]);
    assert_eq!(
        description(text),
        "tab-separated; paths in the column \"PATH\", tags in the column \"TAGS\", not used: the columns \"TRACK_ID\", \
         \"ARTIST_ID\", \"ALBUM_ID\", \"DURATION\""
    );
}

#[test]
fn tables_with_a_column_for_each_tag_are_read() {
    let expected = ["a.wav - [no vocals, rock]", "b.wav - [jazz]", "c.wav - []"];
    for text in [
        "clip_id\trock\tjazz\tno vocals\tmp3_path\n2\t1\t0\t1\ta.wav\n6\t0\t1\t0\tb.wav\n7\t0\t0\t0\tc.wav\n",
        "file,rock,jazz,no vocals\na.wav,1.0,0.0,1.0\nb.wav,0.0,1.0,0.0\nc.wav,0,0,0\n",
        "Filename;rock;jazz;no vocals\na.wav;True;FALSE;true\nb.wav;false;True;false\nc.wav;;;\n",
        "sound,rock,jazz,no vocals\na.wav,yes,no,yes\nb.wav,no,yes,no\nc.wav,no,no,no\n",
        "title|path|rock|jazz|no vocals|artist\nA|a.wav|1|0|1|x\nB|b.wav|0|1|0|y\nC|c.wav|0|0|0|z\n",
    ] {
        assert_eq!(rows(text), expected, "{text}");
    }
    let soft = ["a.wav training [jazz 0.25, rock]", "b.wav validation [jazz 0.5]"];
    assert_eq!(rows("file,rock,jazz,split\na.wav,1,0.25,train\nb.wav,0,.5,val\n"), soft);
    assert_eq!(rows("file;rock;jazz;split\na.wav;1;0,25;train\nb.wav;0;0,5;dev\n"), soft);
    // The names of the files need no extension.
    assert_eq!(rows("track,rock,jazz\na,1,0\nb,0,1\n"), ["a - [rock]", "b - [jazz]"]);
    assert_eq!(
        description("clip_id\trock\tjazz\tmp3_path\n2\t1\t0\ta.wav\n"),
        "tab-separated; paths in the column \"mp3_path\", one tag for each of the columns \"rock\", \"jazz\", not used: \
         the column \"clip_id\""
    );
}

#[test]
fn bytes_of_other_programs_are_read() {
    let text = "file;tags\nä.wav;größer\n";
    let utf_16: Vec<u8> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let latin: Vec<u8> = text.chars().map(|letter| letter as u8).collect();
    let mac = text.replace('\n', "\r").into_bytes();
    for (bytes, encoding) in [
        (format!("\u{feff}{}", text.replace('\n', "\r\n")).into_bytes(), ""),
        (mac, ""),
        (utf_16, ", read as UTF-16LE"),
        (latin, ", read as windows-1252"),
    ] {
        let list = parse(&bytes, None).unwrap();
        assert_eq!((list.recordings[0].path.as_str(), list.recordings[0].line), ("ä.wav", 2));
        assert!(list.recordings[0].labels.contains_key("größer"));
        assert!(list.description.starts_with(&format!("semicolon-separated{encoding}; ")), "{}", list.description);
    }
}

#[test]
fn a_given_separator_replaces_the_detected_one() {
    let text = "a:b.wav,x;rock,pop\n";
    assert_eq!(rows(text), ["a:b.wav - [pop, rock, x]"]);
    let list = parse(text.as_bytes(), Some("|".parse().unwrap())).unwrap();
    assert_eq!((list.recordings[0].path.as_str(), list.recordings[0].labels.len()), ("a:b.wav,x;rock,pop", 0));
}

#[test]
fn what_is_not_clear_is_refused_with_its_line() {
    let open = format!("path,tag\n\"a.wav,rock\n{}", "b.wav,jazz\n".repeat(40));
    for (text, words) in [
        ("path,group,tag\na.wav,fold1,x\n", &["line 2: the group \"fold1\"", "delete the column"][..]),
        (
            "filename,fold,target,category\na.wav,1,0,dog\nb.wav,2,14,rooster\nc.wav,3,36,vacuum cleaner\n",
            &["line 2: the group \"1\" is none of training"],
        ),
        ("path,split,fold,tag\na.wav,test,test,x\n", &["\"split\" and \"fold\"", "delete one"]),
        ("path,file,tag\na.wav,b.wav,x\n", &["\"path\" and \"file\"", "end their names in _id"]),
        ("file,rock,jazz\na.wav,1,0\nb.wav,1,2\nc.wav,0,0\n", &["line 3: the label \"2\" of \"jazz\"", "correct it"]),
        ("file,rock,jazz\na.wav,1,0\nb.wav,1\n", &["line 3: there is no cell for \"jazz\""]),
        ("file,rock,jazz\na.wav,1,0\nb,c.wav,1,0\n", &["line 3: there are 4 cells, but 3 columns", "quotation marks"]),
        ("a.wav,1,0\nb.wav,0,1\n", &["line 1", "no header", "add a line"]),
        (
            "file,label,score\na.wav,rock,0.2\nb.wav,jazz,1\n",
            &["\"label\"", "\"score\"", "delete the columns of one kind"],
        ),
        ("file,train,test,rock\na.wav,1,0,1\nb.wav,0,1,1\n", &["\"train\" and \"test\" seem to be groups"]),
        ("group,x,y\ntest,take,rock\ntest,other,jazz\n", &["line 1: no column is called path", "call the one"]),
        ("tag,file\nrock,a.wav\nrock,\n", &["line 3: there is no path in the column \"file\"; add it"]),
        (&open, &["line 2: a cell goes on for more than 20 lines", "close its quotation mark"]),
        ("PK\u{3}\u{4}", &["spreadsheet", "save it as CSV"]),
    ] {
        let message = refusal(text);
        for word in words {
            assert!(message.contains(word), "{text}: {message}");
        }
    }
    // Texts of the list are shortened in messages.
    assert!(refusal(&format!("path,group,tag\na.wav,{},x\n", "long ".repeat(1_000))).len() < 300);
}
