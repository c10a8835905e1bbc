//! Consoles of a node in a simulated world, beside its HTTP.

use super::*;
use crate::accounts::Scopes;
use crate::proto::telnet::{Decoder, Wire};
use crate::serve::telnet::TelnetConnection;

const IAC: u8 = 255;
const DO_ECHO: [u8; 3] = [IAC, 253, 1];
const STORY: &str = "/v1/stories/a%20story";

/// A window of so many columns and rows.
fn window(columns: u8, rows: u8) -> Vec<u8> {
    vec![IAC, 251, 31, IAC, 250, 31, 0, columns, 0, rows, IAC, 240]
}

impl Bench {
    /// Someone comes to a console, of a client that edits lines itself.
    fn console(&mut self) -> usize {
        let no = self.connect_over(23, TelnetConnection::new);
        self.run(50);
        let hello = self.shown(no);
        assert_eq!(hello, "Bellwether, node node1. help lists the commands.\r\n> ");
        no
    }

    /// Someone comes whose client leaves all keys to us.
    fn keyboard(&mut self) -> usize {
        let no = self.console();
        self.types(no, DO_ECHO);
        no
    }

    /// What was shown since the last time: all but what is negotiated.
    fn shown(&mut self, no: usize) -> String {
        let bytes = std::mem::take(&mut self.node.state.clients[no].bytes);
        let mut decoder = Decoder::new();
        let text = bytes
            .iter()
            .filter_map(|byte| decoder.on_byte(*byte))
            .filter_map(|wire| if let Wire::Byte(byte) = wire { Some(byte) } else { None });
        String::from_utf8(text.collect()).unwrap()
    }

    /// Sends bytes, and gives time to answer.
    fn types(&mut self, no: usize, bytes: impl AsRef<[u8]>) -> String {
        self.send(no, bytes);
        self.run(100);
        self.shown(no)
    }

    /// Sends lines.
    fn tells(&mut self, no: usize, lines: &[&str]) -> String {
        self.types(no, lines.join("\r\n") + "\r\n")
    }

    fn body(&mut self, path: &str) -> String {
        self.get(path).is(200).json()["body"].as_str().unwrap().to_owned()
    }
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text:?}");
    }
}

#[test]
fn a_story_is_published_listed_read_edited_and_withdrawn_line_by_line() {
    let mut bench = Bench::new();
    let no = bench.console();
    has(&bench.tells(no, &["publish a story"]), &["Headline: "]);
    has(&bench.tells(no, &["High water", "world"]), &["Section: ", "single dot", "  1> "]);
    has(&bench.tells(no, &["The river", "rose.", "."]), &["  2> ", "Published: a story.\r\n> "]);
    assert_eq!(bench.body(STORY), "The river\nrose.\n");
    let list = bench.tells(no, &["list world"]);
    has(&list, &["  1  High water [a story]\r\n", " | world\r\n> "]);
    has(
        &bench.tells(no, &["read 1"]),
        &["High water [a story]\r\n", "\r\nThe river\r\nrose.\r\n> "],
    );
    has(&bench.tells(no, &["publish a story"]), &["is here already"]);
    let asked = bench.tells(no, &["edit 1", "", "-", "the time", "~e 1", "The Danube", "."]);
    has(&asked, &["Enter keeps it", "2 lines", "  1> ", "Saved: a story."]);
    let head = bench.get(STORY).is(200).json();
    assert_eq!(
        (&head["body"], &head["summary"]),
        (&"The Danube\nrose.\n".into(), &"the time".into())
    );
    assert_eq!((&head["headline"], &head["section"]), (&"High water".into(), &"".into()));
    has(&bench.tells(no, &["history a story"]), &["17 bytes", "    the time\r\n", "16 bytes"]);
    has(&bench.tells(no, &["withdraw a story it was wrong", "no"]), &["yes: ", "the story stays"]);
    has(&bench.tells(no, &["withdraw a story it was wrong", "yes"]), &["Withdrawn: a story."]);
    has(&bench.tells(no, &["read a story"]), &["a story was withdrawn at ", ": it was wrong."]);
    assert_eq!(bench.get(STORY).is(410).json()["reason"], "it was wrong");
    has(
        &bench.tells(no, &["list", "edit a story", "publish a story"]),
        &["No stories", "another title"],
    );
    bench.types(no, "quit\r\n");
    assert!(bench.is_closed(no));
}

