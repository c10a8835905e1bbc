//! Tests of this module.

use super::*;
use crate::base::{InBuf, Wildmat};
use crate::proto::testing::{cut, each_piece};
use proptest::prelude::*;

/// What a codec said, with the pieces of a block put together.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Command(Result<String, CommandError>),
    Block(Vec<u8>, Option<BlockEnd>),
}

fn note(said: &mut Vec<Said>, event: &Event<'_>) {
    match event {
        Event::Command(command) => {
            said.push(Said::Command(command.as_ref().map(ToString::to_string).map_err(|e| *e)));
        }
        Event::Bytes(bytes) => {
            assert!(!bytes.is_empty(), "an empty piece");
            if let Some(Said::Block(block, None)) = said.last_mut() {
                block.extend_from_slice(bytes);
            } else {
                said.push(Said::Block(bytes.to_vec(), None));
            }
        }
        Event::End(end) => {
            if let Some(Said::Block(_, ended @ None)) = said.last_mut() {
                *ended = Some(*end);
            } else {
                said.push(Said::Block(Vec::new(), Some(*end)));
            }
        }
    }
}

/// What a server makes of pieces. POST and IHAVE are answered by asking for the block.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, block_bytes_max: usize) -> Vec<Said> {
    let mut codec = CommandCodec::new(block_bytes_max);
    let pieces: Vec<&[u8]> = pieces.into_iter().collect();
    let mut all = Vec::new();
    each_piece(&pieces, 1024, |input| {
        while let Some(event) = codec.next(input) {
            let asks = matches!(event, Event::Command(Ok(Command::Post | Command::Ihave(_))));
            note(&mut all, &event);
            if asks {
                codec.expect_block();
            }
        }
        true
    });
    all
}

fn command(line: &str) -> Result<Command<'_>, CommandError> {
    Command::parse(line.as_bytes())
}

const TALK: &[u8] =
    b"CAPABILITIES\r\n  group\tmisc.test \nPOST\r\nSubject: a\r\n\r\n..dot\r\n.\r.x\r\n\
    lone\n.\nlf\r\n.\r\nTAKETHIS <a@b>\r\n.\r\nTAKETHIS bad\r\nx\r\n...\r\n.\r\nIHAVE <c@d>\r\n\r\n\
    \r\r\n.\r\n\r\nNONSENSE\r\nQUIT extra\r\nquit\r\n";

#[test]
fn every_cut_of_a_conversation_gives_the_same() {
    let whole = read([TALK], 1000);
    let command = |text: &str| Said::Command(Ok(text.to_owned()));
    let fault = |fault, offset| Said::Command(Err(CommandError { fault, offset }));
    let block = |bytes: &[u8]| Said::Block(bytes.to_vec(), Some(BlockEnd::Whole));
    let expected = vec![
        command("CAPABILITIES"),
        command("GROUP misc.test"),
        command("POST"),
        block(b"Subject: a\r\n\r\n.dot\r\n\r.x\r\nlone\n.\nlf\r\n"),
        command("TAKETHIS <a@b>"),
        block(b""),
        fault(CommandFault::Malformed("message-id"), 9),
        block(b"x\r\n..\r\n"),
        command("IHAVE <c@d>"),
        block(b"\r\n\r\r\n"),
        fault(CommandFault::Unknown, 0),
        fault(CommandFault::Unknown, 0),
        fault(CommandFault::Extra, 5),
        command("QUIT"),
    ];
    assert_eq!(whole, expected);
    for first in 0..=TALK.len() {
        for second in first..=TALK.len() {
            let pieces = [&TALK[..first], &TALK[first..second], &TALK[second..]];
            assert_eq!(read(pieces, 1000), whole, "cut at {first} and {second}");
        }
    }
    assert_eq!(read(TALK.chunks(1), 1000), whole);
}

