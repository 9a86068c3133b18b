//! The layers of a network as specifications without weights, and the cost of each.
//!
//! The signal between two layers is `[batch, channels, frames]`.

/// The most weights of a layer: 4 GiB in single precision.
pub(super) const MAX_WEIGHTS: usize = 1 << 30;

/// The shape of the signal between two layers, without the batch axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SignalShape {
    /// Filters, bands or features.
    pub(super) channels: usize,
    /// Time steps.
    pub(super) frames: usize,
}

/// What a layer costs for one window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LayerCost {
    /// Trained weights and biases, counted as in Table 1 of Lee et al. 2017.
    pub weights: usize,
    /// Trained scales and shifts of batch normalisation, two per filter.
    pub norm_parameters: usize,
    /// Multiply-add operations.
    pub multiply_adds: usize,
}

impl std::ops::Add for LayerCost {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            weights: self.weights + other.weights,
            norm_parameters: self.norm_parameters + other.norm_parameters,
            multiply_adds: self.multiply_adds + other.multiply_adds,
        }
    }
}

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// The identity.
    None,
    /// `max(x, 0)`.
    Relu,
    /// `x` above zero, `exp(x) - 1` below.
    Elu,
}

/// One layer of the trunk.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    /// Waveform to log-compressed mel spectrogram.
    Mel(Mel),
    /// The bands, followed by their peaks in time.
    Prominence(Prominence),
    /// Convolution over time.
    ConvBlock(ConvBlock),
    /// Residual block, squeeze-and-excitation block, or both in one.
    Residual(Residual),
    /// Convolutions over bands and time.
    Conv2dStack(Conv2dStack),
    /// Gated recurrent unit over time.
    Gru(Gru),
}

/// Mel spectrogram compressed by `ln(1 + 10 |A|)` (Lee et al. 2017), standardised to zero mean and unit
/// standard deviation over the training set.
///
/// Input `[batch, 1, samples]`, output `[batch, bands, samples / hop]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mel {
    /// Length of the Hann window, in samples.
    pub frame: usize,
    /// Hop between frames, in samples.
    pub hop: usize,
    /// Length of the Fourier transform; frames are zero-padded to it.
    pub fft: usize,
    /// Mel bands.
    pub bands: usize,
    /// Upper edge of the highest band, in hertz.
    pub f_max: usize,
}

/// White top-hat transform of each band over time: the band minus its morphological opening.
///
/// The output has the bands first, then the transformed bands of each span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prominence {
    /// Input bands.
    pub bands: usize,
    /// Widths of the structuring elements, in frames, all odd.
    pub spans: Vec<usize>,
}

/// 1-D convolution over time, then batch normalisation, ReLU and max pooling, each optional.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvBlock {
    /// Input channels.
    pub in_channels: usize,
    /// Output channels.
    pub filters: usize,
    /// Filter length, in frames.
    pub kernel_size: usize,
    /// Stride of the convolution, in frames.
    pub stride: usize,
    /// Zeros before and after the signal.
    pub padding: (usize, usize),
    /// Whether batch normalisation follows.
    pub has_norm: bool,
    /// Whether ReLU follows.
    pub has_relu: bool,
    /// Length and stride of the max pooling; 1 does not pool.
    pub pool: usize,
}

/// One or two convolutions with batch normalisation, optionally with a squeeze-and-excitation gate
/// and a shortcut (Kim, Lee, Nam 2018).
#[derive(Debug, Clone, PartialEq)]
pub struct Residual {
    /// Input channels.
    pub in_channels: usize,
    /// Output channels.
    pub filters: usize,
    /// Filter length, in frames.
    pub kernel_size: usize,
    /// Zeros before and after the signal, which keep its length.
    pub padding: (usize, usize),
    /// Number of convolutions. ReLU and dropout of [`DROPOUT`](Self::DROPOUT) stand between two of them.
    pub convolutions: usize,
    /// Size of the gate's hidden layer, as a multiple of `filters`; `None` has no gate.
    pub excitation_ratio: Option<usize>,
    /// Whether the input is added to the result.
    pub has_shortcut: bool,
    /// Length and stride of the max pooling.
    pub pool: usize,
}

