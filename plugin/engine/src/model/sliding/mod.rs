//! Exact sliding inference for the m^n networks.
//!
//! An m^n network is a sample-level CNN (Lee et al. 2017): a strided convolution over the samples, then n
//! layers whose filters and pooling have the length m, so that a window becomes a single frame.
//!
//! Two windows that are a hop apart have most frames of every layer in common. The zero padding at both
//! ends of a window affects only a frame or two of each layer; all other frames depend on the samples
//! alone, wherever the window is. So a step computes, layer by layer, the new frames and those at both
//! ends, and keeps the others in a ring. Once a hop is a single frame, the frames of the whole window
//! are joined, and the last layers run on them as in a full window.
//!
//! Frames are stored by frame, then by channel. A filter that is as long as its pooling then needs no
//! copy of the input for each of its positions (no im2col): the frames under the filter at positions
//! 0, m, 2m, … are contiguous, and so are those at 1, m + 1, …. A layer is m matrix products, one for
//! each position within a pool, and their maximum.

mod frame_ring;
mod layer_runner;
mod layers;
mod matmul;
mod plan;

use super::output::TagOutput;
use super::validation::MAX_ELEMENTS;
use frame_ring::FrameRing;
use layer_runner::{InputSpan, LayerRunner};
use layers::{Layer, read_layers};
use plan::{LayerPlan, plan};
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::{TractError, TractResult};

/// The longest hop that is chosen if none is given, in seconds.
const MAX_HOP: f64 = 0.15;

/// The most steps between two windows of a recording: with more of them full windows are faster.
const MAX_STEPS: usize = 14;

/// Which hop is chosen of those that the layers allow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum HopChoice {
    /// The longest up to [`MAX_HOP`].
    Live,
    /// This one, in samples.
    Samples(usize),
    /// The longest of which this distance between windows is a multiple, in seconds; without one, the longest up to half
    /// a window.
    Recording(Option<f64>),
}

impl HopChoice {
    /// Whether a hop may be chosen, for windows of `window` samples at `rate` hertz.
    fn allows(self, hop: usize, window: usize, rate: u32) -> bool {
        match self {
            Self::Live => hop <= (f64::from(rate) * MAX_HOP) as usize,
            Self::Samples(samples) => hop == samples,
            Self::Recording(None) => 2 * hop <= window && window.is_multiple_of(hop),
            Self::Recording(Some(seconds)) => {
                let distance = (seconds * f64::from(rate)).round() as usize;
                distance.is_multiple_of(hop) && distance / hop <= MAX_STEPS && window.is_multiple_of(hop)
            }
        }
    }
}

/// An m^n network, prepared for windows that advance by hops. All streams of a model share it.
pub(super) struct SlidingNetwork {
    /// In samples.
    window: usize,
    /// In samples.
    hop: usize,
    /// The first layer, from samples to frames.
    first: LayerRunner,
    /// The layers that are computed incrementally.
    incremental: Vec<IncrementalLayer>,
    /// The layers after them, which are computed for the whole window; the last one gives the tags.
    whole: Vec<LayerRunner>,
    /// What gives the embedding from the input of that one.
    embedding: Option<LayerRunner>,
}

/// A layer that is computed for the new frames and for both ends of the window.
struct IncrementalLayer {
    plan: LayerPlan,
    runner: LayerRunner,
    /// Its output frame for silence.
    silent_frame: Vec<f32>,
}

/// The output of a layer in one step: frames at the start of the window, new frames, frames at its end.
struct LayerOutput {
    values: Vec<f32>,
    /// The index of the first value of the new frames.
    new_start: usize,
    /// The index of the first value of the frames at the end.
    end_start: usize,
}

impl LayerOutput {
    /// `start` and `new` are numbers of frames.
    fn new(layer: &LayerRunner, values: Vec<f32>, start: usize, new: usize) -> Self {
        let (new_start, end_start) = (start * layer.filters(), (start + new) * layer.filters());
        Self { values, new_start, end_start }
    }

    fn start_frames(&self) -> &[f32] {
        &self.values[..self.new_start]
    }

    fn new_frames(&self) -> &[f32] {
        &self.values[self.new_start..self.end_start]
    }

    fn end_frames(&self) -> &[f32] {
        &self.values[self.end_start..]
    }
}

