//! How much memory a file would take once it is decoded, known before it is.
//!
//! Two bytes of protobuf can make an empty node of hundreds: a file of a few megabytes could ask for
//! gigabytes. This walks over the encoded bytes, keeps nothing, and counts.

use super::ModelError;
use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The most fields, of all messages together: each may be a message, of at most a few hundred bytes.
const MAX_FIELDS: usize = 200_000;
/// The most bytes of lists of integers, which take up to eight times as much once decoded.
const MAX_PACKED: usize = 8 << 20;
/// How deep messages may lie in one another: graphs within graphs are refused anyway.
const MAX_DEPTH: usize = 16;

/// The messages of ONNX that hold others, or lists of integers.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Value,
    Type,
    TensorType,
    Shape,
}

/// What a field is.
enum Field {
    Message(Message),
    Integers,
    Other,
}

impl Message {
    /// The fields of `onnx.proto` by their numbers.
    fn field(self, number: u32) -> Field {
        use Field::{Integers, Message as Inner, Other};
        match (self, number) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Inner(Self::Graph),
            (Self::Graph, 1) => Inner(Self::Node),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) => Inner(Self::Tensor),
            (Self::Graph, 11..=13) => Inner(Self::Value),
            (Self::Node, 5) => Inner(Self::Attribute),
            (Self::Value, 2) => Inner(Self::Type),
            (Self::Type, 1) => Inner(Self::TensorType),
            (Self::TensorType, 2) => Inner(Self::Shape),
            (Self::Attribute, 8) | (Self::Tensor, 1 | 5 | 7 | 11) => Integers,
            _ => Other,
        }
    }
}

/// What was counted so far.
#[derive(Default)]
struct Counted {
    fields: usize,
    packed: usize,
}

/// Checks that a model file decodes into memory of about its own length.
///
/// # Errors
/// [`ModelError`] where it would take far more, or is no protobuf.
pub(super) fn check(bytes: &[u8]) -> Result<(), ModelError> {
    let mut counted = Counted::default();
    walk(bytes, Message::Model, 0, &mut counted)
}

fn walk(mut rest: &[u8], message: Message, depth: usize, counted: &mut Counted) -> Result<(), ModelError> {
    let broken = |_: DecodeError| ModelError::NotOnnx;
    if depth > MAX_DEPTH {
        return Err(ModelError::Refused("its parts lie too deep in one another".into()));
    }
    while !rest.is_empty() {
        counted.fields += 1;
        let (number, wire) = decode_key(&mut rest).map_err(broken)?;
        if wire == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut rest).map_err(broken)?).map_err(|_| ModelError::NotOnnx)?;
            let (inner, after) = rest.split_at_checked(length).ok_or(ModelError::NotOnnx)?;
            rest = after;
            match message.field(number) {
                Field::Message(message) => walk(inner, message, depth + 1, counted)?,
                Field::Integers => counted.packed += length,
                Field::Other => {}
            }
        } else {
            skip_field(wire, number, &mut rest, DecodeContext::default()).map_err(broken)?;
        }
        if counted.fields > MAX_FIELDS || counted.packed > MAX_PACKED {
            return Err(ModelError::Refused("it has too many parts".into()));
        }
    }
    Ok(())
}