/// 2-D convolutions over an image of bands by frames.
///
/// The channels and bands of the last one become the output channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Conv2dStack {
    /// Input bands.
    pub bands: usize,
    /// Whether the image is batch-normalised first.
    pub has_norm: bool,
    /// The convolutions.
    pub blocks: Vec<Conv2dBlock>,
}

/// 2-D convolution that keeps the size, batch normalisation, activation, max pooling, dropout.
#[derive(Debug, Clone, PartialEq)]
pub struct Conv2dBlock {
    /// Input channels.
    pub in_channels: usize,
    /// Output channels.
    pub filters: usize,
    /// Bands and frames of the filter, both odd.
    pub kernel_size: (usize, usize),
    /// Bands and frames of the max pooling.
    pub pool: (usize, usize),
    /// The activation after the normalisation.
    pub activation: Activation,
    /// Dropout rate.
    pub dropout: f64,
}

/// A gated recurrent unit (Cho et al. 2014) whose reset gate is applied after the matrix product.
#[derive(Debug, Clone, PartialEq)]
pub struct Gru {
    /// Input channels.
    pub in_channels: usize,
    /// Output channels.
    pub hidden_size: usize,
    /// Whether the output is the last frame alone.
    pub last_frame_only: bool,
}

/// A fully connected layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    /// Input values.
    pub in_features: usize,
    /// Output values.
    pub out_features: usize,
    /// Whether batch normalisation follows.
    pub has_norm: bool,
    /// Whether ReLU follows.
    pub has_relu: bool,
}

impl Layer {
    /// The output shape for an input shape, and the layer's cost.
    ///
    /// # Errors
    /// What the layer does wrong, as a sentence without its subject, where the channels do not match, the
    /// output would be empty, or the layer is too large.
    pub(super) fn output(&self, input: SignalShape) -> Result<(SignalShape, LayerCost), String> {
        let SignalShape { channels, frames } = input;
        let expected = match self {
            Self::Mel(_) => 1,
            Self::Prominence(prominence) => prominence.bands,
            Self::ConvBlock(block) => block.in_channels,
            Self::Residual(block) => block.in_channels,
            Self::Conv2dStack(stack) => stack.bands,
            Self::Gru(gru) => gru.in_channels,
        };
        if channels != expected {
            return Err(format!("expects {expected} input channels but gets {channels}"));
        }
        let (output, cost) = match self {
            Self::Mel(mel) => mel.output(frames),
            Self::Prominence(Prominence { bands, spans }) => {
                (SignalShape { channels: bands * (1 + spans.len()), frames }, LayerCost::default())
            }
            Self::ConvBlock(block) => block.output(frames),
            Self::Residual(block) => block.output(frames),
            Self::Conv2dStack(stack) => stack.output(frames),
            Self::Gru(gru) => gru.output(frames),
        };
        if output.frames == 0 {
            return Err(format!("has no output frames for {frames} input frames; pool less or take a longer window"));
        }
        if output.channels == 0 {
            return Err("has no output channels; pool fewer bands".into());
        }
        if output.channels > 65_536 || cost.weights > MAX_WEIGHTS {
            return Err("has more than 65536 channels or 2^30 weights; take smaller widths".into());
        }
        Ok((output, cost))
    }
}

impl Mel {
    /// Bins of the Fourier transform, from zero hertz to the Nyquist frequency.
    pub fn bins(&self) -> usize {
        self.fft / 2 + 1
    }

    fn output(&self, samples: usize) -> (SignalShape, LayerCost) {
        let frames = samples / self.hop.max(1);
        let products = self.bins() * (2 * self.frame + self.bands);
        (
            SignalShape { channels: self.bands, frames },
            LayerCost { multiply_adds: frames * products, ..LayerCost::default() },
        )
    }
}

impl ConvBlock {
    /// Frames after the convolution, before the pooling.
    pub fn conv_frames(&self, frames: usize) -> usize {
        let padded = frames + self.padding.0 + self.padding.1;
        padded.checked_sub(self.kernel_size).map_or(0, |room| room / self.stride.max(1) + 1)
    }

