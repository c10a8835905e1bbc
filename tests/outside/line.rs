//! IAMAT and WHATSAT as places-protocol clients speak them, and all that goes wrong in the herds
//! that exist.

use crate::guests::at_listener;
use crate::harness::{Herd, Node, Port, Setup, await_that, exchange};
use crate::raw::put;
use crate::speech::{Talk, now_ns, now_s};
use serde_json::{Value, json};

fn node() -> Node {
    Node::alone(Setup::new("Hill").durability("none"))
}

/// A node with one more line listener, of this close policy; its port.
fn closing(policy: &str, durability: &'static str) -> (Node, Port) {
    let port = Port::take();
    let listener = format!(
        "[[listen]]\nprotocol = \"line\"\nendpoint = \"tcp:{}\"\nclose = \"{policy}\"\n",
        port.number
    );
    let setup = Setup::new("Hill").durability(durability).limit("idle_ms", 100);
    (Node::alone(setup.more(&listener)), port)
}

#[test]
fn what_is_no_command_is_answered_with_itself() {
    let node = node();
    let bad: &[&[u8]] = &[
        b"",
        b" ",
        b"\t \x0b\x0c",
        b"hello",
        b"iamat a +1+1 1",
        b"Iamat a +1+1 1",
        b"IAMAT",
        b"IAMAT a",
        b"IAMAT a +1+1",
        b"IAMAT a +1+1 1 1",
        b"IAMATa +1+1 1 1",
        b"IAMAT a 1+1 1",
        b"IAMAT a +1 1",
        b"IAMAT a +1+ 1",
        b"IAMAT a ++1+1 1",
        b"IAMAT a +1+1+1 1",
        b"IAMAT a +1+1/ 1",
        b"IAMAT a +1,5+1 1",
        b"IAMAT a +.5+1 1",
        b"IAMAT a +1.+1 1",
        b"IAMAT a +90.1+1 1",
        b"IAMAT a -91+1 1",
        b"IAMAT a +1+180.000000000000000000001 1",
        b"IAMAT a +0001+1 1",
        b"IAMAT a +nan+nan 1",
        b"IAMAT a +1e1+1 1",
        b"IAMAT a +1+1 -1",
        b"IAMAT a +1+1 +1",
        b"IAMAT a +1+1 nan",
        b"IAMAT a +1+1 inf",
        b"IAMAT a +1+1 1e9",
        b"IAMAT a +1+1 1_0",
        b"IAMAT a +1+1 1.",
        b"IAMAT a +1+1 .1",
        b"IAMAT a +1+1 0x1",
        b"IAMAT a +1+1 1.1.1",
        b"IAMAT a +1+1 \xd9\xa1",
        b"WHATSAT",
        b"WHATSAT known 10",
        b"WHATSAT known 10 5 5",
        b"WHATSAT known -1 5",
        b"WHATSAT known nan 5",
        b"WHATSAT known 50.0000000000000000000000001 5",
        b"WHATSAT known 51 5",
        b"WHATSAT known 1e1 5",
        b"WHATSAT known +1 5",
        b"WHATSAT known 10 -1",
        b"WHATSAT known 10 21",
        b"WHATSAT known 10 5.0",
        b"WHATSAT known 10 10.5",
        b"WHATSAT known 10 99999999999999999999",
        b"WHATSAT nobody 10 5",
        b"AT Hill +0.1 known +1+1 1",
        b"AT Hill +0.1 known +1+1 9999999999 Hill",
        b"? hello",
        b"\xff\xfe\x00 \x80",
        b"  WHATSAT  nobody\t10 5  ",
    ];
    assert!(Talk::open(node.line_port()).ask("IAMAT known +1+1 1").starts_with("AT Hill "));
    for end in [&b"\n"[..], b"\r\n"] {
        let (mut asked, mut due) = (Vec::new(), Vec::new());
        for line in bad {
            asked.extend([line, end].concat());
            due.extend([b"? ", *line, b"\n"].concat());
        }
        let answered = exchange(node.line_port(), &asked);
        let (answered, due) = (answered.escape_ascii().to_string(), due.escape_ascii().to_string());
        assert_eq!(answered.replace("\\n", "\n"), due.replace("\\n", "\n"));
    }
}