#[test]
fn a_block_that_is_too_large_is_read_to_its_end_and_no_further() {
    let talk = b"POST\r\n12345\r\n67890\r\n.\r\nDATE\r\n";
    for pieces in [vec![&talk[..]], talk.chunks(1).collect(), talk.chunks(3).collect()] {
        let cut = Said::Block(b"12345\r\n6".to_vec(), Some(BlockEnd::TooLarge));
        let whole = Said::Block(b"12345\r\n67890\r\n".to_vec(), Some(BlockEnd::Whole));
        assert_eq!(read(pieces.clone(), 8)[1], cut);
        assert_eq!(read(pieces.clone(), 13)[2], Said::Command(Ok("DATE".to_owned())));
        assert_eq!(read(pieces, 14)[1], whole);
    }
}

#[test]
fn a_line_of_512_bytes_is_the_longest() {
    let line = |bytes: usize| [&b"GROUP "[..], &vec![b'a'; bytes - 8], b"\r\n"].concat();
    let longest = [&b"XPAT a 1- "[..], &[b'x'; 500], b"\r\n"].concat();
    assert_eq!(longest.len(), 512);
    assert!(matches!(read([&longest[..]], 9)[..], [Said::Command(Ok(_))]));
    let too_long = Said::Command(Err(CommandError { fault: CommandFault::TooLong, offset: 510 }));
    let two = [&line(513)[..], &line(20)[..]].concat();
    for pieces in [vec![&two[..]], two.chunks(1).collect()] {
        let said = read(pieces, 9);
        assert_eq!(said[0], too_long);
        assert_eq!(said[1], Said::Command(Ok("GROUP aaaaaaaaaaaa".to_owned())));
    }
    // A block follows, however long the line that says so.
    let takethis = [&b"TAKETHIS "[..], &[b'x'; 600], b"\r\nQUIT\r\n.\r\nDATE\r\n"].concat();
    for pieces in [vec![&takethis[..]], takethis.chunks(1).collect()] {
        let said = read(pieces, 9);
        assert_eq!(said[0], too_long);
        assert_eq!(said[1], Said::Block(b"QUIT\r\n".to_vec(), Some(BlockEnd::Whole)));
    }
}

#[test]
fn commands_mean_what_the_rfcs_say() {
    let id = |text| MessageId::parse(text).unwrap();
    let range = |first, last| NumberRange { first, last };
    let show = |shown, selected| Ok(Command::Show { shown, selected });
    assert_eq!(command("article"), show(Shown::Article, Selected::Current));
    assert_eq!(command("HEAD 12"), show(Shown::Head, Selected::Number(12)));
    assert_eq!(command("Body <a@b>"), show(Shown::Body, Selected::Id(id("<a@b>"))));
    assert_eq!(command("XOVER 3-"), Ok(Command::Over(Articles::Range(range(3, None)))));
    assert_eq!(command("OVER 3-5"), Ok(Command::Over(Articles::Range(range(3, Some(5))))));
    let hdr = |is_old, articles| Ok(Command::Hdr { field: "Subject", articles, is_old });
    assert_eq!(command("HDR Subject"), hdr(false, Articles::Current));
    assert_eq!(command("XHDR Subject 7"), hdr(true, Articles::Range(range(7, Some(7)))));
    assert_eq!(command("LIST"), Ok(Command::List(List::Active(Wildmat::ALL))));
    assert_eq!(command("list headers msgid"), Ok(Command::List(List::Headers)));
    assert_eq!(command("LIST SUBSCRIPTIONS a.*"), Ok(Command::List(List::Other("SUBSCRIPTIONS"))));
    assert_eq!(command("LISTGROUP"), Ok(Command::ListGroup { group: None, range: None }));
    assert_eq!(command("AUTHINFO PASS a b  c "), Ok(Command::AuthPass("a b  c")));
    assert_eq!(command("AUTHINFO SASL PLAIN x"), Ok(Command::AuthOther("SASL")));
    assert_eq!(command("mode  reader"), Ok(Command::ModeReader));
    let xpat = command("XPAT Subject 1-9 *a b*,!c").unwrap();
    let Command::Xpat { pattern, .. } = xpat else { panic!("{xpat:?}") };
    assert!(pattern.matches("xa b") && !pattern.matches("c"));
}

