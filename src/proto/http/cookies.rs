//! Cookies as clients send them back (RFC 6265, 5.4): `name=value` pairs with semicolons between.

use super::Fields;

/// The value of the first cookie of this name, in any `Cookie` field. Names are case-sensitive. A
/// value that is not visible ASCII is none of ours: `None`.
pub fn cookie<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a str> {
    let pairs = fields.all("cookie").flat_map(|value| value.split(|byte| *byte == b';'));
    let found = pairs.filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (found, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        (found == name.as_bytes()).then_some(value)
    });
    let value = { found }.next()?;
    let text = std::str::from_utf8(value).ok()?;
    text.bytes().all(|byte| byte.is_ascii_graphic()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(lines: &[&str], name: &str) -> Option<String> {
        let block = format!("{}\r\n", lines.join("\r\n"));
        cookie(&Fields::new(block.as_bytes()), name).map(str::to_owned)
    }

    #[test]
    fn a_cookie_is_found_among_others_and_fields() {
        let lines = ["Cookie: a=1; b=2", "Host: x", "cookie: c=3;d=a=b; b=9; e=; =f; g"];
        for (name, value) in
            [("a", Some("1")), ("b", Some("2")), ("c", Some("3")), ("d", Some("a=b"))]
        {
            assert_eq!(found(&lines, name).as_deref(), value, "{name}");
        }
        assert_eq!(found(&lines, "e").as_deref(), Some(""));
        assert_eq!(found(&lines, "").as_deref(), Some("f"));
        for name in ["A", "g", "x", "a "] {
            assert_eq!(found(&lines, name), None, "{name:?}");
        }
        assert_eq!(found(&["Cookie: a=b c"], "a"), None);
        assert_eq!(found(&["Cookie: a=\u{e9}"], "a"), None);
        assert_eq!(found(&["Host: a"], "a"), None);
    }

    proptest! {
        #[test]
        fn what_was_set_comes_back_whatever_stands_around_it(
            before in "([a-z]{1,3}=[!-:<-~]{0,5}; ){0,3}",
            value in "[!-:<-~]{0,20}",
            behind in "(;[ -~]{0,10}){0,2}",
        ) {
            let line = format!("Cookie: {before}BW={value}{behind}");
            prop_assert_eq!(found(&[&line], "BW"), Some(value));
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let odd: Vec<u8> = bytes.into_iter().filter(|byte| !b"\r\n".contains(byte)).collect();
            let block = [b"Cookie: ", &odd[..], b"\r\n"].concat();
            let found = cookie(&Fields::new(&block), "a");
            prop_assert!(found.is_none_or(|value| !value.contains(';')));
        }
    }
}
