//! From the ring to the board: keeps the last window and asks the model.

use crate::board::{About, Status, TagBoard};
use crate::model::{Hearing, Inference, Model, ModelError, SAMPLE_RATE};
use crate::observer::Moment;
use crate::resample::Resampler;
use crate::tap::{Feed, Heard};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Below this every sample is silence: -90 dBFS. A window of it is heard as digital
/// silence, which no model is asked about.
const SILENCE: f32 = 3.162_277_7e-5;

/// Live, hops that wait do not keep a window from being judged up to so many of them:
/// large blocks of a host bring several at once.
const LATE: usize = 4;

/// Live, a listener that is so many hops behind lets them go: going on from the latest
/// window costs as much as some of them, and is now.
const TOO_LATE: usize = 8;

/// What share of a core a model may take that is run by full windows, live.
const FULL_WINDOWS_SHARE: f64 = 0.1;

/// How a listener deals with audio that is already waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Judge the latest window and skip those that are late already.
    Live,
    /// Judge at every hop, however long it takes: for rendering offline.
    EveryHop,
}

/// Keeps the last window of what a [`Tap`](crate::Tap) hears and writes what the
/// model says of it to the board. For a worker thread, or for the caller's when
/// rendering offline.
pub struct Listener {
    board: Arc<TagBoard>,
    feed: Option<Feed>,
    /// Who may take from the feed: the worker, live, or the caller, offline.
    pace: Pace,
    hearing: Option<Hearing>,
    /// From the ring's rate to the model's, where they differ.
    resampler: Option<Resampler>,
    /// The last samples at the model's rate: a window of them, and up to another that
    /// has passed already.
    heard: Vec<f32>,
    /// Samples since the last hop.
    since_hop: usize,
    /// Samples since the last one that was not silence.
    silent: usize,
    /// Whether `hearing` has missed something that `heard` has.
    behind: bool,
    /// Whether the last window was silence.
    quiet: bool,
    /// Times that something was taken from a feed.
    taken: u64,
    /// Starts of the tap that were passed.
    start: u32,
    /// Samples taken from the feed since the last start.
    since_start: u64,
    /// Seconds after the last start at which `kept` was zero.
    origin: f64,
    /// Samples at the model's rate since then.
    kept: u64,
    /// Hops that are not judged, so that full windows keep to their share.
    resting: usize,
}

impl Listener {
    /// A listener that hears nothing yet and has no model.
    pub fn new(board: Arc<TagBoard>) -> Self {
        Self {
            board,
            feed: None,
            pace: Pace::Live,
            hearing: None,
            resampler: None,
            heard: Vec::new(),
            since_hop: 0,
            silent: 0,
            behind: false,
            quiet: false,
            taken: 0,
            start: 0,
            since_start: 0,
            origin: 0.0,
            kept: 0,
            resting: 0,
        }
    }

    /// Listens to another tap from now on, or to none, and at this pace alone.
    pub(crate) fn attach(&mut self, feed: Option<Feed>, pace: Pace) {
        (self.feed, self.pace) = (feed, pace);
        self.board.set_channel(None);
        (self.start, self.since_start, self.origin, self.kept) = (0, 0, 0.0, 0);
        self.start_afresh();
    }

    /// Whether there is a tap to listen to.
    pub(crate) fn hears(&self) -> bool {
        self.feed.is_some()
    }

    /// Takes at another pace from now on.
    pub(crate) fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// Uses `model`, which a person knows as `name`, from now on. What was heard before
    /// counts, unless it has another rate.
    pub fn set_model(&mut self, model: Model, name: &str) {
        let rate = model.sample_rate();
        let before = self.hearing.as_ref().map(|hearing| hearing.model().sample_rate());
        if before != Some(rate) {
            self.resampler =
                if rate == SAMPLE_RATE { None } else { Resampler::new(f64::from(SAMPLE_RATE), f64::from(rate)).ok() };
            self.start_afresh();
        }
        let seconds = |samples: usize| Duration::from_secs_f64(samples as f64 / f64::from(rate));
        tracing::info!(
            "{name}: {} tags, windows of {:.2} s at {}{rate} Hz, {}",
            model.tags().len(),
            seconds(model.window()).as_secs_f64(),
            if model.is_sample_rate_assumed() { "an assumed " } else { "" },
            match model.inference() {
                Inference::Sliding => "sliding",
                Inference::FullWindows => "full windows",
            }
        );
        // Before the names change: what stands there is other tags'.
        self.board.clear();
        self.board.set_status(Status::Ready {
            tags: model.tags().to_vec(),
            weak: model.tags().iter().map(|tag| model.metadata().weak_tags.contains(tag)).collect(),
            name: name.to_owned(),
            window: seconds(model.window()),
            hop: seconds(model.hop()),
            inference: model.inference(),
            sample_rate: rate,
            is_sample_rate_assumed: model.is_sample_rate_assumed(),
        });
        self.hearing = Some(Hearing::new(model));
        (self.origin, self.kept) = (self.since_start as f64 / f64::from(SAMPLE_RATE), 0);
        (self.since_hop, self.resting, self.quiet, self.behind) = (0, 0, false, true);
    }

