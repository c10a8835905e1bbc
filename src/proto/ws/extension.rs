//! The negotiation of permessage-deflate (RFC 7692, 5 and 7.1), at the server's side: the first
//! offer that can be agreed to is. What is no offer at all by its form fails the upgrade (RFC 6455,
//! 9.1).

use super::flate::{WINDOW_BITS_MAX, WINDOW_BITS_MIN};
use crate::proto::http::{Fields, is_token, list_elements};
use std::fmt;

const NAME: &str = "permessage-deflate";

/// How much a server wants to remember.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Bytes of each direction's last messages that a connection may keep, so that the next ones
    /// deflate better. Below 512: none, and no context is taken over.
    pub context_bytes: usize,
}

impl Policy {
    /// The binary logarithm of the window that fits.
    fn window_bits(self) -> Option<u8> {
        let bits = self.context_bytes.checked_ilog2()? as u8;
        (bits >= WINDOW_BITS_MIN).then_some(bits.min(WINDOW_BITS_MAX))
    }
}

/// What was agreed of permessage-deflate. It is shown as the answer's extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The window that the server deflates with, by its binary logarithm: 9 to 15.
    pub server_bits: u8,
    /// The server refers to its messages before.
    pub(super) server_context: bool,
    /// The window that the client deflates with: 8 to 15.
    pub client_bits: u8,
    /// The client refers to its messages before.
    pub(super) client_context: bool,
    /// The answer says the server's window: it is smaller, or the client has said one.
    said_server_bits: Option<u8>,
    /// It says the client's: it is smaller, and the client said that it can be told.
    said_client_bits: Option<u8>,
}

/// Offers that have not the form of offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Agreement {
    /// The first of a client's offers that can be agreed to; `None` when there is none.
    pub(super) fn read(fields: &Fields<'_>, policy: Policy) -> Result<Option<Self>, Malformed> {
        Self::of_offers(fields.all("sec-websocket-extensions"), policy)
    }

    fn of_offers<'a>(
        lists: impl Iterator<Item = &'a [u8]>,
        policy: Policy,
    ) -> Result<Option<Self>, Malformed> {
        let mut agreed = None;
        for offer in lists.flat_map(list_elements) {
            let offer = Offer::parse(offer)?;
            agreed = agreed.or_else(|| offer?.agreement(policy));
        }
        Ok(agreed)
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        if !self.server_context {
            f.write_str("; server_no_context_takeover")?;
        }
        if !self.client_context {
            f.write_str("; client_no_context_takeover")?;
        }
        if let Some(bits) = self.said_server_bits {
            write!(f, "; server_max_window_bits={bits}")?;
        }
        if let Some(bits) = self.said_client_bits {
            write!(f, "; client_max_window_bits={bits}")?;
        }
        Ok(())
    }
}

/// One offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Offer {
    server_without_context: bool,
    client_without_context: bool,
    server_bits: Option<u8>,
    /// The client can be told which window to use.
    tells_client_bits: bool,
    /// What it would use.
    client_bits: Option<u8>,
}

impl Offer {
    /// `None` for other extensions, and for offers that say what they may not (7.1).
    fn parse(text: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut parts = text.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().filter(|name| is_token(name)).ok_or(Malformed)?;
        let mut offer = name.eq_ignore_ascii_case(NAME.as_bytes()).then(Self::default);
        for part in parts {
            let (name, value) = parameter(part)?;
            offer = offer.and_then(|offer| offer.with(name, value.as_deref()));
        }
        Ok(offer)
    }

    /// With a parameter more, if it may have that.
    fn with(mut self, name: &[u8], value: Option<&[u8]>) -> Option<Self> {
        let is_new = match (&name.to_ascii_lowercase()[..], value) {
            (b"server_no_context_takeover", None) => {
                !std::mem::replace(&mut self.server_without_context, true)
            }
            (b"client_no_context_takeover", None) => {
                !std::mem::replace(&mut self.client_without_context, true)
            }
            (b"server_max_window_bits", Some(value)) => {
                self.server_bits.replace(window_bits(value)?).is_none()
            }
            (b"client_max_window_bits", value) => {
                if let Some(value) = value {
                    self.client_bits = Some(window_bits(value)?);
                }
                !std::mem::replace(&mut self.tells_client_bits, true)
            }
            _ => return None,
        };
        is_new.then_some(self)
    }

    fn agreement(self, policy: Policy) -> Option<Agreement> {
        let asked = self.server_bits.unwrap_or(WINDOW_BITS_MAX);
        if asked < WINDOW_BITS_MIN {
            // No deflater keeps to a window of 256 bytes.
            return None;
        }
        let ours = policy.window_bits();
        let server_context = ours.is_some() && !self.server_without_context;
        // Who can't be told of a smaller window may refer to more than we would keep.
        let is_bound = ours == Some(WINDOW_BITS_MAX) || self.tells_client_bits;
        let client_context = ours.is_some() && is_bound && !self.client_without_context;
        let kept = ours.unwrap_or(WINDOW_BITS_MAX);
        let theirs = self.client_bits.unwrap_or(WINDOW_BITS_MAX);
        let server_bits = if server_context { asked.min(kept) } else { asked };
        let client_bits = if client_context { theirs.min(kept) } else { WINDOW_BITS_MAX };
        let says_server_bits = server_bits < WINDOW_BITS_MAX || self.server_bits.is_some();
        let says_client_bits = client_bits < WINDOW_BITS_MAX && self.tells_client_bits;
        Some(Agreement {
            server_bits,
            server_context,
            client_bits,
            client_context,
            said_server_bits: says_server_bits.then_some(server_bits),
            said_client_bits: says_client_bits.then_some(client_bits),
        })
    }
}

