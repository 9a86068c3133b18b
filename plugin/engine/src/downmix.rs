//! Mixes the channels of a host, or of a recording, down to one; real-time safe.
//!
//! The mix is the mean of all channels. If they cancel, as a stereo track does with the polarity of one
//! side inverted, little of the signal is left; then the loudest channel alone is used. The choice depends
//! only on the samples since the last reset, not on the host's block size: energies are sums of integers,
//! and decisions are made at fixed frames.

/// The most channels that are used.
pub const MAX_CHANNELS: usize = 8;

/// Decisions per second between the mean and a channel.
const DECISIONS: f64 = 10.0;

/// The intervals between decisions whose energies a decision uses: 2.7 s, the window of the shipped models.
const INTERVALS: usize = 27;

/// The loudest channel replaces the mean if it has this many times the mean's energy: 12 dB.
const TO_CHANNEL: f64 = 15.848_932;

/// The mean replaces the channel if the loudest channel has at most this many times its energy: 9 dB.
const TO_MEAN: f64 = 7.943_282;

/// The loudest channel replaces the one in use if it has this many times its energy: 3 dB.
const TO_OTHER_CHANNEL: f64 = 1.995_262;

/// The energy of a full-scale sample. Energies are integers in steps of 2^-22 and clip at full scale.
const SCALE: f32 = (1 << 22) as f32;

/// Without a channel of this energy per frame, -60 dBFS, the decision stays.
const MIN_ENERGY: f64 = 4.0;

/// The most frames at a time, so that their energy fits into 32 bits.
const MAX_FRAMES: usize = 256;

/// The magnitude at which samples are clipped: far above any music, and far below an overflow.
const MAX_SAMPLE: f32 = 4.0;

/// Samples below this magnitude, -300 dBFS, are zeros: arithmetic with denormal numbers is many times
/// slower.
const MIN_SAMPLE: f32 = 1e-15;

/// The energy of some frames.
#[derive(Clone, Copy, Default)]
struct Energies {
    mean: u64,
    channels: [u64; MAX_CHANNELS],
}

/// Mixes blocks down to one channel: their mean, or the loudest channel where they cancel.
pub struct Downmix {
    /// Frames from one decision to the next.
    interval: usize,
    /// Frames since the last decision.
    position: usize,
    current: Energies,
    /// The last intervals, in a ring.
    past: [Energies; INTERVALS],
    /// The index of the oldest of them.
    next: usize,
    /// The channel that is used instead of the mean.
    channel: Option<usize>,
}

impl Downmix {
    /// A downmix of audio at `rate` hertz.
    pub fn new(rate: f64) -> Self {
        Self {
            interval: ((rate / DECISIONS) as usize).max(1),
            position: 0,
            current: Energies::default(),
            past: [Energies::default(); INTERVALS],
            next: 0,
            channel: None,
        }
    }

    /// Resets all state after a discontinuity.
    pub(crate) fn reset(&mut self) {
        (self.position, self.next, self.channel) = (0, 0, None);
        (self.current, self.past) = (Energies::default(), [Energies::default(); INTERVALS]);
    }

    /// The only channel that is used, from 0; `None` while the mean of all is used.
    pub fn channel(&self) -> Option<usize> {
        self.channel
    }

    /// Mixes the frames from `first` on until `mono` is full or a decision is due. Returns the number of
    /// frames. Channels beyond [`MAX_CHANNELS`] are ignored. A sample that is not finite counts as zero.
    pub fn process<C: AsRef<[f32]>>(&mut self, channels: &[C], first: usize, mono: &mut [f32]) -> usize {
        let channels = &channels[..channels.len().min(MAX_CHANNELS)];
        let frames = mono.len().min(self.interval - self.position).min(MAX_FRAMES);
        let mono = &mut mono[..frames];
        let samples_of = |channel: usize| &channels[channel].as_ref()[first..first + frames];
        mono.fill(0.0);
        for (channel, energy) in (0..channels.len()).zip(&mut self.current.channels) {
            let mut sum = 0;
            for (mean, sample) in mono.iter_mut().zip(samples_of(channel)) {
                let sample = sanitize(*sample);
                *mean += sample;
                sum += energy_of(sample);
            }
            *energy += u64::from(sum);
        }
        let scale = 1.0 / channels.len().max(1) as f32;
        let mut sum = 0;
        for sample in mono.iter_mut() {
            *sample = sanitize(*sample * scale);
            sum += energy_of(*sample);
        }
        self.current.mean += u64::from(sum);
        if let Some(channel) = self.channel.filter(|channel| *channel < channels.len()) {
            for (output, sample) in mono.iter_mut().zip(samples_of(channel)) {
                *output = sanitize(*sample);
            }
        }
        self.position += frames;
        if self.position == self.interval {
            self.position = 0;
            self.decide();
        }
        frames
    }

    /// Ends an interval and chooses between the mean and a channel.
    fn decide(&mut self) {
        self.past[self.next] = std::mem::take(&mut self.current);
        self.next = (self.next + 1) % INTERVALS;
        let sum = |energy: &dyn Fn(&Energies) -> u64| self.past.iter().map(energy).sum::<u64>() as f64;
        let mean = sum(&|energies| energies.mean);
        let channels: [f64; MAX_CHANNELS] = std::array::from_fn(|channel| sum(&|energies| energies.channels[channel]));
        let (loudest, max) = channels
            .iter()
            .enumerate()
            .fold((0, 0.0), |best, (channel, energy)| if *energy > best.1 { (channel, *energy) } else { best });
        if max < MIN_ENERGY * (INTERVALS * self.interval) as f64 {
            return;
        }
        self.channel = match self.channel {
            None => (mean * TO_CHANNEL < max).then_some(loudest),
            Some(_) if mean * TO_MEAN >= max => None,
            Some(current) => Some(if max > channels[current] * TO_OTHER_CHANNEL { loudest } else { current }),
        };
    }
}

