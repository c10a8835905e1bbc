//! Cancel-Lock and Cancel-Key (RFC 8315): who shows the key of an article's lock may withdraw it.
//! SHA-256 only; of SHA-1, which the RFC forbids to make, nothing is believed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac};

const SCHEME: &str = "sha256";
/// No more locks or keys of one article are looked at.
const ELEMENTS_MAX: usize = 32;

/// The Cancel-Key of an article, as the holder of this secret makes it: nothing needs to be kept.
pub fn cancel_key(secret: &[u8], message_id: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, message_id.as_bytes());
    format!("{SCHEME}:{}", STANDARD.encode(tag.as_ref()))
}

/// The Cancel-Lock that this Cancel-Key opens; `None` for one that is no key of ours to read.
pub fn cancel_lock(cancel_key: &str) -> Option<String> {
    let key = element(cancel_key.as_bytes())?;
    Some(format!("{SCHEME}:{}", hash(key)))
}

/// True when one of the keys of `keys` (a Cancel-Key field) opens one of the locks of `locks` (a
/// Cancel-Lock field).
pub fn is_unlocked(locks: &[u8], keys: &[u8]) -> bool {
    let hashes: Vec<String> = elements(keys).map(hash).collect();
    elements(locks).any(|lock| hashes.iter().any(|hash| hash == lock))
}

fn hash(key: &str) -> String {
    STANDARD.encode(digest::digest(&digest::SHA256, key.as_bytes()).as_ref())
}

fn elements(value: &[u8]) -> impl Iterator<Item = &str> {
    let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.take(ELEMENTS_MAX).filter_map(element)
}

/// The string behind the scheme, if it is ours.
fn element(word: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(word.trim_ascii()).ok()?;
    let (scheme, string) = text.split_once(':')?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(string).filter(|string| !string.is_empty())
}
