//! WAV files whose headers lie about their sizes, as recorders and programs that write to a pipe leave them, and WAV
//! files beyond 4 GB (RF64, BW64). Symphonia reads neither.

use std::io::{Read, Result, Seek, SeekFrom};
use symphonia::core::io::MediaSource;

/// The size that means "until the end of the file".
const UNKNOWN: u32 = u32::MAX;

/// A size that some programs write before they know it. Real data of exactly that size does not occur.
const PLACEHOLDER: u32 = 0x7fff_ffff;

/// The most chunks before the samples.
const MAX_CHUNKS: usize = 1_000;

/// A file whose header is read with other sizes than it has.
pub(crate) struct WavFile {
    file: Box<dyn MediaSource>,
    /// Where the file is read differently: positions and their bytes.
    corrections: Vec<(u64, [u8; 4])>,
    /// Where the samples end, if the header says so truly; otherwise the end of the file.
    end: u64,
    position: u64,
}

impl WavFile {
    /// The file with a header that Symphonia can read. A file that is not a WAV file, or is a good one, stays as it is, and
    /// so does one that cannot be read twice.
    ///
    /// # Errors
    /// Those of `file`.
    pub(crate) fn new(file: Box<dyn MediaSource>) -> Result<Self> {
        let end = file.byte_len().unwrap_or(u64::MAX);
        let mut wav = Self { corrections: Vec::new(), end, position: 0, file };
        if wav.file.is_seekable() {
            wav.correct()?;
            wav.file.seek(SeekFrom::Start(0))?;
        }
        Ok(wav)
    }

    /// Whether a length that Symphonia computes of the header is wrong.
    pub(crate) fn is_corrected(&self) -> bool {
        !self.corrections.is_empty()
    }

    /// Reads the chunks before the samples and corrects their sizes.
    fn correct(&mut self) -> Result<()> {
        let file = &mut self.file;
        file.seek(SeekFrom::Start(0))?;
        let Some([id, size, form]) = read_words(file)? else { return Ok(()) };
        let is_large = matches!(&id, b"RF64" | b"BW64");
        if !(is_large || &id == b"RIFF") || &form != b"WAVE" {
            return Ok(());
        }
        let (mut position, mut data_size) = (12, None);
        for _ in 0..MAX_CHUNKS {
            let file = &mut self.file;
            file.seek(SeekFrom::Start(position))?;
            let Some([chunk, length]) = read_words(file)? else { return Ok(()) };
            let start = position + 8;
            let length = u32::from_le_bytes(length);
            if &chunk == b"data" {
                self.correct_data(start, length, data_size.filter(|_| is_large));
                break;
            }
            if &chunk == b"ds64"
                && let Some([_, _, low, high]) = read_words(file)?
            {
                data_size = Some(u64::from(u32::from_le_bytes(high)) << 32 | u64::from(u32::from_le_bytes(low)));
            }
            // Chunks begin at even positions.
            position = start + u64::from(length) + u64::from(length % 2);
        }
        if is_large || u64::from(u32::from_le_bytes(size)) + 8 != self.end {
            self.corrections.extend([(0, *b"RIFF"), (4, UNKNOWN.to_le_bytes())]);
        }
        Ok(())
    }

    /// Corrects the size of the samples, which begin at `start`: `length` in the header, or `large` in a file beyond
    /// 4 GB.
    fn correct_data(&mut self, start: u64, length: u32, large: Option<u64>) {
        let rest = self.end.saturating_sub(start);
        let is_unknown = length == 0 || length >= PLACEHOLDER || u64::from(length) > rest;
        match large {
            Some(size) if length == UNKNOWN && size > 0 && size <= rest => self.end = start + size,
            _ if !is_unknown => return,
            _ => {}
        }
        self.corrections.push((start - 4, UNKNOWN.to_le_bytes()));
    }
}

/// The next words of four bytes; `None` if the file ends before.
fn read_words<const COUNT: usize>(file: &mut dyn Read) -> Result<Option<[[u8; 4]; COUNT]>> {
    let mut words = [[0; 4]; COUNT];
    match file.read_exact(words.as_flattened_mut()) {
        Ok(()) => Ok(Some(words)),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

impl Read for WavFile {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let rest = self.end.saturating_sub(self.position);
        let wanted = buffer.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        let count = self.file.read(&mut buffer[..wanted])?;
        for (at, bytes) in &self.corrections {
            for (offset, byte) in bytes.iter().enumerate() {
                let index =
                    (at + offset as u64).checked_sub(self.position).and_then(|index| usize::try_from(index).ok());
                if let Some(target) = index.filter(|index| *index < count).and_then(|index| buffer.get_mut(index)) {
                    *target = *byte;
                }
            }
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for WavFile {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let to = match to {
            SeekFrom::End(offset) => SeekFrom::Start(self.end.saturating_add_signed(offset)),
            to => to,
        };
        self.position = self.file.seek(to)?;
        Ok(self.position)
    }
}

impl MediaSource for WavFile {
    fn is_seekable(&self) -> bool {
        self.file.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        self.file.byte_len().map(|length| length.min(self.end))
    }
}
