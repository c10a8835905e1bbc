//! `line:`: the line protocol, with lines from a template: IAMAT of ever new times unless told
//! otherwise.

use super::wire::{Answer, Ask, Wire};
use crate::base::InBuf;
use crate::reactor::Fault;
use std::io::Write;
use std::sync::Arc;

/// What is asked unless `--line` says otherwise.
pub(super) const IAMAT: &str = "IAMAT {name} +34.068930-118.445127 {time}";

/// A line with places that are filled anew each time.
#[derive(Clone, Debug)]
pub(super) struct LineTemplate {
    pieces: Vec<Piece>,
    /// A good answer ends with an empty line: it brings places.
    many_lines: bool,
    /// How many distinct names there are; 0: one for each connection.
    names: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `{name}`: a client's name, one of so many.
    Name,
    /// `{n}`: the number of the request.
    Number,
    /// `{time}`: seconds since 1970, growing with each request.
    Time,
}

impl LineTemplate {
    /// Parses a line: `{name}`, `{n}` and `{time}` are places, all else stands for itself.
    pub(super) fn parse(text: &str, names: u64) -> Self {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let places = [("{name}", Piece::Name), ("{n}", Piece::Number), ("{time}", Piece::Time)];
            let place = places.into_iter().find(|(mark, _)| rest.starts_with(mark));
            let taken = if let Some((mark, piece)) = place {
                pieces.extend([Piece::Text(std::mem::take(&mut plain)), piece]);
                mark.len()
            } else {
                let len = rest.chars().next().map_or(0, char::len_utf8);
                plain.push_str(&rest[..len]);
                len
            };
            rest = &rest[taken..];
        }
        plain.push('\n');
        pieces.push(Piece::Text(plain));
        let first = text.split_whitespace().next();
        Self { pieces, many_lines: first == Some("WHATSAT"), names }
    }

    fn put(&self, out: &mut Vec<u8>, ask: Ask) {
        for piece in &self.pieces {
            let written = match piece {
                Piece::Text(text) => out.write_all(text.as_bytes()),
                Piece::Name => {
                    let name = match self.names {
                        0 => ask.seat as u64,
                        // Connections begin at different names.
                        names => (ask.seat as u64 * 7_919 + ask.number) % names,
                    };
                    write!(out, "load-{name}")
                }
                Piece::Number => write!(out, "{}", ask.number),
                Piece::Time => {
                    let (seconds, nanos) =
                        (ask.wall_ns / 1_000_000_000, ask.wall_ns % 1_000_000_000);
                    write!(out, "{seconds}.{nanos:09}")
                }
            };
            written.expect("a Vec takes all");
        }
    }
}

/// One connection of the line protocol.
pub(super) struct Lines {
    template: Arc<LineTemplate>,
    /// Bytes of an unfinished answer in which its end is not.
    searched: usize,
}

impl Lines {
    pub(super) fn new(template: &Arc<LineTemplate>) -> Self {
        Self { template: Arc::clone(template), searched: 0 }
    }
}

impl Wire for Lines {
    fn put(&mut self, out: &mut Vec<u8>, ask: Ask) {
        self.template.put(out, ask);
    }

    fn next(&mut self, input: &mut InBuf) -> Result<Option<Answer>, Fault> {
        let bytes = input.data();
        let good = !matches!(bytes, [b'?', ..] | [b'L', b'A', b'T', b'E', b'R', ..]);
        let end: &[u8] = if good && self.template.many_lines { b"\n\n" } else { b"\n" };
        let from = self.searched.saturating_sub(1);
        let found = bytes[from..].windows(end.len()).position(|window| window == end);
        let Some(at) = found else {
            self.searched = bytes.len();
            return Ok(None);
        };
        self.searched = 0;
        input.consume(from + at + end.len());
        Ok(Some(Answer { good, status: 0, last: false }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(template: &str, names: u64, number: u64) -> String {
        let mut out = Vec::new();
        let ask = Ask { number, seat: 3, start_ns: 0, wall_ns: 12_000_000_034 };
        LineTemplate::parse(template, names).put(&mut out, ask);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn places_in_a_line_are_filled_and_all_else_is_kept() {
        let line = "IAMAT load-3 +34.068930-118.445127 12.000000034\n";
        assert_eq!(asked(IAMAT, 0, 5), line);
        assert_eq!(asked("x{n}é {m} {", 0, 5), "x5é {m} {\n");
    }

    #[test]
    fn names_are_as_many_as_were_asked_for() {
        let mut names: Vec<String> = (0..20).map(|n| asked("{name}", 8, n)).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 8);
    }

    #[test]
    fn an_answer_ends_with_its_line_or_with_an_empty_one_if_it_brings_places() {
        let bytes = b"AT a\n[1,\n2]\n\n? what\nAT b\n";
        let mut counts = Vec::new();
        for line in ["IAMAT", "WHATSAT load-1 1 1"] {
            // Whole, and byte by byte.
            for step in [bytes.len(), 1] {
                let mut lines = Lines::new(&Arc::new(LineTemplate::parse(line, 0)));
                let (mut input, mut found) = (InBuf::new(100), Vec::new());
                for piece in bytes.chunks(step) {
                    input.push(piece);
                    found.extend(std::iter::from_fn(|| lines.next(&mut input).unwrap()));
                }
                counts.push(found.iter().map(|answer| answer.good).collect::<Vec<_>>());
            }
        }
        let one_line = vec![true, true, true, true, false, true];
        assert_eq!(counts, [one_line.clone(), one_line, vec![true, false], vec![true, false]]);
    }
}
