//! The frames of a peer link between two nodes of a herd.
//!
//! ```text
//! u32 length (of type and body) · u8 type · body
//! 1 hello   u16 protocol · u8+ name · u64 epoch · u64 instance · 16 of the state hash ·
//!           u64 clock · u32 window · u8+ version of the software · vector, if it asks for more
//! 2 state   u8 more · vector · varint n, n × (u64 epoch · varint low) ·
//!           varint n, n × (u64 epoch · 32 cid)
//! 3 offer   vector                 4 pull    u8 versions · vector
//! 5 update  an envelope            6 seal    as `seal.rs` says
//! 7 passed  vector                 8 held    u8 urgent · u8+ node · vector
//! 9 credit  u64 bytes · u64 updates · u64 news
//! 10 digest 32 state hash          11 audit   as `audit.rs` says
//! 12 manifest u32 n · n bytes as `blob.rs` says · a seal
//! 13 ask    as `blob.rs` says      18 piece   as `blob.rs` says
//! 14 exhibit u32 n · n bytes of envelope · a seal
//! 15 ping   u64       16 pong u64  17 refuse u8 code · u8+ text
//! 19 epoch  u64       20 inquire and 21 tell as `inquiry.rs` says
//! ```
//! Numbers are big-endian; `u8+` is bytes behind a one-byte count. Owns the framing and the bounds
//! of each field; never knows which frame may come when (that is `herd`'s), nor whether an envelope
//! is a valid one.

mod audit;
mod blob;
mod codec;
mod frame;
mod inquiry;
mod seal;
#[cfg(test)]
mod tests;

pub use audit::{
    AUDIT_BYTES_MAX, AUDIT_IDS_MAX, AUDIT_NAME_BYTES_MAX, AUDIT_RANGE_BYTES_MAX,
    AUDIT_ROUND_BYTES_MAX, AuditBound, AuditLeft, AuditMessage, AuditName, AuditRange, AuditRanges,
    AuditRangesWriter, AuditStop, Bits, RangeSays, ShortId, short,
};
pub use blob::{
    ASK_PIECES_MAX, AskPieces, MANIFEST_BYTES_MAX, Manifest, PIECE_BYTES, Piece, put_piece_head,
};
pub use codec::{FrameError, FrameFault, HEADER_BYTES, PeerCodec};
pub use frame::{
    Credit, Frame, HELLO_HASH_BYTES, HELLO_RUNS_MAX, Hello, NAME_BYTES_MAX, PROTOCOL, RefuseCode,
    STATE_EPOCHS_MAX, StateFrame, VECTOR_BYTES_MAX, VECTOR_RUNS_MAX, put_piece_frame, put_seal,
    put_update_head,
};
pub use inquiry::{ABOUT_BYTES_MAX, ABOUT_GLANCE, ABOUT_METRICS, Inquire, TOLD_BYTES_MAX};
pub use seal::SealFrame;
