//! From the queue to predictions: on a worker thread, or on the caller's when rendering offline.

use crate::audio_queue::{AudioConsumer, QueueItem};
use crate::board::TagBoard;
use crate::model::{
    FULL_WINDOWS_SHARE, InferenceMode, MAX_TAGS, Model, ModelError, SAMPLE_RATE, StreamState, to_steps,
};
use crate::resample::Resampler;
use crate::sample_window::SampleWindow;
use crate::status::{ModelInfo, Status};
use crate::stream_clock::StreamClock;
use crate::structure::{NoveltyCurve, SectionTag};
use crate::teaching::{TaughtTag, with_added_names, with_added_vocabularies};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// In real time a window is predicted only while fewer hops than this are in the queue: large blocks of a
/// host bring several at once.
const MAX_QUEUED_HOPS: usize = 4;

/// In real time an analyzer that is this many hops behind does not even step through them: it primes the
/// state with the latest window later, which takes as long as some of them.
const MAX_LATE_HOPS: usize = 8;

/// How a host renders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenderMode {
    /// Live: predict the latest window and skip windows that are late.
    Realtime,
    /// Bounce: predict every hop, however long it takes.
    Offline,
}

/// Runs the model on the windows of a stream and writes its predictions to the board.
pub struct Analyzer {
    board: Arc<TagBoard>,
    consumer: Option<AudioConsumer>,
    /// Who may take from the queue: the worker in real time, the caller offline.
    render_mode: RenderMode,
    state: Option<StreamState>,
    /// The display name of the model.
    name: String,
    /// The tags of the user's own.
    taught: Arc<[TaughtTag]>,
    /// Those of them that are of the model.
    current_taught: Arc<[TaughtTag]>,
    /// Where new sections begin, of a model with a whitened embedding.
    novelty: Option<NoveltyCurve>,
    /// From [`SAMPLE_RATE`] to the model's rate, if they differ.
    resampler: Option<Resampler>,
    window: SampleWindow,
    clock: StreamClock,
    /// Whether `state` has missed samples that are in `window`.
    is_stale: bool,
    /// Whether the last window was silent.
    was_silent: bool,
    /// Items taken from a queue so far.
    items_taken: u64,
    /// Hops to leave out, so that full windows keep to their share.
    hops_to_skip: usize,
}

impl Analyzer {
    /// An analyzer without a queue and without a model.
    pub fn new(board: Arc<TagBoard>) -> Self {
        Self {
            board,
            consumer: None,
            render_mode: RenderMode::Realtime,
            state: None,
            name: String::new(),
            taught: Arc::default(),
            current_taught: Arc::default(),
            novelty: None,
            resampler: None,
            window: SampleWindow::default(),
            clock: StreamClock::default(),
            is_stale: false,
            was_silent: false,
            items_taken: 0,
            hops_to_skip: 0,
        }
    }

    /// Takes from another queue from now on, or from none, in this mode only.
    pub(crate) fn attach(&mut self, consumer: Option<AudioConsumer>, render_mode: RenderMode) {
        (self.consumer, self.render_mode) = (consumer, render_mode);
        self.board.set_channel(None);
        self.clock = StreamClock::default();
        self.reset();
    }

    /// Whether there is a queue.
    pub(crate) fn is_attached(&self) -> bool {
        self.consumer.is_some()
    }

    /// Sets the render mode: only [`advance`](Self::advance) in this mode takes from the queue.
    pub(crate) fn set_render_mode(&mut self, render_mode: RenderMode) {
        self.render_mode = render_mode;
    }

