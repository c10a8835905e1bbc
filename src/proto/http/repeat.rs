//! Heads that come again byte for byte on their connection, as pollers, pages' images and load
//! tests send them. What a whole head means depends on its bytes alone, so it is not read anew.

use super::body::BodyLength;
use super::fields::Fields;
use super::head::{Head, Method, Version};
use super::target::Target;

/// Longer heads are read each time: they would cost every idle connection their length.
const HEAD_BYTES_MAX: usize = 1024;

/// A part of a head: where it begins and ends.
type Part = (u16, u16);

/// The last head of a connection, if it was a plain one: GET or HEAD of a path, without a body.
#[derive(Clone, Debug)]
pub(super) struct Repeat {
    bytes: Vec<u8>,
    is_head: bool,
    version: Version,
    keep_alive: bool,
    path: Part,
    query: Option<Part>,
    fields: Part,
    host: Option<Part>,
}

impl Repeat {
    /// Takes note of a head, which stands in `bytes` and nothing else; `None` when it is not plain.
    pub(super) fn of(bytes: &[u8], head: &Head<'_>) -> Option<Box<Self>> {
        let is_head = head.method == Method::Head;
        let is_plain = (is_head || head.method == Method::Get)
            && head.body == BodyLength::None
            && !head.expect_continue
            && bytes.len() <= HEAD_BYTES_MAX;
        let Target::Origin { path, query } = head.target else { return None };
        is_plain.then(|| {
            Box::new(Self {
                bytes: bytes.to_vec(),
                is_head,
                version: head.version,
                keep_alive: head.keep_alive,
                path: part_of(bytes, path.as_bytes()),
                query: query.map(|query| part_of(bytes, query.as_bytes())),
                fields: part_of(bytes, head.fields.block()),
                host: head.host.map(|host| part_of(bytes, host)),
            })
        })
    }

    /// The head at the front of `bytes` and its length, if it is the one noted.
    #[inline]
    pub(super) fn read<'a>(&self, bytes: &'a [u8]) -> Option<(usize, Head<'a>)> {
        let bytes = bytes.get(..self.bytes.len())?;
        if bytes != &self.bytes[..] {
            return None;
        }
        let query = match self.query {
            Some(query) => Some(std::str::from_utf8(cut(bytes, query)).ok()?),
            None => None,
        };
        let path = std::str::from_utf8(cut(bytes, self.path)).ok()?;
        let head = Head {
            method: if self.is_head { Method::Head } else { Method::Get },
            target: Target::Origin { path, query },
            version: self.version,
            fields: Fields::new(cut(bytes, self.fields)),
            host: self.host.map(|host| cut(bytes, host)),
            body: BodyLength::None,
            keep_alive: self.keep_alive,
            expect_continue: false,
        };
        Some((bytes.len(), head))
    }
}

/// Where a slice lies in `bytes`, which it is a part of.
fn part_of(bytes: &[u8], part: &[u8]) -> Part {
    let from = part.as_ptr().addr() - bytes.as_ptr().addr();
    (from as u16, (from + part.len()) as u16)
}

#[inline]
fn cut(bytes: &[u8], (from, to): Part) -> &[u8] {
    &bytes[usize::from(from)..usize::from(to)]
}
