//! A catalogue of recordings and their tags: recordings in folders, lists and object stores; rows in Parquet files; and a
//! worker for engines of others.

mod dataset;
mod entry;
mod folder;
mod inputs;
mod location;
mod remote_reader;
mod rows;
mod run;
mod source;
mod stores;
mod worker;

pub use entry::{Cataloguer, RowKind};
pub use inputs::Inputs;
pub use location::Location;
pub use run::{CatalogueRun, RunSummary};
pub use stores::Stores;
pub use worker::answer_lines;
