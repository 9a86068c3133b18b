//! The host's transport and its continuous clock.

/// Quarter notes a minute of the host's song, in bars of four.
pub(crate) const TEMPO: f64 = 120.0;

/// The transport as blocks get it, and the clock that goes on while it stops.
#[derive(Debug, Clone, Copy)]
pub struct Song {
    /// Whether the transport plays.
    pub is_playing: bool,
    /// Whether blocks have a transport at all.
    pub has_transport: bool,
    /// The position of the next block, in seconds; `None` before it is set.
    pub position: Option<f64>,
    /// The frames so far, processed or not.
    pub clock: u64,
}

impl Default for Song {
    fn default() -> Self {
        Self { is_playing: false, has_transport: true, position: None, clock: 0 }
    }
}

impl Song {
    /// The position of the next block, in quarter notes.
    pub(crate) fn beats(&self) -> Option<f64> {
        self.position.map(|position| position * TEMPO / 60.0)
    }

    /// A block of this length was processed.
    pub(crate) fn advance(&mut self, frames: usize, sample_rate: f64) {
        self.clock += frames as u64;
        if let Some(position) = self.position.as_mut().filter(|_| self.is_playing) {
            *position += frames as f64 / sample_rate;
        }
    }
}
