//! Sections as newsgroups and back. A section that is a group's name already is called the same on
//! both sides. Of any other, what a group's name can't hold is `+` and two hexadecimal digits for
//! each byte of UTF-8; so every section has one group, and every group at most one section.

use crate::proto::article::is_group;
use std::fmt::Write;

/// The group of stories that are in no section.
const UNSORTED: &str = "unsorted";
/// Names that servers keep for themselves (RFC 5536, 3.1.4), and ours: no section is called so.
const RESERVED: [&str; 7] = ["control", "example", "general", "junk", "poster", "to", UNSORTED];
/// No section is longer, in bytes.
const SECTION_BYTES_MAX: usize = 64;

/// The newsgroup of a section.
pub(in crate::serve) fn group_of(section: &str) -> String {
    if section.is_empty() {
        return UNSORTED.to_owned();
    }
    let bytes = section.as_bytes();
    let mut out = String::with_capacity(section.len());
    for (at, &byte) in bytes.iter().enumerate() {
        let is_kept = match byte {
            _ if at == 0 && is_reserved(section) => false,
            b'+' => !is_code(&bytes[at + 1..]),
            // Dots stand between parts, and no part is empty.
            b'.' => at > 0 && at + 1 < bytes.len() && bytes[at - 1] != b'.',
            byte => byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_',
        };
        if is_kept {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "+{byte:02x}");
        }
    }
    out
}

/// The section of a newsgroup; `None` for a group that is none of any section: its name is too
/// long, reserved, or says in another way what [`group_of`] says.
pub(in crate::serve) fn section_of(group: &str) -> Option<String> {
    if group == UNSORTED {
        return Some(String::new());
    }
    if !is_group(group) {
        return None;
    }
    let bytes = group.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = if bytes[at] == b'+' { code(&bytes[at + 1..]) } else { None };
        out.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    let section = String::from_utf8(out).ok()?;
    let is_section = section.len() <= SECTION_BYTES_MAX && !section.chars().any(char::is_control);
    (is_section && group_of(&section) == group).then_some(section)
}

fn is_reserved(name: &str) -> bool {
    let is = |reserved: &str| {
        let behind = name.strip_prefix(reserved);
        behind.is_some_and(|behind| behind.is_empty() || behind.starts_with('.'))
    };
    RESERVED.into_iter().any(is)
}

/// True where two hexadecimal digits stand at the start, as we write them.
fn is_code(bytes: &[u8]) -> bool {
    code(bytes).is_some()
}

fn code(bytes: &[u8]) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let [high, low, ..] = bytes else { return None };
    Some(digit(*high)? * 16 + digit(*low)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_section_has_a_group_that_leads_back(section in "[ -~é日+.]{0,20}") {
            let group = group_of(&section);
            prop_assert!(is_group(&group), "{group}");
            prop_assert_eq!(section_of(&group), Some(section));
        }

        #[test]
        fn every_group_has_at_most_one_section(group in "[a-c0-9+.]{1,12}") {
            if let Some(section) = section_of(&group) {
                prop_assert_eq!(group_of(&section), group);
            }
        }
    }

    #[test]
    fn names_that_are_groups_stay_what_they_are() {
        for name in ["world", "comp.lang.c++", "alt.binaries", "Sport", "de.rec_x-y", "unsorted.a1"]
        {
            let is_kept = !is_reserved(name);
            assert_eq!(group_of(name) == name, is_kept, "{name}");
        }
        assert_eq!(group_of(""), "unsorted");
        assert_eq!(group_of("unsorted"), "+75nsorted");
        assert_eq!(group_of("to.do"), "+74o.do");
        assert_eq!(group_of("totals"), "totals");
        assert_eq!(group_of("World News"), "World+20News");
        assert_eq!(group_of("a+20"), "a+2b20");
        assert_eq!(group_of(".a..b."), "+2ea.+2eb+2e");
        for none in ["control", "control.cancel", "a+62", "", "a..b", "+zz+ff", &"a".repeat(65)] {
            assert_eq!(section_of(none), None, "{none}");
        }
    }
}