#[test]
fn commands_are_echoed_byte_for_byte_whatever_stands_between_their_fields() {
    let node = node();
    for (id, place, time) in [
        (&b"kiwi.cs.ucla.edu"[..], "+34.068930-118.445127", "1520023934.918963997"),
        (b"a", "+0-0", "0"),
        (b"b", "-90.000+180.0", "000000000000000000000000000000000000000001.50"),
        (b"c", "+001.5-00.25", "1.000000000000000000000000000000000000000000000000000001"),
        (b"\xff\xfe\x80", "+1+1", "1"),
        ("\u{e9}\u{1f40f}".as_bytes(), "+1+1", "1"),
        (b"\x00\x01\x7f", "+1+1", "1"),
        (b"IAMAT", "+1+1", "1"),
        (b"?", "+90-180", "1"),
    ] {
        let fields = [b"IAMAT", id, place.as_bytes(), time.as_bytes()];
        for (before, between, after) in
            [("", " ", "\n"), (" \t", "  ", " \r\n"), ("\x0b", "\t\x0c", "\r\r\n"), ("", "\r", "")]
        {
            let line = fields.join(between.as_bytes());
            let line = [before.as_bytes(), &line, after.as_bytes()].concat();
            let answer = exchange(node.line_port(), &line);
            let echo = [b" ", id, b" ", place.as_bytes(), b" ", time.as_bytes(), b"\n"].concat();
            assert!(answer.starts_with(b"AT Hill +"), "{}", answer.escape_ascii());
            assert!(answer.ends_with(&echo), "{}", answer.escape_ascii());
        }
        let whats_at = [b"WHATSAT ", id, b" 10 5\n"].concat();
        let answer = exchange(node.line_port(), &whats_at);
        assert!(answer.ends_with(b"}\n\n"), "{}", answer.escape_ascii());
        assert!(answer.windows(id.len()).any(|bytes| bytes == id));
    }
}

/// Commands of all kinds, many of each.
fn conversation() -> String {
    let turn = |n| {
        format!(
            "IAMAT id{n} +1+1 {n}.5\nbad {n}\r\nWHATSAT id{n} 10 5\nWHATSAT nobody{n} 1 1\n\n\
             IAMAT id{n} +2+2 {n}\nIAMAT other{n} +3+3 1\n"
        )
    };
    (0..20).map(turn).collect()
}

/// The answers, without the skews.
fn without_skews(answers: &[u8]) -> String {
    let text = String::from_utf8(answers.to_vec()).expect("UTF-8");
    let line = |line: &str| {
        let mut fields: Vec<&str> = line.split(' ').collect();
        if fields[0] == "AT" {
            fields[2] = "SKEW";
        }
        fields.join(" ") + "\n"
    };
    text.lines().map(line).collect()
}

#[test]
fn answers_are_the_same_however_the_commands_are_cut() {
    for durability in ["none", "local"] {
        let mut answers = Vec::new();
        for size in [usize::MAX, 100, 7, 1] {
            let node = Node::alone(Setup::new("Hill").durability(durability));
            let mut talk = Talk::open(node.line_port());
            for piece in conversation().as_bytes().chunks(size) {
                talk.send(piece);
            }
            answers.push(without_skews(&talk.half_close().rest()));
        }
        assert!(answers.iter().all(|other| *other == answers[0]), "{answers:#?}");
        let first: Vec<&str> = answers[0].lines().take(13).collect();
        assert_eq!(
            first[..3],
            ["AT Hill SKEW id0 +1+1 0.5", "? bad 0", "AT Hill SKEW id0 +1+1 0.5"]
        );
        assert_eq!(
            first[8..],
            [
                "",
                "? WHATSAT nobody0 1 1",
                "? ",
                "AT Hill SKEW id0 +1+1 0.5",
                "AT Hill SKEW other0 +3+3 1"
            ]
        );
    }
}

