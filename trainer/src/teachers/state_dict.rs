//! PyTorch's state dicts in the format before PyTorch 1.6: four pickles, the keys of the storages, and the storages.

use super::pickle::{Pickle, Value};
use super::weights::{Weights, row_major_offsets};
use std::collections::BTreeMap;

/// How such a file begins: the pickle of a number.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// The most values of all tensors.
const MAX_VALUES: usize = 16 << 20;

/// The most axes of a tensor.
const MAX_AXES: usize = 8;

/// The float tensors of a state dict, by name.
pub(super) struct StateDict<'a> {
    tensors: BTreeMap<&'a str, StoredTensor<'a>>,
}

/// A tensor as a view of a storage.
struct StoredTensor<'a> {
    storage: &'a [[u8; 4]],
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// A storage as the pickle declares it: the size of an element in bytes, and their number.
type Declared = (usize, usize);

impl<'a> StateDict<'a> {
    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// A sentence, if this is not such a state dict.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        read(bytes).map_err(|why| format!("this is not a whole state dict in PyTorch's format before 1.6: {why}"))
    }

    /// The tensor of a name.
    ///
    /// # Errors
    /// A sentence, if there is none.
    pub(super) fn weights(&self, name: &str) -> Result<Weights, String> {
        let StoredTensor { storage, offset, shape, strides } =
            self.tensors.get(name).ok_or_else(|| format!("the state dict has no float tensor {name}"))?;
        let values = row_major_offsets(shape, strides).map(|place| f32::from_le_bytes(storage[offset + place]));
        Ok(Weights { values: values.collect(), shape: shape.clone() })
    }
}

fn read(bytes: &[u8]) -> Result<StateDict<'_>, String> {
    let mut rest = bytes.strip_prefix(MAGIC).ok_or("it begins otherwise")?;
    let version = Pickle::read(&mut rest)?.value;
    if version != Value::Int(1001) {
        return Err("its version is not 1001".into());
    }
    if !is_little_endian(&Pickle::read(&mut rest)?) {
        return Err("it is not from a little-endian machine".into());
    }
    let dict = Pickle::read(&mut rest)?;
    let tensors = declared_tensors(&dict)?;
    let keys = Pickle::read(&mut rest)?;
    let storages = read_storages(&tensors, &keys, rest)?;
    let mut stored = BTreeMap::new();
    let mut values = 0;
    for DeclaredTensor { name, key, element, view: (offset, shape, strides), .. } in tensors {
        if element != "FloatStorage" {
            continue;
        }
        let storage = storages.get(key).ok_or_else(|| format!("the values of {name} are missing"))?.as_chunks().0;
        check_view(storage.len(), offset, &shape, &strides).ok_or_else(|| format!("{name} is beyond its values"))?;
        values += shape.iter().product::<usize>();
        if values > MAX_VALUES {
            return Err(format!("it has more than {MAX_VALUES} values"));
        }
        stored.insert(name, StoredTensor { storage, offset, shape, strides });
    }
    Ok(StateDict { tensors: stored })
}

/// Whether the third pickle, a description of the machine, says so.
fn is_little_endian(machine: &Pickle<'_>) -> bool {
    let Value::Dict(parts) = machine.value else { return false };
    machine.parts(parts).windows(2).any(|pair| pair == [Value::Text("little_endian"), Value::Bool(true)])
}

/// A tensor as the pickle declares it.
struct DeclaredTensor<'a> {
    name: &'a str,
    /// The key of its storage, and the type of it.
    key: &'a str,
    element: &'a str,
    /// Offset, shape and strides.
    view: (usize, Vec<usize>, Vec<usize>),
    elements: usize,
}

/// The tensors in the main pickle. Other values are left out.
fn declared_tensors<'a>(dict: &Pickle<'a>) -> Result<Vec<DeclaredTensor<'a>>, String> {
    let Value::Dict(entries) = dict.value else { return Err("its content is not a dictionary".into()) };
    let mut tensors = Vec::new();
    for entry in dict.parts(entries).chunks_exact(2) {
        let &[Value::Text(name), Value::Call(call)] = entry else { continue };
        let tensor = declared_tensor(dict, name, dict.parts(call));
        tensors.push(tensor.ok_or_else(|| format!("{name} is not a plain tensor"))?);
    }
    Ok(tensors)
}

