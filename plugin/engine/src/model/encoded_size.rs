//! Limits on the memory that decoding a model file takes, checked on its encoded bytes.
//!
//! An empty node takes two bytes of protobuf and hundreds of bytes of memory, so a file of a few
//! megabytes could decode into gigabytes. The check reads the encoded bytes and allocates nothing.

use super::ModelError;
use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The most fields of all messages. A decoded field takes at most a few hundred bytes.
const MAX_FIELDS: usize = 200_000;

/// The most bytes of packed integers. Decoded they take up to eight times as many.
const MAX_PACKED: usize = 8 << 20;

/// The deepest nesting of messages. Subgraphs are refused anyway.
const MAX_DEPTH: usize = 16;

/// The messages of `onnx.proto` that contain repeated messages or texts, or packed integers.
#[derive(Clone, Copy)]
enum MessageType {
    Model,
    TrainingInfo,
    Function,
    Graph,
    Annotation,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
    Value,
    Type,
    TensorType,
    Shape,
}

enum FieldType {
    Message(MessageType),
    PackedIntegers,
    Other,
}

impl MessageType {
    /// The type of a field by its number in `onnx.proto`.
    fn field(self, number: u32) -> FieldType {
        use FieldType::{Message, Other, PackedIntegers};
        match (self, number) {
            (Self::Model, 7) | (Self::TrainingInfo, 1 | 2) | (Self::Attribute, 6 | 11) => Message(Self::Graph),
            (Self::Model, 20) => Message(Self::TrainingInfo),
            (Self::Model, 25) => Message(Self::Function),
            (Self::Graph, 1) | (Self::Function, 7) => Message(Self::Node),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => Message(Self::Tensor),
            (Self::Graph, 11..=13) => Message(Self::Value),
            (Self::Graph, 14) => Message(Self::Annotation),
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Message(Self::SparseTensor),
            (Self::Node, 5) => Message(Self::Attribute),
            (Self::Value, 2) | (Self::Attribute, 15) => Message(Self::Type),
            (Self::Type, 1) => Message(Self::TensorType),
            (Self::TensorType, 2) => Message(Self::Shape),
            (Self::Attribute, 8) | (Self::Tensor, 1 | 5 | 7 | 11) | (Self::SparseTensor, 3) => PackedIntegers,
            _ => Other,
        }
    }
}

#[derive(Default)]
struct Counts {
    fields: usize,
    /// Bytes of packed integers.
    packed: usize,
}

/// Checks that decoding a model file takes at most some 130 MB more memory than the file is long.
///
/// # Errors
/// [`ModelError::Refused`] if it would take far more, [`ModelError::NotOnnx`] if the bytes are not
/// protobuf.
pub(super) fn check(bytes: &[u8]) -> Result<(), ModelError> {
    count_message(bytes, MessageType::Model, 0, &mut Counts::default())
}

/// Adds the fields of an encoded message to `counts`.
fn count_message(mut rest: &[u8], message: MessageType, depth: usize, counts: &mut Counts) -> Result<(), ModelError> {
    let not_onnx = |_: DecodeError| ModelError::NotOnnx;
    if depth > MAX_DEPTH {
        return Err(ModelError::Refused("its messages are nested too deeply; export it without subgraphs".into()));
    }
    while !rest.is_empty() {
        counts.fields += 1;
        let (number, wire_type) = decode_key(&mut rest).map_err(not_onnx)?;
        if wire_type == WireType::LengthDelimited {
            let length = decode_varint(&mut rest).map_err(not_onnx)?;
            let length = usize::try_from(length).map_err(|_| ModelError::NotOnnx)?;
            let (content, after) = rest.split_at_checked(length).ok_or(ModelError::NotOnnx)?;
            rest = after;
            match message.field(number) {
                FieldType::Message(message) => count_message(content, message, depth + 1, counts)?,
                FieldType::PackedIntegers => counts.packed += length,
                FieldType::Other => {}
            }
        } else {
            skip_field(wire_type, number, &mut rest, DecodeContext::default()).map_err(not_onnx)?;
        }
        if counts.fields > MAX_FIELDS || counts.packed > MAX_PACKED {
            return Err(ModelError::Refused("it has too many fields; export a smaller model".into()));
        }
    }
    Ok(())
}
