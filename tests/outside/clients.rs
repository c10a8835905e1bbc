//! Other people's clients: what they agree with, our own reading of the protocols cannot have made
//! up. `tests/clients/README.md` says what each is.

use crate::guests::{at_listener, at_peer, client, said, said_to, stream_url, values};
use crate::harness::{Ended, Herd, Node, Port, Process, Setup};
use crate::speech::Talk;
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// The events that a follower saw, as cursors and updates; asserts that they are what they must.
fn events(said: &[Value]) -> Vec<(String, Value)> {
    let events = said.iter().filter(|value| value.get("open").is_none());
    let event = |value: &Value| {
        assert_eq!(value["event"], "update", "{value}");
        let id = text(&value["id"]).to_owned();
        assert!(!id.is_empty(), "{value}");
        (id, serde_json::from_str(text(&value["data"])).expect("JSON"))
    };
    events.map(event).collect()
}

fn ids(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(_, update)| text(&update["id"])).collect()
}

/// A follower of two nodes reads the first one until it is killed, then the other, and misses
/// nothing and sees nothing twice; a new one goes on from any event, at any node.
fn follow_across_a_death(name: &str, options: &[&str]) {
    let mut herd = Herd::mesh(2);
    let urls = [0, 1].map(|node| stream_url(&herd[node], "?after=0"));
    let arguments = [options, &["--count", "20", &urls[0], &urls[1]]].concat();
    let mut follower = Process::start(&mut client(name, &arguments));
    let mut written = vec![herd[0].http.write("a", "0 \u{1f40f}\nand more")];
    for n in 1..10 {
        written.push(herd[0].http.edit("a", written.last().expect("one"), &n.to_string()));
    }
    let came = follower.stdout.wait(|out| out.matches("\"data\"").count() == 10);
    assert!(came.is_ok(), "{came:?} {}", follower.stderr.text());
    herd.settle();
    herd[0].kill9();
    for n in 10..20 {
        written.push(herd[1].http.edit("a", written.last().expect("one"), &n.to_string()));
    }
    assert!(follower.await_end().success(), "{}", follower.stderr.text());
    let said = values(&follower.stdout.text());
    let read = events(&said);
    assert_eq!(ids(&read), written);
    assert_eq!(read[0].1["body"], "0 \u{1f40f}\nand more");
    let opened: Vec<&str> = said.iter().filter_map(|value| value["open"].as_str()).collect();
    assert_eq!([opened.first(), opened.last()], [Some(&&*urls[0]), Some(&&*urls[1])]);
    let last_id = ["--last-event-id", &read[4].0];
    let arguments = [options, &last_id, &["--count", "15", &urls[1]]].concat();
    let rest = crate::guests::said(name, &arguments);
    assert_eq!(ids(&events(&rest)), written[5..]);
}

#[test]
fn eventsource_of_npm_follows_across_a_death() {
    follow_across_a_death("eventsource", &[]);
}

#[test]
fn httpx_sse_follows_across_a_death() {
    follow_across_a_death("sse", &[]);
}

#[test]
fn sseclient_follows_across_a_death() {
    follow_across_a_death("sse", &["--library", "sseclient"]);
}

fn port_text(port: u16) -> String {
    port.to_string()
}

#[test]
fn a_twisted_line_receiver_gets_its_answers() {
    let node = Node::alone(Setup::new("Hill"));
    let port = port_text(node.line_port());
    let lines = [
        "IAMAT kiwi +34.068930-118.445127 1520023934.918963997",
        "WHATSAT kiwi 10 5",
        "\u{ff}\u{fe} bad",
        "IAMAT \u{ff}\u{80} +1+1 1",
        "WHATSAT \u{ff}\u{80} 10 5",
        "",
        "WHATSAT nobody 10 5",
    ];
    for together in [&["--stay", "0.2"][..], &["--together"], &["--together", "--stay", "0.2"]] {
        let arguments = [&["127.0.0.1", &port], together, &["--"], &lines].concat();
        let answers = said("line", &arguments);
        assert_eq!(answers.len(), lines.len(), "{answers:?}");
        let line = |n: usize| text(&answers[n]["line"]);
        let held = line(0);
        assert!(held.starts_with("AT Hill +"), "{held}");
        assert!(held.ends_with(" kiwi +34.068930-118.445127 1520023934.918963997"), "{held}");
        assert_eq!(line(1), held);
        assert_eq!(answers[1]["json"]["status"], "OK");
        assert_eq!(answers[0]["json"], Value::Null);
        assert_eq!(line(2), "? \u{ff}\u{fe} bad");
        assert!(line(3).ends_with(" \u{ff}\u{80} +1+1 1"), "{}", line(3));
        assert_eq!(line(4), line(3));
        assert_eq!([line(5), line(6)], ["? ", "? WHATSAT nobody 10 5"]);
    }
}

