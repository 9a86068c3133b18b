//! Streams a recording through a session and records what the host sees.

use crate::session::{HostError, Parameter, Session, Setup};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tagvane_audio::AudioStream;

/// How a recording is played.
#[derive(Debug, Clone, Copy)]
pub struct Playback {
    /// Frames per block.
    pub block: usize,
    /// Render offline as fast as possible, instead of in real time.
    pub fast: bool,
    /// Stop after this many seconds.
    pub seconds: Option<f64>,
}

/// The values of all tags at one time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TagSnapshot {
    /// Seconds from the start of the recording.
    pub time: f64,
    /// The last value that the plugin sent for each tag.
    pub tags: BTreeMap<String, f64>,
}

/// The results of playing a whole recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// `clap` or `vst3`.
    pub format: String,
    /// Frames per second.
    pub sample_rate: u32,
    /// Seconds that were played.
    pub seconds: f64,
    /// Whether the output is bit-identical to the input.
    pub audio_bit_exact: bool,
    /// The number of parameter values that the plugin sent.
    pub announcements: u64,
    /// The plugin's text for its inference mode; `None` if it has no such output.
    pub inference: Option<String>,
    /// Each tag's mean over the snapshots, highest first.
    pub top: Vec<(String, f64)>,
}

/// The tags among a plugin's parameters: its outputs that are in use. A VST3 cannot unhide a
/// parameter later, so its unused outputs are visible and named "Unused tag N".
pub fn active_tags(session: &mut dyn Session) -> Vec<Parameter> {
    let is_active = |tag: &Parameter| tag.is_read_only && !tag.is_hidden && !tag.name.starts_with("Unused tag ");
    session.parameters().into_iter().filter(is_active).collect()
}

/// Makes the plugin load its model, which it does when it is activated for offline rendering, and
/// returns its text for the inference mode.
///
/// # Errors
/// [`HostError`] if the plugin does not start.
pub fn wait_for_model(session: &mut dyn Session) -> Result<Option<String>, HostError> {
    session.start(Setup { sample_rate: 44_100.0, max_block_frames: 512, channels: 2, offline: true })?;
    session.stop();
    Ok(inference_mode(session))
}

/// The text of the plugin's hidden output "Inference".
fn inference_mode(session: &mut dyn Session) -> Option<String> {
    let parameters = session.parameters();
    let output = parameters.iter().find(|parameter| parameter.is_read_only && parameter.name == "Inference")?;
    let value = session.value(output.id)?;
    session.text(output.id, value)
}

/// Plays `audio` through `session`, which it starts and stops, as it is decoded. After each block
/// it calls `on_block` with a snapshot if the plugin sent a value, and the seconds played; playing
/// ends when `on_block` returns false.
///
/// # Errors
/// [`HostError`] if the plugin fails.
pub fn play(
    session: &mut dyn Session,
    format: &str,
    audio: &mut AudioStream,
    playback: Playback,
    mut on_block: impl FnMut(&mut dyn Session, Option<&TagSnapshot>, f64) -> bool,
) -> Result<Summary, HostError> {
    let sample_rate = f64::from(audio.sample_rate());
    let mut names = BTreeMap::new();
    let mut snapshot = TagSnapshot { time: 0.0, tags: BTreeMap::new() };
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    let (mut snapshots, mut announcements, mut is_exact) = (0_u64, 0, true);

    let frames = playback.seconds.map_or(usize::MAX, |seconds| (seconds * sample_rate) as usize);
    let mut stereo = StereoBlocks { audio, pending: [Vec::new(), Vec::new()] };
    session.set_playing(true);
    session.start(Setup { sample_rate, max_block_frames: playback.block, channels: 2, offline: playback.fast })?;
    let started = Instant::now();
    let mut played = 0;
    while played < frames {
        let Some(input) = stereo.next(playback.block.min(frames - played)) else { break };
        let count = input[0].len();
        // Not zeros, so that a sample that the plugin does not write is noticed.
        let mut output = vec![vec![f32::NAN; count]; 2];
        let changes = session.process(&input, &mut output)?;
        session.idle();
        is_exact &= is_bit_exact(&input, &output);
        played += count;
        let seconds = played as f64 / sample_rate;

        announcements += changes.len() as u64;
        // A model that was still loading when playing began names its tags later.
        if changes.iter().any(|change| !names.contains_key(&change.id)) {
            names = active_tags(session).into_iter().map(|tag| (tag.id, tag.name)).collect();
            snapshot.tags = names.values().map(|name| (name.clone(), 0.0)).collect();
        }
        for change in &changes {
            if let Some(name) = names.get(&change.id) {
                snapshot.tags.insert(name.clone(), change.value);
            }
        }
        let has_changes = !changes.is_empty();
        if has_changes {
            snapshot.time = seconds;
            snapshots += 1;
            for (name, value) in &snapshot.tags {
                *sums.entry(name.clone()).or_default() += value;
            }
        }
        if !on_block(session, has_changes.then_some(&snapshot), seconds) {
            break;
        }
        if !playback.fast {
            std::thread::sleep(Duration::from_secs_f64(seconds).saturating_sub(started.elapsed()));
        }
    }
    session.stop();
    let inference = inference_mode(session);
    let mut top: Vec<(String, f64)> =
        sums.into_iter().map(|(name, sum)| (name, sum / snapshots.max(1) as f64)).collect();
    top.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(Summary {
        format: format.to_owned(),
        sample_rate: stereo.audio.sample_rate(),
        seconds: played as f64 / sample_rate,
        audio_bit_exact: is_exact,
        announcements,
        inference,
        top,
    })
}

/// The audio of a stereo track: a mono file plays on both sides, as in a DAW.
struct StereoBlocks<'a> {
    audio: &'a mut AudioStream,
    /// What was decoded and not yet played.
    pending: [Vec<f32>; 2],
}

impl StereoBlocks<'_> {
    /// The next `frames` frames, fewer at the end; `None` after it.
    fn next(&mut self, frames: usize) -> Option<[Vec<f32>; 2]> {
        while self.pending[0].len() < frames {
            let Some(channels) = self.audio.next_block() else { break };
            self.pending[0].extend_from_slice(&channels[0]);
            self.pending[1].extend_from_slice(channels.get(1).unwrap_or(&channels[0]));
        }
        let count = frames.min(self.pending[0].len());
        (count > 0).then(|| self.pending.each_mut().map(|channel| channel.drain(..count).collect()))
    }
}

/// Whether two blocks are bit-identical, NaNs included.
pub fn is_bit_exact(a: &[Vec<f32>], b: &[Vec<f32>]) -> bool {
    let bits = |block: &[Vec<f32>]| -> Vec<Vec<u32>> {
        block.iter().map(|channel| channel.iter().map(|sample| sample.to_bits()).collect()).collect()
    };
    bits(a) == bits(b)
}