#[test]
fn a_last_line_without_its_end_is_a_command() {
    let node = Node::alone(Setup::new("Hill"));
    let answer = node.line(b"IAMAT a +1+1 1");
    assert!(answer.starts_with("AT Hill +") && answer.ends_with(" a +1+1 1\n"), "{answer:?}");
    let both = node.line(b"IAMAT b +1+1 1\nWHATSAT b 10 5");
    assert!(both.starts_with("AT Hill +") && both.ends_with("}\n\n"), "{both:?}");
    assert_eq!(node.line(b"WHATSAT nobody 1 1"), "? WHATSAT nobody 1 1\n");
    assert_eq!(node.line(b""), "");
    assert_eq!(node.line(b"\n"), "? \n");
}

#[test]
fn an_overlong_line_is_quoted_and_dropped_and_the_connection_stays() {
    const MAX: usize = 65_536;
    let node = node();
    let mut talk = Talk::open(node.line_port());
    let mut said = |bytes: &[u8], due: &[u8]| {
        let answer = talk.send(bytes).line();
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(80)]).into_owned();
        assert!(answer == due, "{} bytes: {shown}", answer.len());
    };
    let line = |len: usize, end: &[u8]| [&vec![b'x'; len], end].concat();
    let quoted = [&b"? "[..], &[b'x'; 1024], b"\n"].concat();
    for end in [&b"\n"[..], b"\r\n"] {
        said(&line(MAX, end), &[b"? ", &line(MAX, b"\n")[..]].concat());
        said(&line(MAX + 1, end), &quoted);
        said(&line(10 * MAX, end), &quoted);
        said(b"short\n", b"? short\n");
    }
    // What is behind it in one segment is read; it is answered before its end has come.
    said(&[&line(2 * MAX, b"\n")[..], b"next\n"].concat(), &quoted);
    said(b"", b"? next\n");
    said(&line(MAX + 2, b""), &quoted);
    said(b"still the same line\nnext\n", b"? next\n");
    // A command may be as long as a line.
    let id = vec![b'i'; MAX - "IAMAT  +1+1 1".len()];
    let iamat = [b"IAMAT ", &id[..], b" +1+1 1\n"].concat();
    let answer = talk.send(&iamat).line();
    assert!(answer.starts_with(b"AT Hill +") && answer.ends_with(&iamat["IAMAT ".len()..]));
    talk.expect_open();
    // At the end of input, too.
    let answer = exchange(node.line_port(), &line(MAX + 1, b""));
    assert!(answer == quoted);
}

/// A decimal in nanoseconds; it must have no more than nine decimals.
fn nanoseconds(decimal: &str) -> i128 {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    assert!(fraction.len() <= 9, "{decimal}");
    format!("{whole}{fraction:0<9}").parse().expect("digits")
}

#[test]
fn skew_is_exact_in_nanoseconds() {
    let node = node();
    let mut talk = Talk::open(node.line_port());
    let now = now_s();
    for (n, time) in [
        "0".to_owned(),
        "0.000000001".to_owned(),
        "1520023934.918963997".to_owned(),
        format!("{}.740993", now - 3),
        format!("{}.999999999", now - 1),
        format!("{}.000000001", now + 100),
        format!("{}.5", now + 3600),
        format!("0000{now}.100000000"),
    ]
    .iter()
    .enumerate()
    {
        let before = now_ns();
        let answer = talk.ask(&format!("IAMAT id{n} +1+1 {time}"));
        let after = now_ns();
        let skew = answer.split(' ').nth(2).expect("a skew");
        let (sign, size) = skew.split_at(1);
        assert_eq!(size.split_once('.').map(|(_, decimals)| decimals.len()), Some(9), "{skew}");
        let skew = match sign {
            "+" => nanoseconds(size),
            "-" => -nanoseconds(size),
            _ => panic!("no sign in {skew}"),
        };
        let received = skew + nanoseconds(time);
        // The node reads its clock once a turn, which may begin before we look at ours.
        let early = before - 1_000_000_000;
        assert!((early..=after).contains(&received), "{before} {received} {after}");
    }
}