    /// Goes without a model, because of `why`.
    pub fn fail(&mut self, why: String) {
        tracing::warn!("{why}");
        self.hearing = None;
        self.board.set_about(About::default());
        self.board.set_status(Status::Failed(why));
        self.start_afresh();
    }

    /// Takes what waits in the ring and judges the windows that come due; does nothing
    /// at another pace than that of the tap. Gives whether more may wait: live, it
    /// returns after each judgement, so that a slow model keeps nobody from the
    /// listener.
    pub fn advance(&mut self, pace: Pace) -> bool {
        if pace != self.pace {
            return false;
        }
        if let Some(feed) = &self.feed {
            self.board.set_channel(feed.channel());
        }
        let mut buffer = [0.0; 512];
        let before = self.board.inferences();
        while let Some(feed) = &mut self.feed {
            let heard = feed.take(&mut buffer);
            self.taken += u64::from(heard != Heard::Nothing);
            match heard {
                Heard::Nothing => return false,
                Heard::Afresh => self.pass_start(),
                Heard::Gap => {
                    self.board.count_gap();
                    self.pass_start();
                }
                Heard::Samples(count) => self.hear(&buffer[..count]),
            }
            if pace == Pace::Live && self.board.inferences() != before {
                return true;
            }
        }
        false
    }

    fn hear(&mut self, samples: &[f32]) {
        self.since_start += samples.len() as u64;
        let Some(mut resampler) = self.resampler.take() else { return self.keep(samples) };
        resampler.push(samples, |run| self.keep(run));
        self.resampler = Some(resampler);
    }

    /// Appends samples at the model's rate, hop by hop.
    fn keep(&mut self, mut samples: &[f32]) {
        while let Some(hearing) = self.hearing.as_ref().filter(|_| !samples.is_empty()) {
            let (window, hop) = (hearing.model().window(), hearing.model().hop());
            let (now, later) = samples.split_at(samples.len().min(hop - self.since_hop));
            samples = later;
            if self.heard.len() + now.len() > 2 * window.max(hop) {
                self.heard.drain(..self.heard.len() - window.min(self.heard.len()));
            }
            self.heard.extend_from_slice(now);
            self.kept += now.len() as u64;
            self.silent = match now.iter().rev().position(|sample| sample.abs() >= SILENCE) {
                Some(since) => since,
                None => self.silent + now.len(),
            };
            self.since_hop += now.len();
            if self.since_hop == hop {
                self.since_hop = 0;
                if let Err(error) = self.pass_hop() {
                    self.fail(error.to_string());
                }
            }
        }
    }

    /// A hop is complete: goes on by it, and asks the model if there is a whole window,
    /// it is not silent, and no later one waits already.
    fn pass_hop(&mut self) -> Result<(), ModelError> {
        let Some(hearing) = &mut self.hearing else { return Ok(()) };
        let (window, hop) = (hearing.model().window(), hearing.model().hop());
        let seconds = self.origin + self.kept as f64 / f64::from(hearing.model().sample_rate());
        let moment = Moment { start: self.start, seconds };
        let latest = self.heard.len().saturating_sub(window);
        if self.silent >= window && self.heard.len() >= window {
            if !self.quiet {
                hearing.hear_silence();
                self.heard[latest..].fill(0.0);
                (self.quiet, self.behind) = (true, false);
            }
            let last_hop = self.heard.len() - hop.min(self.heard.len());
            self.heard[last_hop..].fill(0.0);
            self.board.publish_silence(moment);
            return Ok(());
        }
        self.quiet = false;
        let hop_in_ring = (hop as u64 * u64::from(SAMPLE_RATE) / u64::from(hearing.model().sample_rate())) as usize;
        let waiting = self.feed.as_ref().filter(|_| self.pace == Pace::Live).map_or(0, Feed::waiting);
        let late = waiting >= LATE * hop_in_ring;
        if self.behind || waiting >= TOO_LATE * hop_in_ring {
            self.behind = late;
            if !late && hearing.model().inference() == Inference::Sliding {
                let whole_hops = (self.heard.len() - latest) / hop * hop;
                self.heard.drain(..self.heard.len() - whole_hops);
                hearing.catch_up(&self.heard)?;
            }
        } else {
            hearing.step(&self.heard[latest..])?;
        }
        let latest = self.heard.len().saturating_sub(window);
        if self.heard.len() < window {
            return Ok(());
        }
        if late {
            self.board.count_skip();
            return Ok(());
        }
        if self.resting > 0 && self.pace == Pace::Live {
            self.resting -= 1;
            return Ok(());
        }
        let start = Instant::now();
        let probabilities = hearing.probabilities(&self.heard[latest..])?;
        if hearing.model().inference() == Inference::FullWindows {
            let share = f64::from(hearing.model().sample_rate()) / hop as f64 / FULL_WINDOWS_SHARE;
            self.resting = (start.elapsed().as_secs_f64() * share) as usize;
        }
        self.board.publish(moment, &probabilities);
        Ok(())
    }

