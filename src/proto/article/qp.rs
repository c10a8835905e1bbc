//! Quoted-printable (RFC 2045, 6.7) and the Q of encoded words (RFC 2047, 4.2).

/// No line of what is written is longer, in bytes without its end.
const LINE_BYTES_MAX: usize = 76;

/// Undoes the Q of an encoded word; what is not coded right stands for itself.
pub(super) fn decode_word(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> =
        text.iter().map(|byte| if *byte == b'_' { b' ' } else { *byte }).collect();
    let mut out = Vec::with_capacity(text.len());
    decode_line(&spaced, &mut out);
    out
}

/// Undoes quoted-printable; what is not coded right stands for itself.
pub(super) fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let (line, is_ended) = match line.strip_suffix(b"\r\n") {
            Some(line) => (line, true),
            None => (line, false),
        };
        // White space at a line's end was added on the way (RFC 2045, 6.7).
        let line = if is_ended { line.trim_ascii_end() } else { line };
        let (line, is_soft) = match line.strip_suffix(b"=") {
            Some(line) => (line, true),
            None => (line, false),
        };
        decode_line(line, &mut out);
        if is_ended && !is_soft {
            out.extend_from_slice(b"\r\n");
        }
    }
    out
}

fn decode_line(line: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < line.len() {
        match (line[at], coded(&line[at..])) {
            (b'=', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
}

/// The byte that `=XX` at the start means.
fn coded(text: &[u8]) -> Option<u8> {
    let [b'=', high, low, ..] = text else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

/// Text whose lines end with CRLF as quoted-printable.
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let (line, is_ended) = match line.strip_suffix(b"\r\n") {
            Some(line) => (line, true),
            None => (line, false),
        };
        encode_line(line, out);
        if is_ended {
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn encode_line(line: &[u8], out: &mut Vec<u8>) {
    let mut used = 0;
    for (at, &byte) in line.iter().enumerate() {
        let is_last = at + 1 == line.len();
        let is_plain = match byte {
            b'=' => false,
            b' ' | b'\t' => !is_last,
            // A dot at a line's start is not for everyone who carries mail.
            b'.' => used > 0,
            byte => matches!(byte, 33..=126),
        };
        let width = if is_plain { 1 } else { 3 };
        if used + width >= LINE_BYTES_MAX {
            out.extend_from_slice(b"=\r\n");
            used = 0;
        }
        if is_plain && !(byte == b'.' && used == 0) {
            out.push(byte);
            used += 1;
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.extend_from_slice(&[
                b'=',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]);
            used += 3;
        }
    }
}
