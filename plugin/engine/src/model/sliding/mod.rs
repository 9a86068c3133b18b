//! Exact sliding inference for the m^n networks.
//!
//! A window that ends a hop later has most frames of every layer in common with the
//! one before. Zero padding, which every layer has at both ends of the window, reaches
//! only a frame or two from there; all others depend on the sound alone, wherever the
//! window stands. So a step computes, layer by layer, the frames that are new and those
//! at the two ends, and keeps the rest in a ring. Where a hop has become a single
//! frame, the frames of the whole window are put together and the last layers run as
//! they do in a full window.
//!
//! In rows of frames (frame, then channel) a filter that is as long as its pooling
//! needs no copies of the sound at each of its places: the frames under a filter at
//! frame 0, m, 2m, … are one run of numbers after another, and so from frame 1 and
//! from frame 2. A layer is m such runs times its weights, and their maximum.
//!
//! ARCHITECTURE.md draws it.

mod chain;
mod layer;
mod plan;
mod product;
mod ring;

use super::check::MAX_ELEMENTS;
use super::output::Output;
use chain::{Layer, chain};
use layer::{Part, Runner};
use plan::{Step, plan};
use ring::Ring;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::{TractError, TractResult};

/// The longest hop that is chosen where none is asked for, in seconds: about ten
/// updates a second.
const LONGEST_HOP: f64 = 0.15;

/// How an m^n network answers a window that moves by hops: shared by all who listen
/// with it.
pub(super) struct Sliding {
    window: usize,
    hop: usize,
    /// The first layer, which turns samples into frames.
    first: Runner,
    /// Layers that are computed for what is new and for the ends, with what every frame
    /// out of them is in silence.
    steps: Vec<(Step, Runner, Vec<f32>)>,
    /// Layers that are computed for the whole window.
    whole: Vec<Runner>,
}

/// What a layer gave in one step.
struct Given {
    /// At the window's start, new, at its end.
    frames: Vec<f32>,
    /// Numbers before the new.
    start: usize,
    /// Numbers before the end.
    end: usize,
}

impl Given {
    fn new(layer: &Runner, frames: Vec<f32>, start: usize, new: usize) -> Self {
        let (start, end) = (start * layer.filters(), (start + new) * layer.filters());
        Self { frames, start, end }
    }

    fn start(&self) -> &[f32] {
        &self.frames[..self.start]
    }

    fn new_frames(&self) -> &[f32] {
        &self.frames[self.start..self.end]
    }

    fn end(&self) -> &[f32] {
        &self.frames[self.end..]
    }
}

/// What one listener keeps between two steps.
pub(super) struct Frames {
    /// What each step keeps, between the ends.
    rings: Vec<Ring>,
    /// What the last of them gave; `None` before the first time.
    given: Option<Given>,
}

impl Sliding {
    /// Takes a model apart that is an m^n network with the output `output`; `None` for
    /// any other. Of the hops that its layers allow, it takes `hop`, or if none is given
    /// the longest up to 150 ms.
    pub(super) fn of(
        model: &ModelProto,
        output: &Output,
        window: usize,
        rate: u32,
        hop: Option<usize>,
    ) -> Option<Self> {
        let layers = chain(model, output, window)?;
        let longest = (f64::from(rate) * LONGEST_HOP) as usize;
        // A frame of the first layer, of the second, … lasts so many samples.
        let strides = layers.iter().scan(1, |stride, layer| {
            *stride *= layer.length;
            Some(*stride)
        });
        let wanted = |stride: &usize| hop.map_or(*stride <= longest, |hop| *stride == hop);
        let hops: Vec<usize> = strides.filter(wanted).collect();
        let (hop, steps) =
            hops.into_iter().rev().map(|hop| (hop, plan(&layers, window, hop))).find(|(_, steps)| !steps.is_empty())?;
        if numbers(&layers, window, &steps) > MAX_ELEMENTS {
            return None;
        }
        Self::prepare(&layers, window, hop, steps).ok()
    }

    fn prepare(layers: &[Layer], window: usize, hop: usize, plan: Vec<Step>) -> TractResult<Self> {
        let (whole, rest) = (&layers[1 + plan.len()..], &layers[1..]);
        let first = Runner::new(&layers[0], plan[0].from_start + plan[0].from_end)?;
        let mut quiet = layers[0].answer_to(&[0.0]);
        let mut steps = Vec::new();
        for (step, layer) in plan.into_iter().zip(rest) {
            quiet = layer.answer_to(&quiet);
            steps.push((step, Runner::new(layer, step.start + step.new + step.end)?, quiet.clone()));
        }
        let mut frames = layers[..=steps.len()].iter().fold(window, |frames, layer| frames / layer.length);
        let whole = whole.iter().map(|layer| {
            frames /= layer.length;
            Runner::new(layer, frames)
        });
        let whole = whole.collect::<TractResult<_>>()?;
        Ok(Self { window, hop, first, steps, whole })
    }

