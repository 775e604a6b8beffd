//! AMF3, the notation that AMF0 can switch to for one value (Adobe AMF 3, January 2013; AMF0 §3.1).
//!
//! Clients that announce an object encoding of 3 may put it into commands and data (message types 17 and 15). It is read
//! and never written: what comes out is the AMF0 value that says the same, so nothing behind this module has to know two
//! notations. [`amf0::Decoder`](crate::amf0::Decoder) calls it where the marker 0x11 stands; [`decode_all`] is for AMF3
//! alone.
//!
//! | AMF3 | here |
//! | --- | --- |
//! | integer, double | [`Value::Number`] |
//! | XML, XML document | [`Value::XmlDocument`] |
//! | array without names, vector | [`Value::StrictArray`] |
//! | array with names, dictionary with plain keys | [`Value::EcmaArray`], the dense part under `0`, `1` and so on |
//! | object | [`Value::Object`], [`Value::TypedObject`] where its class has a name |
//! | byte array | [`Value::ByteArray`] |
//! | externalizable object, dictionary with other keys, an object inside itself | refused |
//!
//! References are written out, and count as what they stand for: a few bytes that refer to each other cannot become
//! more than [`Limits`] allow. The tables they point into hold for a whole message, as Flash Media Server has it.

mod read;
mod unfold;

use std::sync::Arc;

use crate::{
    Limits,
    amf0::{Input, Value},
    error::Error,
};

/// Decodes bytes that hold AMF3 values and nothing else.
///
/// # Errors
/// [`InvalidMessage`](crate::error::InvalidMessage) where the bytes are not AMF3,
/// [`Unsupported`](crate::error::Unsupported) for what is left out, [`Limit`](crate::error::Limit) for input that is too
/// deep, has too many values or too much text.
pub fn decode_all(input: &[u8], limits: &Limits) -> Result<Vec<Value>, Error> {
    let mut input = Input::new(input, limits);
    let mut tables = Tables::default();
    let mut values = Vec::new();
    while !input.rest().is_empty() {
        values.push(tables.read(&mut input, 0)?);
    }
    Ok(values)
}

/// What references of one message may point to (AMF3 §2.2).
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    strings: Vec<Arc<str>>,
    traits: Vec<Arc<Traits>>,
    /// Member names in all `traits`.
    sealed_names: usize,
    /// The complex values in the order in which they began, each an index into `nodes`.
    objects: Vec<usize>,
    /// All values as they stand on the wire: a graph, because a reference is an edge to an older node.
    nodes: Vec<Node>,
    /// Values and references read.
    edges: usize,
}

impl Tables {
    /// Reads one value that is nested in `depth` others.
    pub(crate) fn read(&mut self, input: &mut Input<'_>, depth: usize) -> Result<Value, Error> {
        let root = self.read_graph(input, depth)?;
        self.unfold(root, input, depth)
    }
}

/// What objects of one class have in common (AMF3 §3.12).
#[derive(Debug)]
struct Traits {
    class_name: Arc<str>,
    sealed: Vec<Arc<str>>,
    dynamic: bool,
}

#[derive(Clone, Debug)]
enum Node {
    /// A value without parts.
    Plain(Value),
    Text(Arc<str>),
    Complex(Complex),
}

#[derive(Clone, Debug)]
struct Complex {
    shape: Shape,
    /// Names of the first children; an array may have children without one after them.
    names: Vec<Arc<str>>,
    children: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Shape {
    Array,
    Dictionary,
    Object { class_name: Arc<str> },
}

/// Type markers (AMF3 §3.1).
pub(crate) mod marker {
    pub(crate) const UNDEFINED: u8 = 0x00;
    pub(crate) const NULL: u8 = 0x01;
    pub(crate) const FALSE: u8 = 0x02;
    pub(crate) const TRUE: u8 = 0x03;
    pub(crate) const INTEGER: u8 = 0x04;
    pub(crate) const DOUBLE: u8 = 0x05;
    pub(crate) const STRING: u8 = 0x06;
    pub(crate) const XML_DOCUMENT: u8 = 0x07;
    pub(crate) const DATE: u8 = 0x08;
    pub(crate) const ARRAY: u8 = 0x09;
    pub(crate) const OBJECT: u8 = 0x0A;
    pub(crate) const XML: u8 = 0x0B;
    pub(crate) const BYTE_ARRAY: u8 = 0x0C;
    pub(crate) const VECTOR_INT: u8 = 0x0D;
    pub(crate) const VECTOR_UINT: u8 = 0x0E;
    pub(crate) const VECTOR_DOUBLE: u8 = 0x0F;
    pub(crate) const VECTOR_OBJECT: u8 = 0x10;
    pub(crate) const DICTIONARY: u8 = 0x11;
}

#[cfg(test)]
mod tests;
