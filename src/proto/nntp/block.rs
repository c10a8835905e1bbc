//! Multi-line blocks (RFC 3977, 3.1.1): lines that end with CRLF, one that is a dot at the end, a
//! dot more before each that begins with one. Both ways as streams: nothing of a block is held.
//!
//! Only CRLF ends a line of a block. Who took a lone LF for an end, too, would see the end of a
//! block, and commands behind it, where the one who sent it on sees text.

use crate::base::InBuf;

/// A piece of a block under way. Where pieces begin and end depends on how the bytes came; what
/// they are together does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Bytes of it, CRLFs included, without the dots that were put in. Never empty.
    Bytes(&'a [u8]),
    /// It is over.
    End(BlockEnd),
}

/// How a block ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockEnd {
    /// All of it was given.
    Whole,
    /// It has more bytes than it may; those beyond were dropped.
    TooLarge,
}

/// What the bytes taken so far end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    /// The end of a line: a dot may come.
    Line,
    /// The dot at a line's start; it is not given.
    Dot,
    /// That dot and a CR, which is not given yet.
    DotCr,
    /// A CR within a line.
    Cr,
    /// Anything else.
    Text,
}

/// Reads one block, however it is cut.
#[derive(Clone, Debug)]
pub(super) struct Block {
    edge: Edge,
    /// How many bytes may still be given.
    room: usize,
    is_too_large: bool,
}

impl Block {
    /// A block of at most so many bytes, counted as they are given.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { edge: Edge::Line, room: bytes_max, is_too_large: false }
    }

    /// The next piece; `None` when more bytes are needed. Not to be called behind the end.
    pub(super) fn next<'a>(&mut self, input: &'a mut InBuf) -> Option<Part<'a>> {
        loop {
            let first = *input.data().first()?;
            match (self.edge, first) {
                (Edge::Line, b'.') => {
                    input.consume(1);
                    self.edge = Edge::Dot;
                }
                (Edge::Dot, b'\r') => {
                    input.consume(1);
                    self.edge = Edge::DotCr;
                }
                (Edge::DotCr, b'\n') => {
                    input.consume(1);
                    let end = if self.is_too_large { BlockEnd::TooLarge } else { BlockEnd::Whole };
                    return Some(Part::End(end));
                }
                (Edge::DotCr, _) => {
                    self.edge = Edge::Cr;
                    if self.fitting(1) > 0 {
                        return Some(Part::Bytes(b"\r"));
                    }
                }
                _ => {
                    let (length, edge) = run(input.data(), self.edge);
                    self.edge = edge;
                    let fitting = self.fitting(length);
                    if fitting > 0 {
                        return Some(Part::Bytes(&input.take(length)[..fitting]));
                    }
                    input.consume(length);
                }
            }
        }
    }

    /// How many of so many bytes are within the limit.
    fn fitting(&mut self, bytes: usize) -> usize {
        let fitting = bytes.min(self.room);
        self.room -= fitting;
        self.is_too_large |= fitting < bytes;
        fitting
    }
}

/// How many bytes can be given at once, and what they end with: up to a line that begins with a
/// dot, or all there are.
fn run(held: &[u8], edge: Edge) -> (usize, Edge) {
    let mut from = 0;
    while let Some(at) = held[from..].iter().position(|byte| *byte == b'\n') {
        let at = from + at;
        let is_end = if at == 0 { edge == Edge::Cr } else { held[at - 1] == b'\r' };
        from = at + 1;
        if is_end && held.get(from).is_none_or(|next| *next == b'.') {
            return (from, Edge::Line);
        }
    }
    let is_cr = held.last() == Some(&b'\r');
    (held.len(), if is_cr { Edge::Cr } else { Edge::Text })
}

/// Writes one block in pieces: puts dots in, and the end.
#[derive(Clone, Debug)]
pub struct Stuffing {
    edge: Edge,
}

impl Default for Stuffing {
    fn default() -> Self {
        Self { edge: Edge::Line }
    }
}

impl Stuffing {
    /// At the start of a block.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a piece. Its lines end with CRLF.
    pub fn put(&mut self, out: &mut Vec<u8>, mut piece: &[u8]) {
        while let Some(first) = piece.first() {
            if self.edge == Edge::Line && *first == b'.' {
                out.push(b'.');
            }
            // The dot itself is text from here on.
            let edge = if self.edge == Edge::Line { Edge::Text } else { self.edge };
            let (length, edge) = run(piece, edge);
            out.extend_from_slice(&piece[..length]);
            self.edge = edge;
            piece = &piece[length..];
        }
    }

    /// Appends the end, behind the end of a last line that has none.
    pub fn end(self, out: &mut Vec<u8>) {
        if self.edge != Edge::Line {
            out.extend_from_slice(b"\r\n");
        }
        put_end(out);
    }
}

/// Appends one line of a block, which must have no CR or LF in it.
pub fn put_line(out: &mut Vec<u8>, line: &[u8]) {
    if line.first() == Some(&b'.') {
        out.push(b'.');
    }
    out.extend_from_slice(line);
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of a block behind whole lines.
pub fn put_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b".\r\n");
}
