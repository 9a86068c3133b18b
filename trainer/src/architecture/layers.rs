//! The layers that networks are made of, and what each costs.
//!
//! Between two layers a signal is `[batch, channels, frames]`.

use super::ArchitectureError;

/// A signal between two layers, without its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Filters, bands or features.
    pub channels: usize,
    /// Steps in time.
    pub frames: usize,
}

/// What a layer costs for one window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Trained weights and biases, as the paper's Table 1 counts them.
    pub weights: usize,
    /// Trained scales and shifts of batch normalisation, two a filter.
    pub norms: usize,
    /// Multiplications that are added up.
    pub multiply_adds: usize,
}

impl std::ops::Add for Count {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            weights: self.weights + other.weights,
            norms: self.norms + other.norms,
            multiply_adds: self.multiply_adds + other.multiply_adds,
        }
    }
}

/// What follows a layer's sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
    /// `x` above zero, `exp(x) - 1` below.
    Elu,
}

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    /// Waveform to log-compressed mel spectrogram.
    Mel(Mel),
    /// Peaks of each band beside the bands.
    Prominence(Prominence),
    /// Convolution over time.
    Stage(Stage),
    /// A block of convolutions with a gate, a way around, or both.
    Residual(Residual),
    /// Convolutions over bands and time.
    Picture(Picture),
    /// A gated recurrent unit along time.
    Gru(Gru),
}

/// `ln(1 + 10 |A|)` of a mel spectrogram (Lee et al. 2017, section 4.3), brought to
/// the mean zero and deviation one of the training set. A waveform
/// `[batch, 1, samples]` becomes `[batch, bands, samples / hop]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mel {
    /// Samples a frame, under a Hann window.
    pub frame: usize,
    /// Samples from frame to frame.
    pub hop: usize,
    /// Length of the Fourier transform; frames are padded to it with zeros.
    pub fft: usize,
    /// Mel bands.
    pub bands: usize,
    /// The highest band's end, in hertz.
    pub top: usize,
}

/// How far each band stands out above its surroundings in time: what is left of it
/// after everything narrower than a span is taken off (a top-hat transform). Comes
/// after the bands themselves, for each span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prominence {
    /// Bands that come in.
    pub bands: usize,
    /// Widths in frames, all odd.
    pub spans: Vec<usize>,
}

/// Convolution over time, then, where asked for, batch normalisation, ReLU, max
/// pooling and dropout.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub filters: usize,
    /// Frames a filter sees.
    pub length: usize,
    /// Frames from one place of the filter to the next.
    pub stride: usize,
    /// Zeros before and after.
    pub padding: (usize, usize),
    /// Whether batch normalisation follows.
    pub norm: bool,
    /// Whether ReLU follows.
    pub rectify: bool,
    /// Frames that become one; 1 pools nothing.
    pub pool: usize,
}

/// A block of the networks after the paper (Kim, Lee, Nam 2018): one or two
/// convolutions with batch normalisation, and around them what is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Residual {
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub filters: usize,
    /// Frames a filter sees.
    pub length: usize,
    /// Zeros before and after, which keep the length.
    pub padding: (usize, usize),
    /// How many convolutions; between two there is ReLU and dropout of 0.2.
    pub convolutions: usize,
    /// Squeeze and excitation: the gate's hidden layer has so many times the filters.
    pub excite: Option<usize>,
    /// Whether the input is added to the result.
    pub shortcut: bool,
    /// Frames that become one.
    pub pool: usize,
}

/// Convolutions over an image of bands by frames. The last one's channels and bands
/// become the channels of what comes out.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Bands that come in.
    pub bands: usize,
    /// Whether the image is batch-normalised first.
    pub norm: bool,
    /// The convolutions.
    pub stages: Vec<Stage2d>,
}

/// Convolution over bands and time that keeps the size, batch normalisation,
/// activation, max pooling, dropout.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage2d {
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub filters: usize,
    /// Bands and frames a filter sees, both odd.
    pub size: (usize, usize),
    /// Bands and frames that become one.
    pub pool: (usize, usize),
    /// What follows the normalisation.
    pub activation: Activation,
    /// The part of activations that is dropped in training.
    pub dropout: f64,
}

/// A gated recurrent unit (Cho et al. 2014), the reset gate after the product.
#[derive(Debug, Clone, PartialEq)]
pub struct Gru {
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub hidden: usize,
    /// Whether only the last frame comes out.
    pub last: bool,
}

/// A fully connected layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    /// Values in.
    pub inputs: usize,
    /// Values out.
    pub outputs: usize,
    /// Whether batch normalisation follows.
    pub norm: bool,
    /// Whether ReLU follows.
    pub rectify: bool,
}

