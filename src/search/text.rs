//! Text on its way into the index and out of it. Pure.
//!
//! FTS5's `unicode61` parts words at what is no letter and folds case and accents. Chinese and
//! Japanese have nothing between their words, so each of their signs becomes a word of its own: a
//! zero-width space is put around it on the way in, and in what is asked, which makes a phrase of
//! it; on the way out it is taken away. Thai, Lao, Khmer and Burmese are not parted: there whole
//! runs match, and their beginnings with `*`.

use std::borrow::Cow;

/// What is indexed of one story's body at most, in bytes; what stands behind is not found.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// Parts words, and is not seen.
const JOINT: char = '\u{200b}';

/// True for the signs of scripts that leave no space between words.
fn is_sign(c: char) -> bool {
    matches!(
        c,
        '\u{3041}'..='\u{30ff}'        // Hiragana, Katakana
            | '\u{31f0}'..='\u{31ff}'  // Katakana extensions
            | '\u{3400}'..='\u{4dbf}'  // Han, extension A
            | '\u{4e00}'..='\u{9fff}'  // Han
            | '\u{f900}'..='\u{faff}'  // Han, compatibility
            | '\u{20000}'..='\u{3ffff}' // Han, further extensions
    )
}

/// The text with its signs parted.
pub(super) fn spaced(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_sign) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if is_sign(c) {
            out.extend([JOINT, c, JOINT]);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// As it is kept: control characters, two of which will mark what matched, become spaces.
pub(super) fn kept(text: &str) -> String {
    let plain: String = text
        .chars()
        .filter(|c| *c != JOINT)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    spaced(&plain).into_owned()
}

/// As it is shown: what [`kept`] put in is gone, and a run of spaces is one.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| *c != JOINT) {
        match c.is_whitespace() {
            true if out.ends_with(' ') => {}
            true => out.push(' '),
            false => out.push(c),
        }
    }
    out
}

/// What there is to read of a body, at most 256 KiB: of HTML without the tags.
pub fn readable(body: &str, is_markup: bool) -> String {
    let mut end = body.len().min(BODY_BYTES_MAX);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    let body = &body[..end];
    if is_markup { without_tags(body) } else { body.to_owned() }
}

fn without_tags(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((text, tag)) = rest.split_once('<') {
        out.push_str(text);
        out.push(' ');
        rest = tag.split_once('>').map_or("", |(_, behind)| behind);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_parted_and_come_back_whole() {
        let text = "Die 東京 flood, ひらがな.";
        assert_eq!(shown(&kept(text)), text);
        assert_eq!(spaced("東京"), "\u{200b}東\u{200b}\u{200b}京\u{200b}");
        assert!(matches!(spaced("naïve Straße"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_kept_has_no_control_characters_and_what_is_shown_no_runs_of_spaces() {
        assert_eq!(kept("a\u{1}b\nc\u{200b}d"), "a b cd");
        assert_eq!(shown("a \n\t b  "), "a b ");
    }

    #[test]
    fn a_body_is_cut_between_characters_and_has_no_tags() {
        let long = "é".repeat(BODY_BYTES_MAX);
        assert_eq!(readable(&long, false).len(), BODY_BYTES_MAX);
        assert_eq!(readable("<p class=x>a<br>b</p> c < d", true), " a b  c  ");
        assert_eq!(readable("a < b > c", false), "a < b > c");
    }
}
