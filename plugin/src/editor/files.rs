//! Files that a person chooses: the system's dialogues, each on a thread of its own, so that the
//! window and the host go on.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

/// A dialogue that is open, and what comes of it.
type Answer = Receiver<Option<PathBuf>>;

/// The dialogues of a window. One that is still open when the window closes is answered into the
/// void.
#[derive(Default)]
pub(crate) struct Files {
    model: Option<Answer>,
    target: Option<Answer>,
}

impl Files {
    /// Asks for a model to open.
    pub(crate) fn ask_for_model(&mut self) {
        if self.model.is_none() {
            let dialogue = rfd::AsyncFileDialog::new().set_title("A model for Tagvane").add_filter("ONNX", &["onnx"]);
            self.model = Some(answer(dialogue.pick_file()));
        }
    }

    /// Asks where to save a file.
    pub(crate) fn ask_where(&mut self, name: &str, extension: &str) {
        if self.target.is_none() {
            let dialogue = rfd::AsyncFileDialog::new().set_title("Export from Tagvane").set_file_name(name);
            self.target = Some(answer(dialogue.add_filter(extension, &[extension]).save_file()));
        }
    }

    /// The model that was chosen, once.
    pub(crate) fn model(&mut self) -> Option<PathBuf> {
        take(&mut self.model)
    }

    /// The place that was chosen, once.
    pub(crate) fn target(&mut self) -> Option<PathBuf> {
        take(&mut self.target)
    }

    /// Whether a dialogue is open.
    pub(crate) fn is_asking(&self) -> bool {
        self.model.is_some() || self.target.is_some()
    }
}

fn answer(dialogue: impl Future<Output = Option<rfd::FileHandle>> + Send + 'static) -> Answer {
    let (sender, receiver) = channel();
    let wait = move || {
        let chosen = pollster::block_on(dialogue).map(|file| file.path().to_owned());
        // The window may be gone by then.
        drop(sender.send(chosen));
    };
    // Without a thread the answer never comes, which is no answer.
    drop(std::thread::Builder::new().name("tagvane dialogue".into()).spawn(wait));
    receiver
}

fn take(answer: &mut Option<Answer>) -> Option<PathBuf> {
    match answer.as_ref()?.try_recv() {
        Ok(chosen) => {
            *answer = None;
            chosen
        }
        Err(TryRecvError::Empty) => None,
        Err(TryRecvError::Disconnected) => {
            *answer = None;
            None
        }
    }
}
