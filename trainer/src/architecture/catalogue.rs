//! The named networks: the rows of the paper's tables, and later ones.

use super::baselines::{ConvolutionalRecurrent, FrameCnn, FullyConvolutional, Persistent};
use super::{Architecture, BlockKind, MelLevel, SampleLevel, narrow_widths, paper_widths};

/// The table that lists a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Lee et al. 2017, Table 2: m^n networks.
    Two,
    /// Lee et al. 2017, Table 3: frames of raw waveform and of mel spectrogram.
    Three,
    /// Lee et al. 2017, Table 4: baselines.
    Four,
    /// Not in that paper: the networks of Kim, Lee and Nam 2018, and this project's narrow ones.
    Extensions,
}

/// A network with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogueEntry {
    /// The name on the command line.
    pub name: String,
    /// The table that lists it.
    pub table: Table,
    /// The network.
    pub architecture: Architecture,
    /// The published mean ROC-AUC on MagnaTagATune.
    pub magnatagatune: Option<f64>,
    /// The published mean ROC-AUC on the Million Song Dataset.
    pub million_song: Option<f64>,
    /// How it differs from its paper; empty where it does not.
    pub note: &'static str,
}

/// Table 2: m, window in samples, the smallest n, and the ROC-AUC for it and each larger n.
const TABLE_2: [(usize, usize, usize, &[f64]); 8] = [
    (2, 16_384, 6, &[0.8839, 0.8899, 0.8968, 0.8994, 0.9011, 0.9031, 0.9036, 0.9032]),
    (2, 32_768, 7, &[0.8834, 0.8872, 0.8980, 0.8988, 0.9017, 0.9031, 0.9039, 0.9040]),
    (3, 19_683, 3, &[0.8655, 0.8753, 0.8961, 0.9012, 0.9033, 0.9039]),
    (3, 59_049, 4, &[0.8655, 0.8823, 0.8936, 0.9002, 0.9030, 0.9055]),
    (4, 16_384, 3, &[0.8828, 0.8968, 0.9010, 0.9021]),
    (4, 65_536, 4, &[0.8813, 0.8950, 0.9001, 0.9026]),
    (5, 15_625, 3, &[0.8901, 0.9005, 0.9024]),
    (5, 78_125, 4, &[0.8870, 0.9004, 0.9041]),
];

/// Table 3: n, frame and hop in samples, the ROC-AUC over mel spectrogram and over raw waveform.
const TABLE_3: [(usize, usize, usize, f64, f64); 5] = [
    (4, 729, 729, 0.9000, 0.8655),
    (5, 729, 243, 0.9005, 0.8742),
    (5, 243, 243, 0.9047, 0.8823),
    (6, 243, 81, 0.9059, 0.8906),
    (6, 81, 81, 0.9025, 0.8936),
];

/// Window of the network of Table 1, in samples.
const WINDOW: usize = 59_049;

/// Every named network, in the order of the tables.
pub fn entries() -> Vec<CatalogueEntry> {
    let mut entries = Vec::new();
    let entry = |name: String, table, architecture, magnatagatune| CatalogueEntry {
        name,
        table,
        architecture,
        magnatagatune,
        million_song: None,
        note: "",
    };
    for (m, window, first, aucs) in TABLE_2 {
        for (n, &auc) in (first..).zip(aucs) {
            let network = Architecture::SampleLevel(SampleLevel::new(m, n, window, paper_widths(m, n)));
            entries.push(entry(format!("{m}^{n}-{window}"), Table::Two, network, Some(auc)));
        }
    }
    if let Some(best) = entries.iter_mut().find(|entry| entry.name == "3^9-59049") {
        (best.magnatagatune, best.million_song) = (Some(0.9055), Some(0.8812));
    }
    for (n, frame, hop, _, auc) in TABLE_3 {
        let mut network = SampleLevel::new(3, n, WINDOW, frame_widths(n, frame, hop));
        network.first_kernel_size = (frame != hop).then_some(frame);
        let name = format!("raw-{n}-{frame}-{hop}");
        entries.push(entry(name, Table::Three, Architecture::SampleLevel(network), Some(auc)));
    }
    for (n, frame, hop, auc, _) in TABLE_3 {
        let widths = frame_widths(n, frame, hop)[1..].to_vec();
        let network = MelLevel { n, window: WINDOW, frame, hop, fft: 729, bands: 128, widths };
        entries.push(entry(format!("mel-{n}-{frame}-{hop}"), Table::Three, Architecture::MelLevel(network), Some(auc)));
    }
    entries.extend(baselines());
    entries.extend(extensions());
    entries
}

