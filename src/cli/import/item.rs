//! What the readers of files find: the shape that all formats are brought to.

use crate::news::{MERGE_ALIAS, is_language};
use std::ops::ControlFlow;

/// One revision of one story, in the order in which the story's revisions were made.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Edition {
    /// A valid title: 1 to 255 bytes without control characters.
    pub(super) title: String,
    pub(super) body: String,
    pub(super) headline: Option<String>,
    pub(super) section: Option<String>,
    pub(super) author: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) language: Option<String>,
    pub(super) media_type: Option<String>,
    /// Latitude and longitude in degrees.
    pub(super) located: Option<(f64, f64)>,
    /// What it is called where it comes from, see [`alias`]: imports of one thing at several nodes
    /// are one revision.
    pub(super) alias: Option<String>,
    /// Which of the sources it comes from: a title means the same story within one source only.
    pub(super) source: usize,
    /// Revisions of other stories may come before this story's next one.
    pub(super) interleaved: bool,
}

/// How long a node takes the fields, in bytes.
const FIELDS: [(&str, usize); 4] = [
    ("headline cut to 1 KiB", 1024),
    ("section cut to 64 bytes", 64),
    ("author cut to 255 bytes", 255),
    ("summary cut to 4 KiB", 4096),
];

impl Edition {
    /// Brings the fields to what a node takes; says what had to be changed.
    pub(super) fn fit(&mut self) -> Vec<&'static str> {
        let fields = [&mut self.headline, &mut self.section, &mut self.author, &mut self.summary];
        let mut changes = Vec::new();
        for (field, (change, bytes_max)) in fields.into_iter().zip(FIELDS) {
            if let Some(text) = field.as_mut().filter(|text| text.len() > bytes_max) {
                *text = format!("{}…", cut(text, bytes_max - '…'.len_utf8()));
                changes.push(change);
            }
        }
        if self.language.as_deref().is_some_and(|text| !is_language(text)) {
            self.language = None;
            changes.push("not a language tag: left out");
        }
        changes
    }
}

/// What a reader reports while it reads.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    /// Something to publish.
    Edition(Box<Edition>),
    /// Something that will not be published: why, and which one it was.
    Refused(&'static str, String),
    /// The edition that follows was put right: how, and which one it was.
    Repaired(&'static str, String),
    /// The same as one found before.
    Duplicate,
    /// Bytes of the file that were read so far.
    Position(u64),
}

/// Takes what a reader finds; breaks when the import must end.
pub(super) type Sink<'a> = &'a mut dyn FnMut(Found) -> ControlFlow<()>;

/// The longest title in bytes (contract of `PUT /v1/stories/{title}`).
pub(super) const TITLE_BYTES_MAX: usize = 255;

/// `text` as a title or headline: control characters dropped, white space as single spaces.
pub(super) fn tidy(text: &str) -> String {
    let shown = |c: char| if c.is_control() && !c.is_whitespace() { '\u{fffd}' } else { c };
    let words: String = text.chars().map(shown).filter(|c| *c != '\u{fffd}').collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A link, guid or the like as an alias: at most 255 bytes, no control characters.
pub(super) fn alias(name: &str) -> String {
    let fits = name.len() <= 255 && !name.chars().any(char::is_control);
    if fits && !name.starts_with(MERGE_ALIAS) { name.to_owned() } else { alias_of(&[name]) }
}

/// An alias for what has no name: the same for the same texts.
pub(super) fn alias_of(texts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        hasher.update(blake3::hash(text.as_bytes()).as_bytes());
    }
    format!("blake3:{}", hasher.finalize())
}

/// The longest beginning of `text` of at most `bytes_max` bytes that ends between characters.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// All that a reader finds, positions left out.
    pub(in super::super) fn collect<E>(
        read: impl FnOnce(Sink<'_>) -> Result<(), E>,
    ) -> Result<Vec<Found>, E> {
        let mut all = Vec::new();
        read(&mut |found| {
            if !matches!(found, Found::Position(_)) {
                all.push(found);
            }
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }

    #[test]
    fn fields_that_are_too_long_are_cut_and_what_is_no_language_is_left_out() {
        let mut edition = Edition {
            author: Some("ü".repeat(200)),
            section: Some("s".repeat(64)),
            language: Some("English, mostly".to_owned()),
            ..Edition::default()
        };
        let changes = ["author cut to 255 bytes", "not a language tag: left out"];
        assert_eq!(edition.fit(), changes);
        let author = edition.author.as_deref().unwrap();
        assert!(author.len() <= 255 && author.len() > 250 && author.ends_with("ü…"));
        assert_eq!(edition.section.as_deref().unwrap().len(), 64);
        assert_eq!((edition.language.take(), edition.fit()), (None, vec![]));
    }

    #[test]
    fn names_become_aliases_that_a_node_takes() {
        assert_eq!(alias("https://example.org/?a=b"), "https://example.org/?a=b");
        for name in ["x".repeat(256), "a\nb".into(), "merge:1".into()] {
            let made = alias(&name);
            assert!(made.starts_with("blake3:") && made.len() < 80, "{made}");
            assert_eq!(made, alias(&name));
        }
        assert_ne!(alias_of(&["ab", "c"]), alias_of(&["a", "bc"]));
    }

    #[test]
    fn titles_lose_control_characters_and_surplus_space() {
        assert_eq!(tidy("  a\u{0}b \r\n\t c\u{7f}\u{85}d "), "ab c d");
        assert_eq!(tidy("\u{1}"), "");
        assert_eq!((cut("aüb", 2), cut("aüb", 3), cut("aüb", 9)), ("a", "aü", "aüb"));
    }
}
