//! Random masks as a function of a seed and a position, so that every backend draws the same, in any order.

/// The factors of the hash, and the shifts before, between and after them: lowbias32 by Chris Wellons.
pub(crate) const FACTORS: [u32; 2] = [0x7feb_352d, 0x846c_a68b];
pub(crate) const SHIFTS: [u32; 3] = [16, 15, 16];

/// The first factor, of the position.
pub(crate) const SPREAD: u32 = 0x9E37_79B1;

/// The key of a seed, which both its halves determine.
pub(crate) fn key(seed: u64) -> u32 {
    hash((seed >> 32) as u32, 0) ^ hash(seed as u32, 0x5851_F42D)
}

/// Positions whose hash is below are kept, of which there is a fraction of `keep`.
pub(crate) fn threshold(keep: f64) -> u32 {
    (keep * 4_294_967_296.0).min(f64::from(u32::MAX)) as u32
}

/// The hash of a position.
pub(crate) fn hash(position: u32, key: u32) -> u32 {
    let mut x = position.wrapping_mul(SPREAD) ^ key;
    x = (x ^ (x >> SHIFTS[0])).wrapping_mul(FACTORS[0]);
    x = (x ^ (x >> SHIFTS[1])).wrapping_mul(FACTORS[1]);
    x ^ (x >> SHIFTS[2])
}

/// A mask of `length` values: 0, or `1 / keep` for a fraction of `keep`.
pub(crate) fn mask(length: usize, seed: u64, keep: f64) -> Vec<f32> {
    let (key, threshold, scale) = (key(seed), threshold(keep), (1.0 / keep) as f32);
    (0..length).map(|position| if hash(position as u32, key) < threshold { scale } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_its_fraction_and_neither_neighbours_nor_seeds_are_correlated() {
        let count = 1 << 20;
        for keep in [0.5, 0.8] {
            let kept: Vec<bool> = mask(count, 7, keep).iter().map(|value| *value > 0.0).collect();
            let other: Vec<bool> = mask(count, 8, keep).iter().map(|value| *value > 0.0).collect();
            let fraction =
                |kept: &mut dyn Iterator<Item = bool>| kept.filter(|kept| *kept).count() as f64 / count as f64;
            assert!((fraction(&mut kept.iter().copied()) - keep).abs() < 2e-3);
            for distance in [1, 2, 3, 27, 512] {
                let both = fraction(&mut kept.iter().zip(&kept[distance..]).map(|(a, b)| *a && *b));
                assert!((both - keep * keep).abs() < 3e-3, "{distance}: {both}");
            }
            let both = fraction(&mut kept.iter().zip(&other).map(|(a, b)| *a && *b));
            assert!((both - keep * keep).abs() < 3e-3, "{both}");
        }
    }

    /// A seed has to mean the same mask next year.
    #[test]
    fn masks_are_fixed() {
        let kept: String = mask(32, 1, 0.5).iter().map(|value| if *value > 0.0 { '1' } else { '0' }).collect();
        assert_eq!(kept, EXPECTED);
    }

    const EXPECTED: &str = "11110101101001111000001000110110";
}
