//! Newsreaders and feeders of a node in a simulated world, beside its HTTP.

use super::*;
use crate::accounts::Token;
use crate::news::{self, Progress};
use crate::proto::article::{cancel_key, cancel_lock};
use crate::proto::nntp::{Deflate, Inflate};
use crate::serve::nntp::NntpConnection;
use crate::store::Place;

impl Bench {
    /// Someone comes with a newsreader, or to feed.
    fn newsreader(&mut self) -> usize {
        let no = self.connect_over(119, |limits| NntpConnection::new(limits, None));
        self.run(50);
        assert!(self.take(no).starts_with("20"));
        no
    }

    /// Says lines; what is answered.
    fn says(&mut self, no: usize, lines: &[&str]) -> String {
        self.send(no, lines.join("\r\n") + "\r\n");
        self.run(100);
        self.take(no)
    }

    /// Gives all revisions their numbers, as a node does; once.
    fn give_numbers(&mut self) {
        let store = &mut self.node.state.store;
        let mut progress = Progress { place: Place::START, skipped: 0, arrived_ms: 0 };
        while let Some((update, next)) = store.read_from(progress.place).unwrap() {
            news::number(store.index_mut(), &update, &mut progress, 1).unwrap();
            progress.place = next;
        }
    }

    fn under_way(&self) -> u64 {
        self.node.state.tally.body_bytes
    }
}

const LARGE: usize = 256 << 10;
const COUNT: usize = 16;

#[test]
fn a_list_of_large_articles_takes_many_turns() {
    let mut bench = Bench::new();
    for n in 0..COUNT {
        let large = "A line.\n".repeat(LARGE / 8);
        bench.put_text(&format!("/v1/stories/l{n}?section=large"), &large).is(201);
        bench.put_text(&format!("/v1/stories/s{n}?section=small"), "x").is(201);
    }
    bench.give_numbers();
    let no = bench.newsreader();
    for (list, lines) in [
        ("OVER 1-", COUNT + 2),
        ("HDR Subject 1-", COUNT + 2),
        ("HDR :bytes 1-", COUNT + 2),
        ("XPAT Subject 1- nothing", 2),
        ("NEWNEWS GROUP 19700101 000000", COUNT + 2),
    ] {
        let [few, many] = ["small", "large"].map(|group| {
            bench.says(no, &[&format!("GROUP {group}")]);
            let before = bench.node.reactor.stats().turns;
            let said = bench.says(no, &[&list.replace("GROUP", group)]);
            assert!(said.lines().count() == lines && said.ends_with("\r\n.\r\n"), "{said}");
            bench.node.reactor.stats().turns - before
        });
        // Two of them are a turn's share.
        assert!(many >= few + COUNT as u64 / 2 - 2, "{list}: {many} turns, and {few}");
    }
    let sizes = bench.says(no, &["GROUP large", "HDR :bytes 1", "ARTICLE 1"]);
    let (sizes, article) = sizes.split_once("\r\n.\r\n220 ").unwrap();
    let article = article.split_once("\r\n").unwrap().1.strip_suffix(".\r\n").unwrap();
    assert!(sizes.ends_with(&format!("\r\n1 {}", article.len())), "{sizes}");
}

const HEAD: &str = "From: a@b.example\r\nNewsgroups: world\r\nSubject: Rain\r\n";

/// The head of an article that is fed.
fn fed(id: &str) -> String {
    let date = "Date: 1 Jan 2026 00:00:00 +0000";
    format!("Path: there!not-for-mail\r\nMessage-ID: {id}\r\n{date}\r\n{HEAD}")
}

