//! The nearest known word to one that is not known, for messages.

use crate::config::distance;

/// `": did you mean …?"`-like text, or nothing when no word is near.
pub(crate) fn hint<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(word, known) {
        Some(near) => format!(": did you mean {near}?"),
        None => String::new(),
    }
}

/// The known word with the fewest edits to `word`, if they are few for its length; the first of
/// equals.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).clamp(1, 3);
    let word = word.to_lowercase();
    let scored = known.map(|known| (distance(&word, &known.to_lowercase()), known));
    let best = scored.min_by_key(|(edits, _)| *edits)?;
    (best.0 <= most).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_when_it_is_near() {
        let known = ["publish", "read", "follow"];
        assert_eq!(nearest("publsh", known.into_iter()), Some("publish"));
        assert_eq!(nearest("FOLOW", known.into_iter()), Some("follow"));
        assert_eq!(nearest("serve", known.into_iter()), None);
        assert_eq!(nearest("", known.into_iter()), None);
        assert_eq!(hint("raed", ["read"].into_iter()), ": did you mean read?");
        assert_eq!(hint("tire", ["read"].into_iter()), "");
        assert_eq!(hint("rea", ["read"].into_iter()), ": did you mean read?");
    }
}
