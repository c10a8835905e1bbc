//! NNTP: RFC 3977 with AUTHINFO (RFC 4643), STARTTLS (RFC 4642), streaming (RFC 4644), COMPRESS
//! DEFLATE (RFC 8054) and the older commands that newsreaders still send (RFC 2980).
//!
//! Owns the framing of command lines, replies and multi-line blocks, the grammar of commands and
//! their arguments, dot-stuffing, and the compression of a connection. Both directions: a
//! server reads commands and writes replies, a feeder writes commands and reads replies. Never
//! knows which groups there are, what an article says, what time it is or who asks.

mod argument;
mod block;
mod codec;
mod command;
mod deflate;
mod error;
mod reply;
#[cfg(test)]
mod tests;
mod when;

pub use argument::{MessageId, NumberRange};
pub use block::{BlockEnd, Stuffing, put_end, put_line};
pub use codec::{CommandCodec, Event, ReplyCodec};
pub use command::{Articles, Command, List, Selected, Shown};
pub use deflate::{Deflate, DeflateError, INFLATED_BYTES_MAX, Inflate};
pub use error::{CommandError, CommandFault};
pub use reply::{Reply, ReplyError, put_reply};
pub use when::When;
