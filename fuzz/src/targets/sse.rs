//! Server-sent events, as a follower reads them.

use super::cut::however_cut;
use bellwether::proto::sse::{Decoder, Event, Received, put_retry};

/// What a stream says, up to the first event that is too large.
fn read(pieces: &[&[u8]], event_bytes_max: usize) -> (Vec<Received>, bool) {
    let mut decoder = Decoder::new(event_bytes_max, "before");
    let mut all = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        loop {
            match decoder.next(&mut rest) {
                Ok(Some(received)) => all.push(received),
                Ok(None) => break,
                Err(_) => return (all, true),
            }
        }
        assert!(rest.is_empty(), "bytes are left when nothing is to be told");
    }
    (all, false)
}

/// A stream.
pub(crate) fn events(bytes: &[u8]) {
    let (mut all, _) = however_cut(bytes, |pieces| read(pieces, 1 << 20));
    let (some, _) = read(&[bytes], 50);
    assert!(all.starts_with(&some), "a smaller limit reads something else");
    let mut again = Vec::new();
    for received in &mut all {
        match received {
            Received::Event { name, last_id, data } => {
                // We write none with NUL, though we read it.
                *name = name.replace('\0', " ");
                Event { name, id: Some(last_id), data }.put(&mut again);
            }
            Received::Retry(ms) => put_retry(&mut again, *ms),
        }
    }
    assert_eq!(read(&[&again], 1 << 21).0, all, "written again");
}
