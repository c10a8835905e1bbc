//! Inflating and deflating messages (RFC 7692, 7.2), and what that takes: kept for a whole node, so
//! that connections hold nothing of it between messages.
//!
//! Where a context was agreed, what is remembered of it is the text itself: the last bytes of the
//! messages before, from which an inflater or deflater is made ready anew. That is as many bytes
//! as the messages had and at most the window, instead of the state around it.

use super::error::WsErrorKind;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Inflaters kept for the next message. More are needed only while so many deflated messages are
/// on their way in at the same time.
const SPARE_MAX: usize = 4;
/// Streams that the deflated bytes of one message may consist of.
const STREAMS_MAX: u32 = 64;
/// What an inflater takes up beside the message, about: 32 KiB of window and its tables.
pub(super) const INFLATER_BYTES: usize = 48 * 1024;
/// Favours speed: it takes a message of 128 kB in about a millisecond.
const LEVEL: u32 = 3;
/// What an inflated message begins with; then it doubles.
const STEP_BYTES: usize = 4096;
/// What every deflated message ends with, and is left out on the wire.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// The tail, and an empty last block: only behind a message that is whole does it end the stream.
const TAIL_AND_END: [u8; 6] = [0, 0, 0xff, 0xff, 3, 0];

/// The least binary logarithm of a window that we can deflate with.
pub(super) const WINDOW_BITS_MIN: u8 = 9;
/// The greatest there is.
pub(super) const WINDOW_BITS_MAX: u8 = 15;

/// Inflaters and deflaters that are not in use: one value for a whole node.
#[derive(Debug, Default)]
pub struct Flate {
    inflaters: Vec<Decompress>,
    /// By the bits of their windows.
    deflaters: [Option<Compress>; (WINDOW_BITS_MAX - WINDOW_BITS_MIN + 1) as usize],
    /// What was deflated last, before it is behind its head.
    scratch: Vec<u8>,
}

/// Scratch space that is kept.
const SCRATCH_BYTES_MAX: usize = 64 * 1024;

impl Flate {
    /// Deflates a message and shows it to `put`.
    pub(super) fn deflated<R>(
        &mut self,
        how: (u8, &[u8]),
        bytes: &[u8],
        put: impl FnOnce(&[u8]) -> R,
    ) -> R {
        let mut scratch = std::mem::take(&mut self.scratch);
        self.deflate(how, bytes, &mut scratch);
        let result = put(&scratch);
        if scratch.capacity() <= SCRATCH_BYTES_MAX {
            scratch.clear();
            self.scratch = scratch;
        }
        result
    }

    /// A deflated message, without its tail, behind what is in `out`. `context` is what the other
    /// end remembers.
    fn deflate(&mut self, (window_bits, context): (u8, &[u8]), bytes: &[u8], out: &mut Vec<u8>) {
        let window_bits = window_bits.clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX);
        let make = || Compress::new_with_window_bits(Compression::new(LEVEL), false, window_bits);
        let slot = &mut self.deflaters[usize::from(window_bits - WINDOW_BITS_MIN)];
        let deflater = slot.get_or_insert_with(make);
        deflater.reset();
        if !context.is_empty() {
            deflater.set_dictionary(context).expect("a fresh deflater takes a dictionary");
        }
        let mut rest = bytes;
        loop {
            out.reserve(rest.len() / 2 + 64);
            let before = deflater.total_in();
            let status = deflater.compress_vec(rest, out, FlushCompress::Sync);
            status.expect("a deflater takes any bytes");
            rest = &rest[(deflater.total_in() - before) as usize..];
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
        }
        debug_assert!(out.ends_with(&TAIL), "a flush ends in its tail");
        out.truncate(out.len() - TAIL.len());
    }

    /// An inflater at the start of a message.
    pub(super) fn inflater(&mut self, context: &[u8]) -> Inflater {
        let make = || Decompress::new(false);
        let mut inner = self.inflaters.pop().unwrap_or_else(make);
        set_back(&mut inner, context);
        Inflater { inner, has_ended: false, streams: 1 }
    }

    /// Takes an inflater back.
    pub(super) fn put_back(&mut self, inflater: Inflater) {
        if self.inflaters.len() < SPARE_MAX {
            self.inflaters.push(inflater.inner);
        }
    }
}

/// An inflater in the middle of a message.
#[derive(Debug)]
pub(super) struct Inflater {
    inner: Decompress,
    /// The last block ended the stream: what follows begins another.
    has_ended: bool,
    /// Of this message so far.
    streams: u32,
}

