//! What an asking connection needs of its protocol: how a request is written, and where an answer
//! ends.

use crate::base::InBuf;
use crate::reactor::Fault;

/// One request to write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    /// Counts the requests of a connection.
    pub(super) number: u64,
    /// Which connection of the run asks.
    pub(super) seat: usize,
    /// When it was meant to start, on the run's clock.
    pub(super) start_ns: u64,
    /// Wall clock, different in each request.
    pub(super) wall_ns: u64,
}

/// One whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) good: bool,
    /// Of HTTP; 0 elsewhere.
    pub(super) status: u16,
    /// No other answer can come on this connection.
    pub(super) last: bool,
}

/// A protocol of questions and answers, in order, on one connection.
pub(super) trait Wire {
    /// Appends what a connection begins with, if that has an answer of its own, which
    /// [`Wire::is_greeted`] waits for.
    fn greet(&self, _: &mut Vec<u8>) -> bool {
        false
    }

    /// Takes the answer to the greeting; false when more bytes are needed.
    fn is_greeted(&mut self, _: &mut InBuf) -> Result<bool, Fault> {
        Ok(true)
    }

    /// Appends a request.
    fn put(&mut self, out: &mut Vec<u8>, ask: Ask);

    /// Takes the next whole answer off the input; `None` when more bytes are needed.
    fn next(&mut self, input: &mut InBuf) -> Result<Option<Answer>, Fault>;

    /// The server closed: the answer that this ends, if it ends one.
    fn on_close(&mut self) -> Option<Answer> {
        None
    }
}
