//! Reads one Rust source the way the rules need it: comments and literals blanked out, test code
//! blanked out, blocks found by matching braces. It never parses Rust in full.

use std::ops::Range;
use std::path::Path;

/// One source file in three readings of equal length, so that an offset means the same in each.
pub(crate) struct Source {
    /// Relative to the crate's root, with `/`: `src/base/wheel.rs`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// Comments and the insides of literals are spaces; line ends are kept.
    pub(crate) code: String,
    /// `code` without what only tests compile.
    pub(crate) shipped: String,
    /// What was blanked out of `shipped`.
    tests: Vec<Range<usize>>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = blank_comments_and_literals(text);
        let mut shipped = code.clone();
        let tests = if is_test_file(path) {
            std::iter::once(0..code.len()).collect()
        } else {
            test_items(&code)
        };
        for item in &tests {
            shipped.replace_range(item.clone(), &blanked(&code[item.clone()]));
        }
        Self { path: path.to_owned(), text: text.to_owned(), code, shipped, tests }
    }

    pub(crate) fn read(root: &Path, path: &str) -> Self {
        let text = std::fs::read_to_string(root.join(path))
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        Self::new(path, &text)
    }

    /// The line of an offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        1 + self.text[..offset].matches('\n').count()
    }

    /// The module under `src/` that the file belongs to: `base` for `src/base/wheel.rs`.
    pub(crate) fn module(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let end = inside.find(['/', '.']).unwrap_or(inside.len());
        &inside[..end]
    }

    /// How many names the file's own module path has after `crate`: 2 for `src/base/wheel.rs`.
    pub(crate) fn depth(&self) -> usize {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        match inside {
            "lib.rs" | "main.rs" => 0,
            _ => inside.split('/').count() - usize::from(inside.ends_with("/mod.rs")),
        }
    }

    /// How many lines ship: all but those of tests.
    pub(crate) fn shipped_lines(&self) -> usize {
        let lines = |item: &Range<usize>| self.text[item.clone()].lines().count();
        self.text.lines().count() - self.tests.iter().map(lines).sum::<usize>()
    }

    /// The `{…}` of each inline `mod name {…}`.
    pub(crate) fn inline_modules(&self) -> Vec<Range<usize>> {
        words(&self.code, "mod").filter_map(|at| block_after(&self.code, at)).collect()
    }
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Offsets of `word` where it stands as a word of its own.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_name = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let bytes = code.as_bytes();
        let before = at.checked_sub(1).and_then(|i| bytes.get(i));
        !is_name(before) && !is_name(bytes.get(at + word.len()))
    })
}

/// The name that `text` starts with, `""` if none.
pub(crate) fn name_at(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}

/// The block of the item that starts at `from`: from its `{` to behind its `}`; none if the item
/// ends with `;` first.
pub(crate) fn block_after(code: &str, from: usize) -> Option<Range<usize>> {
    let mut nested = 0_usize;
    let open = code[from..].char_indices().find_map(|(at, c)| {
        match c {
            '(' | '[' => nested += 1,
            ')' | ']' => nested = nested.saturating_sub(1),
            '{' if nested == 0 => return Some(Some(from + at)),
            ';' if nested == 0 => return Some(None),
            _ => {}
        }
        None
    })??;
    Some(open..closing(code, open))
}

/// Behind the `}` that closes the `{` at `open`; the end of the text if none does.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return open + at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// Spaces of the same length, line ends kept.
fn blanked(text: &str) -> String {
    text.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect()
}

/// The items that only tests compile, attributes included, in order.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items = Vec::new();
    let mut done = 0;
    while let Some(from) = next_test(code, done) {
        let after = skip_attributes(code, from);
        done = match block_after(code, after) {
            Some(block) => block.end,
            None => code[after..].find(';').map_or(code.len(), |at| after + at + 1),
        };
        items.push(from..done);
    }
    items
}

fn next_test(code: &str, from: usize) -> Option<usize> {
    let attributes = ["#[cfg(test)]", "#[cfg(all(test"];
    attributes.iter().filter_map(|name| code[from..].find(name)).min().map(|at| from + at)
}

/// Behind the `#[…]` at `from` and those that follow it.
fn skip_attributes(code: &str, from: usize) -> usize {
    let mut at = from;
    loop {
        let rest = &code[at..];
        let start = at + (rest.len() - rest.trim_start().len());
        if !code[start..].starts_with("#[") {
            return start;
        }
        let mut depth = 0_usize;
        let length = code[start..].char_indices().find_map(|(i, c)| {
            depth = match c {
                '[' => depth + 1,
                ']' => depth - 1,
                _ => depth,
            };
            (c == ']' && depth == 0).then_some(i + 1)
        });
        at = start + length.unwrap_or(code.len() - start);
    }
}

fn blank_comments_and_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    while code.len() < text.len() {
        let rest = &text[code.len()..];
        let named = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if let Some(length) = opaque(rest, named) {
            code.push_str(&blanked(&rest[..length]));
            continue;
        }
        // A name's letter stays one byte a byte, so that offsets agree.
        match rest.chars().next() {
            Some(c) if c.is_ascii() => code.push(c),
            c => code.push_str(&"_".repeat(c.map_or(1, char::len_utf8))),
        }
    }
    code
}

/// The length of the comment or literal that `rest` starts with. `named`: a name's character
/// stands before it, so a letter here is no literal's prefix.
fn opaque(rest: &str, named: bool) -> Option<usize> {
    let unprefixed = if named { rest } else { rest.trim_start_matches(['b', 'c']) };
    let prefix = rest.len() - unprefixed.len();
    if rest.starts_with("//") {
        Some(rest.find('\n').unwrap_or(rest.len()))
    } else if rest.starts_with("/*") {
        Some(block_comment(rest))
    } else if prefix > 1 {
        None
    } else if unprefixed.starts_with('"') {
        Some(prefix + string(unprefixed))
    } else if !named && unprefixed.starts_with('r') {
        raw_string(unprefixed).map(|length| prefix + length)
    } else {
        character(unprefixed).map(|length| prefix + length)
    }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw_string(rest: &str) -> Option<usize> {
    let hashes = rest[1..].bytes().take_while(|&b| b == b'#').count();
    rest[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    Some(rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len()))
}

/// A character literal; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    if first == '\\' {
        let escaped = 1 + inside[1..].chars().next()?.len_utf8();
        return inside[escaped..].find('\'').map(|at| 1 + escaped + at + 1);
    }
    inside[first.len_utf8()..].starts_with('\'').then(|| first.len_utf8() + 2)
}
