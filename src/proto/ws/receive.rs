//! Reads one direction of a connection: frames in, whole messages and control frames out. Bounded
//! by the largest message; what can't be right is told at its first byte, bad UTF-8 in the middle
//! of a frame included.
//!
//! A deflated message is kept as it came until it is whole: what is kept of a message under way
//! was sent, byte by byte, whatever it may inflate to.

use super::error::{CloseCode, WsError, WsErrorKind};
use super::extension::Agreement;
use super::flate::{Context, Flate, Inflation};
use super::frame::{FrameHead, HeadFault, Opcode, Rules, key_behind, mask};
use super::{Kind, Role};
use crate::base::InBuf;

/// Something that the other end said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A message, whole.
    Message(Message<'a>),
    /// So many bytes more of a message were inflated, which the next call goes on with. The message
    /// came whole, so no input need come before: the other connections may have their turn.
    Inflating(usize),
    /// To be answered with a pong that carries the same bytes.
    Ping(&'a [u8]),
    /// The answer to a ping, or a sign of life.
    Pong(&'a [u8]),
    /// It will send no more; to be answered with a close of the same code. Nothing follows.
    Close(Close<'a>),
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it holds.
    pub kind: Kind,
    /// Its bytes, inflated: UTF-8 in a text.
    pub bytes: &'a [u8],
    /// It came deflated.
    pub was_deflated: bool,
}

/// What a close frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// Why; `None` when it does not say.
    pub code: Option<CloseCode>,
    /// For people; empty for none.
    pub reason: &'a str,
}

/// Where it is.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Before a frame, or in its head.
    Head,
    /// In the payload of a data frame.
    Payload { left: u64, key: [u8; 4], is_last: bool },
    /// Behind a deflated message, which is inflated.
    Inflating,
    /// Behind a close frame.
    Closed,
    /// A rule was broken.
    Failed(WsError),
}

/// The message under way.
#[derive(Debug)]
struct Begun {
    kind: Kind,
    /// As they came; once it has ended, inflated.
    bytes: Vec<u8>,
    /// How many of them are known to be UTF-8, in a text that is not deflated.
    sound: usize,
    was_deflated: bool,
    /// Of a deflated one that is whole.
    inflation: Option<Inflation>,
}

/// What one step over the input found.
enum Step {
    /// Nothing to tell yet: go on.
    Again,
    /// More bytes are needed.
    Wait,
    /// A message in one frame, of which so many bytes stand at the front, unmasked.
    Whole(Kind, usize),
    /// So much of the message that has ended is inflated.
    Inflated(usize),
    /// The message under way has ended.
    Ended,
    /// A control frame, whose payload stands at the front, unmasked.
    Control(Opcode, usize),
}

/// Decodes what comes in on one connection behind the upgrade.
///
/// Call [`Receiver::next`] until it gives `None`; then wait for more bytes. The same bytes give the
/// same events however they were cut. After a close frame further input is dropped; after a fault
/// the same fault is given for ever.
#[derive(Debug)]
pub struct Receiver {
    role: Role,
    message_bytes_max: usize,
    state: State,
    message: Option<Box<Begun>>,
    /// The message was given to the caller, and goes with the next call.
    is_given: bool,
    /// permessage-deflate was agreed.
    may_deflate: bool,
    /// What the other end may refer to, if it may.
    context: Option<Box<Context>>,
    /// Bytes taken so far.
    offset: u64,
    /// Where the frame under way began.
    frame_at: u64,
}

impl Receiver {
    /// A decoder behind the upgrade. Messages have at most `message_bytes_max` bytes.
    pub fn new(role: Role, message_bytes_max: usize, deflate: Option<&Agreement>) -> Self {
        let window = deflate.and_then(|agreed| match role {
            Role::Server => agreed.client_context.then_some(agreed.client_bits),
            Role::Client => agreed.server_context.then_some(agreed.server_bits),
        });
        Self {
            role,
            message_bytes_max,
            state: State::Head,
            message: None,
            is_given: false,
            may_deflate: deflate.is_some(),
            context: window.map(|bits| Box::new(Context::new(bits))),
            offset: 0,
            frame_at: 0,
        }
    }

    /// The next event of the input, whose bytes it consumes; `None` when more bytes are needed.
    #[inline]
    pub fn next<'a>(
        &'a mut self,
        input: &'a mut InBuf,
        flate: &mut Flate,
    ) -> Result<Option<Event<'a>>, WsError> {
        self.release();
        let step = loop {
            match self.step(input, flate).map_err(|fault| self.fail(fault))? {
                Step::Again => {}
                Step::Wait => return Ok(None),
                step => break step,
            }
        };
        match step {
            Step::Control(opcode, bytes) => {
                let event = control(opcode, input.take(bytes));
                if opcode == Opcode::Close {
                    self.state = State::Closed;
                    self.message = None;
                }
                event.map(Some).map_err(|kind| self.fail((kind, 0)))
            }
            Step::Whole(kind, bytes) => {
                let bytes = input.take(bytes);
                Ok(Some(Event::Message(Message { kind, bytes, was_deflated: false })))
            }
            Step::Inflated(bytes) => Ok(Some(Event::Inflating(bytes))),
            _ => {
                self.is_given = true;
                Ok(self.message.as_deref().map(|begun| {
                    let Begun { kind, ref bytes, was_deflated, .. } = *begun;
                    Event::Message(Message { kind, bytes, was_deflated })
                }))
            }
        }
    }

    /// Lets go of a message that was given, which else goes with the next call.
    pub fn release(&mut self) {
        if std::mem::take(&mut self.is_given) {
            self.message = None;
        }
    }

    /// Memory that the message under way takes up.
    pub fn held_bytes(&self) -> usize {
        self.message.as_deref().map_or(0, |begun| {
            begun.bytes.capacity() + begun.inflation.as_ref().map_or(0, Inflation::held_bytes)
        })
    }

    /// How many bytes came of the payload of a message under way, deflated as they are; `None`
    /// where none is. To be asked behind [`Receiver::release`].
    pub fn came_bytes(&self) -> Option<usize> {
        self.message.as_deref().map(|begun| begun.bytes.len())
    }

    /// True behind an [`Event::Inflating`]: there is more without more input.
    pub fn is_inflating(&self) -> bool {
        matches!(self.state, State::Inflating)
    }

    fn step(&mut self, input: &mut InBuf, flate: &mut Flate) -> Result<Step, HeadFault> {
        match self.state {
            State::Head => self.on_head(input),
            State::Payload { left, key, is_last } => {
                self.on_payload(input, (left, key, is_last)).map_err(|kind| (kind, 0))
            }
            State::Inflating => self.inflate(flate).map_err(|kind| (kind, 0)),
            State::Closed => {
                self.offset += input.len() as u64;
                input.take_all();
                Ok(Step::Wait)
            }
            State::Failed(fault) => Err((fault.kind, (fault.offset - self.frame_at) as usize)),
        }
    }

    #[inline]
    fn on_head(&mut self, input: &mut InBuf) -> Result<Step, HeadFault> {
        let rules = Rules {
            role: self.role,
            may_deflate: self.may_deflate,
            is_in_message: self.message.is_some(),
        };
        self.frame_at = self.offset;
        let Some(head) = FrameHead::parse(input.data(), rules)? else { return Ok(Step::Wait) };
        let is_here = input.len() as u64 - head.bytes as u64 >= head.payload_bytes;
        let kind = match head.opcode {
            Opcode::Data(kind) => Some(kind),
            Opcode::Continuation => None,
            _ if !is_here => return Ok(Step::Wait),
            opcode => {
                let bytes = self.unmask(input, &head);
                return Ok(Step::Control(opcode, bytes));
            }
        };
        self.check_length(&head)?;
        if let Some(kind) = kind {
            if head.is_last && is_here && !head.is_deflated {
                let bytes = self.unmask(input, &head);
                if kind == Kind::Text && std::str::from_utf8(&input.data()[..bytes]).is_err() {
                    return Err((WsErrorKind::Utf8, 0));
                }
                return Ok(Step::Whole(kind, bytes));
            }
            self.begin(kind, head.is_deflated);
        }
        input.consume(head.bytes);
        self.offset += head.bytes as u64;
        let (left, key, is_last) = (head.payload_bytes, head.key, head.is_last);
        self.state = State::Payload { left, key, is_last };
        Ok(Step::Again)
    }

    /// Takes a head, and the mask off the whole payload behind it, which is left at the front.
    #[inline]
    fn unmask(&mut self, input: &mut InBuf, head: &FrameHead) -> usize {
        let bytes = head.payload_bytes as usize;
        input.consume(head.bytes);
        self.offset += (head.bytes + bytes) as u64;
        if self.role == Role::Server {
            mask(&mut input.data_mut()[..bytes], head.key);
        }
        bytes
    }

    /// Refuses a message that gets too large before a byte of it is kept. A deflated one may be
    /// longer by a quarter: who flushes often adds five bytes each time.
    fn check_length(&self, head: &FrameHead) -> Result<(), HeadFault> {
        let begun = self.message.as_deref();
        let is_deflated = begun.map_or(head.is_deflated, |begun| begun.was_deflated);
        let held = begun.map_or(0, |begun| begun.bytes.len());
        let max = self.message_bytes_max;
        let most = if is_deflated { max + max / 4 + 64 } else { max };
        if head.payload_bytes > (most - held) as u64 {
            return Err((WsErrorKind::MessageTooLarge, 1));
        }
        Ok(())
    }

    fn begin(&mut self, kind: Kind, was_deflated: bool) {
        self.message = Some(Box::new(Begun {
            kind,
            bytes: Vec::new(),
            sound: 0,
            was_deflated,
            inflation: None,
        }));
    }

    /// Takes what is there of a payload.
    fn on_payload(
        &mut self,
        input: &mut InBuf,
        (left, key, is_last): (u64, [u8; 4], bool),
    ) -> Result<Step, WsErrorKind> {
        let count = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if self.role == Role::Server {
            mask(&mut input.data_mut()[..count], key);
        }
        let piece = input.take(count);
        self.offset += count as u64;
        let left = left - count as u64;
        self.state = State::Payload { left, key: key_behind(key, count), is_last };
        // Only data frames have payloads in pieces, and each is of a message.
        let Some(begun) = &mut self.message else { return Ok(Step::Wait) };
        begun.take(piece, left == 0 && is_last)?;
        if left > 0 {
            return Ok(Step::Wait);
        }
        let inflates = is_last && begun.was_deflated;
        self.state = if inflates { State::Inflating } else { State::Head };
        Ok(if is_last && !inflates { Step::Ended } else { Step::Again })
    }

    /// Goes on with a deflated message that is whole.
    fn inflate(&mut self, flate: &mut Flate) -> Result<Step, WsErrorKind> {
        let Some(begun) = &mut self.message else { return Ok(Step::Wait) };
        let known = self.context.as_deref().map_or(&[][..], Context::bytes);
        let mut inflation = begun.inflation.take().unwrap_or_else(|| flate.inflation(known));
        if let Some(more) = inflation.go_on(&begun.bytes, (self.message_bytes_max, known))? {
            begun.inflation = Some(inflation);
            return Ok(Step::Inflated(more));
        }
        begun.bytes = flate.finish(inflation);
        if begun.kind == Kind::Text {
            begun.check_text(true)?;
        }
        if let Some(context) = &mut self.context {
            context.note(&begun.bytes);
        }
        self.state = State::Head;
        Ok(Step::Ended)
    }

    #[cold]
    fn fail(&mut self, (kind, place): HeadFault) -> WsError {
        let fault = WsError { kind, offset: self.frame_at + place as u64 };
        self.state = State::Failed(fault);
        self.message = None;
        fault
    }
}