#[test]
fn reports_that_are_not_newer_are_answered_with_the_line_that_is_held_on_every_node() {
    let herd = Herd::mesh(3);
    let mut talks: Vec<Talk> = herd.nodes.iter().map(|node| Talk::open(node.line_port())).collect();
    let held = talks[0].ask("IAMAT a +10.50-0.0 10.50");
    herd.settle();
    for (n, time) in
        ["9", "10.5", "10.50", "010.500", "0", "10.4999999999999999999"].iter().enumerate()
    {
        for talk in &mut talks {
            assert_eq!(talk.ask(&format!("IAMAT a +2{n}+2 {time}")), held, "{time}");
            assert_eq!(talk.whats_at("WHATSAT a 10 5").0, held);
        }
    }
    // Newer by less than a double can tell, and by number, not by text.
    for (node, time) in [(1, "10.50000000000000000001"), (2, "100"), (0, "1520023934.918963997")] {
        let newer = talks[node].ask(&format!("IAMAT a +3+3 {time}"));
        assert!(newer.starts_with(&format!("AT node{} ", node + 1)), "{newer}");
        assert!(newer.ends_with(&format!(" a +3+3 {time}")), "{newer}");
        herd.settle();
        for talk in &mut talks {
            assert_eq!(talk.whats_at("WHATSAT a 10 5").0, newer);
        }
    }
}

#[test]
fn a_time_too_far_ahead_is_refused_and_pins_nothing() {
    let node = node();
    let mut talk = Talk::open(node.line_port());
    let day = 24 * 3600;
    for time in [format!("{}", now_s() + day + 60), "9".repeat(400), "1".repeat(60_000)] {
        let line = format!("IAMAT a +1+1 {time}");
        assert_eq!(talk.ask(&line), format!("? {line}"));
    }
    assert_eq!(talk.ask("WHATSAT a 1 1"), "? WHATSAT a 1 1");
    assert!(talk.ask(&format!("IAMAT a +1+1 {}", now_s() + day - 60)).starts_with("AT Hill -863"));
    let node = Node::alone(Setup::new("Hill").limit("report_ahead_ms", 1000));
    let mut talk = Talk::open(node.line_port());
    let line = format!("IAMAT a +1+1 {}", now_s() + 60);
    assert_eq!(talk.ask(&line), format!("? {line}"));
    assert!(talk.ask(&format!("IAMAT a +1+1 {}", now_s())).starts_with("AT Hill +"));
}

/// Asks until the node knows someone; what it says then.
fn await_known(talk: &mut Talk, id: &str) -> String {
    let question = format!("WHATSAT {id} 0 0");
    await_that("the report", || {
        let first = talk.send(format!("{question}\n")).text();
        if first.starts_with("? ") {
            return Err(first);
        }
        while !talk.text().is_empty() {}
        Ok(first)
    })
}

#[test]
fn a_report_is_on_the_other_nodes_as_soon_as_it_is_answered() {
    for durability in ["local", "none"] {
        let herd = Herd::mesh_of(3, |setup| setup.durability(durability));
        let mut talks: Vec<Talk> =
            herd.nodes.iter().map(|node| Talk::open(node.line_port())).collect();
        let began = std::time::Instant::now();
        for n in 0..60 {
            let id = format!("id{n}");
            let answer = talks[n % 3].ask(&format!("IAMAT {id} +1+1 {n}"));
            assert_eq!(await_known(&mut talks[(n + 1) % 3], &id), answer);
            assert_eq!(await_known(&mut talks[(n + 2) % 3], &id), answer);
        }
        assert!(began.elapsed().as_secs() < 20, "{:?} for 60 reports", began.elapsed());
        // And nothing went round in circles: each report is one update.
        let vector = await_that("all reports on all disks", || {
            let vector = herd.settle();
            if updates_of(&vector) >= 60 { Ok(vector) } else { Err(vector.to_string()) }
        });
        assert_eq!(updates_of(&vector), 60, "{vector}");
    }
}

