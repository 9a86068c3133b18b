//! The system's file dialogs. Each waits on a thread of its own, so that the window and the host continue.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

/// An open dialog; it sends the path, or `None` if the user cancels.
type OpenDialog = Receiver<Option<PathBuf>>;

/// The dialogs of an instance. The path from a dialog that outlives the window is taken when the window is open
/// again.
#[derive(Default)]
pub(crate) struct FileDialogs {
    model: Option<OpenDialog>,
    export: Option<OpenDialog>,
    mine: Option<OpenDialog>,
}

impl FileDialogs {
    /// Opens the dialog for a model file, unless it is open.
    pub(crate) fn open_model(&mut self) {
        if self.model.is_none() {
            let dialog = rfd::AsyncFileDialog::new().set_title("Open a model").add_filter("ONNX", &["onnx"]);
            self.model = Some(wait_for(dialog.pick_file()));
        }
    }

    /// Opens the dialog for an export, unless it is open; `name` is the proposed name of the file.
    pub(crate) fn open_export(&mut self, name: &str, extension: &str) {
        if self.export.is_none() {
            let dialog = rfd::AsyncFileDialog::new().set_title("Export from Tagvane").set_file_name(name);
            self.export = Some(wait_for(dialog.add_filter(extension, &[extension]).save_file()));
        }
    }

    /// Opens the dialog for a file with taught tags, unless it is open.
    pub(crate) fn open_mine(&mut self) {
        if self.mine.is_none() {
            let dialog = rfd::AsyncFileDialog::new().set_title("Tags of your own").set_file_name("mine.json");
            self.mine = Some(wait_for(dialog.add_filter("JSON", &["json"]).save_file()));
        }
    }

    /// The file with taught tags that the user has chosen since the last call.
    pub(crate) fn take_mine(&mut self) -> Option<PathBuf> {
        take_path(&mut self.mine)
    }

    /// The model file that the user has chosen since the last call.
    pub(crate) fn take_model(&mut self) -> Option<PathBuf> {
        take_path(&mut self.model)
    }

    /// The export file that the user has chosen since the last call.
    pub(crate) fn take_export(&mut self) -> Option<PathBuf> {
        take_path(&mut self.export)
    }

    /// Whether a dialog is open.
    pub(crate) fn is_open(&self) -> bool {
        self.model.is_some() || self.export.is_some() || self.mine.is_some()
    }
}

/// Waits for a dialog on a new thread.
fn wait_for(dialog: impl Future<Output = Option<rfd::FileHandle>> + Send + 'static) -> OpenDialog {
    let (sender, receiver) = channel();
    let wait = move || {
        let path = pollster::block_on(dialog).map(|file| file.path().to_owned());
        // The instance may be gone by now.
        drop(sender.send(path));
    };
    // If no thread can be started, the sender is dropped and the dialog counts as cancelled.
    drop(std::thread::Builder::new().name("tagvane dialog".into()).spawn(wait));
    receiver
}

fn take_path(dialog: &mut Option<OpenDialog>) -> Option<PathBuf> {
    match dialog.as_ref()?.try_recv() {
        Ok(path) => {
            *dialog = None;
            path
        }
        Err(TryRecvError::Empty) => None,
        Err(TryRecvError::Disconnected) => {
            *dialog = None;
            None
        }
    }
}