impl Begun {
    fn take(&mut self, piece: &[u8], ends: bool) -> Result<(), WsErrorKind> {
        self.bytes.extend_from_slice(piece);
        if self.kind == Kind::Text && !self.was_deflated { self.check_text(ends) } else { Ok(()) }
    }

    /// Looks at what came since. A character that is cut may go on with the next piece, unless it
    /// can't be one any more.
    fn check_text(&mut self, ends: bool) -> Result<(), WsErrorKind> {
        match std::str::from_utf8(&self.bytes[self.sound..]) {
            Ok(_) => self.sound = self.bytes.len(),
            Err(error) if error.error_len().is_none() && !ends => self.sound += error.valid_up_to(),
            Err(_) => return Err(WsErrorKind::Utf8),
        }
        Ok(())
    }
}

fn control(opcode: Opcode, payload: &[u8]) -> Result<Event<'_>, WsErrorKind> {
    match opcode {
        Opcode::Ping => return Ok(Event::Ping(payload)),
        Opcode::Pong => return Ok(Event::Pong(payload)),
        _ => {}
    }
    let (code, reason) = match payload {
        [] => return Ok(Event::Close(Close { code: None, reason: "" })),
        [_] => return Err(WsErrorKind::CloseLength),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    let code = CloseCode::new(code).ok_or(WsErrorKind::CloseCode)?;
    let reason = std::str::from_utf8(reason).map_err(|_| WsErrorKind::Utf8)?;
    Ok(Event::Close(Close { code: Some(code), reason }))
}
