//! Streams a recording through a session and keeps what the host saw.

use crate::{HostError, Parameter, Session, Setup};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tagvane_audio::Recording;

/// How to play.
#[derive(Debug, Clone, Copy)]
pub struct Playback {
    /// Frames a block.
    pub block: usize,
    /// As fast as it goes, as a bounce, instead of in real time.
    pub fast: bool,
    /// Stop after so many seconds.
    pub seconds: Option<f64>,
}

/// One moment of what the host saw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moment {
    /// Seconds from the start of the recording.
    pub time: f64,
    /// Every tag's last announced value.
    pub tags: BTreeMap<String, f64>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// `clap` or `vst3`.
    pub format: String,
    /// Frames a second.
    pub sample_rate: u32,
    /// Seconds that were played.
    pub seconds: f64,
    /// Whether every sample came out as it went in.
    pub audio_bit_exact: bool,
    /// Values that the plugin announced.
    pub announcements: u64,
    /// How the plugin runs its model, in its own words; `None` where it does not tell.
    pub inference: Option<String>,
    /// Each tag's mean over the moments, highest first.
    pub top: Vec<(String, f64)>,
}

/// The tags among a plugin's parameters: its outputs that are in use. A VST3 names those
/// that are not, since it cannot hide and show them at will.
pub fn tags(session: &mut dyn Session) -> Vec<Parameter> {
    let used = |tag: &Parameter| tag.read_only && !tag.hidden && !tag.name.starts_with("Unused tag ");
    session.parameters().into_iter().filter(used).collect()
}

/// Has the plugin load its model, as it does before a bounce, and gives how it runs it.
///
/// # Errors
/// [`HostError`] where it does not start.
pub fn prepare(session: &mut dyn Session) -> Result<Option<String>, HostError> {
    session.start(Setup { sample_rate: 44_100.0, longest_block: 512, channels: 2, offline: true })?;
    session.stop();
    Ok(inference(session))
}

/// How the plugin runs its model: the text of its hidden output of that name.
fn inference(session: &mut dyn Session) -> Option<String> {
    let parameters = session.parameters();
    let output = parameters.iter().find(|parameter| parameter.read_only && parameter.name == "Inference")?;
    let value = session.value(output.id)?;
    session.text(output.id, value)
}

/// Plays `recording` through `session`, which is started and stopped; `watch` gets a
/// moment whenever a value was announced, and the progress from 0 to 1 after every
/// block. It returns whether to go on.
///
/// # Errors
/// [`HostError`] where the plugin fails.
pub fn play(
    session: &mut dyn Session,
    format: &str,
    recording: &Recording,
    playback: Playback,
    mut watch: impl FnMut(&mut dyn Session, Option<&Moment>, f64) -> bool,
) -> Result<Summary, HostError> {
    let sample_rate = f64::from(recording.sample_rate);
    let mut names = BTreeMap::new();
    let mut moment = Moment { time: 0.0, tags: BTreeMap::new() };
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    let (mut moments, mut announcements, mut exact) = (0_u64, 0, true);

    let whole = recording.frames();
    let frames = playback.seconds.map_or(whole, |seconds| whole.min((seconds * sample_rate) as usize));
    // A stereo track, as most are; a mono file plays on both sides, as a DAW does it.
    let (left, right) = (&recording.channels[0], recording.channels.get(1).unwrap_or(&recording.channels[0]));
    session.play(true);
    session.start(Setup { sample_rate, longest_block: playback.block, channels: 2, offline: playback.fast })?;
    let started = Instant::now();
    let mut played = 0;
    while played < frames {
        let count = playback.block.min(frames - played);
        let input = [left, right].map(|channel| channel[played..played + count].to_vec());
        // Not zeros, so that a sample the plugin left unwritten shows.
        let mut output = vec![vec![f32::NAN; count]; 2];
        let announced = session.process(&input, &mut output)?;
        session.idle();
        exact &= same_bits(&input, &output);
        played += count;
        let seconds = played as f64 / sample_rate;

        announcements += announced.len() as u64;
        // A model that was still loading when playing began names its tags later.
        if announced.iter().any(|announcement| !names.contains_key(&announcement.id)) {
            names = tags(session).into_iter().map(|tag| (tag.id, tag.name)).collect();
            moment.tags = names.values().map(|name| (name.clone(), 0.0)).collect();
        }
        for announcement in &announced {
            if let Some(name) = names.get(&announcement.id) {
                moment.tags.insert(name.clone(), announcement.value);
            }
        }
        let news = !announced.is_empty();
        if news {
            moment.time = seconds;
            moments += 1;
            for (name, value) in &moment.tags {
                *sums.entry(name.clone()).or_default() += value;
            }
        }
        if !watch(session, news.then_some(&moment), played as f64 / frames as f64) {
            break;
        }
        if !playback.fast {
            std::thread::sleep(Duration::from_secs_f64(seconds).saturating_sub(started.elapsed()));
        }
    }
    session.stop();
    let inference = inference(session);
    let mut top: Vec<(String, f64)> = sums.into_iter().map(|(name, sum)| (name, sum / moments.max(1) as f64)).collect();
    top.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(Summary {
        format: format.to_owned(),
        sample_rate: recording.sample_rate,
        seconds: played as f64 / sample_rate,
        audio_bit_exact: exact,
        announcements,
        inference,
        top,
    })
}

/// Whether two blocks are the same, bit for bit.
pub fn same_bits(a: &[Vec<f32>], b: &[Vec<f32>]) -> bool {
    let bits = |block: &[Vec<f32>]| -> Vec<Vec<u32>> {
        block.iter().map(|channel| channel.iter().map(|sample| sample.to_bits()).collect()).collect()
    };
    bits(a) == bits(b)
}
