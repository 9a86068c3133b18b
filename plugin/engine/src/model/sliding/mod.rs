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
mod product;
mod ring;

use chain::{Layer, chain};
use layer::{Part, Runner};
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
    /// Layers that are computed for what is new and for the ends.
    steps: Vec<Step>,
    /// Layers that are computed for the whole window.
    whole: Vec<Runner>,
}

/// A layer that is computed for what is new and for the ends of the window.
struct Step {
    layer: Runner,
    ends: Ends,
    /// Frames out that are new after a hop.
    new: usize,
    /// Frames in from the window's start that the ends need.
    from_start: usize,
    /// Frames in up to the window's end that the ends and the new need.
    from_end: usize,
    /// Frames out between the ends.
    kept: usize,
    /// What every frame out is in silence.
    quiet: Vec<f32>,
}

/// How many frames at the window's start and end depend on where it stands.
#[derive(Debug, Clone, Copy)]
struct Ends {
    start: usize,
    end: usize,
}

/// What one listener keeps between two steps.
pub(super) struct Frames {
    /// What each step keeps, between the ends.
    rings: Vec<Ring>,
    /// The frames at both ends that the last of them gave; `None` before the first time.
    ends: Option<[Vec<f32>; 2]>,
}

impl Sliding {
    /// Takes a model apart that is an m^n network with the output `output`; `None` for
    /// any other. Of the hops that its layers allow, it takes `hop`, or if none is given
    /// the longest up to 150 ms.
    pub(super) fn of(model: &ModelProto, output: &str, window: usize, rate: u32, hop: Option<usize>) -> Option<Self> {
        let layers = chain(model, output, window)?;
        let longest = (f64::from(rate) * LONGEST_HOP) as usize;
        // A frame of the first layer, of the second, … lasts so many samples.
        let strides = layers.iter().scan(1, |stride, layer| {
            *stride *= layer.length;
            Some(*stride)
        });
        let wanted = |stride: &usize| hop.map_or(*stride <= longest, |hop| *stride == hop);
        let hops: Vec<usize> = strides.filter(wanted).collect();
        hops.into_iter().rev().find_map(|hop| Self::plan(&layers, window, hop))
    }

    /// Which frames of which layer have to be computed; `None` where a hop is too long
    /// or too short for the window.
    fn plan(layers: &[Layer], window: usize, hop: usize) -> Option<Self> {
        let (first, mut rest) = layers.split_first()?;
        if first.pooled {
            return None;
        }
        let mut quiet = first.answer_to(&[0.0]);
        let (mut frames, mut new) = (window / first.length, hop / first.length);
        let (mut ends, mut kept) = (Ends { start: 0, end: 0 }, frames);
        let mut steps = Vec::new();
        let mut geometry = Vec::new();
        while let Some((layer, others)) = rest.split_first().filter(|(layer, _)| new.is_multiple_of(layer.length)) {
            let (length, (before, after)) = (layer.length, layer.padding);
            let out = Ends { start: (ends.start + before).div_ceil(length), end: (ends.end + after).div_ceil(length) };
            (frames, new) = (frames / length, new / length);
            let from_start = if out.start == 0 { 0 } else { out.start * length + after };
            let from_end = (out.end + new) * length + before;
            let kept_out = frames.checked_sub(out.start + out.end).filter(|&kept| kept >= new)?;
            if from_start > ends.start + kept || from_end > ends.end + kept {
                return None;
            }
            quiet = layer.answer_to(&quiet);
            geometry.push((layer, out, new, from_start, from_end, kept_out, quiet.clone()));
            (ends, kept, rest) = (out, kept_out, others);
        }
        let &(_, _, _, from_start, from_end, ..) = geometry.first()?;
        let first = Runner::new(first, from_start + from_end).ok()?;
        for (layer, ends, new, from_start, from_end, kept, quiet) in geometry {
            let layer = Runner::new(layer, ends.start + new + ends.end).ok()?;
            steps.push(Step { layer, ends, new, from_start, from_end, kept, quiet });
        }
        let mut whole = Vec::new();
        for layer in rest {
            frames /= layer.length;
            whole.push(Runner::new(layer, frames).ok()?);
        }
        (!whole.is_empty()).then_some(Self { window, hop, first, steps, whole })
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
        let rings = self.steps.iter().map(|step| Ring::new(step.kept, &step.quiet)).collect();
        Frames { rings, ends: None }
    }

    /// Goes on by a hop: `samples` are what was heard last, a whole window of them or,
    /// before so many were heard, a multiple of the hop.
    pub(super) fn step(&self, frames: &mut Frames, samples: &[f32]) -> TractResult<()> {
        let missing = self.window - samples.len();
        let heard = |from: usize, count: usize| {
            let mut out = vec![0.0; missing.saturating_sub(from).min(count)];
            let rest = from + out.len();
            out.extend_from_slice(&samples[rest.saturating_sub(missing)..][..from + count - rest]);
            out
        };
        let Some(next) = self.steps.first() else { return Ok(()) };
        let length = self.first.length;
        let left = heard(0, next.from_start * length);
        let right = heard(self.window - next.from_end * length, next.from_end * length);
        let parts = [Part { frames: &left, count: next.from_start }, Part { frames: &right, count: next.from_end }];
        let given = self.first.run(&parts)?;
        let (at_start, at_end) = given.split_at(next.from_start * self.first.filters());
        let (mut left, mut right) = (at_start.to_vec(), at_end.to_vec());

        for (index, (step, ring)) in self.steps.iter().zip(&mut frames.rings).enumerate() {
            let Step { layer, ends, new, .. } = step;
            layer.pad(&mut left, &mut right);
            let parts = [Part { frames: &left, count: ends.start }, Part { frames: &right, count: new + ends.end }];
            let given = layer.run(&parts)?;
            let (at_start, rest) = given.split_at(ends.start * layer.filters());
            let (fresh, at_end) = rest.split_at(new * layer.filters());
            ring.push(fresh);
            (left, right) = (at_start.to_vec(), Vec::new());
            match self.steps.get(index + 1) {
                Some(next) => {
                    if next.from_start > 0 {
                        ring.copy(0..next.from_start - ends.start, &mut left);
                    }
                    ring.copy(step.kept + ends.end - next.from_end..step.kept, &mut right);
                    right.extend_from_slice(at_end);
                }
                None => frames.ends = Some([std::mem::take(&mut left), at_end.to_vec()]),
            }
        }
        Ok(())
    }

    /// The probability of every tag, of the window that the last step ended.
    ///
    /// # Errors
    /// Where there was no step since the start or since silence.
    pub(super) fn probabilities(&self, frames: &Frames) -> TractResult<Vec<f32>> {
        let [start, end] = frames.ends.as_ref().ok_or_else(|| TractError::msg("nothing was heard yet"))?;
        let mut signal = start.clone();
        if let Some(ring) = frames.rings.last() {
            ring.copy(0..ring.len(), &mut signal);
        }
        signal.extend_from_slice(end);
        for layer in &self.whole {
            let mut none = Vec::new();
            layer.pad(&mut signal, &mut none);
            signal.append(&mut none);
            signal = layer.run(&[Part { frames: &signal, count: layer.count }])?;
        }
        Ok(signal.into_iter().map(|logit| 1.0 / (1.0 + (-logit).exp())).collect())
    }
}
