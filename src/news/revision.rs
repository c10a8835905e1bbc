//! What a revision of a story says: the payload of [`Kind::Revision`](crate::update::Kind), one
//! canonical binary form and its limits.
//!
//! ```text
//! u8 version = 1 · u32 generation · u8+ title · v+ headline · u8+ section · v+ summary ·
//! u8+ author · u8+ language · u8 located (0 or 1) [ · i32 lat · i32 lon, millionths of a degree ]
//! · body, to the end
//! ```
//! Version 2 is the same with `v+ wire` before the body, and is written only where there is one.
//! Numbers are big-endian; `u8+` is bytes behind a one-byte count, `v+` behind a varint. The media
//! type of the body is the envelope's; the parents are the envelope's. Reading borrows: nothing is
//! allocated by what a payload declares.

use super::Located;
use crate::update::{Reader, Truncated, put_varint};
use std::fmt;

const VERSION: u8 = 1;
/// Of a payload that holds what came over the wire.
pub(super) const VERSION_WIRED: u8 = 2;
/// The most of that, in bytes.
pub(super) const WIRE_BYTES_MAX: usize = 8 << 20;
/// The longest title, author, in bytes.
const NAME_BYTES_MAX: usize = 255;
const HEADLINE_BYTES_MAX: usize = 1024;
const SECTION_BYTES_MAX: usize = 64;
const SUMMARY_BYTES_MAX: usize = 4096;
const LANGUAGE_BYTES_MAX: usize = 35;

/// What is wrong with one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldFault {
    /// It may not be empty.
    Empty,
    /// It has more bytes than this.
    Long(usize),
    /// It holds a control character.
    Control,
    /// It is not UTF-8.
    Utf8,
    /// It has not the shape of a language tag (BCP 47).
    Shape,
    /// It is out of its range.
    Range,
}

/// A field that cannot stand, by the name that JSON has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// `title`, `headline`, `section`, `summary`, `author`, `language`, `located`, `generation`,
    /// `wire`.
    pub field: &'static str,
    /// What is wrong with it.
    pub fault: FieldFault,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.field)?;
        match self.fault {
            FieldFault::Empty => f.write_str("may not be empty"),
            FieldFault::Long(bytes_max) => write!(f, "has more than {bytes_max} bytes"),
            FieldFault::Control => f.write_str("holds a control character"),
            FieldFault::Utf8 => f.write_str("is not UTF-8"),
            FieldFault::Shape => f.write_str("is not a language tag such as en or pt-BR"),
            FieldFault::Range => f.write_str("is out of range"),
        }
    }
}

impl std::error::Error for FieldError {}

/// Why a payload is not what its kind promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadError {
    /// It ends early, or holds a number that is not in its shortest form.
    Truncated,
    /// Bytes stand behind its last field.
    Trailing,
    /// A version that we do not know.
    Version(u8),
    /// A field that cannot stand.
    Field(FieldError),
    /// A report that is not one canonical AT line.
    Line,
    /// The update's topic is not that of its kind.
    Topic,
}

impl From<Truncated> for PayloadError {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the payload ends early"),
            Self::Trailing => f.write_str("bytes behind the payload's last field"),
            Self::Version(version) => write!(f, "payload version {version} is not known"),
            Self::Field(field) => write!(f, "{field}"),
            Self::Line => f.write_str("the report is not an AT line"),
            Self::Topic => f.write_str("the topic is not that of the update's kind"),
        }
    }
}

impl std::error::Error for PayloadError {}

/// A revision of a story. One that [`Revision::decode`] gave is within the limits; one made by
/// hand is held to them by [`Revision::encode`]. Texts that are not given are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revision<'a> {
    /// 1 + the greatest generation of its parents; 1 without parents.
    pub generation: u32,
    /// The story: 1 to 255 bytes, no control characters.
    pub title: &'a str,
    /// At most 1 KiB, no control characters.
    pub headline: &'a str,
    /// At most 64 bytes, no control characters.
    pub section: &'a str,
    /// What this revision changed: at most 4 KiB, no control characters but tab and line feed.
    pub summary: &'a str,
    /// At most 255 bytes, no control characters.
    pub author: &'a str,
    /// At most 35 bytes in the shape of BCP 47.
    pub language: &'a str,
    /// Where it happened.
    pub located: Option<Located>,
    /// The text, in the media type of the envelope.
    pub body: &'a [u8],
    /// Of a revision that came as an article from outside of the herd: what of the article is to be
    /// handed on as it came. At most 8 MiB; for no reader, and erased with the rest.
    pub wire: &'a [u8],
}