    /// Uses another model from now on; `name` is its display name. It continues with the samples in the
    /// window, unless it has another rate.
    pub fn set_model(&mut self, model: Model, name: &str) {
        let rate = model.sample_rate();
        let before = self.state.as_ref().map(|state| state.model().sample_rate());
        if before != Some(rate) {
            self.resampler =
                if rate == SAMPLE_RATE { None } else { Resampler::new(f64::from(SAMPLE_RATE), f64::from(rate)).ok() };
            self.reset();
        }
        let duration = |samples: usize| Duration::from_secs_f64(samples as f64 / f64::from(rate));
        tracing::info!(
            "{name}: {} tags, windows of {}{:.2} s at {}{rate} Hz, {}",
            model.tags().len(),
            if model.is_window_assumed() { "an assumed " } else { "" },
            duration(model.window()).as_secs_f64(),
            if model.is_sample_rate_assumed() { "an assumed " } else { "" },
            match model.inference() {
                InferenceMode::Sliding => "sliding",
                InferenceMode::FullWindows => "full windows",
            }
        );
        // Before the names change: the values belong to the tags of the model before.
        self.board.clear();
        let has_section_tag = model.embedding_size() > 0 && model.tags().len() < MAX_TAGS;
        self.novelty = has_section_tag.then(|| NoveltyCurve::new(model.embedding_size(), duration(model.hop())));
        self.state = Some(StreamState::new(model));
        self.name = name.to_owned();
        self.update_status();
        self.clock.restart_model();
        self.window.restart_hop();
        (self.hops_to_skip, self.was_silent, self.is_stale) = (0, false, true);
    }

    /// Computes these tags, too, from the next prediction on, as far as they are of the model.
    pub(crate) fn set_taught(&mut self, taught: Arc<[TaughtTag]>) {
        self.taught = taught;
        self.update_status();
    }

    /// Tells the board of the model and of the taught tags that are of it.
    fn update_status(&mut self) {
        let Some(model) = self.state.as_ref().map(StreamState::model) else { return };
        let (rate, metadata) = (model.sample_rate(), model.metadata());
        let hash = self.board.model_info().hash;
        let (index, has_section_tag) = (model.tags().len(), self.novelty.is_some());
        let room = MAX_TAGS.saturating_sub(index + usize::from(has_section_tag));
        let size = model.embedding_size();
        let is_usable = |tag: &&TaughtTag| tag.model == hash && size > 0 && tag.function.size() == size;
        self.current_taught = self.taught.iter().filter(is_usable).take(room).cloned().collect();
        let duration = |samples: usize| Duration::from_secs_f64(samples as f64 / f64::from(rate));
        let model_tags = metadata.display_tags();
        let is_weak = |tag: &String| metadata.weak_tags.contains(tag);
        let taught = self.current_taught.len();
        let added_weak = std::iter::repeat_n(false, usize::from(has_section_tag) + taught);
        self.board.set_status(Status::Ready {
            vocabularies: with_added_vocabularies(metadata, &self.name, index, has_section_tag, taught),
            tags: with_added_names(model_tags, has_section_tag, &self.current_taught),
            weak: model.tags().iter().map(is_weak).chain(added_weak).collect(),
            section_tag: self
                .novelty
                .as_ref()
                .map(|novelty| SectionTag { index, delay: novelty.delay(duration(model.hop())) }),
            taught: Arc::clone(&self.current_taught),
            name: self.name.clone(),
            hash,
            window: duration(model.window()),
            hop: duration(model.hop()),
            inference: model.inference(),
            embedding_size: model.embedding_size(),
            sample_rate: rate,
            is_sample_rate_assumed: model.is_sample_rate_assumed(),
            is_window_assumed: model.is_window_assumed(),
        });
    }

    /// Runs no model from now on, because of `why`.
    pub fn fail(&mut self, why: String) {
        tracing::warn!("{why}");
        self.state = None;
        self.board.set_model_info(ModelInfo::default());
        self.board.set_status(Status::Failed(why));
        self.reset();
    }

    /// Takes what is in the queue and predicts the windows that are due; does nothing in another mode
    /// than the queue's. Returns whether more may be in the queue: in real time it returns after the
    /// predictions of at most 512 samples, so that a slow model does not hold the analyzer's lock.
    pub fn advance(&mut self, render_mode: RenderMode) -> bool {
        if render_mode != self.render_mode {
            return false;
        }
        if let Some(consumer) = &self.consumer {
            self.board.set_channel(consumer.channel());
        }
        let mut buffer = [0.0; 512];
        let before = self.board.inferences();
        while let Some(consumer) = &mut self.consumer {
            let item = consumer.pop(&mut buffer);
            self.items_taken += u64::from(item != QueueItem::Empty);
            match item {
                QueueItem::Empty => return false,
                QueueItem::Discontinuity => self.start_segment(),
                QueueItem::Gap => {
                    self.board.count_gap();
                    self.start_segment();
                }
                QueueItem::Samples(count) => self.resample(&buffer[..count]),
            }
            if render_mode == RenderMode::Realtime && self.board.inferences() != before {
                return true;
            }
        }
        false
    }

