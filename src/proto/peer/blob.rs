//! Bodies of the frames that carry a large payload in pieces.
//!
//! ```text
//! manifest  varint length, the envelope's stub · n × 32 hashes, one a piece
//! ask       u64 epoch · varint seq · 32 cid · n × u16 piece   (1 to 8)
//! piece     32 cid · u16 piece · its bytes                    (none: the sender has it not)
//! ```
//! Every piece but the last is [`PIECE_BYTES`] long. Owns the bytes and the bounds of each field;
//! what the hashes prove is `herd`'s.

use super::FrameFault;
use crate::update::{Cid, Dot, Epoch, PAYLOAD_BYTES_MAX, Reader, put_varint};

/// How many bytes of a payload are one piece: a subtree of BLAKE3's hash.
pub const PIECE_BYTES: usize = 64 * 1024;
/// How many pieces one frame asks for at most.
pub const ASK_PIECES_MAX: usize = 8;

/// The longest body of a manifest.
pub const MANIFEST_BYTES_MAX: usize = 16 * 1024;
// A stub has under 3 KiB of names and parents.
const _: () = assert!(4096 + PAYLOAD_BYTES_MAX.div_ceil(PIECE_BYTES) * 32 < MANIFEST_BYTES_MAX);

/// An envelope without its payload, and what proves each piece of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest<'a> {
    /// The envelope's stub, not yet checked.
    pub stub: &'a [u8],
    /// The chaining value of each piece; of a payload that is one piece, its hash.
    pub hashes: &'a [[u8; 32]],
}

impl<'a> Manifest<'a> {
    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.stub.len() as u64);
        out.extend_from_slice(self.stub);
        out.extend_from_slice(self.hashes.as_flattened());
    }

    /// Reads a body that fills `body` exactly.
    pub fn decode(body: &'a [u8]) -> Result<Self, FrameFault> {
        let mut reader = Reader::new(body);
        let stub = reader.counted()?;
        let (hashes, rest) = reader.rest().as_chunks::<32>();
        if rest.is_empty() { Ok(Self { stub, hashes }) } else { Err(FrameFault::Truncated) }
    }
}

/// Asks for pieces of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskPieces {
    /// The update's name.
    pub dot: Dot,
    /// The update's id.
    pub cid: Cid,
    /// 1 to [`ASK_PIECES_MAX`] pieces, counted from 0.
    pub pieces: Vec<u16>,
}

impl AskPieces {
    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        debug_assert!((1..=ASK_PIECES_MAX).contains(&self.pieces.len()), "{self:?}");
        out.extend_from_slice(&self.dot.epoch.0.to_be_bytes());
        put_varint(out, self.dot.seq);
        out.extend_from_slice(&self.cid.0);
        self.pieces.iter().for_each(|piece| out.extend_from_slice(&piece.to_be_bytes()));
    }

    /// Reads a body that fills `body` exactly.
    pub fn decode(body: &[u8]) -> Result<Self, FrameFault> {
        let mut reader = Reader::new(body);
        let dot = Dot { epoch: Epoch(reader.u64()?), seq: reader.varint()? };
        let cid = Cid(reader.array()?);
        let (pieces, rest) = reader.rest().as_chunks::<2>();
        if !rest.is_empty() {
            return Err(FrameFault::Truncated);
        }
        if !(1..=ASK_PIECES_MAX).contains(&pieces.len()) {
            return Err(FrameFault::Value);
        }
        let pieces = pieces.iter().map(|piece| u16::from_be_bytes(*piece)).collect();
        Ok(Self { dot, cid, pieces })
    }
}

/// One piece of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The update.
    pub cid: Cid,
    /// Which piece, counted from 0.
    pub index: u16,
    /// At most [`PIECE_BYTES`] bytes; none when the sender has not got it.
    pub bytes: &'a [u8],
}

impl<'a> Piece<'a> {
    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_piece_head(out, self.cid, self.index);
        out.extend_from_slice(self.bytes);
    }

    /// Reads a body that fills `body` exactly.
    pub fn decode(body: &'a [u8]) -> Result<Self, FrameFault> {
        let mut reader = Reader::new(body);
        let cid = Cid(reader.array()?);
        let index = u16::from_be_bytes(reader.array()?);
        let bytes = reader.rest();
        if bytes.len() > PIECE_BYTES {
            return Err(FrameFault::Value);
        }
        Ok(Self { cid, index, bytes })
    }
}

/// Appends what stands before a piece's bytes, for those who share the bytes.
pub fn put_piece_head(out: &mut Vec<u8>, cid: Cid, index: u16) {
    out.extend_from_slice(&cid.0);
    out.extend_from_slice(&index.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bodies_come_back(
            head in prop::collection::vec(any::<u8>(), 0..300),
            hashes in prop::collection::vec(any::<[u8; 32]>(), 0..5),
            cid: [u8; 32],
            pieces in prop::collection::vec(any::<u16>(), 1..=ASK_PIECES_MAX),
        ) {
            let manifest = Manifest { stub: &head, hashes: &hashes };
            let mut bytes = Vec::new();
            manifest.encode(&mut bytes);
            prop_assert_eq!(Manifest::decode(&bytes), Ok(manifest));
            let piece = Piece { cid: Cid(cid), index: pieces[0], bytes: &head };
            bytes.clear();
            piece.encode(&mut bytes);
            prop_assert_eq!(Piece::decode(&bytes), Ok(piece));
            let dot = Dot { epoch: Epoch(3), seq: 300 };
            let ask = AskPieces { dot, cid: Cid(cid), pieces };
            bytes.clear();
            ask.encode(&mut bytes);
            prop_assert_eq!(AskPieces::decode(&bytes), Ok(ask));
        }

        #[test]
        fn no_bytes_make_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Manifest::decode(&bytes), AskPieces::decode(&bytes), Piece::decode(&bytes));
        }
    }

    #[test]
    fn bodies_out_of_their_bounds_are_refused() {
        assert_eq!(Manifest::decode(&[5, 1, 2]), Err(FrameFault::Truncated));
        assert_eq!(Manifest::decode(&[1, 1, 2]), Err(FrameFault::Truncated));
        let ask = |pieces: usize| vec![0; 9 + 32 + 2 * pieces];
        assert_eq!(AskPieces::decode(&ask(0)), Err(FrameFault::Value));
        assert_eq!(AskPieces::decode(&ask(ASK_PIECES_MAX + 1)), Err(FrameFault::Value));
        assert_eq!(AskPieces::decode(&ask(1)[1..]), Err(FrameFault::Truncated));
        let long = vec![0; 34 + PIECE_BYTES + 1];
        assert_eq!(Piece::decode(&long), Err(FrameFault::Value));
        assert!(Piece::decode(&long[1..]).is_ok());
    }
}
