//! Tags of a user's own in a model file, as one more vocabulary.

use super::graph::tensor_type;
use super::half_precision::{to_half_precision, undo_half_precision};
use super::read::floats;
use crate::error::{Result, TrainerError};
use prost::Message as _;
use tagvane_engine::teaching::{TagFunction, TaughtTag};
use tagvane_engine::{MAX_TAGS, MAX_VOCABULARIES, Metadata, VOCABULARY_SEPARATOR, Vocabulary};
use tract_onnx::pb::{GraphProto, ModelProto, StringStringEntryProto};

/// The names of the vocabularies in the file.
#[derive(Debug, Clone, Copy)]
pub struct VocabularyNames<'a> {
    /// Of the tags that the model has, where they are its only vocabulary.
    pub own: &'a str,
    /// Of those that are added.
    pub added: &'a str,
}

/// Adds taught tags to a file that [`to_onnx`](super::to_onnx) wrote, with a whitened embedding. Its own tags stay as they are,
/// to the last bit.
///
/// # Errors
/// [`TrainerError::Request`] where the bytes are another file, a tag has another size or is a similarity, or there are too many
/// tags or vocabularies.
pub fn add_tags(bytes: &[u8], taught: &[TaughtTag], names: VocabularyNames<'_>) -> Result<Vec<u8>> {
    let fail = TrainerError::Request;
    let foreign = || fail("this ONNX file was not written by this trainer, or has no whitened embedding".into());
    let mut model = ModelProto::decode(bytes).map_err(|_| foreign())?;
    let graph = model.graph.as_mut().ok_or_else(foreign)?;
    let was_half = undo_half_precision(graph);
    let layer = |graph: &GraphProto, name: &str| {
        find(graph, &format!("{name}.weight")).zip(find(graph, &format!("{name}.bias"))).ok_or_else(foreign)
    };
    let (whitening_weight, whitening_bias) = layer(graph, "whitening")?;
    let (rows, mut biases) = layer(graph, "tags")?;
    let (components, own) = (whitening_bias.len(), biases.len());
    if components == 0 || own == 0 || !whitening_weight.len().is_multiple_of(components) {
        return Err(foreign());
    }
    // A tag is an affine function of the whitened embedding, which is one of the embedding.
    let mut columns = Vec::new();
    for tag in taught {
        let TagFunction::Logistic { weights, bias } = &tag.function else {
            let what = "follows a similarity, which no layer of the model computes; switch \"like this\" off";
            return Err(fail(format!("the tag {} {what}", tag.name)));
        };
        if weights.len() != components {
            let what = format!("was taught on another model: its embedding has {components} values");
            return Err(fail(format!("the tag {} {what}, not {}; teach it again", tag.name, weights.len())));
        }
        let dot = |row: &[f32]| row.iter().zip(&**weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let column: Vec<f32> = whitening_weight.chunks_exact(components).map(|row| dot(row) as f32).collect();
        columns.push((column, (dot(&whitening_bias) + f64::from(*bias)) as f32));
    }
    let inputs = rows.len() / own;
    if columns.iter().any(|(column, _)| column.len() != inputs) {
        return Err(foreign());
    }
    let total = own + columns.len();
    let joined: Vec<f32> = (0..inputs)
        .flat_map(|row| {
            rows[row * own..][..own].iter().copied().chain(columns.iter().map(move |(column, _)| column[row]))
        })
        .collect();
    biases.extend(columns.iter().map(|(_, bias)| *bias));
    set(graph, "tags.weight", &[inputs, total], &joined);
    set(graph, "tags.bias", &[total], &biases);
    for output in &mut graph.output {
        if matches!(output.name.as_str(), "probabilities" | "logits") {
            *output = tensor_type(&output.name, total);
        }
    }
    let properties = model.metadata_props.iter().map(|entry| (entry.key.as_str(), entry.value.as_str()));
    let metadata = with_vocabulary(Metadata::from_properties(properties), taught, names)?;
    for (key, value) in metadata.to_properties() {
        match model.metadata_props.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => entry.value = value,
            None => model.metadata_props.push(StringStringEntryProto { key: key.into(), value }),
        }
    }
    let bytes = model.encode_to_vec();
    if was_half { to_half_precision(&bytes) } else { Ok(bytes) }
}

/// The metadata of the model with one more vocabulary. Tags of a single vocabulary get its name in front of them, as files with
/// several have it.
fn with_vocabulary(mut metadata: Metadata, taught: &[TaughtTag], names: VocabularyNames<'_>) -> Result<Metadata> {
    if taught.is_empty() {
        return Err(TrainerError::Request("there is no tag to add; mark at least one span that it is".into()));
    }
    if metadata.tags.len() + taught.len() > MAX_TAGS || metadata.vocabularies.len() == MAX_VOCABULARIES {
        let what = format!("a file can have {MAX_TAGS} tags in {MAX_VOCABULARIES} vocabularies; remove some");
        return Err(TrainerError::Request(format!("{} tags cannot be added: {what}", taught.len())));
    }
    let named = |vocabulary: &str, tag: &str| format!("{vocabulary}{VOCABULARY_SEPARATOR}{tag}");
    if metadata.vocabularies.is_empty() {
        for tag in metadata.tags.iter_mut().chain(&mut metadata.weak_tags) {
            *tag = named(names.own, tag);
        }
        metadata.vocabularies.push(Vocabulary { name: names.own.into(), tag_count: metadata.tags.len() });
    }
    if metadata.vocabularies.iter().any(|vocabulary| vocabulary.name == names.added) {
        let what = "has a vocabulary of that name; choose another one with --vocabulary";
        return Err(TrainerError::Request(format!("{}: the model {what}", names.added)));
    }
    metadata.tags.extend(taught.iter().map(|tag| named(names.added, &tag.name)));
    metadata.vocabularies.push(Vocabulary { name: names.added.into(), tag_count: taught.len() });
    Ok(metadata)
}

/// The values of a tensor of a graph, if it is there as raw float32.
fn find(graph: &GraphProto, name: &str) -> Option<Vec<f32>> {
    floats(graph.initializer.iter().find(|tensor| tensor.name == name)?)
}

fn set(graph: &mut GraphProto, name: &str, shape: &[usize], values: &[f32]) {
    for tensor in graph.initializer.iter_mut().filter(|tensor| tensor.name == name) {
        tensor.dims = shape.iter().map(|dim| *dim as i64).collect();
        tensor.raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    }
}
