//! A data set of rendered pieces. A piece depends on the seed and its number only, so pieces are not stored.

use super::Renderer;
use super::compose::{Piece, compose};
use super::ground_truth::{self, LEAD_PROGRAMS};
use super::scores::Score;
use crate::data::Source;
use crate::error::{Result, TrainerError};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use std::path::PathBuf;

/// The pieces, and the sound fonts that play them.
pub struct Pieces {
    fonts: Vec<(String, Renderer)>,
    scores: Vec<Score>,
    count: usize,
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
    /// `count` pieces of `seconds`, 3 to 600, each played by one of the sound fonts. If there are scores, every second
    /// piece is an excerpt of one.
    ///
    /// # Errors
    /// [`TrainerError`] where a sound font or a score is invalid, or `seconds` is out of range.
    pub fn open(fonts: &[PathBuf], scores: &[PathBuf], count: usize, seconds: f64, seed: u64) -> Result<Self> {
        if !(3.0..=600.0).contains(&seconds) {
            return Err(TrainerError::Request(format!("pieces of {seconds} s are not possible; give 3 to 600 s")));
        }
        let open = |path: &PathBuf| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().replace('/', "_");
            Ok((name, Renderer::open(path)?))
        };
        let scores = scores.iter().map(|path| Score::open(path)).collect::<Result<_>>()?;
        Ok(Self { fonts: fonts.iter().map(open).collect::<Result<_>>()?, scores, count, seconds, seed })
    }

    /// The sources of all pieces; the pieces of a sound font are a group.
    pub fn sources(&self) -> Vec<Source> {
        let source = |number: usize| {
            let (font, _) = &self.fonts[number % self.fonts.len()];
            let name = format!("{font}/{}/{number}", self.seed);
            Source { name, path: PathBuf::new(), group: font.clone(), labels: Vec::new() }
        };
        (0..self.count).map(source).collect()
    }

    /// Renders the piece called `name`: mono, at the sample rate of the engine.
    ///
    /// # Errors
    /// A message where there is no such piece, or it cannot be rendered.
    pub fn samples(&self, name: &str) -> std::result::Result<Vec<f32>, String> {
        let unknown = || format!("there is no piece {name}");
        let PieceName { font, number } = PieceName::parse(name).ok_or_else(unknown)?;
        let (_, renderer) = self.fonts.iter().find(|(other, _)| other == font).ok_or_else(unknown)?;
        let (piece, mut random) = self.piece(number);
        renderer.render(&piece, random.random_range(0.2..0.95)).map_err(|error| error.to_string())
    }

    /// The ground truth of a piece for `tags`, 0 or 1 per tag.
    pub fn ground_truth(&self, name: &str, tags: &[String]) -> Vec<f32> {
        let name = PieceName::parse(name);
        let positives = name.map(|name| ground_truth::tags(&self.piece(name.number).0)).unwrap_or_default();
        tags.iter().map(|tag| f32::from(u8::from(positives.contains(&tag.as_str())))).collect()
    }

    /// The piece with a number, and the random state after its generation. Four of five pieces are led by the
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
