//! The arguments of a call, bound to names as Python binds them.

use crate::proto::pb::{Call, Jelly};
use crate::serve::http::Problem;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

/// Arguments by name beyond this many can only be unknown or repeated ones, and each is compared
/// with all before it.
const NAMED_MAX: usize = 64;

/// What was given, by name; what was given as None was not.
#[derive(Debug)]
pub(super) struct Arguments<'a>(Vec<(&'a str, Jelly<'a>)>);

impl<'a> Arguments<'a> {
    /// Binds arguments by place to `places`, and takes those by name of which `is_known`.
    pub(super) fn bind<O>(
        call: &mut Call<'a, O>,
        places: &[&'a str],
        is_known: impl Fn(&str) -> bool,
    ) -> Result<Self, Problem> {
        let method = call.method;
        if call.args.len() > places.len() {
            let (most, came) = (places.len(), call.args.len());
            let detail = format!("{method} takes {most} arguments by place, {came} were given");
            return Err(Problem::malformed(detail));
        }
        if call.named.len() > NAMED_MAX {
            let came = call.named.len();
            let detail =
                format!("{method} takes at most {NAMED_MAX} arguments by name, not {came}");
            return Err(Problem::malformed(detail));
        }
        let mut bound: Vec<_> = places.iter().copied().zip(call.args.drain(..)).collect();
        for (name, value) in call.named.drain(..) {
            if bound.iter().any(|(known, _)| *known == name) {
                let detail = format!("{method} got several values for {name:?}");
                return Err(Problem::malformed(detail));
            }
            if !places.contains(&name) && !is_known(name) {
                return Err(Problem::malformed(format!("{method} takes no argument {name:?}")));
            }
            bound.push((name, value));
        }
        bound.retain(|(_, value)| *value != Jelly::None);
        Ok(Self(bound))
    }

    /// Takes an argument.
    pub(super) fn take(&mut self, name: &str) -> Option<Jelly<'a>> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Takes an argument that is text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<&'a str>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let text = value.name().ok_or_else(|| Problem::malformed(format!("{name} is no text")));
        text.map(Some)
    }

    /// Takes an argument that is text, and has to be there.
    pub(super) fn needed(&mut self, name: &str) -> Result<&'a str, Problem> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// Takes an argument that is the text of something, or the number.
    pub(super) fn parsed<T: FromStr<Err: Display>>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, Problem> {
        let text = match self.take(name) {
            None => return Ok(None),
            Some(Jelly::Int(number)) => Cow::Owned(number.to_string()),
            Some(other) => match other.name() {
                Some(text) => Cow::Borrowed(text),
                None => return Err(Problem::malformed(format!("{name} is no text"))),
            },
        };
        let parsed = text.parse().map_err(|error| Problem::malformed(format!("{name}: {error}")));
        parsed.map(Some)
    }

    /// Takes a number from 1 to `most`, which is what it is unless given.
    pub(super) fn limit(
        &mut self,
        name: &str,
        default: usize,
        most: i64,
    ) -> Result<usize, Problem> {
        match self.take(name) {
            None => Ok(default),
            Some(Jelly::Int(number)) if (1..=most).contains(&number) => Ok(number as usize),
            Some(_) => Err(Problem::malformed(format!("{name} is a number from 1 to {most}"))),
        }
    }

    /// Takes an object of the caller's.
    pub(super) fn remote(&mut self, name: &str) -> Result<i64, Problem> {
        match self.take(name) {
            Some(Jelly::Remote(id)) => Ok(id),
            Some(_) => Err(Problem::malformed(format!("{name} is no referenceable object"))),
            None => Err(missing(name)),
        }
    }

    /// Takes bytes, or text: bytes that are text are text. What was cut into a list is put
    /// together, so that a caller can send more than the 640 KiB that fit in one string.
    pub(super) fn body(&mut self, name: &str) -> Result<Vec<u8>, Problem> {
        let value = self.take(name).ok_or_else(|| missing(name))?;
        let pieces = match &value {
            Jelly::List(pieces) | Jelly::Tuple(pieces) => &pieces[..],
            one => std::slice::from_ref(one),
        };
        let mut bytes = Vec::new();
        for piece in pieces {
            match piece {
                Jelly::Bytes(piece) => bytes.extend_from_slice(piece),
                Jelly::Text(piece) => bytes.extend_from_slice(piece.as_bytes()),
                _ => return Err(Problem::malformed(format!("{name} is neither bytes nor text"))),
            }
        }
        Ok(bytes)
    }

    /// What is left, as the members of a JSON object.
    pub(super) fn into_json(self) -> Map<String, Value> {
        let member = |(name, value): (&str, Jelly<'_>)| (name.to_owned(), value.to_json());
        self.0.into_iter().map(member).collect()
    }
}

fn missing(name: &str) -> Problem {
    Problem::malformed(format!("the argument {name} is missing"))
}

/// Adds a body to the members of a story's JSON.
pub(super) fn add_body(members: &mut Map<String, Value>, bytes: Vec<u8>) {
    match String::from_utf8(bytes) {
        Ok(text) => {
            members.insert("body".to_owned(), text.into());
        }
        Err(not) => {
            let base64 = STANDARD.encode(not.as_bytes());
            members.insert("body_base64".to_owned(), base64.into());
            let media_type = members.entry("media_type");
            media_type.or_insert_with(|| "application/octet-stream".into());
        }
    }
}