#[test]
fn what_is_badly_said_is_told_from_what_is_unknown() {
    for (line, code, offset) in [
        ("", 500, 0),
        ("XYZZY", 500, 0),
        ("CAPABILITIESS", 500, 0),
        ("GROUP", 501, 5),
        ("GROUP a b", 501, 8),
        ("GROUP a,b", 501, 6),
        ("GROUP a*", 501, 6),
        ("MODE POSTER", 501, 5),
        ("ARTICLE x", 501, 8),
        ("ARTICLE 1-2", 501, 8),
        ("ARTICLE 12345678901234567", 501, 8),
        ("HEAD <>", 501, 5),
        ("STAT <a b>", 501, 5),
        ("IHAVE", 501, 5),
        ("CHECK a@b", 501, 6),
        ("OVER 1-2-3", 501, 5),
        ("OVER -2", 501, 5),
        ("LIST ACTIVE a[b", 501, 13),
        ("LIST NONSENSE", 501, 5),
        ("LIST HEADERS NONSENSE", 501, 13),
        ("LIST MOTD x", 501, 10),
        ("NEWNEWS * 20260230x 000000", 501, 10),
        ("NEWGROUPS 20261322 000000", 501, 10),
        ("NEWGROUPS 20261222 000000 CET", 501, 26),
        ("XPAT Subject 1-", 501, 15),
        ("HDR a:b 1", 501, 4),
        ("AUTHINFO", 501, 8),
    ] {
        let error = command(line).unwrap_err();
        assert_eq!((error.code(), error.offset), (code, offset), "{line}: {error}");
    }
    let error = Command::parse(b"GROUP a\0b").unwrap_err();
    assert_eq!((error.fault, error.offset), (CommandFault::Byte, 7));
    let error = Command::parse(b"GROUP a\xff").unwrap_err();
    assert_eq!((error.fault, error.offset), (CommandFault::Byte, 7));
}

#[test]
fn moments_are_those_of_the_calendar() {
    let at = |date, time| When::parse(date, time).unwrap().unix_s(1_790_000_000);
    assert_eq!(at("19700101", "000000"), 0);
    assert_eq!(at("20261122", "151211"), 1_795_360_331);
    assert_eq!(at("20000229", "235959"), 951_868_799);
    assert_eq!(at("260101", "000000"), at("20260101", "000000"));
    assert_eq!(at("270101", "000000"), at("19270101", "000000"), "of the century before");
    assert!(at("19691231", "235959") < 0);
    assert_eq!(When::at(951_868_799).to_string(), "20000229 235959");
    assert_eq!(at("20161231", "235960"), at("20161231", "235959"));
    assert_eq!(When::parse("000229", "000000").unwrap().to_string(), "000229 000000");
    for (date, time) in [("20260229", "000000"), ("20260101", "240000"), ("20260101", "000061")] {
        assert_eq!(When::parse(date, time), None, "{date} {time}");
    }
}

#[test]
fn replies_are_one_line_each_whatever_is_in_them() {
    let mut out = Vec::new();
    put_reply(&mut out, 205, "bye");
    put_reply(&mut out, 400, "");
    put_reply(&mut out, 403, "a\r\nb\0c");
    assert_eq!(out, b"205 bye\r\n400\r\n403 abc\r\n");
    put_reply(&mut out, 403, &"é".repeat(600));
    assert!(out.ends_with("é\r\n".as_bytes()));
    assert_eq!(Reply::parse(b"239 <a@b> thanks").unwrap().first(), b"<a@b>");
    assert_eq!(Reply::parse(b"400"), Ok(Reply { code: 400, text: b"" }));
    for bad in [&b""[..], b"20", b"600 x", b"2x0", b"2000", b"000 x"] {
        assert_eq!(Reply::parse(bad), Err(ReplyError::NoCode), "{}", bad.escape_ascii());
    }
}