impl Inflater {
    /// Inflates a piece behind what is there of the message, which gets no longer than
    /// `bytes_max`. `context` is what was remembered when it began.
    pub(super) fn on_bytes(
        &mut self,
        piece: &[u8],
        message: &mut Vec<u8>,
        (bytes_max, context): (usize, &[u8]),
    ) -> Result<(), WsErrorKind> {
        let mut rest = piece;
        while !rest.is_empty() {
            if std::mem::take(&mut self.has_ended) {
                // A stream may end inside a message and another begin (RFC 7692, 7.2.3.4). Each
                // costs a window, so who begins one every other byte is stopped.
                self.streams += 1;
                if self.streams > STREAMS_MAX {
                    return Err(WsErrorKind::Deflated);
                }
                set_back(&mut self.inner, &window(context, message));
            }
            rest = self.step(rest, message, bytes_max)?;
        }
        Ok(())
    }

    /// The message is whole: whatever is still inside comes out.
    pub(super) fn on_end(
        &mut self,
        message: &mut Vec<u8>,
        (bytes_max, context): (usize, &[u8]),
    ) -> Result<(), WsErrorKind> {
        if self.has_ended {
            return Ok(());
        }
        self.on_bytes(&TAIL_AND_END, message, (bytes_max, context))?;
        if self.has_ended { Ok(()) } else { Err(WsErrorKind::Deflated) }
    }

    /// Inflates until all is used, or a stream ends. What is left.
    fn step<'a>(
        &mut self,
        mut rest: &'a [u8],
        message: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<&'a [u8], WsErrorKind> {
        loop {
            if message.len() > bytes_max {
                return Err(WsErrorKind::MessageTooLarge);
            }
            if message.len() == message.capacity() {
                // One more than may be, which tells that there is more.
                let step = message.len().max(STEP_BYTES).min(bytes_max + 1 - message.len());
                message.reserve_exact(step);
            }
            let before = self.inner.total_in();
            let status = self.inner.decompress_vec(rest, message, FlushDecompress::None);
            let status = status.map_err(|_| WsErrorKind::Deflated)?;
            rest = &rest[(self.inner.total_in() - before) as usize..];
            if status == Status::StreamEnd {
                self.has_ended = true;
            }
            let has_room = message.len() < message.capacity();
            if self.has_ended || (rest.is_empty() && has_room) {
                break;
            }
            if has_room && status == Status::BufError {
                return Err(WsErrorKind::Deflated);
            }
        }
        if message.len() > bytes_max {
            return Err(WsErrorKind::MessageTooLarge);
        }
        Ok(rest)
    }
}

fn set_back(inflater: &mut Decompress, context: &[u8]) {
    inflater.reset(false);
    if !context.is_empty() {
        inflater.set_dictionary(context).expect("a fresh raw inflater takes a dictionary");
    }
}

/// What a stream that begins behind `message` may refer to.
fn window(context: &[u8], message: &[u8]) -> Vec<u8> {
    let bytes = 1 << WINDOW_BITS_MAX;
    let own = &message[message.len().saturating_sub(bytes)..];
    let older = &context[context.len().saturating_sub(bytes - own.len())..];
    [older, own].concat()
}

