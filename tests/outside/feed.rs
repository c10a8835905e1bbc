//! News feeds, with INN as the peer: every article everywhere once, whatever was cut and came back,
//! cancels included; and what a feeder is told, by hand.

use crate::harness::{Node, Port, Setup, await_that, scratch};
use crate::inn::{self, Inn};
use crate::nntp::Talk;
use crate::speech::now_s;
use bellwether::proto::article::{cancel_key, cancel_lock, put_date};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The TOML of a news listener and of INN as a peer.
fn news(listener: u16, inn: u16) -> String {
    let name = inn::NAME;
    format!(
        "[[listen]]\nprotocol = \"nntp\"\nendpoint = \"tcp:{listener}\"\n\
         [[peer]]\nname = \"{name}\"\nkind = \"nntp\"\nendpoint = \"tcp:127.0.0.1:{inn}\"\n"
    )
}

/// Two nodes of one herd, both joined to one INN: a ring.
struct Ring {
    inn: Inn,
    nodes: [Node; 2],
}

impl Ring {
    fn new() -> Self {
        let dir = scratch();
        let ports = [Port::take(), Port::take()];
        let peers = [("node1", ports[0].number), ("node2", ports[1].number)];
        let inn = Inn::start(&["misc.test", "world", "unsorted"], &peers);
        let first = Setup::new("node1").more(&news(ports[0].number, inn.port()));
        let second = Setup::new("node2").peer("node1").more(&news(ports[1].number, inn.port()));
        let nodes = [Node::start(first, &dir), Node::start(second, &dir)];
        Self { inn, nodes }
    }

    /// Waits until a story is shown at both nodes with this in its body, and once: with so many
    /// revisions.
    fn await_shown(&self, title: &str, body: &str, revisions: usize) {
        for node in &self.nodes {
            await_that(&format!("{title} at {}", node.name()), || {
                let got = node.http.get(&path(title));
                let is_it = got.status == 200 && got.json()["body"] == body;
                if is_it { Ok(()) } else { Err(got.text()) }
            });
            let history = node.http.get(&format!("{}/history", path(title))).json();
            let shown = history["revisions"].as_array().map_or(0, Vec::len);
            assert_eq!(shown, revisions, "{title} at {}: {history}", node.name());
        }
    }

    fn await_gone(&self, title: &str) {
        for node in &self.nodes {
            await_that(&format!("the end of {title} at {}", node.name()), || {
                let got = node.http.get(&path(title));
                if got.status == 410 { Ok(()) } else { Err(got.text()) }
            });
        }
    }

    /// Waits until INN has an article; the article.
    fn await_at_inn(&self, id: &str) -> String {
        await_that(&format!("{id} at INN"), || {
            if self.inn.has(id) { Ok(()) } else { Err("it has it not".to_owned()) }
        });
        self.inn.article(id)
    }

    fn await_gone_at_inn(&self, id: &str) {
        await_that(&format!("the end of {id} at INN"), || {
            if self.inn.has(id) { Err("it has it".to_owned()) } else { Ok(()) }
        });
    }
}

fn path(title: &str) -> String {
    format!("/v1/stories/{}", title.replace('@', "%40").replace(':', "%3A"))
}

fn title(id: &str) -> String {
    format!("news:{id}@client.example")
}

fn id_of(id: &str) -> String {
    format!("<{id}@client.example>")
}

/// An article of this name, dated now, whose charset and coding are not ours.
fn article(id: &str, more: &str) -> String {
    let mut date = Vec::new();
    put_date(&mut date, now_s() * 1000);
    let date = String::from_utf8(date).expect("a date is ASCII");
    format!(
        "Path: client.example!not-for-mail\r\nFrom: Ann <ann@example.com>\r\n\
         Newsgroups: misc.test\r\nSubject: =?ISO-8859-1?Q?About_{id}=E9?=\r\nDate: {date}\r\n\
         Message-ID: {}\r\n{more}Content-Type: text/plain; charset=iso-8859-1\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\nBody of {id}: =E9\r\n.\r\n",
        id_of(id)
    )
}

fn body(id: &str) -> String {
    format!("Body of {id}: \u{e9}\n.\n")
}

/// Publishes a story in a section; the Message-ID of its article.
fn publish(node: &Node, title: &str, text: &str) -> String {
    let story = json!({"section": "world", "headline": "News \u{e9}", "body": text});
    let made = node.http.put_as(&path(title), "application/json", &story.to_string());
    let id = made.expect(201).member("id");
    format!("<{id}@bellwether.invalid>")
}

