//! Which characters the other end can show, and as which bytes they go: what RFC 2066's
//! subnegotiation settles, else UTF-8 as long as eight bits may go, else US-ASCII.

use super::command::{IAC, SB, SE, option};
use super::decoder::SUB_BYTES_MAX;

const REQUEST: u8 = 1;
const ACCEPTED: u8 = 2;
const REJECTED: u8 = 3;
const TTABLE_IS: u8 = 4;
const TTABLE_REJECTED: u8 = 5;

/// A character set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// All characters.
    #[default]
    Utf8,
    /// The first 256 of them, a byte each.
    Latin1,
    /// The first 128 of them: what an NVT has.
    Ascii,
}

impl Charset {
    /// All of them, the best first.
    pub const ALL: [Self; 3] = [Self::Utf8, Self::Latin1, Self::Ascii];

    /// Its name (IANA's).
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Latin1 => "ISO-8859-1",
            Self::Ascii => "US-ASCII",
        }
    }

    /// The set of a name, in any case.
    pub fn of(name: &[u8]) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let others: [(&[&str], Self); 3] = [
            (&["UTF8"], Self::Utf8),
            (&["LATIN1", "LATIN-1", "ISO_8859-1", "ISO8859-1"], Self::Latin1),
            (&["ASCII", "ANSI_X3.4-1968"], Self::Ascii),
        ];
        let alias = |(names, _): &&(&[&str], Self)| names.iter().any(|known| is(known));
        let known = Self::ALL.into_iter().find(|set| is(set.name()));
        known.or_else(|| others.iter().find(alias).map(|(_, set)| *set))
    }

    /// The character as this set has it: itself, one that looks like it, or a question mark.
    pub fn nearest(self, c: char) -> char {
        let has = |c: char| match self {
            Self::Utf8 => true,
            Self::Latin1 => u32::from(c) < 0x100,
            Self::Ascii => c.is_ascii(),
        };
        if has(c) {
            return c;
        }
        match c {
            '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' => '\'',
            '\u{201c}' | '\u{201d}' | '\u{201f}' | '\u{2033}' => '"',
            '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
            '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' => ' ',
            '\u{2022}' | '\u{b7}' => '*',
            _ => '?',
        }
    }

    /// Appends a character's bytes, none of them to be taken for a command.
    pub fn put(self, c: char, out: &mut Vec<u8>) {
        let c = self.nearest(c);
        if self == Self::Utf8 {
            let mut bytes = [0; 4];
            return out.extend_from_slice(c.encode_utf8(&mut bytes).as_bytes());
        }
        let byte = u8::try_from(u32::from(c)).unwrap_or(b'?');
        out.push(byte);
        if byte == IAC {
            out.push(IAC);
        }
    }
}

/// RFC 2066's talk about character sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CharsetTalk {
    /// We have asked, and have no answer.
    is_asking: bool,
    /// What was settled.
    settled: Option<Charset>,
}

impl CharsetTalk {
    /// What both ends agreed on.
    pub(super) fn settled(self) -> Option<Charset> {
        self.settled
    }

    /// The other end may be asked: which of ours it takes.
    pub(super) fn request(&mut self, out: &mut Vec<u8>) {
        if self.is_asking || self.settled.is_some() {
            return;
        }
        self.is_asking = true;
        out.extend_from_slice(&[IAC, SB, option::CHARSET, REQUEST]);
        for set in Charset::ALL {
            out.push(b';');
            out.extend_from_slice(set.name().as_bytes());
        }
        out.extend_from_slice(&[IAC, SE]);
    }

    /// Takes what the other end says.
    pub(super) fn on_sub(&mut self, said: &[u8], out: &mut Vec<u8>) {
        match said.split_first() {
            Some((&ACCEPTED, name)) if self.is_asking => {
                self.is_asking = false;
                self.settled = Charset::of(name).or(self.settled);
            }
            Some((&REJECTED, _)) => self.is_asking = false,
            // Both ask at once: the server refuses (RFC 2066, section 5).
            Some((&REQUEST, _)) if self.is_asking => say(REJECTED, b"", out),
            Some((&REQUEST, list)) => match offered(list) {
                Some((set, name)) => {
                    self.settled = Some(set);
                    say(ACCEPTED, name, out);
                }
                None => say(REJECTED, b"", out),
            },
            Some((&TTABLE_IS, _)) => say(TTABLE_REJECTED, b"", out),
            _ => {}
        }
    }
}

/// The first set that we know of a list behind its separator, with its name as it stands there.
fn offered(list: &[u8]) -> Option<(Charset, &[u8])> {
    // "[TTABLE]" and a version byte may stand before the list; no table is taken.
    let list = match list.strip_prefix(b"[TTABLE]") {
        Some(rest) => rest.get(1..)?,
        None => list,
    };
    let (separator, names) = list.split_first()?;
    names.split(|byte| byte == separator).find_map(|name| Some((Charset::of(name)?, name)))
}

fn say(what: u8, name: &[u8], out: &mut Vec<u8>) {
    debug_assert!(name.len() <= SUB_BYTES_MAX && !name.contains(&IAC), "a name that is known");
    out.extend_from_slice(&[IAC, SB, option::CHARSET, what]);
    out.extend_from_slice(name);
    out.extend_from_slice(&[IAC, SE]);
}
