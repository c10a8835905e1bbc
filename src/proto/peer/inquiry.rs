//! Questions to a whole herd, passed on from link to link, and their answers on the way back.
//!
//! ```text
//! inquire  u64 number · u8 hops that it may still go · u8+ about
//! tell     u64 number · u8+ node · 32 key · 64 signature · the rest: what it says
//! ```
//! What a question is about, and what an answer says, is for nodes to know; but by the first byte
//! of what it is about, questions by which a herd is watched are told from others.

use super::FrameFault;
use super::frame::{decode_name, put_name, put_short};
use crate::update::{PublicKey, Reader, Signature, Statement};

/// The most bytes of what an inquiry is about.
pub const ABOUT_BYTES_MAX: usize = 80;
/// The most bytes that an answer may say.
pub const TOLD_BYTES_MAX: usize = 128 * 1024;
/// An answer without its name and what it says.
pub(super) const TELL_REST_BYTES: usize = 8 + 1 + 32 + 64;

/// Begins what a question for the nodes' metrics is about.
pub const ABOUT_METRICS: u8 = 1;
/// Begins what a question for how the nodes are is about.
pub const ABOUT_GLANCE: u8 = 2;

/// A question to all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inquire<'a> {
    /// Random: by it copies are known that came on other ways, and answers.
    pub number: u64,
    /// How many more links it may be passed on over.
    pub hops: u8,
    /// What is asked: 1 to [`ABOUT_BYTES_MAX`] bytes.
    pub about: &'a [u8],
}

impl<'a> Inquire<'a> {
    /// True for the few questions by which a herd is watched. Room is kept for them, whatever else
    /// is asked.
    pub fn is_watch(&self) -> bool {
        matches!(self.about.first(), Some(&(ABOUT_METRICS | ABOUT_GLANCE)))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_be_bytes());
        out.push(self.hops);
        put_short(out, self.about);
    }

    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, FrameFault> {
        let (number, hops, about) = (reader.u64()?, reader.u8()?, reader.short()?);
        if about.is_empty() || about.len() > ABOUT_BYTES_MAX {
            return Err(FrameFault::Value);
        }
        Ok(Self { number, hops, about })
    }
}

pub(super) fn encode_statement(said: &Statement, out: &mut Vec<u8>) {
    out.extend_from_slice(&said.inquiry.to_be_bytes());
    put_name(out, &said.node);
    out.extend_from_slice(&said.key.0);
    out.extend_from_slice(&said.signature.0);
    out.extend_from_slice(&said.body);
}

/// Takes all that is left of the frame. Nothing is verified.
pub(super) fn decode_statement(reader: &mut Reader<'_>) -> Result<Statement, FrameFault> {
    let inquiry = reader.u64()?;
    let node = decode_name(reader.short()?)?.to_owned();
    let (key, signature) = (PublicKey(reader.array()?), Signature(reader.array()?));
    let body = reader.rest().to_vec();
    if body.len() > TOLD_BYTES_MAX {
        return Err(FrameFault::Value);
    }
    Ok(Statement { inquiry, key, node, body, signature })
}
