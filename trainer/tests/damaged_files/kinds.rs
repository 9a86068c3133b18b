//! Valid files of every kind that the trainer reads, and the functions that read them.

use super::support::{magnatagatune, tone};
use burn::backend::NdArray;
use burn::module::Module;
use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tagvane_engine::Metadata;
use tagvane_trainer::architecture::{Architecture, SampleLevel};
use tagvane_trainer::corpus::singers::Singer;
use tagvane_trainer::corpus::{self, packages::PackageList};
use tagvane_trainer::data::{Cache, CacheInfo, Labels, PartWriter, Segment, Source, TrackAudio};
use tagvane_trainer::evaluation::{MetricConfig, TruthSet, read_predictions, read_weak_tags};
use tagvane_trainer::export::{from_onnx, to_onnx};
use tagvane_trainer::network::Network;
use tagvane_trainer::prepare::ensemble::Ensemble;
use tagvane_trainer::prepare::folder::{HoldOut, from_csv};
use tagvane_trainer::prepare::{magnatagatune as mtat, million_song};
use tagvane_trainer::render::pieces::Pieces;
use tagvane_trainer::render::scores::Score;
use tagvane_trainer::teachers::{TeacherNetwork, to_onnx as to_teacher};
use tagvane_trainer::training::checkpoint::{RunState, latest, load, load_network, save};
use tagvane_trainer::training::config::Config;
use tagvane_trainer::{Result, TrainerError, files};

/// A file, and the function that reads it.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) file: PathBuf,
    pub(crate) read: Box<dyn Fn() -> Result<()>>,
}

/// Writes a cache of three tracks with labelled segments or with clip labels.
fn write_cache(root: &Path, segments: bool) {
    let info = CacheInfo::new(vec!["guitar".into(), "drums".into()]);
    let mut writer = PartWriter::open(root, &info, 1, 1).unwrap();
    for track in 0..3_u16 {
        let samples: Vec<f32> = (0..5_000).map(|sample| (sample * (track + 3) % 100) as f32 / 100.0).collect();
        let segment = |start| Segment { start, length: 1_000, probabilities: vec![0.25, 0.75] };
        let labels =
            if segments { Labels::Segments(vec![segment(0), segment(3_000)]) } else { Labels::Clip(vec![0.0, 1.0]) };
        let source = Source { name: format!("track {track}"), path: None, group: "training".into(), labels: None };
        writer.add_track(&source, TrackAudio::of(&samples), labels, None).unwrap();
    }
    writer.finish().unwrap();
}

/// Reads all windows and labels of a cache, as training does.
fn read_cache(root: &Path) -> Result<()> {
    let cache = Cache::open(root, |_| true)?;
    let mut window = vec![0.0; 729];
    for example in cache.examples(window.len()) {
        cache.read(example.track, example.start, &mut window)?;
        assert_eq!(cache.labels(example).len(), cache.info.tags.len());
    }
    Ok(())
}

/// A MIDI file with consecutive notes.
fn midi_score() -> Vec<u8> {
    let mut track: Vec<u8> = vec![0, 0xff, 0x51, 3, 0x07, 0xa1, 0x20];
    for key in 40..80 {
        track.extend([0, 0x90 | (key % 3), key, 100, 96, 0x80 | (key % 3), key, 0]);
    }
    track.extend([0, 0xff, 0x2f, 0]);
    let mut file = b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk".to_vec();
    file.extend((track.len() as u32).to_be_bytes());
    file.extend(track);
    file
}

/// A numpy file with a float array.
pub(crate) fn numpy_array(rows: usize, columns: usize) -> Vec<u8> {
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}\n");
    let mut file = b"\x93NUMPY\x01\0".to_vec();
    file.extend((text.len() as u16).to_le_bytes());
    file.extend(text.bytes());
    file.extend((0..rows * columns).flat_map(|place| ((place % 2) as f32).to_le_bytes()));
    file
}

/// A RIFF chunk.
fn chunk(name: &str, content: &[u8]) -> Vec<u8> {
    [name.as_bytes(), &(content.len() as u32).to_le_bytes(), content].concat()
}

