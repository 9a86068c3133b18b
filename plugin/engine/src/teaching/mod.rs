//! Tags of a user's own, taught by marking spans of music as what a tag is, and as what it is not.
//!
//! A [`Lesson`] has the spans of a tag, each with a few whitened embeddings of a model. It learns a [`TaughtTag`] from them
//! and from the [`Background`](crate::Background) of the model, which an [`Engine`](crate::Engine) computes beside the
//! model's own tags.

mod lesson;
mod logistic;
mod mine;
mod names;
mod span;
mod tag;

pub use lesson::{Confidence, Lesson, LessonKind};
pub use mine::{MAX_FILE_BYTES, MAX_LESSONS, Mine};
pub(crate) use names::{with_added_names, with_added_vocabularies};
pub use span::MarkedSpan;
pub use tag::{TagFunction, TaughtTag};