#[test]
fn a_twisted_peer_of_kind_at_hears_and_is_heard() {
    let (theirs, ours) = (Port::take(), Port::take());
    let more = at_listener(ours.number) + &at_peer("Foreign", theirs.number, "");
    let node = Node::alone(Setup::new("Hill").more(&more));
    let listen = port_text(theirs.number);
    let dial = format!("127.0.0.1:{}", ours.number);
    let mut command = client("at_peer", &["--listen", &listen, "--dial", &dial]);
    let mut peer = Process::start(command.stdin(Stdio::piped()));
    let mut input = peer.input();
    let hears = |peer: &Process, what: &str| {
        let heard = peer.stdout.wait(|out| out.lines().any(|line| line.contains(what)));
        assert!(heard.is_ok(), "no {what}: {heard:?} {}", peer.stderr.text());
    };
    let said = "AT Foreign +0.000000001 theirs +1+1 1";
    input.write_all(format!("{said}\nnonsense\nIAMAT x +1+1 1\n").as_bytes()).expect("a pipe");
    hears(&peer, "\"accepted\": 1");
    // Our link carries what they said over theirs: they cut that loop. And what is ours.
    hears(&peer, said);
    let answer = Talk::open(node.line_port()).ask("IAMAT ours +1+1 1");
    hears(&peer, &answer);
    assert_eq!(Talk::open(node.line_port()).whats_at("WHATSAT theirs 1 1").0, said);
    // Their link breaks and comes again.
    input.write_all(b"close\nAT Foreign +0 again +1+1 1\n").expect("a pipe");
    hears(&peer, " again +1+1 1");
    drop(input);
    assert!(peer.await_end().success(), "{}", peer.stderr.text());
    let out = peer.stdout.text();
    assert!(!out.contains("answered"), "{out}");
}

/// What a client in one of CS 131's styles got.
fn cs131(style: &str, port: u16, more: &[&str]) -> Vec<String> {
    let port = port_text(port);
    let said = said("cs131", &[&[style, "127.0.0.1", &port], more].concat());
    let answers = said[0]["answers"].as_array().unwrap_or_else(|| panic!("{said:?}"));
    answers.iter().map(|answer| text(answer).to_owned()).collect()
}

const IAMAT: &str = "IAMAT kiwi.cs.ucla.edu +34.068930-118.445127 1520023934.918963997";
const WHATSAT: &str = "WHATSAT kiwi.cs.ucla.edu 10 5";

#[track_caller]
fn expect_both(answers: &str) {
    let at = " kiwi.cs.ucla.edu +34.068930-118.445127 1520023934.918963997\n";
    assert_eq!(answers.matches(at).count(), 2, "{answers}");
    assert!(answers.ends_with("}\n\n") && answers.matches("\n\n").count() == 1, "{answers}");
}

