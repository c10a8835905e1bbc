//! A connection's bytes into events, at a server and at a client.

use super::block::{Block, Part};
use super::command::COMMAND_BYTES_MAX;
use super::reply::REPLY_BYTES_MAX;
use super::{BlockEnd, Command, CommandError, CommandFault, Reply, ReplyError};
use crate::base::InBuf;
use crate::proto::line::{Line, LineCodec};
use crate::proto::sniff::is_of_http;

/// What a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A line that should be a command.
    Command(Result<Command<'a>, CommandError>),
    /// Bytes of the block under way, CRLFs included, without the dots put in. Never empty.
    Bytes(&'a [u8]),
    /// The block is over.
    End(BlockEnd),
}

/// Reads what a client sends: commands, and blocks where they are due.
///
/// Call [`CommandCodec::next`] until `None` whenever bytes came, and
/// [`expect_block`](CommandCodec::expect_block) with the answer that asks for one (335, 340). The
/// block of a TAKETHIS comes unasked, whatever is wrong with the command, and is expected by
/// itself. Nothing that a client sends is an error that ends the connection. A command may end with
/// a lone LF, as people type it.
#[derive(Debug)]
pub struct CommandCodec {
    lines: LineCodec,
    block: Option<Block>,
    block_bytes_max: usize,
}

impl CommandCodec {
    /// At the start of a connection. A block has at most `block_bytes_max` bytes.
    pub fn new(block_bytes_max: usize) -> Self {
        Self { lines: LineCodec::new(COMMAND_BYTES_MAX), block: None, block_bytes_max }
    }

    /// What comes next is a block.
    pub fn expect_block(&mut self) {
        self.block = Some(Block::new(self.block_bytes_max));
    }

    /// True while a block is due or under way.
    pub fn is_in_block(&self) -> bool {
        self.block.is_some()
    }

    /// The next event; `None` when more bytes are needed.
    pub fn next<'a>(&mut self, input: &'a mut InBuf) -> Option<Event<'a>> {
        if let Some(block) = &mut self.block {
            if !self.lines.end_line(input) {
                return None;
            }
            return Some(match block.next(input)? {
                Part::Bytes(bytes) => Event::Bytes(bytes),
                Part::End(end) => {
                    self.block = None;
                    Event::End(end)
                }
            });
        }
        let line = self.lines.next(input)?;
        let (Line::Whole(bytes) | Line::TooLong(bytes)) = line;
        if announces_block(bytes) {
            self.block = Some(Block::new(self.block_bytes_max));
        }
        Some(Event::Command(match line {
            Line::Whole(bytes) | Line::TooLong(bytes) if is_of_http(bytes) => {
                Err(CommandError { fault: CommandFault::Http, offset: 0 })
            }
            Line::Whole(bytes) => Command::parse(bytes),
            Line::TooLong(_) => {
                Err(CommandError { fault: CommandFault::TooLong, offset: COMMAND_BYTES_MAX })
            }
        }))
    }
}

/// True for TAKETHIS, with good arguments or bad ones.
fn announces_block(line: &[u8]) -> bool {
    let start = line.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    let Some((keyword, rest)) = line[start..].split_at_checked(8) else { return false };
    let ends = rest.first().is_none_or(|byte| matches!(byte, b' ' | b'\t'));
    ends && keyword.eq_ignore_ascii_case(b"TAKETHIS")
}

/// Reads what a server sends to a feeder: replies of one line each. Nothing that a feeder says is
/// answered by a block.
#[derive(Debug)]
pub struct ReplyCodec {
    lines: LineCodec,
}

impl Default for ReplyCodec {
    fn default() -> Self {
        Self { lines: LineCodec::new(REPLY_BYTES_MAX) }
    }
}

impl ReplyCodec {
    /// At the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next line, which should be a reply; `None` when more bytes are needed.
    pub fn next<'a>(&mut self, input: &'a mut InBuf) -> Option<Result<Reply<'a>, ReplyError>> {
        Some(match self.lines.next(input)? {
            Line::Whole(line) => Reply::parse(line),
            Line::TooLong(_) => Err(ReplyError::TooLong),
        })
    }
}
