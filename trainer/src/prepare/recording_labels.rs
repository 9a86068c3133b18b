//! The label of a whole recording, by a teacher whose window is longer than segments are.

use super::teacher::{Teacher, is_silent};
use crate::error::Result;
use crate::network::Precision;
use crate::tagging::windows::WindowStream;

/// The mean prediction of a teacher over the windows of a recording, as its samples arrive at the teacher's rate.
pub(super) struct RecordingLabelling<'a> {
    teacher: &'a Teacher,
    precision: Precision,
    windows: WindowStream,
    sums: Vec<f32>,
    count: usize,
}

impl<'a> RecordingLabelling<'a> {
    pub(super) fn new(teacher: &'a Teacher, precision: Precision) -> Self {
        let window = teacher.window();
        let (windows, sums) = (WindowStream::new(window, window), vec![0.0; teacher.tags().len()]);
        Self { teacher, precision, windows, sums, count: 0 }
    }

    /// Takes the next samples.
    ///
    /// # Errors
    /// [`TrainerError`](crate::TrainerError) where inference fails.
    pub(super) fn push(&mut self, samples: &[f32]) -> Result<()> {
        let Self { teacher, precision, windows, sums, count, .. } = self;
        windows.push(samples, |_, window| add_prediction(teacher, window, *precision, sums, count))
    }

    /// The mean over the windows that are not silent. The last window ends with the recording; one that is shorter than
    /// a window is repeated.
    ///
    /// # Errors
    /// [`TrainerError`](crate::TrainerError) where inference fails.
    pub(super) fn finish(self) -> Result<Vec<f32>> {
        let Self { teacher, precision, windows, mut sums, mut count } = self;
        let (_, last) = windows.finish_repeated();
        add_prediction(teacher, &last, precision, &mut sums, &mut count)?;
        sums.iter_mut().for_each(|sum| *sum /= count.max(1) as f32);
        Ok(sums)
    }
}

fn add_prediction(
    teacher: &Teacher,
    window: &[f32],
    precision: Precision,
    sums: &mut [f32],
    count: &mut usize,
) -> Result<()> {
    if !is_silent(window) {
        for (sum, probability) in sums.iter_mut().zip(teacher.predict(window, precision)?) {
            *sum += probability;
        }
        *count += 1;
    }
    Ok(())
}
