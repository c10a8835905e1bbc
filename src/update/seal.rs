//! Seals: how an origin signs. One signature stands under the content ids of up to
//! [`SEAL_UPDATES_MAX`] consecutive updates of an epoch, those of one batch, so that the price of
//! a signature is shared by all that are written and verified together.
//!
//! ```text
//! 32 key · u64 salt · varint from · varint n, n × 32 cid · 64 signature
//! ```
//! The epoch is not said: it is the hash of key and salt ([`Epoch::of`]). What is signed is the
//! BLAKE3 hash of everything before the signature, under a prefix of its own.

use super::{
    Cid, Dot, Epoch, PublicKey, Reader, Signature, SigningKey, Span, Truncated, put_varint,
};

/// The most updates under one seal.
pub const SEAL_UPDATES_MAX: usize = 256;

/// An origin's word that these are its updates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seal {
    /// Whose word.
    pub key: PublicKey,
    /// With the key, the epoch.
    pub salt: u64,
    /// The sequence number of the first update.
    pub from: u64,
    /// The ids of the updates, 1 to [`SEAL_UPDATES_MAX`], in order.
    pub cids: Vec<Cid>,
    /// Under all of that.
    pub signature: Signature,
}

impl Seal {
    /// Signs the updates that begin at `from`.
    ///
    /// # Panics
    /// When there are none, or more than [`SEAL_UPDATES_MAX`].
    pub fn sign(key: &SigningKey, salt: u64, from: u64, cids: Vec<Cid>) -> Self {
        assert!((1..=SEAL_UPDATES_MAX).contains(&cids.len()), "{} updates to seal", cids.len());
        let public = key.public();
        let mut seal = Self { key: public, salt, from, cids, signature: Signature([0; 64]) };
        seal.signature = key.sign(&seal.message());
        seal
    }

    /// The epoch of the updates.
    pub fn epoch(&self) -> Epoch {
        Epoch::of(&self.key, self.salt)
    }

    /// The updates' dots.
    pub fn span(&self) -> Span {
        let to = self.from.saturating_add(self.cids.len() as u64 - 1);
        Span { epoch: self.epoch(), from: self.from, to }
    }

    /// The id that the seal gives a sequence number of its epoch; `None` for one outside of it.
    pub fn cid_at(&self, seq: u64) -> Option<Cid> {
        let at = usize::try_from(seq.checked_sub(self.from)?).ok()?;
        self.cids.get(at).copied()
    }

    /// The id that the seal gives a dot; `None` for one outside of it.
    pub fn cid_of(&self, dot: Dot) -> Option<Cid> {
        self.cid_at(dot.seq).filter(|_| dot.epoch == self.epoch())
    }

    /// True when the key's owner signed it: about 80 µs.
    pub fn verify(&self) -> bool {
        self.key.verify(&self.message(), &self.signature)
    }

    fn message(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(64 + self.cids.len() * 32);
        self.encode_body(&mut body);
        [&b"bellwether seal\n"[..], blake3::hash(&body).as_bytes()].concat()
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.0);
        out.extend_from_slice(&self.salt.to_be_bytes());
        put_varint(out, self.from);
        put_varint(out, self.cids.len() as u64);
        self.cids.iter().for_each(|cid| out.extend_from_slice(&cid.0));
    }

    /// Appends its bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_body(out);
        out.extend_from_slice(&self.signature.0);
    }

    /// Reads what [`Seal::encode`] wrote; the signature is not verified.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        let (key, salt) = (PublicKey(reader.array()?), reader.u64()?);
        let (from, count) = (reader.varint()?, reader.varint()?);
        let fits = (1..=SEAL_UPDATES_MAX as u64).contains(&count);
        if !fits || from == 0 || from.checked_add(count).is_none() {
            return Err(Truncated);
        }
        let cids = reader.bytes(count as usize * 32)?.as_chunks::<32>().0;
        let cids = cids.iter().map(|cid| Cid(*cid)).collect();
        Ok(Self { key, salt, from, cids, signature: Signature(reader.array()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(n: u8) -> Seal {
        let key = SigningKey::from_seed([7; 32]);
        Seal::sign(&key, 99, 5, (0..n).map(|n| Cid([n; 32])).collect())
    }

    #[test]
    fn a_seal_comes_back_from_its_bytes_and_verifies() {
        for n in [1, 2, 255] {
            let seal = seal(n);
            let mut bytes = Vec::new();
            seal.encode(&mut bytes);
            let mut reader = Reader::new(&bytes);
            let read = Seal::decode(&mut reader).unwrap();
            assert!(reader.is_done() && read == seal && read.verify());
            let span = Span { epoch: seal.epoch(), from: 5, to: 4 + u64::from(n) };
            assert_eq!(read.span(), span);
            for cut in 0..bytes.len() {
                assert!(Seal::decode(&mut Reader::new(&bytes[..cut])).is_err());
            }
        }
    }

    #[test]
    fn a_seal_with_any_bit_changed_is_not_the_owners_word() {
        let mut bytes = Vec::new();
        seal(3).encode(&mut bytes);
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            if let Ok(changed) = Seal::decode(&mut Reader::new(&bytes)) {
                assert!(!changed.verify(), "byte {at}");
            }
            bytes[at] ^= 1;
        }
    }

    #[test]
    fn a_seal_names_its_own_dots_only() {
        let seal = seal(3);
        let epoch = seal.epoch();
        let found: Vec<_> = (3..10).map(|seq| seal.cid_of(Dot { epoch, seq })).collect();
        let some = |n| Some(Cid([n; 32]));
        assert_eq!(found, [None, None, some(0), some(1), some(2), None, None]);
        assert_eq!(seal.cid_of(Dot { epoch: Epoch(epoch.0 ^ 1), seq: 5 }), None);
    }
}
