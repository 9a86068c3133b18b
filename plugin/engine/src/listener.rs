//! From the ring to the board: keeps the last window and asks the model.

use crate::board::{Status, TagBoard};
use crate::model::{Model, SAMPLE_RATE};
use crate::resample::Resampler;
use crate::tap::{Feed, Heard};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Samples between two judgements, at the model's rate: ten a second at
/// [`SAMPLE_RATE`], and a power of three, as the 3^9 network's layers pool.
pub const HOP: usize = 2_187;

/// Below this every sample is silence: -90 dBFS.
const SILENCE: f32 = 3.162_277_7e-5;

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
    model: Option<Model>,
    /// From the ring's rate to the model's, where they differ.
    resampler: Option<Resampler>,
    /// The last samples at the model's rate, at most a window of them.
    window: VecDeque<f32>,
    /// Samples since the last hop.
    since_hop: usize,
    /// Samples since the last one that was not silence.
    silent: usize,
}

impl Listener {
    /// A listener that hears nothing yet and has no model.
    pub fn new(board: Arc<TagBoard>) -> Self {
        Self {
            board,
            feed: None,
            pace: Pace::Live,
            model: None,
            resampler: None,
            window: VecDeque::new(),
            since_hop: 0,
            silent: 0,
        }
    }

    /// Listens to another tap from now on, or to none, and at this pace alone.
    pub(crate) fn attach(&mut self, feed: Option<Feed>, pace: Pace) {
        (self.feed, self.pace) = (feed, pace);
        self.start_afresh();
    }

    /// Uses `model`, which a person knows as `name`, from now on.
    pub fn set_model(&mut self, model: Model, name: &str) {
        let rate = model.sample_rate();
        self.resampler =
            if rate == SAMPLE_RATE { None } else { Resampler::new(f64::from(SAMPLE_RATE), f64::from(rate)).ok() };
        self.board.set_status(Status::Ready {
            tags: model.tags().to_vec(),
            name: name.to_owned(),
            window: Duration::from_secs_f64(model.window() as f64 / f64::from(rate)),
        });
        self.model = Some(model);
        self.start_afresh();
    }

    /// Goes without a model, because of `why`.
    pub fn fail(&mut self, why: String) {
        tracing::warn!("{why}");
        self.model = None;
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
        let mut buffer = [0.0; 512];
        let before = self.board.inferences();
        while let Some(feed) = &mut self.feed {
            match feed.take(&mut buffer) {
                Heard::Nothing => return false,
                Heard::Afresh => self.start_afresh(),
                Heard::Gap => {
                    self.board.count_gap();
                    self.start_afresh();
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
        let Some(mut resampler) = self.resampler.take() else { return self.keep(samples) };
        resampler.push(samples, |run| self.keep(run));
        self.resampler = Some(resampler);
    }

    /// Appends samples at the model's rate to the window, hop by hop.
    fn keep(&mut self, mut samples: &[f32]) {
        let Some(window) = self.model.as_ref().map(Model::window) else { return };
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(HOP - self.since_hop));
            samples = later;
            let surplus = (self.window.len() + now.len()).saturating_sub(window);
            self.window.drain(..surplus.min(self.window.len()));
            self.window.extend(&now[now.len().saturating_sub(window)..]);
            self.silent = match now.iter().rev().position(|sample| sample.abs() >= SILENCE) {
                Some(since) => since,
                None => self.silent + now.len(),
            };
            self.since_hop += now.len();
            if self.since_hop == HOP {
                self.since_hop = 0;
                self.judge(window);
            }
        }
    }

    /// One hop is complete: asks the model, if there is a whole window, it is not
    /// silent, and no later one waits already.
    fn judge(&mut self, window: usize) {
        let late = self.feed.as_ref().is_some_and(|feed| feed.waiting() >= HOP);
        if self.window.len() < window || (self.pace == Pace::Live && late) {
            return;
        }
        if self.silent >= window {
            return self.board.clear();
        }
        let Some(model) = &self.model else { return };
        match model.probabilities(self.window.make_contiguous()) {
            Ok(probabilities) => self.board.publish(&probabilities),
            Err(error) => self.fail(error.to_string()),
        }
    }

    /// What follows does not continue what was heard.
    fn start_afresh(&mut self) {
        self.window.clear();
        self.since_hop = 0;
        self.silent = 0;
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
    use crate::tap::{Tap, tap};

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
}
