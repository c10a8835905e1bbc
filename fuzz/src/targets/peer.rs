//! The frames of a peer link.

use super::cut::however_cut;
use bellwether::base::InBuf;
use bellwether::proto::peer::{Frame, FrameError, PROTOCOL, PeerCodec};

/// How many frames came, of how many bytes, and what ended them.
type Said = (usize, u64, Option<FrameError>);

/// Reads as a link does: the buffer may hold what the codec needs, and no more.
fn read(pieces: &[&[u8]], frame_bytes_max: usize) -> Said {
    let all = pieces.concat();
    let mut codec = PeerCodec::new(frame_bytes_max);
    let mut input = InBuf::new(codec.needed());
    let (mut frames, mut start) = (0, 0);
    for piece in pieces {
        let mut rest = *piece;
        loop {
            rest = &rest[input.push(rest)..];
            match codec.next(&mut input) {
                Ok(Some(frame)) => {
                    let end = codec.offset() as usize;
                    look_at(&frame, &all[start..end]);
                    (frames, start) = (frames + 1, end);
                    continue;
                }
                Ok(None) => {}
                Err(error) => {
                    assert_eq!(codec.next(&mut input), Err(error), "an error stays");
                    return (frames, codec.offset(), Some(error));
                }
            }
            assert!(codec.needed() <= frame_bytes_max + 5, "{} are needed", codec.needed());
            input.set_cap(codec.needed().max(input.len()));
            if rest.is_empty() {
                break;
            }
            assert!(!input.is_full(), "a full buffer from which nothing is taken");
        }
    }
    (frames, codec.offset(), None)
}

/// Every frame has one form: what is read is what would be written.
fn look_at(frame: &Frame<'_>, bytes: &[u8]) {
    if matches!(frame, Frame::Hello(hello) if hello.protocol != PROTOCOL) {
        // Of the hello of another version only the start is known.
        return;
    }
    let mut again = Vec::new();
    frame.encode(&mut again);
    assert_eq!(again, bytes, "{frame:?}");
}

/// A link's bytes.
pub(crate) fn frames(bytes: &[u8]) {
    for frame_bytes_max in [300, 17 << 20] {
        however_cut(bytes, |pieces| read(pieces, frame_bytes_max));
    }
}