/// A call of `_rebuild_tensor_v2(storage, offset, shape, strides, ...)`.
fn declared_tensor<'a>(dict: &Pickle<'a>, name: &'a str, call: &[Value<'a>]) -> Option<DeclaredTensor<'a>> {
    let &[Value::Global("torch._utils", "_rebuild_tensor_v2"), Value::Tuple(arguments)] = call else { return None };
    let [Value::Persistent(storage), Value::Int(offset), Value::Tuple(shape), Value::Tuple(strides), ..] =
        *dict.parts(arguments)
    else {
        return None;
    };
    // The last part would describe the storage as a view of another one.
    let &[
        Value::Text("storage"),
        Value::Global("torch", element),
        Value::Text(key),
        _,
        Value::Int(elements),
        Value::None,
    ] = dict.parts(storage)
    else {
        return None;
    };
    let size = |value: &Value<'_>| match value {
        Value::Int(size) => usize::try_from(*size).ok(),
        _ => None,
    };
    let sizes = |index| dict.parts(index).iter().map(size).collect::<Option<Vec<usize>>>();
    let view = (usize::try_from(offset).ok()?, sizes(shape)?, sizes(strides)?);
    Some(DeclaredTensor { name, key, element, view, elements: usize::try_from(elements).ok()? })
}

/// Bytes of an element of a storage.
fn element_size(element: &str) -> Option<usize> {
    match element {
        "DoubleStorage" | "LongStorage" => Some(8),
        "FloatStorage" | "IntStorage" => Some(4),
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => Some(2),
        "ByteStorage" | "CharStorage" | "BoolStorage" => Some(1),
        _ => None,
    }
}

/// The bytes of each storage. They follow one another in the order of `keys`, each after its number of elements.
fn read_storages<'a>(
    tensors: &[DeclaredTensor<'a>],
    keys: &Pickle<'a>,
    mut rest: &'a [u8],
) -> Result<BTreeMap<&'a str, &'a [u8]>, String> {
    let mut declared: BTreeMap<&str, Declared> = BTreeMap::new();
    for DeclaredTensor { name, key, element, elements, .. } in tensors {
        let size = element_size(element).ok_or_else(|| format!("{name} has elements of the unknown type {element}"))?;
        if *declared.entry(key).or_insert((size, *elements)) != (size, *elements) {
            return Err(format!("{name} and another tensor take the same values for different ones"));
        }
    }
    let Value::List(list) = keys.value else { return Err("its list of storages is missing".into()) };
    let mut storages = BTreeMap::new();
    for key in keys.parts(list) {
        let &Value::Text(key) = key else { return Err("its list of storages is damaged".into()) };
        let &(size, elements) = declared.get(key).ok_or("it has values that no tensor uses")?;
        let (count, after) = rest.split_first_chunk::<8>().ok_or("it ends before its last values")?;
        if usize::try_from(i64::from_le_bytes(*count)) != Ok(elements) {
            return Err("the number of its values differs from what it declares".into());
        }
        let bytes = elements.checked_mul(size).and_then(|length| after.split_at_checked(length));
        let (values, after) = bytes.ok_or("it ends before its last values")?;
        storages.insert(key, values);
        rest = after;
    }
    Ok(storages)
}

/// `None` unless a view lies within a storage of `length` elements, and has no more than that.
fn check_view(length: usize, offset: usize, shape: &[usize], strides: &[usize]) -> Option<()> {
    let count = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size))?;
    if shape.len() > MAX_AXES || shape.len() != strides.len() || count > length {
        return None;
    }
    let mut last = offset;
    for (size, stride) in shape.iter().zip(strides) {
        last = last.checked_add(size.saturating_sub(1).checked_mul(*stride)?)?;
    }
    (count == 0 || last < length).then_some(())
}
