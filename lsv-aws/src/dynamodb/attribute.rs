//! JSON as attributes of DynamoDB.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Number, Value};

/// The attribute for a JSON value.
pub(super) fn of(value: Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(flag) => AttributeValue::Bool(flag),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text),
        Value::Array(values) => AttributeValue::L(values.into_iter().map(of).collect()),
        Value::Object(fields) => AttributeValue::M(
            fields
                .into_iter()
                .map(|(name, value)| (name, of(value)))
                .collect(),
        ),
    }
}

/// The JSON value of an attribute; `None` for sets and bytes, which nothing here writes.
pub(super) fn json(attribute: &AttributeValue) -> Option<Value> {
    Some(match attribute {
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::Bool(flag) => Value::Bool(*flag),
        AttributeValue::N(text) => match text.parse::<Number>() {
            Ok(number) => Value::Number(number),
            Err(_) => return None,
        },
        AttributeValue::S(text) => Value::String(text.clone()),
        AttributeValue::L(values) => values.iter().map(json).collect::<Option<_>>()?,
        AttributeValue::M(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| Some((name.clone(), json(value)?)));
            Value::Object(fields.collect::<Option<Map<_, _>>>()?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_comes_back() {
        let value = json!({"a": [1, "x", true, null], "b": {"c": -2.5}, "d": u64::MAX});
        assert_eq!(json(&of(value.clone())), Some(value));
        assert_eq!(json(&AttributeValue::Ss(vec![])), None);
        assert_eq!(json(&AttributeValue::N("much".to_owned())), None);
    }
}
