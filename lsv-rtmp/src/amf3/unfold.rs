//! A graph of nodes to a value: references become what they stand for, within the limits.

#![warn(clippy::arithmetic_side_effects)]

use super::{Complex, Node, Shape, Tables};
use crate::{
    amf0::{Input, Object, Value},
    error::{Error, Unsupported},
};

/// A complex value that is being written out.
struct Unfolding<'a> {
    node: usize,
    complex: &'a Complex,
    values: Vec<Value>,
}

impl Tables {
    pub(super) fn unfold(
        &self,
        root: usize,
        input: &mut Input<'_>,
        depth: usize,
    ) -> Result<Value, Error> {
        let mut open = Vec::new();
        let mut value = self.visit(root, &mut open, input, depth)?;
        loop {
            value = match (value, open.last_mut()) {
                (Some(value), Some(parent)) => {
                    parent.values.push(value);
                    None
                }
                (None, Some(parent)) => match parent.next_child() {
                    Some(child) => self.visit(child, &mut open, input, depth)?,
                    None => open.pop().map(|ended| ended.close(input)).transpose()?,
                },
                (value, None) => return Ok(value.unwrap_or(Value::Undefined)),
            };
        }
    }

    /// The value of a node without parts; one with parts is opened.
    fn visit<'a>(
        &'a self,
        node: usize,
        open: &mut Vec<Unfolding<'a>>,
        input: &mut Input<'_>,
        depth: usize,
    ) -> Result<Option<Value>, Error> {
        input.count_value()?;
        match self.nodes.get(node) {
            Some(Node::Text(text)) => {
                input.count_copy(text.len())?;
                Ok(Some(Value::from(&**text)))
            }
            Some(Node::Plain(value)) => {
                match value {
                    Value::XmlDocument(text) => input.count_copy(text.len())?,
                    // Shared here, but written out by whoever sends the value on.
                    Value::ByteArray(bytes) => input.count_copy(bytes.len())?,
                    _ => {}
                }
                Ok(Some(value.clone()))
            }
            Some(Node::Complex(complex)) => {
                if open.iter().any(|outer| outer.node == node) {
                    return Err(Unsupported::AmfCycle.into());
                }
                input.check_depth(depth.saturating_add(open.len()))?;
                open.push(Unfolding {
                    node,
                    complex,
                    values: Vec::new(),
                });
                Ok(None)
            }
            None => Ok(Some(Value::Undefined)),
        }
    }
}

impl Unfolding<'_> {
    fn next_child(&self) -> Option<usize> {
        self.complex.children.get(self.values.len()).copied()
    }

    fn close(self, input: &mut Input<'_>) -> Result<Value, Error> {
        let class_name = match &self.complex.shape {
            Shape::Array if self.complex.names.is_empty() => {
                return Ok(Value::StrictArray(self.values));
            }
            Shape::Array | Shape::Dictionary => None,
            Shape::Object { class_name } => Some(class_name),
        };
        let names = &self.complex.names;
        let mut object = Object::new();
        for (index, value) in self.values.into_iter().enumerate() {
            let name = match names.get(index) {
                Some(name) => name.to_string(),
                None => index.saturating_sub(names.len()).to_string(),
            };
            input.count_copy(name.len())?;
            object.0.push((name, value));
        }
        Ok(match class_name {
            None => Value::EcmaArray(object),
            Some(name) if name.is_empty() => Value::Object(object),
            Some(name) => {
                input.count_copy(name.len())?;
                Value::TypedObject {
                    class_name: name.to_string(),
                    object,
                }
            }
        })
    }
}
