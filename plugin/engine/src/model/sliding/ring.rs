//! The frames of one layer between the ends of the window.

use std::ops::Range;

/// So many frames, of which the oldest make room for new ones.
pub(super) struct Ring {
    frames: Vec<f32>,
    /// Numbers a frame.
    width: usize,
    /// Where the oldest frame stands.
    oldest: usize,
}

impl Ring {
    /// Keeps `count` frames, each `frame` at first.
    pub(super) fn new(count: usize, frame: &[f32]) -> Self {
        Self { frames: frame.repeat(count), width: frame.len(), oldest: 0 }
    }

    /// How many frames are kept.
    pub(super) fn len(&self) -> usize {
        self.frames.len() / self.width
    }

    /// Takes new frames, at most as many as are kept.
    pub(super) fn push(&mut self, new: &[f32]) {
        let room = self.frames.len() - self.oldest * self.width;
        let (now, later) = new.split_at(new.len().min(room));
        self.frames[self.oldest * self.width..][..now.len()].copy_from_slice(now);
        self.frames[..later.len()].copy_from_slice(later);
        self.oldest = (self.oldest + new.len() / self.width) % self.len();
    }

    /// Every `spacing`-th frame, the first and the last of `range` counted so from the
    /// oldest, in runs of frames.
    pub(super) fn runs(&self, range: Range<usize>, spacing: usize) -> Vec<&[f32]> {
        let (all, oldest) = (self.frames.len(), self.oldest * self.width);
        if spacing > 1 {
            let frame = |index| &self.frames[(oldest + index * spacing * self.width) % all..][..self.width];
            return range.map(frame).collect();
        }
        let (from, to) = (oldest + range.start * self.width, oldest + range.end * self.width);
        vec![&self.frames[from.min(all)..to.min(all)], &self.frames[from.max(all) - all..to.max(all) - all]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room_across_the_seam() {
        let mut ring = Ring::new(5, &[0.0, 0.5]);
        let mut next = 0;
        for push in [1, 3, 2, 5, 4, 1, 1] {
            let new: Vec<f32> = (next..next + push).flat_map(|frame| [frame as f32, frame as f32 + 0.5]).collect();
            ring.push(&new);
            next += push;
        }
        for (start, end) in [(0, 5), (0, 0), (2, 4), (4, 5), (5, 5)] {
            let out = ring.runs(start..end, 1).concat();
            let expected: Vec<f32> =
                (next - 5 + start..next - 5 + end).flat_map(|f| [f as f32, f as f32 + 0.5]).collect();
            assert_eq!(out, expected);
        }
        let second = |frame: usize| [(next - 5 + frame) as f32, (next - 5 + frame) as f32 + 0.5];
        assert_eq!(ring.runs(1..3, 2).concat(), [second(2), second(4)].concat());
    }
}
