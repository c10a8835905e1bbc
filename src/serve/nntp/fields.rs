//! What OVER, HDR and XPAT show of an article: header fields in one line each, and its size.

use crate::serve::usenet::Outline;

/// The fields of OVER, in order (RFC 3977, 8.3), as LIST OVERVIEW.FMT names them. slrn takes the
/// sizes only under their older names.
pub(super) const OVERVIEW: [&str; 8] =
    ["Subject:", "From:", "Date:", "Message-ID:", "References:", "Bytes:", "Lines:", "Xref:full"];

/// What HDR is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// A header; any case.
    Header(String),
    /// The article's size in bytes.
    Bytes,
    /// How many lines its body has.
    Lines,
}

impl Field {
    /// `None` for something beside the headers that nobody knows.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name.strip_prefix(':') {
            None => Some(Self::Header(name.to_ascii_lowercase())),
            Some(name) if name.eq_ignore_ascii_case("bytes") => Some(Self::Bytes),
            Some(name) if name.eq_ignore_ascii_case("lines") => Some(Self::Lines),
            Some(_) => None,
        }
    }

    /// Its value, empty for a header that the article has not.
    pub(super) fn of(&self, article: &Outline) -> String {
        match self {
            Self::Header(name) if name == "lines" && article.head.first(name).is_none() => {
                article.body.lines.to_string()
            }
            Self::Header(name) => article.head.unfolded(name),
            Self::Bytes => article.bytes().to_string(),
            Self::Lines => article.body.lines.to_string(),
        }
    }
}

/// The line of OVER.
pub(super) fn overview(number: u64, article: &Outline) -> String {
    let mut line = number.to_string();
    for name in ["subject", "from", "date", "message-id", "references"] {
        line.push('\t');
        line.push_str(&article.head.unfolded(name));
    }
    let sizes = format!("\t{}\t{}", article.bytes(), article.body.lines);
    line.push_str(&sizes);
    let xref = article.head.unfolded("xref");
    if !xref.is_empty() {
        line.push_str("\tXref: ");
        line.push_str(&xref);
    }
    line
}
