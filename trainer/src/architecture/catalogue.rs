//! Every network that has a name: the rows of the paper's tables and what came after.

use super::earlier::{ConvolutionalRecurrent, FrameCnn, FullyConvolutional, Persistent};
use super::{Architecture, Block, MelLevel, SampleLevel, narrow, wide};

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Lee et al. 2017, Table 2: m^n networks.
    Two,
    /// Lee et al. 2017, Table 3: frames of raw waveform and of mel spectrogram.
    Three,
    /// Lee et al. 2017, Table 4: earlier systems.
    Four,
    /// Kim, Lee and Nam 2018, and the narrow networks of this project.
    Beyond,
}

/// A network with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// How commands and configurations call it.
    pub name: String,
    /// Where it stands.
    pub table: Table,
    /// The network.
    pub architecture: Architecture,
    /// The published mean ROC-AUC on MagnaTagATune.
    pub magnatagatune: Option<f64>,
    /// The published mean ROC-AUC on the Million Song Dataset.
    pub million_song: Option<f64>,
    /// What is not as in its paper, in a sentence; empty where all is.
    pub note: &'static str,
}

/// Table 2: m, samples, the first n, and the figure for it and each n that follows.
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

/// Table 3: n, frame and hop in samples, the figure over mel and over raw waveform.
const TABLE_3: [(usize, usize, usize, f64, f64); 5] = [
    (4, 729, 729, 0.9000, 0.8655),
    (5, 729, 243, 0.9005, 0.8742),
    (5, 243, 243, 0.9047, 0.8823),
    (6, 243, 81, 0.9059, 0.8906),
    (6, 81, 81, 0.9025, 0.8936),
];

/// Samples of Table 1's network.
const WINDOW: usize = 59_049;

/// Every row, in the order of the tables.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let row = |name: String, table, architecture, magnatagatune| Row {
        name,
        table,
        architecture,
        magnatagatune,
        million_song: None,
        note: "",
    };
    for (m, window, first, figures) in TABLE_2 {
        for (n, &auc) in (first..).zip(figures) {
            let network = Architecture::SampleLevel(SampleLevel::new(m, n, window, wide(m, n)));
            rows.push(row(format!("{m}^{n}-{window}"), Table::Two, network, Some(auc)));
        }
    }
    if let Some(best) = rows.iter_mut().find(|row| row.name == "3^9-59049") {
        (best.magnatagatune, best.million_song) = (Some(0.9055), Some(0.8812));
    }
    for (n, frame, hop, _, auc) in TABLE_3 {
        let mut network = SampleLevel::new(3, n, WINDOW, frame_widths(n, frame, hop));
        network.first = (frame != hop).then_some(frame);
        let name = format!("raw-{n}-{frame}-{hop}");
        rows.push(row(name, Table::Three, Architecture::SampleLevel(network), Some(auc)));
    }
    for (n, frame, hop, auc, _) in TABLE_3 {
        let widths = frame_widths(n, frame, hop)[1..].to_vec();
        let network = MelLevel { n, window: WINDOW, frame, hop, fft: 729, bands: 128, widths };
        rows.push(row(format!("mel-{n}-{frame}-{hop}"), Table::Three, Architecture::MelLevel(network), Some(auc)));
    }
    rows.extend(earlier());
    rows.extend(beyond());
    rows
}

/// Table 3's overlapping frames have a wider top (as in the first author's code).
fn frame_widths(n: usize, frame: usize, hop: usize) -> Vec<usize> {
    let mut widths = wide(3, n);
    if frame != hop {
        widths[n - 1] = 512;
    }
    widths
}

fn earlier() -> Vec<Row> {
    let row = |name: &str, architecture, magnatagatune, million_song, note| Row {
        name: name.into(),
        table: Table::Four,
        architecture,
        magnatagatune,
        million_song,
        note,
    };
    vec![
        row(
            "persistent-cnn",
            Architecture::Persistent(Persistent { window: 632_576, widths: vec![64, 3_200, 512, 512] }),
            Some(0.9013),
            None,
            "persistence landscapes are replaced by how far peaks stand out at three widths, and the clip's mean by its \
             maximum",
        ),
        row(
            "2d-cnn",
            Architecture::FullyConvolutional(FullyConvolutional {
                window: 640_654,
                widths: vec![128, 384, 768, 2_048],
                pools: vec![(2, 4), (4, 5), (3, 8), (4, 8)],
            }),
            Some(0.894),
            Some(0.851),
            "FCN-4; ln(1 + 10 |A|) in the place of decibels",
        ),
        row(
            "crnn",
            Architecture::ConvolutionalRecurrent(ConvolutionalRecurrent {
                window: 640_654,
                widths: vec![64, 128, 128, 128, 32],
                pools: vec![(2, 2), (3, 3), (4, 4), (4, 4)],
            }),
            None,
            Some(0.862),
            "the widths of its author's code; 14 steps, not 15, since frames are not padded; ln(1 + 10 |A|) in the place \
             of decibels",
        ),
        row(
            "1d-cnn",
            Architecture::FrameCnn(FrameCnn { window: WINDOW, frame: 256, widths: vec![32, 32, 32] }),
            Some(0.8487),
            None,
            "22050 Hz, not 16000; the strided layer's 32 filters are those of replications",
        ),
    ]
}

