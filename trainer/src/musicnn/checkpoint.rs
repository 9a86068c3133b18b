//! TensorFlow's checkpoint format: an index, which is a LevelDB table from a variable's name
//! to its place, and the variables' bytes one after another.

use sstable::{Options, SSIterator as _, Table};
use std::collections::BTreeMap;

/// A variable's entry, TensorFlow's `BundleEntryProto`.
#[derive(Clone, PartialEq, prost::Message)]
struct Entry {
    /// 1 is float32.
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
    #[prost(int64, tag = "4")]
    offset: i64,
    #[prost(int64, tag = "5")]
    size: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Shape {
    #[prost(message, repeated, tag = "2")]
    dims: Vec<Dimension>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Dimension {
    #[prost(int64, tag = "1")]
    size: i64,
}

/// An opened checkpoint.
pub(super) struct Checkpoint {
    entries: BTreeMap<Vec<u8>, Entry>,
    data: Vec<u8>,
}

/// A variable.
pub(super) struct Variable {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl Checkpoint {
    /// Opens a checkpoint of one shard.
    ///
    /// # Errors
    /// In words, where the index is none.
    pub(super) fn open(index: Vec<u8>, data: Vec<u8>) -> Result<Self, String> {
        let size = index.len();
        let broken = |why: String| format!("a checkpoint's index cannot be read: {why}");
        let table = Table::new(Options::default(), Box::new(index), size).map_err(|error| broken(error.to_string()))?;
        let (mut entries, mut rows) = (BTreeMap::new(), table.iter());
        let (mut name, mut entry) = (Vec::new(), Vec::new());
        while rows.advance() {
            // The row without a name is about the checkpoint as a whole.
            if rows.current(&mut name, &mut entry) && !name.is_empty() {
                let entry = <Entry as prost::Message>::decode(&entry[..]).map_err(|error| broken(error.to_string()))?;
                entries.insert(name.clone(), entry);
            }
        }
        Ok(Self { entries, data })
    }

    /// A variable of floats.
    ///
    /// # Errors
    /// In words, where there is none of this name.
    pub(super) fn variable(&self, name: &str) -> Result<Variable, String> {
        let missing = || format!("the checkpoint has no variable {name} of floats");
        let entry = self.entries.get(name.as_bytes()).ok_or_else(missing)?;
        let dims = entry.shape.as_ref().map_or(&[][..], |shape| &shape.dims);
        let shape: Vec<usize> = dims.iter().map(|dim| dim.size as usize).collect();
        let start = entry.offset as usize;
        let bytes = self.data.get(start..start.saturating_add(entry.size as usize)).ok_or_else(missing)?;
        let (values, rest) = bytes.as_chunks::<4>();
        if entry.kind != 1 || !rest.is_empty() || values.len() != shape.iter().product::<usize>() {
            return Err(missing());
        }
        Ok(Variable { shape, values: values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect() })
    }
}
