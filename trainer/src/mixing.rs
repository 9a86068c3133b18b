//! Levels, mixes and reverberation of mono signals at the sample rate of the engine.

use fft_convolver::FFTConvolver;
use rand::Rng as _;
use rand_chacha::ChaCha12Rng;
use rand_distr::StandardNormal;
use tagvane_engine::SAMPLE_RATE;

const RATE: f32 = SAMPLE_RATE as f32;

/// The parameters of a reverberation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reverb {
    /// Reverberation time (RT60), in seconds.
    pub seconds: f32,
    /// Level of the reverberation, as a factor of the dry signal's: the norm of the impulse response.
    pub gain: f32,
}

/// Adds reverberation whose impulse response is noise that decays by 60 dB within the reverberation time.
///
/// # Errors
/// A message where the convolution fails.
pub(crate) fn add_reverb(samples: &[f32], reverb: Reverb, random: &mut ChaCha12Rng) -> Result<Vec<f32>, String> {
    const BLOCK: usize = 4_096;
    let Reverb { seconds, gain } = reverb;
    let length = ((seconds * RATE) as usize).max(1);
    let decay = |sample: usize| 10_f32.powf(-3.0 * sample as f32 / length as f32);
    let mut response: Vec<f32> =
        (0..length).map(|sample| decay(sample) * random.sample::<f32, _>(StandardNormal)).collect();
    let norm = response.iter().map(|value| value * value).sum::<f32>().sqrt();
    response.iter_mut().for_each(|value| *value *= gain / norm.max(1e-6));
    let mut convolver = FFTConvolver::default();
    convolver.init(BLOCK, &response).map_err(|error| format!("{error:?}"))?;
    let mut reverberant = vec![0.0; samples.len()];
    convolver.process(samples, &mut reverberant).map_err(|error| format!("{error:?}"))?;
    reverberant.iter_mut().zip(samples).for_each(|(wet, dry)| *wet += dry);
    Ok(reverberant)
}

/// Root mean square.
pub(crate) fn rms(samples: &[f32]) -> f32 {
    let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (sum / samples.len().max(1) as f64).sqrt() as f32
}

/// Root mean square of what is not a rest: of the blocks of 50 ms that are within 40 dB of the loudest one.
pub(crate) fn active_rms(samples: &[f32]) -> f32 {
    let levels: Vec<f32> = samples.chunks(SAMPLE_RATE as usize / 20).map(rms).collect();
    let loudest = levels.iter().fold(0.0_f32, |loudest, level| loudest.max(*level));
    let active: Vec<f32> = levels.into_iter().filter(|level| *level > 0.0 && *level >= loudest / 100.0).collect();
    rms(&active)
}

/// Adds `backing` to `lead`, repeated as often as needed, so that the level of the lead where it sounds is `lead_db` above
/// that of the backing, in decibels. A silent lead or backing changes nothing.
pub(crate) fn add_backing(lead: &mut [f32], backing: &[f32], lead_db: f32) {
    let (level, backing_level) = (active_rms(lead), active_rms(backing));
    if level > 0.0 && backing_level > 0.0 {
        let gain = level / backing_level * 10_f32.powf(-lead_db / 20.0);
        lead.iter_mut().zip(backing.iter().cycle()).for_each(|(sample, backing)| *sample += gain * backing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f32, level: f32, samples: usize) -> Vec<f32> {
        let turns = |sample: usize| sample as f32 / RATE * hertz;
        (0..samples).map(|sample| level * (std::f32::consts::TAU * turns(sample)).sin()).collect()
    }

    #[test]
    fn rests_do_not_lower_the_level() {
        // Twenty blocks.
        let mut sound = tone(441.0, 0.5, 20 * (SAMPLE_RATE as usize / 20));
        let level = active_rms(&sound);
        assert!((level - 0.5 / 2_f32.sqrt()).abs() < 5e-3, "{level}");
        sound.resize(5 * 22_050, 0.0);
        assert!((active_rms(&sound) - level).abs() < 5e-3);
        assert_eq!((active_rms(&[]), active_rms(&[0.0; 100])), (0.0, 0.0));
    }

    #[test]
    fn the_backing_is_as_far_below_the_lead_as_asked_for() {
        for db in [-6.0, 0.0, 6.0] {
            let mut lead = tone(441.0, 0.3, 11_025);
            lead.resize(44_100, 0.0);
            let (alone, backing) = (lead.clone(), tone(882.0, 0.05, 9_000));
            add_backing(&mut lead, &backing, db);
            let added: Vec<f32> = lead.iter().zip(&alone).map(|(both, alone)| both - alone).collect();
            let measured = 20.0 * (active_rms(&alone) / active_rms(&added)).log10();
            assert!((measured - db).abs() < 0.05, "{measured} dB instead of {db}");
        }
        let mut lead = tone(441.0, 0.3, 1_000);
        let alone = lead.clone();
        add_backing(&mut lead, &[], 0.0);
        add_backing(&mut lead, &[0.0; 10], 0.0);
        assert_eq!(lead, alone);
    }
}
