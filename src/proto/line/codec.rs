//! Lines out of bytes: LF ends one, a CR before it belongs to the end.

use crate::base::InBuf;

/// How much of a line that is too long is quoted in its answer, in bytes.
pub const QUOTE_BYTES_MAX: usize = 1024;

/// One line, without its LF or CRLF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// The first bytes of a line over the limit, [`QUOTE_BYTES_MAX`] or the limit if that is
    /// less; the rest of it is dropped.
    TooLong(&'a [u8]),
}

/// Takes lines off an [`InBuf`]; nothing that a peer sends is an error.
///
/// Call [`LineCodec::next`] until `None` whenever bytes came, and [`LineCodec::last`] until `None`
/// when no more will come. Events depend on the bytes alone, not on how they were cut. Invariants:
/// the first `scanned` bytes held are no LF; while `skipping`, what is held belongs to a line that
/// was reported as too long.
#[derive(Debug)]
pub struct LineCodec {
    line_bytes_max: usize,
    scanned: usize,
    skipping: bool,
}

impl LineCodec {
    /// A codec for lines of at most `line_bytes_max` bytes, their end not counted.
    pub fn new(line_bytes_max: usize) -> Self {
        Self { line_bytes_max, scanned: 0, skipping: false }
    }

    /// The cap that the input buffer needs, in bytes: the longest line with its CRLF.
    pub fn needed(&self) -> usize {
        self.line_bytes_max + 2
    }

    /// The next line that has ended or is too long.
    pub fn next<'a>(&mut self, input: &'a mut InBuf) -> Option<Line<'a>> {
        if self.skipping && !self.skip(input) {
            return None;
        }
        let held = input.data();
        let from = self.scanned.min(held.len());
        let Some(at) = held[from..].iter().position(|byte| *byte == b'\n') else {
            self.scanned = held.len();
            return self.overrun(input);
        };
        self.scanned = 0;
        let end = from + at;
        let line = input.take(end + 1);
        let line = &line[..end];
        Some(self.event(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// What is left when the input has ended: a last line needs no LF. Its bytes are taken as they
    /// are, a CR at the end included.
    pub fn last<'a>(&mut self, input: &'a mut InBuf) -> Option<Line<'a>> {
        if self.skipping && !self.skip(input) {
            return None;
        }
        if input.is_empty() || input.data().contains(&b'\n') {
            return self.next(input);
        }
        self.scanned = 0;
        let line = input.take_all();
        Some(self.event(line))
    }

    /// Drops what is left of a line that was reported as too long, for who reads something else
    /// behind it; false when more of it may come.
    pub fn end_line(&mut self, input: &mut InBuf) -> bool {
        !self.skipping || self.skip(input)
    }

    fn event<'a>(&self, line: &'a [u8]) -> Line<'a> {
        if line.len() > self.line_bytes_max { self.too_long(line) } else { Line::Whole(line) }
    }

    /// Drops up to the end of the line that is too long; true when that end was there.
    fn skip(&mut self, input: &mut InBuf) -> bool {
        let end = input.data().iter().position(|byte| *byte == b'\n');
        input.consume(end.map_or(input.len(), |at| at + 1));
        self.skipping = end.is_none();
        !self.skipping
    }

    /// Reports a line that is too long as soon as no end can make it short enough.
    fn overrun<'a>(&mut self, input: &'a mut InBuf) -> Option<Line<'a>> {
        let held = input.data();
        let may_end = usize::from(held.last() == Some(&b'\r'));
        if held.len() <= self.line_bytes_max + may_end {
            return None;
        }
        self.scanned = 0;
        self.skipping = true;
        Some(self.too_long(input.take_all()))
    }

    /// Quotes no more than is held, however it was cut, when a line is found to be too long.
    fn too_long<'a>(&self, line: &'a [u8]) -> Line<'a> {
        Line::TooLong(&line[..self.line_bytes_max.min(QUOTE_BYTES_MAX)])
    }
}