impl<'a> Revision<'a> {
    /// All that is wrong with the fields; empty when nothing is.
    pub fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        let mut note = |field, fault: Result<(), FieldFault>| {
            if let Err(fault) = fault {
                faults.push(FieldError { field, fault });
            }
        };
        note("generation", if self.generation == 0 { Err(FieldFault::Range) } else { Ok(()) });
        note("title", title_fault(self.title));
        note("headline", line_fault(self.headline, HEADLINE_BYTES_MAX));
        note("section", line_fault(self.section, SECTION_BYTES_MAX));
        note("summary", text_fault(self.summary, SUMMARY_BYTES_MAX));
        note("author", line_fault(self.author, NAME_BYTES_MAX));
        note("language", language_fault(self.language));
        let in_range = self.located.is_none_or(Located::is_in_range);
        note("located", if in_range { Ok(()) } else { Err(FieldFault::Range) });
        note("wire", wire_fault(self.wire));
        faults
    }

    /// The canonical payload, or everything that is wrong with the fields.
    pub fn encode(&self) -> Result<Vec<u8>, Vec<FieldError>> {
        let faults = self.faults();
        if !faults.is_empty() {
            return Err(faults);
        }
        let texts = self.title.len() + self.headline.len() + self.summary.len();
        let mut out = Vec::with_capacity(texts + self.wire.len() + self.body.len() + 400);
        out.push(if self.wire.is_empty() { VERSION } else { VERSION_WIRED });
        out.extend_from_slice(&self.generation.to_be_bytes());
        put_short(&mut out, self.title);
        put_counted(&mut out, self.headline.as_bytes());
        put_short(&mut out, self.section);
        put_counted(&mut out, self.summary.as_bytes());
        put_short(&mut out, self.author);
        put_short(&mut out, self.language);
        put_located(&mut out, self.located);
        if !self.wire.is_empty() {
            put_counted(&mut out, self.wire);
        }
        out.extend_from_slice(self.body);
        Ok(out)
    }

    /// Reads a payload from anywhere.
    pub fn decode(payload: &'a [u8]) -> Result<Self, PayloadError> {
        let mut reader = Reader::new(payload);
        let is_wired = read_version(&mut reader)?;
        let revision = Self {
            generation: reader.u32()?,
            title: utf8("title", reader.short()?)?,
            headline: utf8("headline", reader.counted()?)?,
            section: utf8("section", reader.short()?)?,
            summary: utf8("summary", reader.counted()?)?,
            author: utf8("author", reader.short()?)?,
            language: utf8("language", reader.short()?)?,
            located: read_located(&mut reader)?,
            wire: read_wire(&mut reader, is_wired)?,
            body: reader.rest(),
        };
        revision.faults().first().map_or(Ok(revision), |&fault| Err(PayloadError::Field(fault)))
    }
}

/// The version; true when it is that of a payload with something from the wire.
pub(super) fn read_version(reader: &mut Reader<'_>) -> Result<bool, PayloadError> {
    match reader.u8()? {
        VERSION => Ok(false),
        VERSION_WIRED => Ok(true),
        other => Err(PayloadError::Version(other)),
    }
}

/// What came over the wire, which is never empty where the version says that it is there.
pub(super) fn read_wire<'a>(
    reader: &mut Reader<'a>,
    is_wired: bool,
) -> Result<&'a [u8], PayloadError> {
    if !is_wired {
        return Ok(&[]);
    }
    let wire = reader.counted()?;
    let fault = FieldError { field: "wire", fault: FieldFault::Empty };
    if wire.is_empty() { Err(PayloadError::Field(fault)) } else { Ok(wire) }
}

pub(super) fn wire_fault(wire: &[u8]) -> Result<(), FieldFault> {
    if wire.len() > WIRE_BYTES_MAX { Err(FieldFault::Long(WIRE_BYTES_MAX)) } else { Ok(()) }
}