#[test]
fn commands_explain_themselves_and_what_is_none_is_said() {
    let mut bench = Bench::new();
    let no = bench.console();
    has(&bench.tells(no, &["help"]), &["list [SECTION]", "withdraw TITLE"]);
    has(&bench.types(no, "q\r\n"), &["> "]);
    has(&bench.tells(no, &["help publish", ""]), &["publish TITLE: writes a new story."]);
    has(&bench.tells(no, &["nonsense"]), &["No command nonsense"]);
    has(&bench.tells(no, &["s"]), &["Which one: sections, search, status?"]);
    has(&bench.tells(no, &["read"]), &["Which story?"]);
    has(&bench.tells(no, &["read 7"]), &["No story 7 is here."]);
    has(&bench.tells(no, &["more"]), &["no older ones"]);
    has(&bench.tells(no, &["sections"]), &["No sections"]);
    has(&bench.tells(no, &["who"]), &["Nodes:", "someone", "(you)"]);
    has(&bench.tells(no, &["status"]), &["node1 is ready.", "80 by 24, UTF-8, line by line"]);
    has(&bench.types(no, [IAC, 246]), &["[node1 is here]"]);
    has(&bench.tells(no, &["charset us-ascii"]), &["From now on: US-ASCII."]);
    let page = bench.get("/metrics").is(200).body;
    has(&page, &["bellwether_telnet_connections_open 1\n", "commands_total{verb=\"help\"} 2\n"]);
}

#[test]
fn keys_are_shown_as_they_are_typed_but_for_passwords() {
    let mut bench = Bench::closed();
    bench.account("ann", "correct horse", Scopes::WRITER);
    let no = bench.keyboard();
    assert_eq!(bench.types(no, "lisx\x7ft"), "lisx\u{8} \u{8}t");
    assert_eq!(bench.types(no, "\x15"), "\u{8}\u{8}\u{8}\u{8}    \u{8}\u{8}\u{8}\u{8}");
    has(
        &bench.types(no, "publish x\r\0"),
        &["publish x\r\nYou may not do that here: log in first."],
    );
    has(&bench.types(no, "\x1b[A"), &["publish x"]);
    assert_eq!(bench.types(no, "\x03"), "^C\r\n> ");
    assert_eq!(bench.types(no, "login ann\r\0"), "login ann\r\nPassword or token of ann: ");
    assert_eq!(bench.types(no, "wrong"), "");
    bench.send(no, "\r\0");
    let told = bench.await_shown(no, "> ");
    has(&told, &["do not match"]);
    bench.send(no, "login ann\r\0correct horse\r\0");
    has(&bench.await_shown(no, "> "), &["Welcome, ann. You may: read,write."]);
    has(
        &bench.types(no, "publish x\r\0\r\0\r\0text\r\0\x04"),
        &["  1> text\r\n  2> ", "Published: x."],
    );
    assert_eq!(bench.get("/v1/stories/x").json()["author"], "ann");
    has(&bench.types(no, "withdraw x\r\0"), &["ann has not the scope withdraw"]);
    has(&bench.types(no, "who\r\0"), &["  ann "]);
    has(&bench.types(no, "logout\r\0publish y\r\0"), &["log in first"]);
}

impl Bench {
    /// The pool of a simulated loop takes its own time.
    fn await_shown(&mut self, no: usize, end: &str) -> String {
        let mut shown = String::new();
        for _ in 0..100 {
            shown += &self.shown(no);
            if shown.ends_with(end) {
                return shown;
            }
            self.run(100);
        }
        panic!("never shown: {shown:?}");
    }
}

