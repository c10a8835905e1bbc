//! Inflating and deflating messages (RFC 7692, 7.2) that are whole, and what that takes: kept for a
//! whole node, so that connections hold nothing of it between messages.
//!
//! Where a context was agreed, what is remembered of it is the text itself: the last bytes of the
//! messages before, from which an inflater or deflater is made ready anew. That is as many bytes
//! as the messages had and at most the window, instead of the state around it.

use super::error::WsErrorKind;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Streams that the deflated bytes of one message may consist of.
const STREAMS_MAX: u32 = 64;
/// Favours speed: it takes a message of 128 kB in about a millisecond.
const LEVEL: u32 = 3;
/// What an inflated message begins with; then it doubles.
const FIRST_BYTES: usize = 4096;
/// As much is inflated at a time, and what one piece comes to: some milliseconds.
const STEP_BYTES: usize = 256 * 1024;
/// Deflated bytes that are taken at a time: they inflate to a thousand times as much at most.
const PIECE_BYTES: usize = 512;
/// What an inflater takes up beside the message, about: 32 KiB of window and its tables.
const INFLATER_BYTES: usize = 48 * 1024;
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
    /// Ready for the next message. More are needed only while long ones are on their way.
    inflater: Option<Decompress>,
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

    /// What inflates a message that is whole. `context` is what was remembered when it came.
    pub(super) fn inflation(&mut self, context: &[u8]) -> Inflation {
        let mut inflater = self.inflater.take().unwrap_or_else(|| Decompress::new(false));
        set_back(&mut inflater, context);
        Inflation { inflater, message: Vec::new(), at: 0, has_ended: false, streams: 1 }
    }

    /// The message, inflated.
    pub(super) fn finish(&mut self, inflation: Inflation) -> Vec<u8> {
        self.inflater = Some(inflation.inflater);
        inflation.message
    }
}

/// A message on its way out of an inflater.
#[derive(Debug)]
pub(super) struct Inflation {
    inflater: Decompress,
    message: Vec<u8>,
    /// How many of the deflated bytes were taken, and of the tail behind them.
    at: usize,
    /// The last block ended the stream: what follows begins another.
    has_ended: bool,
    /// Of this message so far.
    streams: u32,
}

impl Inflation {
    /// Memory that it takes up.
    pub(super) fn held_bytes(&self) -> usize {
        self.message.capacity() + INFLATER_BYTES
    }

    /// Inflates some more of a message that was deflated to this and gets no longer than
    /// `bytes_max`: how many bytes more there are, or none when that was all.
    pub(super) fn go_on(
        &mut self,
        deflated: &[u8],
        (bytes_max, context): (usize, &[u8]),
    ) -> Result<Option<usize>, WsErrorKind> {
        let before = self.message.len();
        while self.message.len() < before + STEP_BYTES {
            let rest = match self.at.checked_sub(deflated.len()) {
                None => &deflated[self.at..],
                Some(0) if self.has_ended => return Ok(None),
                Some(at) if at < TAIL_AND_END.len() || !self.has_room() => &TAIL_AND_END[at..],
                Some(_) if self.has_ended => return Ok(None),
                Some(_) => return Err(WsErrorKind::Deflated),
            };
            if std::mem::take(&mut self.has_ended) {
                // A stream may end inside a message and another begin (RFC 7692, 7.2.3.4). Each
                // costs a window, so who begins one every other byte is stopped.
                self.streams += 1;
                if self.streams > STREAMS_MAX {
                    return Err(WsErrorKind::Deflated);
                }
                set_back(&mut self.inflater, &window(context, &self.message));
            }
            self.take(&rest[..rest.len().min(PIECE_BYTES)], bytes_max)?;
        }
        Ok(Some(self.message.len() - before))
    }

    fn has_room(&self) -> bool {
        self.message.len() < self.message.capacity()
    }