    /// Samples from one window to the next.
    pub(super) fn hop(&self) -> usize {
        self.hop
    }

    /// How many tags it answers with.
    pub(super) fn tags(&self) -> usize {
        self.whole.last().map_or(0, Runner::filters)
    }

    /// Frames as they are after a window of digital silence.
    pub(super) fn quiet(&self) -> Frames {
        let ring = |(step, _, quiet): &(Step, Runner, Vec<f32>)| Ring::new(step.ring(), quiet);
        Frames { rings: self.steps.iter().map(ring).collect(), given: None }
    }

    /// Goes on by a hop: `samples` are what was heard last, a whole window of them or,
    /// before so many were heard, a multiple of the hop.
    pub(super) fn step(&self, frames: &mut Frames, samples: &[f32]) -> TractResult<()> {
        // What is missing at the start is silence; nothing that it reaches will be asked
        // for.
        let silence = vec![0.0; self.window - samples.len()];
        let heard = |from: usize, to: usize| {
            let split = |at: usize| (at.min(silence.len()), at.max(silence.len()) - silence.len());
            let ((silent_from, from), (silent_to, to)) = (split(from), split(to));
            vec![&silence[silent_from..silent_to], &samples[from..to]]
        };
        let (next, ..) = &self.steps[0];
        let length = self.first.length;
        let at_start = Part { runs: heard(0, next.from_start * length), count: next.from_start };
        let at_end = Part { runs: heard(self.window - next.from_end * length, self.window), count: next.from_end };
        let mut given = Given::new(&self.first, self.first.run(&[at_start, at_end])?, next.from_start, 0);

        let mut last: Option<(&Step, &Ring)> = None;
        for ((step, layer, _), ring) in self.steps.iter().zip(&mut frames.rings) {
            let (mut at_start, mut at_end) = (vec![&layer.before[..], given.start()], Vec::new());
            if let Some((last, kept)) = last {
                at_start.extend(kept.runs(0..step.from_start.saturating_sub(last.start), last.spacing));
                at_end = kept.runs(last.kept + last.end - step.from_end..last.kept, last.spacing);
            }
            at_end.extend([given.end(), &layer.after]);
            let at_start = Part { runs: at_start, count: step.start };
            let at_end = Part { runs: at_end, count: step.new + step.end };
            given = Given::new(layer, layer.run(&[at_start, at_end])?, step.start, step.new);
            ring.push(given.new_frames());
            last = Some((step, ring));
        }
        frames.given = Some(given);
        Ok(())
    }

    /// The logit of every tag, of the window that the last step ended.
    ///
    /// # Errors
    /// Where there was no step since the start or since silence.
    pub(super) fn logits(&self, frames: &Frames) -> TractResult<Vec<f32>> {
        let given = frames.given.as_ref().ok_or_else(|| TractError::msg("nothing was heard yet"))?;
        let mut runs = vec![given.start()];
        if let (Some((step, ..)), Some(ring)) = (self.steps.last(), frames.rings.last()) {
            runs.extend(ring.runs(0..step.kept, step.spacing));
        }
        runs.push(given.end());
        let mut signal = runs.concat();
        for layer in &self.whole {
            let runs = vec![&layer.before[..], &signal, &layer.after];
            signal = layer.run(&[Part { runs, count: layer.count }])?;
        }
        Ok(signal)
    }
}

/// Numbers that a listener keeps and that its layers' rows hold, at most: a file may ask
/// for more than there is.
fn numbers(layers: &[Layer], window: usize, steps: &[Step]) -> u64 {
    let product =
        |factors: &[usize]| factors.iter().fold(1_u64, |product, &factor| product.saturating_mul(factor as u64));
    let mut frames = window;
    let rows = layers.iter().map(|layer| {
        frames /= layer.length;
        product(&[frames, layer.places(), layer.length, layer.channels])
    });
    let kept = steps.iter().zip(&layers[1..]).map(|(step, layer)| product(&[step.ring(), layer.filters()]));
    rows.chain(kept).fold(0, u64::saturating_add)
}
