//! Replies: a code of three digits and a text (RFC 3977, 3.2).

use std::fmt;

/// The longest reply line, in bytes, without its CRLF (RFC 3977, 3.1).
pub(super) const REPLY_BYTES_MAX: usize = 510;

/// A reply's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// 100 to 599.
    pub code: u16,
    /// What stands behind the code, the space between them left out; any bytes.
    pub text: &'a [u8],
}

/// Why a line is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// It has more than 510 bytes.
    TooLong,
    /// It does not begin with a code from 100 to 599 and a space, or nothing, behind it.
    NoCode,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "a reply of more than 510 bytes",
            Self::NoCode => "a reply without a code",
        })
    }
}

impl std::error::Error for ReplyError {}

impl<'a> Reply<'a> {
    /// Reads a line without its end.
    pub fn parse(line: &'a [u8]) -> Result<Self, ReplyError> {
        let (code, rest) = line.split_at_checked(3).ok_or(ReplyError::NoCode)?;
        let is_code = (b'1'..=b'5').contains(&code[0]) && code.iter().all(u8::is_ascii_digit);
        let text = match rest.split_first() {
            None => rest,
            Some((b' ', text)) => text,
            Some(_) => return Err(ReplyError::NoCode),
        };
        if !is_code {
            return Err(ReplyError::NoCode);
        }
        let code = code.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        Ok(Self { code, text })
    }

    /// The first argument of the text: the message-id of CHECK's and TAKETHIS's answers.
    pub fn first(&self) -> &'a [u8] {
        self.text.split(|byte| *byte == b' ').next().unwrap_or_default()
    }
}

/// Appends a reply's line. What of the text could end the line, or is beyond its longest, is left
/// out.
pub fn put_reply(out: &mut Vec<u8>, code: u16, text: &str) {
    debug_assert!((100..600).contains(&code), "{code} is no code of a reply");
    for place in [100, 10, 1] {
        out.push(b'0' + (code / place % 10) as u8);
    }
    if !text.is_empty() {
        out.push(b' ');
    }
    let from = out.len();
    let ends_line = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
    let end = text.floor_char_boundary(REPLY_BYTES_MAX - 4);
    out.extend(text.as_bytes()[..end].iter().filter(|byte| !ends_line(byte)));
    debug_assert!(out.len() - from + 4 <= REPLY_BYTES_MAX, "a reply is a short line");
    out.extend_from_slice(b"\r\n");
}