#[test]
fn a_token_logs_in_its_owner_and_a_revoked_one_writes_no_more() {
    let mut bench = Bench::closed();
    let field = bench.token("bot", "read,write", 7);
    let token = field.trim_start_matches("Authorization: Bearer ").trim().to_owned();
    let no = bench.console();
    has(&bench.tells(no, &["login ann", &token]), &["do not match"]);
    has(&bench.tells(no, &["login", "bot", &token]), &["Name: ", "Welcome, bot."]);
    has(&bench.tells(no, &["publish x", "", "", "text"]), &["  2> "]);
    let id = crate::accounts::Token::parse(&token).unwrap().id();
    bench.act(&crate::accounts::Act::Revoke { id });
    has(&bench.tells(no, &["."]), &["Not saved: this needs the scope write"]);
    has(&bench.tells(no, &["s"]), &["text\r\n"]);
    has(&bench.tells(no, &["give up"]), &["nothing was saved"]);
}

#[test]
fn a_story_that_someone_else_changed_is_merged_kept_or_overwritten() {
    let mut bench = Bench::new();
    bench.put_text(STORY, "one\ntwo\nthree\nfour\nfive\n").is(201);
    let no = bench.console();
    let theirs = |bench: &mut Bench, body: &str| {
        bench.put(&format!("{STORY}?conflict=overwrite"), "", body).is(200);
    };
    bench.tells(no, &["edit a story", "", "", "", "~e 1", "ONE"]);
    theirs(&mut bench, "one\ntwo\nthree\nfour\nFIVE\n");
    let told = bench.tells(no, &["."]);
    has(&told, &["Not saved: a story was changed at ", "merge, keep, overwrite"]);
    has(&bench.tells(no, &["show"]), &["FIVE", "give up? "]);
    has(&bench.tells(no, &["merge"]), &["Saved, and brought together with theirs: a story."]);
    assert_eq!(bench.body(STORY), "ONE\ntwo\nthree\nfour\nFIVE\n");
    bench.tells(no, &["edit a story", "", "", "", "~e 1", "mine"]);
    theirs(&mut bench, "theirs\ntwo\nthree\nfour\nFIVE\n");
    has(&bench.tells(no, &[".", "m"]), &["both of you changed the same"]);
    has(&bench.tells(no, &["o"]), &["Saved: a story."]);
    assert_eq!(bench.body(STORY), "mine\ntwo\nthree\nfour\nFIVE\n");
    bench.tells(no, &["edit a story", "", "", "", "~e 1", "kept"]);
    theirs(&mut bench, "also\n");
    has(&bench.tells(no, &[".", "k"]), &["Saved: a story."]);
    has(&bench.tells(no, &["list"]), &["| 2 versions"]);
    has(&bench.tells(no, &["edit a story"]), &["Headline"]);
    has(&bench.types(no, "\x03"), &["Given up: nothing was saved."]);
}

#[test]
fn a_text_is_shown_a_window_at_a_time() {
    let mut bench = Bench::new();
    let lines: Vec<String> = (1..=30).map(|n| format!("line {n}")).collect();
    let text = lines.join("\n") + "\n";
    bench.put_text(STORY, &text).is(201);
    let no = bench.keyboard();
    bench.types(no, window(40, 10));
    let first = bench.types(no, "read a story\r\0");
    has(&first, &["line 6\r\n-- "]);
    assert!(!first.contains("line 7"), "{first}");
    let second = bench.types(no, " ");
    has(&second, &["\u{8} ", "line 7\r\n", "line 15\r\n-- "]);
    assert!(!second.contains("line 16"), "{second}");
    let third = bench.types(no, "\r\0");
    has(&third, &["line 16\r\n-- "]);
    assert!(!third.contains("line 17"), "{third}");
    // In a window that has grown, all at once.
    bench.types(no, window(40, 60));
    has(&bench.types(no, "x "), &["line 30\r\n> "]);
    bench.types(no, window(40, 10));
    bench.types(no, "read a story\r\0");
    assert!(bench.types(no, "q").ends_with("> "));
    // Where lines come whole, an empty one goes on.
    let no = bench.console();
    has(&bench.tells(no, &["read a story"]), &["line 20\r\n-- "]);
    has(&bench.tells(no, &[""]), &["line 30\r\n> "]);
}

