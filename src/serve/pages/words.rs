//! What changed between two texts, word by word, as HTML with `<ins>` and `<del>`: of a page's
//! body, which is HTML made here, or of lines side by side. Pure, and bounded in what it costs.
//!
//! A word is a run of letters and digits with their marks, or one other character; of scripts that
//! part no words, each character is one. White space belongs to the word before it and is not
//! compared.

use crate::news::{Change, changes_within};
use askama::filters::{Escaper, Html};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Of longer texts not words are compared but whole pieces: what stands between two tags, lines.
const COMPARED_WORDS_MAX: usize = 20_000;
/// How many pairs of words one page looks at: a few milliseconds at worst.
pub(super) const PAIRS_MAX: usize = 4_000_000;
/// A character reference is no longer.
const REFERENCE_BYTES_MAX: usize = 10;

/// The HTML `after`, with what is not in `before` in `<ins>`, and what was there instead in
/// `<del>`. Both were made here: each `<` begins a tag, each `&` a reference.
pub(super) fn marked(before: &str, after: &str) -> String {
    let (mut was, mut is) = (pieces(before, true), pieces(after, true));
    if was.len().max(is.len()) > COMPARED_WORDS_MAX {
        (was, is) = (pieces(before, false), pieces(after, false));
    }
    let words = spoken(&is);
    let mut marks = Marks::of(&was, &words);
    let mut out = String::with_capacity(after.len() + after.len() / 8);
    let mut at = 0;
    for piece in is {
        match piece {
            Piece::Tag(tag) => {
                marks.close(&mut out);
                out.push_str(tag);
            }
            Piece::Word(word) => {
                marks.put_gone(&mut out, at);
                marks.put_word(&mut out, at, word);
                at += 1;
            }
        }
        if at == words.len() {
            marks.put_gone(&mut out, at);
        }
    }
    marks.put_gone(&mut out, at);
    marks.close(&mut out);
    out
}

/// Two texts side by side, each as HTML with its own part of the changes marked. At most so many
/// pairs of words are compared, and taken off them; when none are left, words count as replaced.
pub(super) fn pair(before: &str, after: &str, pairs_left: &mut usize) -> (String, String) {
    let (was, is) = (split(before, false), split(after, false));
    if was.len().max(is.len()) > COMPARED_WORDS_MAX {
        return (tagged("del", before), tagged("ins", after));
    }
    let (mut left, mut right) = (String::new(), String::new());
    let (mut b, mut a) = (0, 0);
    let found = changes(&was, &is, *pairs_left);
    *pairs_left = pairs_left.saturating_sub(was.len().saturating_mul(is.len()));
    for change in found {
        put_escaped(&mut left, &was[b..change.before.start].concat());
        put_escaped(&mut right, &is[a..change.after.start].concat());
        left.push_str(&tagged("del", &was[change.before.clone()].concat()));
        right.push_str(&tagged("ins", &is[change.after.clone()].concat()));
        (b, a) = (change.before.end, change.after.end);
    }
    put_escaped(&mut left, &was[b..].concat());
    put_escaped(&mut right, &is[a..].concat());
    (left, right)
}

/// A text as HTML within a tag of this name, but for the white space at its end; nothing of an
/// empty one.
pub(super) fn tagged(tag: &str, text: &str) -> String {
    let mut out = String::new();
    if !text.is_empty() {
        out.extend(["<", tag, ">"]);
        put_escaped(&mut out, text);
        end(&mut out, &format!("</{tag}>"));
    }
    out
}

/// A text as HTML.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    put_escaped(&mut out, text);
    out
}

fn put_escaped(out: &mut String, text: &str) {
    // Writing into a text does not fail.
    let _ = Html.write_escaped_str(out, text);
}