    fn resample(&mut self, samples: &[f32]) {
        self.clock.add_samples(samples.len());
        let Some(mut resampler) = self.resampler.take() else { return self.push(samples) };
        resampler.push(samples, |run| self.push(run));
        self.resampler = Some(resampler);
    }

    /// Appends samples at the model's rate, hop by hop.
    fn push(&mut self, mut samples: &[f32]) {
        while let Some(state) = self.state.as_ref().filter(|_| !samples.is_empty()) {
            let (window, hop) = (state.model().window(), state.model().hop());
            let count = self.window.push(samples, window, hop);
            self.clock.add_model_samples(count);
            samples = &samples[count..];
            if self.window.take_hop(hop)
                && let Err(error) = self.complete_hop()
            {
                self.fail(error.to_string());
            }
        }
    }

    /// A hop is complete: advances the state, and predicts if there is a whole window that is not
    /// silent and no later one is in the queue.
    fn complete_hop(&mut self) -> Result<(), ModelError> {
        let Some(state) = &mut self.state else { return Ok(()) };
        let (window, hop, rate) = (state.model().window(), state.model().hop(), state.model().sample_rate());
        let time = self.clock.now(rate);
        if self.window.is_silent(window) {
            if !self.was_silent {
                state.reset();
                self.window.mute(window);
                self.reset_novelty();
                (self.was_silent, self.is_stale) = (true, false);
            }
            self.window.mute(hop);
            self.board.publish_silence(time);
            return Ok(());
        }
        self.was_silent = false;
        let hop_in_queue = (hop as u64 * u64::from(SAMPLE_RATE) / u64::from(rate)) as usize;
        let is_realtime = self.render_mode == RenderMode::Realtime;
        let queued = self.consumer.as_ref().filter(|_| is_realtime).map_or(0, AudioConsumer::len);
        let is_late = queued >= MAX_QUEUED_HOPS * hop_in_queue;
        if self.is_stale || queued >= MAX_LATE_HOPS * hop_in_queue {
            self.is_stale = is_late;
            if !is_late && state.model().inference() == InferenceMode::Sliding {
                state.prime(self.window.keep_whole_hops(window, hop))?;
            }
        } else {
            state.step(self.window.latest(window))?;
        }
        let samples = self.window.latest(window);
        if samples.len() < window {
            return Ok(());
        }
        if is_late {
            self.board.count_skip();
            return Ok(());
        }
        if self.hops_to_skip > 0 && is_realtime {
            self.hops_to_skip -= 1;
            return Ok(());
        }
        let start = Instant::now();
        let prediction = state.predict(samples)?;
        if state.model().inference() == InferenceMode::FullWindows {
            let hops_a_second = f64::from(rate) / hop as f64;
            self.hops_to_skip = (start.elapsed().as_secs_f64() * hops_a_second / FULL_WINDOWS_SHARE) as usize;
        }
        let (mut probabilities, embedding) = (prediction.probabilities, to_steps(&prediction.embedding));
        probabilities.extend(self.novelty.as_mut().map(|novelty| novelty.push(&embedding)));
        probabilities.extend(self.current_taught.iter().map(|tag| tag.function.probability(&embedding)));
        self.board.publish(time, &probabilities, &embedding);
        Ok(())
    }

    /// A number that changes when audio was taken.
    pub(crate) fn items_taken(&self) -> u64 {
        self.items_taken
    }

    /// The time until a hop is complete if audio comes in real time; `None` without a queue.
    pub(crate) fn until_hop(&self) -> Option<Duration> {
        let queued = self.consumer.as_ref()?.len() as f64 / f64::from(SAMPLE_RATE);
        // Without a model the queue is only kept from overflowing.
        let Some(model) = self.state.as_ref().map(StreamState::model) else { return Some(Duration::from_secs(1)) };
        let missing = self.window.missing(model.hop()) as f64 / f64::from(model.sample_rate());
        Some(Duration::from_secs_f64((missing - queued).max(0.0)))
    }

