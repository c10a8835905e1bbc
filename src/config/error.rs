//! The one-line error of a configuration.

use std::fmt;

/// What is wrong with a configuration, and where: `FILE:LINE: KEY: what is wrong`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file's name, as it was given.
    pub file: String,
    /// Counts from 1; `None` when the file could not be read at all.
    pub line: Option<usize>,
    /// The key with its section, as in `listen.endpoint`; empty when no one key is to blame.
    pub key: String,
    /// What is wrong and what to do.
    pub what: String,
}

impl ConfigError {
    pub(super) fn unread(file: &str, error: &std::io::Error) -> Self {
        let what = format!("can't be read: {error}");
        Self { file: file.to_owned(), line: None, key: String::new(), what }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for ConfigError {}

/// A question that names the word nearest to `word`; a statement when it is not very near.
pub(super) fn hint(word: &str, known: impl IntoIterator<Item = &'static str>) -> String {
    let near = known.into_iter().min_by_key(|candidate| distance(word, candidate));
    match near {
        None => "none is known here".to_owned(),
        Some(near) if distance(word, near) <= 1 + near.chars().count() / 3 => {
            format!("did you mean {near:?}?")
        }
        Some(near) => format!("the nearest known one is {near:?}"),
    }
}

/// How many letters must be put in, left out, replaced or swapped with their neighbour to make one
/// word of the other.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters_put_in_left_out_replaced_and_swapped() {
        let table = [
            ("", "", 0),
            ("", "abc", 3),
            ("name", "name", 0),
            ("nmae", "name", 1),
            ("nam", "name", 1),
            ("names", "name", 1),
            ("nome", "name", 1),
            ("lisetn", "listen", 1),
            ("kitten", "sitting", 3),
        ];
        for (a, b, expected) in table {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn a_hint_names_the_nearest_word() {
        assert_eq!(hint("drian_ms", ["dir", "drain_ms"]), "did you mean \"drain_ms\"?");
        assert_eq!(hint("zzzzzz", ["dir", "drain_ms"]), "the nearest known one is \"dir\"");
        assert_eq!(hint("x", []), "none is known here");
    }
}
