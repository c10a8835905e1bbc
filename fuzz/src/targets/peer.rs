//! The frames of a peer link.

use super::cut::{each_piece, however_cut};
use bellwether::proto::peer::{Frame, FrameError, PROTOCOL, PeerCodec};

/// How many frames came, of how many bytes, and what ended them.
type Said = (usize, u64, Option<FrameError>);

/// Reads as a link does: the buffer may hold what the codec needs, and no more.
fn read(pieces: &[&[u8]], frame_bytes_max: usize) -> Said {
    let all = pieces.concat();
    let mut codec = PeerCodec::new(frame_bytes_max);
    let (mut frames, mut start, mut ended) = (0, 0, None);
    each_piece(pieces, codec.needed(), |input| {
        loop {
            match codec.next(input) {
                Ok(Some(frame)) => {
                    let end = codec.offset() as usize;
                    look_at(&frame, &all[start..end]);
                    (frames, start) = (frames + 1, end);
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(codec.next(input), Err(error), "an error stays");
                    ended = Some(error);
                    return false;
                }
            }
        }
        assert!(codec.needed() <= frame_bytes_max + 5, "{} are needed", codec.needed());
        input.set_cap(codec.needed().max(input.len()));
        true
    });
    (frames, codec.offset(), ended)
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