/// Replaces denormal numbers, infinities and NaN by zero and clips the rest to [`MAX_SAMPLE`]. It has no
/// branch, so that the compiler vectorises it.
#[inline]
fn sanitize(sample: f32) -> f32 {
    const MIN: u32 = MIN_SAMPLE.to_bits();
    const INFINITE: u32 = f32::INFINITY.to_bits();
    let bits = sample.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    let is_kept = u32::from(MIN <= magnitude) & u32::from(magnitude < INFINITE);
    f32::from_bits(bits & is_kept.wrapping_neg()).clamp(-MAX_SAMPLE, MAX_SAMPLE)
}

/// The energy of a sanitized sample, in steps of 1 / [`SCALE`].
#[inline]
fn energy_of(sample: f32) -> u32 {
    // From 2^23 to 2^24 a float has no fraction, and its mantissa bits are the integer above 2^23.
    const WHOLE: f32 = (1 << 23) as f32;
    ((sample * sample).min(1.0) * SCALE + WHOLE).to_bits() - WHOLE.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: usize = 48_000;

    /// Mixes seconds of the frames that `frame` makes, in blocks. Returns the mix and the channel at the
    /// end.
    fn mix(seconds: usize, block: usize, frame: impl Fn(usize) -> Vec<f32>) -> (Vec<f32>, Option<usize>) {
        let frames: Vec<Vec<f32>> = (0..seconds * RATE).map(frame).collect();
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
        // Uncorrelated sides.
        let (_, channel) = mix(4, 512, |frame| vec![noise(frame), noise(frame + 1_000_000)]);
        assert_eq!(channel, None);
    }

    /// Stereo with one side inverted once gave silence.
    #[test]
    fn the_loudest_of_channels_that_cancel_is_used() {
        for (left, right, expected) in [(1.0, -1.0, 0), (1.0, -0.9, 0), (0.7, -0.9, 1)] {
            let (mixed, channel) = mix(4, 512, |frame| vec![left * tone(frame), right * tone(frame)]);
            assert_eq!(channel, Some(expected), "{left} {right}");
            let side = [left, right][expected];
            // The first decision.
            let from = RATE / 10;
            assert!((from..mixed.len()).all(|frame| (mixed[frame] - side * tone(frame)).abs() < 1e-6));
        }
        // One channel of six is 15.6 dB louder than the mean.
        let (_, channel) =
            mix(4, 512, |frame| (0..6).map(|channel| if channel == 4 { tone(frame) } else { 0.0 }).collect());
        assert_eq!(channel, Some(4));
    }

    #[test]
    fn the_mean_is_used_again_when_the_channels_agree() {
        let from = 3 * RATE;
        let sides = |frame| vec![tone(frame), if frame < from { -tone(frame) } else { tone(frame) }];
        let (mixed, channel) = mix(6, 512, sides);
        assert_eq!(channel, None);
        let end = mixed.len() - 1_000;
        assert!((end..mixed.len()).all(|frame| (mixed[frame] - tone(frame)).abs() < 1e-6));
    }

    #[test]
    fn the_mix_does_not_depend_on_the_block_size() {
        let sides = |frame: usize| {
            let sign = if (frame / RATE).is_multiple_of(2) { -1.0 } else { 0.3 };
            vec![noise(frame), sign * noise(frame) + 0.01 * tone(frame)]
        };
        let expected = mix(9, 9 * RATE, sides);
        for block in [1, 64, 441, 5_000] {
            assert_eq!(mix(9, block, sides), expected, "blocks of {block}");
        }
    }

    #[test]
    fn noise_below_minus_60_dbfs_decides_nothing() {
        let (_, channel) = mix(4, 512, |frame| vec![1e-3 * noise(frame), -1e-3 * noise(frame)]);
        assert_eq!(channel, None);
        let (_, channel) = mix(4, 512, |frame| vec![3e-3 * noise(frame), -3e-3 * noise(frame)]);
        assert_eq!(channel, Some(0));
    }

    #[test]
    fn the_energy_is_the_square() {
        for sample in [0.0_f32, 1e-15, 0.001, 0.01, -0.3, 0.999, 1.0] {
            let energy = f64::from(energy_of(sample)) / f64::from(SCALE);
            assert!((energy - f64::from(sample).powi(2)).abs() <= 0.51 / f64::from(SCALE), "{sample}: {energy}");
        }
        assert_eq!(energy_of(MAX_SAMPLE), SCALE as u32);
        assert!(MAX_FRAMES as u64 * SCALE as u64 <= u64::from(u32::MAX));
    }

    #[test]
    fn denormal_and_infinite_samples_are_zeros() {
        for sample in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-40, -1e-39, f32::MIN_POSITIVE, 1e-16, -0.0] {
            assert_eq!(sanitize(sample).to_bits(), 0, "{sample}");
        }
        assert_eq!([sanitize(1e30), sanitize(-1e30), sanitize(1e-6)], [MAX_SAMPLE, -MAX_SAMPLE, 1e-6]);
        let (mixed, _) = mix(1, 512, |frame| vec![f32::from_bits(frame as u32 % 8_388_608), 1e-44]);
        assert!(mixed.iter().all(|sample| *sample == 0.0));
    }
}