#[test]
fn an_article_that_trickles_in_is_answered_400_and_cut() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/first?section=world", "x").is(201);
    for (command, head, [asked, taken]) in [
        ("POST", HEAD.to_owned(), ["340 ", "240 "]),
        ("IHAVE <a@there.example>", fed("<a@there.example>"), ["335 ", "235 "]),
        ("TAKETHIS <b@there.example>", fed("<b@there.example>"), ["", "239 "]),
    ] {
        let [slow, silent, steady] = [0, 1, 2].map(|_| bench.newsreader());
        assert!(bench.says(slow, &[command]).starts_with(asked));
        bench.send(slow, &head);
        bench.run(5_000);
        // Who is asked for an article has not begun to be slow.
        bench.says(silent, &[command]);
        assert!(bench.says(steady, &[command]).starts_with(asked));
        bench.send(steady, format!("{head}\r\n"));
        for _ in 0..15 {
            bench.run(1_000);
            bench.send(slow, "x");
            bench.send(steady, "A line of some length.\r\n".repeat(60));
        }
        let said = bench.take(slow);
        assert_eq!(said, "400 an article has 1024 bytes a second at least after 10000 ms\r\n");
        assert!(bench.is_closed(slow) && !bench.is_closed(silent), "{command}");
        assert!(bench.under_way() > 15 * 1024, "of the steady one alone");
        let said = bench.says(steady, &["."]);
        assert!(said.starts_with(taken), "{command}: {said}");
        assert_eq!(bench.under_way(), 0);
    }
    assert_eq!(bench.node.reactor.stats().lost_for(Lost::Slow), 3);
}

#[test]
fn articles_under_way_have_one_bound_together() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/first?section=world", "x").is(201);
    bench.node.state.config.limits.bodies_bytes = 2_000;
    let text = "A line of some length.\r\n".repeat(60);
    let [one, other] = [0, 1].map(|_| bench.newsreader());
    bench.says(one, &["IHAVE <b@there.example>"]);
    bench.send(one, format!("{}\r\n{text}", fed("<b@there.example>")));
    bench.run(50);
    let under_way = bench.under_way();
    assert!(under_way > 1_300);
    let said = bench.says(other, &["POST", HEAD, &text, "."]);
    assert!(said.contains("\r\n441 too much is posted here now"), "{said}");
    let offered = format!("{}\r\n{text}.", fed("<a@there.example>"));
    let said = bench.says(other, &["IHAVE <a@there.example>", &offered]);
    assert!(said.starts_with("335 ") && said.contains("\r\n436 too much comes"), "{said}");
    let said = bench.says(other, &["TAKETHIS <a@there.example>", &offered, "DATE"]);
    assert_eq!(said, "400 too much comes here now, come again\r\n");
    assert!(bench.is_closed(other));
    assert_eq!(bench.under_way(), under_way);
    assert!(bench.says(one, &["."]).starts_with("235 "));
    assert_eq!(bench.under_way(), 0);
}

impl Bench {
    /// A newsreader of someone who may write, no more.
    fn writer(&mut self) -> usize {
        self.token("bob", "read,write", 7);
        let no = self.newsreader();
        let token = Token::of([7; 32]);
        let pass = format!("AUTHINFO PASS {}", token.text());
        let said = self.says(no, &["AUTHINFO USER bob", &pass]);
        assert_eq!(said, "381 and the password?\r\n281 welcome\r\n");
        no
    }
}

#[test]
fn who_locked_what_they_posted_cancels_it_by_its_key_and_nobody_else() {
    let mut bench = Bench::closed();
    let token = bench.token("ann", "read,write", 8);
    bench.put("/v1/stories/first?section=world", &token, "x").is(201);
    let no = bench.writer();
    let id = "<locked@there.example>";
    let key = cancel_key(b"bob's", id);
    let lock = format!("Message-ID: {id}\r\nCancel-Lock: {}", cancel_lock(&key).unwrap());
    let said = bench.says(no, &["POST", &format!("{HEAD}{lock}"), "", "It rains.", "."]);
    assert!(said.contains("\r\n240 "), "{said}");
    let said = bench.says(no, &[&format!("HEAD {id}")]);
    assert!(said.contains(&format!("\r\n{}\r\n", &lock[lock.find("Cancel").unwrap()..])), "{said}");
    let cancel = |key: &str| format!("{HEAD}Control: cancel {id}\r\nCancel-Key: {key}\r\n");
    let forged = cancel_key(b"guess", id);
    let said = bench.says(no, &["POST", &cancel(&forged), "It does not rain.", "."]);
    assert!(said.contains("\r\n441 no key of the article"), "{said}");
    let said = bench.says(no, &["POST", &cancel(&key), "It does not rain.", "."]);
    assert!(said.contains("\r\n240 "), "{said}");
    assert!(bench.says(no, &[&format!("STAT {id}")]).starts_with("430 "));
}

