//! A host's channels into one, on the audio thread.
//!
//! The mean of all channels is what a model listens to. Where they cancel (one side of a stereo
//! track with its polarity inverted), hardly anything is left of it; then the loudest channel alone
//! is taken. What has been taken depends on the samples since the last reset alone, and not on how a
//! host cuts its blocks: energies are sums of integers, and decisions fall at fixed frames.

/// The most channels of a host.
pub const MAX_CHANNELS: usize = 8;

/// Decisions a second.
const DECISIONS: f64 = 10.0;

/// Intervals between decisions whose energies count: 2.7 s, the window of the shipped models.
const INTERVALS: usize = 27;

/// The mean is given up where it has lost this much energy against the loudest channel, 12 dB, and
/// taken again where it has lost less than that, 9 dB.
const GIVEN_UP: f64 = 15.848_932;
const TAKEN_AGAIN: f64 = 7.943_282;

/// Another channel is taken where it has this much more energy, 3 dB.
const LOUDER: f64 = 1.995_262;

/// Energies are counted in steps of 2^-22: full scale, beyond which nothing counts, is 2^22 a frame.
const SCALE: f32 = (1 << 22) as f32;

/// Where no channel has this much energy a frame, -60 dBFS, nothing is decided.
const AUDIBLE: f64 = 4.0;

/// Frames whose energies fit into 32 bits together.
const CHUNK: usize = 256;

/// Louder samples than this are taken for this: four times full scale, far above any music and far
/// below what upsets a float.
const LOUDEST: f32 = 4.0;

/// Quieter samples than this, -300 dBFS, are zeros: below come the denormal numbers, with which a
/// processor is many times slower.
const QUIETEST: f32 = 1e-15;

/// The energy of a number of frames, of the mean and of each channel.
#[derive(Clone, Copy, Default)]
struct Energies {
    mean: u64,
    channels: [u64; MAX_CHANNELS],
}

/// Mixes blocks down to one channel.
pub(crate) struct Downmix {
    /// Frames from one decision to the next.
    interval: usize,
    /// Frames since the last decision.
    position: usize,
    current: Energies,
    /// The intervals before the current one, in a ring.
    past: [Energies; INTERVALS],
    next: usize,
    /// The channel that is taken instead of the mean.
    channel: Option<usize>,
}

impl Downmix {
    /// For a host that runs at `rate` hertz.
    pub(crate) fn new(rate: f64) -> Self {
        Self {
            interval: ((rate / DECISIONS) as usize).max(1),
            position: 0,
            current: Energies::default(),
            past: [Energies::default(); INTERVALS],
            next: 0,
            channel: None,
        }
    }

    /// Forgets everything: what follows does not continue what was before.
    pub(crate) fn reset(&mut self) {
        (self.position, self.next, self.channel) = (0, 0, None);
        (self.current, self.past) = (Energies::default(), [Energies::default(); INTERVALS]);
    }

    /// The channel that is taken, from 0, since the mean of all is much quieter; `None` while it is
    /// the mean.
    pub(crate) fn channel(&self) -> Option<usize> {
        self.channel
    }

    /// Mixes the frames from `first` on until `mono` is full or the next decision is due; gives how
    /// many that are. Of more channels than [`MAX_CHANNELS`] the first ones count. A sample that is
    /// not finite is silence.
    pub(crate) fn process<C: AsRef<[f32]>>(&mut self, channels: &[C], first: usize, mono: &mut [f32]) -> usize {
        let channels = &channels[..channels.len().min(MAX_CHANNELS)];
        let frames = mono.len().min(self.interval - self.position).min(CHUNK);
        let mono = &mut mono[..frames];
        let part = |channel: usize| &channels[channel].as_ref()[first..first + frames];
        mono.fill(0.0);
        for (channel, energy) in (0..channels.len()).zip(&mut self.current.channels) {
            let mut sum = 0;
            for (mean, sample) in mono.iter_mut().zip(part(channel)) {
                let sample = audible(*sample);
                *mean += sample;
                sum += energy_of(sample);
            }
            *energy += u64::from(sum);
        }
        let scale = 1.0 / channels.len().max(1) as f32;
        let mut sum = 0;
        for sample in mono.iter_mut() {
            *sample = audible(*sample * scale);
            sum += energy_of(*sample);
        }
        self.current.mean += u64::from(sum);
        if let Some(channel) = self.channel.filter(|channel| *channel < channels.len()) {
            for (to, sample) in mono.iter_mut().zip(part(channel)) {
                *to = audible(*sample);
            }
        }
        self.position += frames;
        if self.position == self.interval {
            self.position = 0;
            self.decide();
        }
        frames
    }