/// The numbers of the lines that were shown.
fn numbers(shown: &str) -> Vec<usize> {
    let digits = |line: &str| line.chars().take_while(char::is_ascii_digit).collect::<String>();
    shown.split("line ").skip(1).map(|line| digits(line).parse().unwrap()).collect()
}

#[test]
fn a_long_story_is_shown_whole_and_no_more_of_it_once_it_is_erased() {
    let mut bench = Bench::new();
    let lines: Vec<String> = (1..=8_000).map(|n| format!("line {n}")).collect();
    let no = bench.keyboard();
    bench.types(no, window(40, 200));
    for (name, media_type, end) in [("t", "text/plain", "\n"), ("m", "text/markdown", "\n\n")] {
        let (path, field) = (format!("/v1/stories/{name}"), format!("Content-Type: {media_type}"));
        bench.put(&path, &(field + "\r\n"), &lines.join(end)).is(201);
        let mut shown = bench.types(no, format!("read {name}\r\0"));
        for _ in 0..100 {
            if !shown.ends_with("\r\n> ") {
                shown += &bench.types(no, " ");
            }
        }
        assert!(numbers(&shown).into_iter().eq(1..=8_000));
    }
    let first = bench.types(no, "read t\r\0");
    assert_eq!(numbers(&first).len(), 196);
    bench.with(|_, desk| {
        let story = crate::news::story(desk.store.index(), "t").unwrap().unwrap();
        let dot = desk.store.dot_of(story.head().unwrap().cid).unwrap().unwrap();
        desk.store.erase(&[dot]).unwrap();
    });
    let told = bench.types(no, " ");
    has(&told, &["The rest of it can't be read here any more.\r\n> "]);
    assert!(numbers(&told).is_empty());
    has(&bench.tells(no, &["sections"]), &["No sections"]);
}

#[test]
fn what_is_published_anywhere_is_followed_until_a_key_comes() {
    let mut bench = Bench::new();
    let [no, other] = [bench.keyboard(), bench.console()];
    has(&bench.types(no, "follow world\r\0"), &["Any key ends this."]);
    has(&bench.tells(other, &["follow"]), &["Any key ends this."]);
    bench.put("/v1/stories/b?section=sports", "", "x").is(201);
    bench.put("/v1/stories/a?section=world&headline=Hi", "", "x").is(201);
    bench.withdraw("b", "wrong");
    bench.run(100);
    let shown = bench.shown(no);
    has(&shown, &[" new: Hi [a] | world (at node1)\r\n", " withdrawn: b: wrong (at node1)\r\n"]);
    assert!(!shown.contains("sports"), "{shown}");
    has(&bench.shown(other), &["new: b | sports", "new: Hi [a]"]);
    assert_eq!(bench.node.state.tally.telnet_followers, 2);
    assert_eq!(bench.types(no, "x"), "> ");
    has(&bench.types(no, "list\r\0"), &["Hi [a]"]);
    assert_eq!(bench.types(other, "x"), "");
    assert_eq!(bench.types(other, "\r\n"), "> ");
    assert_eq!(bench.node.state.tally.telnet_followers, 0);
    assert!(bench.node.state.attending.is_empty());
    bench.put("/v1/stories/c", "", "x").is(201);
    bench.run(100);
    assert_eq!(bench.shown(no), "");
}

