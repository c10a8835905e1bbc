//! Field lines of a validated section, looked up where they lie (RFC 9110, 5). Nothing is copied.
//! Also the comma-separated lists that many field values are.

use super::scan::find_lf;

/// The fields of a head: `name: value` lines, each ended by CRLF, checked before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields<'a> {
    block: &'a [u8],
}

impl<'a> Fields<'a> {
    /// `block` holds whole, valid field lines and nothing else.
    pub(super) fn new(block: &'a [u8]) -> Self {
        Self { block }
    }

    /// The field lines as they came.
    pub(super) fn block(&self) -> &'a [u8] {
        self.block
    }

    /// The value of the first field of that name, in any case of letters.
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// [`Fields::first`] as text; `None` also when it is not UTF-8.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.first(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The values of all fields of that name, in order.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let mut lines = Lines { rest: self.block };
        std::iter::from_fn(move || {
            lines.by_ref().find_map(|line| {
                let (start, rest) = line.split_at_checked(name.len())?;
                let value = rest.strip_prefix(b":")?;
                start.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
            })
        })
    }

    /// Every field in order: name as sent, value without the white space around it.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        Lines { rest: self.block }.filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let name = std::str::from_utf8(&line[..colon]).ok()?;
            Some((name, line[colon + 1..].trim_ascii()))
        })
    }

    /// True when a field of that name holds `token` as an element of its list, in any case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .flat_map(list_elements)
            .any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }
}

/// Lines without their CRLF.
#[derive(Clone, Debug)]
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let lf = find_lf(self.rest)?;
        let line = &self.rest[..lf];
        self.rest = &self.rest[lf + 1..];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// The elements of a comma-separated list, trimmed, empty ones left out (RFC 9110, 5.6.1). Commas
/// inside quoted strings do not part elements.
pub fn list_elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        loop {
            let bytes = rest.take()?;
            let end = unquoted(bytes, b',');
            rest = bytes.get(end + 1..);
            let element = bytes[..end].trim_ascii();
            if !element.is_empty() {
                return Some(element);
            }
        }
    })
}

/// The place of the first `wanted` outside quoted strings, or the length.
pub(super) fn unquoted(bytes: &[u8], wanted: u8) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (place, &byte) in bytes.iter().enumerate() {
        if escaped {
            escaped = false;
        } else if quoted {
            escaped = byte == b'\\';
            quoted = byte != b'"';
        } else if byte == wanted {
            return place;
        } else {
            quoted = byte == b'"';
        }
    }
    bytes.len()
}

/// A byte of a token (RFC 9110, 5.6.2).
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// One or more token bytes.
pub(in crate::proto) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_token_byte)
}

/// A byte that a field's value may hold: printable, space, tab, or above ASCII.
pub(super) fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &[u8] =
        b"Host: a\r\nX-One:\t1 \r\nx-one:2\r\nEmpty:\r\nConnection: a, \"b,c\" ,,D\r\n";

    #[test]
    fn names_are_found_in_any_case_and_values_are_trimmed() {
        let fields = Fields::new(BLOCK);
        assert_eq!(fields.first("host"), Some(&b"a"[..]));
        assert_eq!(fields.all("X-ONE").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(fields.text("empty"), Some(""));
        assert_eq!(fields.first("x-on"), None);
        assert_eq!(fields.iter().count(), 5);
        assert_eq!(fields.iter().nth(1), Some(("X-One", &b"1"[..])));
    }

    #[test]
    fn lists_leave_out_empty_elements_and_keep_quoted_commas() {
        let fields = Fields::new(BLOCK);
        let list: Vec<_> = list_elements(fields.first("connection").unwrap()).collect();
        assert_eq!(list, [&b"a"[..], b"\"b,c\"", b"D"]);
        assert!(fields.has_token("connection", "d"));
        assert!(!fields.has_token("connection", "b"));
        assert_eq!(list_elements(b" , ,").count(), 0);
    }
}