    /// A number that is another one after audio was taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// How long until a hop is complete, if the audio comes in time; `None` where nothing
    /// is listened to.
    pub(crate) fn until_hop(&self) -> Option<Duration> {
        let waiting = self.feed.as_ref()?.waiting() as f64 / f64::from(SAMPLE_RATE);
        // Without a model the ring is only kept from running over.
        let Some(model) = self.hearing.as_ref().map(Hearing::model) else { return Some(Duration::from_secs(1)) };
        let missing = (model.hop() - self.since_hop) as f64 / f64::from(model.sample_rate());
        Some(Duration::from_secs_f64((missing - waiting).max(0.0)))
    }

    /// Passes a mark of the tap's.
    fn pass_start(&mut self) {
        (self.start, self.since_start, self.origin, self.kept) = (self.start + 1, 0, 0.0, 0);
        self.start_afresh();
    }

    /// What follows does not continue what was heard.
    fn start_afresh(&mut self) {
        self.heard.clear();
        (self.since_hop, self.silent) = (0, 0);
        (self.quiet, self.behind) = (false, true);
        if let Some(resampler) = &mut self.resampler {
            resampler.reset();
        }
        self.board.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support;
    use crate::support::network::{Random, Shape};
    use crate::tap::{Tap, tap};

    const HOP: usize = 2_187;

    fn listener(pace: Pace) -> (Listener, Tap) {
        let mut listener = Listener::new(Arc::new(TagBoard::new()));
        let model = Model::from_bytes(&support::bytes(&support::loudness(2 * HOP))).unwrap();
        listener.set_model(model, "loudness");
        let (tap, feed) = tap(22_050.0).unwrap();
        listener.attach(Some(feed), pace);
        (listener, tap)
    }

    /// Once, a worker whose model took longer than a hop stayed in one call for as
    /// long as audio came, and nothing else was ever done.
    #[test]
    fn a_judgement_lets_go_of_the_listener() {
        let (mut listener, mut tap) = listener(Pace::Live);
        tap.hear(&[&vec![0.5; 2 * HOP + 700][..]]);
        assert!(listener.advance(Pace::Live));
        assert_eq!(listener.board.inferences(), 1);
        assert!(listener.feed.as_ref().unwrap().waiting() > 0);
        assert!(!listener.advance(Pace::Live));
        assert_eq!(listener.feed.as_ref().unwrap().waiting(), 0);
    }

    /// Once, a worker that was about to listen live could take from the bounce that
    /// had begun meanwhile.
    #[test]
    fn nobody_takes_at_another_pace_than_the_taps() {
        for (pace, other) in [(Pace::EveryHop, Pace::Live), (Pace::Live, Pace::EveryHop)] {
            let (mut listener, mut tap) = listener(pace);
            tap.hear(&[&[0.5; 1_000][..]]);
            let waiting = listener.feed.as_ref().unwrap().waiting();
            assert!(!listener.advance(other));
            assert_eq!(listener.feed.as_ref().unwrap().waiting(), waiting);
        }
    }

    /// Who is far behind goes on with what is now and lets the rest go; what it says of
    /// now is what full windows say.
    #[test]
    fn who_is_late_skips_to_now() {
        let shape = Shape { m: 3, layers: 7, first: 3, widths: vec![6; 9], normalised: true, tags: 4 };
        let bytes = shape.network(&mut Random(4));
        let mut random = Random(5);
        let noise: Vec<f32> = (0..40 * HOP).map(|_| random.between(-1.0, 1.0)).collect();
        let [sliding, full] = [Inference::Sliding, Inference::FullWindows].map(|inference| {
            let mut listener = Listener::new(Arc::new(TagBoard::new()));
            listener.set_model(Model::with(&bytes, inference, None).unwrap(), "network");
            let (mut tap, feed) = tap(22_050.0).unwrap();
            listener.attach(Some(feed), Pace::Live);
            tap.hear(&[&noise]);
            while listener.advance(Pace::Live) {}
            let board = listener.board;
            // What was read last from the ring may hide the last hop from the one before.
            assert_eq!(board.inferences() + board.skips(), 40 - 2);
            assert!(board.inferences() <= LATE as u64 + 1, "{} judged", board.inferences());
            (0..4).map(|tag| board.tag(tag)).collect::<Vec<f32>>()
        });
        assert!(sliding.iter().zip(&full).all(|(a, b)| (a - b).abs() <= 1e-5), "{sliding:?} {full:?}");
    }
}
