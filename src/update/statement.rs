//! What a node says of itself when it is asked. It comes to who asked by way of others; so it is
//! signed by the node that it speaks of, and an admitted liar can lie of nobody but itself.

use super::{PublicKey, Signature, SigningKey};

/// An answer to one inquiry. What its body says is between who asked and who answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// The number of the inquiry, drawn by who asked: no answer serves for another.
    pub inquiry: u64,
    /// Whose answer.
    pub key: PublicKey,
    /// The name by which it goes.
    pub node: String,
    /// What it says.
    pub body: Vec<u8>,
    /// Under all of that.
    pub signature: Signature,
}

impl Statement {
    /// Signs it: about 30 µs.
    pub fn sign(key: &SigningKey, inquiry: u64, node: &str, body: Vec<u8>) -> Self {
        let (public, signature) = (key.public(), Signature([0; 64]));
        let mut said = Self { inquiry, key: public, node: node.to_owned(), body, signature };
        said.signature = key.sign(&said.message());
        said
    }

    /// True when the key's owner signed it: about 80 µs.
    pub fn verify(&self) -> bool {
        self.key.verify(&self.message(), &self.signature)
    }

    /// The prefix is of the same length as those of seals and words, and another: none can be
    /// taken for one of the others.
    fn message(&self) -> Vec<u8> {
        let mut said = Vec::with_capacity(48 + self.node.len() + self.body.len());
        said.extend_from_slice(&self.key.0);
        said.extend_from_slice(&self.inquiry.to_be_bytes());
        said.extend_from_slice(&(self.node.len() as u64).to_be_bytes());
        said.extend_from_slice(self.node.as_bytes());
        said.extend_from_slice(&self.body);
        [&b"bellwether tell\n"[..], blake3::hash(&said).as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::{Vector, Word};

    #[test]
    fn a_statement_is_its_owners_until_anything_of_it_is_changed() {
        let (key, other) = (SigningKey::from_seed([7; 32]), SigningKey::from_seed([8; 32]));
        let said = Statement::sign(&key, 5, "hill", b"up".to_vec());
        assert!(said.verify());
        let changed = [
            Statement { inquiry: 6, ..said.clone() },
            Statement { node: "hall".to_owned(), ..said.clone() },
            Statement { body: b"us".to_vec(), ..said.clone() },
            Statement { node: "hillu".to_owned(), body: b"p".to_vec(), ..said.clone() },
            Statement { key: other.public(), ..said.clone() },
            Statement { signature: Word::sign(&key, "hill", Vector::new()).signature, ..said },
        ];
        assert!(changed.iter().all(|said| !said.verify()));
    }
}
