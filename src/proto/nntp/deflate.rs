//! COMPRESS DEFLATE (RFC 8054): from a moment on all bytes of a connection are a DEFLATE stream,
//! one in each direction.
//!
//! A connection that compresses holds about 350 KiB for it; who lets clients do so bounds how many.

use crate::base::InBuf;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::fmt;

/// The most inflated bytes that wait to be read at a time. What a client sends may be a thousand
/// times smaller than what it becomes: the rest stays deflated until there is room.
pub const INFLATED_BYTES_MAX: usize = 32 << 10;
/// How much room is made for compressed bytes at a time.
const STEP_BYTES: usize = 8 << 10;

/// The peer's bytes are no DEFLATE stream, or the stream has ended, which it never should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateError;

impl fmt::Display for DeflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the compressed stream is broken, or ended")
    }
}

impl std::error::Error for DeflateError {}

/// The direction in which bytes come.
pub struct Inflate {
    stream: Decompress,
    plain: InBuf,
}

impl fmt::Debug for Inflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inflate {{ {} bytes wait }}", self.plain.len())
    }
}

impl Default for Inflate {
    fn default() -> Self {
        Self { stream: Decompress::new(false), plain: InBuf::new(INFLATED_BYTES_MAX) }
    }
}

impl Inflate {
    /// Right behind the line that ends what is not compressed.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is inflated and not read yet.
    pub fn plain(&mut self) -> &mut InBuf {
        &mut self.plain
    }

    /// Inflates as much as there is room for; takes from `input` what it used. True when there may
    /// be more to inflate once [`Inflate::plain`] is read.
    pub fn inflate(&mut self, input: &mut InBuf) -> Result<bool, DeflateError> {
        loop {
            let space = self.plain.space(INFLATED_BYTES_MAX);
            let room = space.len();
            if room == 0 {
                return Ok(true);
            }
            let before = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.decompress(input.data(), space, FlushDecompress::None);
            let read = (self.stream.total_in() - before.0) as usize;
            let wrote = (self.stream.total_out() - before.1) as usize;
            input.consume(read);
            self.plain.filled(wrote);
            match status {
                Err(_) | Ok(Status::StreamEnd) => return Err(DeflateError),
                // Less than there was room for: nothing is left inside.
                Ok(_) if wrote < room && input.is_empty() => return Ok(false),
                Ok(_) if wrote == 0 && read == 0 => return Err(DeflateError),
                Ok(_) => {}
            }
        }
    }
}

/// The direction in which bytes go.
pub struct Deflate {
    stream: Compress,
}

impl fmt::Debug for Deflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deflate {{ {} bytes so far }}", self.stream.total_out())
    }
}

impl Default for Deflate {
    fn default() -> Self {
        Self { stream: Compress::new(Compression::default(), false) }
    }
}

impl Deflate {
    /// Right behind the line that ends what is not compressed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compresses `plain` and all before it to where the peer can read it.
    pub fn deflate(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        let mut rest = plain;
        loop {
            out.reserve(STEP_BYTES);
            let (read, before) = (self.stream.total_in(), out.len());
            let room = out.capacity() - before;
            let status = self.stream.compress_vec(rest, out, FlushCompress::Sync);
            debug_assert!(status.is_ok(), "compression fails only where it is called wrongly");
            rest = &rest[(self.stream.total_in() - read) as usize..];
            // Room that was left over tells that nothing waits inside.
            if rest.is_empty() && out.len() - before < room {
                return;
            }
        }
    }
}
