//! Which frames of which layer a hop makes new.

use super::chain::Layer;

/// A layer that is computed for what is new and for the ends of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Frames out at the window's start that depend on where it stands: padding reaches
    /// them.
    pub(super) start: usize,
    /// Frames out that are new after a hop.
    pub(super) new: usize,
    /// Frames out at the window's end that depend on where it stands.
    pub(super) end: usize,
    /// Frames out between those.
    pub(super) kept: usize,
    /// Hops from one of those to the next; 1 also where a hop has several.
    pub(super) spacing: usize,
    /// Frames in from the window's start on that the frames at the start need.
    pub(super) from_start: usize,
    /// Frames in up to the window's end that the new frames and those at the end need.
    pub(super) from_end: usize,
}

impl Step {
    /// Frames out that a ring has to hold for those that are kept.
    pub(super) fn ring(&self) -> usize {
        (self.kept - 1) * self.spacing + 1
    }
}

/// Plans as many of the layers after the first as are worth it: none where a hop is too
/// long or too short for the window, and not those last ones of which nothing can be
/// kept.
pub(super) fn plan(layers: &[Layer], window: usize, hop: usize) -> Vec<Step> {
    let [first, rest @ ..] = layers else { return Vec::new() };
    if first.pooled || !hop.is_multiple_of(first.length) {
        return Vec::new();
    }
    let mut frames = window / first.length;
    // The first layer pads nothing and its frames are not kept but computed again.
    let mut last =
        Step { start: 0, new: hop / first.length, end: 0, kept: frames, spacing: 1, from_start: 0, from_end: 0 };
    let mut steps = Vec::new();
    for layer in rest {
        let (length, (before, after)) = (layer.length, layer.padding);
        if last.new > 1 && !last.new.is_multiple_of(length) {
            break;
        }
        frames /= length;
        let start = (last.start + before).div_ceil(length);
        let end = (last.end + after).div_ceil(length);
        // Where a hop is a single frame, it is one in the next layer as well, made from
        // frames that stand `length` hops apart.
        let (new, spacing) = if last.new == 1 { (1, last.spacing * length) } else { (last.new / length, 1) };
        let from_start = if start == 0 { 0 } else { start * length + after };
        let from_end = (end + new) * length + before;
        let kept = frames.saturating_sub(start + end);
        if kept <= new || from_start > last.start + last.kept || from_end > last.end + last.kept {
            break;
        }
        last = Step { start, new, end, kept, spacing, from_start, from_end };
        steps.push(last);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(m: usize, count: usize) -> Vec<Layer> {
        let layer = |pooled| Layer {
            weight: vec![0.0; m],
            bias: vec![0.0],
            channels: 1,
            length: m,
            padding: if pooled { ((m - 1) / 2, m / 2) } else { (0, 0) },
            pooled,
            rectify: true,
        };
        std::iter::once(layer(false)).chain((0..count).map(|_| layer(true))).collect()
    }

    /// Of the 3^9 network the layers up to a hop have one frame at each end; the one
    /// after keeps three hops of frames apart; the last two are small.
    #[test]
    fn the_paper_s_network_by_a_tenth_of_a_second() {
        let steps = plan(&layers(3, 9), 59_049, 2_187);
        let new: Vec<usize> = steps.iter().map(|step| step.new).collect();
        assert_eq!(new, [243, 81, 27, 9, 3, 1, 1]);
        assert!(steps.iter().all(|step| (step.start, step.end) == (1, 1)));
        assert_eq!(
            steps[0],
            Step { start: 1, new: 243, end: 1, kept: 6_559, spacing: 1, from_start: 4, from_end: 733 }
        );
        assert_eq!(steps[6], Step { start: 1, new: 1, end: 1, kept: 7, spacing: 3, from_start: 4, from_end: 7 });
    }

    #[test]
    fn a_hop_as_long_as_the_window_keeps_nothing() {
        assert_eq!(plan(&layers(3, 4), 243, 243), []);
        assert_eq!(plan(&layers(3, 4), 243, 10), []);
        assert_eq!(plan(&layers(2, 4), 32, 2).len(), 2);
    }
}