/// A piece of HTML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    /// A tag, or white space behind one.
    Tag(&'a str),
    /// A word and the white space behind it.
    Word(&'a str),
}

/// What is to be marked in a row of words.
struct Marks {
    /// HTML that is gone, by the number of the word that it stood before.
    gone: BTreeMap<usize, String>,
    /// By its number: is the word new?
    is_new: Vec<bool>,
    /// An `<ins>` waits for its end.
    is_open: bool,
}

impl Marks {
    fn of(was: &[Piece<'_>], is: &[&str]) -> Self {
        let mut marks =
            Self { gone: BTreeMap::new(), is_new: vec![false; is.len()], is_open: false };
        let (words, breaks) = (spoken(was), breaks(was));
        for change in changes(&words, is, PAIRS_MAX) {
            let mut gone = String::new();
            for at in change.before {
                if !gone.is_empty() && breaks[at] {
                    gone.push(' ');
                }
                gone.push_str(words[at]);
            }
            if !gone.is_empty() {
                marks.gone.insert(change.after.start, gone);
            }
            marks.is_new[change.after].fill(true);
        }
        marks
    }

    fn put_gone(&mut self, out: &mut String, at: usize) {
        if let Some(gone) = self.gone.remove(&at) {
            self.close(out);
            let is_tight = at > 0 && at == self.is_new.len() && !out.ends_with([' ', '\n', '>']);
            if is_tight {
                out.push(' ');
            }
            out.push_str("<del>");
            out.push_str(&gone);
            end(out, "</del>");
        }
    }

    fn put_word(&mut self, out: &mut String, at: usize, word: &str) {
        if !self.is_new[at] {
            self.close(out);
        } else if !std::mem::replace(&mut self.is_open, true) {
            out.push_str("<ins>");
        }
        out.push_str(word);
    }

    fn close(&mut self, out: &mut String) {
        if std::mem::take(&mut self.is_open) {
            end(out, "</ins>");
        }
    }
}

/// Ends a mark in front of the white space at the end.
fn end(out: &mut String, tag: &str) {
    out.insert_str(out.trim_end().len(), tag);
}

fn changes(before: &[&str], after: &[&str], pairs_max: usize) -> Vec<Change> {
    let keys =
        |words: &[&'_ str]| words.iter().map(|word| word.trim_end().len()).collect::<Vec<_>>();
    let (b, a) = (keys(before), keys(after));
    let before: Vec<&[u8]> = before.iter().zip(b).map(|(w, end)| &w.as_bytes()[..end]).collect();
    let after: Vec<&[u8]> = after.iter().zip(a).map(|(w, end)| &w.as_bytes()[..end]).collect();
    changes_within(&before, &after, pairs_max)
}

/// The words among pieces.
fn spoken<'a>(pieces: &[Piece<'a>]) -> Vec<&'a str> {
    let word = |piece: &Piece<'a>| match piece {
        Piece::Tag(_) => None,
        Piece::Word(word) => Some(*word),
    };
    pieces.iter().filter_map(word).collect()
}

/// By the number of each word: does white space between two tags stand before it, as it does
/// between paragraphs?
fn breaks(pieces: &[Piece<'_>]) -> Vec<bool> {
    let mut out = Vec::new();
    let mut is_parted = false;
    for piece in pieces {
        match piece {
            Piece::Tag(tag) => is_parted |= tag.starts_with(char::is_whitespace),
            Piece::Word(_) => out.push(std::mem::take(&mut is_parted)),
        }
    }
    out
}

/// HTML that was made here, in pieces; by words, or all text between two tags as one.
fn pieces(html: &str, by_words: bool) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut rest = html;
    while !rest.is_empty() {
        let end = if rest.starts_with('<') {
            let end = tag_bytes(rest);
            out.push(Piece::Tag(&rest[..end]));
            end
        } else {
            let end = rest.find('<').unwrap_or(rest.len());
            let text = rest[..end].trim_start();
            let (space, text) = rest[..end].split_at(end - text.len());
            if !space.is_empty() {
                out.push(Piece::Tag(space));
            }
            match by_words {
                true => out.extend(split(text, true).into_iter().map(Piece::Word)),
                false if text.is_empty() => {}
                false => out.push(Piece::Word(text)),
            }
            end
        };
        rest = &rest[end..];
    }
    out
}

/// How long the tag is that a text begins with.
fn tag_bytes(html: &str) -> usize {
    let mut is_quoted = false;
    for (at, c) in html.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            '>' if !is_quoted => return at + 1,
            _ => {}
        }
    }
    html.len()
}

