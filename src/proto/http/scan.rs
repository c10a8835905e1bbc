//! Finds the end of a head (or trailer section) as its bytes trickle in, looking at each byte once.
//! Holds lines to CRLF, counts them, and bounds them; knows nothing of what they say.

use super::error::{Fault, HttpErrorKind};

/// The largest method that may stand before a target, in bytes.
pub(super) const METHOD_BYTES_MAX: usize = 32;
/// What stands around method and target in a request line: two spaces, a version, CRLF.
const REQUEST_LINE_REST_BYTES: usize = 12;

/// How large a section may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScanLimits {
    /// Bytes of the section, its empty last line included.
    pub(super) bytes_max: usize,
    /// Lines without the empty last one.
    pub(super) lines_max: usize,
    /// Bytes of the first line with its CRLF.
    pub(super) first_line_bytes_max: usize,
    /// What to say of each.
    pub(super) too_large: HttpErrorKind,
    pub(super) too_many: HttpErrorKind,
    pub(super) first_line_too_long: HttpErrorKind,
}

impl ScanLimits {
    /// The limits of a request's head.
    pub(super) fn request(bytes_max: usize, fields_max: usize, target_bytes_max: usize) -> Self {
        let line = METHOD_BYTES_MAX + target_bytes_max + REQUEST_LINE_REST_BYTES;
        Self {
            bytes_max,
            lines_max: fields_max + 1,
            first_line_bytes_max: line,
            too_large: HttpErrorKind::HeadTooLarge,
            too_many: HttpErrorKind::TooManyFields,
            first_line_too_long: HttpErrorKind::TargetTooLong,
        }
    }

    /// The limits of a response's head, or of a trailer section.
    pub(super) fn plain(bytes_max: usize, lines_max: usize, too_large: HttpErrorKind) -> Self {
        Self {
            bytes_max,
            lines_max,
            first_line_bytes_max: bytes_max,
            too_large,
            too_many: HttpErrorKind::TooManyFields,
            first_line_too_long: too_large,
        }
    }
}

/// A section whose last line has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// Bytes of the section, its empty last line included.
    pub(super) len: usize,
    /// Bytes of its first line with CRLF; 0 when the section is only the empty line.
    pub(super) first_line: usize,
}

/// Where the search stands. All places count from the section's first byte.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    seen: usize,
    line_start: usize,
    first_line: usize,
    lines: usize,
}

impl Scan {
    /// True when it has looked at no byte of the section.
    pub(super) fn is_fresh(&self) -> bool {
        self.seen == 0
    }

    /// Goes on in `bytes`, which begin with the section's first byte and hold at least those seen
    /// before. `None`: more bytes are needed.
    pub(super) fn on_bytes(
        &mut self,
        bytes: &[u8],
        limits: &ScanLimits,
    ) -> Result<Option<Section>, Fault> {
        let whole = bytes.len() < limits.bytes_max;
        let bytes = if whole { bytes } else { &bytes[..limits.bytes_max] };
        let mut at = self.seen;
        while let Some((word, _)) = bytes.get(at..).and_then(|rest| rest.split_first_chunk()) {
            let mut hits = line_feeds(u64::from_le_bytes(*word));
            while hits != 0 {
                let lf = at + hits.trailing_zeros() as usize / 8;
                if let Some(section) = self.on_line_feed(bytes, lf, limits)? {
                    return Ok(Some(section));
                }
                hits &= hits - 1;
            }
            at += 8;
        }
        for lf in at..bytes.len() {
            if bytes[lf] == b'\n'
                && let Some(section) = self.on_line_feed(bytes, lf, limits)?
            {
                return Ok(Some(section));
            }
        }
        self.seen = bytes.len();
        if self.lines == 0 && bytes.len() > limits.first_line_bytes_max {
            return first_line_fault(limits);
        }
        if whole { Ok(None) } else { Err(Fault::new(limits.too_large, limits.bytes_max)) }
    }

    /// Takes a line's end, or the section's.
    #[inline]
    fn on_line_feed(
        &mut self,
        bytes: &[u8],
        lf: usize,
        limits: &ScanLimits,
    ) -> Result<Option<Section>, Fault> {
        if self.lines == 0 && lf >= limits.first_line_bytes_max {
            return first_line_fault(limits);
        }
        if lf == 0 || bytes[lf - 1] != b'\r' {
            return Err(Fault::new(HttpErrorKind::BareLf, lf));
        }
        if self.line_start + 1 == lf {
            return Ok(Some(Section { len: lf + 1, first_line: self.first_line }));
        }
        if self.lines == 0 {
            self.first_line = lf + 1;
        }
        self.lines += 1;
        if self.lines > limits.lines_max {
            return Err(Fault::new(limits.too_many, self.line_start));
        }
        self.line_start = lf + 1;
        Ok(None)
    }
}

#[cold]
fn first_line_fault<T>(limits: &ScanLimits) -> Result<T, Fault> {
    Err(Fault::new(limits.first_line_too_long, limits.first_line_bytes_max))
}

/// The top bit of each byte that is LF, and no other bit.
#[inline]
fn line_feeds(word: u64) -> u64 {
    const LOW_BITS: u64 = u64::MAX / 255 * 0x7f;
    let differs = word ^ u64::from_le_bytes([b'\n'; 8]);
    !(((differs & LOW_BITS) + LOW_BITS) | differs | LOW_BITS)
}

/// The place of the first LF. Eight bytes at a time.
#[inline]
pub(super) fn find_lf(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk() {
        let hits = line_feeds(u64::from_le_bytes(*word));
        if hits != 0 {
            let before = bytes.len() - rest.len();
            return Some(before + hits.trailing_zeros() as usize / 8);
        }
        rest = after;
    }
    let before = bytes.len() - rest.len();
    rest.iter().position(|&byte| byte == b'\n').map(|index| before + index)
}
