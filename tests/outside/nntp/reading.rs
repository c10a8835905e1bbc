//! What readers ask, by hand.

use super::{Talk, id_in, node, put, write};
use crate::harness::{Setup, connect};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use std::io::{Read, Write};

#[test]
fn a_thread_is_read_as_articles_of_its_sections_group() {
    let (node, port) = node(Setup::new("Hill"));
    let first = write(&node, "Rain", "world", "Rain", "Rain.\n.It rains.");
    let edit = serde_json::json!({
        "section": "world", "headline": "More rain", "body": "It rains.", "summary": "later",
    });
    put(&node, &format!("/v1/stories/Rain?base={first}"), &edit);
    write(&node, "Sun", "World News", "Sun", "It shines.");
    let mut talk = Talk::open(&port);
    let groups = talk.list(215, "LIST ACTIVE");
    assert_eq!(groups, ["World+20News 1 1 y", "world 2 1 y"]);
    assert_eq!(talk.expect(211, "GROUP world"), "211 2 1 2 world");
    let over = talk.list(224, "OVER 1-");
    let fields: Vec<Vec<&str>> = over.iter().map(|line| line.split('\t').collect()).collect();
    assert_eq!(fields.len(), 2, "{over:?}");
    assert_eq!((fields[0][0], fields[0][1]), ("1", "Rain"));
    assert_eq!((fields[1][0], fields[1][1]), ("2", "More rain"));
    assert_eq!(fields[0][5], "", "the first follows nothing");
    assert_eq!(fields[1][5], fields[0][4], "an edit refers to what it follows");
    assert_eq!(fields[1][8], "Xref: Hill world:2");
    let head = talk.list(221, "HEAD 2");
    let has = |start: &str| head.iter().any(|line| line.starts_with(start));
    assert!(has("Newsgroups: world") && has("Xref: Hill world:2"), "{head:?}");
    assert!(has(&format!("Supersedes: {}", fields[0][4])), "{head:?}");
    let article = talk.list(220, &format!("ARTICLE {}", fields[0][4]));
    let blank = article.iter().position(String::is_empty).expect("a blank line");
    assert_eq!(article[blank + 1..], ["Rain.", ".It rains."]);
    let bytes: usize = article.iter().map(|line| line.len() + 2).sum();
    assert_eq!(fields[0][6], bytes.to_string());
    assert_eq!(fields[0][7], "2");
}

#[test]
fn a_reader_goes_through_a_group() {
    let (node, port) = node(Setup::new("Hill"));
    for n in 1..=3 {
        write(&node, &format!("s{n}"), "world", &format!("headline {n}"), "x");
    }
    let mut talk = Talk::open(&port);
    for command in ["LAST", "NEXT", "ARTICLE", "STAT 1", "OVER", "XOVER 1-", "HDR Subject 1-"] {
        talk.expect(412, command);
    }
    talk.expect(412, "LISTGROUP");
    talk.expect(411, "GROUP nowhere");
    talk.expect(411, "GROUP control.cancel");
    assert_eq!(talk.expect(211, "GROUP world"), "211 3 1 3 world");
    talk.expect(422, "LAST");
    assert!(talk.expect(223, "STAT").starts_with("223 1 <"));
    assert!(talk.expect(223, "NEXT").starts_with("223 2 <"));
    assert!(talk.expect(223, "NEXT").starts_with("223 3 <"));
    talk.expect(421, "NEXT");
    let third = talk.expect(223, "STAT");
    talk.expect(423, "ARTICLE 4");
    talk.expect(423, "HEAD 0");
    assert_eq!(talk.expect(223, "STAT"), third, "a number without an article changes nothing");
    let id = id_in(&third).to_owned();
    talk.expect(223, "STAT 1");
    assert!(talk.list(224, &format!("OVER {id}"))[0].starts_with("3\theadline 3\t"));
    assert!(talk.expect(223, "STAT").starts_with("223 1 <"), "an id changes no place");
    talk.expect(430, "ARTICLE <nobody@nowhere.invalid>");
    assert_eq!(talk.list(211, "LISTGROUP world 2-"), ["2", "3"]);
    assert_eq!(talk.list(211, "LISTGROUP world 3-2"), [""; 0]);
    assert_eq!(talk.list(225, "HDR subject 2-3"), ["2 headline 2", "3 headline 3"]);
    assert_eq!(talk.list(221, "XHDR Subject 2"), ["2 headline 2"]);
    assert_eq!(talk.list(225, &format!("HDR :lines {id}")), ["3 1"]);
    talk.expect(423, "HDR subject 4-9");
    talk.expect(423, "XOVER 9-");
    talk.expect(503, "HDR :nonsense 1");
    assert_eq!(talk.list(221, "XPAT Subject 1- *2,*3,!*line 3"), ["2 headline 2"]);
    assert_eq!(talk.list(221, "XPAT Subject 1- nothing"), [""; 0]);
    assert_eq!(talk.list(215, "LIST COUNTS w*"), ["world 3 1 3 y"]);
    assert_eq!(talk.list(215, "LIST NEWSGROUPS"), ["world\tStories of the section world"]);
    let times = talk.list(215, "LIST ACTIVE.TIMES");
    assert!(times[0].starts_with("world ") && times[0].ends_with(" Hill"), "{times:?}");
    assert_eq!(talk.list(215, "LIST ACTIVE !*"), [""; 0]);
    talk.expect(503, "LIST DISTRIB.PATS");
    talk.expect(205, "QUIT");
    assert_eq!(talk.rest(), b"");
}

