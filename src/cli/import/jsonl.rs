//! JSON Lines: one object a line; a key may be a path into it, like `meta.title`.

use super::super::failure::Failure;
use super::item::{Found, Sink};
use super::rows::Rows;
use serde_json::Value;
use std::borrow::Cow;
use std::io::BufRead;

/// Reads all lines of `input`; empty ones are passed over.
pub(super) fn read(
    mut input: impl BufRead,
    rows: &mut Rows,
    sink: Sink<'_>,
) -> Result<(), Failure> {
    let mut line = Vec::new();
    let mut position = 0;
    for number in 1_u64.. {
        line.clear();
        let read = input.read_until(b'\n', &mut line);
        let read = read.map_err(|error| Failure::failed(format!("cannot read: {error}")))?;
        if read == 0 {
            break;
        }
        position += read as u64;
        if sink(Found::Position(position)).is_break() {
            break;
        }
        let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii();
        if text.is_empty() {
            continue;
        }
        let place = format!("line {number}");
        let taken = match serde_json::from_slice(text) {
            Ok(value @ Value::Object(_)) => {
                rows.take(&place, &|column| field(&value, column), sink)
            }
            Ok(_) | Err(_) => sink(Found::Refused("not a JSON object", place)),
        };
        if taken.is_break() {
            break;
        }
    }
    Ok(())
}

/// The value at a key, or at a path of keys with dots between; text and numbers only.
fn field<'a>(object: &'a Value, column: &str) -> Option<Cow<'a, str>> {
    let value = object
        .get(column)
        .or_else(|| column.split('.').try_fold(object, |value, key| value.get(key)))?;
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::item::tests::collect;
    use super::super::map::ColumnMap;
    use super::*;

    #[test]
    fn lines_become_stories_and_broken_ones_are_refused() {
        let first = r#"{"id":7,"meta":{"t":"A"},"text":"one","lat":1,"lon":-2.5}"#;
        let last = r#"{"meta":{"t":"B"},"text":"two"}"#;
        let text = format!("\u{feff}{first}\n\n[1]\n{{\"text\n{last}");
        let map = ColumnMap::parse(Some("headline=meta.t")).unwrap();
        let mut rows = Rows::new(map);
        let found = collect(|sink| read(text.as_bytes(), &mut rows, sink)).unwrap();
        assert!(matches!(&found[0], Found::Edition(edition)
            if edition.title == "A" && edition.located == Some((1.0, -2.5))));
        assert_eq!(found[1], Found::Refused("not a JSON object", "line 3".into()));
        assert_eq!(found[2], Found::Refused("not a JSON object", "line 4".into()));
        assert!(matches!(&found[3], Found::Edition(edition) if edition.body == "two"));
    }
}