#[test]
fn a_feeder_reads_replies_however_they_are_cut() {
    let talk = b"200 hello\r\n238 <a@b>\nnonsense\r\n";
    for cut in 0..=talk.len() {
        let (mut codec, mut input) = (ReplyCodec::new(), InBuf::new(1024));
        let mut codes = Vec::new();
        for piece in [&talk[..cut], &talk[cut..]] {
            input.push(piece);
            while let Some(reply) = codec.next(&mut input) {
                codes.push(reply.map(|reply| reply.code));
            }
        }
        assert_eq!(codes, [Ok(200), Ok(238), Err(ReplyError::NoCode)], "cut at {cut}");
    }
    let (mut codec, mut input) = (ReplyCodec::new(), InBuf::new(1024));
    input.push(&[b'2'; 600]);
    assert_eq!(codec.next(&mut input), Some(Err(ReplyError::TooLong)));
}

/// Inflates all of it, read in pieces of this size, with reads of the result now and then.
fn inflate(deflated: &[u8], piece: usize) -> Result<Vec<u8>, DeflateError> {
    let (mut inflate, mut input) = (Inflate::new(), InBuf::new(deflated.len().max(1)));
    let mut plain = Vec::new();
    for piece in deflated.chunks(piece) {
        input.push(piece);
        loop {
            let more = inflate.inflate(&mut input)?;
            assert!(inflate.plain().len() <= INFLATED_BYTES_MAX);
            plain.extend_from_slice(inflate.plain().take_all());
            if !more {
                break;
            }
        }
    }
    Ok(plain)
}

#[test]
fn a_small_stream_that_becomes_large_is_inflated_a_bit_at_a_time() {
    let large = vec![b'x'; 1 << 20];
    let mut deflated = Vec::new();
    Deflate::new().deflate(&large, &mut deflated);
    assert!(deflated.len() < 10_000);
    assert_eq!(inflate(&deflated, deflated.len()), Ok(large.clone()));
    assert_eq!(inflate(&deflated, 7), Ok(large));
}

#[test]
fn what_is_no_deflate_stream_or_ends_is_an_error() {
    assert_eq!(inflate(b"QUIT\r\n QUIT\r\n", 100), Err(DeflateError));
    // An empty last block ends a stream.
    assert_eq!(inflate(&[3, 0], 1), Err(DeflateError));
}

fn group_name() -> impl Strategy<Value = String> {
    "[a-z0-9.+_é-]{1,12}"
}

fn message_id() -> impl Strategy<Value = String> {
    "<[a-z0-9$.<]{1,8}@[a-z.]{1,8}>"
}

fn wildmat() -> impl Strategy<Value = String> {
    "!?[a-z*?.]{1,6}(,!?[a-z*?]{1,4}){0,2}"
}