    /// Takes of this as much as there is room for.
    fn take(&mut self, piece: &[u8], bytes_max: usize) -> Result<(), WsErrorKind> {
        if !self.has_room() {
            // One more than may be, which tells that there is more.
            let room = bytes_max + 1 - self.message.len();
            self.message.reserve_exact(self.message.len().max(FIRST_BYTES).min(room));
        }
        let before = self.inflater.total_in();
        let flush = FlushDecompress::None;
        let status = self.inflater.decompress_vec(piece, &mut self.message, flush);
        let status = status.map_err(|_| WsErrorKind::Deflated)?;
        self.at += (self.inflater.total_in() - before) as usize;
        self.has_ended = status == Status::StreamEnd;
        if self.message.len() > bytes_max {
            return Err(WsErrorKind::MessageTooLarge);
        }
        let is_stuck = status == Status::BufError && self.has_room();
        if is_stuck { Err(WsErrorKind::Deflated) } else { Ok(()) }
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

    fn inflated(bytes: &[u8], context: &[u8], max: usize) -> Result<Vec<u8>, WsErrorKind> {
        inflated_by(&mut Flate::default(), bytes, context, max)
    }

    fn inflated_by(
        flate: &mut Flate,
        bytes: &[u8],
        context: &[u8],
        max: usize,
    ) -> Result<Vec<u8>, WsErrorKind> {
        let mut inflation = flate.inflation(context);
        while let Some(more) = inflation.go_on(bytes, (max, context))? {
            assert!((STEP_BYTES..STEP_BYTES + 1100 * PIECE_BYTES).contains(&more), "{more}");
        }
        Ok(flate.finish(inflation))
    }

    /// Bytes that deflate: words out of a few.
    fn prose() -> impl Strategy<Value = Vec<u8>> {
        "(herd |news |a|[a-z ]{0,9}){0,300}".prop_map(String::into_bytes)
    }

    proptest! {
        #[test]
        fn what_was_deflated_is_inflated_at_any_window_and_context(
            before in prose(),
            bytes in prose(),
            bits in WINDOW_BITS_MIN..=WINDOW_BITS_MAX,
        ) {
            let mut context = Context::new(bits);
            context.note(&before);
            for context in [&[][..], context.bytes()] {
                let whole = deflated(bits, context, &bytes);
                prop_assert_eq!(inflated(&whole, context, NO_LIMIT), Ok(bytes.clone()));
                prop_assert_eq!(inflated(&whole, context, bytes.len()), Ok(bytes.clone()));
                if let Some(less) = bytes.len().checked_sub(1) {
                    let error = Err(WsErrorKind::MessageTooLarge);
                    prop_assert_eq!(inflated(&whole, context, less), error);
                }
            }
        }

        #[test]
        fn any_bytes_are_inflated_or_refused(bytes: Vec<u8>) {
            let mut flate = Flate::default();
            let found = inflated_by(&mut flate, &bytes, b"", 10_000);
            prop_assert!(found.as_ref().map_or(0, Vec::len) <= 10_000);
            // Whatever came before, the next message is inflated as by a fresh one.
            prop_assert_eq!(inflated_by(&mut flate, &bytes, b"", 10_000), found);
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
        let hello: [&[u8]; 5] = [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            // A block without compression.
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            // A last block, with and without the byte behind it, and two blocks.
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        ];
        for bytes in hello {
            assert_eq!(inflated(bytes, b"", 5), Ok(b"Hello".to_vec()), "{bytes:x?}");
        }
        // The second message of a context.
        let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
        assert_eq!(inflated(&again, b"Hello", 5), Ok(b"Hello".to_vec()));
        assert_eq!(inflated(&again, b"", 5), Err(WsErrorKind::Deflated));
        assert_eq!(inflated(&[0x00], b"", 0), Ok(Vec::new()));
    }

    #[test]
    fn a_message_that_is_cut_short_is_no_message() {
        let whole = deflated(15, b"", &b"one two three four five six seven".repeat(4));
        for end in 1..whole.len() - 1 {
            assert_eq!(inflated(&whole[..end], b"", 1000), Err(WsErrorKind::Deflated), "{end}");
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
        let all = inflated(&bytes, b"", NO_LIMIT);
        assert_eq!(all, Ok([&text[..], &text].concat()));
    }

    #[test]
    fn a_message_of_very_many_streams_is_stopped() {
        // An empty last block each.
        let streams = |count: usize| [3, 0].repeat(count);
        assert_eq!(inflated(&streams(60), b"", 100), Ok(Vec::new()));
        assert_eq!(inflated(&streams(100), b"", 100), Err(WsErrorKind::Deflated));
    }

    #[test]
    fn a_few_bytes_that_inflate_to_very_many_are_stopped_at_the_limit() {
        let bomb = deflated(15, b"", &vec![0; 50 << 20]);
        assert!(bomb.len() < 100_000, "{}", bomb.len());
        assert_eq!(inflated(&bomb, b"", 1 << 20), Err(WsErrorKind::MessageTooLarge));
        // One that just fits shows what memory was taken.
        let fits = inflated(&deflated(15, b"", &vec![0; 1 << 20]), b"", 1 << 20);
        assert!(fits.is_ok_and(|message| message.capacity() <= (1 << 20) + 1));
    }
}
