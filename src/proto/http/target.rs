//! The request target in its four forms (RFC 9112, 3.2) and the authority (RFC 3986, 3.2).

use super::error::{Fault, HttpErrorKind};
use super::head::Method;

/// What a request is for. Bytes stand as sent, escapes and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// `/path?query`: the usual form.
    Origin {
        /// From the first `/` up to `?`.
        path: &'a str,
        /// What follows `?`, if there is one.
        query: Option<&'a str>,
    },
    /// `http://authority/path?query`, as to a proxy; its authority counts instead of Host.
    Absolute {
        /// `host[:port]`.
        authority: &'a str,
        /// The path; `/` when it is empty.
        path: &'a str,
        /// What follows `?`, if there is one.
        query: Option<&'a str>,
    },
    /// `host:port`, only with CONNECT.
    Authority(&'a str),
    /// `*`, only with OPTIONS.
    Asterisk,
}

impl<'a> Target<'a> {
    /// Splits a target; the fault's place counts from its first byte. It must be in a form that
    /// fits the method, of bytes that a URI may hold. Tolerated beyond RFC 3986, because browsers
    /// send them: `\ ^ { | }` and the backquote.
    #[inline]
    pub(super) fn parse(method: Method<'_>, target: &'a str) -> Result<Self, Fault> {
        let mut mark = target.len();
        for (place, byte) in target.bytes().enumerate() {
            match TARGET_BYTES[usize::from(byte)] {
                QUESTION if mark == target.len() => mark = place,
                PLAIN | QUESTION => {}
                _ => return Err(Fault::new(HttpErrorKind::Target, place)),
            }
        }
        if target.starts_with('/') && method != Method::Connect {
            let (path, query) = (&target[..mark], target.get(mark + 1..));
            return Ok(Self::Origin { path, query });
        }
        let other = match method {
            Method::Options if target == "*" => Some(Self::Asterisk),
            Method::Connect => {
                let has_port = target.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty());
                let sound = has_port && is_authority(target.as_bytes());
                sound.then_some(Self::Authority(target))
            }
            _ => Self::parse_absolute(target),
        };
        other.ok_or(Fault::new(HttpErrorKind::Target, 0))
    }

    fn parse_absolute(target: &'a str) -> Option<Self> {
        let (scheme, rest) = target.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if !is_authority(authority.as_bytes()) {
            return None;
        }
        let (path, query) = split_query(rest);
        let path = if path.is_empty() { "/" } else { path };
        Some(Self::Absolute { authority, path, query })
    }

    /// The path with its escapes; empty for the forms that have none.
    pub fn path(&self) -> &'a str {
        match self {
            Self::Origin { path, .. } | Self::Absolute { path, .. } => path,
            Self::Authority(_) | Self::Asterisk => "",
        }
    }

    /// The query with its escapes, without the `?`.
    pub fn query(&self) -> Option<&'a str> {
        match self {
            Self::Origin { query, .. } | Self::Absolute { query, .. } => *query,
            Self::Authority(_) | Self::Asterisk => None,
        }
    }
}

