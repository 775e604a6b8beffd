//! Bytes to values, with a stack of its own.

#![warn(clippy::arithmetic_side_effects)]

use super::{Object, Value, input::Input, marker};
use crate::{
    Limits, amf3,
    error::{Error, InvalidMessage, Unsupported},
};

/// Decodes every value of a message body.
///
/// # Errors
/// See [`Decoder::next`].
pub fn decode_all(input: &[u8], limits: &Limits) -> Result<Vec<Value>, Error> {
    let mut decoder = Decoder::new(input, limits);
    let mut values = Vec::new();
    while let Some(value) = decoder.next()? {
        values.push(value);
    }
    Ok(values)
}

/// Reads values one after another from a message body.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    input: Input<'a>,
    /// What references inside AMF3 point to; made when the first such value comes.
    amf3: Option<amf3::Tables>,
}

impl<'a> Decoder<'a> {
    /// Starts at the first byte of `input`, which holds nothing but AMF0.
    pub fn new(input: &'a [u8], limits: &Limits) -> Self {
        Self {
            input: Input::new(input, limits),
            amf3: None,
        }
    }

    /// The next value, or `None` at the end of the input. A value in AMF3 (AMF0 §3.1) comes as the AMF0 one that says the
    /// same; see [`amf3`].
    ///
    /// # Errors
    /// [`InvalidMessage`] where the bytes are not AMF0, [`Unsupported`] for movie clips and record sets, and for what
    /// [`amf3`] leaves out, [`Limit`](crate::error::Limit) for input that is too deep, has too many values or too long a
    /// string. The decoder is of no use after an error.
    #[expect(
        clippy::should_implement_trait,
        reason = "fallible, so no Iterator; the name follows the other decoders"
    )]
    pub fn next(&mut self) -> Result<Option<Value>, Error> {
        if self.input.rest().is_empty() {
            return Ok(None);
        }
        let mut open: Vec<Container> = Vec::new();
        loop {
            let value = match self.step(&mut open)? {
                Step::Value(value) => value,
                Step::Open(container) => {
                    self.input.check_depth(open.len())?;
                    open.push(container);
                    continue;
                }
                Step::Close => match open.pop() {
                    Some(container) => container.close(),
                    None => {
                        let at = self.input.at();
                        return Err(InvalidMessage::AmfObjectEnd { at }.into());
                    }
                },
            };
            // A finished value belongs to the container around it, and may finish that too on the next step.
            match open.last_mut() {
                Some(parent) => parent.push(value),
                None => return Ok(Some(value)),
            }
        }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.input.rest()
    }

    /// Whether a value in AMF3 has been read.
    pub(crate) fn met_amf3(&self) -> bool {
        self.amf3.is_some()
    }

    fn step(&mut self, open: &mut [Container]) -> Result<Step, Error> {
        let depth = open.len();
        if let Some(container) = open.last_mut() {
            match &mut container.kind {
                Kind::StrictArray { left: 0 } => return Ok(Step::Close),
                Kind::StrictArray { left } => *left = left.saturating_sub(1),
                Kind::Object | Kind::EcmaArray | Kind::Typed { .. } => {
                    let name = self.string()?;
                    // An empty name is the end only together with its marker: encoders do write empty names.
                    if name.is_empty() && self.input.rest().first() == Some(&marker::OBJECT_END) {
                        self.input.u8()?;
                        return Ok(Step::Close);
                    }
                    container.name = name;
                }
            }
        }
        self.value(depth)
    }

    fn value(&mut self, depth: usize) -> Result<Step, Error> {
        let at = self.input.at();
        let marker = self.input.u8()?;
        if marker == marker::AVM_PLUS {
            let tables = self.amf3.get_or_insert_default();
            return tables.read(&mut self.input, depth).map(Step::Value);
        }
        self.input.count_value()?;
        let value = match marker {
            marker::NUMBER => Value::Number(self.input.f64()?),
            marker::BOOLEAN => Value::Boolean(self.input.u8()? != 0),
            marker::STRING => Value::String(self.string()?),
            marker::LONG_STRING => Value::String(self.long_string()?),
            marker::XML_DOCUMENT => Value::XmlDocument(self.long_string()?),
            marker::NULL => Value::Null,
            marker::UNDEFINED => Value::Undefined,
            marker::UNSUPPORTED => Value::Unsupported,
            marker::REFERENCE => Value::Reference(self.input.u16()?),
            marker::DATE => Value::Date {
                unix_millis: self.input.f64()?,
                time_zone: self.input.u16()?.cast_signed(),
            },
            marker::OBJECT => return Ok(Step::Open(Container::new(Kind::Object))),
            marker::ECMA_ARRAY => {
                self.input.u32()?;
                return Ok(Step::Open(Container::new(Kind::EcmaArray)));
            }
            marker::STRICT_ARRAY => {
                let left = self.input.u32()?;
                return Ok(Step::Open(Container::new(Kind::StrictArray { left })));
            }
            marker::TYPED_OBJECT => {
                let class_name = self.string()?;
                return Ok(Step::Open(Container::new(Kind::Typed { class_name })));
            }
            marker::OBJECT_END => return Err(InvalidMessage::AmfObjectEnd { at }.into()),
            marker => return Err(Unsupported::AmfMarker { marker, at }.into()),
        };
        Ok(Step::Value(value))
    }

    fn string(&mut self) -> Result<String, Error> {
        let length = self.input.u16()?;
        self.input.text(usize::from(length))
    }

    fn long_string(&mut self) -> Result<String, Error> {
        let length = self.input.u32()?;
        self.input
            .text(usize::try_from(length).unwrap_or(usize::MAX))
    }
}

enum Step {
    Value(Value),
    Open(Container),
    Close,
}

/// An object or array whose end has not been read.
struct Container {
    kind: Kind,
    /// Name of the property whose value comes next.
    name: String,
    properties: Vec<(String, Value)>,
    elements: Vec<Value>,
}

enum Kind {
    Object,
    EcmaArray,
    StrictArray { left: u32 },
    Typed { class_name: String },
}

impl Container {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            name: String::new(),
            properties: Vec::new(),
            elements: Vec::new(),
        }
    }

    fn push(&mut self, value: Value) {
        match self.kind {
            Kind::StrictArray { .. } => self.elements.push(value),
            _ => self
                .properties
                .push((std::mem::take(&mut self.name), value)),
        }
    }

    fn close(self) -> Value {
        let object = Object(self.properties);
        match self.kind {
            Kind::Object => Value::Object(object),
            Kind::EcmaArray => Value::EcmaArray(object),
            Kind::StrictArray { .. } => Value::StrictArray(self.elements),
            Kind::Typed { class_name } => Value::TypedObject { class_name, object },
        }
    }
}