#[test]
fn the_clients_of_cs_131_get_their_answers() {
    let (closing, answered) = (Port::take(), Port::take());
    let listener = |port: &Port, close: &str| {
        let endpoint = format!("tcp:{}", port.number);
        format!("[[listen]]\nprotocol = \"line\"\nendpoint = \"{endpoint}\"\nclose = \"{close}\"\n")
    };
    let more = listener(&closing, "idle:150ms") + &listener(&answered, "answered");
    let node = Node::alone(Setup::new("Hill").more(&more));
    let both = [IAMAT, WHATSAT];
    for more in [&[][..], &["--no-newline"], &["--pieces", "5"]] {
        let arguments = [more, &both].concat();
        expect_both(&cs131("half-close", node.line_port(), &arguments)[0]);
        expect_both(&cs131("half-close", closing.number, &arguments)[0]);
        if more != ["--no-newline"] {
            expect_both(&cs131("read-to-eof", closing.number, &arguments)[0]);
            expect_both(&cs131("persistent", node.line_port(), &arguments).concat());
            for port in [node.line_port(), closing.number, answered.number] {
                expect_both(&cs131("each", port, &arguments).concat());
            }
        }
    }
    let one = cs131("read-to-eof", answered.number, &[WHATSAT]);
    assert!(one[0].starts_with("AT Hill +") && one[0].ends_with("\n\n"), "{one:?}");
    let bad = cs131("read-to-eof", answered.number, &["WHATSAT kiwi.cs.ucla.edu -1 5"]);
    assert_eq!(bad, ["? WHATSAT kiwi.cs.ucla.edu -1 5\n"]);
}

