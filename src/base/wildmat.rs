//! Wildmats (RFC 3977, 4.2): patterns for names of groups and values of headers, in commands and
//! configurations.
//!
//! ```text
//! wildmat = pattern *("," ["!"] pattern), the first may have a "!" as well
//! pattern = 1*("*" any text / "?" one character / any other character but , [ \ ])
//! ```

use std::fmt;

/// A list of patterns that was found to be one. The last pattern that matches decides; a text that
/// none matches is not meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wildmat<'a>(&'a str);

/// Why a text is no wildmat: an empty pattern, or one of `[`, `\`, `]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WildmatError {
    /// The byte at which it ceases to be one.
    pub offset: usize,
}

impl fmt::Display for WildmatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a wildmat at byte {}", self.offset)
    }
}

impl std::error::Error for WildmatError {}

impl<'a> Wildmat<'a> {
    /// Matches everything.
    pub const ALL: Wildmat<'static> = Wildmat("*");

    /// Reads a wildmat. Spaces are ordinary characters: a command's argument has none.
    pub fn parse(text: &'a str) -> Result<Self, WildmatError> {
        let mut start = 0;
        for pattern in text.split(',') {
            let (bare, skipped) = match pattern.strip_prefix('!') {
                Some(bare) => (bare, 1),
                None => (pattern, 0),
            };
            if bare.is_empty() {
                return Err(WildmatError { offset: start + skipped });
            }
            if let Some(at) = bare.find(['[', '\\', ']']) {
                return Err(WildmatError { offset: start + skipped + at });
            }
            start += pattern.len() + 1;
        }
        Ok(Self(text))
    }

    /// As it was written.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// True when the last pattern that matches has no `!`. Takes time in the product of the lengths
    /// at worst.
    pub fn matches(self, text: &str) -> bool {
        let decides = |pattern: &str| match pattern.strip_prefix('!') {
            Some(bare) => is_match(bare, text).then_some(false),
            None => is_match(pattern, text).then_some(true),
        };
        self.0.rsplit(',').find_map(decides).unwrap_or(false)
    }
}

impl fmt::Display for Wildmat<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Matches one pattern. Of the stars behind it only the last is ever tried anew: whatever an
/// earlier one could take, the last can take too.
fn is_match(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Where to go on when what follows the last star fits nowhere yet.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let mut behind = pattern.clone();
        match (behind.next(), text.clone().next()) {
            (Some('*'), _) => {
                retry = Some((behind.clone(), text.clone()));
                pattern = behind;
                continue;
            }
            (None, None) => return true,
            (Some(want), Some(have)) if want == '?' || want == have => {
                pattern = behind;
                text.next();
                continue;
            }
            _ => {}
        }
        let Some((after_star, taken)) = &mut retry else { return false };
        if taken.next().is_none() {
            return false;
        }
        (pattern, text) = (after_star.clone(), taken.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wildmats_match_as_the_rfc_has_it() {
        for (pattern, yes, no) in [
            ("a*b", &["ab", "axb", "aabb"][..], &["a", "abc", "ba"][..]),
            ("a*,!*b,*c*", &["a", "acb", "c"], &["ab", "b"]),
            ("?é?", &["xéy"], &["é", "xey"]),
            ("!a", &[], &["a", "b"]),
            ("*,!a", &["b", ""], &["a"]),
            ("*.*.*", &["a.b.c", ".."], &["a.b"]),
        ] {
            let wildmat = Wildmat::parse(pattern).unwrap();
            for text in yes {
                assert!(wildmat.matches(text), "{pattern} {text}");
            }
            for text in no {
                assert!(!wildmat.matches(text), "{pattern} {text}");
            }
        }
        for (bad, offset) in [("", 0), ("a,", 2), ("!", 1), ("a,,b", 2), ("a[b", 1), ("x,!a\\", 4)]
        {
            assert_eq!(Wildmat::parse(bad), Err(WildmatError { offset }), "{bad}");
        }
        // No pattern takes longer than the product of both.
        let text = "a".repeat(500);
        assert!(!Wildmat::parse(&"*a".repeat(200)).unwrap().matches(&format!("{text}b")));
    }

    proptest! {
        #[test]
        fn a_wildmat_agrees_with_the_obvious_matcher(
            pattern in "[ab*?]{1,7}",
            text in "[ab]{0,8}",
        ) {
            fn obvious(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern.split_first(), text.split_first()) {
                    (None, None) => true,
                    (Some((b'*', rest)), _) => {
                        (0..=text.len()).any(|n| obvious(rest, &text[n..]))
                    }
                    (Some((want, rest)), Some((have, behind))) => {
                        (*want == b'?' || want == have) && obvious(rest, behind)
                    }
                    _ => false,
                }
            }
            let wildmat = Wildmat::parse(&pattern).unwrap();
            prop_assert_eq!(wildmat.matches(&text), obvious(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
