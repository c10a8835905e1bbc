//! One frame's head (RFC 6455, 5.2), and the mask over a client's payload (5.3).

use super::error::WsErrorKind;
use super::{Kind, Role};

/// The longest payload of a control frame.
pub(super) const CONTROL_BYTES_MAX: usize = 125;

const LAST: u8 = 0x80;
const DEFLATED: u8 = 0x40;
const RESERVED: u8 = 0x30;
const MASKED: u8 = 0x80;
/// The length stands in the two bytes that follow.
const LENGTH_16: u8 = 0x7e;
/// It stands in eight.
const LENGTH_64: u8 = 0x7f;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Data(Kind),
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn new(nibble: u8) -> Option<Self> {
        Some(match nibble {
            0 => Self::Continuation,
            1 => Self::Data(Kind::Text),
            2 => Self::Data(Kind::Binary),
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    fn nibble(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Data(Kind::Text) => 1,
            Self::Data(Kind::Binary) => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// What heads are held to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Which end reads.
    pub(super) role: Role,
    /// permessage-deflate was agreed.
    pub(super) may_deflate: bool,
    /// A message has begun and not ended.
    pub(super) is_in_message: bool,
}

/// A frame without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) opcode: Opcode,
    /// It ends its message.
    pub(super) is_last: bool,
    /// It begins a message that is deflated.
    pub(super) is_deflated: bool,
    /// All zero where nothing is masked.
    pub(super) key: [u8; 4],
    pub(super) payload_bytes: u64,
    /// Its own length.
    pub(super) bytes: usize,
}

/// What is wrong with a head, and at which of its bytes.
pub(super) type HeadFault = (WsErrorKind, usize);

impl FrameHead {
    /// Reads the head at the front; `None` when more bytes are needed. A byte that can't be right
    /// is told as soon as it is there.
    #[inline]
    pub(super) fn parse(bytes: &[u8], rules: Rules) -> Result<Option<Self>, HeadFault> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let opcode = opcode(first, rules).map_err(|kind| (kind, 0))?;
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        let short = second & !MASKED;
        is_mask_right(second, rules.role).map_err(|kind| (kind, 1))?;
        if opcode.is_control() && usize::from(short) > CONTROL_BYTES_MAX {
            return Err((WsErrorKind::ControlTooLong, 1));
        }
        let Some((payload_bytes, key_at)) = length(short, bytes)? else { return Ok(None) };
        let mut head = Self {
            opcode,
            is_last: first & LAST != 0,
            is_deflated: first & DEFLATED != 0,
            key: [0; 4],
            payload_bytes,
            bytes: key_at,
        };
        if rules.role == Role::Server {
            let Some(key) = bytes[key_at..].first_chunk::<4>() else { return Ok(None) };
            head.key = *key;
            head.bytes += 4;
        }
        Ok(Some(head))
    }
}

fn opcode(first: u8, rules: Rules) -> Result<Opcode, WsErrorKind> {
    let is_deflated = first & DEFLATED != 0;
    if first & RESERVED != 0 || (is_deflated && !rules.may_deflate) {
        return Err(WsErrorKind::ReservedBit);
    }
    let opcode = Opcode::new(first & 0x0f).ok_or(WsErrorKind::Opcode)?;
    match opcode {
        Opcode::Data(_) if rules.is_in_message => Err(WsErrorKind::MessageUnfinished),
        Opcode::Data(_) => Ok(opcode),
        // Only the first frame of a message says whether it is deflated (RFC 7692, 6).
        _ if is_deflated => Err(WsErrorKind::ReservedBit),
        Opcode::Continuation if !rules.is_in_message => Err(WsErrorKind::NoMessage),
        Opcode::Continuation => Ok(opcode),
        _ if first & LAST == 0 => Err(WsErrorKind::ControlFragmented),
        _ => Ok(opcode),
    }
}

fn is_mask_right(second: u8, role: Role) -> Result<(), WsErrorKind> {
    match (role, second & MASKED != 0) {
        (Role::Server, true) | (Role::Client, false) => Ok(()),
        (Role::Server, false) => Err(WsErrorKind::NotMasked),
        (Role::Client, true) => Err(WsErrorKind::Masked),
    }
}

/// The payload's length, and where what follows it begins.
fn length(short: u8, bytes: &[u8]) -> Result<Option<(u64, usize)>, HeadFault> {
    let (length, least, end) = match short {
        LENGTH_16 => {
            let Some(long) = bytes[2..].first_chunk::<2>() else { return Ok(None) };
            (u64::from(u16::from_be_bytes(*long)), 126, 4)
        }
        LENGTH_64 => {
            let Some(long) = bytes[2..].first_chunk::<8>() else { return Ok(None) };
            (u64::from_be_bytes(*long), 1 << 16, 10)
        }
        _ => (u64::from(short), 0, 2),
    };
    if length < least || length >> 63 != 0 {
        return Err((WsErrorKind::Length, 2));
    }
    Ok(Some((length, end)))
}

/// Writes the head of a frame. A client's key has to be put behind it.
pub(super) fn put_head(
    out: &mut Vec<u8>,
    role: Role,
    (opcode, is_last, is_deflated): (Opcode, bool, bool),
    payload_bytes: usize,
) {
    let last = if is_last { LAST } else { 0 };
    let deflated = if is_deflated { DEFLATED } else { 0 };
    let masked = if role == Role::Client { MASKED } else { 0 };
    let first = last | deflated | opcode.nibble();
    match payload_bytes {
        0..=125 => out.extend_from_slice(&[first, masked | payload_bytes as u8]),
        126..=0xffff => {
            out.extend_from_slice(&[first, masked | LENGTH_16]);
            out.extend_from_slice(&(payload_bytes as u16).to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[first, masked | LENGTH_64]);
            out.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
}

/// Puts the mask on, or takes it off: eight bytes at a time, which the compiler makes more of.
#[inline]
pub(super) fn mask(bytes: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = bytes.chunks_exact_mut(8);
    for word in &mut words {
        if let Some(word) = word.first_chunk_mut::<8>() {
            *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
        }
    }
    for (byte, key) in words.into_remainder().iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
    }
}

/// The key as it stands for what comes behind so many bytes.
pub(super) fn key_behind(mut key: [u8; 4], bytes: usize) -> [u8; 4] {
    key.rotate_left(bytes % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: Rules = Rules { role: Role::Server, may_deflate: false, is_in_message: false };

    proptest! {
        #[test]
        fn a_mask_taken_off_in_pieces_is_off(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            key: [u8; 4],
            cut in 0..100_usize,
        ) {
            let mut masked = bytes.clone();
            mask(&mut masked, key);
            for (at, byte) in masked.iter().enumerate() {
                prop_assert_eq!(*byte, bytes[at] ^ key[at % 4]);
            }
            let cut = cut.min(bytes.len());
            let (front, back) = masked.split_at_mut(cut);
            mask(front, key);
            mask(back, key_behind(key, cut));
            prop_assert_eq!(masked, bytes);
        }

        #[test]
        fn a_head_is_read_as_it_was_written(
            nibble in 0..3_u8,
            is_last: bool,
            is_deflated: bool,
            bytes in prop_oneof![0..200_usize, 65_000..66_000_usize, 0..1_usize << 40],
        ) {
            let opcode = Opcode::new(nibble).expect("a data frame");
            let is_in_message = opcode == Opcode::Continuation;
            let is_deflated = is_deflated && !is_in_message;
            for role in [Role::Server, Role::Client] {
                let mut out = Vec::new();
                put_head(&mut out, role, (opcode, is_last, is_deflated), bytes);
                let reader = match role {
                    Role::Client => {
                        out.extend_from_slice(b"key!");
                        Role::Server
                    }
                    Role::Server => Role::Client,
                };
                let rules = Rules { role: reader, may_deflate: true, is_in_message };
                for short in 0..out.len() {
                    prop_assert_eq!(FrameHead::parse(&out[..short], rules), Ok(None));
                }
                let head = FrameHead::parse(&out, rules).expect("sound").expect("whole");
                prop_assert_eq!((head.opcode, head.is_last), (opcode, is_last));
                prop_assert_eq!(head.is_deflated, is_deflated);
                prop_assert_eq!((head.payload_bytes, head.bytes), (bytes as u64, out.len()));
            }
        }
    }

    #[test]
    fn what_cannot_be_right_is_told_at_its_byte() {
        use WsErrorKind::{
            ControlFragmented, ControlTooLong, Length, NoMessage, NotMasked, Opcode, ReservedBit,
        };
        let cases: [(&[u8], HeadFault); 16] = [
            (&[0xc1], (ReservedBit, 0)),
            (&[0xa1], (ReservedBit, 0)),
            (&[0x91], (ReservedBit, 0)),
            (&[0x83], (Opcode, 0)),
            (&[0x87], (Opcode, 0)),
            (&[0x8b], (Opcode, 0)),
            (&[0x8f], (Opcode, 0)),
            (&[0x80], (NoMessage, 0)),
            (&[0x00], (NoMessage, 0)),
            (&[0x09], (ControlFragmented, 0)),
            (&[0x08], (ControlFragmented, 0)),
            (&[0x81, 0x05], (NotMasked, 1)),
            (&[0x89, 0xfe], (ControlTooLong, 1)),
            (&[0x88, 0xff], (ControlTooLong, 1)),
            (&[0x81, 0xfe, 0, 125], (Length, 2)),
            (&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], (Length, 2)),
        ];
        for (bytes, fault) in cases {
            assert_eq!(FrameHead::parse(bytes, RULES), Err(fault), "{bytes:x?}");
        }
        let huge = [0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(FrameHead::parse(&huge, RULES), Err((Length, 2)));
        let inside = Rules { is_in_message: true, may_deflate: true, ..RULES };
        for (first, kind) in
            [(0x81, WsErrorKind::MessageUnfinished), (0x40, ReservedBit), (0xc9, ReservedBit)]
        {
            assert_eq!(FrameHead::parse(&[first], inside), Err((kind, 0)));
        }
        let client = Rules { role: Role::Client, ..RULES };
        assert_eq!(FrameHead::parse(&[0x81, 0x85], client), Err((WsErrorKind::Masked, 1)));
    }
}