/// A sound font with one looped tone.
fn sound_font() -> Vec<u8> {
    let record = |name: &str, numbers: &[u16]| -> Vec<u8> {
        let mut bytes = name.as_bytes().to_vec();
        bytes.resize(20, 0);
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        bytes
    };
    let words = |numbers: &[u16]| -> Vec<u8> { numbers.iter().flat_map(|number| number.to_le_bytes()).collect() };
    let samples: Vec<u16> =
        (0..2_000_u16).map(|place| (8_000.0 * (f32::from(place) / 8.0).sin()) as i16 as u16).collect();
    let list = |kind: &str, chunks: &[Vec<u8>]| chunk("LIST", &[kind.as_bytes().to_vec(), chunks.concat()].concat());
    // Generator 41 selects the instrument, 53 the sample, 54 the loop mode.
    let parts = [
        list("INFO", &[chunk("ifil", &words(&[2, 1])), chunk("isng", b"EMU8000\0"), chunk("INAM", b"one tone\0\0")]),
        list("sdta", &[chunk("smpl", &words(&samples))]),
        list(
            "pdta",
            &[
                chunk("phdr", &[record("tone", &[0; 9]), record("EOP", &[0, 0, 1, 0, 0, 0, 0, 0, 0])].concat()),
                chunk("pbag", &words(&[0, 0, 1, 0])),
                chunk("pmod", &words(&[0; 5])),
                chunk("pgen", &words(&[41, 0, 0, 0])),
                chunk("inst", &[record("tone", &[0]), record("EOI", &[1])].concat()),
                chunk("ibag", &words(&[0, 0, 2, 0])),
                chunk("imod", &words(&[0; 5])),
                chunk("igen", &words(&[54, 1, 53, 0, 0, 0])),
                // Start, end, loop start and end, sample rate, key 60, mono.
                chunk(
                    "shdr",
                    &[
                        record("tone", &[0, 0, 1_900, 0, 100, 0, 1_800, 0, 22_050, 0, 60, 0, 1]),
                        record("EOS", &[0; 13]),
                    ]
                    .concat(),
                ),
            ],
        ),
    ];
    chunk("RIFF", &[b"sfbk".to_vec(), parts.concat()].concat())
}

/// Saves an untrained network as the first checkpoint of a run.
fn save_untrained(run: &Path) -> Network<NdArray> {
    let config = Config::paper_defaults(Architecture::SampleLevel(SampleLevel::new(3, 2, 27, vec![4, 4, 4])), 23);
    let network = Network::<NdArray>::new(&config.architecture.plan(2).unwrap(), &Default::default());
    let state = RunState::new(config, vec!["guitar".to_owned(), "drums".to_owned()]);
    let record = network.clone().into_record();
    save(run, &state, network.clone(), record).unwrap();
    network
}

/// Updates the checksums of a checkpoint to the current files.
fn update_checksums(folder: &Path) -> Result<()> {
    let sum = |name: &str| (name.to_owned(), files::sha256(&fs::read(folder.join(name)).unwrap()));
    let sums: BTreeMap<_, _> = ["network.mpk", "optimiser.mpk", "state.json"].map(sum).into();
    files::write_json(&folder.join("checksums.json"), &sums)
}