    /// An interval is over: mean or channel from now on.
    fn decide(&mut self) {
        self.past[self.next] = std::mem::take(&mut self.current);
        self.next = (self.next + 1) % INTERVALS;
        let sum = |energy: &dyn Fn(&Energies) -> u64| self.past.iter().map(energy).sum::<u64>() as f64;
        let mean = sum(&|energies| energies.mean);
        let channels: [f64; MAX_CHANNELS] = std::array::from_fn(|channel| sum(&|energies| energies.channels[channel]));
        let (loudest, most) = channels
            .iter()
            .enumerate()
            .fold((0, 0.0), |best, (channel, energy)| if *energy > best.1 { (channel, *energy) } else { best });
        if most < AUDIBLE * (INTERVALS * self.interval) as f64 {
            return;
        }
        self.channel = match self.channel {
            None => (mean * GIVEN_UP < most).then_some(loudest),
            Some(_) if mean * TAKEN_AGAIN >= most => None,
            Some(current) => Some(if most > channels[current] * LOUDER { loudest } else { current }),
        };
    }
}

/// A sample as it can be worked with: finite, not too loud, and no denormal number. Without a branch,
/// so that the compiler does several at once.
#[inline]
fn audible(sample: f32) -> f32 {
    const QUIET: u32 = QUIETEST.to_bits();
    const TOO_LARGE: u32 = f32::INFINITY.to_bits();
    let bits = sample.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    let kept = u32::from(QUIET <= magnitude) & u32::from(magnitude < TOO_LARGE);
    f32::from_bits(bits & kept.wrapping_neg()).clamp(-LOUDEST, LOUDEST)
}

