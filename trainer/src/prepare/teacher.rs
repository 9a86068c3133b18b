//! One teacher: an ONNX tagger that predicts one window at a time, from several threads.
//!
//! tract runs it, or OpenVINO with the feature `openvino`, which is faster; their predictions agree within 1e-5.

use crate::data::vocabularies::{self, KnownTags};
use crate::error::{Result, TrainerError};
use crate::musicnn;
use crate::network::Precision;
use std::path::Path;
use tagvane_engine::{InferenceMode, Model};

/// Sample rate of the teachers' input, in hertz.
pub(super) const RATE: u32 = musicnn::RATE;

/// A teacher with a longer window, in seconds, labels recordings and not segments.
const MAX_SEGMENT_WINDOW: u32 = 10;

/// Audio whose peak is at most this, -60 dBFS, is silent.
const SILENCE_PEAK: f32 = 1e-3;

/// Whether no sample is louder than silence.
pub(super) fn is_silent(samples: &[f32]) -> bool {
    samples.iter().all(|sample| sample.abs() <= SILENCE_PEAK)
}

/// A tagger for audio at 16 kHz.
pub(super) struct Teacher {
    model: Model,
    /// The outputs that are its tags, of a model with others besides.
    outputs: Option<Vec<usize>>,
    tags: Vec<String>,
    #[cfg(feature = "openvino")]
    runtime: runtime::Runtime,
}

impl Teacher {
    /// Opens an ONNX file. A file that states no sample rate is taken for one at 16 kHz.
    ///
    /// # Errors
    /// [`TrainerError::Content`] where the file is not a tagger or states another sample rate, or OpenVINO cannot be
    /// loaded.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let wrong = |what: String| TrainerError::content(path, what);
        let model = Model::open(path, InferenceMode::FullWindows).map_err(|error| wrong(error.to_string()))?;
        let rate = model.sample_rate();
        if rate != RATE && !model.is_sample_rate_assumed() {
            return Err(wrong(format!("this model is for audio at {rate} Hz; give a teacher for audio at {RATE} Hz")));
        }
        let KnownTags { tags, outputs } = vocabularies::known_tags(model.tags());
        Ok(Self {
            #[cfg(feature = "openvino")]
            runtime: runtime::Runtime::open(path, model.window()).map_err(wrong)?,
            model,
            outputs,
            tags,
        })
    }

    /// The tags, in the order of the probabilities: those of MTG-Jamendo as a person reads them, of AudioSet's classes
    /// those of [`audioset_music`](vocabularies::audioset_music).
    pub(super) fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Samples per window.
    pub(super) fn window(&self) -> usize {
        self.model.window()
    }

    /// Whether its window is so long that its prediction is one of the recording, such as one of 29 s.
    pub(super) fn labels_recordings(&self) -> bool {
        self.window() > (MAX_SEGMENT_WINDOW * RATE) as usize
    }

    /// The probability of each tag in a window. bfloat16 applies to OpenVINO on processors that have it; otherwise
    /// inference is in single precision.
    ///
    /// # Errors
    /// [`TrainerError`] where inference fails.
    #[cfg_attr(not(feature = "openvino"), expect(unused_variables, reason = "tract computes in single precision only"))]
    pub(super) fn predict(&self, window: &[f32], precision: Precision) -> Result<Vec<f32>> {
        #[cfg(feature = "openvino")]
        let probabilities = self.runtime.predict(window, precision).map_err(TrainerError::Request)?;
        #[cfg(not(feature = "openvino"))]
        let probabilities = self.model.predict(window)?;
        Ok(match &self.outputs {
            Some(outputs) => outputs.iter().map(|output| probabilities[*output]).collect(),
            None => probabilities,
        })
    }
}

