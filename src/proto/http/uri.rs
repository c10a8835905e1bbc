//! Percent-encoding in paths and queries (RFC 3986, 2.1; queries as HTML forms send them).

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};
use std::borrow::Cow;
use std::fmt;

/// An escape is cut short or not hexadecimal, or the bytes behind the escapes are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedEscape;

impl fmt::Display for MalformedEscape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed percent-encoding, or not UTF-8 behind it")
    }
}

impl std::error::Error for MalformedEscape {}

/// Everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What no request target may hold.
const TARGET: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// The text behind the escapes. `+` stands for itself.
pub fn decode_escapes(text: &str) -> Result<Cow<'_, str>, MalformedEscape> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    decode(text.as_bytes(), false)
}

/// The segments of a path that begins with `/`, decoded one by one, so that `%2F` parts none.
/// `/` has one segment, which is empty.
pub fn path_segments(path: &str) -> impl Iterator<Item = Result<Cow<'_, str>, MalformedEscape>> {
    path.strip_prefix('/').unwrap_or(path).split('/').map(decode_escapes)
}

/// The names and values of a query in order, as forms encode them: `+` is a space, a name without
/// `=` has an empty value, empty parts are left out.
pub fn query_pairs(
    query: &str,
) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), MalformedEscape>> {
    query.split('&').filter(|part| !part.is_empty()).map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Ok((decode_form(name)?, decode_form(value)?))
    })
}

/// A text as one path segment or query value.
pub fn encode_segment(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, SEGMENT)
}

/// Writes a request target, with the bytes escaped that may not stand in one.
pub(super) fn put_target(out: &mut Vec<u8>, target: &str) {
    for part in percent_encode(target.as_bytes(), TARGET) {
        out.extend_from_slice(part.as_bytes());
    }
}

fn decode_form(text: &str) -> Result<Cow<'_, str>, MalformedEscape> {
    if !text.contains(['%', '+']) {
        return Ok(Cow::Borrowed(text));
    }
    decode(text.as_bytes(), true)
}

fn decode(bytes: &[u8], plus_is_space: bool) -> Result<Cow<'static, str>, MalformedEscape> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => {
                let (pair, after) = rest.split_first_chunk::<2>().ok_or(MalformedEscape)?;
                plain.push(hex_digit(pair[0])? << 4 | hex_digit(pair[1])?);
                rest = after;
            }
            b'+' if plus_is_space => plain.push(b' '),
            _ => plain.push(byte),
        }
    }
    String::from_utf8(plain).map(Cow::Owned).map_err(|_| MalformedEscape)
}

fn hex_digit(byte: u8) -> Result<u8, MalformedEscape> {
    char::from(byte).to_digit(16).map(|digit| digit as u8).ok_or(MalformedEscape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn segments_are_parted_before_they_are_decoded() {
        let segments: Vec<_> = path_segments("/stories/a%2Fb%20+c/").map(Result::unwrap).collect();
        assert_eq!(segments, ["stories", "a/b +c", ""]);
        assert_eq!(path_segments("/").map(Result::unwrap).collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn queries_follow_the_rules_of_forms() {
        let pairs: Vec<_> =
            query_pairs("a=1&&b=x+y%2B%26&c&=z&a=2=3").map(Result::unwrap).collect();
        let expected = [("a", "1"), ("b", "x y+&"), ("c", ""), ("", "z"), ("a", "2=3")];
        assert_eq!(pairs.len(), expected.len());
        for ((name, value), (expected_name, expected_value)) in pairs.iter().zip(expected) {
            assert_eq!((name.as_ref(), value.as_ref()), (expected_name, expected_value));
        }
        assert_eq!(query_pairs("").count(), 0);
    }

    #[test]
    fn malformed_escapes_are_errors() {
        for text in ["%", "%4", "%zz", "%+1", "a%", "%ff", "%c3%28", "%-1"] {
            assert_eq!(decode_escapes(text), Err(MalformedEscape), "{text}");
            assert_eq!(query_pairs(text).next(), Some(Err(MalformedEscape)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_encoded_text_decodes_to_itself(text in any::<String>()) {
            let encoded = encode_segment(&text).to_string();
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/'));
            prop_assert_eq!(decode_escapes(&encoded).unwrap(), text.as_str());
            let (name, value) = (encoded.as_str(), encoded.as_str());
            let query = format!("{name}={value}");
            if !text.is_empty() {
                let pair = query_pairs(&query).next().unwrap().unwrap();
                prop_assert_eq!((pair.0.as_ref(), pair.1.as_ref()), (text.as_str(), text.as_str()));
            }
        }
    }
}