pub(super) fn utf8<'a>(field: &'static str, bytes: &'a [u8]) -> Result<&'a str, PayloadError> {
    let fault = FieldError { field, fault: FieldFault::Utf8 };
    std::str::from_utf8(bytes).map_err(|_| PayloadError::Field(fault))
}

/// Appends a text of at most 255 bytes: the limits of the fields see to that.
pub(super) fn put_short(out: &mut Vec<u8>, text: &str) {
    debug_assert!(text.len() <= NAME_BYTES_MAX, "a short text of {} bytes", text.len());
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn put_located(out: &mut Vec<u8>, located: Option<Located>) {
    out.push(u8::from(located.is_some()));
    if let Some(located) = located {
        out.extend_from_slice(&located.lat_udeg.to_be_bytes());
        out.extend_from_slice(&located.lon_udeg.to_be_bytes());
    }
}

pub(super) fn read_located(reader: &mut Reader<'_>) -> Result<Option<Located>, PayloadError> {
    match reader.u8()? {
        0 => Ok(None),
        1 => {
            let lat_udeg = i32::from_be_bytes(reader.array()?);
            let lon_udeg = i32::from_be_bytes(reader.array()?);
            Ok(Some(Located { lat_udeg, lon_udeg }))
        }
        _ => Err(PayloadError::Field(FieldError { field: "located", fault: FieldFault::Range })),
    }
}

/// True for what may be the title of a story: 1 to 255 bytes, no control characters.
pub fn is_title(text: &str) -> bool {
    title_fault(text).is_ok()
}

/// True for the shape of a language tag (BCP 47) of at most 35 bytes, registered or not.
pub fn is_language(text: &str) -> bool {
    !text.is_empty() && language_fault(text).is_ok()
}

pub(super) fn title_fault(text: &str) -> Result<(), FieldFault> {
    if text.is_empty() { Err(FieldFault::Empty) } else { line_fault(text, NAME_BYTES_MAX) }
}

fn line_fault(text: &str, bytes_max: usize) -> Result<(), FieldFault> {
    if text.len() > bytes_max {
        Err(FieldFault::Long(bytes_max))
    } else if text.chars().any(char::is_control) {
        Err(FieldFault::Control)
    } else {
        Ok(())
    }
}

pub(super) fn text_fault(text: &str, bytes_max: usize) -> Result<(), FieldFault> {
    if text.len() > bytes_max {
        Err(FieldFault::Long(bytes_max))
    } else if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n')) {
        Err(FieldFault::Control)
    } else {
        Ok(())
    }
}