/// A parameter's name, and its value if it has one.
fn parameter(text: &[u8]) -> Result<(&[u8], Option<Vec<u8>>), Malformed> {
    let (name, value) = match text.iter().position(|byte| *byte == b'=') {
        Some(at) => (text[..at].trim_ascii(), Some(plain(text[at + 1..].trim_ascii())?)),
        None => (text, None),
    };
    if is_token(name) { Ok((name, value)) } else { Err(Malformed) }
}

/// A value, which is a token, bare or quoted.
fn plain(value: &[u8]) -> Result<Vec<u8>, Malformed> {
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    let mut bytes = quoted.unwrap_or(value).iter();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        let is_escape = *byte == b'\\' && quoted.is_some();
        plain.push(if is_escape { *bytes.next().ok_or(Malformed)? } else { *byte });
    }
    if is_token(&plain) { Ok(plain) } else { Err(Malformed) }
}

/// A number from 8 to 15 in its shortest form.
fn window_bits(value: &[u8]) -> Option<u8> {
    match value {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(offers: &str, context_bytes: usize) -> Option<String> {
        let found = Agreement::of_offers([offers.as_bytes()].into_iter(), Policy { context_bytes });
        found.expect("offers").map(|agreement| agreement.to_string())
    }

    const BARE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    #[test]
    fn without_memory_no_context_is_taken_over() {
        for (offers, more) in [
            ("permessage-deflate", ""),
            ("permessage-deflate; client_max_window_bits", ""),
            ("PerMessage-Deflate;Client_Max_Window_Bits=9", ""),
            ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", ""),
            // Who says it hears it: some clients take no answer without.
            ("permessage-deflate; server_max_window_bits=15", "; server_max_window_bits=15"),
            ("permessage-deflate; server_max_window_bits=\"9\"", "; server_max_window_bits=9"),
            ("permessage-deflate; server_max_window_bits=\"1\\0\"", "; server_max_window_bits=10"),
            (
                "x-webkit-deflate-frame, permessage-deflate; server_max_window_bits = 10",
                "; server_max_window_bits=10",
            ),
        ] {
            assert_eq!(agreed(offers, 0), Some(format!("{BARE}{more}")), "{offers}");
        }
    }

    #[test]
    fn with_memory_contexts_are_taken_over_within_it() {
        for (offers, bytes, answer) in [
            ("permessage-deflate", 32_768, ""),
            ("permessage-deflate; client_max_window_bits", 40_000, ""),
            (
                "permessage-deflate; client_max_window_bits",
                1024,
                "; server_max_window_bits=10; client_max_window_bits=10",
            ),
            (
                "permessage-deflate; client_max_window_bits=9; server_max_window_bits=9",
                1024,
                "; server_max_window_bits=9; client_max_window_bits=9",
            ),
            // It can't be told.
            ("permessage-deflate", 1024, "; client_no_context_takeover; server_max_window_bits=10"),
            (
                "permessage-deflate; server_no_context_takeover",
                32_768,
                "; server_no_context_takeover",
            ),
            (
                "permessage-deflate; client_no_context_takeover; client_max_window_bits",
                512,
                "; client_no_context_takeover; server_max_window_bits=9",
            ),
        ] {
            let whole = format!("permessage-deflate{answer}");
            assert_eq!(agreed(offers, bytes), Some(whole), "{offers} {bytes}");
        }
    }

    #[test]
    fn offers_that_say_what_they_may_not_are_declined_and_the_next_is_looked_at() {
        let declined = [
            "permessage-deflate; unknown",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=09",
            "permessage-deflate; server_max_window_bits=+9",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; client_max_window_bits=10; client_max_window_bits=10",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; x=\"y\"; z",
            "permessage-bzip2",
            "",
        ];
        for offer in declined {
            assert_eq!(agreed(offer, 0), None, "{offer}");
            assert_eq!(agreed(&format!("{offer}, permessage-deflate"), 0), Some(BARE.to_owned()));
        }
    }

    #[test]
    fn what_has_not_the_form_of_an_offer_is_malformed_wherever_it_stands() {
        for text in [
            "permessage-deflate;",
            "permessage-deflate; =9",
            "permessage-deflate; client_max_window_bits=",
            "permessage-deflate; client_max_window_bits=\"\"",
            "permessage-deflate; client_max_window_bits=\"9",
            "permessage-deflate; client_max_window_bits=9\"",
            "permessage-deflate; client_max_window_bits=\"9\\\"",
            "permessage-deflate; client_max_window_bits=\"9;1\"",
            "permessage-deflate; client_max_window_bits=\\9",
            "permessage-deflate; client max window bits",
            "permessage deflate",
            "; x",
            "x/y",
        ] {
            for lists in [&[text][..], &["permessage-deflate", text], &[text, "x"]] {
                let lists = lists.iter().map(|list| list.as_bytes());
                let found = Agreement::of_offers(lists, Policy::default());
                assert_eq!(found, Err(Malformed), "{text}");
            }
        }
    }
}