#[test]
fn who_waits_for_a_silent_disk_is_told_that_the_article_may_yet_come() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/first?section=world", "x").is(201);
    bench.node.state.is_held = true;
    let no = bench.newsreader();
    let head = format!("{HEAD}Message-ID: <late@there.example>\r\n");
    assert_eq!(bench.says(no, &["POST", &head, "Rain.", ".", "DATE"]).lines().count(), 1);
    bench.run(29_000);
    assert_eq!(bench.take(no), "");
    bench.run(2_000);
    let said = bench.take(no);
    assert!(said.starts_with("441 this node's disk gave no answer in time"), "{said}");
    assert!(said.contains("may yet be kept") && said.contains("\r\n111 "), "{said}");
    bench.disk(Settled::Done);
    let said = bench.says(no, &["STAT <late@there.example>"]);
    assert!(said.starts_with("223 "), "{said}");
    bench.run(60_000);
    assert_eq!(bench.take(no), "");
    assert!(!bench.is_closed(no));
}

#[test]
fn who_waits_for_a_check_that_never_ends_may_try_again() {
    let faults = SimFaults { job_ms: 90_000..=90_000, ..SimFaults::calm() };
    let mut bench = Bench::over(5, faults);
    let no = bench.newsreader();
    let said = bench.says(no, &["AUTHINFO USER ann", "AUTHINFO PASS secret", "DATE"]);
    assert_eq!(said, "381 and the password?\r\n");
    bench.run(59_000);
    assert_eq!(bench.take(no), "");
    bench.run(2_000);
    let said = bench.take(no);
    assert!(said.starts_with("403 ") && said.contains("\r\n111 "), "{said}");
    bench.run(60_000);
    assert_eq!(bench.take(no), "");
}

impl Bench {
    /// Says the first that a compressed connection says; what is answered.
    fn says_compressed(&mut self, no: usize, said: &str) -> String {
        let (mut squeezed, mut input) = (Vec::new(), InBuf::new(1 << 16));
        Deflate::new().deflate(said.as_bytes(), &mut squeezed);
        self.send(no, squeezed);
        self.run(100);
        input.push(&std::mem::take(&mut self.node.state.clients[no].bytes));
        let mut inflate = Inflate::new();
        inflate.inflate(&mut input).unwrap();
        String::from_utf8(inflate.plain().take_all().to_vec()).unwrap()
    }
}

#[test]
fn nobody_signs_in_while_what_is_said_is_compressed() {
    let mut bench = Bench::closed();
    let no = bench.newsreader();
    let has = |said: &str, line: &str| said.contains(&format!("\r\n{line}\r\n"));
    assert!(has(&bench.says(no, &["CAPABILITIES"]), "AUTHINFO USER"));
    assert!(bench.says(no, &["MODE READER"]).starts_with("200 "));
    assert!(bench.says(no, &["COMPRESS DEFLATE"]).starts_with("206 "));
    let said = "CAPABILITIES\r\nAUTHINFO USER bob\r\nAUTHINFO PASS x\r\nAUTHINFO SASL PLAIN\r\n\
        MODE READER\r\nPOST\r\nSTARTTLS\r\n";
    let said = bench.says_compressed(no, said);
    assert!(has(&said, "AUTHINFO") && !has(&said, "POST"), "{said}");
    let (_, rest) = said.split_once("\r\n.\r\n").unwrap();
    let codes: Vec<&str> = rest.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["502", "502", "502", "201", "440", "580"], "{said}");
}

