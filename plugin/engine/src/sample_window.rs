//! The last samples of a stream at the model's rate.

/// Samples below this magnitude are silent: -90 dBFS.
const SILENCE: f32 = 3.162_277_7e-5;

/// Keeps the last window of samples and counts hops.
#[derive(Default)]
pub(crate) struct SampleWindow {
    /// The last window, and up to another window before it.
    samples: Vec<f32>,
    /// Samples since the last hop.
    since_hop: usize,
    /// Samples since the last one that was not silent.
    silent: usize,
}

impl SampleWindow {
    /// Forgets all samples.
    pub(crate) fn clear(&mut self) {
        self.samples.clear();
        (self.since_hop, self.silent) = (0, 0);
    }

    /// Starts to count the next hop now.
    pub(crate) fn restart_hop(&mut self) {
        self.since_hop = 0;
    }

    /// Appends samples until the hop is complete; gives how many.
    pub(crate) fn push(&mut self, samples: &[f32], window: usize, hop: usize) -> usize {
        let samples = &samples[..samples.len().min(hop - self.since_hop)];
        if self.samples.len() + samples.len() > 2 * window.max(hop) {
            self.samples.drain(..self.samples.len() - window.min(self.samples.len()));
        }
        self.samples.extend_from_slice(samples);
        self.silent = match samples.iter().rev().position(|sample| sample.abs() >= SILENCE) {
            Some(since) => since,
            None => self.silent + samples.len(),
        };
        self.since_hop += samples.len();
        samples.len()
    }

    /// Whether a hop is complete; then the next one begins.
    pub(crate) fn take_hop(&mut self, hop: usize) -> bool {
        let complete = self.since_hop == hop;
        if complete {
            self.since_hop = 0;
        }
        complete
    }

    /// Samples that are missing from the current hop.
    pub(crate) fn missing(&self, hop: usize) -> usize {
        hop - self.since_hop
    }

    /// The last `window` samples, or fewer if there are not yet as many.
    pub(crate) fn latest(&self, window: usize) -> &[f32] {
        &self.samples[self.samples.len().saturating_sub(window)..]
    }

    /// Drops samples from the front so that a whole number of hops up to a window is left; gives them.
    pub(crate) fn keep_whole_hops(&mut self, window: usize, hop: usize) -> &[f32] {
        let kept = self.samples.len().min(window) / hop * hop;
        self.samples.drain(..self.samples.len() - kept);
        &self.samples
    }

    /// Whether there is a whole window and all of it is silent.
    pub(crate) fn is_silent(&self, window: usize) -> bool {
        self.silent >= window && self.samples.len() >= window
    }

    /// Replaces the last `count` samples by zeros.
    pub(crate) fn mute(&mut self, count: usize) {
        let start = self.samples.len().saturating_sub(count);
        self.samples[start..].fill(0.0);
    }
}