#[test]
fn every_article_is_everywhere_once_and_as_it_was_meant() {
    let ring = Ring::new();
    // From the other side: it comes to both nodes by two feeds, and to each from the other.
    ring.inn.hand(&id_of("one"), &article("one", ""));
    ring.await_shown(&title("one"), &body("one"), 1);
    let story = ring.nodes[0].http.get(&path(&title("one"))).json();
    assert_eq!(story["headline"], "About one\u{e9}");
    assert_eq!(
        (&story["section"], &story["author"]),
        (&json!("misc.test"), &json!("Ann <ann@example.com>"))
    );
    // From ours.
    let first = publish(&ring.nodes[0], "a-story", "\u{65e5}\n.dot\n");
    let there = ring.await_at_inn(&first);
    assert!(there.contains("\r\nNewsgroups: world\r\n"), "{there}");
    assert!(there.contains("\r\n\r\n\u{65e5}\r\n.dot\r\n"), "{there}");
    assert!(there.contains("node1!.POSTED!not-for-mail"), "{there}");
    ring.await_shown("a-story", "\u{65e5}\n.dot\n", 1);
    let second = publish(&ring.nodes[1], "another", "text\n");
    ring.await_at_inn(&second);
    // An edit takes its place there.
    let base = ring.nodes[1].http.get(&path("another")).json();
    let base = base["id"].as_str().expect("an id");
    let edited = ring.nodes[1].http.edit("another", base, "better\n");
    let there = ring.await_at_inn(&format!("<{edited}@bellwether.invalid>"));
    assert!(there.contains(&format!("\r\nSupersedes: {second}\r\n")), "{there}");
    assert!(there.contains("\r\n\r\nbetter\r\n"), "{there}");
    ring.await_shown("another", "better\n", 2);
    // Still once, now that everything else has come round.
    ring.await_shown(&title("one"), &body("one"), 1);
}

#[test]
fn what_was_missed_while_links_were_cut_comes_when_they_heal() {
    let mut ring = Ring::new();
    publish(&ring.nodes[0], "before", "text\n");
    // INN goes on without our nodes, and keeps what it has for them.
    ring.nodes.iter_mut().for_each(Node::kill9);
    for n in 0..20 {
        let id = format!("away{n}");
        ring.inn.hand(&id_of(&id), &article(&id, ""));
    }
    ring.nodes.iter_mut().for_each(Node::restart);
    for n in 0..20 {
        let id = format!("away{n}");
        ring.await_shown(&title(&id), &body(&id), 1);
    }
    // Ours go on without INN.
    ring.inn.kill9();
    let mut ids = Vec::new();
    for n in 0..200 {
        ids.push(publish(&ring.nodes[n % 2], &format!("late {n}").replace(' ', "-"), "text\n"));
    }
    ring.nodes[0].kill9();
    ring.nodes[0].restart();
    ring.inn.restart();
    for id in &ids {
        await_that(&format!("{id} at INN"), || {
            if ring.inn.has(id) { Ok(()) } else { Err("it has it not".to_owned()) }
        });
    }
    // And once: nothing of ours came back as another story.
    for node in &ring.nodes {
        let list = node.http.get("/v1/stories?limit=500").json();
        let stories = list["stories"].as_array().map_or(0, Vec::len);
        assert_eq!(stories, 221, "{list}");
    }
}

#[test]
fn who_shows_the_key_cancels_everywhere_and_nobody_else() {
    let ring = Ring::new();
    let key = cancel_key(b"secret", &id_of("locked"));
    let lock = cancel_lock(&key).expect("a lock");
    let locked = article("locked", &format!("Cancel-Lock: {lock}\r\n"));
    ring.inn.hand(&id_of("locked"), &locked);
    ring.await_shown(&title("locked"), &body("locked"), 1);
    let cancel = |id: &str, key: &str| {
        let more = format!("Control: cancel {}\r\nCancel-Key: {key}\r\n", id_of("locked"));
        article(id, &more)
    };
    let forged = cancel_key(b"guess", &id_of("locked"));
    ring.inn.hand(&id_of("forged"), &cancel("forged", &forged));
    ring.inn.hand(&id_of("behind"), &article("behind", ""));
    ring.await_shown(&title("behind"), &body("behind"), 1);
    ring.await_shown(&title("locked"), &body("locked"), 1);
    ring.inn.hand(&id_of("cancel"), &cancel("cancel", &key));
    ring.await_gone(&title("locked"));
    ring.await_gone_at_inn(&id_of("locked"));
    // A withdrawal of ours is a cancel there, which INN believes by its key.
    let id = publish(&ring.nodes[0], "wrong", "text\n");
    ring.await_at_inn(&id);
    ring.nodes[0].http.delete("/v1/stories/wrong?reason=not%20so").expect(200);
    ring.await_gone("wrong");
    ring.await_gone_at_inn(&id);
}

