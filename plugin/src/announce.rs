//! When the host is told of a tag: rarely enough that it does not mind.

use tagvane_engine::TagBoard;

/// Tags that the host sees as parameters; a model with more shows the first ones.
pub(crate) const PUBLISHED: usize = 64;

/// The most announcements a second.
const RATE: f64 = 25.0;

/// A tag that moved by less than this since it was last announced stays as it is,
/// unless it went to zero.
const DEAD_BAND: f32 = 0.001;

/// Keeps what the host was last told. Used by `process` and `flush` only, which a
/// host never runs at once.
pub(crate) struct Announcer {
    told: [f32; PUBLISHED],
    /// The board's version that was last told in full.
    version: u64,
    /// Frames until the next announcement is allowed.
    wait: i64,
}

impl Announcer {
    pub(crate) const fn new() -> Self {
        Self { told: [0.0; PUBLISHED], version: 0, wait: 0 }
    }

    /// Forgets how long ago the last announcement was: the host starts or stops.
    pub(crate) fn forget_time(&mut self) {
        self.wait = 0;
    }

    /// Lets a block of `frames` at `rate` hertz pass, and announces each tag of
    /// `board` that moved if a new judgement is there and it is time. `tell` gets the
    /// tag's index and probability and says whether the host took it; what it did not
    /// take is told next time.
    pub(crate) fn pass(&mut self, board: &TagBoard, frames: u32, rate: f64, mut tell: impl FnMut(usize, f32) -> bool) {
        self.wait -= i64::from(frames);
        let version = board.version();
        if self.wait > 0 || version == self.version {
            return;
        }
        self.wait = (rate / RATE) as i64;
        let mut complete = true;
        for (index, told) in self.told.iter_mut().enumerate() {
            let now = board.tag(index);
            let moved = (now - *told).abs() >= DEAD_BAND || (now == 0.0 && *told != 0.0);
            if moved {
                if tell(index, now) {
                    *told = now;
                } else {
                    complete = false;
                }
            }
        }
        if complete {
            self.version = version;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_told_before_the_first_judgement() {
        let (board, mut announcer) = (TagBoard::new(), Announcer::new());
        announcer.pass(&board, 48_000, 48_000.0, |_, _| panic!("nothing happened"));
    }
}
