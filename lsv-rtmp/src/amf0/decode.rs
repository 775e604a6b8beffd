//! Bytes to values, with a stack of its own.

#![warn(clippy::arithmetic_side_effects)]

use nom::{
    IResult, Parser,
    bytes::complete::take,
    combinator::map,
    multi::length_data,
    number::complete::{be_f64, be_i16, be_u8, be_u16, be_u32},
};

use super::{Object, Value, marker};
use crate::{
    Limits,
    error::{Error, InvalidMessage, Limit, Unsupported},
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
    input: &'a [u8],
    length: usize,
    values: usize,
    max_depth: usize,
    max_values: usize,
    max_string: usize,
}

impl<'a> Decoder<'a> {
    /// Starts at the first byte of `input`, which holds nothing but AMF0.
    pub fn new(input: &'a [u8], limits: &Limits) -> Self {
        Self {
            input,
            length: input.len(),
            values: 0,
            max_depth: limits.amf_depth,
            max_values: limits.amf_values,
            max_string: limits.amf_string_bytes,
        }
    }

    /// The next value, or `None` at the end of the input.
    ///
    /// # Errors
    /// [`InvalidMessage`] where the bytes are not AMF0, [`Unsupported`] for references and AMF3, [`Limit`] for input
    /// that is too deep, has too many values or too long a string. The decoder is of no use after an error.
    #[expect(
        clippy::should_implement_trait,
        reason = "fallible, so no Iterator; the name follows the other decoders"
    )]
    pub fn next(&mut self) -> Result<Option<Value>, Error> {
        if self.input.is_empty() {
            return Ok(None);
        }
        let mut open: Vec<Container> = Vec::new();
        loop {
            let value = match self.step(open.last_mut())? {
                Step::Value(value) => value,
                Step::Open(container) => {
                    if open.len() >= self.max_depth {
                        return Err(Limit::AmfDepth(self.max_depth).into());
                    }
                    open.push(container);
                    continue;
                }
                Step::Close => match open.pop() {
                    Some(container) => container.close(),
                    None => return Err(InvalidMessage::AmfObjectEnd { at: self.at() }.into()),
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
        self.input
    }

    fn at(&self) -> usize {
        self.length.saturating_sub(self.input.len())
    }

    fn step(&mut self, parent: Option<&mut Container>) -> Result<Step, Error> {
        if let Some(container) = parent {
            match &mut container.kind {
                Kind::StrictArray { left: 0 } => return Ok(Step::Close),
                Kind::StrictArray { left } => *left = left.saturating_sub(1),
                Kind::Object | Kind::EcmaArray | Kind::Typed { .. } => {
                    let name = self.string()?;
                    // An empty name is the end only together with its marker: encoders do write empty names.
                    if name.is_empty() && self.input.first() == Some(&marker::OBJECT_END) {
                        self.read(be_u8)?;
                        return Ok(Step::Close);
                    }
                    container.name = name;
                }
            }
        }
        self.value()
    }

    fn value(&mut self) -> Result<Step, Error> {
        self.values = self.values.saturating_add(1);
        if self.values > self.max_values {
            return Err(Limit::AmfValues(self.max_values).into());
        }
        let at = self.at();
        let marker = self.read(be_u8)?;
        let value = match marker {
            marker::NUMBER => Value::Number(self.read(be_f64)?),
            marker::BOOLEAN => Value::Boolean(self.read(be_u8)? != 0),
            marker::STRING => Value::String(self.string()?),
            marker::LONG_STRING => Value::String(self.long_string()?),
            marker::XML_DOCUMENT => Value::XmlDocument(self.long_string()?),
            marker::NULL => Value::Null,
            marker::UNDEFINED => Value::Undefined,
            marker::UNSUPPORTED => Value::Unsupported,
            marker::DATE => {
                let (unix_millis, time_zone) = self.read((be_f64, be_i16))?;
                Value::Date {
                    unix_millis,
                    time_zone,
                }
            }
            marker::OBJECT => return Ok(Step::Open(Container::new(Kind::Object))),
            marker::ECMA_ARRAY => {
                self.read(be_u32)?;
                return Ok(Step::Open(Container::new(Kind::EcmaArray)));
            }
            marker::STRICT_ARRAY => {
                let left = self.read(be_u32)?;
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
        let bytes = self.read(length_data(be_u16))?;
        self.text(bytes)
    }

    fn long_string(&mut self) -> Result<String, Error> {
        let length = self.read(map(be_u32, |length| {
            usize::try_from(length).unwrap_or(usize::MAX)
        }))?;
        if length > self.max_string {
            return Err(Limit::AmfStringBytes(self.max_string).into());
        }
        let bytes = self.read(take(length))?;
        self.text(bytes)
    }

    fn text(&self, bytes: &[u8]) -> Result<String, Error> {
        if bytes.len() > self.max_string {
            return Err(Limit::AmfStringBytes(self.max_string).into());
        }
        // Some encoders write the system's code page; a wrong letter in a comment is no reason to end a broadcast.
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    fn read<O>(
        &mut self,
        mut parser: impl Parser<&'a [u8], Output = O, Error = nom::error::Error<&'a [u8]>>,
    ) -> Result<O, Error> {
        let result: IResult<&'a [u8], O> = parser.parse(self.input);
        let Ok((rest, output)) = result else {
            return Err(InvalidMessage::AmfTruncated { at: self.at() }.into());
        };
        self.input = rest;
        Ok(output)
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