/// Lines that say each command in one of its forms.
fn a_line() -> impl Strategy<Value = String> {
    let articles = prop_oneof![
        Just(String::new()),
        (0..9_u64, 0..9_u64).prop_map(|(a, b)| format!(" {a}-{b}")),
        (0..99_u64).prop_map(|a| format!(" {a}-")),
        (0..99_u64).prop_map(|a| format!(" {a}")),
        message_id().prop_map(|id| format!(" {id}")),
    ];
    let when = "(20[0-4][0-9]|[0-9]{2})(0[1-9]|1[0-2])(0[1-9]|1[0-9]|2[0-8]) ([01][0-9])[0-5]{4}";
    let plain = prop::sample::select(vec![
        "QUIT",
        "HELP",
        "DATE",
        "LAST",
        "NEXT",
        "POST",
        "MODE READER",
        "MODE STREAM",
        "STARTTLS",
        "CAPABILITIES",
        "COMPRESS DEFLATE",
        "LIST HEADERS RANGE",
        "LIST OVERVIEW.FMT",
        "LISTGROUP",
        "LIST DISTRIB.PATS",
        "LIST MOTD",
        "AUTHINFO USER a",
        "AUTHINFO PASS b c",
        "ARTICLE",
        "STAT 4",
    ]);
    prop_oneof![
        plain.prop_map(str::to_owned),
        ("(CHECK|TAKETHIS|IHAVE|HEAD|BODY)", message_id()).prop_map(|(a, b)| format!("{a} {b}")),
        ("(OVER|HDR :bytes|XHDR Subject)", articles).prop_map(|(a, b)| format!("{a}{b}")),
        ("(GROUP|LISTGROUP)", group_name()).prop_map(|(a, b)| format!("{a} {b}")),
        ("(LIST ACTIVE|LIST COUNTS|LIST NEWSGROUPS|XGTITLE|XPAT a 1-)", wildmat())
            .prop_map(|(a, b)| format!("{a} {b}")),
        when.prop_map(|when| format!("NEWGROUPS {when} GMT")),
        (wildmat(), when).prop_map(|(groups, when)| format!("NEWNEWS {groups} {when} GMT")),
    ]
}

proptest! {
    #[test]
    fn a_command_written_is_read_as_the_same(line in a_line()) {
        let read = command(&line).unwrap();
        let written = read.to_string();
        prop_assert_eq!(command(&written), Ok(read), "{}", written);
    }

    #[test]
    fn any_bytes_are_read_the_same_however_they_are_cut(
        bytes in prop::collection::vec(
            prop::sample::select(&b"..\r\r\n\n POST takethis<a@b>"[..]),
            0..80,
        ),
        sizes in prop::collection::vec(1_usize..9, 1..9),
        block_bytes_max in 0..30_usize,
    ) {
        let bytes = [&b"POST\r\n"[..], &bytes].concat();
        let whole = read([&bytes[..]], block_bytes_max);
        prop_assert_eq!(read(bytes.chunks(1), block_bytes_max), whole.clone());
        let pieces = cut(&bytes, &sizes);
        prop_assert_eq!(read(pieces, block_bytes_max), whole);
    }

    #[test]
    fn a_block_stuffed_in_any_pieces_is_read_back(
        text in prop::collection::vec(prop::sample::select(&b"..\r\n\r\na"[..]), 0..60),
        sizes in prop::collection::vec(1_usize..7, 1..7),
    ) {
        let mut out = b"TAKETHIS <a@b>\r\n".to_vec();
        let mut stuffing = Stuffing::new();
        for piece in cut(&text, &sizes) {
            stuffing.put(&mut out, piece);
        }
        stuffing.end(&mut out);
        let mut whole = text.clone();
        if !text.is_empty() && !text.ends_with(b"\r\n") {
            whole.extend_from_slice(b"\r\n");
        }
        let said = read([&out[..]], 1000);
        prop_assert_eq!(said.len(), 2, "{:?}", said);
        prop_assert_eq!(&said[1], &Said::Block(whole, Some(BlockEnd::Whole)));
    }

    #[test]
    fn what_is_deflated_is_inflated_however_it_is_cut(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6),
        piece in 1..50_usize,
    ) {
        let (mut deflate, mut deflated) = (Deflate::new(), Vec::new());
        for part in &parts {
            deflate.deflate(part, &mut deflated);
            let so_far = inflate(&deflated, piece);
            prop_assert!(so_far.is_ok_and(|plain| plain.ends_with(part)), "each part can be read");
        }
        prop_assert_eq!(inflate(&deflated, piece), Ok(parts.concat()));
    }

    #[test]
    fn every_moment_is_read_as_it_is_written(unix_s in 0..253_402_300_800_u64) {
        let text = When::at(unix_s).to_string();
        let (date, time) = text.split_once(' ').unwrap();
        let read = When::parse(date, time).unwrap();
        prop_assert_eq!(read.unix_s(0), i64::try_from(unix_s).unwrap());
    }
}
