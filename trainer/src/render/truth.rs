//! What is known of a synthesized recording: which instruments sound when.

use std::collections::BTreeSet;

/// An instrument that sounds from one sample to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sounding {
    /// The names of the instrument, such as `alto saxophone` and `saxophone`.
    pub instruments: Vec<String>,
    /// First sample.
    pub from: usize,
    /// The sample behind the last one.
    pub to: usize,
}

/// What is known to sound in a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// The instruments, each as often as it sounds.
    pub soundings: Vec<Sounding>,
    /// Whether nothing else sounds in it.
    pub is_complete: bool,
}

impl Truth {
    /// The names of all instruments that sound somewhere, sorted.
    pub fn instruments(&self) -> BTreeSet<&str> {
        self.soundings.iter().flat_map(|sounding| &sounding.instruments).map(String::as_str).collect()
    }

    /// The names of the instruments that sound for at least `min_samples` of the `length` samples from `start` on, sorted.
    pub fn instruments_within(&self, start: usize, length: usize, min_samples: usize) -> BTreeSet<&str> {
        let end = start + length;
        let sounds = |instrument: &&str| {
            let has_name = |sounding: &&Sounding| sounding.instruments.iter().any(|name| name == instrument);
            let mut spans: Vec<(usize, usize)> = self
                .soundings
                .iter()
                .filter(has_name)
                .map(|sounding| (sounding.from.max(start), sounding.to.min(end)))
                .filter(|(from, to)| from < to)
                .collect();
            spans.sort_unstable();
            // Notes may overlap.
            let (mut total, mut covered) = (0, start);
            for (from, to) in spans {
                total += to.saturating_sub(from.max(covered));
                covered = covered.max(to);
            }
            total >= min_samples.max(1)
        };
        self.instruments().into_iter().filter(sounds).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_notes_count_once() {
        let sounding =
            |name: &str, from, to| Sounding { instruments: vec![name.to_owned(), "any".to_owned()], from, to };
        let soundings = vec![sounding("cello", 0, 100), sounding("cello", 50, 120), sounding("flute", 300, 400)];
        let truth = Truth { soundings, is_complete: false };
        assert_eq!(truth.instruments(), BTreeSet::from(["any", "cello", "flute"]));
        let within = |start, length, min_samples| truth.instruments_within(start, length, min_samples);
        assert_eq!(within(0, 200, 120), BTreeSet::from(["any", "cello"]));
        assert_eq!(within(0, 200, 121), BTreeSet::new());
        assert_eq!(within(110, 240, 50), BTreeSet::from(["any", "flute"]));
        assert_eq!(within(120, 180, 0), BTreeSet::new());
    }
}
