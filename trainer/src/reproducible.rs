//! Hashes and random numbers that are the same in every release of the libraries below: data splits,
//! augmentation and labelled segments depend on them.

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use xxhash_rust::xxh3::Xxh3Default;

/// The XXH3 hash of some parts; where one ends and the next begins counts.
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = Xxh3Default::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.digest()
}

/// A generator for one recording of a seed.
pub(crate) fn generator(seed: u64, recording: &str) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(hash(&[&seed.to_le_bytes(), recording.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng as _;

    /// If one of these changes, every held-out split and every augmented copy changes: raise the format
    /// of the cache then.
    #[test]
    fn hashes_and_random_numbers_are_fixed() {
        assert_eq!(hash(&[]), 0x2d06_8005_38d3_94c2);
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
        let numbers: [u32; 3] = generator(7, "album/track.flac").random();
        assert_eq!((hash(&[b"album/track.flac"]), numbers), EXPECTED);
    }

    const EXPECTED: (u64, [u32; 3]) = (12_602_202_700_865_114_232, [912_532_555, 213_431_384, 3_536_122_904]);
}