/// The frames that a stream keeps between two steps.
pub(super) struct FrameState {
    /// The frames of each incremental layer between the ends of the window.
    rings: Vec<FrameRing>,
    /// The output of the last incremental layer; `None` before the first step.
    output: Option<LayerOutput>,
}

impl SlidingNetwork {
    /// Prepares a model, or returns `None` if it is not an m^n network with the output `output` or does not
    /// support the hop; `rate` is the model's sample rate in hertz. `embedding` is the name of the output with the embedding, if there is one: a layer of
    /// its own over the input of the tags' layer.
    pub(super) fn from_proto(
        model: &ModelProto,
        output: &TagOutput,
        embedding: Option<&str>,
        window: usize,
        rate: u32,
        choice: HopChoice,
    ) -> Option<Self> {
        let layers = read_layers(model, output, window)?;
        let embedding = match embedding {
            Some(name) => {
                let mut of_embedding =
                    read_layers(model, &TagOutput { name: name.to_owned(), is_logits: true }, window)?;
                let last = of_embedding.pop()?;
                (of_embedding == layers[..layers.len() - 1]).then_some(Some(last))?
            }
            None => None,
        };
        // The hops that layers allow: the samples of one frame of the first layer, the second, ….
        let strides = layers.iter().scan(1, |stride, layer| {
            *stride *= layer.kernel_size;
            Some(*stride)
        });
        let hops: Vec<usize> = strides.filter(|hop| choice.allows(*hop, window, rate)).collect();
        let (hop, plans) =
            hops.into_iter().rev().map(|hop| (hop, plan(&layers, window, hop))).find(|(_, plans)| !plans.is_empty())?;
        if max_elements(&layers, window, &plans) > MAX_ELEMENTS {
            return None;
        }
        Self::prepare(&layers, embedding.as_ref(), window, hop, plans).ok()
    }

    fn prepare(
        layers: &[Layer],
        embedding: Option<&Layer>,
        window: usize,
        hop: usize,
        plans: Vec<LayerPlan>,
    ) -> TractResult<Self> {
        let (whole, rest) = (&layers[1 + plans.len()..], &layers[1..]);
        let first = LayerRunner::new(&layers[0], plans[0].start_inputs + plans[0].end_inputs)?;
        let mut silent_frame = layers[0].output_for_constant(&[0.0]);
        let mut incremental = Vec::new();
        for (plan, layer) in plans.into_iter().zip(rest) {
            silent_frame = layer.output_for_constant(&silent_frame);
            let runner = LayerRunner::new(layer, plan.start_frames + plan.new_frames + plan.end_frames)?;
            incremental.push(IncrementalLayer { plan, runner, silent_frame: silent_frame.clone() });
        }
        let mut frames = layers[..=incremental.len()].iter().fold(window, |frames, layer| frames / layer.kernel_size);
        let whole = whole.iter().map(|layer| {
            frames /= layer.kernel_size;
            LayerRunner::new(layer, frames)
        });
        let whole = whole.collect::<TractResult<_>>()?;
        let embedding = embedding.map(|layer| LayerRunner::new(layer, 1)).transpose()?;
        Ok(Self { window, hop, first, incremental, whole, embedding })
    }

    /// The hop between two windows, in samples.
    pub(super) fn hop(&self) -> usize {
        self.hop
    }

    /// The number of tags.
    pub(super) fn tags(&self) -> usize {
        self.whole.last().map_or(0, LayerRunner::filters)
    }

    /// The number of values of the whitened embedding; 0 without one.
    pub(super) fn embedding_size(&self) -> usize {
        self.embedding.as_ref().map_or(0, LayerRunner::filters)
    }

    /// The state after a window of digital silence.
    pub(super) fn silent_state(&self) -> FrameState {
        let ring = |layer: &IncrementalLayer| FrameRing::new(layer.plan.ring_len(), &layer.silent_frame);
        FrameState { rings: self.incremental.iter().map(ring).collect(), output: None }
    }

