//! Encoded words (RFC 2047): text beyond ASCII in fields, both ways.

use super::qp;
use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use encoding_rs::{Encoding, WINDOWS_1252};

/// Reads base64 with or without its padding, whatever its last bits.
pub(super) const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
/// So many bytes of text go into one encoded word: it has at most 75 characters.
const WORD_BYTES: usize = 42;
/// No word stands in a line as it is that is longer, in bytes.
const PLAIN_BYTES_MAX: usize = 900;
/// From here on a line is folded, in bytes, where it can be.
const LINE_BYTES: usize = 76;

/// Bytes of an unknown charset as text: UTF-8 if they can be, else Windows-1252, in which every
/// byte is some character.
pub(super) fn guess_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// Bytes of the charset of this name as text; guessed where nobody knows the name.
pub(super) fn decode_charset(label: &[u8], bytes: &[u8]) -> String {
    // Much that is called ASCII or ISO 8859-1 is not.
    match Encoding::for_label(label).filter(|encoding| *encoding != WINDOWS_1252) {
        None => guess_text(bytes),
        Some(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// One encoded word, its coding undone.
struct Word<'a> {
    charset: &'a [u8],
    bytes: Vec<u8>,
    /// How many bytes of the field it took.
    length: usize,
}

/// The text of a field's value: in one line, encoded words undone, other bytes beyond ASCII
/// guessed.
pub fn decode_words(value: &[u8]) -> String {
    let line: Vec<u8> = unfolded(value);
    let mut out = String::new();
    let mut rest = &line[..];
    // What the words just read have given: a character may be cut between two of one charset.
    let mut held: Option<(Vec<u8>, Vec<u8>)> = None;
    while !rest.is_empty() {
        let blank = rest.iter().take_while(|byte| **byte == b' ').count();
        if let Some(word) = read_word(&rest[blank..]) {
            match &mut held {
                Some((charset, bytes)) if charset.eq_ignore_ascii_case(word.charset) => {
                    bytes.extend_from_slice(&word.bytes);
                }
                _ => {
                    // Space between two words is none (RFC 2047, 6.2).
                    if !flush(&mut out, held.take()) {
                        out.extend(std::iter::repeat_n(' ', blank));
                    }
                    held = Some((word.charset.to_vec(), word.bytes));
                }
            }
            rest = &rest[blank + word.length..];
            continue;
        }
        flush(&mut out, held.take());
        let plain = blank + plain_length(&rest[blank..]);
        out.push_str(&guess_text(&rest[..plain]));
        rest = &rest[plain..];
    }
    flush(&mut out, held);
    // What was coded may hold anything: a field is one line.
    out.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// Up to the next space, or to what may begin an encoded word; at least one byte if there is any.
fn plain_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != b' ' && !bytes[at..].starts_with(b"=?") {
        at += 1;
    }
    at.min(bytes.len())
}

fn flush(out: &mut String, held: Option<(Vec<u8>, Vec<u8>)>) -> bool {
    let Some((charset, bytes)) = held else { return false };
    out.push_str(&decode_charset(&charset, &bytes));
    true
}

fn unfolded(value: &[u8]) -> Vec<u8> {
    let blank = |byte: &u8| if byte.is_ascii_control() { b' ' } else { *byte };
    let ends = |byte: &&u8| !matches!(**byte, b'\r' | b'\n');
    value.iter().filter(ends).map(blank).collect()
}

/// The encoded word at the start: `=?charset?B?text?=`, or Q.
fn read_word(bytes: &[u8]) -> Option<Word<'_>> {
    let inner = bytes.strip_prefix(b"=?")?;
    let charset_end = inner.iter().position(|byte| *byte == b'?')?;
    let charset = &inner[..charset_end];
    // RFC 2231 lets a language stand behind the charset.
    let charset = charset.split(|byte| *byte == b'*').next().unwrap_or_default();
    let [kind, b'?', text @ ..] = &inner[charset_end + 1..] else { return None };
    let end = text.windows(2).position(|two| two == b"?=")?;
    let text = &text[..end];
    if charset.is_empty() || text.contains(&b' ') {
        return None;
    }
    let bytes = match kind {
        b'B' | b'b' => FORGIVING.decode(text).ok()?,
        b'Q' | b'q' => qp::decode_word(text),
        _ => return None,
    };
    Some(Word { charset, bytes, length: 2 + charset_end + 3 + end + 2 })
}

/// A text as a field's value: as it is where it is plain ASCII, else in encoded words of UTF-8;
/// folded where it is long. `used` is how many bytes of the first line are taken.
pub fn encode_words(text: &str, used: usize) -> Vec<u8> {
    let is_short = || text.split(' ').all(|word| word.len() <= PLAIN_BYTES_MAX);
    let is_plain = text.bytes().all(|byte| matches!(byte, 32..=126)) && !text.contains("=?");
    // Spaces in a row could not be folded apart.
    let is_plain = is_plain && is_short() && !text.contains("  ");
    let mut out = String::with_capacity(text.len() + 16);
    if is_plain {
        fold_plain(text, used, &mut out);
        return out.into_bytes();
    }
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = rest.len().min(WORD_BYTES);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        if !out.is_empty() {
            out.push_str("\r\n ");
        }
        out.push_str("=?UTF-8?B?");
        STANDARD.encode_string(&rest[..end], &mut out);
        out.push_str("?=");
        rest = &rest[end..];
    }
    out.into_bytes()
}

fn fold_plain(text: &str, used: usize, out: &mut String) {
    let mut line = used;
    for word in text.split_inclusive(' ') {
        if line + word.len() > LINE_BYTES && out.ends_with(' ') && !word.trim().is_empty() {
            // The space before the word is what the next line begins with.
            out.pop();
            out.push_str("\r\n ");
            line = 1;
        }
        out.push_str(word);
        line += word.len();
    }
}
