//! Which protocol a connection speaks, told from its first bytes, where one port serves several.
//! Sans-I/O: a function of what came. Protocols in which the server speaks first have no sign; a
//! client's silence is theirs.

/// What the first bytes of a connection are a sign of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// TLS of any version from 1.0 on: the record of a `ClientHello` (RFC 8446, 5.1).
    Tls,
    /// A method of HTTP and a space.
    Http,
    /// A command of the line protocol's clients.
    Line,
    /// AT, as the servers of foreign herds say it.
    At,
    /// A telnet command: IAC (RFC 854).
    Telnet,
}

/// What can be said so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Whatever follows, it is this.
    Is(Sign),
    /// Whatever follows, it is none of them.
    Nothing,
    /// The next byte may tell.
    Unsure,
}

/// Bytes after which there is always a verdict.
pub const SNIFF_BYTES_MAX: usize = 8;

const HANDSHAKE_RECORD: u8 = 0x16;
const TLS_MAJOR: u8 = 3;
const IAC: u8 = 0xff;

/// First words, as they are written; a space ends them, in the line protocol also a tab. The
/// methods are those of RFC 9110 and 5789, and the front of HTTP/2, which wants an answer, too.
const WORDS: [(&[u8], Sign); 14] = [
    (b"GET", Sign::Http),
    (b"HEAD", Sign::Http),
    (b"POST", Sign::Http),
    (b"PUT", Sign::Http),
    (b"DELETE", Sign::Http),
    (b"OPTIONS", Sign::Http),
    (b"CONNECT", Sign::Http),
    (b"TRACE", Sign::Http),
    (b"PATCH", Sign::Http),
    (b"PRI", Sign::Http),
    (b"IAMAT", Sign::Line),
    (b"WHATSAT", Sign::Line),
    (b"AUTH", Sign::Line),
    (b"AT", Sign::At),
];

/// True for a line that stands in the head of each request of HTTP: its first, or its `Host`. Where
/// another protocol is spoken it says that a browser was led there by someone's page, and that what
/// follows is that page's (the first line may be too long to tell).
pub fn is_of_http(line: &[u8]) -> bool {
    let begins = line.first_chunk::<5>().is_some_and(|name| name.eq_ignore_ascii_case(b"host:"));
    begins || line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0")
}

/// What the first bytes of a connection, all that came, are a sign of. More of them never change
/// what was said once, unless that was [`Verdict::Unsure`].
pub fn sniff(data: &[u8]) -> Verdict {
    match data {
        [] | [HANDSHAKE_RECORD] => Verdict::Unsure,
        [HANDSHAKE_RECORD, TLS_MAJOR, ..] => Verdict::Is(Sign::Tls),
        [IAC, ..] => Verdict::Is(Sign::Telnet),
        _ => sniff_word(data),
    }
}

fn sniff_word(data: &[u8]) -> Verdict {
    let length = data.iter().position(|byte| !byte.is_ascii_uppercase()).unwrap_or(data.len());
    let (word, rest) = data.split_at(length);
    let Some(end) = rest.first() else {
        let may_become = WORDS.iter().any(|(known, _)| known.starts_with(word));
        return if may_become { Verdict::Unsure } else { Verdict::Nothing };
    };
    let is_it = |(known, sign): &&(&[u8], Sign)| *known == word && ends(*sign, *end);
    WORDS.iter().find(is_it).map_or(Verdict::Nothing, |(_, sign)| Verdict::Is(*sign))
}

fn ends(sign: Sign, byte: u8) -> bool {
    byte == b' ' || (byte == b'\t' && sign != Sign::Http)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The verdict as bytes come one at a time, and after how many.
    fn sniff_bytewise(data: &[u8]) -> (Verdict, usize) {
        let first = (0..=data.len()).find(|length| sniff(&data[..*length]) != Verdict::Unsure);
        let length = first.unwrap_or(data.len());
        (sniff(&data[..length]), length)
    }

    #[test]
    fn each_protocol_is_told_as_soon_as_it_can_be() {
        for (data, sign, after) in [
            (&b"GET / HTTP/1.1\r\n"[..], Sign::Http, 4),
            (b"OPTIONS * HTTP/1.1\r\n", Sign::Http, 8),
            (b"POST /v1/topics/x HTTP/1.1\r\n", Sign::Http, 5),
            (b"PRI * HTTP/2.0\r\n", Sign::Http, 4),
            (b"IAMAT kiwi +1+1 1\n", Sign::Line, 6),
            (b"WHATSAT kiwi 1 1\n", Sign::Line, 8),
            (b"AUTH\tbw_x\n", Sign::Line, 5),
            (b"AT Hill +0 kiwi +1+1 1\n", Sign::At, 3),
            (b"\x16\x03\x01\x02\0\x01", Sign::Tls, 2),
            (b"\xff\xfd\x03", Sign::Telnet, 1),
        ] {
            assert_eq!(sniff(data), Verdict::Is(sign), "{}", data.escape_ascii());
            let wanted = (Verdict::Is(sign), after);
            assert_eq!(sniff_bytewise(data), wanted, "{}", data.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_sign_is_told_as_soon_as_it_can_be() {
        for (data, after) in [
            (&b"help\r\n"[..], 1),
            (b"\r\nGET / HTTP/1.1\r\n", 1),
            (b"\x16\x01", 2),
            (b"\0", 1),
            (b"GETS /", 4),
            (b"GET\t/ HTTP/1.1", 4),
            (b"ATX", 3),
            (b"AT\n", 3),
            (b"get / HTTP/1.1", 1),
            (b"AUTHINFO USER x\r\n", 5),
            (b"WHATSATS ", 8),
        ] {
            assert_eq!(sniff_bytewise(data), (Verdict::Nothing, after), "{}", data.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn a_verdict_stands_and_comes_in_time(
            front in prop::sample::select(
                vec![&b""[..], b"GET", b"PO", b"AT", b"WHATSAT", b"\x16"]
            ),
            rest in prop::collection::vec(prop_oneof![any::<u8>(), b'A'..=b'Z', Just(b' ')], 0..12),
        ) {
            let data = [front, &rest].concat();
            let (verdict, after) = sniff_bytewise(&data);
            prop_assert_eq!(sniff(&data), verdict);
            prop_assert!(after <= SNIFF_BYTES_MAX);
            if data.len() >= SNIFF_BYTES_MAX {
                prop_assert_ne!(verdict, Verdict::Unsure);
            }
        }
    }
}