#[cfg(feature = "openvino")]
mod runtime {
    use crate::network::Precision;
    use openvino::{CompiledModel, Core, DeviceType, InferRequest, InferenceError, PartialShape, RwPropertyKey};
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, OnceLock, PoisonError};

    /// The environment variable with the path of OpenVINO's C library.
    const LIBRARY: &str = "OPENVINO_LIBRARY";

    /// A teacher, compiled for each precision at its first use.
    pub(super) struct Runtime {
        bytes: Vec<u8>,
        window: usize,
        single: OnceLock<Compiled>,
        bf16: OnceLock<Compiled>,
    }

    /// A compiled model and its idle inference requests, one for each thread that predicts at the same time.
    struct Compiled {
        model: Mutex<CompiledModel>,
        idle: Mutex<Vec<InferRequest>>,
    }

    impl Runtime {
        pub(super) fn open(path: &Path, window: usize) -> Result<Self, String> {
            let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
            let runtime = Self { bytes, window, single: OnceLock::new(), bf16: OnceLock::new() };
            runtime.compiled(Precision::Single)?;
            Ok(runtime)
        }

        pub(super) fn predict(&self, window: &[f32], precision: Precision) -> Result<Vec<f32>, String> {
            let compiled = self.compiled(precision)?;
            let idle = lock(&compiled.idle).pop();
            let mut request = match idle {
                Some(request) => request,
                None => lock(&compiled.model).create_infer_request().map_err(|error| error.to_string())?,
            };
            let probabilities = infer(&mut request, window).map_err(|error| error.to_string());
            lock(&compiled.idle).push(request);
            probabilities
        }

        fn compiled(&self, precision: Precision) -> Result<&Compiled, String> {
            let cell = match precision {
                Precision::Single => &self.single,
                Precision::Bf16 => &self.bf16,
            };
            if let Some(compiled) = cell.get() {
                return Ok(compiled);
            }
            // If two threads compile at the same time, one of the models is dropped.
            let model = compile(&self.bytes, self.window, precision)?;
            Ok(cell.get_or_init(|| Compiled { model: Mutex::new(model), idle: Mutex::default() }))
        }
    }

    /// Compiles with one stream per processor, because each thread labels a recording of its own. Streams are not
    /// pinned to processors, because those of several teachers would then share the same ones.
    fn compile(bytes: &[u8], window: usize, precision: Precision) -> Result<CompiledModel, String> {
        let mut core = core()?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from).to_string();
        let kind = match precision {
            Precision::Single => "f32",
            Precision::Bf16 => "bf16",
        };
        let settings = [
            (RwPropertyKey::HintInferencePrecision, kind),
            (RwPropertyKey::HintPerformanceMode, "THROUGHPUT"),
            (RwPropertyKey::HintEnableCpuPinning, "NO"),
            (RwPropertyKey::NumStreams, &processors),
            (RwPropertyKey::InferenceNumThreads, &processors),
        ];
        let compile = || {
            core.set_properties(&DeviceType::CPU, settings)?;
            let mut model = core.read_model_from_buffer(bytes, None)?;
            model.reshape_single_input(&PartialShape::new_static(2, &[1, window as i64])?)?;
            core.compile_model(&model, DeviceType::CPU)
        };
        compile().map_err(|error: InferenceError| error.to_string())
    }

    fn infer(request: &mut InferRequest, window: &[f32]) -> Result<Vec<f32>, InferenceError> {
        request.get_input_tensor()?.get_data_mut::<f32>()?.copy_from_slice(window);
        request.infer()?;
        Ok(request.get_output_tensor()?.get_data::<f32>()?.to_vec())
    }

    /// OpenVINO; the library is loaded once.
    fn core() -> Result<Core, String> {
        static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
        let load = || {
            let library = std::env::var_os(LIBRARY).ok_or("it is not set")?;
            openvino_sys::library::load_from(PathBuf::from(library))
        };
        let wrong = |why: String| format!("set {LIBRARY} to the path of OpenVINO's library (libopenvino_c.so): {why}");
        LOADED.get_or_init(|| load().map_err(wrong)).clone()?;
        Core::new().map_err(|error| error.to_string())
    }

    fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
