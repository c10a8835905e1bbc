//! One line of a terminal, and the least that turns what stands there into what should: characters
//! and backspaces only, which every terminal understands.

use super::glyphs::width;

/// What stands behind the prompt, and where the cursor is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Screen {
    shown: String,
    /// Columns between the start of what is shown and the cursor.
    at: usize,
}

impl Screen {
    /// Nothing is shown.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Nothing is shown any more: the cursor is elsewhere.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Shows this, with the cursor so many columns behind its start.
    pub(super) fn show(&mut self, wanted: &str, at: usize, out: &mut String) {
        let same = same_start(&self.shown, wanted);
        let from = columns(&wanted[..same]);
        if wanted.len() > same || self.shown.len() > same {
            self.go(from, out);
            out.push_str(&wanted[same..]);
            let (was, is) = (columns(&self.shown), columns(wanted));
            let left = was.saturating_sub(is);
            out.extend(std::iter::repeat_n(' ', left));
            self.at = is + left;
            wanted.clone_into(&mut self.shown);
        }
        self.go(at, out);
    }

    /// Moves the cursor: to the left by backspaces, to the right by what stands there.
    fn go(&mut self, to: usize, out: &mut String) {
        if to < self.at {
            out.extend(std::iter::repeat_n('\u{8}', self.at - to));
        }
        let (mut column, mut cell) = (0, 0);
        for c in self.shown.chars() {
            // A mark that is put over a character is in its cell.
            if width(c) > 0 {
                cell = column;
            }
            if (self.at..to).contains(&cell) {
                out.push(c);
            }
            column += width(c);
        }
        self.at = to;
    }
}

/// The columns of a text that is safe to show.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// How many bytes both begin with, whole cells of them: a mark that is put over a character belongs
/// to it.
fn same_start(a: &str, b: &str) -> usize {
    let differ = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    let mut same: usize = differ.map(|(c, _)| c.len_utf8()).sum();
    let is_mark = |text: &str| text.chars().next().is_some_and(|c| width(c) == 0);
    while same > 0 && (is_mark(&a[same..]) || is_mark(&b[same..])) {
        same -= a[..same].chars().next_back().map_or(0, char::len_utf8);
    }
    same
}
