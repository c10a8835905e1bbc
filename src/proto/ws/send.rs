//! Writes frames straight into an out-buffer. A server's message has one frame; whether it goes
//! deflated is decided here.

use super::error::CloseCode;
use super::extension::Agreement;
use super::flate::{Context, Flate};
use super::frame::{CONTROL_BYTES_MAX, Opcode, mask, put_head};
use super::{Kind, Role};

/// A shorter message is hardly made shorter.
const WORTH_BYTES_MIN: usize = 128;
/// A longer one would hold up the loop.
const DEFLATED_BYTES_MAX: usize = 256 * 1024;

/// How a server's messages are written where nothing is remembered: the same bytes for all
/// connections of one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As they are.
    Plain,
    /// Deflated with a window of this binary logarithm, 9 to 15, where that makes them shorter.
    Deflated(u8),
}

impl Form {
    /// Writes a message, deflated if it is of a sensible length.
    pub fn put(self, out: &mut Vec<u8>, kind: Kind, bytes: &[u8], flate: &mut Flate) {
        match self {
            Self::Deflated(bits) if bytes.len() >= WORTH_BYTES_MIN => {
                put_deflated(out, kind, bytes, (bits, &[]), flate);
            }
            _ => put_plain(out, kind, bytes),
        }
    }
}

/// Writes a server's messages on one connection.
#[derive(Debug)]
pub struct Sender {
    form: Form,
    /// What the client remembers, if it does.
    context: Option<Box<Context>>,
}

impl Sender {
    /// A server behind the upgrade.
    pub fn new(deflate: Option<&Agreement>) -> Self {
        let form = deflate.map_or(Form::Plain, |agreed| Form::Deflated(agreed.server_bits));
        let remembers = deflate.filter(|agreed| agreed.server_context);
        let context = remembers.map(|agreed| Box::new(Context::new(agreed.server_bits)));
        Self { form, context }
    }

    /// The form that its messages share with those of other connections; `None` where each depends
    /// on those before.
    pub fn form(&self) -> Option<Form> {
        self.context.is_none().then_some(self.form)
    }

    /// Writes a message. Deflated only if `deflates`, and if that was agreed.
    pub fn put(
        &mut self,
        out: &mut Vec<u8>,
        (kind, bytes): (Kind, &[u8]),
        deflates: bool,
        flate: &mut Flate,
    ) {
        let Form::Deflated(bits) = self.form else { return put_plain(out, kind, bytes) };
        if !deflates {
            return put_plain(out, kind, bytes);
        }
        let known = self.context.as_deref().map_or(&[][..], Context::bytes);
        let is_deflated = put_deflated(out, kind, bytes, (bits, known), flate);
        if let Some(context) = &mut self.context
            && is_deflated
        {
            context.note(bytes);
        }
    }
}

fn put_plain(out: &mut Vec<u8>, kind: Kind, bytes: &[u8]) {
    put_head(out, Role::Server, (Opcode::Data(kind), true, false), bytes.len());
    out.extend_from_slice(bytes);
}

/// Writes a message deflated; as it is, and false, where that is no longer.
fn put_deflated(
    out: &mut Vec<u8>,
    kind: Kind,
    bytes: &[u8],
    how: (u8, &[u8]),
    flate: &mut Flate,
) -> bool {
    let is_shorter = bytes.len() <= DEFLATED_BYTES_MAX
        && flate.deflated(how, bytes, |deflated| {
            let is_shorter = deflated.len() < bytes.len();
            if is_shorter {
                put_head(out, Role::Server, (Opcode::Data(kind), true, true), deflated.len());
                out.extend_from_slice(deflated);
            }
            is_shorter
        });
    if !is_shorter {
        put_plain(out, kind, bytes);
    }
    is_shorter
}

/// Writes a client's message in one frame, masked with a key that nobody could foresee.
pub fn put_masked(out: &mut Vec<u8>, kind: Kind, bytes: &[u8], key: [u8; 4]) {
    put_head(out, Role::Client, (Opcode::Data(kind), true, false), bytes.len());
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(bytes);
    mask(&mut out[start..], key);
}

/// Writes a server's ping; of its bytes, which come back in a pong, at most 125.
pub fn put_ping(out: &mut Vec<u8>, bytes: &[u8]) {
    put_control(out, Opcode::Ping, bytes);
}

/// Writes a server's answer to a ping with these bytes.
pub fn put_pong(out: &mut Vec<u8>, bytes: &[u8]) {
    put_control(out, Opcode::Pong, bytes);
}

/// Writes a server's close frame: the last frame. Of a reason as much as fits.
pub fn put_close(out: &mut Vec<u8>, code: Option<CloseCode>, reason: &str) {
    let Some(code) = code else { return put_control(out, Opcode::Close, b"") };
    let end = reason.floor_char_boundary(CONTROL_BYTES_MAX - 2);
    let mut payload = code.number().to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    put_control(out, Opcode::Close, &payload);
}

fn put_control(out: &mut Vec<u8>, opcode: Opcode, bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(CONTROL_BYTES_MAX)];
    put_head(out, Role::Server, (opcode, true, false), bytes.len());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_6455_are_written() {
        let mut out = Vec::new();
        put_plain(&mut out, Kind::Text, b"Hello");
        assert_eq!(out, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        out.clear();
        put_masked(&mut out, Kind::Text, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        out.clear();
        put_ping(&mut out, b"Hello");
        assert_eq!(out, [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        for (bytes, head) in
            [(256, &[0x82, 0x7e, 0x01, 0x00][..]), (65_536, &[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0])]
        {
            out.clear();
            put_plain(&mut out, Kind::Binary, &vec![0; bytes]);
            assert!(out.starts_with(head) && out.len() == head.len() + bytes);
        }
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        let mut out = Vec::new();
        put_close(&mut out, Some(CloseCode::GOING_AWAY), &"é".repeat(100));
        assert_eq!(out[..4], [0x88, 124, 0x03, 0xe9]);
        assert_eq!(std::str::from_utf8(&out[4..]), Ok(&*"é".repeat(61)));
        out.clear();
        put_close(&mut out, None, "unsaid");
        assert_eq!(out, [0x88, 0]);
    }

    #[test]
    fn what_deflating_makes_no_shorter_goes_as_it_is() {
        let mut flate = Flate::default();
        for (bytes, is_deflated) in [
            (&b"ab"[..], false),
            (&[b'a'; 127], false),
            (&[b'a'; 128], true),
            (&vec![b'a'; DEFLATED_BYTES_MAX + 1], false),
        ] {
            let mut out = Vec::new();
            Form::Deflated(15).put(&mut out, Kind::Text, bytes, &mut flate);
            assert_eq!(out[0] == 0xc1, is_deflated, "{}", bytes.len());
            out.clear();
            Form::Plain.put(&mut out, Kind::Text, bytes, &mut flate);
            assert_eq!(out[0], 0x81);
        }
    }
}