fn beyond() -> Vec<Row> {
    let network = |block, multi_level, widths| {
        let plain = SampleLevel::new(3, 9, WINDOW, widths);
        Architecture::SampleLevel(SampleLevel { block, multi_level, ..plain })
    };
    let row = |name: &str, architecture, magnatagatune| Row {
        name: name.into(),
        table: Table::Beyond,
        architecture,
        magnatagatune,
        million_song: None,
        note: "",
    };
    let mut rows = vec![row("multi", network(Block::Basic, true, wide(3, 9)), None)];
    for (name, block) in [
        ("se", Block::Se),
        ("res1", Block::Res1),
        ("res2", Block::Res2),
        ("rese1", Block::Rese1),
        ("rese2", Block::Rese2),
    ] {
        rows.push(row(name, network(block, false, wide(3, 9)), None));
        let figure = match block {
            Block::Se => Some(0.9111),
            Block::Rese2 => Some(0.9113),
            _ => None,
        };
        rows.push(row(&format!("{name}-multi"), network(block, true, wide(3, 9)), figure));
    }
    for n in 4..=9 {
        let network = SampleLevel::new(3, n, WINDOW, narrow(n));
        rows.push(row(&format!("narrow-3^{n}"), Architecture::SampleLevel(network), None));
    }
    rows
}

/// The row of a name.
pub fn find(name: &str) -> Option<Row> {
    rows().into_iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_can_be_built_and_has_its_own_name() {
        let rows = rows();
        let count = |table| rows.iter().filter(|row| row.table == table).count();
        assert_eq!((count(Table::Two), count(Table::Three), count(Table::Four), count(Table::Beyond)), (42, 10, 4, 17));
        for row in &rows {
            row.architecture.plan(50).unwrap_or_else(|error| panic!("{}: {error}", row.name));
            assert_eq!(find(&row.name).as_ref(), Some(row), "the name stands for one row");
        }
    }

    #[test]
    fn a_row_is_a_section_of_a_configuration() {
        for row in rows() {
            let text = toml::to_string(&row.architecture).unwrap();
            assert_eq!(toml::from_str::<Architecture>(&text).unwrap(), row.architecture, "{text}");
        }
    }

    #[test]
    fn deeper_networks_start_with_shorter_filters() {
        let strides = |m: usize, window: usize, ns: std::ops::RangeInclusive<usize>| {
            ns.map(|n| window / m.pow(n as u32)).collect::<Vec<_>>()
        };
        assert_eq!(strides(3, 59_049, 4..=9), [729, 243, 81, 27, 9, 3]);
        assert_eq!(strides(2, 16_384, 6..=13), [256, 128, 64, 32, 16, 8, 4, 2]);
        assert_eq!(strides(5, 78_125, 4..=6), [125, 25, 5]);
    }

    /// The paper's Tables 2, 3 and 4, copied from its text: MagnaTagATune, then the Million Song
    /// Dataset; 0 where the paper gives no figure.
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
    fn every_figure_of_the_paper_is_the_papers() {
        let mut published = std::collections::BTreeMap::new();
        for entry in PAPER.split(',') {
            let mut words = entry.split_whitespace();
            let name = words.next().unwrap();
            let mut auc = || words.next().map(|auc| auc.parse::<f64>().unwrap()).filter(|auc| *auc > 0.0);
            assert_eq!(published.insert(name, (auc(), auc())), None, "{name} stands there twice");
        }
        for row in rows().iter().filter(|row| row.table != Table::Beyond) {
            let figures = published.remove(row.name.as_str());
            assert_eq!(figures, Some((row.magnatagatune, row.million_song)), "{}", row.name);
        }
        assert!(published.is_empty(), "no row for {published:?}");
    }
}