/// Writes a valid file of every kind into `desk`; `root` is the folder of the trainer crate.
pub(crate) fn kinds(desk: &Path, root: &Path) -> Vec<Kind> {
    let mut kinds = Vec::new();
    let mut kind = |name, file: PathBuf, read: Box<dyn Fn() -> Result<()>>| kinds.push(Kind { name, file, read });

    let (annotations, audio) =
        magnatagatune(&desk.join("mtat"), &[("0/a.mp3", &["guitar"], 0.1), ("c/b.mp3", &["harp"], 0.1)]);
    let of = annotations.clone();
    kind("annotations", annotations, Box::new(move || mtat::sources(&of, &audio, false).map(drop)));

    let split = desk.join("split");
    fs::create_dir_all(&split).unwrap();
    for part in ["train", "valid", "test"] {
        fs::write(split.join(format!("{part}_y.npy")), numpy_array(2, 50)).unwrap();
        fs::write(split.join(format!("{part}_x_filename.txt")), "1/2/one.npy\n3/4/two.npy\n").unwrap();
    }
    for file in ["train_y.npy", "valid_x_filename.txt"] {
        let of = split.clone();
        kind(file, split.join(file), Box::new(move || million_song::sources(&of, Path::new("audio"), 50).map(drop)));
    }

    let list = desk.join("list.csv");
    fs::write(&list, "path,group,tag\none.wav,training,guitar;slow\n\"two, too.wav\",test,drums\n").unwrap();
    let audio = desk.join("audio");
    fs::create_dir_all(&audio).unwrap();
    ["one.wav", "two, too.wav"].iter().for_each(|name| fs::write(audio.join(name), b"").unwrap());
    let of = list.clone();
    let nothing = HoldOut { validation: 0.0, test: 0.0 };
    kind("list", list, Box::new(move || from_csv(&of, &audio, None, nothing).map(drop)));

    let recordings = desk.join("recordings.csv");
    let whole = fs::read_to_string(root.join("configs/recordings.csv")).unwrap();
    fs::write(&recordings, whole.lines().take(20).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let ensemble = desk.join("ensemble.toml");
    fs::copy(root.join("configs/ensemble.toml"), &ensemble).unwrap();
    for name in ["free-music.toml", "corpus.toml"] {
        let file = desk.join(name);
        fs::copy(root.join("configs").join(name), &file).unwrap();
        let of = file.clone();
        let config = name == "free-music.toml";
        let read =
            move || if config { Config::read(&of, &[]).map(drop) } else { PackageList::read(&of, &[]).map(drop) };
        kind(name, file, Box::new(read));
    }

    let (predictions, labels) = (desk.join("predictions.csv"), desk.join("labels.csv"));
    fs::write(&predictions, "clip,guitar,drums\none,0.25,0.5\ntwo,0.75,0.125\n").unwrap();
    fs::write(&labels, "clip,drums,guitar\ntwo,1,0\none,0,1\n").unwrap();
    let of = [predictions.clone(), labels];
    let figures =
        move || read_predictions(&of[0], &of[1], MetricConfig::default()).map(|(scores, _)| drop(scores.by_tag()));
    kind("predictions", predictions, Box::new(figures));

    let weak = desk.join("figures.json");
    fs::write(&weak, "{\"tags\": [{\"tag\": \"harp\", \"weak\": true}, {\"tag\": \"guitar\", \"weak\": false}]}")
        .unwrap();
    let of = weak.clone();
    kind("figures", weak, Box::new(move || read_weak_tags(&of).map(drop)));

    for segments in [false, true] {
        let of = desk.join(if segments { "segments" } else { "clips" });
        write_cache(&of, segments);
        for file in ["cache.json", "part-00001-of-00001/tracks.jsonl", "part-00001-of-00001/audio.pcm"] {
            let root = of.clone();
            kind(file, of.join(file), Box::new(move || read_cache(&root)));
        }
    }

    let midi = desk.join("score.mid");
    fs::write(&midi, midi_score()).unwrap();
    let of = midi.clone();
    let excerpts = move || {
        let score = Score::open(&of)?;
        let mut random = ChaCha12Rng::seed_from_u64(1);
        (0..5).for_each(|_| drop(score.excerpt(&mut random, 10.0, Some(46))));
        Ok(())
    };
    kind("score", midi, Box::new(excerpts));

    let font = desk.join("tone.sf2");
    fs::write(&font, sound_font()).unwrap();
    let of = font.clone();
    let play = move || {
        let pieces = Pieces::open(std::slice::from_ref(&of), &[], 2, 3.0, 1)?;
        pieces.sources().iter().try_for_each(|piece| {
            pieces.render(&piece.name).map_err(TrainerError::Request).map(|(samples, _)| assert!(!samples.is_empty()))
        })
    };
    kind("sound font", font, Box::new(play));

    let network = save_untrained(&desk.join("run"));
    let checkpoint = |run: &str, valid_checksums: bool| {
        let (network, run) = (network.clone(), desk.join(run));
        move || {
            if valid_checksums {
                update_checksums(&run.join("epoch-000"))?;
            }
            let Some((folder, _)) = latest(&run)? else { return Ok(()) };
            load_network(&folder, network.clone(), &Default::default())?;
            load::<NdArray, <Network<NdArray> as Module<NdArray>>::Record>(&folder, "optimiser", &Default::default())
                .map(drop)
        }
    };
    for file in ["state.json", "network.mpk", "optimiser.mpk", "checksums.json"] {
        kind(file, desk.join("run/epoch-000").join(file), Box::new(checkpoint("run", false)));
    }
    // A damaged checkpoint whose checksums match, as another program could write it.
    save_untrained(&desk.join("foreign"));
    for (name, file) in
        [("foreign state", "state.json"), ("foreign network", "network.mpk"), ("foreign optimiser", "optimiser.mpk")]
    {
        kind(name, desk.join("foreign/epoch-000").join(file), Box::new(checkpoint("foreign", true)));
    }
    let model = desk.join("model.onnx");
    let architecture = Architecture::SampleLevel(SampleLevel::new(3, 2, 27, vec![4, 4, 4]));
    fs::write(&model, to_onnx(&network, &architecture, &Metadata::default())).unwrap();
    let of = model.clone();
    let read_back = move || {
        let bytes = fs::read(&of).unwrap();
        from_onnx::<NdArray>(&bytes, &architecture, 2, &Default::default()).map(drop)
    };
    kind("model", model, Box::new(read_back));

    // Short beginnings of recordings, which are decoded quickly.
    let wav = desk.join("tone.wav");
    tone(&wav, 440.0, 0.3);
    fs::copy(root.join("audio/tests/tones.opus"), desk.join("tones.opus")).unwrap();
    let vorbis = fs::read(root.join("../tests/clips/rock.ogg")).unwrap();
    fs::write(desk.join("rock.ogg"), &vorbis[..60_000]).unwrap();
    for name in ["tone.wav", "tones.opus", "rock.ogg"] {
        let file = desk.join(name);
        let of = file.clone();
        let decode = move || {
            let decoded = tagvane_audio::read(&of).map(drop);
            decoded.map_err(|error| TrainerError::Request(error.to_string()))
        };
        kind(name, file, Box::new(decode));
    }
    // New ones at the end, because the fuzzer's corpus numbers the kinds.
    let table = desk.join("table.csv");
    fs::write(&table, "clip_id\tguitar\tslow\tmp3_path\n7\t1\t0.5\tone.wav\n8\tFalse\t1\ttwo, too.wav\n").unwrap();
    let (of, audio) = (table.clone(), desk.join("audio"));
    kind("table", table, Box::new(move || from_csv(&of, &audio, None, nothing).map(drop)));

    let metadata = Metadata { tags: vec!["tag".into(); 5], ..Metadata::default() };
    // The beginning of a state dict, which its values follow: there are too many of them for damage to meet the rest.
    let (dict, of) = (fs::read(root.join("tests/teachers/crnn.pth")).unwrap(), desk.join("dict.pth"));
    let (pickles, values) = dict.split_at(8_000);
    fs::write(&of, pickles).unwrap();
    let (file, values, tags) = (of.clone(), values.to_vec(), metadata.clone());
    let convert = move || {
        let dict = [fs::read(&of).unwrap(), values.clone()].concat();
        to_teacher(TeacherNetwork::Crnn, &dict, &tags).map(drop).map_err(TrainerError::Request)
    };
    kind("state dict", file, Box::new(convert));
    let tflite = desk.join("yamnet.tflite");
    fs::copy(root.join("tests/teachers/yamnet.tflite"), &tflite).unwrap();
    let of = tflite.clone();
    let convert = move || {
        let bytes = fs::read(&of).unwrap();
        to_teacher(TeacherNetwork::YamNet, &bytes, &metadata).map(drop).map_err(TrainerError::Request)
    };
    kind("tflite", tflite, Box::new(convert));
    let of = recordings.clone();
    kind("recordings.csv", recordings, Box::new(move || corpus::recordings::read(&of).map(drop)));

    let truth = desk.join("truth.csv");
    let list = "file,positive,negative,basis\naudio/one.wav,guitar;drums,harp,score\n\"audio/two, too.wav\",,sitar,\n";
    fs::write(&truth, list).unwrap();
    let of = truth.clone();
    kind("truth", truth, Box::new(move || TruthSet::read(&of).map(drop)));

    let of = ensemble.clone();
    kind("ensemble.toml", ensemble, Box::new(move || Ensemble::read(&of).map(drop)));
    let singers = desk.join("singers");
    fs::create_dir_all(&singers).unwrap();
    fs::write(singers.join("one.flac"), b"").unwrap();
    let list = singers.join("singers.csv");
    fs::write(&list, "file,seconds,singer,form\none.flac,40.5,female,solo\none.flac,41,both,choir\n").unwrap();
    kind("singers.csv", list, Box::new(move || Singer::read_folder(&singers).map(drop)));
    kinds
}
