//! Values and JSON: dictionaries have the keys that our JSON has.

use super::jelly::Jelly;
use crate::proto::banana::SIZE_MAX;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

impl<'a> Jelly<'a> {
    /// JSON as a value. Texts over Banana's limit are left out of the object that they stand in,
    /// which then names them in `left_out`.
    pub fn of_json(json: &'a Value) -> Self {
        match json {
            Value::Null => Self::None,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => match number.as_i64() {
                Some(value) => Self::Int(value),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Self::Text(text),
            Value::Array(items) => Self::List(items.iter().map(Self::of_json).collect()),
            Value::Object(members) => Self::of_members(members),
        }
    }

    fn of_members(members: &'a Map<String, Value>) -> Self {
        let mut pairs = Vec::with_capacity(members.len());
        let mut left_out = Vec::new();
        for (key, value) in members {
            if value.as_str().is_some_and(|text| text.len() > SIZE_MAX) {
                left_out.push(Self::Text(key));
            } else {
                pairs.push((Self::Text(key), Self::of_json(value)));
            }
        }
        if !left_out.is_empty() {
            pairs.push((Self::Text("left_out"), Self::List(left_out)));
        }
        Self::Dict(pairs)
    }

    /// The value as JSON: bytes as the text that they are, else as `{"base64": …}`; references
    /// and copies by what they are called.
    pub fn to_json(&self) -> Value {
        let word = |word: &str, value: Value| Value::Object(Map::from_iter([(word.into(), value)]));
        match self {
            Self::None => Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => (*value).into(),
            Self::Big(value) => float(value.as_f64()),
            Self::Float(value) => float(*value),
            Self::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => text.into(),
                Err(_) => word("base64", STANDARD.encode(bytes).into()),
            },
            Self::Text(text) => (*text).into(),
            Self::List(of) | Self::Tuple(of) | Self::Set(of) | Self::FrozenSet(of) => {
                of.iter().map(Self::to_json).collect()
            }
            Self::Dict(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| (key.as_key(), value.to_json()));
                Value::Object(pairs.collect())
            }
            Self::Moment(_, numbers) => numbers.iter().copied().collect(),
            Self::Decimal(value, exponent) => format!("{value}e{exponent}").into(),
            Self::Remote(id) => word("remote", (*id).into()),
            Self::Local(_) => word("local", Value::Null),
            Self::Copy(tag, state) => word(tag, state.to_json()),
            Self::Unpersistable(why) => word("unpersistable", (*why).into()),
        }
    }

    /// As JSON has keys: text.
    fn as_key(&self) -> String {
        match self.to_json() {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }
}

/// JSON has no infinity, and nothing that is not a number.
fn float(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}