#[test]
fn what_the_server_says_of_itself_is_so() {
    let (_node, port) = node(Setup::new("Hill"));
    let mut talk = Talk::open(&port);
    let can = talk.list(101, "CAPABILITIES");
    assert_eq!(can[0], "VERSION 2");
    for one in
        ["READER", "POST", "NEWNEWS", "HDR", "OVER MSGID", "COMPRESS DEFLATE", "AUTHINFO USER"]
    {
        assert!(can.iter().any(|line| line == one), "{one}: {can:?}");
    }
    talk.expect(200, "MODE READER");
    let format = talk.list(215, "LIST OVERVIEW.FMT");
    assert_eq!(format[5..], ["Bytes:", "Lines:", "Xref:full"]);
    assert_eq!(talk.list(215, "LIST HEADERS"), [":", ":bytes", ":lines"]);
    let date = talk.expect(111, "DATE");
    assert!(date.len() == 18 && date[4..].bytes().all(|byte| byte.is_ascii_digit()), "{date}");
    assert!(talk.list(100, "HELP").len() > 5);
    for (code, bad) in
        [(500, "XYZZY"), (500, ""), (501, "GROUP"), (501, "ARTICLE x"), (501, "MODE POSTER")]
    {
        let line = talk.ask(bad);
        assert!(line.starts_with(&code.to_string()), "{bad}: {line}");
    }
    let long = format!("GROUP {}", "x".repeat(600));
    assert!(talk.ask(&long).starts_with("501 "));
    talk.expect(111, "date");
}

#[test]
fn any_cut_of_what_is_asked_gets_the_same_answers() {
    let (node, port) = node(Setup::new("Hill"));
    write(&node, "a", "world", "one", "1\n.\n2");
    write(&node, "b", "world", "two", "2");
    let asked = b"GROUP world\r\nOVER 1-\r\nARTICLE 1\r\nNEXT\r\nNONSENSE\r\nLIST\r\n\
        LISTGROUP\r\nPOST\r\nbad\r\n.\r\nHDR subject 1-2\r\nQUIT\r\n";
    let answers = |pieces: Vec<&[u8]>| {
        let mut socket = connect(port.number);
        for piece in pieces {
            socket.write_all(piece).expect("the node takes the bytes");
        }
        let mut all = Vec::new();
        socket.read_to_end(&mut all).expect("the end, in time");
        String::from_utf8(all).expect("UTF-8")
    };
    let whole = answers(vec![&asked[..]]);
    assert!(whole.ends_with("205 goodbye\r\n"), "{whole}");
    assert!(whole.contains("\r\n441 "), "{whole}");
    for size in [1, 2, 7] {
        assert_eq!(answers(asked.chunks(size).collect()), whole, "pieces of {size}");
    }
}

