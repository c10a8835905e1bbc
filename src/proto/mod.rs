//! Layer 1: wire formats, sans-I/O. Bytes in, events that borrow them out; encoders append to the
//! caller's buffer. No clock, no socket, no log call, and no allocation sized by a peer's word.

pub mod article;
pub mod banana;
pub mod http;
pub mod line;
pub mod nntp;
pub mod pb;
pub mod peer;
pub mod proxy;
pub mod sniff;
pub mod sse;
pub mod telnet;
#[cfg(test)]
mod testing;
pub mod ws;