/// The energy of an audible sample, in steps of 1 / [`SCALE`].
#[inline]
fn energy_of(sample: f32) -> u32 {
    // From 2^23 on a float's last bits are a whole number.
    const WHOLE: f32 = (1 << 23) as f32;
    ((sample * sample).min(1.0) * SCALE + WHOLE).to_bits() - WHOLE.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: usize = 48_000;

    /// What comes of channels that are made sample by sample, and the channel taken at the end.
    fn mix(seconds: usize, block: usize, sample: impl Fn(usize) -> Vec<f32>) -> (Vec<f32>, Option<usize>) {
        let frames: Vec<Vec<f32>> = (0..seconds * RATE).map(sample).collect();
        let channels: Vec<Vec<f32>> =
            (0..frames[0].len()).map(|channel| frames.iter().map(|frame| frame[channel]).collect()).collect();
        let (mut downmix, mut mixed) = (Downmix::new(RATE as f64), Vec::new());
        for start in (0..frames.len()).step_by(block) {
            let end = (start + block).min(frames.len());
            let mut first = start;
            while first < end {
                let mut mono = vec![7.0; end - first];
                let count = downmix.process(&channels, first, &mut mono);
                mixed.extend_from_slice(&mono[..count]);
                first += count;
            }
        }
        (mixed, downmix.channel())
    }

    fn tone(frame: usize) -> f32 {
        (frame as f32 * 0.05).sin() * 0.5
    }

    fn noise(frame: usize) -> f32 {
        ((frame as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0
    }

    #[test]
    fn channels_that_agree_are_averaged() {
        for (right, scale) in [(1.0, 1.0), (0.5, 0.75), (0.0, 0.5), (-0.2, 0.4)] {
            let (mixed, channel) = mix(4, 512, |frame| vec![tone(frame), right * tone(frame)]);
            assert_eq!(channel, None, "{right}");
            assert!((0..mixed.len()).all(|frame| (mixed[frame] - scale * tone(frame)).abs() < 1e-6), "{right}");
        }
        // Two sides that have nothing in common.
        let (_, channel) = mix(4, 512, |frame| vec![noise(frame), noise(frame + 1_000_000)]);
        assert_eq!(channel, None);
    }

    /// Once, stereo with one side inverted was heard as silence.
    #[test]
    fn of_channels_that_cancel_the_loudest_is_taken() {
        for (left, right, taken) in [(1.0, -1.0, 0), (1.0, -0.9, 0), (0.7, -0.9, 1)] {
            let (mixed, channel) = mix(4, 512, |frame| vec![left * tone(frame), right * tone(frame)]);
            assert_eq!(channel, Some(taken), "{left} {right}");
            let side = [left, right][taken];
            // From the first decision on.
            let from = RATE / 10;
            assert!((from..mixed.len()).all(|frame| (mixed[frame] - side * tone(frame)).abs() < 1e-6));
        }
        // One of six channels alone is 15.6 dB louder than the mean.
        let (_, channel) =
            mix(4, 512, |frame| (0..6).map(|channel| if channel == 4 { tone(frame) } else { 0.0 }).collect());
        assert_eq!(channel, Some(4));
    }

    #[test]
    fn the_mean_is_taken_again_when_it_is_whole() {
        let from = 3 * RATE;
        let sides = |frame| vec![tone(frame), if frame < from { -tone(frame) } else { tone(frame) }];
        let (mixed, channel) = mix(6, 512, sides);
        assert_eq!(channel, None);
        let end = mixed.len() - 1_000;
        assert!((end..mixed.len()).all(|frame| (mixed[frame] - tone(frame)).abs() < 1e-6));
    }

    #[test]
    fn what_is_taken_does_not_depend_on_blocks() {
        let sides = |frame: usize| {
            let sign = if (frame / RATE).is_multiple_of(2) { -1.0 } else { 0.3 };
            vec![noise(frame), sign * noise(frame) + 0.01 * tone(frame)]
        };
        let whole = mix(9, 9 * RATE, sides);
        for block in [1, 64, 441, 5_000] {
            assert_eq!(mix(9, block, sides), whole, "blocks of {block}");
        }
    }

    #[test]
    fn noise_too_quiet_to_hear_decides_nothing() {
        let (_, channel) = mix(4, 512, |frame| vec![1e-3 * noise(frame), -1e-3 * noise(frame)]);
        assert_eq!(channel, None);
        let (_, channel) = mix(4, 512, |frame| vec![3e-3 * noise(frame), -3e-3 * noise(frame)]);
        assert_eq!(channel, Some(0));
    }

    #[test]
    fn energies_are_squares() {
        for sample in [0.0_f32, 1e-15, 0.001, 0.01, -0.3, 0.999, 1.0] {
            let energy = f64::from(energy_of(sample)) / f64::from(SCALE);
            assert!((energy - f64::from(sample).powi(2)).abs() <= 0.51 / f64::from(SCALE), "{sample}: {energy}");
        }
        assert_eq!(energy_of(LOUDEST), SCALE as u32);
        assert!(CHUNK as u64 * SCALE as u64 <= u64::from(u32::MAX));
    }

    #[test]
    fn denormal_and_infinite_samples_are_zeros() {
        for sample in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-40, -1e-39, f32::MIN_POSITIVE, 1e-16, -0.0] {
            assert_eq!(audible(sample).to_bits(), 0, "{sample}");
        }
        assert_eq!([audible(1e30), audible(-1e30), audible(1e-6)], [LOUDEST, -LOUDEST, 1e-6]);
        let (mixed, _) = mix(1, 512, |frame| vec![f32::from_bits(frame as u32 % 8_388_608), 1e-44]);
        assert!(mixed.iter().all(|sample| *sample == 0.0));
    }
}
