//! HTTP/1.1 (RFC 9110 semantics, RFC 9112 messages): strict decoders and plain encoders.
//!
//! A server feeds [`RequestCodec::next`] and answers with [`Response`]; a client writes its request
//! with [`Request`] and reads with [`ResponseCodec::next`]. Bytes in, borrowed events out. The same
//! bytes give the same events however they were cut on the way.
//!
//! Never here: sockets, clocks, routing, a body held whole.

mod body;
mod chunked;
mod client;
mod codings;
mod conditional;
mod cookies;
mod date;
mod encode;
mod error;
mod fields;
mod head;
mod negotiate;
mod range;
mod repeat;
mod request;
mod response;
mod scan;
mod status;
mod target;
mod uri;

#[cfg(test)]
mod tests;

pub use body::{Awaiting, BodyLength, Event};
pub use client::{Request, ResponseCodec, ResponseHead};
pub use codings::{AcceptEncoding, Coding};
pub use conditional::{EntityTag, MalformedTags, TagList, if_range_holds};
pub use cookies::cookie;
pub use date::{DATE_BYTES, DateCache, date_text, parse_date};
pub use error::{HttpError, HttpErrorKind};
pub(in crate::proto) use fields::is_token;
pub use fields::{Fields, list_elements};
pub use head::{Head, Method, Version};
pub use negotiate::{Accept, ContentType, MalformedMediaType};
pub use range::ByteRange;
pub use request::{HttpLimits, RequestCodec};
pub use response::{BodyWriter, CONTINUE, Preencoded, ReplyTo, Response, SharedPiece};
pub use status::Status;
pub use target::Target;
pub use uri::{MalformedEscape, decode_escapes, encode_segment, path_segments, query_pairs};
