//! A seal on its way over a link. The ids of updates that were just sent on the same link are left
//! out: the receiver has hashed them itself.
//!
//! ```text
//! 32 key · u64 salt · 64 signature · varint from · varint n · ⌈n/8⌉ left out · the other ids × 32
//! ```
//! Bits of `left out` count from the lowest; those past `n` are zero.

use super::FrameFault;
use crate::update::{Cid, PublicKey, Reader, SEAL_UPDATES_MAX, Seal, Signature, put_varint};

/// A seal with some of its ids left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealFrame<'a> {
    /// Whose word it is.
    pub key: PublicKey,
    /// With the key, the epoch.
    pub salt: u64,
    /// Under all the ids, those that are left out included.
    pub signature: Signature,
    /// The sequence number of the first update.
    pub from: u64,
    /// How many updates it covers.
    pub count: usize,
    left_out: &'a [u8],
    cids: &'a [[u8; 32]],
}

impl<'a> SealFrame<'a> {
    /// The seal, its missing ids supplied by `known`, by sequence number; `None` when one of them
    /// is not known. Nothing is verified.
    pub fn rebuild(&self, mut known: impl FnMut(u64) -> Option<Cid>) -> Option<Seal> {
        let mut said = self.cids.iter();
        let mut cids = Vec::with_capacity(self.count);
        for at in 0..self.count {
            cids.push(if is_set(self.left_out, at) {
                known(self.from + at as u64)?
            } else {
                Cid(*said.next()?)
            });
        }
        let Self { key, salt, from, signature, .. } = *self;
        Some(Seal { key, salt, from, cids, signature })
    }

    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, FrameFault> {
        let key = PublicKey(reader.array()?);
        let salt = reader.u64()?;
        let signature = Signature(reader.array()?);
        let (from, count) = (reader.varint()?, reader.varint()?);
        let fits = (1..=SEAL_UPDATES_MAX as u64).contains(&count);
        if !fits || from == 0 || from.checked_add(count).is_none() {
            return Err(FrameFault::Seal);
        }
        let count = count as usize;
        let left_out = reader.bytes(count.div_ceil(8))?;
        let beyond = (count..left_out.len() * 8).any(|at| is_set(left_out, at));
        if beyond {
            return Err(FrameFault::Seal);
        }
        let absent: u32 = left_out.iter().map(|byte| byte.count_ones()).sum();
        let cids = reader.bytes((count - absent as usize) * 32)?.as_chunks::<32>().0;
        Ok(Self { key, salt, signature, from, count, left_out, cids })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_head(out, &self.key, self.salt, &self.signature);
        put_varint(out, self.from);
        put_varint(out, self.count as u64);
        out.extend_from_slice(self.left_out);
        self.cids.iter().for_each(|cid| out.extend_from_slice(cid));
    }
}

/// Appends the body of a seal frame; `is_left_out` is asked by sequence number.
pub(super) fn put_body(out: &mut Vec<u8>, seal: &Seal, is_left_out: impl Fn(u64) -> bool) {
    put_head(out, &seal.key, seal.salt, &seal.signature);
    put_varint(out, seal.from);
    put_varint(out, seal.cids.len() as u64);
    let bits = out.len();
    out.resize(bits + seal.cids.len().div_ceil(8), 0);
    for (at, cid) in seal.cids.iter().enumerate() {
        if is_left_out(seal.from + at as u64) {
            out[bits + at / 8] |= 1 << (at % 8);
        } else {
            out.extend_from_slice(&cid.0);
        }
    }
}

fn put_head(out: &mut Vec<u8>, key: &PublicKey, salt: u64, signature: &Signature) {
    out.extend_from_slice(&key.0);
    out.extend_from_slice(&salt.to_be_bytes());
    out.extend_from_slice(&signature.0);
}

fn is_set(bits: &[u8], at: usize) -> bool {
    bits.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}
