//! Accounts and tokens over real processes: made by commands on a node's machine, good at every
//! node of the herd, refused what is not theirs on each protocol, and shown to nobody.

use crate::harness::{
    Ended, Herd, Node, Port, Setup, await_that, bellwether, connect, exchange, scratch,
};
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

const CLOSED: &str = "[accounts]\nopen = false\n";

fn closed(setup: Setup) -> Setup {
    setup.more(CLOSED)
}

/// One answer, head and body.
fn ask(node: &Node, method: &str, path: &str, fields: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\
         Content-Length: {length}\r\n\r\n{body}"
    );
    let answer = exchange(node.http_port(), request.as_bytes());
    let answer = String::from_utf8(answer).expect("UTF-8");
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status: {answer:?}")), answer)
}

fn bearing(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\nContent-Type: text/plain\r\n")
}

fn put(node: &Node, title: &str, fields: &str) -> u16 {
    ask(node, "PUT", &format!("/v1/stories/{title}?conflict=overwrite"), fields, "x").0
}

/// What the part of an answer is that begins behind `before` and ends at one of `ends`.
fn between<'a>(text: &'a str, before: &str, ends: &[char]) -> &'a str {
    let rest = text.split(before).nth(1).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split(ends).next().expect("a first part")
}

/// Tries to sign in: the status, and the session's cookie when it went well.
fn sign_in(node: &Node, name: &str, password: &str) -> (u16, String) {
    let (status, page) = ask(node, "GET", "/sign-in", "", "");
    assert_eq!(status, 200, "{page}");
    let cookie = between(&page, "Set-Cookie: ", &[';']);
    let csrf = between(&page, "name=\"csrf\" value=\"", &['"']);
    let fields = format!("Cookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    let body = format!("name={name}&password={password}&csrf={csrf}&to=/");
    let (status, answer) = ask(node, "POST", "/sign-in", &fields, &body);
    if status != 303 {
        return (status, String::new());
    }
    let session = between(&answer, "Set-Cookie: ", &[';']);
    (status, format!("Cookie: {session}\r\nContent-Type: text/plain\r\n"))
}

/// Waits until a PUT at this node is answered so.
fn await_put(node: &Node, title: &str, fields: &str, status: u16) {
    await_that("the act", || {
        let found = put(node, title, fields);
        if found == status { Ok(()) } else { Err(found.to_string()) }
    });
}

const REPORT: &str = "IAMAT kiwi.cs.ucla.edu +34.068930-118.445127 1621464827.959498503";

#[test]
fn tokens_of_each_scope_are_refused_what_is_not_theirs_on_each_protocol() {
    let node = Node::alone(closed(Setup::new("hill")));
    let topic = |fields: &str| ask(&node, "POST", "/v1/topics/t", fields, "x").0;
    let withdraw = |fields: &str| ask(&node, "DELETE", "/v1/stories/gone", fields, "").0;
    let list = |fields: &str| ask(&node, "GET", "/v1/accounts", fields, "").0;
    let report = |token: &str| {
        let said = node.line(format!("AUTH {token}\n{REPORT}\n").as_bytes());
        said.lines().nth(1).expect("two answers").starts_with("AT hill ")
    };
    let writer = node.token("setter", "write");
    assert_eq!(put(&node, "gone", &bearing(&writer)), 201);
    for (scope, writes, withdraws, lists) in [
        ("read", 403, 403, 403),
        ("write", 200, 403, 403),
        ("admin", 403, 403, 200),
        ("withdraw", 403, 200, 403),
    ] {
        let token = node.token("ann", scope);
        let fields = bearing(&token);
        assert_eq!(put(&node, "gone", &fields), writes, "{scope}");
        assert_eq!(topic(&fields), if writes == 200 { 201 } else { writes }, "{scope}");
        assert_eq!(withdraw(&fields), withdraws, "{scope}");
        assert_eq!(list(&fields), lists, "{scope}");
        assert_eq!(report(&token), writes == 200, "{scope}");
    }
    let nobody = "Content-Type: text/plain\r\n";
    assert_eq!([put(&node, "a", nobody), topic(nobody), withdraw(nobody), list(nobody)], [401; 4]);
    assert_eq!(node.line(format!("{REPORT}\n").as_bytes()), format!("? {REPORT}\n"));
    let all = node.line(format!("AUTH {writer}\n{REPORT}\n").as_bytes());
    assert!(all.starts_with("AUTH setter write\nAT hill "), "{all}");
    assert_eq!(node.line(b"AUTH bw_nothing\n"), "? AUTH bw_nothing\n");
    // Readers need nothing, and may ask where someone is.
    let found = node.line(b"WHATSAT kiwi.cs.ucla.edu 10 5\n");
    assert!(found.starts_with("AT hill "), "{found}");
    assert_eq!(node.http.get("/v1/stories").status, 200);

    // The commands take a token from the environment.
    let mut publish = bellwether();
    publish.args(["publish", "by-command", "--node", &node.url()]).stdin(Stdio::null());
    assert!(!publish.output().expect("it runs").status.success());
    Ended::well(publish.env("BELLWETHER_TOKEN", &writer));
}

#[test]
fn a_line_connection_may_write_for_as_long_as_its_token_is_good() {
    let port = Port::take();
    let listen = format!(
        "[[listen]]\nprotocol = \"line\"\nendpoint = \"tcp:{}\"\nclose = \"answered\"\n",
        port.number
    );
    let node = Node::alone(closed(Setup::new("hill").more(&listen)));
    let robot = node.token("robot", "write");
    let mut socket = connect(node.line_port());
    let mut lines = BufReader::new(socket.try_clone().expect("a second handle")).lines();
    let mut say = |line: &str| {
        socket.write_all(format!("{line}\n").as_bytes()).expect("the node takes it");
        lines.next().expect("an answer").expect("in UTF-8")
    };
    assert_eq!(say(REPORT), format!("? {REPORT}"));
    assert_eq!(say(&format!("AUTH {robot}")), "AUTH robot write");
    assert!(say(REPORT).starts_with("AT hill "));
    node.revoke_token("robot");
    assert_eq!(say(REPORT), format!("? {REPORT}"));

    // Where the first answer ends a connection, that of AUTH does not.
    let other = node.token("other", "write");
    let said = exchange(port.number, format!("AUTH {other}\n{REPORT}\n{REPORT}\n").as_bytes());
    let said = String::from_utf8(said).expect("UTF-8");
    assert!(said.starts_with("AUTH other write\nAT hill "), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn an_account_and_its_sessions_are_good_at_every_node_until_they_end() {
    let herd = Herd::mesh_of(2, closed);
    let (one, other) = (&herd[0], &herd[1]);
    one.run_well(&["account", "add", "ann"], "correct horse\n");
    let again = one.run(&["account", "add", "ann"], "another one\n");
    let said = &again.stderr;
    assert!(!again.status.success() && said.contains("there is an account ann"), "{said}");
    herd.settle();
    assert!(other.run_well(&["account", "list"], "").contains("ann   read,write"));

    // Signed in at one node, at home at both.
    assert_eq!(sign_in(other, "ann", "correct+horsf").0, 403);
    let (status, session) = sign_in(other, "ann", "correct+horse");
    assert_eq!(status, 303);
    for (node, title) in [(one, "a"), (other, "b")] {
        assert_eq!(put(node, title, &session), 201);
        assert_eq!(node.http.get(&format!("/v1/stories/{title}")).member("author"), "ann");
    }

    // Another password, said at one node, ends the session at both.
    one.run_well(&["account", "passwd", "ann"], "battery staple\n");
    assert_eq!(put(one, "c", &session), 401);
    await_put(other, "c", &session, 401);
    assert_eq!(sign_in(one, "ann", "correct+horse").0, 403);
    let (status, session) = sign_in(one, "ann", "battery+staple");
    assert_eq!((status, put(one, "c", &session)), (303, 201));

    // So does the end of the account, which takes the tokens of its name with it.
    let key = bearing(&one.token("ann", "write"));
    await_put(other, "d", &key, 201);
    one.run_well(&["account", "remove", "ann"], "");
    await_put(other, "d", &session, 401);
    await_put(other, "d", &key, 401);
    assert_eq!(sign_in(other, "ann", "battery+staple").0, 403);
}

#[test]
fn a_token_is_good_at_every_node_until_it_is_revoked_at_one() {
    let mut herd = Herd::mesh_of(2, closed);
    let token = bearing(&herd[0].token("robot", "read,write"));
    await_put(&herd[1], "a", &token, 201);
    let id = herd[1].token_id("robot");
    herd[1].run_well(&["token", "revoke", &id], "");
    assert_eq!(put(&herd[1], "a", &token), 401);
    await_put(&herd[0], "a", &token, 401);
    let again = herd[0].run(&["token", "revoke", &id], "");
    assert!(again.stderr.contains("no token has the id"), "{again:?}");
    // A node that starts anew has not forgotten.
    herd[0].stop();
    herd[0].restart();
    assert_eq!(put(&herd[0], "a", &token), 401);
}

#[test]
fn guessing_is_slowed() {
    let node = Node::alone(closed(Setup::new("hill")));
    node.run_well(&["account", "add", "ann"], "correct horse\n");
    let statuses: Vec<u16> = (0..12).map(|_| sign_in(&node, "ann", "wrong").0).collect();
    assert_eq!(statuses[..5], [403; 5], "mistyping costs nothing");
    // However slow this machine is, two seconds and more are not passed at each of seven tries.
    let slowed = statuses.iter().filter(|status| **status == 429).count();
    assert!(slowed >= 1, "{statuses:?}");
    // Someone else is not slowed.
    node.run_well(&["account", "add", "bob"], "battery staple\n");
    assert_eq!(sign_in(&node, "bob", "battery+staple").0, 303);
}

#[test]
fn hashes_are_in_no_stream_no_list_and_no_log() {
    let herd = Herd::mesh_of(2, closed);
    let robot = herd[0].token("robot", "write,admin");
    herd[0].run_well(&["account", "add", "ann"], "correct horse\n");
    let fields = bearing(&robot);
    assert_eq!(put(&herd[0], "a", &fields), 201);
    herd.settle();
    for node in &herd.nodes {
        let updates = ask(node, "GET", "/v1/updates?after=0&limit=1000", "", "").1;
        assert_eq!(updates.matches("\"kind\":\"").count(), 1, "{updates}");
        let topic = ask(node, "GET", "/v1/updates?after=0&topic=accounts", "", "").1;
        let lists =
            ["/v1/accounts", "/v1/tokens"].map(|path| ask(node, "GET", path, &fields, "").1);
        let herd = ask(node, "GET", "/v1/herd", "", "").1;
        for shown in [updates, topic, herd, node.log()].iter().chain(&lists) {
            for secret in ["argon2", "$v=19", &robot[..], "correct horse"] {
                assert!(!shown.contains(secret), "{secret} in {shown}");
            }
        }
    }
}

#[test]
fn commands_say_in_one_line_that_the_node_does_not_run() {
    let dir = scratch();
    let node = Node::down(Setup::new("hill"), &dir);
    for words in [&["account", "list"][..], &["token", "--name", "a", "--scope", "read"]] {
        let ended = node.run(words, "");
        let said = ended.stderr;
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains("the node hill does not run at 127.0.0.1:"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