/// What the paragraphs of HTML begin with, without tags: at least so many bytes if there are as
/// many, up to the end of a word.
pub(super) fn beginning(html: &str, bytes: usize) -> String {
    let mut out = String::new();
    let mut is_in = false;
    for piece in pieces(html, true) {
        match piece {
            Piece::Tag("</p>") => is_in = false,
            Piece::Tag(tag) if tag == "<p>" || tag.starts_with("<p ") => {
                is_in = true;
                if !out.is_empty() {
                    out.push(' ');
                }
            }
            Piece::Word(_) if is_in && out.len() >= bytes => {
                out.truncate(out.trim_end().len());
                out.push('…');
                break;
            }
            Piece::Word(word) if is_in => out.push_str(word),
            Piece::Tag(space) if is_in && space.starts_with(char::is_whitespace) => out.push(' '),
            Piece::Tag(_) | Piece::Word(_) => {}
        }
    }
    out
}

/// A text in words, each with the white space behind it; white space at the start is one, too.
fn split(text: &str, is_html: bool) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let word = word_bytes(rest, is_html);
        let behind = rest[word..].trim_start();
        let (word, behind) = rest.split_at(rest.len() - behind.len());
        out.push(word);
        rest = behind;
    }
    out
}

/// How long the word is that a text begins with; 0 before white space.
fn word_bytes(text: &str, is_html: bool) -> usize {
    let Some(first) = text.chars().next().filter(|c| !c.is_whitespace()) else { return 0 };
    if is_html && first == '&' {
        let reference = text.bytes().take(REFERENCE_BYTES_MAX).position(|byte| byte == b';');
        return reference.map_or(1, |end| end + 1);
    }
    if !is_joined(first) {
        return first.len_utf8();
    }
    text.find(|c| !is_joined(c)).unwrap_or(text.len())
}

/// True for characters that make one word with such neighbours: letters, digits and marks of
/// scripts that part words.
fn is_joined(c: char) -> bool {
    match c {
        '\u{0}'..='\u{2ff}' => c.is_alphanumeric(),
        '\u{200c}' | '\u{200d}' => true,
        _ => !c.is_whitespace() && !ALONE.iter().any(|range| range.contains(&c)),
    }
}

/// Characters beyond Latin that are words of their own.
const ALONE: [RangeInclusive<char>; 9] = [
    // Punctuation: Arabic, Devanagari, the general kind and signs.
    '\u{60c}'..='\u{60c}',
    '\u{61b}'..='\u{61f}',
    '\u{6d4}'..='\u{6d4}',
    '\u{964}'..='\u{965}',
    '\u{2000}'..='\u{2bff}',
    // Chinese and Japanese; Hangul parts words.
    '\u{2e80}'..='\u{a4cf}',
    '\u{f900}'..='\u{faff}',
    '\u{ff00}'..='\u{ffef}',
    '\u{20000}'..='\u{3ffff}',
];

#[cfg(test)]
mod tests {
    use super::super::markdown;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn changed_words_are_marked_and_nothing_else() {
        for (before, after, wanted) in [
            ("<p>a b c</p>", "<p>a b c</p>", "<p>a b c</p>"),
            ("<p>a b c</p>", "<p>a x c</p>", "<p>a <del>b</del> <ins>x</ins> c</p>"),
            ("<p>a b</p>", "<p>a b c</p>", "<p>a b <ins>c</ins></p>"),
            ("<p>a b c</p>", "<p>a b</p>", "<p>a b <del>c</del></p>"),
            ("<p>a b</p>", "<p><em>a</em> b</p>", "<p><em>a</em> b</p>"),
            (
                "<p>a</p>",
                "<p>b</p>\n<p>c</p>",
                "<p><del>a</del><ins>b</ins></p>\n<p><ins>c</ins></p>",
            ),
            ("<p>a</p>", "", "<del>a</del>"),
            ("", "<p>a</p>", "<p><ins>a</ins></p>"),
            ("", "", ""),
            ("<p>a.</p>\n<p>B c</p>", "<p>c</p>", "<p><del>a. B</del> c</p>"),
        ] {
            assert_eq!(marked(before, after), wanted, "{before} {after}");
        }
    }

