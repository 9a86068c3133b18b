//! Audio files in blocks, in bounded memory.

use crate::error::AudioError;
use crate::ffmpeg::{self, Ffmpeg};
use crate::kinds;
use crate::riff::WavFile;
use crate::symphonia_reader::PacketReader;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use symphonia::core::io::MediaSource;

/// The audio of a file, decoded block by block. It needs memory for one block, however long the file is.
///
/// All blocks have the channels and the sample rate of the first one. Damaged packets are skipped, and samples that are
/// not finite become 0. Where the channels change within a file, the later ones are converted to those at its beginning;
/// where the sample rate changes, the rest is left out. [`notice`](Self::notice) says so.
///
/// # Examples
///
/// ```no_run
/// let mut stream = tagvane_audio::AudioStream::open("concert.flac".as_ref())?;
/// let mut peak = 0.0_f32;
/// while let Some(channels) = stream.next_block() {
///     peak = channels.iter().flatten().fold(peak, |peak, sample| peak.max(sample.abs()));
/// }
/// println!("{peak} in {} s at {} Hz", stream.seconds(), stream.sample_rate());
/// # Ok::<(), tagvane_audio::AudioError>(())
/// ```
pub struct AudioStream {
    packets: PacketReader,
    /// The program that writes what `packets` reads.
    ffmpeg: Option<Ffmpeg>,
    stated_frames: Option<u64>,
    sample_rate: u32,
    /// The packet as it was decoded.
    planes: Vec<Vec<f32>>,
    /// The packet with the channels of the first one.
    block: Vec<Vec<f32>>,
    /// Whether `block` was decoded by [`open`](Self::open) and not yet returned.
    is_pending: bool,
    is_at_end: bool,
    /// Frames of the returned blocks.
    frames: u64,
    /// What was changed or left out first.
    change: Option<String>,
}

impl AudioStream {
    /// Opens the default audio track of the file at `path`; where none is marked, that is the first one.
    ///
    /// # Errors
    /// [`AudioError`] where the file cannot be opened or nothing in it can be decoded.
    pub fn open(path: &Path) -> Result<Self, AudioError> {
        let open = |cause| AudioError::Open { path: path.to_owned(), cause };
        let file = File::open(path).map_err(open)?;
        if file.metadata().map_err(open)?.is_dir() {
            return Err(AudioError::NotAudio { path: path.to_owned() });
        }
        match Self::from_source(Box::new(file), path) {
            Err(AudioError::Unsupported { path, kind }) => ffmpeg::open(&path)
                .and_then(|(packets, ffmpeg)| Self::new(packets, Some(ffmpeg), None))
                .ok_or(AudioError::Unsupported { path, kind }),
            done => done,
        }
    }

    /// Opens what `source` reads, as [`open`](Self::open) does, but without ffmpeg. Its `name` stands in errors, and the
    /// extension of it is a hint of the format.
    ///
    /// # Errors
    /// [`AudioError`] where `source` cannot be read or nothing in it can be decoded.
    pub fn from_source(mut source: Box<dyn MediaSource>, name: &Path) -> Result<Self, AudioError> {
        let path = || name.to_owned();
        let open = |cause| AudioError::Open { path: path(), cause };
        if source.byte_len() == Some(0) {
            return Err(AudioError::Empty { path: path() });
        }
        let mut header = Vec::new();
        // What cannot be read twice keeps its beginning for Symphonia.
        if source.is_seekable() {
            source.by_ref().take(kinds::HEADER as u64).read_to_end(&mut header).map_err(open)?;
        }
        let source = WavFile::new(source).map_err(open)?;
        let is_corrected = source.is_corrected();
        match PacketReader::new(Box::new(source), name) {
            Ok(packets) => {
                let stated_frames = packets.stated_frames().filter(|_| !is_corrected);
                Self::new(packets, None, stated_frames).ok_or_else(|| AudioError::Empty { path: path() })
            }
            Err(AudioError::NotAudio { path }) => match (kinds::audio(&header), kinds::other(&header)) {
                (Some(kind), _) => Err(AudioError::Unsupported { path, kind }),
                (None, Some(kind)) => Err(AudioError::NoSound { path, kind }),
                (None, None) => Err(AudioError::NotAudio { path }),
            },
            Err(error) => Err(error),
        }
    }