/// The last bytes of all messages of one direction: at most a window.
#[derive(Debug)]
pub(super) struct Context {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Context {
    pub(super) fn new(window_bits: u8) -> Self {
        Self { bytes: Vec::new(), bytes_max: 1 << window_bits }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A message went by.
    pub(super) fn note(&mut self, message: &[u8]) {
        let own = &message[message.len().saturating_sub(self.bytes_max)..];
        let kept = self.bytes.len().min(self.bytes_max - own.len());
        self.bytes.drain(..self.bytes.len() - kept);
        self.bytes.extend_from_slice(own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NO_LIMIT: usize = 1 << 20;

    fn deflated(bits: u8, context: &[u8], bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Flate::default().deflate((bits, context), bytes, &mut out);
        out
    }

    fn inflated(pieces: &[&[u8]], context: &[u8], max: usize) -> Result<Vec<u8>, WsErrorKind> {
        let mut flate = Flate::default();
        let mut inflater = flate.inflater(context);
        let mut message = Vec::new();
        for piece in pieces {
            inflater.on_bytes(piece, &mut message, (max, context))?;
        }
        inflater.on_end(&mut message, (max, context))?;
        flate.put_back(inflater);
        Ok(message)
    }

    /// Bytes that deflate: words out of a few.
    fn prose() -> impl Strategy<Value = Vec<u8>> {
        "(herd |news |a|[a-z ]{0,9}){0,300}".prop_map(String::into_bytes)
    }

    proptest! {
        #[test]
        fn what_was_deflated_is_inflated_at_any_cut_window_and_context(
            before in prose(),
            bytes in prose(),
            bits in WINDOW_BITS_MIN..=WINDOW_BITS_MAX,
            cuts in prop::collection::vec(0..3000_usize, 0..5),
        ) {
            let mut context = Context::new(bits);
            context.note(&before);
            for context in [&[][..], context.bytes()] {
                let whole = deflated(bits, context, &bytes);
                let mut at: Vec<usize> = cuts.iter().map(|cut| (*cut).min(whole.len())).collect();
                at.extend([0, whole.len()]);
                at.sort_unstable();
                let pieces: Vec<&[u8]> = at.windows(2).map(|at| &whole[at[0]..at[1]]).collect();
                prop_assert_eq!(inflated(&pieces, context, NO_LIMIT), Ok(bytes.clone()));
                prop_assert_eq!(inflated(&pieces, context, bytes.len()), Ok(bytes.clone()));
                if let Some(less) = bytes.len().checked_sub(1) {
                    let error = Err(WsErrorKind::MessageTooLarge);
                    prop_assert_eq!(inflated(&pieces, context, less), error);
                }
            }
        }

        #[test]
        fn any_bytes_are_inflated_or_refused(bytes: Vec<u8>, cut in 0..100_usize) {
            let (front, back) = bytes.split_at(cut.min(bytes.len()));
            let (all, parts) =
                (inflated(&[&bytes], b"", 10_000), inflated(&[front, back], b"", 10_000));
            prop_assert_eq!(all, parts);
        }

        #[test]
        fn a_context_is_the_end_of_all_that_went_by(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..900), 0..6),
        ) {
            let mut context = Context::new(9);
            let mut all = Vec::new();
            for message in messages {
                context.note(&message);
                all.extend(message);
                prop_assert_eq!(context.bytes(), &all[all.len().saturating_sub(512)..]);
            }
        }
    }

    #[test]
    fn the_examples_of_rfc_7692_are_read() {
        let hello: [&[&[u8]]; 4] = [
            &[&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]],
            &[&[0xf2, 0x48, 0xcd], &[0xc9, 0xc9, 0x07, 0x00]],
            // A block without compression.
            &[&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]],
            // A last block, and two blocks.
            &[&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]],
        ];
        for pieces in hello {
            assert_eq!(inflated(pieces, b"", 5), Ok(b"Hello".to_vec()), "{pieces:x?}");
        }
        let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
        assert_eq!(inflated(&[&two], b"", 5), Ok(b"Hello".to_vec()));
        // The second message of a context.
        let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
        assert_eq!(inflated(&[&again], b"Hello", 5), Ok(b"Hello".to_vec()));
        assert_eq!(inflated(&[&again], b"", 5), Err(WsErrorKind::Deflated));
        assert_eq!(inflated(&[&[0x00]], b"", 0), Ok(Vec::new()));
    }

    #[test]
    fn a_message_that_is_cut_short_is_no_message() {
        let whole = deflated(15, b"", &b"one two three four five six seven".repeat(4));
        for end in 1..whole.len() - 1 {
            assert_eq!(inflated(&[&whole[..end]], b"", 1000), Err(WsErrorKind::Deflated), "{end}");
        }
    }

    #[test]
    fn a_stream_that_ends_inside_a_message_may_be_followed_by_one_that_refers_to_it() {
        let text = b"The quick brown fox jumps over the lazy dog. ".repeat(3);
        let mut first = Compress::new(Compression::new(6), false);
        let mut bytes = Vec::with_capacity(1000);
        first.compress_vec(&text, &mut bytes, FlushCompress::Finish).unwrap();
        let second = deflated(15, &text, &text);
        bytes.extend_from_slice(&second);
        assert!(second.len() < 40, "it refers to the first: {}", second.len());
        let all = inflated(&[&bytes], b"", NO_LIMIT);
        assert_eq!(all, Ok([&text[..], &text].concat()));
    }

    #[test]
    fn a_message_of_very_many_streams_is_stopped() {
        // An empty last block each.
        let streams = |count: usize| [3, 0].repeat(count);
        assert_eq!(inflated(&[&streams(60)], b"", 100), Ok(Vec::new()));
        assert_eq!(inflated(&[&streams(100)], b"", 100), Err(WsErrorKind::Deflated));
    }

    #[test]
    fn a_few_bytes_that_inflate_to_very_many_are_stopped_at_the_limit() {
        let bomb = deflated(15, b"", &vec![0; 50 << 20]);
        assert!(bomb.len() < 100_000, "{}", bomb.len());
        let mut flate = Flate::default();
        let (mut inflater, mut message) = (flate.inflater(b""), Vec::new());
        let end = inflater.on_bytes(&bomb, &mut message, (1 << 20, b""));
        assert_eq!(end, Err(WsErrorKind::MessageTooLarge));
        assert!(message.capacity() <= (1 << 20) + 1, "{}", message.capacity());
    }
}
