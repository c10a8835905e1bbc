//! The frames of a peer link between two nodes of a herd.
//!
//! ```text
//! u32 length (of type and body) · u8 type · body
//! 1 hello   u16 protocol · u8+ name · u64 epoch · u64 instance · 32 vector hash ·
//!           u64 clock · u32 window
//! 2 vector  an encoded vector      3 held   an encoded vector
//! 4 update  an envelope            5 credit u64      6 ping u64      7 pong u64
//! 8 refuse  u8 code · u8+ text     9 synced (nothing)
//! ```
//! Numbers are big-endian; `u8+` is bytes behind a one-byte count. Owns the framing and the bounds
//! of each field; never knows which frame may come when (that is `herd`'s), nor whether an envelope
//! is a valid one.

mod codec;
mod frame;
#[cfg(test)]
mod tests;

pub use codec::{FrameError, FrameFault, HEADER_BYTES, PeerCodec};
pub use frame::{
    Frame, Hello, NAME_BYTES_MAX, PROTOCOL, RefuseCode, VECTOR_BYTES_MAX, VECTOR_RUNS_MAX,
    put_update_head,
};