#[test]
fn what_others_wrote_is_shown_and_not_obeyed() {
    let mut bench = Bench::new();
    let evil = "a\u{1b}[2J\u{1b}]0;x\u{7}b\u{9b}31mc\u{8}\u{8}\u{85}\u{202e}d\u{7f}\r\ne\rf";
    bench.put_text(STORY, evil).is(201);
    bench.put("/v1/stories/m", "Content-Type: text/markdown\r\n", &format!("*{evil}*")).is(201);
    let no = bench.keyboard();
    let commands =
        ["read a story\r\0", "read m\r\0", "edit a story\r\0\r\0\r\0\r\0~p\r\0\x1b[A\x1b[A"];
    for command in commands {
        let shown = bench.types(no, command);
        has(&shown, &["a\u{fffd}[2J"]);
        let is_ours = |c: char| matches!(c, '\r' | '\n' | '\u{8}');
        let bad = shown.chars().find(|c| c.is_control() && !is_ours(*c) || *c == '\u{202e}');
        assert_eq!(bad, None, "{shown:?}");
        assert!(!shown.replace("\r\n", "").contains(['\r', '\n']), "{shown:?}");
    }
}

#[test]
fn a_search_finds_what_stands() {
    let mut bench = Bench::new();
    let no = bench.console();
    has(&bench.tells(no, &["search river"]), &["no search now"]);
    bench.put("/v1/stories/a?headline=High+water", "", "The river rose.").is(201);
    bench.put("/v1/stories/b", "", "A river.").is(201);
    bench.index("a");
    bench.index("b");
    bench.withdraw("b", "");
    let found = bench.tells(no, &["search river"]);
    has(&found, &["  1  High water [a]\r\n", "The *river* rose.\r\n> "]);
    assert!(!found.contains("A *river*"), "{found}");
    has(&bench.tells(no, &["read 1"]), &["The river rose."]);
    has(&bench.tells(no, &["search nothing"]), &["Nothing is found."]);
    has(&bench.tells(no, &["search"]), &["Not asked: a search needs a word to look for."]);
    // One that has no answer in time.
    bench.node.state.is_search_held = true;
    bench.types(no, "search river\r\nsections\r\n");
    bench.run(10_000);
    has(&bench.shown(no), &["search is slow", "No sections"]);
    assert!(bench.node.state.asks.is_empty());
}

#[test]
fn nothing_is_said_to_be_saved_before_it_is() {
    let mut bench = Bench::new();
    let no = bench.console();
    bench.node.state.is_held = true;
    let told = bench.tells(no, &["publish x", "", "", "text", ".", "list"]);
    assert!(told.ends_with("  2> "), "{told}");
    bench.disk(Settled::Refused);
    // The line behind it is the answer to what is asked then, and no such answer.
    bench.run(100);
    has(&bench.shown(no), &["Not saved: this node's disk failed", "again, show or give up? "]);
    bench.tells(no, &["again"]);
    bench.disk(Settled::Done);
    bench.run(100);
    has(&bench.shown(no), &["Published: x.\r\n> "]);
    assert_eq!(bench.body("/v1/stories/x"), "text\n");
}

#[test]
fn one_byte_at_a_time_is_as_good_as_all_at_once() {
    let mut bench = Bench::new();
    let said = [
        &DO_ECHO[..],
        &[IAC, 253, 3, IAC, 251, 3, IAC, 251, 24, IAC, 250, 24, 0],
        b"XTERM",
        &[IAC, 240],
        &window(80, 24),
        "publish a story\r\0\r\0\r\0za\u{17c}\u{f3}\u{142}\u{107}\r\0.\r\0".as_bytes(),
        b"read a story\r\0status\r\0",
    ]
    .concat();
    let no = bench.console();
    for byte in &said {
        bench.send(no, [*byte]);
        bench.run(1_000);
    }
    let slow = bench.shown(no);
    has(
        &slow,
        &["Published: a story.", "\r\nza\u{17c}\u{f3}\u{142}\u{107}\r\n", "XTERM, 80 by 24"],
    );
    bench.withdraw("a story", "");
    let mut bench = Bench::new();
    let no = bench.console();
    let quick = bench.types(no, &said);
    let words = |text: &str| text.replace("1970-01-01 00:0", "").replace(['0', '1', '2'], "");
    assert_eq!(words(&slow), words(&quick));
}