    /// Decodes the first block; `None` if there is none.
    fn new(packets: PacketReader, ffmpeg: Option<Ffmpeg>, stated_frames: Option<u64>) -> Option<Self> {
        let mut stream = Self {
            packets,
            ffmpeg,
            stated_frames,
            sample_rate: 0,
            planes: Vec::new(),
            block: Vec::new(),
            is_pending: false,
            is_at_end: false,
            frames: 0,
            change: None,
        };
        stream.is_pending = stream.decode_block();
        stream.is_pending.then_some(stream)
    }

    /// The number of channels, at least 1.
    pub fn channels(&self) -> usize {
        self.block.len()
    }

    /// Sample rate in hertz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// The length in frames that the file states, which need not be true; `None` if it states none.
    pub fn stated_frames(&self) -> Option<u64> {
        self.stated_frames
    }

    /// Frames that were returned so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Seconds that were returned so far.
    pub fn seconds(&self) -> f64 {
        self.frames as f64 / f64::from(self.sample_rate)
    }

    /// Whether ffmpeg decodes the file, because nothing here can.
    pub fn is_by_ffmpeg(&self) -> bool {
        self.ffmpeg.is_some()
    }

    /// What of the file was left out or changed so far, in one sentence.
    pub fn notice(&self) -> Option<String> {
        let count = self.packets.damaged_packets();
        let damaged = (count > 0).then(|| format!("{count} damaged packets are left out"));
        let notices: Vec<String> = self.change.iter().cloned().chain(damaged).collect();
        (!notices.is_empty()).then(|| notices.join("; "))
    }

    /// The next samples of each channel, nominally in -1..1; all channels have the same length, at least 1. `None` at the
    /// end.
    pub fn next_block(&mut self) -> Option<&[Vec<f32>]> {
        if !std::mem::take(&mut self.is_pending) && !self.decode_block() {
            return None;
        }
        self.frames += self.block[0].len() as u64;
        Some(&self.block)
    }

    /// Decodes packets until one has frames, and converts it to the first packet's channels. Returns whether there is
    /// one.
    fn decode_block(&mut self) -> bool {
        while !self.is_at_end {
            let Some(rate) = self.packets.next_packet(&mut self.planes) else { break };
            let frames = self.planes.iter().map(Vec::len).min().unwrap_or(0);
            if self.planes.is_empty() || rate == 0 {
                continue;
            }
            if self.block.is_empty() {
                self.sample_rate = rate;
                self.block = vec![Vec::new(); self.planes.len()];
            }
            let seconds = self.seconds();
            if rate != self.sample_rate {
                let before = self.sample_rate;
                self.change = Some(format!(
                    "the sample rate changes from {before} to {rate} Hz after {seconds:.1} s, and the rest is left out"
                ));
                break;
            }
            let (wanted, given) = (self.block.len(), self.planes.len());
            if given != wanted && self.change.is_none() {
                self.change = Some(format!("after {seconds:.1} s its {given} channels are converted to {wanted}"));
            }
            if frames > 0 {
                self.convert(frames);
                return true;
            }
        }
        self.is_at_end = true;
        false
    }

    /// Copies `frames` frames of the packet into the block.
    fn convert(&mut self, frames: usize) {
        let Self { planes, block, .. } = self;
        let finite = |sample: f32| if sample.is_finite() { sample } else { 0.0 };
        let (wanted, given) = (block.len(), planes.len());
        for (index, channel) in block.iter_mut().enumerate() {
            channel.clear();
            match planes.get(index).filter(|_| given == wanted) {
                Some(plane) => channel.extend(plane[..frames].iter().copied().map(finite)),
                // Mono goes to all channels; of others each channel gets the mean.
                None => channel.extend(
                    (0..frames)
                        .map(|frame| planes.iter().map(|plane| finite(plane[frame])).sum::<f32>() / given as f32),
                ),
            }
        }
    }
}