/// A node with a news listener and no peer: on this machine anyone may feed it.
fn alone() -> (Node, Port) {
    let port = Port::take();
    let listen = format!("[[listen]]\nprotocol = \"nntp\"\nendpoint = \"tcp:{}\"\n", port.number);
    (Node::alone(Setup::new("node1").more(&listen)), port)
}

#[test]
fn a_stream_is_answered_in_order_and_what_was_taken_survives_the_power() {
    let (mut node, port) = alone();
    let mut talk = Talk::open(&port);
    talk.expect(203, "MODE STREAM");
    let mut stream = String::new();
    for n in 0..100 {
        let id = format!("s{n}");
        let (id, text) = (id_of(&id), article(&id, "").replace("\r\n.", "\r\n.."));
        write!(stream, "CHECK {id}\r\nTAKETHIS {id}\r\n{text}.\r\n").expect("a String takes all");
    }
    talk.send(&stream);
    for n in 0..100 {
        let id = id_of(&format!("s{n}"));
        assert_eq!(talk.line(), format!("238 {id}"));
        assert_eq!(talk.line(), format!("239 {id}"));
    }
    node.kill9();
    node.restart();
    let mut talk = Talk::open(&port);
    for n in 0..100 {
        let id = id_of(&format!("s{n}"));
        assert_eq!(talk.ask(&format!("CHECK {id}")), format!("438 {id}"));
        let shown = node.http.get(&path(&title(&format!("s{n}")))).expect(200);
        assert_eq!(shown.json()["body"], json!(body(&format!("s{n}"))));
    }
}

#[test]
fn what_is_no_article_or_no_business_of_ours_is_refused_and_the_stream_goes_on() {
    let (node, port) = alone();
    let mut talk = Talk::open(&port);
    let take =
        |id: &str, text: &str| format!("TAKETHIS {id}\r\n{}.", text.replace("\r\n.", "\r\n.."));
    let whole = article("x", "");
    let table: Vec<(String, &str)> = vec![
        (whole.replace("Subject: ", "X-Subject: "), "subject"),
        (whole.replace("\r\n\r\n", "\r\nno colon\r\n\r\n"), "no field"),
        (whole.replace("<x@", "<y@"), "Message-ID"),
        (whole.replace("Date: ", "Date: x"), "Date"),
        (whole.replace("Newsgroups: misc.test", "Newsgroups: junk"), "groups"),
        (article("x", "Control: newgroup misc.new\r\n"), "cancel"),
        (article("x", "Control: cancel <none@nowhere>\r\n"), "not here"),
        (whole.replace("\r\n\r\n", "\r\n\r\nlone \r CR\r\n"), "alone"),
    ];
    for (text, why) in &table {
        let answer = talk.ask(&take("<x@client.example>", text));
        assert!(answer.starts_with("439 <x@client.example>"), "{why}: {answer}");
        assert!(answer.contains(why), "{why}: {answer}");
    }
    let large = format!("{whole}{}", "0123456789\r\n".repeat(120_000));
    let answer = talk.ask(&take("<x@client.example>", &large));
    assert!(answer.starts_with("439 ") && answer.contains("too large"), "{answer}");
    let answer = talk.ask(&take("malformed", &whole));
    assert!(answer.starts_with("439 "), "{answer}");
    let answer = talk.ask(&take("<x@client.example>", &whole));
    assert_eq!(answer, "239 <x@client.example>");
    let answer = talk.ask(&take("<x@client.example>", &whole));
    assert!(answer.starts_with("439 "), "{answer}");
    talk.expect(435, "IHAVE <x@client.example>");
    talk.expect(335, "IHAVE <z@client.example>");
    talk.expect(235, &format!("{}.", article("z", "").replace("\r\n.", "\r\n..")));
    assert_eq!(node.http.get(&path(&title("z"))).expect(200).json()["body"], json!(body("z")));
    // Edits and replies: what supersedes another is of its story, what answers it is its own.
    let edit = article("x2", "Supersedes: <x@client.example>\r\n");
    talk.expect(239, &take(&id_of("x2"), &edit));
    let reply = article("re", "References: <x@client.example>\r\n");
    talk.expect(239, &take(&id_of("re"), &reply));
    let story: Value = node.http.get(&path(&title("x"))).json();
    assert_eq!((&story["body"], &story["generation"]), (&json!(body("x2")), &json!(2)));
    let got = Talk::open(&port).list(220, &format!("ARTICLE {}", id_of("re")));
    assert!(got.iter().any(|line| line == "References: <x@client.example>"), "{got:?}");
    let stranger = edit.replace("ann@example.com", "bob@example.com").replace("x2@", "x3@");
    talk.expect(239, &take(&id_of("x3"), &stranger));
    assert_eq!(node.http.get(&path(&title("x"))).json()["generation"], json!(2));
    node.http.get(&path(&title("x3"))).expect(200);
}