fn split_query(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

/// An ordinary byte of the set at hand.
const PLAIN: u8 = 1;
/// The byte of targets that parts them.
const QUESTION: u8 = 2;

/// Bytes of a target: what RFC 3986 allows but `#`, and what browsers send besides.
static TARGET_BYTES: [u8; 256] = byte_set(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/[]@!$&'()*+,;=%\\^`{|}",
    Some(b'?'),
);

/// Bytes of a registered name: unreserved and sub-delims (RFC 3986, 3.2.2). Not the
/// comma, though the RFC has it there: it is how two Host fields are folded into one.
static NAME_BYTES: [u8; 256] =
    byte_set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+;=", None);

const fn byte_set(plain: &[u8], question: Option<u8>) -> [u8; 256] {
    let mut set = [0; 256];
    let mut place = 0;
    while place < plain.len() {
        set[plain[place] as usize] = PLAIN;
        place += 1;
    }
    if let Some(byte) = question {
        set[byte as usize] = QUESTION;
    }
    set
}

/// The length of the registered name at the front; `None` when an escape in it is malformed.
#[inline]
fn name_len(bytes: &[u8]) -> Option<usize> {
    let mut len = 0;
    loop {
        let rest = &bytes[len..];
        let plain = |byte: &u8| NAME_BYTES[usize::from(*byte)] == PLAIN;
        len += rest.iter().position(|byte| !plain(byte)).unwrap_or(rest.len());
        match bytes[len..] {
            [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                len += 3;
            }
            [b'%', ..] => return None,
            _ => return Some(len),
        }
    }
}

/// `host[:port]` with a host that is not empty and without user information.
pub(super) fn is_authority(bytes: &[u8]) -> bool {
    if let Some(literal) = bytes.strip_prefix(b"[") {
        let end = literal.iter().position(|&byte| byte == b']');
        return end.is_some_and(|end| {
            is_address_literal(&literal[..end]) && is_port(&literal[end + 1..])
        });
    }
    name_len(bytes).is_some_and(|len| len > 0 && is_port(&bytes[len..]))
}

/// Nothing, or a colon and a port number of at most 65,535, which may be left out.
fn is_port(bytes: &[u8]) -> bool {
    match bytes {
        [] | [b':'] => true,
        // No more: the sum of longer ones would not fit.
        [b':', digits @ ..] if digits.len() <= 5 => {
            let number = digits.iter().try_fold(0_u32, |number, byte| {
                byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0'))
            });
            number.is_some_and(|number| number <= 65_535)
        }
        _ => false,
    }
}

/// What an IPv6 address is made of; whether it is one does not matter here.
fn is_address_literal(bytes: &[u8]) -> bool {
    let sound = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    (2..=45).contains(&bytes.len()) && bytes.contains(&b':') && bytes.iter().all(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_split_into_its_parts() {
        let origin = Target::Origin { path: "/a/b%20c", query: Some("x=1?2") };
        assert_eq!(Target::parse(Method::Get, "/a/b%20c?x=1?2"), Ok(origin));
        assert_eq!(origin.path(), "/a/b%20c");
        assert_eq!(origin.query(), Some("x=1?2"));
        assert_eq!(
            Target::parse(Method::Get, "HTTP://h:80?q"),
            Ok(Target::Absolute { authority: "h:80", path: "/", query: Some("q") })
        );
        assert_eq!(
            Target::parse(Method::Get, "https://[::1]/p"),
            Ok(Target::Absolute { authority: "[::1]", path: "/p", query: None })
        );
        assert_eq!(Target::parse(Method::Connect, "h:443"), Ok(Target::Authority("h:443")));
        assert_eq!(Target::parse(Method::Options, "*"), Ok(Target::Asterisk));
        assert_eq!(Target::Asterisk.path(), "");
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for target in ["", "*", "a", "h:80", "ftp://h/", "http://", "http:///a", "http://u@h/"] {
            assert!(Target::parse(Method::Get, target).is_err(), "{target}");
        }
        for target in ["/a#b", "/\u{e9}", "/\u{1}", "/\u{7f}", "/a\tb", "/\"", "/<", "/>"] {
            assert!(Target::parse(Method::Get, target).is_err(), "{target:?}");
        }
        for target in ["/", "h", "h:", "*", "http://h:1/"] {
            assert!(Target::parse(Method::Connect, target).is_err(), "{target}");
        }
    }

    #[test]
    fn authorities_are_hosts_with_or_without_a_port() {
        for sound in
            ["h", "a.b-c_d~", "1.2.3.4:80", "h:", "h:65535", "[::1]", "[1:2::3.4.5.6]:1", "%41"]
        {
            assert!(is_authority(sound.as_bytes()), "{sound}");
        }
        for bad in [
            "",
            ":80",
            "h:x",
            "h:65536",
            "h:8222222220",
            "h:000080",
            "h:-1",
            "u@h",
            "h/p",
            "a b",
            "a,b:1:2",
            "[::1",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
        for bad in ["[]", "[g::]", "[::1]x", "%4", "%zz", "\u{e9}", "h?", "h#", "a\\b"] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }
}
