//! What stands in the payloads of frames beside plain envelopes and seals. Pure.
//!
//! ```text
//! update    envelope, or stub                                      (long enough for its own stub)
//! roomy     u32 length · envelope or stub · zeros
//! exhibit   u32 length · envelope or stub · seal · zeros
//! passed    vector · varint n, n × (u64 epoch · 32 cid of the last update)
//! erased    vector
//! birth     u64 epoch · u64 salt
//! ```
//! The zeros make room for the stub: erasing a payload must not make the frame longer.

use super::Birth;
use super::frame::{BIRTH_BYTES, FrameKind, LINK_BYTES};
use crate::base::Chunk;
use crate::update::{Cid, Epoch, Reader, Seal, Truncated, Update, Vector, put_varint};

const LENGTH_BYTES: usize = 4;
/// What a stub has in the place of a payload.
const STUB_PAYLOAD_BYTES: usize = 32;
/// With a payload of this length, a stub behind a link and a length is no longer than the update.
const PAYLOAD_BYTES_MIN: usize = LINK_BYTES + LENGTH_BYTES + STUB_PAYLOAD_BYTES;

/// The kind of an update's frame.
pub(super) fn kind_of(update: &Update) -> FrameKind {
    let has_room = update.is_erased() || update.payload().len() >= PAYLOAD_BYTES_MIN;
    if has_room { FrameKind::Update } else { FrameKind::Roomy }
}

/// Zeros behind an update that leave room for its stub and a link.
fn room(update: &Update) -> usize {
    let longer = LINK_BYTES + STUB_PAYLOAD_BYTES;
    if update.is_erased() { 0 } else { longer.saturating_sub(update.payload().len()) }
}

/// The body of a roomy frame, `length` bytes of it, or as many as it needs.
pub(super) fn roomy(update: &Update, length: Option<usize>) -> Vec<u8> {
    let raw = update.raw();
    let needed = LENGTH_BYTES + raw.len() + room(update);
    let mut out = Vec::with_capacity(length.unwrap_or(needed));
    out.extend_from_slice(&(raw.len() as u32).to_be_bytes());
    out.extend_from_slice(raw);
    out.resize(length.unwrap_or(needed), 0);
    out
}

/// The body of an exhibit's frame, `length` bytes of it, or as many as it needs.
pub(super) fn exhibit(update: &Update, seal: &Seal, length: Option<usize>) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&(update.raw().len() as u32).to_be_bytes());
    out.extend_from_slice(update.raw());
    seal.encode(&mut out);
    out.resize(length.unwrap_or(out.len() + room(update)), 0);
    out
}

/// The envelope in the body of a frame that has one.
pub(super) fn envelope(kind: FrameKind, body: &[u8]) -> Option<&[u8]> {
    match kind {
        FrameKind::Update => Some(body),
        FrameKind::Roomy | FrameKind::Exhibit => {
            let mut reader = Reader::new(body);
            let length = reader.u32().ok()?;
            reader.bytes(length as usize).ok()
        }
        _ => None,
    }
}

/// The update in the payload of a frame, the payload itself where nothing else stands in it.
pub(super) fn read_update(kind: FrameKind, payload: Chunk, body_at: usize) -> Option<Update> {
    let raw = match kind {
        FrameKind::Update => payload,
        _ => envelope(kind, &payload[body_at..])?.into(),
    };
    Update::decode(raw).ok()
}

/// The update and the seal of an exhibit.
pub(super) fn read_exhibit(body: &[u8]) -> Option<(Update, Seal)> {
    let raw = envelope(FrameKind::Exhibit, body)?;
    let update = Update::decode(raw.into()).ok()?;
    let mut reader = Reader::new(&body[LENGTH_BYTES + raw.len()..]);
    Some((update, Seal::decode(&mut reader).ok()?))
}

/// A seal that fills a body.
pub(super) fn read_seal(body: &[u8]) -> Option<Seal> {
    let mut reader = Reader::new(body);
    let seal = Seal::decode(&mut reader).ok()?;
    reader.is_done().then_some(seal)
}

/// Dots that count as had, and the ids of those of them that are the last of their epoch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Passed {
    pub(super) dots: Vector,
    pub(super) tips: Vec<(Epoch, Cid)>,
}

impl Passed {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        self.dots.encode(out);
        put_varint(out, self.tips.len() as u64);
        for (epoch, cid) in &self.tips {
            out.extend_from_slice(&epoch.0.to_be_bytes());
            out.extend_from_slice(&cid.0);
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        let dots = read_vector(reader)?;
        let mut tips = Vec::new();
        for _ in 0..reader.varint()? {
            tips.push((Epoch(reader.u64()?), Cid(reader.array()?)));
        }
        Ok(Self { dots, tips })
    }
}

/// A vector of this node's own making: as many runs as it has.
pub(super) fn read_vector(reader: &mut Reader<'_>) -> Result<Vector, Truncated> {
    Vector::decode(reader, usize::MAX).map_err(|_| Truncated)
}

impl Birth {
    pub(super) fn encode(&self) -> [u8; BIRTH_BYTES] {
        (u128::from(self.epoch.0) << 64 | u128::from(self.salt)).to_be_bytes()
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(Self { epoch: Epoch(reader.u64()?), salt: reader.u64()? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{key, update};
    use super::*;
    use crate::update::Dot;

    #[test]
    fn a_frame_is_never_shorter_than_what_is_left_after_an_erasure() {
        for bytes in 0..100 {
            let update = update(Dot { epoch: Epoch(1), seq: 1 }, 1, &"x".repeat(bytes));
            let stub = update.erase();
            let kind = kind_of(&update);
            let length = match kind {
                FrameKind::Update => update.raw().len(),
                _ => roomy(&update, None).len(),
            };
            let erased = roomy(&stub, Some(length - LINK_BYTES));
            assert_eq!(erased.len(), length - LINK_BYTES, "{bytes}");
            let read = read_update(FrameKind::Roomy, erased.into(), 0);
            assert_eq!(read.as_ref(), Some(&stub), "{bytes}");
            if kind == FrameKind::Roomy {
                let payload = roomy(&update, None).into();
                assert_eq!(read_update(kind, payload, 0).as_ref(), Some(&update));
            }
            let seal = Seal::sign(&key(), 1, 1, vec![update.cid()]);
            let whole = exhibit(&update, &seal, None);
            let erased = exhibit(&stub, &seal, Some(whole.len() - LINK_BYTES));
            assert_eq!(erased.len(), whole.len() - LINK_BYTES, "{bytes}");
            assert_eq!(read_exhibit(&whole), Some((update, seal.clone())));
            assert_eq!(read_exhibit(&erased), Some((stub, seal)));
        }
    }
}
