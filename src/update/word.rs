//! A node's word on what is on its disk. Writers at other nodes are answered by it, and it comes to
//! them by way of third ones; so it is signed by the node that it speaks of.

use super::{PublicKey, Signature, SigningKey, Vector};

/// What a node says to have on disk: all of it, or all of some epochs.
///
/// It is not bound to a moment, since it only ever grows: an old word, said again, is as true as
/// it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    /// Whose word.
    pub key: PublicKey,
    /// The name by which it goes.
    pub node: String,
    /// What it has on disk.
    pub held: Vector,
    /// Under all of that.
    pub signature: Signature,
}

impl Word {
    /// Signs it: about 30 µs.
    pub fn sign(key: &SigningKey, node: &str, held: Vector) -> Self {
        let (public, signature) = (key.public(), Signature([0; 64]));
        let mut word = Self { key: public, node: node.to_owned(), held, signature };
        word.signature = key.sign(&word.message());
        word
    }

    /// True when the key's owner signed it: about 80 µs.
    pub fn verify(&self) -> bool {
        self.key.verify(&self.message(), &self.signature)
    }

    /// The prefix is of the same length as that of a seal, and another: neither can be taken for
    /// the other.
    fn message(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend_from_slice(&self.key.0);
        body.extend_from_slice(&(self.node.len() as u64).to_be_bytes());
        body.extend_from_slice(self.node.as_bytes());
        self.held.encode(&mut body);
        [&b"bellwether held\n"[..], blake3::hash(&body).as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::{Cid, Epoch, Seal, Span};

    #[test]
    fn a_word_is_its_owners_until_anything_of_it_is_changed() {
        let (key, other) = (SigningKey::from_seed([7; 32]), SigningKey::from_seed([8; 32]));
        let mut held = Vector::new();
        held.insert_span(Span { epoch: Epoch(5), from: 1, to: 9 });
        let word = Word::sign(&key, "hill", held.clone());
        assert!(word.verify());
        held.insert_span(Span { epoch: Epoch(5), from: 10, to: 10 });
        let changed = [
            Word { node: "hall".to_owned(), ..word.clone() },
            Word { held, ..word.clone() },
            Word { key: other.public(), ..word.clone() },
            Word { signature: Word::sign(&other, "hill", Vector::new()).signature, ..word },
        ];
        assert!(changed.iter().all(|word| !word.verify()));
    }

    #[test]
    fn a_seal_is_no_word() {
        let key = SigningKey::from_seed([7; 32]);
        let seal = Seal::sign(&key, 1, 1, vec![Cid([1; 32])]);
        let word = Word::sign(&key, "", Vector::new());
        assert!(!Word { signature: seal.signature, ..word.clone() }.verify());
        assert!(!Seal { signature: word.signature, ..seal }.verify());
    }
}
