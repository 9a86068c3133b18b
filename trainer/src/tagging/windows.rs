//! The windows of a recording whose length is not known before its end.

/// Cuts a stream of samples into windows: one every hop, and a last one that ends with the recording. A recording
/// shorter than a window has one window, which is filled up with zeros. It holds two windows at most, and a block.
pub(crate) struct WindowStream {
    window: usize,
    hop: u64,
    /// Samples that may belong to a window that is still to come.
    held: Vec<f32>,
    /// Position of the first of them in the recording.
    first: u64,
    /// Where the next window starts, unless the recording ends before the window does.
    next: u64,
}

impl WindowStream {
    /// Windows of `window` samples every `hop` samples; both at least 1.
    pub(crate) fn new(window: usize, hop: usize) -> Self {
        Self { window, hop: hop as u64, held: Vec::new(), first: 0, next: 0 }
    }

    /// Takes the next samples, and calls `predict` with the start and the samples of each window that is not the last.
    ///
    /// # Errors
    /// That of `predict`.
    pub(crate) fn push<E>(
        &mut self,
        samples: &[f32],
        mut predict: impl FnMut(u64, &[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.held.extend_from_slice(samples);
        let (window, end) = (self.window as u64, self.first + self.held.len() as u64);
        // The window that ends with the last sample so far is the last one if no more samples follow.
        while self.next.saturating_add(window) < end {
            let start = (self.next - self.first) as usize;
            predict(self.next, &self.held[start..start + self.window])?;
            self.next = self.next.saturating_add(self.hop);
        }
        // The last window may start anywhere from here on.
        if self.held.len() > 2 * self.window {
            let surplus = self.held.len() - self.window;
            self.held.drain(..surplus);
            self.first += surplus as u64;
        }
        Ok(())
    }

    /// The start and the samples of the last window; a recording shorter than a window is repeated in it, since silence
    /// behind it would be heard as a part of the music.
    pub(crate) fn finish_repeated(self) -> (u64, Vec<f32>) {
        let samples = self.held.len().max(1);
        let (start, mut last) = self.finish();
        for index in samples..last.len() {
            last[index] = last[index - samples];
        }
        (start, last)
    }

    /// The start and the samples of the last window.
    pub(crate) fn finish(mut self) -> (u64, Vec<f32>) {
        let surplus = self.held.len().saturating_sub(self.window);
        self.held.drain(..surplus);
        self.held.resize(self.window, 0.0);
        (self.first + surplus as u64, self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    const WINDOW: usize = 300;

    /// First samples of the windows of a recording whose length is known.
    fn window_starts(samples: usize, hop: usize) -> Vec<u64> {
        let last = samples.saturating_sub(WINDOW);
        (0..last).step_by(hop).chain([last]).map(|start| start as u64).collect()
    }

    /// The windows of a stream in blocks; the samples are their positions, from 1.
    fn windows(samples: usize, hop: usize, block: usize) -> Vec<(u64, Vec<f32>)> {
        let recording: Vec<f32> = (1..=samples).map(|sample| sample as f32).collect();
        let (mut stream, mut found) = (WindowStream::new(WINDOW, hop), Vec::new());
        for block in recording.chunks(block) {
            let push = |start, window: &[f32]| {
                found.push((start, window.to_vec()));
                Ok::<_, Infallible>(())
            };
            stream.push(block, push).unwrap();
            assert!(stream.held.len() <= 2 * WINDOW);
        }
        found.push(stream.finish());
        found
    }

    #[test]
    fn a_window_starts_every_hop_and_the_last_ends_with_the_recording() {
        for (samples, hop, expected) in [
            (1, 150, &[0][..]),
            (299, 150, &[0]),
            (300, 150, &[0]),
            (301, 150, &[0, 1]),
            (600, 150, &[0, 150, 300]),
            (700, 150, &[0, 150, 300, 400]),
            (600, 300, &[0, 300]),
            (1_000, 600, &[0, 600, 700]),
            (600, usize::MAX, &[0, 300]),
        ] {
            assert_eq!(window_starts(samples, hop), expected, "{samples} samples, hop {hop}");
        }
    }

    #[test]
    fn a_recording_shorter_than_a_window_is_repeated_on_demand_and_a_longer_one_is_not() {
        let last = |samples: usize| {
            let recording: Vec<f32> = (1..=samples).map(|sample| sample as f32).collect();
            let mut stream = WindowStream::new(WINDOW, WINDOW);
            stream.push(&recording, |_, _| Ok::<_, Infallible>(())).unwrap();
            stream.finish_repeated()
        };
        for samples in [1, 7, 150, 299] {
            let repeated: Vec<f32> = (0..WINDOW).map(|index| (index % samples + 1) as f32).collect();
            assert_eq!(last(samples), (0, repeated), "{samples}");
        }
        for samples in [300, 301, 599, 700] {
            let expected: Vec<f32> = (samples - WINDOW..samples).map(|index| (index + 1) as f32).collect();
            assert_eq!(last(samples), ((samples - WINDOW) as u64, expected), "{samples}");
        }
        assert_eq!(last(0), (0, vec![0.0; WINDOW]));
    }

    #[test]
    fn windows_of_a_stream_are_those_of_the_whole_recording() {
        let lengths = [1, 2, 299, 300, 301, 449, 450, 451, 599, 600, 601, 900, 901, 1_049, 1_050, 1_051, 2_000];
        for samples in lengths {
            for hop in [1, 7, 149, 150, 299, 300, 301, 650, usize::MAX] {
                let expected: Vec<(u64, Vec<f32>)> = window_starts(samples, hop)
                    .into_iter()
                    .map(|start| {
                        let value = |index: u64| if index < samples as u64 { (index + 1) as f32 } else { 0.0 };
                        (start, (start..start + WINDOW as u64).map(value).collect())
                    })
                    .collect();
                for block in [1, 13, 150, 300, 301, 5_000] {
                    assert_eq!(windows(samples, hop, block), expected, "{samples}, hop {hop}, blocks of {block}");
                }
            }
        }
    }
}
