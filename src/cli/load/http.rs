//! `http:` and `publish:`: requests that are written from a template with one copy, and answers of
//! which only status and end matter.

use super::wire::{Answer, Ask, Wire};
use crate::base::InBuf;
use crate::proto::http::{Event, HttpLimits, ResponseCodec};
use crate::reactor::Fault;
use std::sync::Arc;

/// Digits of a stamp: two 64-bit numbers in decimals, with a space between and behind.
pub(super) const STAMP_BYTES: usize = 42;

/// A request as it is written each time, and what about it changes.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) bytes: Vec<u8>,
    /// Where its body has room for a stamp: number and start of the request.
    pub(super) stamp_at: Option<usize>,
    /// It is a HEAD request: its answer has no body, whatever it says.
    pub(super) is_head: bool,
}

/// One connection of HTTP/1.1.
pub(super) struct Http {
    template: Arc<Template>,
    codec: ResponseCodec,
    status: u16,
    last: bool,
}

impl Http {
    pub(super) fn new(template: &Arc<Template>) -> Self {
        let mut codec = ResponseCodec::new(HttpLimits::default());
        codec.set_answers_head(template.is_head);
        Self { template: Arc::clone(template), codec, status: 0, last: false }
    }

    fn answer(&self) -> Answer {
        Answer { good: self.status < 400, status: self.status, last: self.last }
    }
}

impl Wire for Http {
    #[inline]
    fn put(&mut self, out: &mut Vec<u8>, ask: Ask) {
        let start = out.len();
        out.extend_from_slice(&self.template.bytes);
        if let Some(at) = self.template.stamp_at {
            let number = (ask.seat as u64) << 40 | ask.number;
            put_stamp(&mut out[start + at..][..STAMP_BYTES], number, ask.start_ns);
        }
    }

    #[inline]
    fn next(&mut self, input: &mut InBuf) -> Result<Option<Answer>, Fault> {
        while let Some(event) = self.codec.next(input)? {
            match event {
                Event::Head(head) => {
                    self.status = head.status.code();
                    self.last = !head.keep_alive;
                }
                Event::Body(_) => {}
                // An interim answer is not the one that was asked for.
                Event::End if (100..200).contains(&self.status) && self.status != 101 => {}
                Event::End => return Ok(Some(self.answer())),
            }
        }
        Ok(None)
    }

    fn on_close(&mut self) -> Option<Answer> {
        self.last = true;
        matches!(self.codec.on_close(), Ok(true)).then(|| self.answer())
    }
}

/// Writes two numbers in decimals of a fixed width.
fn put_stamp(room: &mut [u8], number: u64, start_ns: u64) {
    for (at, mut value) in [(0, number), (21, start_ns)] {
        for digit in room[at..at + 20].iter_mut().rev() {
            *digit = b'0' + (value % 10) as u8;
            value /= 10;
        }
        room[at + 20] = b' ';
    }
}

/// The numbers of a stamp at the front of a text.
pub(super) fn read_stamp(text: &str) -> Option<(u64, u64)> {
    let mut words = text.get(..STAMP_BYTES)?.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(is_head: bool) -> Http {
        let bytes = [b"POST /x HTTP/1.1\r\n\r\n".as_slice(), &[b'.'; STAMP_BYTES + 3]].concat();
        Http::new(&Arc::new(Template { bytes, stamp_at: Some(20), is_head }))
    }

    fn answers(wire: &mut Http, bytes: &[u8]) -> Vec<Answer> {
        let mut input = InBuf::new(1 << 16);
        input.push(bytes);
        std::iter::from_fn(|| wire.next(&mut input).unwrap()).collect()
    }

    #[test]
    fn a_stamp_is_read_as_it_was_written() {
        let mut out = b"before".to_vec();
        let ask = Ask { number: 7, seat: 1, start_ns: u64::MAX, wall_ns: 0 };
        wire(false).put(&mut out, ask);
        let body = std::str::from_utf8(&out[26..]).unwrap();
        assert_eq!(read_stamp(body), Some((1 << 40 | 7, u64::MAX)));
        assert!(body.ends_with(" ...") && out.starts_with(b"beforePOST /x"));
        assert_eq!(read_stamp("12 34"), None);
    }

    #[test]
    fn answers_end_where_their_framing_says_and_interim_ones_are_none() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi\
            HTTP/1.1 503 Later\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n\
            HTTP/1.1 204 Fine\r\nConnection: close\r\n\r\n";
        let found = answers(&mut wire(false), bytes);
        let shown: Vec<_> = found.iter().map(|a| (a.status, a.good, a.last)).collect();
        assert_eq!(shown, [(200, true, false), (503, false, false), (204, true, true)]);
    }

    #[test]
    fn a_close_ends_a_body_without_a_length() {
        let mut http = wire(false);
        assert_eq!(answers(&mut http, b"HTTP/1.1 200 OK\r\n\r\nsome"), []);
        let end = http.on_close().map(|answer| (answer.status, answer.last));
        assert_eq!(end, Some((200, true)));
        assert_eq!(wire(false).on_close(), None);
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(answers(&mut wire(true), &bytes.repeat(2)).len(), 2);
    }
}