#[test]
fn what_is_withdrawn_does_not_come_back_as_what_supersedes_it() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/first?section=world", "x").is(201);
    let made = bench.put_text("/v1/stories/made?section=world", "It rains.");
    let made = format!("<{}@bellwether.invalid>", made.json()["id"].as_str().unwrap());
    let no = bench.newsreader();
    let came = "<came@there.example>";
    let said = bench.says(no, &["POST", &format!("{HEAD}Message-ID: {came}\r\n"), "Rain.", "."]);
    assert!(said.contains("\r\n240 "), "{said}");
    bench.withdraw("made", "wrong");
    bench.withdraw("news:came@there.example", "wrong");
    for (id, name) in [(&made[..], "a"), (came, "b")] {
        let edit = format!("{HEAD}Supersedes: {id}\r\n");
        let said = bench.says(no, &["POST", &edit, "It rains again.", "."]);
        assert!(said.contains("\r\n441 ") && said.contains("withdrawn, for good"), "{said}");
        let fed = format!("{}Supersedes: {id}\r\n", fed(&format!("<{name}@there.example>")));
        let said = bench.says(no, &[&format!("TAKETHIS <{name}@there.example>"), &fed, "x", "."]);
        assert!(said.starts_with("439 ") && said.contains("withdrawn, for good"), "{said}");
    }
    let stories = bench.get("/v1/stories").json();
    assert_eq!(stories["stories"].as_array().unwrap().len(), 1, "{stories}");
}

#[test]
fn a_compressed_connection_hears_nothing_uncompressed_of_a_feeders_command() {
    let mut bench = Bench::new();
    let no = bench.newsreader();
    assert!(bench.says(no, &["COMPRESS DEFLATE"]).starts_with("206 "));
    let bad = "TAKETHIS bad\r\nQUIT\r\n.\r\nTAKETHIS <a@b.example>\r\n.\r\nDATE\r\n";
    let said = bench.says_compressed(no, bad);
    let codes: Vec<&str> = said.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["501", "480", "111"], "{said}");
}

/// The loop knows nothing of what is inflated already.
#[test]
fn what_came_compressed_behind_an_article_is_answered_when_that_is_on_disk() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/first?section=world", "x").is(201);
    let no = bench.newsreader();
    assert!(bench.says(no, &["COMPRESS DEFLATE"]).starts_with("206 "));
    bench.node.state.is_held = true;
    let mut squeezed = Vec::new();
    let said = format!("POST\r\n{HEAD}\r\nRain.\r\n.\r\nDATE\r\nHELP\r\n");
    Deflate::new().deflate(said.as_bytes(), &mut squeezed);
    bench.send(no, squeezed);
    bench.half_close(no);
    bench.run(100);
    bench.disk(Settled::Done);
    bench.run(100);
    let mut input = InBuf::new(1 << 16);
    input.push(&std::mem::take(&mut bench.node.state.clients[no].bytes));
    let mut inflate = Inflate::new();
    inflate.inflate(&mut input).unwrap();
    let said = String::from_utf8(inflate.plain().take_all().to_vec()).unwrap();
    let codes: Vec<&str> = said.lines().take(4).map(|line| &line[..4]).collect();
    assert_eq!(codes, ["340 ", "240 ", "111 ", "100 "], "{said}");
    assert!(said.ends_with("\r\n.\r\n") && bench.is_closed(no), "{said}");
}

#[test]
fn a_node_that_stops_says_so_when_what_is_under_way_is_answered() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/first?section=world", "x").is(201);
    bench.node.state.is_held = true;
    let [idle, poster, feeder, slow] = [0, 1, 2, 3].map(|_| bench.newsreader());
    bench.says(poster, &["POST", HEAD, "Rain.", "."]);
    bench.send(feeder, format!("TAKETHIS <a@b.example>\r\n{}\r\n.\r\n", fed("<a@b.example>")));
    bench.says(slow, &["POST", HEAD]);
    bench.with(|cx, desk| {
        cx.hold();
        cx.stop();
        desk.tally.nntp.tell(cx);
    });
    bench.run(100);
    let stops = "400 this server stops\r\n";
    assert_eq!(bench.take(idle), stops);
    assert!(bench.is_closed(idle));
    assert_eq!([poster, feeder, slow].map(|no| bench.take(no)), ["", "", ""]);
    bench.disk(Settled::Done);
    bench.run(100);
    for (no, code) in [(poster, "240 "), (feeder, "239 ")] {
        let said = bench.take(no);
        assert!(said.starts_with(code) && said.ends_with(stops) && bench.is_closed(no), "{said}");
    }
    bench.node.state.is_held = false;
    let said = bench.says(slow, &["Rain.", "."]);
    assert!(said.starts_with("240 ") && said.ends_with(stops) && bench.is_closed(slow), "{said}");
}