    /// Advances the state by a hop. `samples` are the latest samples: a whole window, or a multiple of
    /// the hop before there are as many.
    pub(super) fn step(&self, state: &mut FrameState, samples: &[f32]) -> TractResult<()> {
        // Before the first whole window its start is silence; no prediction depends on it.
        let silence = vec![0.0; self.window - samples.len()];
        let samples_in = |from: usize, to: usize| {
            let split = |at: usize| (at.min(silence.len()), at.max(silence.len()) - silence.len());
            let ((silent_from, from), (silent_to, to)) = (split(from), split(to));
            vec![&silence[silent_from..silent_to], &samples[from..to]]
        };
        let next = &self.incremental[0].plan;
        let kernel_size = self.first.kernel_size;
        let at_start =
            InputSpan { slices: samples_in(0, next.start_inputs * kernel_size), output_frames: next.start_inputs };
        let at_end = InputSpan {
            slices: samples_in(self.window - next.end_inputs * kernel_size, self.window),
            output_frames: next.end_inputs,
        };
        let values = self.first.run(&[at_start, at_end])?;
        let mut input = LayerOutput::new(&self.first, values, next.start_inputs, 0);

        // The plan and the ring of the layer that made `input`.
        let mut previous: Option<(&LayerPlan, &FrameRing)> = None;
        for (IncrementalLayer { plan, runner, .. }, ring) in self.incremental.iter().zip(&mut state.rings) {
            let (mut at_start, mut at_end) = (vec![&runner.padding_before[..], input.start_frames()], Vec::new());
            if let Some((previous, kept)) = previous {
                let start_kept = plan.start_inputs.saturating_sub(previous.start_frames);
                let end_kept = previous.kept_frames + previous.end_frames - plan.end_inputs;
                at_start.extend(kept.slices(0..start_kept, previous.spacing));
                at_end = kept.slices(end_kept..previous.kept_frames, previous.spacing);
            }
            at_end.extend([input.end_frames(), &runner.padding_after]);
            let at_start = InputSpan { slices: at_start, output_frames: plan.start_frames };
            let at_end = InputSpan { slices: at_end, output_frames: plan.new_frames + plan.end_frames };
            let values = runner.run(&[at_start, at_end])?;
            input = LayerOutput::new(runner, values, plan.start_frames, plan.new_frames);
            ring.push(input.new_frames());
            previous = Some((plan, ring));
        }
        state.output = Some(input);
        Ok(())
    }

    /// The logit of each tag and the embedding, which is empty without one, for the window that ends with the last step.
    ///
    /// # Errors
    /// If there was no step since the state was silent.
    pub(super) fn predict(&self, state: &FrameState) -> TractResult<(Vec<f32>, Vec<f32>)> {
        let output = state.output.as_ref().ok_or_else(|| TractError::msg("no hop was pushed since the last reset"))?;
        let mut slices = vec![output.start_frames()];
        if let (Some(IncrementalLayer { plan, .. }), Some(ring)) = (self.incremental.last(), state.rings.last()) {
            slices.extend(ring.slices(0..plan.kept_frames, plan.spacing));
        }
        slices.push(output.end_frames());
        let run = |runner: &LayerRunner, frames: &[f32]| {
            let slices = vec![&runner.padding_before[..], frames, &runner.padding_after];
            runner.run(&[InputSpan { slices, output_frames: runner.output_frames }])
        };
        let mut frames = slices.concat();
        let Some((tags, hidden)) = self.whole.split_last() else { return Ok((frames, Vec::new())) };
        for runner in hidden {
            frames = run(runner, &frames)?;
        }
        let embedding = self.embedding.as_ref().map_or(Ok(Vec::new()), |runner| run(runner, &frames))?;
        Ok((run(tags, &frames)?, embedding))
    }
}

/// An upper bound of the floats that a state and the inputs of the layers hold, so that a file cannot
/// allocate more than [`MAX_ELEMENTS`].
fn max_elements(layers: &[Layer], window: usize, plans: &[LayerPlan]) -> u64 {
    let product =
        |factors: &[usize]| factors.iter().fold(1_u64, |product, &factor| product.saturating_mul(factor as u64));
    let mut frames = window;
    let inputs = layers.iter().map(|layer| {
        frames /= layer.kernel_size;
        product(&[frames, layer.pool_size(), layer.kernel_size, layer.channels])
    });
    let rings = plans.iter().zip(&layers[1..]).map(|(plan, layer)| product(&[plan.ring_len(), layer.filters()]));
    inputs.chain(rings).fold(0, u64::saturating_add)
}