impl Layer {
    /// The signal after this layer and what it cost.
    ///
    /// # Errors
    /// [`ArchitectureError`] where nothing would be left, or the signal does not fit.
    pub fn after(&self, before: Shape) -> Result<(Shape, Count), ArchitectureError> {
        let refuse = |what: String| Err(ArchitectureError(what));
        let Shape { channels, frames } = before;
        let expected = match self {
            Self::Mel(_) => 1,
            Self::Prominence(prominence) => prominence.bands,
            Self::Stage(stage) => stage.inputs,
            Self::Residual(block) => block.inputs,
            Self::Picture(picture) => picture.bands,
            Self::Gru(gru) => gru.inputs,
        };
        if channels != expected {
            return refuse(format!("a layer expects {expected} channels and gets {channels}"));
        }
        let (after, count) = match self {
            Self::Mel(mel) => mel.after(frames),
            Self::Prominence(Prominence { bands, spans }) => {
                (Shape { channels: bands * (1 + spans.len()), frames }, Count::default())
            }
            Self::Stage(stage) => stage.after(frames),
            Self::Residual(block) => block.after(frames),
            Self::Picture(picture) => picture.after(frames),
            Self::Gru(Gru { inputs, hidden, last }) => {
                let products = 3 * hidden * (inputs + hidden);
                let count =
                    Count { weights: products + 6 * hidden, multiply_adds: frames * products, ..Count::default() };
                (Shape { channels: *hidden, frames: if *last { 1 } else { frames } }, count)
            }
        };
        if after.channels == 0 || after.frames == 0 {
            return refuse(format!(
                "nothing is left of {frames} frames after a layer; pool less or take a longer window"
            ));
        }
        if after.channels > 65_536 || count.weights > 1 << 30 {
            return refuse("a layer has more than 65536 channels or a thousand million weights".into());
        }
        Ok((after, count))
    }
}

impl Mel {
    /// Frequencies of the Fourier transform, from zero to half the rate.
    pub fn bins(&self) -> usize {
        self.fft / 2 + 1
    }

    fn after(&self, samples: usize) -> (Shape, Count) {
        let frames = samples / self.hop.max(1);
        let products = self.bins() * (2 * self.frame + self.bands);
        (Shape { channels: self.bands, frames }, Count { multiply_adds: frames * products, ..Count::default() })
    }
}

impl Stage {
    /// Frames before the pooling.
    pub fn places(&self, frames: usize) -> usize {
        let padded = frames + self.padding.0 + self.padding.1;
        padded.checked_sub(self.length).map_or(0, |room| room / self.stride.max(1) + 1)
    }

    fn after(&self, frames: usize) -> (Shape, Count) {
        let places = self.places(frames);
        let products = self.inputs * self.length * self.filters;
        let count = Count {
            weights: products + self.filters,
            norms: if self.norm { 2 * self.filters } else { 0 },
            multiply_adds: products * places,
        };
        (Shape { channels: self.filters, frames: places / self.pool.max(1) }, count)
    }
}

impl Residual {
    /// The convolutions, in order, as stages that neither rectify nor pool.
    pub fn stages(&self) -> Vec<Stage> {
        let stage = |index| Stage {
            inputs: if index == 0 { self.inputs } else { self.filters },
            filters: self.filters,
            length: self.length,
            stride: 1,
            padding: self.padding,
            norm: true,
            // Alone and with nothing around it that has to be added first.
            rectify: index + 1 < self.convolutions || !self.shortcut,
            pool: if self.shortcut || index + 1 < self.convolutions { 1 } else { self.pool },
        };
        (0..self.convolutions).map(stage).collect()
    }

    /// What brings the input to as many channels as the result has; `None` where it
    /// has as many already.
    pub fn widen(&self) -> Option<Stage> {
        (self.shortcut && self.inputs != self.filters).then_some(Stage {
            inputs: self.inputs,
            filters: self.filters,
            length: 1,
            stride: 1,
            padding: (0, 0),
            norm: true,
            rectify: false,
            pool: 1,
        })
    }

    fn after(&self, frames: usize) -> (Shape, Count) {
        let (stages, widen) = (self.stages(), self.widen());
        let count = stages.iter().chain(&widen).map(|stage| stage.after(frames).1);
        let mut count = count.fold(Count::default(), |sum, count| sum + count);
        if let Some(times) = self.excite {
            let hidden = self.filters * times;
            count.weights += 2 * hidden * self.filters + hidden + self.filters;
            count.multiply_adds += 2 * hidden * self.filters;
        }
        (Shape { channels: self.filters, frames: frames / self.pool.max(1) }, count)
    }
}

impl Picture {
    /// Channels that come out: the last filters times the bands that are left.
    pub fn channels(&self) -> usize {
        self.after(0).0.channels
    }

    fn after(&self, frames: usize) -> (Shape, Count) {
        let (mut channels, mut bands, mut frames) = (1, self.bands, frames);
        let mut count = Count { norms: if self.norm { 2 } else { 0 }, ..Count::default() };
        for stage in &self.stages {
            let products = stage.inputs * stage.size.0 * stage.size.1 * stage.filters;
            count.weights += products + stage.filters;
            count.norms += 2 * stage.filters;
            count.multiply_adds += products * bands * frames;
            channels = stage.filters;
            (bands, frames) = (bands / stage.pool.0.max(1), frames / stage.pool.1.max(1));
        }
        (Shape { channels: channels * bands, frames }, count)
    }
}

impl Dense {
    /// What this layer costs.
    pub fn count(&self) -> Count {
        let Self { inputs, outputs, norm, .. } = self;
        Count {
            weights: (inputs + 1) * outputs,
            norms: if *norm { 2 * outputs } else { 0 },
            multiply_adds: inputs * outputs,
        }
    }
}