/// How many updates a vector counts: runs of sequence numbers by epoch.
pub(crate) fn updates_of(vector: &Value) -> u64 {
    let end = |run: &Value, end: usize| run[end].as_u64().unwrap_or_else(|| panic!("{vector}"));
    let epochs = vector.as_object().unwrap_or_else(|| panic!("{vector}"));
    let runs = epochs.values().flat_map(|runs| runs.as_array().expect("a list"));
    runs.map(|run| end(run, 1) - end(run, 0) + 1).sum()
}

#[test]
fn a_node_that_was_down_knows_everyone_when_it_is_back() {
    let mut herd = Herd::mesh(3);
    let before = Talk::open(herd[0].line_port()).ask("IAMAT a +1+1 1");
    let own = Talk::open(herd[2].line_port()).ask("IAMAT b +1+1 1");
    herd.settle();
    herd[2].kill9();
    let mut talk = Talk::open(herd[0].line_port());
    let newer: Vec<String> = (0..50).map(|n| talk.ask(&format!("IAMAT id{n} +1+1 {n}"))).collect();
    herd[2].restart();
    herd.settle();
    let mut talk = Talk::open(herd[2].line_port());
    for (n, line) in newer.iter().enumerate() {
        assert_eq!(talk.whats_at(&format!("WHATSAT id{n} 1 1")).0, *line);
    }
    assert_eq!(talk.whats_at("WHATSAT a 1 1").0, before);
    assert_eq!(talk.whats_at("WHATSAT b 1 1").0, own);
}

#[test]
fn nodes_agree_after_reports_of_the_same_ids_everywhere_at_once() {
    let herd = Herd::mesh_of(3, |setup| setup.durability("none"));
    let report = |node: usize| {
        let iamat = |n: usize| {
            let time = (n * 7 + node) % 400;
            format!("IAMAT id{} +{node}+{} {time}\n", n % 10, n % 90)
        };
        herd[node].line((0..400).map(iamat).collect::<Vec<_>>().concat().as_bytes())
    };
    std::thread::scope(|scope| {
        let threads = [0, 1, 2].map(|node| scope.spawn(move || report(node)));
        for thread in threads {
            assert_eq!(thread.join().expect("answers").lines().count(), 400);
        }
    });
    herd.settle();
    let whats_at = |n| format!("WHATSAT id{n} 0 0\n");
    let all = (0..10).map(whats_at).collect::<Vec<_>>().concat();
    let answers = [0, 1, 2].map(|node| herd[node].line(all.as_bytes()));
    assert!(answers[0] == answers[1] && answers[1] == answers[2], "{answers:#?}");
    assert_eq!(answers[0].matches("AT node").count(), 10);
}