fn language_fault(text: &str) -> Result<(), FieldFault> {
    if text.len() > LANGUAGE_BYTES_MAX {
        return Err(FieldFault::Long(LANGUAGE_BYTES_MAX));
    }
    if text.is_empty() {
        return Ok(());
    }
    let mut tags = text.split('-');
    let first = tags.next().unwrap_or_default();
    let is_primary = first.bytes().all(|b| b.is_ascii_alphabetic())
        && ((2..=8).contains(&first.len())
            || (matches!(first, "i" | "x" | "I" | "X") && text.len() > 1));
    let is_tag =
        |tag: &str| (1..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_primary && tags.all(is_tag) { Ok(()) } else { Err(FieldFault::Shape) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn located() -> impl Strategy<Value = Option<Located>> {
        let lat = -90_000_000..=90_000_000;
        let lon = -180_000_000..=180_000_000;
        prop::option::of((lat, lon).prop_map(|(lat_udeg, lon_udeg)| Located { lat_udeg, lon_udeg }))
    }

    proptest! {
        #[test]
        fn a_revision_comes_back(
            texts in prop::collection::vec("[a-zé /]{1,60}", 4),
            summary in "[a-z\n\té]{0,300}",
            generation in 1_u32..,
            located in located(),
            body: Vec<u8>,
            wire: Vec<u8>,
        ) {
            let revision = Revision {
                generation,
                title: &texts[0],
                headline: &texts[1],
                section: &texts[2][..texts[2].chars().next().map_or(0, char::len_utf8)],
                summary: &summary,
                author: &texts[3],
                language: "zh-Hant-TW",
                located,
                body: &body,
                wire: &wire,
            };
            let payload = revision.encode().unwrap();
            prop_assert_eq!(Revision::decode(&payload), Ok(revision));
        }

        #[test]
        fn hostile_payloads_are_named_errors_or_canonical(bytes: Vec<u8>) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = VERSION + *first % 2;
            }
            if let Ok(revision) = Revision::decode(&bytes) {
                prop_assert_eq!(revision.encode(), Ok(bytes));
            }
        }

        #[test]
        fn every_flip_is_refused_or_canonical(at in 0..60_usize, bit in 0..8_u32) {
            let located = Some(Located { lat_udeg: 1, lon_udeg: 2 });
            let sample = Revision {
                generation: 1, title: "a title", headline: "b", section: "c", summary: "d",
                author: "e", language: "en", located, body: b"the body", wire: b"",
            };
            let mut payload = sample.encode().unwrap();
            let at = at % payload.len();
            payload[at] ^= 1_u8 << bit;
            if let Ok(revision) = Revision::decode(&payload) {
                prop_assert_eq!(revision.encode(), Ok(payload));
            }
        }
    }

    #[test]
    fn every_cut_before_the_body_is_refused() {
        let sample = Revision { generation: 1, title: "t", headline: "h", ..Revision::default() };
        let payload = sample.encode().unwrap();
        for cut in 0..payload.len() {
            assert!(Revision::decode(&payload[..cut]).is_err(), "cut at {cut}");
        }
        assert_eq!(Revision::decode(&[3]), Err(PayloadError::Version(3)));
    }

    #[test]
    fn a_version_that_promises_wire_has_some() {
        let plain = Revision { generation: 1, title: "t", body: b"b", ..Revision::default() };
        let payload = Revision { wire: b"w", ..plain }.encode().unwrap();
        assert_eq!((payload[0], Revision::decode(&payload).unwrap().wire), (2, &b"w"[..]));
        let mut empty = plain.encode().unwrap();
        empty[0] = VERSION_WIRED;
        let at = empty.len() - 1;
        empty.insert(at, 0);
        let fault = FieldError { field: "wire", fault: FieldFault::Empty };
        assert_eq!(Revision::decode(&empty), Err(PayloadError::Field(fault)));
    }

    #[test]
    fn a_declared_length_beyond_the_bytes_is_an_early_end() {
        let mut payload = vec![VERSION, 0, 0, 0, 1, 1, b't'];
        put_varint(&mut payload, u64::MAX);
        assert_eq!(Revision::decode(&payload), Err(PayloadError::Truncated));
    }

    #[test]
    fn every_bad_field_is_named_at_once() {
        let long = "x".repeat(5000);
        let bad = Revision {
            generation: 0,
            title: "",
            headline: "two\nlines",
            section: &long,
            summary: "bell\u{7}",
            author: &long,
            language: "english!",
            located: Some(Located { lat_udeg: 90_000_001, lon_udeg: 0 }),
            body: b"",
            wire: &vec![0; WIRE_BYTES_MAX + 1],
        };
        let named: Vec<&str> = bad.encode().unwrap_err().iter().map(|e| e.field).collect();
        assert_eq!(
            named,
            [
                "generation",
                "title",
                "headline",
                "section",
                "summary",
                "author",
                "language",
                "located",
                "wire"
            ]
        );
        let text = FieldError { field: "section", fault: FieldFault::Long(64) }.to_string();
        assert_eq!(text, "section has more than 64 bytes");
    }

    #[test]
    fn limits_are_in_bytes_and_inclusive() {
        let fits = |title: &str| is_title(title);
        assert!(fits(&"x".repeat(255)) && !fits(&"x".repeat(256)) && !fits(&"é".repeat(128)));
        assert!(!fits("a\u{85}b") && !fits("a\u{7f}") && fits("a b/c?é"));
        assert!(is_language("en") && is_language("pt-BR") && is_language("x-klingon"));
        assert!(is_language("de-CH-1901") && is_language("i-default"));
        for bad in ["", "e", "en-", "-en", "en--us", "en_US", "12", "x", "abcdefghi", "en-überall"]
        {
            assert!(!is_language(bad), "{bad}");
        }
    }
}
