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

/// A published mean ROC-AUC.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Published {
    /// The figure.
    pub auc: f64,
    /// Whether it was checked against a source; else it is as remembered.
    pub checked: bool,
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
    /// What was published for MagnaTagATune.
    pub magnatagatune: Option<Published>,
    /// What was published for the Million Song Dataset.
    pub million_song: Option<Published>,
    /// What is not as in its paper, in a sentence; empty where all is.
    pub note: &'static str,
}

const fn remembered(auc: f64) -> Option<Published> {
    Some(Published { auc, checked: false })
}

const fn checked(auc: f64) -> Option<Published> {
    Some(Published { auc, checked: true })
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
            rows.push(row(format!("{m}^{n}-{window}"), Table::Two, network, remembered(auc)));
        }
    }
    if let Some(best) = rows.iter_mut().find(|row| row.name == "3^9-59049") {
        (best.magnatagatune, best.million_song) = (checked(0.9055), checked(0.8812));
    }
    for (n, frame, hop, _, auc) in TABLE_3 {
        let mut network = SampleLevel::new(3, n, WINDOW, frame_widths(n, frame, hop));
        network.first = (frame != hop).then_some(frame);
        let name = format!("raw-{n}-{frame}-{hop}");
        rows.push(row(name, Table::Three, Architecture::SampleLevel(network), remembered(auc)));
    }
    for (n, frame, hop, auc, _) in TABLE_3 {
        let widths = frame_widths(n, frame, hop)[1..].to_vec();
        let network = MelLevel { n, window: WINDOW, frame, hop, fft: 729, bands: 128, widths };
        rows.push(row(
            format!("mel-{n}-{frame}-{hop}"),
            Table::Three,
            Architecture::MelLevel(network),
            remembered(auc),
        ));
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
            remembered(0.9013),
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
            checked(0.894),
            remembered(0.851),
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
            remembered(0.862),
            "the widths of its author's code; 14 steps, not 15, since frames are not padded; ln(1 + 10 |A|) in the place \
             of decibels",
        ),
        row(
            "1d-cnn",
            Architecture::FrameCnn(FrameCnn { window: WINDOW, frame: 256, widths: vec![32, 32, 32] }),
            remembered(0.8487),
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
            Block::Se => checked(0.9111),
            Block::Rese2 => checked(0.9113),
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
}
