//! The frames of a layer between the ends of the window.

use std::ops::Range;

/// A ring buffer of frames: new frames replace the oldest ones.
pub(super) struct FrameRing {
    values: Vec<f32>,
    /// Values per frame.
    width: usize,
    /// The index of the oldest frame.
    oldest: usize,
}

impl FrameRing {
    /// A ring of `count` frames, each equal to `frame`.
    pub(super) fn new(count: usize, frame: &[f32]) -> Self {
        Self { values: frame.repeat(count), width: frame.len(), oldest: 0 }
    }

    /// The number of frames.
    pub(super) fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Replaces the oldest frames by `new`, at most [`len`](Self::len) frames.
    pub(super) fn push(&mut self, new: &[f32]) {
        let until_wrap = self.values.len() - self.oldest * self.width;
        let (head, wrapped) = new.split_at(new.len().min(until_wrap));
        self.values[self.oldest * self.width..][..head.len()].copy_from_slice(head);
        self.values[..wrapped.len()].copy_from_slice(wrapped);
        self.oldest = (self.oldest + new.len() / self.width) % self.len();
    }

    /// The frames of `range` in order, in contiguous slices. Of all frames, beginning with the oldest,
    /// every `spacing`-th is counted.
    pub(super) fn slices(&self, range: Range<usize>, spacing: usize) -> Vec<&[f32]> {
        let (all, oldest) = (self.values.len(), self.oldest * self.width);
        if spacing > 1 {
            let frame = |index| &self.values[(oldest + index * spacing * self.width) % all..][..self.width];
            return range.map(frame).collect();
        }
        let (from, to) = (oldest + range.start * self.width, oldest + range.end * self.width);
        vec![&self.values[from.min(all)..to.min(all)], &self.values[from.max(all) - all..to.max(all) - all]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_frames_replace_the_oldest_across_the_wrap() {
        let mut ring = FrameRing::new(5, &[0.0, 0.5]);
        let mut next = 0;
        for count in [1, 3, 2, 5, 4, 1, 1] {
            let new: Vec<f32> = (next..next + count).flat_map(|frame| [frame as f32, frame as f32 + 0.5]).collect();
            ring.push(&new);
            next += count;
        }
        let frame = |index: usize| [(next - 5 + index) as f32, (next - 5 + index) as f32 + 0.5];
        for (start, end) in [(0, 5), (0, 0), (2, 4), (4, 5), (5, 5)] {
            let expected: Vec<f32> = (start..end).flat_map(frame).collect();
            assert_eq!(ring.slices(start..end, 1).concat(), expected);
        }
        assert_eq!(ring.slices(1..3, 2).concat(), [frame(2), frame(4)].concat());
    }
}
