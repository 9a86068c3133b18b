//! A data set of rendered pieces: each is made of its number alone, so that it need not be
//! kept.

use super::Renderer;
use super::compose::{Piece, compose};
use super::scores::Score;
use super::truth::{self, LEADS};
use crate::error::{Result, TrainerError};
use crate::prepare::Source;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use std::path::PathBuf;

/// Pieces and who plays them.
pub struct Pieces {
    fonts: Vec<(String, Renderer)>,
    scores: Vec<Score>,
    count: usize,
    seconds: f64,
    seed: u64,
}

/// One piece's name among the sources: `font/seed/number`.
struct Name<'a> {
    font: &'a str,
    number: u64,
}

impl<'a> Name<'a> {
    fn read(name: &'a str) -> Option<Self> {
        let (font, rest) = name.split_once('/')?;
        Some(Self { font, number: rest.rsplit_once('/')?.1.parse().ok()? })
    }
}

impl Pieces {
    /// `count` pieces of so many seconds, each played by one of the sound fonts; where there are
    /// scores, every second piece is a part of one.
    ///
    /// # Errors
    /// [`TrainerError`] where a font or a score cannot be used.
    pub fn open(fonts: &[PathBuf], scores: &[PathBuf], count: usize, seconds: f64, seed: u64) -> Result<Self> {
        if !(3.0..=600.0).contains(&seconds) {
            return Err(TrainerError::Request(format!("pieces of {seconds} s: between 3 and 600 are possible")));
        }
        let open = |path: &PathBuf| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().replace('/', "_");
            Ok((name, Renderer::open(path)?))
        };
        let scores = scores.iter().map(|path| Score::open(path)).collect::<Result<_>>()?;
        Ok(Self { fonts: fonts.iter().map(open).collect::<Result<_>>()?, scores, count, seconds, seed })
    }

    /// Every piece; those of a font are a group.
    pub fn sources(&self) -> Vec<Source> {
        let source = |number: usize| {
            let (font, _) = &self.fonts[number % self.fonts.len()];
            let name = format!("{font}/{}/{number}", self.seed);
            Source { name, path: PathBuf::new(), group: font.clone(), labels: Vec::new() }
        };
        (0..self.count).map(source).collect()
    }

    /// What a piece sounds like.
    ///
    /// # Errors
    /// In words, where it cannot be played.
    pub fn samples(&self, name: &str) -> std::result::Result<Vec<f32>, String> {
        let unknown = || format!("there is no piece {name}");
        let Name { font, number } = Name::read(name).ok_or_else(unknown)?;
        let (_, renderer) = self.fonts.iter().find(|(other, _)| other == font).ok_or_else(unknown)?;
        let (piece, mut random) = self.piece(number);
        renderer.render(&piece, random.random_range(0.2..0.95)).map_err(|error| error.to_string())
    }

    /// Which of `tags` are true of a piece, 0 or 1.
    pub fn truth(&self, name: &str, tags: &[String]) -> Vec<f32> {
        let known = Name::read(name).map(|name| truth::tags(&self.piece(name.number).0)).unwrap_or_default();
        tags.iter().map(|tag| f32::from(u8::from(known.contains(&tag.as_str())))).collect()
    }

    /// A piece by its number, and the chance that goes on after it. Of five pieces four are
    /// led by instruments in turn.
    fn piece(&self, number: u64) -> (Piece, StdRng) {
        let mut random = StdRng::seed_from_u64(self.seed.wrapping_mul(1_000_003).wrapping_add(number));
        let lead = (number % 5 != 4).then(|| LEADS[(number / 5 * 4 + number % 5) as usize % LEADS.len()]);
        // Fonts take turns too: two pieces of each in a row, of which one is from a score.
        let score = self.scores.choose(&mut random).filter(|_| number / self.fonts.len() as u64 % 2 == 1);
        let piece = match score {
            Some(score) => score.excerpt(&mut random, self.seconds, lead),
            None => compose(&mut random, self.seconds, lead),
        };
        (piece, random)
    }
}