#[test]
fn places_are_the_located_stories_within_reach_nearest_first() {
    let node = node();
    let newlines = "first line\n\n\nsecond line";
    for (title, lat, lon) in
        [("far", 1.0, 1.4), ("near", 1.0, 1.01), ("here", 1.0, 1.0), ("away", -30.0, 170.0)]
    {
        let story = json!({
            "headline": title, "body": newlines, "summary": "two lines",
            "located": {"lat": lat, "lon": lon},
        });
        let json = "Content-Type: application/json\r\n";
        put(node.http_port(), &format!("/v1/stories/{title}"), json, story.to_string()).expect(201);
    }
    let mut talk = Talk::open(node.line_port());
    talk.ask("IAMAT a +1.0+1.0 1");
    for (radius, bound, titles) in [
        ("50", 20, &["here", "near", "far"][..]),
        ("50.000", 2, &["here", "near"]),
        ("10", 20, &["here", "near"]),
        ("1.1", 20, &["here"]),
        ("0", 20, &["here"]),
        ("50", 0, &[]),
        ("00010.5", 1, &["here"]),
    ] {
        let (at, places) = talk.whats_at(&format!("WHATSAT a {radius} {bound}"));
        assert!(at.ends_with(" a +1.0+1.0 1"), "{at}");
        assert_eq!(places["status"], "OK");
        assert_eq!(places["html_attributions"], json!([]));
        let results = places["results"].as_array().unwrap_or_else(|| panic!("{places}"));
        let names: Vec<&str> =
            results.iter().map(|r| r["name"].as_str().expect("a name")).collect();
        assert_eq!(names, titles, "{radius} {bound}");
        for result in results {
            let location = &result["geometry"]["location"];
            assert!(location["lat"].is_f64() && location["lng"].is_f64(), "{result}");
        }
    }
    // Over the date line and at the pole there is a neighbourhood, too.
    talk.ask("IAMAT b +90-180 1");
    assert_eq!(talk.whats_at("WHATSAT b 50 20").1["results"], json!([]));
}

#[test]
fn a_connection_stays_open_unless_told_otherwise() {
    let node = Node::alone(Setup::new("Hill").durability("none").limit("idle_ms", 100));
    let mut talk = Talk::open(node.line_port());
    talk.ask("IAMAT a +1+1 1");
    talk.expect_silence_for(300);
    talk.expect_open();
}

#[test]
fn with_close_answered_the_first_answer_is_the_last() {
    for durability in ["none", "local"] {
        let (node, port) = closing("answered", durability);
        for command in ["IAMAT a +1+1 1", "nonsense", "WHATSAT a 1 1", ""] {
            let answer = Talk::open(port.number).send(format!("{command}\n")).rest();
            assert!(answer.ends_with(b"\n"), "{command} {}", answer.escape_ascii());
        }
        // What is behind it is not carried out.
        let mut talk = Talk::open(port.number);
        let answer = talk.send("IAMAT b +1+1 1\nIAMAT c +1+1 1\nWHATSAT b 1 1\n").rest();
        let answer = String::from_utf8(answer).expect("UTF-8");
        assert!(answer.lines().count() == 1 && answer.ends_with(" b +1+1 1\n"), "{answer}");
        assert_eq!(node.line(b"WHATSAT c 1 1\n"), "? WHATSAT c 1 1\n");
        let mut talk = Talk::open(port.number);
        let answer = talk.send("IAMAT d +1+1 1\nIAMAT e +1+1 1").half_close().rest();
        assert_eq!(answer.split(|byte| *byte == b'\n').count(), 2);
        assert_eq!(node.line(b"WHATSAT e 1 1\n"), "? WHATSAT e 1 1\n");
    }
}

#[test]
fn with_close_idle_silence_after_an_answer_ends_the_connection() {
    for durability in ["none", "local"] {
        let (_node, port) = closing("idle:150ms", durability);
        // Many commands, then silence.
        let began = std::time::Instant::now();
        let mut talk = Talk::open(port.number);
        let answers = talk.send("IAMAT a +1+1 1\nWHATSAT a 1 1\nnonsense\n").rest();
        assert!(answers.starts_with(b"AT ") && answers.ends_with(b"\n\n? nonsense\n"));
        assert!(began.elapsed().as_millis() >= 140, "{:?}", began.elapsed());
        // A client that has not been answered may think as long as it likes.
        let mut talk = Talk::open(port.number);
        talk.expect_silence_for(300);
        talk.send("IAMAT b +1");
        talk.expect_silence_for(300);
        let answer = talk.send("+1 1\n").rest();
        assert!(answer.ends_with(b" b +1+1 1\n"), "{}", answer.escape_ascii());
    }
}

