//! Hashes and random numbers that data splits, augmentation and labelled segments depend on.
//!
//! XXH3 and the words of ChaCha12 are fixed by their specifications. The rest is up to the libraries: how
//! rand_core makes a key of a number, how rand makes values of the words (`random`, `random_range`,
//! `random_bool`, `choose`, `shuffle`), and how rand_distr does (`StandardNormal`, `Beta`). Another release may
//! change that, so the test below pins one value of each.

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use std::fs::File;
use std::path::Path;
use xxhash_rust::xxh3::Xxh3Default;

/// The XXH3 hash of some parts: each part is preceded by its length, so `[ab, c]` and `[a, bc]` differ.
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = Xxh3Default::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.digest()
}

/// The XXH3 hash of the content of a file, in hexadecimal digits; the file is streamed.
pub(crate) fn hash_file(path: &Path) -> std::io::Result<String> {
    let mut hasher = Xxh3Default::new();
    std::io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(format!("{:016x}", hasher.digest()))
}

/// Computes the [`hash`] of a single part that is not in memory as a whole.
pub(crate) struct PartHasher(Xxh3Default);

impl PartHasher {
    /// Begins with a part of `length` bytes.
    pub(crate) fn new(length: u64) -> Self {
        let mut hasher = Xxh3Default::new();
        hasher.update(&length.to_le_bytes());
        Self(hasher)
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash, after all bytes of the part.
    pub(crate) fn finish(&self) -> u64 {
        self.0.digest()
    }
}

/// A random number generator seeded by `seed` and the recording's name.
pub(crate) fn generator(seed: u64, recording: &str) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(hash(&[&seed.to_le_bytes(), recording.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng as _;
    use rand::seq::{IndexedRandom as _, SliceRandom as _};
    use rand_distr::{Beta, StandardNormal};

    /// If one of these changes, every held-out split and every augmented copy changes: raise the format
    /// of the cache then.
    #[test]
    fn hashes_and_random_numbers_are_fixed() {
        assert_eq!(hash(&[]), 0x2d06_8005_38d3_94c2);
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
        let random = || generator(7, "album/track.flac");
        let numbers: [u32; 3] = random().random();
        assert_eq!((hash(&[b"album/track.flac"]), numbers), EXPECTED);

        assert_eq!(random().random::<f32>(), 0.212_465_52);
        assert!(!random().random::<bool>());
        assert_eq!(random().random_range(0..=1_000_000_usize), 212_465);
        assert_eq!(random().random_range(-0.2..0.2), -0.180_122_653_375_150_15);
        assert!(random().random_bool(0.05) && !random().random_bool(0.049));
        assert_eq!([0, 1, 2, 3, 4, 5, 6].choose(&mut random()), Some(&1));
        let mut order = [0, 1, 2, 3, 4, 5, 6, 7];
        order.shuffle(&mut random());
        assert_eq!(order, [7, 3, 4, 0, 1, 6, 2, 5]);
        assert_eq!(random().sample::<f32, _>(StandardNormal), -1.736_393_5);
        assert_eq!(random().sample(Beta::new(0.2, 0.2).unwrap()) as f32, 0.745_062_9);
    }

    const EXPECTED: (u64, [u32; 3]) = (12_602_202_700_865_114_232, [912_532_555, 213_431_384, 3_536_122_904]);
}
