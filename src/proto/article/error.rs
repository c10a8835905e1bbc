//! What is wrong with an article, and where.

use std::fmt;

/// A fault of an article's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArticleError {
    /// What is wrong.
    pub kind: ArticleErrorKind,
    /// Where, in bytes from the article's start.
    pub at: usize,
}

/// What is wrong with an article.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArticleErrorKind {
    /// No blank line ends its head.
    NoBody,
    /// Its head has more bytes than [`HEAD_BYTES_MAX`](super::HEAD_BYTES_MAX).
    LongHead,
    /// Its head has more than 256 fields.
    ManyFields,
    /// A line of its head that is neither `name: value` nor goes on with the line before.
    Malformed,
    /// A field without a value.
    Empty,
    /// A field that may stand once stands twice.
    Twice,
    /// A CR or LF alone, or a NUL.
    Stray,
}

impl fmt::Display for ArticleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ArticleErrorKind::NoBody => "no blank line ends its head",
            ArticleErrorKind::LongHead => "its head is too long",
            ArticleErrorKind::ManyFields => "its head has too many fields",
            ArticleErrorKind::Malformed => "a line of its head is no field",
            ArticleErrorKind::Empty => "a field has no value",
            ArticleErrorKind::Twice => "a field stands twice",
            ArticleErrorKind::Stray => "a CR or LF stands alone, or a NUL",
        };
        write!(f, "{what} (byte {})", self.at)
    }
}

impl std::error::Error for ArticleError {}
