//! Bytes to a graph of nodes, with a stack of its own.

#![warn(clippy::arithmetic_side_effects)]

use std::sync::Arc;

use bytes::Bytes;

use super::{Complex, Node, Shape, Tables, Traits, marker};
use crate::{
    amf0::{Input, Value},
    error::{Error, InvalidMessage, Unsupported},
};

/// A complex value whose end has not been read.
struct Open {
    node: usize,
    left: Left,
}

/// What comes next inside of it.
enum Left {
    /// Named values up to an empty name, then so many without a name.
    Associative {
        dense: u32,
    },
    Dense(u32),
    /// The values of a class's members, by the index of the next one.
    Sealed {
        traits: Arc<Traits>,
        next: usize,
    },
    /// Named values up to an empty name.
    Dynamic,
    /// Pairs of a key and a value.
    Entries(u32),
}

/// What stands behind a marker.
enum Found {
    Node(usize),
    Open(Open),
}

/// The first number of a complex value: a reference, or what the remaining bits say.
enum Header {
    Reference(usize),
    Inline(u32),
}

impl Tables {
    pub(super) fn read_graph(
        &mut self,
        input: &mut Input<'_>,
        depth: usize,
    ) -> Result<usize, Error> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            let ended = match open.last_mut() {
                Some(parent) => !self.expects_child(parent, input)?,
                None => false,
            };
            let found = match open.pop_if(|_| ended) {
                Some(ended) => Found::Node(ended.node),
                None => self.value(input)?,
            };
            let node = match found {
                Found::Node(node) => node,
                Found::Open(container) => {
                    input.check_depth(depth.saturating_add(open.len()))?;
                    open.push(container);
                    continue;
                }
            };
            match open.last() {
                Some(parent) => self.add_child(parent.node, node),
                None => return Ok(node),
            }
        }
    }

    /// Whether a value follows inside of `parent`; its name has been read then.
    fn expects_child(&mut self, parent: &mut Open, input: &mut Input<'_>) -> Result<bool, Error> {
        let name = match &mut parent.left {
            Left::Associative { dense } => {
                let name = self.string(input)?;
                if name.is_empty() {
                    parent.left = Left::Dense(*dense);
                    return self.expects_child_without_name(parent);
                }
                name
            }
            Left::Dense(_) => return self.expects_child_without_name(parent),
            Left::Sealed { traits, next } => match traits.sealed.get(*next) {
                Some(name) => {
                    *next = next.saturating_add(1);
                    Arc::clone(name)
                }
                None if !traits.dynamic => return Ok(false),
                None => {
                    parent.left = Left::Dynamic;
                    self.string(input)?
                }
            },
            Left::Dynamic => self.string(input)?,
            Left::Entries(0) => return Ok(false),
            Left::Entries(left) => {
                *left = left.saturating_sub(1);
                self.key(input)?
            }
        };
        if name.is_empty() && matches!(parent.left, Left::Dynamic) {
            return Ok(false);
        }
        if let Some(complex) = self.complex(parent.node) {
            complex.names.push(name);
        }
        Ok(true)
    }

    fn expects_child_without_name(&self, parent: &mut Open) -> Result<bool, Error> {
        match &mut parent.left {
            Left::Dense(left @ 1..) => {
                *left = left.saturating_sub(1);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn value(&mut self, input: &mut Input<'_>) -> Result<Found, Error> {
        self.count(input)?;
        let at = input.at();
        let marker = input.u8()?;
        let plain = match marker {
            marker::UNDEFINED => Value::Undefined,
            marker::NULL => Value::Null,
            marker::FALSE => Value::Boolean(false),
            marker::TRUE => Value::Boolean(true),
            marker::INTEGER => Value::Number(integer(input)?),
            marker::DOUBLE => Value::Number(input.f64()?),
            marker::STRING => {
                let text = self.string(input)?;
                return Ok(Found::Node(self.add(Node::Text(text))));
            }
            marker::XML_DOCUMENT..=marker::DICTIONARY => return self.complex_value(marker, input),
            marker => return Err(Unsupported::Amf3Marker { marker, at }.into()),
        };
        Ok(Found::Node(self.add(Node::Plain(plain))))
    }

    /// A value that may be a reference to an older one.
    fn complex_value(&mut self, marker: u8, input: &mut Input<'_>) -> Result<Found, Error> {
        let count = match self.header(input)? {
            Header::Reference(node) => return Ok(Found::Node(node)),
            Header::Inline(count) => count,
        };
        let plain = match marker {
            marker::XML_DOCUMENT | marker::XML => Value::XmlDocument(input.text(to_usize(count))?),
            marker::DATE => Value::Date {
                unix_millis: input.f64()?,
                time_zone: 0,
            },
            marker::BYTE_ARRAY => {
                Value::ByteArray(Bytes::copy_from_slice(input.take(to_usize(count))?))
            }
            marker::ARRAY => {
                return Ok(self.open(Shape::Array, Left::Associative { dense: count }));
            }
            marker::OBJECT => {
                let traits = self.traits(count, input)?;
                let class_name = Arc::clone(&traits.class_name);
                let left = Left::Sealed { traits, next: 0 };
                return Ok(self.open(Shape::Object { class_name }, left));
            }
            marker::DICTIONARY => {
                // Whether the sender's table holds its keys weakly.
                input.u8()?;
                return Ok(self.open(Shape::Dictionary, Left::Entries(count)));
            }
            _ => return self.vector(marker, count, input),
        };
        let node = self.add(Node::Plain(plain));
        self.objects.push(node);
        Ok(Found::Node(node))
    }

    fn vector(&mut self, marker: u8, count: u32, input: &mut Input<'_>) -> Result<Found, Error> {
        let at = input.at();
        // Whether the sender's vector is of fixed length.
        input.u8()?;
        if marker == marker::VECTOR_OBJECT {
            // Name of the elements' class; each element says its own again.
            self.string(input)?;
            return Ok(self.open(Shape::Array, Left::Dense(count)));
        }
        let vector = self.add_complex(Shape::Array);
        for _ in 0..count {
            self.count(input)?;
            let number = match marker {
                marker::VECTOR_INT => f64::from(input.u32()?.cast_signed()),
                marker::VECTOR_UINT => f64::from(input.u32()?),
                marker::VECTOR_DOUBLE => input.f64()?,
                marker => return Err(Unsupported::Amf3Marker { marker, at }.into()),
            };
            let element = self.add(Node::Plain(Value::Number(number)));
            self.add_child(vector, element);
        }
        Ok(Found::Node(vector))
    }

    /// What an object's first number says of its class; `flags` begins with the second bit (AMF3 §3.12).
    fn traits(&mut self, flags: u32, input: &mut Input<'_>) -> Result<Arc<Traits>, Error> {
        let at = input.at();
        if flags & 1 == 0 {
            let known = self.traits.get(to_usize(flags >> 1));
            return known
                .cloned()
                .ok_or_else(|| InvalidMessage::AmfReference { at }.into());
        }
        if flags & 2 != 0 {
            return Err(Unsupported::Externalizable { at }.into());
        }
        let class_name = self.string(input)?;
        let mut sealed = Vec::new();
        for _ in 0..flags >> 3 {
            self.sealed_names = self.sealed_names.saturating_add(1);
            input.check_values(self.sealed_names)?;
            sealed.push(self.string(input)?);
        }
        let traits = Arc::new(Traits {
            class_name,
            sealed,
            dynamic: flags & 4 != 0,
        });
        self.traits.push(Arc::clone(&traits));
        Ok(traits)
    }

    fn header(&self, input: &mut Input<'_>) -> Result<Header, Error> {
        let at = input.at();
        let number = u29(input)?;
        if number & 1 == 1 {
            return Ok(Header::Inline(number >> 1));
        }
        match self.objects.get(to_usize(number >> 1)) {
            Some(node) => Ok(Header::Reference(*node)),
            None => Err(InvalidMessage::AmfReference { at }.into()),
        }
    }

    /// Text without a marker (AMF3 §1.3.2). The empty one is never referred to.
    fn string(&mut self, input: &mut Input<'_>) -> Result<Arc<str>, Error> {
        let at = input.at();
        let number = u29(input)?;
        if number & 1 == 0 {
            let known = self.strings.get(to_usize(number >> 1));
            return known
                .cloned()
                .ok_or_else(|| InvalidMessage::AmfReference { at }.into());
        }
        let text: Arc<str> = input.text(to_usize(number >> 1))?.into();
        if !text.is_empty() {
            self.strings.push(Arc::clone(&text));
        }
        Ok(text)
    }

    /// The key of a dictionary's entry as text; Flash writes whole numbers as text already (AMF3 §3.16).
    fn key(&mut self, input: &mut Input<'_>) -> Result<Arc<str>, Error> {
        let at = input.at();
        match input.u8()? {
            marker::STRING => self.string(input),
            marker::INTEGER => Ok(integer(input)?.to_string().into()),
            marker::DOUBLE => Ok(input.f64()?.to_string().into()),
            _ => Err(Unsupported::DictionaryKey { at }.into()),
        }
    }

    fn open(&mut self, shape: Shape, left: Left) -> Found {
        let node = self.add_complex(shape);
        Found::Open(Open { node, left })
    }

    fn add_complex(&mut self, shape: Shape) -> usize {
        let node = self.add(Node::Complex(Complex {
            shape,
            names: Vec::new(),
            children: Vec::new(),
        }));
        self.objects.push(node);
        node
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len().saturating_sub(1)
    }

    fn add_child(&mut self, parent: usize, child: usize) {
        if let Some(complex) = self.complex(parent) {
            complex.children.push(child);
        }
    }

    fn complex(&mut self, node: usize) -> Option<&mut Complex> {
        match self.nodes.get_mut(node) {
            Some(Node::Complex(complex)) => Some(complex),
            _ => None,
        }
    }

    fn count(&mut self, input: &Input<'_>) -> Result<(), Error> {
        self.edges = self.edges.saturating_add(1);
        input.check_values(self.edges)
    }
}

/// AMF3 §3.6: 29 bits, of which the first is the sign.
fn integer(input: &mut Input<'_>) -> Result<f64, Error> {
    let bits = u29(input)?.cast_signed();
    Ok(f64::from((bits << 3) >> 3))
}

/// AMF3 §1.3.1: seven bits in each of up to three bytes, then all eight of a fourth.
fn u29(input: &mut Input<'_>) -> Result<u32, Error> {
    let mut value = 0;
    for _ in 0..3 {
        let byte = input.u8()?;
        value = value << 7 | u32::from(byte & 0x7F);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Ok(value << 8 | u32::from(input.u8()?))
}

fn to_usize(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
