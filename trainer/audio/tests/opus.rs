//! Decoding of valid and damaged Opus files.

use std::path::Path;
use tagvane_audio::read;

/// 1.5 seconds of 440 Hz on the left and 1000 Hz on the right, encoded by libopus at 48 kbit/s.
const TONES: &[u8] = include_bytes!("tones.opus");

/// Amplitude of a tone relative to the whole signal; 1 for a pure tone.
fn strength(samples: &[f32], hertz: f64) -> f64 {
    let turns = |at: usize| hertz * at as f64 / 48_000.0 * std::f64::consts::TAU;
    let along = |wave: fn(f64) -> f64| {
        samples.iter().enumerate().map(|(at, sample)| f64::from(*sample) * wave(turns(at))).sum::<f64>()
    };
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    along(f64::sin).hypot(along(f64::cos)) * (2.0 / (samples.len() as f64 * energy)).sqrt()
}

#[test]
fn an_opus_file_is_decoded_to_its_two_tones() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["tones.opus", "tones.ogg"] {
        let path = folder.path().join(name);
        std::fs::write(&path, TONES).unwrap();
        let recording = read(&path).unwrap();
        assert_eq!((recording.channels.len(), recording.sample_rate), (2, 48_000));
        assert!((1.49..1.53).contains(&recording.seconds()), "{} s", recording.seconds());
        let [left, right] = [0, 1].map(|channel| &recording.channels[channel][12_000..60_000]);
        assert!(strength(left, 440.0) > 0.98 && strength(left, 1_000.0) < 0.05);
        assert!(strength(right, 1_000.0) > 0.98 && strength(right, 440.0) < 0.05);
    }
}

#[test]
fn a_damaged_opus_file_is_decoded_in_part_or_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.opus");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        read(Path::new(&path)).map(|recording| recording.frames())
    };
    for length in (1..TONES.len()).step_by(97) {
        let _ = read(&TONES[..length]);
    }
    assert!(read(&TONES[..TONES.len() * 3 / 4]).is_ok_and(|frames| frames < 60_000));
    // The page checksums are updated after each change, so that the damage reaches the decoder.
    let mut state = 1_u32;
    for _ in 0..200 {
        let mut bytes = TONES.to_vec();
        for _ in 0..8 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = 200 + state as usize % (bytes.len() - 200);
            bytes[at] ^= (state >> 24) as u8 | 1;
        }
        update_page_checksums(&mut bytes);
        let _ = read(&bytes);
    }
}

/// Updates the checksum of each page of an Ogg file (RFC 3533, section 6), up to the first invalid page header.
fn update_page_checksums(bytes: &mut [u8]) {
    let mut at = 0;
    while bytes.len() >= at + 27 && &bytes[at..at + 4] == b"OggS" {
        let segments = usize::from(bytes[at + 26]);
        let Some(table) = bytes.get(at + 27..at + 27 + segments) else { return };
        let length = 27 + segments + table.iter().map(|length| usize::from(*length)).sum::<usize>();
        let Some(page) = bytes.get_mut(at..at + length) else { return };
        page[22..26].fill(0);
        let sum = page.iter().fold(0_u32, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte) << 24, |sum, _| sum << 1 ^ if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 })
        });
        page[22..26].copy_from_slice(&sum.to_le_bytes());
        at += length;
    }
}
