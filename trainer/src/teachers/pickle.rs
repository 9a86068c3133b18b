//! Python's pickle format, protocol 2, as far as PyTorch's state dicts use it. Calls of functions are recorded, never
//! made.
//!
//! burn-store reads such files too, but allocates what a length in the file says, ignores strides, and fills up with
//! zeros what is missing.

use std::collections::HashMap;

/// The most operations in a pickle. The state dict of a tagger has some three thousand.
const MAX_OPERATIONS: usize = 100_000;

/// The index of the parts of a value in its [`Pickle`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PartsIndex(usize);

/// A value; one that is made of others refers to them, so that a copy costs nothing, however often a file repeats it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    Text(&'a str),
    /// The module and the name of a function or a class.
    Global(&'a str, &'a str),
    Tuple(PartsIndex),
    List(PartsIndex),
    /// Keys and values in turn. An `OrderedDict` is one, too.
    Dict(PartsIndex),
    /// What stands for an object outside the pickle.
    Persistent(PartsIndex),
    /// A function and its arguments.
    Call(PartsIndex),
}

/// A value with all of its parts.
pub(super) struct Pickle<'a> {
    pub(super) value: Value<'a>,
    parts: Vec<Vec<Value<'a>>>,
}

impl<'a> Pickle<'a> {
    /// Reads a pickle from the beginning of `bytes`, which are then those after it.
    ///
    /// # Errors
    /// A phrase on what is wrong.
    pub(super) fn read(bytes: &mut &'a [u8]) -> Result<Self, String> {
        let mut machine =
            Machine { rest: bytes, parts: Vec::new(), stack: Vec::new(), marks: Vec::new(), memory: HashMap::new() };
        for _ in 0..MAX_OPERATIONS {
            if let Some(value) = machine.step()? {
                *bytes = machine.rest;
                return Ok(Self { value, parts: machine.parts });
            }
        }
        Err(format!("it has a pickle of more than {MAX_OPERATIONS} operations"))
    }

    /// The parts of a value.
    pub(super) fn parts(&self, index: PartsIndex) -> &[Value<'a>] {
        &self.parts[index.0]
    }
}

/// The stack machine that a pickle is a program for.
struct Machine<'a> {
    rest: &'a [u8],
    parts: Vec<Vec<Value<'a>>>,
    stack: Vec<Value<'a>>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memory: HashMap<u32, Value<'a>>,
}

