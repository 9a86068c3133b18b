//! TensorFlow's checkpoint format: an index, which is a LevelDB table from variable names to
//! offsets, and a data file with the variables' bytes.

use sstable::{Options, SSIterator as _, Table};
use std::collections::BTreeMap;

/// The index entry of a variable, TensorFlow's `BundleEntryProto`.
#[derive(Clone, PartialEq, prost::Message)]
struct BundleEntry {
    /// TensorFlow's `DataType`; 1 is float32.
    #[prost(int32, tag = "1")]
    dtype: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<TensorShape>,
    #[prost(int64, tag = "4")]
    offset: i64,
    #[prost(int64, tag = "5")]
    size: i64,
}

/// TensorFlow's `TensorShapeProto`.
#[derive(Clone, PartialEq, prost::Message)]
struct TensorShape {
    #[prost(message, repeated, tag = "2")]
    dims: Vec<TensorDimension>,
}

/// TensorFlow's `TensorShapeProto.Dim`.
#[derive(Clone, PartialEq, prost::Message)]
struct TensorDimension {
    #[prost(int64, tag = "1")]
    size: i64,
}

/// An opened checkpoint.
pub(super) struct Checkpoint {
    entries: BTreeMap<Vec<u8>, BundleEntry>,
    data: Vec<u8>,
}

/// A variable's shape and its values in row-major order.
pub(super) struct Variable {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl Checkpoint {
    /// Opens a checkpoint of one shard.
    ///
    /// # Errors
    /// A sentence, if the index is not a valid table.
    pub(super) fn open(index: Vec<u8>, data: Vec<u8>) -> Result<Self, String> {
        let size = index.len();
        let broken = |why: String| format!("a checkpoint's index cannot be read: {why}");
        let table = Table::new(Options::default(), Box::new(index), size).map_err(|error| broken(error.to_string()))?;
        let (mut entries, mut rows) = (BTreeMap::new(), table.iter());
        let (mut name, mut entry) = (Vec::new(), Vec::new());
        while rows.advance() {
            // The row with an empty key is the header of the checkpoint.
            if rows.current(&mut name, &mut entry) && !name.is_empty() {
                let entry =
                    <BundleEntry as prost::Message>::decode(&entry[..]).map_err(|error| broken(error.to_string()))?;
                entries.insert(name.clone(), entry);
            }
        }
        Ok(Self { entries, data })
    }

    /// The float32 variable of a name.
    ///
    /// # Errors
    /// A sentence, if there is no such variable.
    pub(super) fn variable(&self, name: &str) -> Result<Variable, String> {
        let missing = || format!("the checkpoint has no float32 variable {name}");
        let entry = self.entries.get(name.as_bytes()).ok_or_else(missing)?;
        let dims = entry.shape.as_ref().map_or(&[][..], |shape| &shape.dims);
        let shape: Vec<usize> = dims.iter().map(|dim| dim.size as usize).collect();
        let start = entry.offset as usize;
        let bytes = self.data.get(start..start.saturating_add(entry.size as usize)).ok_or_else(missing)?;
        let (values, rest) = bytes.as_chunks::<4>();
        if entry.dtype != 1 || !rest.is_empty() || values.len() != shape.iter().product::<usize>() {
            return Err(missing());
        }
        Ok(Variable { shape, values: values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect() })
    }
}
