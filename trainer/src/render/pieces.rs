//! A data set of rendered pieces. They are not stored: a piece depends on its number, the seed, its length, the scores,
//! and the number of sound fonts, and can be rendered again.

use super::Renderer;
use super::compose::{Piece, compose};
use super::ground_truth::{self, LEAD_PROGRAMS};
use super::scores::Score;
use super::truth::Truth;
use crate::data::Source;
use crate::error::{Result, TrainerError};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use tagvane_engine::SAMPLE_RATE;

/// The pieces, and the sound fonts that play them.
pub struct Pieces {
    /// The sound fonts and their names, which are unique; at least one.
    fonts: Vec<(String, Renderer)>,
    scores: Vec<Score>,
    count: usize,
    /// Length of a piece.
    seconds: f64,
    seed: u64,
}

/// The name of a piece as a source: `font/seed/number`.
struct PieceName<'a> {
    font: &'a str,
    number: u64,
}

impl<'a> PieceName<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let (font, rest) = name.split_once('/')?;
        Some(Self { font, number: rest.rsplit_once('/')?.1.parse().ok()? })
    }
}

impl Pieces {
    /// `count` pieces of `seconds`, 3 to 600. The sound fonts play them in turn. If there are scores, half of the pieces
    /// are excerpts of them: those of every second round of the sound fonts.
    ///
    /// # Errors
    /// [`TrainerError`] where there is no sound font, two have the same file name, one of them or a score is invalid, or
    /// `seconds` is out of range.
    pub fn open(fonts: &[PathBuf], scores: &[PathBuf], count: usize, seconds: f64, seed: u64) -> Result<Self> {
        check_seconds(seconds)?;
        if fonts.is_empty() {
            let what = "there is no sound font to play the pieces; give an SF2 file with --font, or add a package with \
                        one to the package list";
            return Err(TrainerError::Request(what.into()));
        }
        let mut names = HashSet::new();
        if let Some(path) = fonts.iter().find(|path| !names.insert(font_name(path))) {
            let what = "another sound font has the same name, by which the pieces are called; rename one of them";
            return Err(TrainerError::content(path, what));
        }
        let fonts = fonts.iter().map(|path| Ok((font_name(path), Renderer::open(path)?))).collect::<Result<_>>()?;
        let scores = scores.iter().map(|path| Score::open(path)).collect::<Result<_>>()?;
        Ok(Self { fonts, scores, count, seconds, seed })
    }

    /// The sources of all pieces; the pieces of a sound font are a group.
    pub fn sources(&self) -> Vec<Source> {
        let source = |number: usize| {
            let (font, _) = &self.fonts[number % self.fonts.len()];
            let name = format!("{font}/{}/{number}", self.seed);
            Source { name, path: None, group: font.clone(), labels: None }
        };
        (0..self.count).map(source).collect()
    }

    /// Renders the piece called `name`, mono, at the sample rate of the engine; and what is known of it.
    ///
    /// # Errors
    /// A message where there is no such piece, or it cannot be rendered.
    pub fn render(&self, name: &str) -> std::result::Result<(Vec<f32>, Truth), String> {
        let unknown = || format!("there is no piece {name}");
        let PieceName { font, number } = PieceName::parse(name).ok_or_else(unknown)?;
        let (_, renderer) = self.fonts.iter().find(|(other, _)| other == font).ok_or_else(unknown)?;
        let (piece, mut random) = self.piece(number);
        let samples = renderer.render(&piece, random.random_range(0.2..0.95)).map_err(|error| error.to_string())?;
        Ok((samples, ground_truth::truth(&piece, SAMPLE_RATE)))
    }

    /// The piece with a number, and the random state after its generation. In four of five pieces the lead goes to the
    /// instruments of [`LEAD_PROGRAMS`] in turn.
    fn piece(&self, number: u64) -> (Piece, ChaCha12Rng) {
        let mut random = ChaCha12Rng::seed_from_u64(self.seed.wrapping_mul(1_000_003).wrapping_add(number));
        let lead =
            (number % 5 != 4).then(|| LEAD_PROGRAMS[(number / 5 * 4 + number % 5) as usize % LEAD_PROGRAMS.len()]);
        // Sound fonts alternate as well, so the decision is by rounds: each font plays a generated piece in one round
        // and an excerpt of a score in the next.
        let score = self.scores.choose(&mut random).filter(|_| number / self.fonts.len() as u64 % 2 == 1);
        let piece = match score {
            Some(score) => score.excerpt(&mut random, self.seconds, lead),
            None => compose(&mut random, self.seconds, lead),
        };
        (piece, random)
    }
}

/// Checks the length of a synthesized piece.
///
/// # Errors
/// [`TrainerError::Request`] where it is out of range.
pub(super) fn check_seconds(seconds: f64) -> Result<()> {
    match (3.0..=600.0).contains(&seconds) {
        true => Ok(()),
        false => Err(TrainerError::Request(format!("pieces of {seconds} s are not possible; give 3 to 600 s"))),
    }
}

/// The name of a sound font: that of its file, without the extension.
fn font_name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(fonts: &[&str], seconds: f64) -> String {
        let fonts: Vec<PathBuf> = fonts.iter().map(PathBuf::from).collect();
        Pieces::open(&fonts, &[], 10, seconds, 1).err().unwrap().to_string()
    }

    /// Regression: without a sound font `sources` divided by zero, and of two with the same name only the first one
    /// played.
    #[test]
    fn sound_fonts_are_required_and_have_different_names() {
        assert!(error(&[], 20.0).contains("no sound font"));
        let message = error(&["a/piano.sf2", "b/organ.sf2", "b/piano.sf2"], 20.0);
        assert!(message.contains("b/piano.sf2") && message.contains("rename"), "{message}");
        assert!(error(&["a/piano.sf2"], 2.0).contains("3 to 600"));
        assert!(error(&["a/piano.sf2"], f64::NAN).contains("3 to 600"));
    }
}