/// The widths of Table 3. Networks with overlapping frames have a wider last layer (from the first
/// author's code).
fn frame_widths(n: usize, frame: usize, hop: usize) -> Vec<usize> {
    let mut widths = paper_widths(3, n);
    if frame != hop {
        widths[n - 1] = 512;
    }
    widths
}

fn baselines() -> Vec<CatalogueEntry> {
    let entry = |name: &str, architecture, magnatagatune, million_song, note| CatalogueEntry {
        name: name.into(),
        table: Table::Four,
        architecture,
        magnatagatune,
        million_song,
        note,
    };
    vec![
        entry(
            "persistent-cnn",
            Architecture::Persistent(Persistent { window: 632_576, widths: vec![64, 3_200, 512, 512] }),
            Some(0.9013),
            None,
            "top-hat transforms of three widths replace the persistence landscapes, and the clip's maximum its mean",
        ),
        entry(
            "2d-cnn",
            Architecture::FullyConvolutional(FullyConvolutional {
                window: 640_654,
                widths: vec![128, 384, 768, 2_048],
                pools: vec![(2, 4), (4, 5), (3, 8), (4, 8)],
            }),
            Some(0.894),
            Some(0.851),
            "FCN-4; ln(1 + 10 |A|) replaces decibels",
        ),
        entry(
            "crnn",
            Architecture::ConvolutionalRecurrent(ConvolutionalRecurrent {
                window: 640_654,
                widths: vec![64, 128, 128, 128, 32],
                pools: vec![(2, 2), (3, 3), (4, 4), (4, 4)],
            }),
            None,
            Some(0.862),
            "widths from its author's code; 14 time steps, not 15, since frames are not padded; \
             ln(1 + 10 |A|) replaces decibels",
        ),
        entry(
            "1d-cnn",
            Architecture::FrameCnn(FrameCnn { window: WINDOW, frame: 256, widths: vec![32, 32, 32] }),
            Some(0.8487),
            None,
            "22050 Hz, not 16000; the strided layer's 32 filters are from replications",
        ),
    ]
}

fn extensions() -> Vec<CatalogueEntry> {
    let network = |block, multi_level, widths| {
        let plain = SampleLevel::new(3, 9, WINDOW, widths);
        Architecture::SampleLevel(SampleLevel { block, multi_level, ..plain })
    };
    let entry = |name: &str, architecture, magnatagatune| CatalogueEntry {
        name: name.into(),
        table: Table::Extensions,
        architecture,
        magnatagatune,
        million_song: None,
        note: "",
    };
    let mut entries = vec![entry("multi", network(BlockKind::Basic, true, paper_widths(3, 9)), None)];
    for (name, block) in [
        ("se", BlockKind::Se),
        ("res1", BlockKind::Res1),
        ("res2", BlockKind::Res2),
        ("rese1", BlockKind::Rese1),
        ("rese2", BlockKind::Rese2),
    ] {
        entries.push(entry(name, network(block, false, paper_widths(3, 9)), None));
        let auc = match block {
            BlockKind::Se => Some(0.9111),
            BlockKind::Rese2 => Some(0.9113),
            _ => None,
        };
        entries.push(entry(&format!("{name}-multi"), network(block, true, paper_widths(3, 9)), auc));
    }
    for n in 4..=9 {
        let network = SampleLevel::new(3, n, WINDOW, narrow_widths(n));
        entries.push(entry(&format!("narrow-3^{n}"), Architecture::SampleLevel(network), None));
    }
    entries
}