#[test]
fn silence_and_the_nodes_end_are_told() {
    let mut bench = Bench::new();
    bench.node.state.config.limits.telnet_idle_ms = 5_000;
    let [no, follower] = [bench.console(), bench.console()];
    bench.tells(follower, &["follow"]);
    bench.run(4_000);
    bench.types(no, "x");
    bench.run(4_000);
    assert!(!bench.is_closed(no));
    bench.run(2_000);
    has(&bench.shown(no), &["You were silent for long. Goodbye."]);
    assert!(bench.is_closed(no) && !bench.is_closed(follower));
    let no = bench.console();
    bench.with(|cx, desk| {
        // As a node does, which has more to write.
        cx.hold();
        cx.stop();
        desk.sessions.tell(cx);
        cx.call_later(100, |cx, _| cx.release());
    });
    bench.run(1_000);
    for no in [no, follower] {
        has(&bench.shown(no), &["This node is about to stop"]);
        assert!(bench.is_closed(no));
    }
}

#[test]
fn a_browser_that_was_led_here_writes_nothing() {
    let mut bench = Bench::new();
    let no = bench.console();
    let post = "POST / HTTP/1.1\r\nHost: a\r\n\r\npublish evil\r\n\r\n\r\nx\r\n.\r\n";
    has(&bench.types(no, post), &["This is Telnet, not HTTP."]);
    assert!(bench.is_closed(no));
    // The first line may be too long to show its end.
    let no = bench.console();
    let post = post.replace("/ ", &format!("/{} ", "x".repeat(40_000)));
    let said = bench.types(no, &post);
    assert!(said.contains("This is Telnet, not HTTP.") && bench.is_closed(no), "{said}");
    bench.get("/v1/stories/evil").is(404);
}

#[test]
fn a_text_that_is_typed_is_counted_and_bounded_and_goes_with_its_console() {
    let mut bench = Bench::new();
    bench.node.state.config.limits.story_bytes = 1024;
    let no = bench.console();
    bench.tells(no, &["publish x", "", "", &"y".repeat(1000)]);
    let line = size_of::<String>() as u64;
    assert_eq!(bench.node.state.tally.body_bytes, 1001 + line);
    has(&bench.tells(no, &[&"y".repeat(100)]), &["Not taken: a text has at most 1024 bytes"]);
    bench.node.state.config.limits.bodies_bytes = 1001 + 2 * line + 10;
    has(&bench.tells(no, &["ten bytes."]), &["no room for more text now"]);
    has(&bench.types(no, "\x03"), &["^C again"]);
    bench.drop_client(no);
    bench.run(100);
    assert_eq!(bench.node.state.tally.body_bytes, 0);
    assert_eq!(bench.node.state.sessions.count(), 0);
    assert_eq!(bench.node.state.tally.telnet_connections, 0);
    // What is edited counts from the start, and what is too long is not begun.
    bench.node.state.config.limits.bodies_bytes = 1 << 20;
    bench.put_text(STORY, "one\ntwo\n").is(201);
    let no = bench.console();
    has(&bench.tells(no, &["edit a story"]), &["Headline"]);
    assert_eq!(bench.node.state.tally.body_bytes, 8 + 2 * line);
    has(&bench.types(no, "\x03"), &["nothing was saved"]);
    assert_eq!(bench.node.state.tally.body_bytes, 0);
    bench.node.state.config.limits.bodies_bytes = 8;
    has(&bench.tells(no, &["edit a story"]), &["no room for more text now"]);
    bench.node.state.config.limits.bodies_bytes = 1 << 20;
    bench.node.state.config.limits.story_bytes = 1 << 20;
    bench.put_text("/v1/stories/long", &"\n".repeat(100_000)).is(201);
    has(&bench.tells(no, &["edit long"]), &["It has 100000 lines and 100000 bytes;"]);
    assert_eq!(bench.node.state.tally.body_bytes, 0);
    // A line that is too long loses its end, and says so.
    let no = bench.console();
    let long = "z".repeat(20_000);
    has(&bench.tells(no, &[&long]), &["too long: its end is gone", "No command z"]);
}