    #[test]
    fn a_reference_is_one_word_and_an_attribute_is_none() {
        let before = "<p>a &#38; b</p>";
        let after = "<p>a &#60; b <a href=\"?a>b\">c</a></p>";
        let wanted =
            "<p>a <del>&#38;</del> <ins>&#60;</ins> b <a href=\"?a>b\"><ins>c</ins></a></p>";
        assert_eq!(marked(before, after), wanted);
    }

    #[test]
    fn words_are_what_readers_take_for_words() {
        let words = |text| split(text, false);
        assert_eq!(words("don't go, 12.5"), ["don", "'", "t ", "go", ", ", "12", ".", "5"]);
        assert_eq!(words(" a"), [" ", "a"]);
        assert_eq!(words("नमस्ते दुनिया।"), ["नमस्ते ", "दुनिया", "।"]);
        assert_eq!(words("مرحبا، يا"), ["مرحبا", "، ", "يا"]);
        assert_eq!(words("新聞だ"), ["新", "聞", "だ"]);
        assert_eq!(words("한국어 뉴스"), ["한국어 ", "뉴스"]);
    }

    #[test]
    fn a_beginning_has_no_tags_and_ends_with_a_word() {
        let html = "<h1>No</h1>\n<p>One</p>\n\
                    <p class=\"text\">two &#60;<b>x</b>&#62; <i>three</i> four</p>";
        assert_eq!(beginning(html, 100), "One two &#60;x&#62; three four");
        assert_eq!(beginning(html, 21), "One two &#60;x&#62; three…");
        assert_eq!(beginning("", 20), "");
    }

    #[test]
    fn side_by_side_each_shows_its_own_part() {
        let mut left_over = 1_000;
        let (left, right) = pair("one <b> two", "one <i> two", &mut left_over);
        assert_eq!(left, "one &#60;<del>b</del>&#62; two");
        assert_eq!(right, "one &#60;<ins>i</ins>&#62; two");
        assert_eq!(left_over, 1_000 - 5 * 5);
        assert_eq!(pair("", "a", &mut 1), (String::new(), "<ins>a</ins>".to_owned()));
        let (left, right) = pair("a b c b d", "a c b c y", &mut 3);
        assert_eq!((&left[..], &right[..]), ("a <del>b c b d</del>", "a <ins>c b c y</ins>"));
    }

    #[test]
    fn very_long_texts_are_compared_by_larger_pieces() {
        let text =
            |n: usize| (0..n).map(|at| format!("<p>word {at}</p>\n")).collect::<Vec<_>>().concat();
        let html = marked(&text(30_000), &text(30_001));
        assert!(html.ends_with("<p><ins>word 30000</ins></p>\n"), "{}", &html[html.len() - 90..]);
        let long = "a ".repeat(COMPARED_WORDS_MAX + 1);
        assert!(pair(&long, "b", &mut 1).0.starts_with("<del>a a"));
    }

    /// The HTML without the marks: what is new kept, what is gone left out.
    fn unmarked(html: &str) -> String {
        let mut out = String::new();
        let mut rest = html;
        while let Some(at) = rest.find("<del>") {
            out.push_str(&rest[..at]);
            rest = rest[at..].split_once("</del>").expect("it ends").1;
        }
        out.push_str(rest);
        out.replace("<ins>", "").replace("</ins>", "")
    }

    proptest! {
        #[test]
        fn without_its_marks_it_is_what_it_was(
            before in "[ab #*>|`&<\\n-]{0,60}",
            after in "[ab #*>|`&<\\n-]{0,60}",
        ) {
            let (before, after) = (markdown::render(&before), markdown::render(&after));
            let bare = |html: &str| html.replace(char::is_whitespace, "");
            prop_assert_eq!(bare(&unmarked(&marked(&before, &after))), bare(&after));
        }

        #[test]
        fn both_sides_hold_all_that_they_are_given(
            before in "[ab <&\\n]{0,60}",
            after in "[ab <&\\n]{0,60}",
        ) {
            let (left, right) = pair(&before, &after, &mut 100);
            let bare = |html: &str, tag: &str| {
                html.replace(&format!("<{tag}>"), "").replace(&format!("</{tag}>"), "")
            };
            prop_assert_eq!(bare(&left, "del"), escaped(&before));
            prop_assert_eq!(bare(&right, "ins"), escaped(&after));
        }
    }
}