/// What a page may make its reader's browser send: lines of the page's own, behind a head that it
/// can't leave out.
fn led_browser(path: &str) -> String {
    let body = "IAMAT led +1+1 1\nAT Evil +0 led +1+1 1\n";
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n{body}")
}

#[test]
fn a_browser_that_was_led_here_changes_nothing() {
    let (at, auto) = (Port::take(), Port::take());
    let listeners = at_listener(at.number)
        + &format!("[[listen]]\nprotocol = \"auto\"\nendpoint = \"tcp:{}\"\n", auto.number)
        + "protocols = [\"line\", \"at\"]\n";
    let node = Node::alone(Setup::new("Hill").more(&listeners));
    let long = format!("/{}", "x".repeat(70_000));
    for port in [node.line_port(), auto.number] {
        let said = Talk::open(port).send(led_browser("/")).rest();
        assert_eq!(said.escape_ascii().to_string(), "? POST / HTTP/1.1\\n");
        // A first line that is too long does not show its end.
        let said = Talk::open(port).send(led_browser(&long)).rest();
        let said = String::from_utf8(said).expect("UTF-8");
        assert!(
            said.starts_with("? POST /xxx") && said.ends_with("\n? Host: localhost\n"),
            "{said}"
        );
    }
    assert_eq!(Talk::open(at.number).send(led_browser("/")).rest(), b"");
    node.await_log("a browser was led to the line port, from 127.0.0.1:");
    assert_eq!(node.line(b"WHATSAT led 1 1\n"), "? WHATSAT led 1 1\n");
    assert_eq!(node.metric("bellwether_line_commands_total{verb=\"HTTP\"}"), 5);
}

#[test]
fn what_came_before_a_line_of_http_is_answered_first_and_what_is_behind_it_not_at_all() {
    let node = Node::alone(Setup::new("Hill"));
    let lines = "IAMAT a +1+1 1\nWHATSAT nobody 1 1\nhost: x\nIAMAT b +1+1 1\n";
    for ends in [false, true] {
        let mut talk = Talk::open(node.line_port());
        talk.send(lines);
        if ends {
            talk.half_close();
        }
        let said = String::from_utf8(talk.rest()).expect("UTF-8");
        let said: Vec<&str> = said.lines().collect();
        assert!(said[0].starts_with("AT Hill ") && said[0].ends_with(" a +1+1 1"), "{said:?}");
        assert_eq!(said[1..], ["? WHATSAT nobody 1 1", "? host: x"]);
    }
    // Nobody's id, place or time is taken for a browser.
    let mut talk = Talk::open(node.line_port());
    assert!(talk.ask("IAMAT Host: +1+1 1").ends_with(" Host: +1+1 1"));
    for line in ["AUTH HTTP/1.1", "AT Hill +0 a +1+1 1 HTTP/1.1", "WHATSAT b 1 1", "POST"] {
        assert_eq!(talk.ask(line), format!("? {line}"));
    }
    talk.expect_open();
}

#[test]
fn a_flood_of_reports_is_answered_later_and_whole() {
    for durability in ["none", "local"] {
        let setup = Setup::new("Hill").durability(durability).limit("pending_bytes", 65_536);
        let node = Node::alone(setup);
        let mut talks: Vec<Talk> = (0..8).map(|_| Talk::open(node.line_port())).collect();
        for (who, talk) in talks.iter_mut().enumerate() {
            let lines = (1..=500).map(|time| format!("IAMAT who{who} +1+1 {time}\n"));
            talk.send(lines.collect::<String>()).half_close();
        }
        for talk in &mut talks {
            let said = String::from_utf8(talk.rest()).expect("text");
            assert_eq!(said.lines().filter(|line| line.starts_with("AT Hill ")).count(), 500);
        }
    }
}