    fn reset_novelty(&mut self) {
        if let Some(novelty) = &mut self.novelty {
            novelty.reset();
        }
    }

    /// A mark in the queue: the next segment begins.
    fn start_segment(&mut self) {
        self.clock.start_segment();
        self.reset();
    }

    /// Forgets all samples: the next ones do not continue them.
    fn reset(&mut self) {
        self.window.clear();
        self.reset_novelty();
        (self.was_silent, self.is_stale) = (false, true);
        if let Some(resampler) = &mut self.resampler {
            resampler.reset();
        }
        self.board.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio_queue::{AudioProducer, audio_queue};
    use crate::support;
    use crate::support::network::{NetworkSpec, SeededRng};

    const HOP: usize = 2_187;

    fn analyzer(render_mode: RenderMode) -> (Analyzer, AudioProducer) {
        let mut analyzer = Analyzer::new(Arc::new(TagBoard::new()));
        let model = Model::from_bytes(&support::bytes(&support::loudness(2 * HOP))).unwrap();
        analyzer.set_model(model, "loudness");
        let (producer, consumer) = audio_queue(22_050.0).unwrap();
        analyzer.attach(Some(consumer), render_mode);
        (analyzer, producer)
    }

    /// A worker whose model took longer than a hop once stayed in one call as long as audio came.
    #[test]
    fn a_prediction_releases_the_analyzer() {
        let (mut analyzer, mut producer) = analyzer(RenderMode::Realtime);
        producer.push(&[&vec![0.5; 2 * HOP + 700][..]]);
        assert!(analyzer.advance(RenderMode::Realtime));
        assert_eq!(analyzer.board.inferences(), 1);
        assert!(analyzer.consumer.as_ref().unwrap().len() > 0);
        assert!(!analyzer.advance(RenderMode::Realtime));
        assert_eq!(analyzer.consumer.as_ref().unwrap().len(), 0);
    }

    /// A worker once took from the queue of a bounce that had just begun.
    #[test]
    fn advance_in_another_render_mode_takes_nothing() {
        for (render_mode, other) in
            [(RenderMode::Offline, RenderMode::Realtime), (RenderMode::Realtime, RenderMode::Offline)]
        {
            let (mut analyzer, mut producer) = analyzer(render_mode);
            producer.push(&[&[0.5; 1_000][..]]);
            let queued = analyzer.consumer.as_ref().unwrap().len();
            assert!(!analyzer.advance(other));
            assert_eq!(analyzer.consumer.as_ref().unwrap().len(), queued);
        }
    }

    /// An analyzer that is far behind skips to the latest window and predicts what full windows do.
    #[test]
    fn a_late_analyzer_skips_to_the_latest_window() {
        let spec = NetworkSpec { m: 3, layers: 7, first: 3, widths: vec![6; 9], has_batch_norm: true, tags: 4 };
        let bytes = spec.to_onnx(&mut SeededRng(4));
        let mut rng = SeededRng(5);
        let noise: Vec<f32> = (0..40 * HOP).map(|_| rng.between(-1.0, 1.0)).collect();
        let [sliding, full] = [InferenceMode::Sliding, InferenceMode::FullWindows].map(|inference| {
            let mut analyzer = Analyzer::new(Arc::new(TagBoard::new()));
            analyzer.set_model(Model::with(&bytes, inference, None).unwrap(), "network");
            let (mut producer, consumer) = audio_queue(22_050.0).unwrap();
            analyzer.attach(Some(consumer), RenderMode::Realtime);
            producer.push(&[&noise]);
            while analyzer.advance(RenderMode::Realtime) {}
            let board = analyzer.board;
            // Samples already taken from the queue may hide the last hop from the one before.
            assert_eq!(board.inferences() + board.skips(), 40 - 2);
            assert!(board.inferences() <= MAX_QUEUED_HOPS as u64 + 1, "{} predicted", board.inferences());
            (0..4).map(|tag| board.probability(tag)).collect::<Vec<f32>>()
        });
        assert!(sliding.iter().zip(&full).all(|(a, b)| (a - b).abs() <= 1e-5), "{sliding:?} {full:?}");
    }
}
