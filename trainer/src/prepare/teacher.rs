//! One teacher: an ONNX tagger that is asked for one window at a time, from several threads.
//!
//! tract runs it, or with the feature `onnxruntime` ONNX Runtime, which is about twice as
//! fast; both say the same within 1e-5.

use crate::error::{Result, TrainerError};
use std::path::Path;
use tagvane_engine::{Inference, Model};

/// A tagger at 16 kHz.
pub(super) struct Teacher {
    model: Model,
    #[cfg(feature = "onnxruntime")]
    sessions: onnxruntime::Sessions,
}

impl Teacher {
    /// Opens an ONNX file.
    ///
    /// # Errors
    /// [`TrainerError::Content`] where it is no tagger, or the runtime is not there.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let wrong = |what: String| TrainerError::content(path, what);
        let model = Model::open(path, Inference::FullWindows).map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            model,
            #[cfg(feature = "onnxruntime")]
            sessions: onnxruntime::Sessions::open(path).map_err(wrong)?,
        })
    }

    /// Its tags, in the order of the probabilities.
    pub(super) fn tags(&self) -> &[String] {
        self.model.tags()
    }

    /// How many samples it hears.
    pub(super) fn window(&self) -> usize {
        self.model.window()
    }

    /// The probability of each tag in a window.
    ///
    /// # Errors
    /// [`TrainerError`] where the model fails.
    pub(super) fn ask(&self, window: &[f32]) -> Result<Vec<f32>> {
        #[cfg(feature = "onnxruntime")]
        return self.sessions.ask(window).map_err(TrainerError::Request);
        #[cfg(not(feature = "onnxruntime"))]
        Ok(self.model.probabilities(window)?)
    }
}

#[cfg(feature = "onnxruntime")]
mod onnxruntime {
    use ort::environment::Environment;
    use ort::session::Session;
    use ort::value::TensorRef;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, OnceLock, PoisonError};

    /// The variable that tells where ONNX Runtime's library is.
    const LIBRARY: &str = "ORT_DYLIB_PATH";

    /// A model's sessions, one for each thread that asks at the same time.
    pub(super) struct Sessions {
        environment: Environment,
        path: PathBuf,
        idle: Mutex<Vec<Session>>,
    }

    impl Sessions {
        pub(super) fn open(path: &Path) -> Result<Self, String> {
            let sessions = Self { environment: environment()?, path: path.to_owned(), idle: Mutex::default() };
            sessions.put(sessions.session()?);
            Ok(sessions)
        }

        pub(super) fn ask(&self, window: &[f32]) -> Result<Vec<f32>, String> {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut session = idle.map_or_else(|| self.session(), Ok)?;
            let answer = Self::run(&mut session, window).map_err(|error| error.to_string());
            self.put(session);
            answer
        }

        fn put(&self, session: Session) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        }

        /// On one thread: recordings are labelled side by side.
        fn session(&self) -> Result<Session, String> {
            let builder = Session::builder(&self.environment).map_err(|error| error.to_string())?;
            let mut builder = builder.with_intra_threads(1).map_err(|error| error.to_string())?;
            builder.commit_from_file(&self.path).map_err(|error| error.to_string())
        }

        fn run(session: &mut Session, window: &[f32]) -> ort::Result<Vec<f32>> {
            let input = TensorRef::from_array_view(([1, window.len()], window))?;
            let outputs = session.run(ort::inputs![input])?;
            let (_, probabilities) = outputs["probabilities"].try_extract_tensor::<f32>()?;
            Ok(probabilities.to_vec())
        }
    }

    /// The library, loaded once.
    fn environment() -> Result<Environment, String> {
        static LOADED: OnceLock<Result<Environment, String>> = OnceLock::new();
        let load = || {
            let library = std::env::var_os(LIBRARY).ok_or("it is not set")?;
            let builder = ort::init_from(PathBuf::from(library)).map_err(|error| error.to_string())?;
            builder.build().map_err(|error| error.to_string())
        };
        let wrong =
            |why: String| format!("{LIBRARY} has to name the library of ONNX Runtime (libonnxruntime.so): {why}");
        LOADED.get_or_init(|| load().map_err(wrong)).clone()
    }
}