/// The network of a name, such as `3^9-59049`.
///
/// ```
/// let entry = tagvane_trainer::architecture::catalogue::find("3^9-59049").unwrap();
/// assert_eq!((entry.architecture.window(), entry.magnatagatune), (59_049, Some(0.9055)));
/// ```
pub fn find(name: &str) -> Option<CatalogueEntry> {
    entries().into_iter().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_can_be_built_and_has_a_unique_name() {
        let entries = entries();
        let count = |table| entries.iter().filter(|entry| entry.table == table).count();
        let counts = (count(Table::Two), count(Table::Three), count(Table::Four), count(Table::Extensions));
        assert_eq!(counts, (42, 10, 4, 17));
        for entry in &entries {
            entry.architecture.plan(50).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
            assert_eq!(find(&entry.name).as_ref(), Some(entry), "two entries have this name");
        }
    }

    #[test]
    fn every_architecture_survives_a_round_trip_through_toml() {
        for entry in entries() {
            let text = toml::to_string(&entry.architecture).unwrap();
            assert_eq!(toml::from_str::<Architecture>(&text).unwrap(), entry.architecture, "{text}");
        }
    }

    #[test]
    fn deeper_networks_have_smaller_strides() {
        let strides = |m: usize, window: usize, ns: std::ops::RangeInclusive<usize>| {
            ns.map(|n| window / m.pow(n as u32)).collect::<Vec<_>>()
        };
        assert_eq!(strides(3, 59_049, 4..=9), [729, 243, 81, 27, 9, 3]);
        assert_eq!(strides(2, 16_384, 6..=13), [256, 128, 64, 32, 16, 8, 4, 2]);
        assert_eq!(strides(5, 78_125, 4..=6), [125, 25, 5]);
    }

    /// Tables 2, 3 and 4, copied from the paper: ROC-AUC on MagnaTagATune, then on the Million Song
    /// Dataset; 0 where the paper has none.
    const PAPER: &str = "
        2^6-16384 0.8839, 2^7-16384 0.8899, 2^8-16384 0.8968, 2^9-16384 0.8994,
        2^10-16384 0.9011, 2^11-16384 0.9031, 2^12-16384 0.9036, 2^13-16384 0.9032,
        2^7-32768 0.8834, 2^8-32768 0.8872, 2^9-32768 0.8980, 2^10-32768 0.8988,
        2^11-32768 0.9017, 2^12-32768 0.9031, 2^13-32768 0.9039, 2^14-32768 0.9040,
        3^3-19683 0.8655, 3^4-19683 0.8753, 3^5-19683 0.8961, 3^6-19683 0.9012, 3^7-19683 0.9033, 3^8-19683 0.9039,
        3^4-59049 0.8655, 3^5-59049 0.8823, 3^6-59049 0.8936, 3^7-59049 0.9002, 3^8-59049 0.9030,
        3^9-59049 0.9055 0.8812,
        4^3-16384 0.8828, 4^4-16384 0.8968, 4^5-16384 0.9010, 4^6-16384 0.9021,
        4^4-65536 0.8813, 4^5-65536 0.8950, 4^6-65536 0.9001, 4^7-65536 0.9026,
        5^3-15625 0.8901, 5^4-15625 0.9005, 5^5-15625 0.9024, 5^4-78125 0.8870, 5^5-78125 0.9004, 5^6-78125 0.9041,
        mel-4-729-729 0.9000, mel-5-729-243 0.9005, mel-5-243-243 0.9047, mel-6-243-81 0.9059, mel-6-81-81 0.9025,
        raw-4-729-729 0.8655, raw-5-729-243 0.8742, raw-5-243-243 0.8823, raw-6-243-81 0.8906, raw-6-81-81 0.8936,
        persistent-cnn 0.9013, 2d-cnn 0.894 0.851, crnn 0 0.862, 1d-cnn 0.8487";

    #[test]
    fn published_aucs_equal_the_papers_tables() {
        let mut published = std::collections::BTreeMap::new();
        for entry in PAPER.split(',') {
            let mut words = entry.split_whitespace();
            let name = words.next().unwrap();
            let mut auc = || words.next().map(|auc| auc.parse::<f64>().unwrap()).filter(|auc| *auc > 0.0);
            assert_eq!(published.insert(name, (auc(), auc())), None, "{name} is listed twice");
        }
        for entry in entries().iter().filter(|entry| entry.table != Table::Extensions) {
            let aucs = published.remove(entry.name.as_str());
            assert_eq!(aucs, Some((entry.magnatagatune, entry.million_song)), "{}", entry.name);
        }
        assert!(published.is_empty(), "no entry for {published:?}");
    }
}