/// A compressed conversation.
struct Squeezed {
    talk: Talk,
    deflate: Compress,
    inflate: Decompress,
}

impl Squeezed {
    fn exchange(&mut self, asked: &[u8], until: &str) -> String {
        let mut out = Vec::with_capacity(asked.len() + 1024);
        let status = self.deflate.compress_vec(asked, &mut out, FlushCompress::Sync);
        assert!(status.is_ok());
        self.talk.send(&out);
        let mut plain = Vec::with_capacity(1 << 20);
        loop {
            let mut bytes = [0; 4096];
            let count = self.talk.socket.read(&mut bytes).expect("bytes, in time");
            assert!(count > 0, "an end within {}", String::from_utf8_lossy(&plain));
            let sync = FlushDecompress::Sync;
            self.inflate.decompress_vec(&bytes[..count], &mut plain, sync).expect("DEFLATE");
            if plain.ends_with(until.as_bytes()) {
                return String::from_utf8(plain).expect("UTF-8");
            }
        }
    }
}

#[test]
fn a_compressed_conversation_says_the_same_in_less() {
    let (node, port) = node(Setup::new("Hill").limit("compressed_connections", 1));
    for n in 0..50 {
        write(&node, &format!("s{n}"), "world", "the same headline", "the same body");
    }
    let asked = b"GROUP world\r\nOVER 1-\r\nARTICLE 7\r\nDATE X\r\n";
    let mut plain = Talk::open(&port);
    plain.send(asked);
    let mut whole = vec![plain.line(), plain.line()];
    whole.extend(plain.block());
    whole.push(plain.line());
    whole.extend(plain.block());
    let last = plain.line();
    let mut talk = Talk::open(&port);
    talk.expect(503, "COMPRESS GZIP");
    talk.expect(206, "COMPRESS DEFLATE");
    plain.expect(403, "COMPRESS DEFLATE");
    let (deflate, inflate) = (Compress::new(Compression::fast(), false), Decompress::new(false));
    let mut squeezed = Squeezed { talk, deflate, inflate };
    let said = squeezed.exchange(asked, &format!("{last}\r\n"));
    let lines: Vec<&str> = said.lines().filter(|line| *line != ".").collect();
    let expected: Vec<&str> = whole.iter().map(String::as_str).chain([&last[..]]).collect();
    assert_eq!(lines, expected);
    let received = squeezed.inflate.total_in();
    assert!(received * 3 < said.len() as u64, "{received} bytes for {}", said.len());
    let again = squeezed.exchange(b"COMPRESS DEFLATE\r\n", "\r\n");
    assert!(again.starts_with("502 "), "{again}");
    // What is no stream ends the connection, and frees its place.
    squeezed.talk.send([0xff; 64]);
    squeezed.talk.rest();
    crate::harness::await_that("the place of a compressed connection", || {
        let line = Talk::open(&port).ask("COMPRESS DEFLATE");
        if line.starts_with("206 ") { Ok(()) } else { Err(line) }
    });
}

#[test]
fn a_reader_who_takes_nothing_holds_nobody_up_and_is_cut() {
    let (node, port) = node(Setup::new("Hill").durability("none").limit("stall_ms", 1500));
    let body = "x".repeat(2000);
    for n in 0..400 {
        write(&node, &format!("s{n}"), "world", &body[..1000], &body);
    }
    // What nobody waits for is numbered once it is on disk.
    crate::harness::await_that("all articles", || {
        let line = Talk::open(&port).ask("GROUP world");
        if line.starts_with("211 400 ") { Ok(()) } else { Err(line) }
    });
    let mut slow = Talk::open(&port);
    slow.expect(211, "GROUP world");
    for _ in 0..200 {
        slow.send("OVER 1-\r\n");
    }
    let mut other = Talk::open(&port);
    other.expect(211, "GROUP world");
    assert_eq!(other.list(224, "OVER 1-").len(), 400);
    other.expect(223, "STAT 400");
    crate::harness::await_that("the end of the slow reader", || {
        let page = node.http.get("/metrics").expect(200).text();
        let is_cut = page.contains("bellwether_nntp_connections_open 1\n");
        if is_cut { Ok(()) } else { Err("it is there still".to_owned()) }
    });
}