impl<'a> Machine<'a> {
    /// Carries out an operation; returns the value of the pickle after the last one.
    fn step(&mut self) -> Result<Option<Value<'a>>, String> {
        let [operation] = self.bytes()?;
        let value = match operation {
            // PROTO
            0x80 => match self.bytes()? {
                [2] => return Ok(None),
                [version] => return Err(format!("it has a pickle of protocol {version} instead of 2")),
            },
            // STOP
            b'.' => return self.pop().map(Some),
            // MARK
            b'(' => {
                self.marks.push(self.stack.len());
                return Ok(None);
            }
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            // BININT, BININT1, BININT2, LONG1
            b'J' => Value::Int(i32::from_le_bytes(self.bytes()?).into()),
            b'K' => Value::Int(self.bytes::<1>()?[0].into()),
            b'M' => Value::Int(u16::from_le_bytes(self.bytes()?).into()),
            0x8a => self.long()?,
            // BINUNICODE, SHORT_BINSTRING
            b'X' => {
                let length = u32::from_le_bytes(self.bytes()?);
                Value::Text(self.text(length as usize)?)
            }
            b'U' => {
                let [length] = self.bytes()?;
                Value::Text(self.text(length.into())?)
            }
            b'c' => Value::Global(self.line()?, self.line()?),
            // EMPTY_TUPLE, TUPLE1 to TUPLE3, TUPLE
            b')' => Value::Tuple(self.add_parts(Vec::new())),
            0x85..=0x87 => {
                let count = usize::from(operation - 0x84);
                let first = self.stack.len().checked_sub(count).ok_or("it has a pickle without a value for a tuple")?;
                let parts = self.stack.split_off(first);
                Value::Tuple(self.add_parts(parts))
            }
            b't' => {
                let parts = self.pop_to_mark()?;
                Value::Tuple(self.add_parts(parts))
            }
            b']' => Value::List(self.add_parts(Vec::new())),
            b'}' => Value::Dict(self.add_parts(Vec::new())),
            // APPEND, APPENDS, SETITEM, SETITEMS
            b'a' => {
                let part = self.pop()?;
                return self.extend(vec![part]);
            }
            b'e' | b'u' => {
                let parts = self.pop_to_mark()?;
                return self.extend(parts);
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                return self.extend(vec![key, value]);
            }
            // BINPUT, LONG_BINPUT, BINGET, LONG_BINGET
            b'q' => {
                let [place] = self.bytes()?;
                return self.remember(place.into());
            }
            b'r' => {
                let place = u32::from_le_bytes(self.bytes()?);
                return self.remember(place);
            }
            b'h' => {
                let [place] = self.bytes()?;
                self.remembered(place.into())?
            }
            b'j' => {
                let place = u32::from_le_bytes(self.bytes()?);
                self.remembered(place)?
            }
            // BINPERSID
            b'Q' => match self.pop()? {
                Value::Tuple(parts) => Value::Persistent(parts),
                _ => return Err("it refers to an object outside it by something else than a tuple".into()),
            },
            // REDUCE
            b'R' => {
                let arguments = self.pop()?;
                match self.pop()? {
                    Value::Global("collections", "OrderedDict") => Value::Dict(self.add_parts(Vec::new())),
                    function => Value::Call(self.add_parts(vec![function, arguments])),
                }
            }
            // BUILD, which gives a state dict the versions of its modules.
            b'b' => {
                self.pop()?;
                return Ok(None);
            }
            other => return Err(format!("it has a pickle with the unknown operation {other:#04x}")),
        };
        self.stack.push(value);
        Ok(None)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn text(&mut self, length: usize) -> Result<&'a str, String> {
        let (text, rest) = self.rest.split_at_checked(length).ok_or(CUT_OFF)?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| "it has a text that is not UTF-8".into())
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let length = self.rest.iter().position(|byte| *byte == b'\n').ok_or(CUT_OFF)?;
        let line = self.text(length)?;
        self.rest = &self.rest[1..];
        Ok(line)
    }

    fn long(&mut self) -> Result<Value<'a>, String> {
        let [length] = self.bytes()?;
        let (bytes, rest) = self.rest.split_at_checked(length.into()).ok_or(CUT_OFF)?;
        self.rest = rest;
        let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut wide = [if is_negative { 0xff } else { 0 }; 8];
        wide.get_mut(..bytes.len()).ok_or("it has an integer of more than 64 bits")?.copy_from_slice(bytes);
        Ok(Value::Int(i64::from_le_bytes(wide)))
    }

    fn pop(&mut self) -> Result<Value<'a>, String> {
        self.stack.pop().ok_or_else(|| "it has a pickle that takes a value from an empty stack".into())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value<'a>>, String> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len());
        Ok(self.stack.split_off(mark.ok_or("it has a pickle that goes back to a mark that is not there")?))
    }

    fn add_parts(&mut self, parts: Vec<Value<'a>>) -> PartsIndex {
        self.parts.push(parts);
        PartsIndex(self.parts.len() - 1)
    }

    /// Adds parts to the list or dictionary on top of the stack.
    fn extend(&mut self, parts: Vec<Value<'a>>) -> Result<Option<Value<'a>>, String> {
        match self.stack.last() {
            Some(Value::List(PartsIndex(index)) | Value::Dict(PartsIndex(index))) => {
                self.parts[*index].extend(parts);
                Ok(None)
            }
            _ => Err("it has a pickle that adds to something else than a list or a dictionary".into()),
        }
    }

    fn remember(&mut self, place: u32) -> Result<Option<Value<'a>>, String> {
        let value = *self.stack.last().ok_or("it has a pickle that remembers the top of an empty stack")?;
        self.memory.insert(place, value);
        Ok(None)
    }

    fn remembered(&mut self, place: u32) -> Result<Value<'a>, String> {
        self.memory.get(&place).copied().ok_or_else(|| "it has a pickle that recalls what it never stored".into())
    }
}

const CUT_OFF: &str = "it ends within a pickle";

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python's `pickle.dumps({"a": [1, -2, 70000, (True, None)], "b": 2**40}, protocol=2)` gives.
    const DICTIONARY: &[u8] = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffJp\x11\x01\x00\
        \x88N\x86q\x03eX\x01\x00\x00\x00bq\x04\x8a\x06\x00\x00\x00\x00\x00\x01u.";

    #[test]
    fn a_dictionary_that_python_wrote_is_read_up_to_its_end() {
        let mut bytes = &[DICTIONARY, b"rest"].concat()[..];
        let pickle = Pickle::read(&mut bytes).unwrap();
        assert_eq!(bytes, b"rest");
        let Value::Dict(dict) = pickle.value else { panic!("{:?}", pickle.value) };
        let &[Value::Text("a"), Value::List(list), Value::Text("b"), Value::Int(large)] = pickle.parts(dict) else {
            panic!("{:?}", pickle.parts(dict))
        };
        assert_eq!(large, 1 << 40);
        let &[Value::Int(1), Value::Int(-2), Value::Int(70_000), Value::Tuple(tuple)] = pickle.parts(list) else {
            panic!("{:?}", pickle.parts(list))
        };
        assert_eq!(pickle.parts(tuple), [Value::Bool(true), Value::None]);
    }

    #[test]
    fn wrong_programs_are_errors() {
        for program in [&b""[..], b"\x80\x04N.", b".", b"t.", b"(0", b"h\x07.", b"N\x86.", b"Na.", b"(N(\x85\x85eu."] {
            assert!(Pickle::read(&mut &*program).is_err(), "{program:?}");
        }
        // A pickle without an end, of as many operations as fit in a file.
        assert!(Pickle::read(&mut &[b'N'; 2 * MAX_OPERATIONS][..]).is_err());
    }
}
