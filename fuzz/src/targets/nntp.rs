//! NNTP.

use super::cut::{each_piece, however_cut};
use bellwether::base::Wildmat;
use bellwether::proto::nntp::{
    BlockEnd, Command, CommandCodec, CommandError, Event, INFLATED_BYTES_MAX, Inflate, ReplyCodec,
    ReplyError, Stuffing,
};

/// What a connection's buffer holds.
const INPUT_BYTES: usize = 1024;

/// What was read, the pieces of a block put together.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Command(Result<String, CommandError>),
    Reply(Result<u16, ReplyError>),
    Block(Vec<u8>, Option<BlockEnd>),
}

fn put_block(all: &mut Vec<Said>, bytes: &[u8], end: Option<BlockEnd>) {
    if let Some(Said::Block(block, ended @ None)) = all.last_mut() {
        block.extend_from_slice(bytes);
        *ended = end;
    } else {
        all.push(Said::Block(bytes.to_vec(), end));
    }
}

/// A server whose client gets a block whenever it asks for one.
fn serve(pieces: &[&[u8]], block_bytes_max: usize) -> Vec<Said> {
    let (mut codec, mut all) = (CommandCodec::new(block_bytes_max), Vec::new());
    each_piece(pieces, INPUT_BYTES, |input| {
        while let Some(event) = codec.next(input) {
            match event {
                Event::Command(command) => {
                    all.push(Said::Command(command.map(|command| command.to_string())));
                    if matches!(command, Ok(Command::Post | Command::Ihave(_))) {
                        codec.expect_block();
                    }
                }
                Event::Bytes(bytes) => put_block(&mut all, bytes, None),
                Event::End(end) => put_block(&mut all, &[], Some(end)),
            }
        }
        true
    });
    all
}

/// What a feeder hears.
fn ask(pieces: &[&[u8]]) -> Vec<Said> {
    let (mut codec, mut all) = (ReplyCodec::new(), Vec::new());
    each_piece(pieces, INPUT_BYTES, |input| {
        while let Some(reply) = codec.next(input) {
            all.push(Said::Reply(reply.map(|reply| reply.code)));
        }
        true
    });
    all
}

/// A connection's bytes.
pub(crate) fn nntp(bytes: &[u8]) {
    for block_bytes_max in [20, 10_000] {
        let all = however_cut(bytes, |pieces| serve(pieces, block_bytes_max));
        for said in &all {
            if let Said::Block(block, Some(end)) = said {
                assert!(block.len() <= block_bytes_max);
                look_at_block(block, *end);
            }
        }
    }
    however_cut(bytes, ask);
    for line in bytes.split(|byte| *byte == b'\n') {
        look_at_line(line.strip_suffix(b"\r").unwrap_or(line));
    }
    however_cut(bytes, inflate);
}

/// What is understood is written so that it is understood again.
fn look_at_line(line: &[u8]) {
    if let Ok(command) = Command::parse(line) {
        let written = command.to_string();
        assert_eq!(Command::parse(written.as_bytes()), Ok(command), "{written}");
    }
    let parts = std::str::from_utf8(line).ok().and_then(|line| line.split_once(' '));
    if let Some((pattern, text)) = parts
        && let Ok(wildmat) = Wildmat::parse(pattern)
    {
        let is_meant = wildmat.matches(text);
        let is_name = !pattern.contains(['*', '?', ',', '!']);
        assert!(!is_name || is_meant == (pattern == text));
    }
}

/// A block that came can be sent on.
fn look_at_block(block: &[u8], end: BlockEnd) {
    let mut sent = b"TAKETHIS <a@b>\r\n".to_vec();
    let mut stuffing = Stuffing::new();
    stuffing.put(&mut sent, block);
    stuffing.end(&mut sent);
    let said = serve(&[&sent], block.len() + 2);
    assert_eq!(said.len(), 2, "{said:?}");
    if end == BlockEnd::Whole {
        assert_eq!(said[1], Said::Block(block.to_vec(), Some(end)));
    }
}

/// How much the bytes become, and whether they were a stream up to their end.
fn inflate(pieces: &[&[u8]]) -> (usize, bool) {
    let (mut inflate, mut plain, mut is_good) = (Inflate::new(), 0, true);
    each_piece(pieces, INPUT_BYTES, |input| {
        while is_good {
            let more = inflate.inflate(input);
            assert!(inflate.plain().len() <= INFLATED_BYTES_MAX);
            plain += inflate.plain().take_all().len();
            is_good = more.is_ok();
            if more != Ok(true) {
                break;
            }
        }
        input.take_all();
        true
    });
    (if is_good { plain } else { 0 }, is_good)
}
