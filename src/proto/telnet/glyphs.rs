//! What characters do on a terminal: how many columns they take, and which may be shown at all.
//! What others wrote is shown, never obeyed: no control character of theirs reaches a terminal,
//! neither C0 nor C1, nor one that turns the order of what stands behind it.

use unicode_width::UnicodeWidthChar;

/// Columns between two tab stops.
const TAB: usize = 8;

/// The columns that a character takes: 0, 1 or 2.
pub fn width(c: char) -> usize {
    UnicodeWidthChar::width(c).unwrap_or(1)
}

/// The character as it may be shown; none of one that is to be left out.
pub fn safe(c: char) -> Option<char> {
    match c {
        '\t' | '\n' | '\u{2028}' | '\u{2029}' => Some(' '),
        // Half of a line's end; embeddings, overrides and isolates of text directions, which go on
        // where they are not closed; marks that are nowhere to be seen, and tags.
        '\r'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => None,
        c if c.is_control() => Some(char::REPLACEMENT_CHARACTER),
        c => Some(c),
    }
}

/// The first line of a text when it is wrapped to so many columns, and the bytes it takes of the
/// text, the line feed or the spaces behind it included. A line ends at a space where it can; one
/// column always holds a character.
pub fn wrap(text: &str, columns: usize) -> (String, usize) {
    let columns = columns.max(1);
    let mut line = String::new();
    let mut used = 0;
    // Behind the last space: what the line had then, and where the text goes on.
    let mut space: Option<(usize, usize)> = None;
    for (at, c) in text.char_indices() {
        if c == '\n' {
            return (line, at + 1);
        }
        let wide = if c == '\t' { TAB - used % TAB } else { safe(c).map_or(0, width) };
        if used + wide > columns && (c == ' ' || c == '\t') {
            return (line, behind_spaces(text, at));
        }
        if used + wide > columns && used > 0 {
            return match space {
                Some((end, from)) => {
                    line.truncate(end);
                    (line, from)
                }
                None => (line, at),
            };
        }
        used += wide;
        match c {
            '\t' => line.extend(std::iter::repeat_n(' ', wide)),
            c => line.extend(safe(c)),
        }
        if c == ' ' && !line.trim_start().is_empty() {
            space = Some((line.trim_end().len(), at + 1));
        }
    }
    (line, text.len())
}

/// Where a text goes on whose line ended in spaces.
fn behind_spaces(text: &str, at: usize) -> usize {
    let rest = text[at..].trim_start_matches([' ', '\t']);
    let at = text.len() - rest.len();
    if rest.starts_with('\n') { at + 1 } else { at }
}
