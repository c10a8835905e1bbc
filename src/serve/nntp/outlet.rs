//! Where answers go: straight into the out-buffer, or through the compressor, once in each call of
//! the loop.

use crate::proto::nntp::{Deflate, put_reply};
use crate::reactor::Ctx;

/// So many bytes are compressed at once, about.
const PLAIN_BYTES: usize = 16 << 10;

/// The way out of one connection.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    deflate: Option<Box<Deflate>>,
    /// What is to be compressed at the end of this call. Empty between calls.
    plain: Vec<u8>,
}

impl Outlet {
    /// Compresses all that is said from now on.
    pub(super) fn compress(&mut self) {
        self.deflate = Some(Box::default());
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.deflate.is_some()
    }

    /// Appends what `encode` writes. [`Outlet::flush`] ends the call that did so.
    pub(super) fn put<S>(&mut self, cx: &mut Ctx<'_, S>, encode: impl FnOnce(&mut Vec<u8>)) {
        if self.deflate.is_none() {
            return encode(cx.transport().out().tail());
        }
        encode(&mut self.plain);
        if self.plain.len() >= PLAIN_BYTES {
            self.flush(cx);
        }
    }

    /// Says one line.
    pub(super) fn reply<S>(&mut self, cx: &mut Ctx<'_, S>, code: u16, text: &str) {
        self.put(cx, |out| put_reply(out, code, text));
    }

    /// Compresses what was said.
    pub(super) fn flush<S>(&mut self, cx: &mut Ctx<'_, S>) {
        let Some(deflate) = &mut self.deflate else { return };
        if !self.plain.is_empty() {
            deflate.deflate(&self.plain, cx.transport().out().tail());
            // An idle connection holds no more than it must.
            self.plain = Vec::new();
        }
    }
}
