//! Plans which frames of which layer a step computes.

use super::layers::Layer;

/// The frames of a layer that a step computes, and those that it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LayerPlan {
    /// Output frames at the start of the window that the padding affects.
    pub(super) start_frames: usize,
    /// Output frames that are new after a hop.
    pub(super) new_frames: usize,
    /// Output frames at the end of the window that the padding affects.
    pub(super) end_frames: usize,
    /// Output frames between both ends.
    pub(super) kept_frames: usize,
    /// Hops between two successive kept frames; 1 if a hop has a frame or more.
    pub(super) spacing: usize,
    /// Input frames at the start of the window that the frames at the start depend on.
    pub(super) start_inputs: usize,
    /// Input frames at the end of the window that the new frames and those at the end depend on.
    pub(super) end_inputs: usize,
}

impl LayerPlan {
    /// The length of the ring that holds the kept frames.
    pub(super) fn ring_len(&self) -> usize {
        (self.kept_frames - 1) * self.spacing + 1
    }
}

/// Plans the incremental layers: those after the first, up to the last one that can keep more frames than
/// are new. Empty if the hop does not suit the window.
pub(super) fn plan(layers: &[Layer], window: usize, hop: usize) -> Vec<LayerPlan> {
    let [first, rest @ ..] = layers else { return Vec::new() };
    if first.is_pooled || !hop.is_multiple_of(first.kernel_size) {
        return Vec::new();
    }
    let mut frames = window / first.kernel_size;
    // The first layer has no padding, and its frames are computed again instead of kept.
    let mut previous = LayerPlan {
        start_frames: 0,
        new_frames: hop / first.kernel_size,
        end_frames: 0,
        kept_frames: frames,
        spacing: 1,
        start_inputs: 0,
        end_inputs: 0,
    };
    let mut plans = Vec::new();
    for layer in rest {
        let (kernel_size, (before, after)) = (layer.kernel_size, layer.padding);
        if previous.new_frames > 1 && !previous.new_frames.is_multiple_of(kernel_size) {
            break;
        }
        frames /= kernel_size;
        let start_frames = (previous.start_frames + before).div_ceil(kernel_size);
        let end_frames = (previous.end_frames + after).div_ceil(kernel_size);
        // If a hop is a single frame, it is one in the next layer too, from frames that are
        // `kernel_size` hops apart.
        let (new_frames, spacing) = if previous.new_frames == 1 {
            (1, previous.spacing * kernel_size)
        } else {
            (previous.new_frames / kernel_size, 1)
        };
        let start_inputs = if start_frames == 0 { 0 } else { start_frames * kernel_size + after };
        let end_inputs = (end_frames + new_frames) * kernel_size + before;
        let kept_frames = frames.saturating_sub(start_frames + end_frames);
        if kept_frames <= new_frames
            || start_inputs > previous.start_frames + previous.kept_frames
            || end_inputs > previous.end_frames + previous.kept_frames
        {
            break;
        }
        previous = LayerPlan { start_frames, new_frames, end_frames, kept_frames, spacing, start_inputs, end_inputs };
        plans.push(previous);
    }
    plans
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layers of an m^n network whose first layer takes `m` samples.
    fn layers(m: usize, n: usize) -> Vec<Layer> {
        let layer = |is_pooled| Layer {
            weight: vec![0.0; m],
            bias: vec![0.0],
            channels: 1,
            kernel_size: m,
            padding: if is_pooled { ((m - 1) / 2, m / 2) } else { (0, 0) },
            is_pooled,
            has_relu: true,
        };
        std::iter::once(layer(false)).chain((0..n).map(|_| layer(true))).collect()
    }

    /// Seven layers of the 3^9 network are incremental. Padding affects one frame at each end. The
    /// frames of the seventh are three hops apart.
    #[test]
    fn the_3_9_network_has_seven_incremental_layers() {
        let plans = plan(&layers(3, 9), 59_049, 2_187);
        let new: Vec<usize> = plans.iter().map(|plan| plan.new_frames).collect();
        assert_eq!(new, [243, 81, 27, 9, 3, 1, 1]);
        assert!(plans.iter().all(|plan| (plan.start_frames, plan.end_frames) == (1, 1)));
        let first = LayerPlan {
            start_frames: 1,
            new_frames: 243,
            end_frames: 1,
            kept_frames: 6_559,
            spacing: 1,
            start_inputs: 4,
            end_inputs: 733,
        };
        assert_eq!(plans[0], first);
        let last = LayerPlan { new_frames: 1, kept_frames: 7, spacing: 3, end_inputs: 7, ..first };
        assert_eq!(plans[6], last);
    }

    #[test]
    fn a_hop_without_kept_frames_or_of_no_layer_plans_nothing() {
        assert_eq!(plan(&layers(3, 4), 243, 243), []);
        assert_eq!(plan(&layers(3, 4), 243, 10), []);
        assert_eq!(plan(&layers(2, 4), 32, 2).len(), 2);
    }
}