    fn output(&self, frames: usize) -> (SignalShape, LayerCost) {
        let conv_frames = self.conv_frames(frames);
        let products = self.in_channels * self.kernel_size * self.filters;
        let cost = LayerCost {
            weights: products + self.filters,
            norm_parameters: if self.has_norm { 2 * self.filters } else { 0 },
            multiply_adds: products * conv_frames,
        };
        (SignalShape { channels: self.filters, frames: conv_frames / self.pool.max(1) }, cost)
    }
}

impl Residual {
    /// Dropout rate between two convolutions, from the code of Kim, Lee and Nam (`model.py` in
    /// tae-jun/resemul).
    pub const DROPOUT: f64 = 0.2;

    /// The convolutions, in order. With a shortcut, ReLU and pooling come after the addition, so
    /// the last block has neither.
    pub fn conv_blocks(&self) -> Vec<ConvBlock> {
        let block = |index: usize| {
            let is_inner = index + 1 < self.convolutions;
            ConvBlock {
                in_channels: if index == 0 { self.in_channels } else { self.filters },
                filters: self.filters,
                kernel_size: self.kernel_size,
                stride: 1,
                padding: self.padding,
                has_norm: true,
                has_relu: is_inner || !self.has_shortcut,
                pool: if self.has_shortcut || is_inner { 1 } else { self.pool },
            }
        };
        (0..self.convolutions).map(block).collect()
    }

    /// The pointwise convolution on the shortcut, where input and output differ in channels.
    pub fn projection(&self) -> Option<ConvBlock> {
        (self.has_shortcut && self.in_channels != self.filters).then_some(ConvBlock {
            in_channels: self.in_channels,
            filters: self.filters,
            kernel_size: 1,
            stride: 1,
            padding: (0, 0),
            has_norm: true,
            has_relu: false,
            pool: 1,
        })
    }

    fn output(&self, frames: usize) -> (SignalShape, LayerCost) {
        let (blocks, projection) = (self.conv_blocks(), self.projection());
        let costs = blocks.iter().chain(&projection).map(|block| block.output(frames).1);
        let mut cost = costs.fold(LayerCost::default(), |sum, cost| sum + cost);
        if let Some(ratio) = self.excitation_ratio {
            let hidden = self.filters * ratio;
            cost.weights += 2 * hidden * self.filters + hidden + self.filters;
            cost.multiply_adds += 2 * hidden * self.filters;
        }
        (SignalShape { channels: self.filters, frames: frames / self.pool.max(1) }, cost)
    }
}

impl Conv2dStack {
    /// Output channels: the filters of the last block times its bands.
    pub fn out_channels(&self) -> usize {
        self.output(0).0.channels
    }

    fn output(&self, frames: usize) -> (SignalShape, LayerCost) {
        let (mut channels, mut bands, mut frames) = (1, self.bands, frames);
        let mut cost = LayerCost { norm_parameters: if self.has_norm { 2 } else { 0 }, ..LayerCost::default() };
        for block in &self.blocks {
            let products = block.in_channels * block.kernel_size.0 * block.kernel_size.1 * block.filters;
            cost.weights += products + block.filters;
            cost.norm_parameters += 2 * block.filters;
            cost.multiply_adds += products * bands * frames;
            channels = block.filters;
            (bands, frames) = (bands / block.pool.0.max(1), frames / block.pool.1.max(1));
        }
        (SignalShape { channels: channels * bands, frames }, cost)
    }
}

impl Gru {
    fn output(&self, frames: usize) -> (SignalShape, LayerCost) {
        let Self { in_channels, hidden_size, last_frame_only } = *self;
        let products = 3 * hidden_size * (in_channels + hidden_size);
        let cost =
            LayerCost { weights: products + 6 * hidden_size, multiply_adds: frames * products, ..LayerCost::default() };
        (SignalShape { channels: hidden_size, frames: if last_frame_only { 1 } else { frames } }, cost)
    }
}

impl Dense {
    /// What this layer costs.
    pub fn cost(&self) -> LayerCost {
        let Self { in_features, out_features, has_norm, .. } = self;
        LayerCost {
            weights: (in_features + 1) * out_features,
            norm_parameters: if *has_norm { 2 * out_features } else { 0 },
            multiply_adds: in_features * out_features,
        }
    }
}