#[test]
fn h11_finds_nothing_wrong_with_our_answers() {
    let node = Node::alone(Setup::new("Hill"));
    let port = port_text(node.http_port());
    let id = node.http.write("a", "body");
    let requests = format!(
        "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n\
         HEAD /v1/stories/a HTTP/1.1\r\nHost: h\r\n\r\n\
         GET /v1/stories/a HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"{id}\"\r\n\r\n\
         PUT /v1/stories/b HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\
         Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n\
         OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n\
         DELETE /hello HTTP/1.1\r\nHost: h\r\n\r\n\
         GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n\
         GET / HTTP/1.1\r\nHost: h\r\n\r\n\
         GET /v1/updates?after=0&wait=0 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    );
    let methods = ["GET", "HEAD", "GET", "PUT", "OPTIONS", "DELETE", "GET", "GET", "GET"];
    let statuses = [200, 200, 304, 201, 204, 405, 200, 200, 200];
    for more in [&[][..], &["--pieces", "11"], &["--half-close"]] {
        let arguments = [&["127.0.0.1", &port], more, &methods].concat();
        // The story is new once.
        let title = format!("/v1/stories/b{}", more.len() + more.join("").len());
        let requests = requests.replace("/v1/stories/b", &title);
        let said = said_to("strict_http", &arguments, requests.as_bytes());
        let (last, answers) = said.split_last().expect("what it said");
        assert_eq!(last["closed"], true);
        let got: Vec<_> = answers.iter().map(|answer| answer["status"].as_u64()).collect();
        assert_eq!(got, statuses.map(Some), "{more:?}");
        assert_eq!(answers[3]["informational"], json!([100]));
        assert_eq!(answers[0]["body"], "Hello, World!");
    }
    for (status, request) in [
        (400, "GET /hello HTTP/1.1\r\n\r\n"),
        (505, "GET /hello HTTP/3.0\r\nHost: h\r\n\r\n"),
        (200, "GET /v1/stories/a HTTP/1.0\r\n\r\n"),
    ] {
        let said = said_to("strict_http", &["127.0.0.1", &port, "GET"], request.as_bytes());
        assert_eq!((&said[0]["status"], &said[1]["closed"]), (&json!(status), &json!(true)));
    }
    let keep = b"GET /hello HTTP/1.1\r\nHost: h\r\n\r\n";
    let said = said_to("strict_http", &["127.0.0.1", &port, "GET"], keep);
    assert_eq!(said[1]["closed"], false);
}

/// curl's output, with `-w` behind the last body.
fn curl(arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*"]);
    Ended::well(command.args(arguments))
}

#[test]
fn curl_writes_and_reads() {
    let node = Node::alone(Setup::new("Hill"));
    let story = format!("{}/v1/stories/curl%20it", node.url());
    let code = ["-w", "%{http_code}"];
    let put = ["-X", "PUT", "-H", "Content-Type: text/plain", "--data-binary"];
    let made = curl(&[&put[..], &["from curl", "-w", " %{http_code}", &story]].concat());
    let (made, status) = made.rsplit_once(' ').expect("a status");
    assert_eq!(status, "201");
    let made: Value = serde_json::from_str(made).expect("JSON");
    assert_eq!(made["title"], "curl it");
    let plain = ["-H", "Accept: text/plain"];
    assert_eq!(curl(&[&plain[..], &[&story]].concat()), "from curl");
    assert_eq!(curl(&[&plain[..], &["--http1.0", &story]].concat()), "from curl");
    let head = curl(&["--head", &story]);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let tag = format!("If-None-Match: \"{}\"", text(&made["id"]));
    assert_eq!(curl(&[&code[..], &["-H", &tag, &story]].concat()), "304");
    // Chunks, and leave asked for: curl says what it was told.
    let other = format!("{}/v1/stories/other", node.url());
    let fields = ["-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue", "-i"];
    let made = curl(&[&put[..], &["in chunks"], &fields, &[&other]].concat());
    assert!(made.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n"), "{made}");
    assert_eq!(curl(&[&plain[..], &[&other]].concat()), "in chunks");
    // One connection for several.
    let connects = ["-o", "/dev/null", "-w", "%{num_connects} "];
    let all = [&connects[..], &[&story], &connects[..2], &[&other], &connects[..2], &[&story]];
    assert_eq!(curl(&all.concat()), "1 0 0 ");
    // A body over the limit is not sent to its end.
    let large = node.folder().join("large");
    std::fs::write(&large, vec![b'x'; 3 << 20]).expect("a writable folder");
    let from = format!("@{}", large.display());
    let refused = curl(&[&put[..], &[&from, "-o", "/dev/null"], &code, &[&other]].concat());
    assert_eq!(refused, "413");
}

/// The documents of a feed, as feedparser walks them.
fn documents(node: &Node, path: &str) -> Vec<Value> {
    let documents = said("feed", &[format!("{}{path}", node.url())]);
    for document in &documents {
        assert_eq!(document["bozo"], Value::Null, "{document}");
    }
    documents
}

/// What the documents of a feed have, ascending.
fn in_feed(documents: &[Value], list: &str, id: &str) -> Vec<String> {
    let all = documents.iter().flat_map(|document| document[list].as_array().expect("a list"));
    let mut ids: Vec<String> = all.map(|one| text(&one[id]).to_owned()).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn feedparser_walks_the_archive_and_finds_every_story_and_what_was_withdrawn() {
    let node = Node::alone(Setup::new("Hill").durability("none"));
    let tag = |title: &str| format!("tag:bellwether,2026:stories/{title}");
    let mut tags: Vec<String> = (0..200).map(|n| tag(&format!("s{n}"))).collect();
    let first: Vec<String> =
        (0..200).map(|n| node.http.write(&format!("s{n}"), &format!("Body {n}.\n"))).collect();
    let before = documents(&node, "/feed.atom");
    assert!(before.len() > 3, "{}", before.len());
    let edited = "headline=Tom+%26+%3Cb%3E&author=Ann&section=world";
    node.http.put_as(
        &format!("/v1/stories/s3?base={}&{edited}", first[3]),
        "text/markdown",
        "It *rose*.",
    );
    node.http.delete("/v1/stories/s7?reason=It+%3Cwas%3E+wrong").expect(200);
    tags.retain(|one| *one != tag("s7"));
    tags.sort_unstable();
    let walked = documents(&node, "/feed.atom");
    assert_eq!(in_feed(&walked, "entries", "id"), tags);
    assert_eq!(in_feed(&walked, "deleted", "ref"), [tag("s7")]);
    assert_eq!(walked[0]["deleted"][0]["comment"], "It <was> wrong");
    let newest = &walked[0]["entries"][0];
    assert_eq!(newest["id"], tag("s3"));
    assert!(text(&newest["title"]).contains("Tom"), "{newest}");
    assert_eq!(newest["content"], "<p>It <em>rose</em>.</p>");
    assert_eq!((&newest["author"], &newest["tags"][0]), (&json!("Ann"), &json!("world")));
    assert_eq!(newest["link"], format!("{}/stories/s3", node.url()));
    let section = documents(&node, "/sections/world/feed.atom");
    assert_eq!(in_feed(&section, "entries", "id"), [tag("s3")]);
    let story = documents(&node, "/stories/s3/feed.atom");
    assert_eq!(in_feed(&story, "entries", "id").len(), 2);
}
