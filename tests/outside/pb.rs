//! Perspective Broker with real Twisted at the other end: as a client of ours, and as a server of
//! our client.

use crate::guests::{client, said, values};
use crate::harness::{Ended, Node, Port, Process, Setup, await_that, bellwether, scratch};
use serde_json::{Value, json};
use std::process::Stdio;

/// A node with a listener for it.
fn node(more: &str, change: impl FnOnce(Setup) -> Setup) -> (Node, Port) {
    let port = Port::take();
    let listen =
        format!("[[listen]]\nprotocol = \"pb\"\nendpoint = \"tcp:{}\"\n{more}", port.number);
    (Node::alone(change(Setup::new("Hill").more(&listen))), port)
}

const CLOSED: &str = "[accounts]\nopen = false\n";

/// What Twisted's client says while it goes through these steps.
fn twisted(port: &Port, login: &[&str], steps: &[Value]) -> Vec<Value> {
    let mut arguments = vec![port.number.to_string()];
    arguments.extend(login.iter().map(|word| (*word).to_owned()));
    arguments.extend(steps.iter().map(Value::to_string));
    said("pb_client", &arguments)
}

fn answers(said: &[Value]) -> Vec<&Value> {
    said.iter().filter_map(|value| value.get("answer")).collect()
}

/// The classes of what failed.
fn failures(said: &[Value]) -> Vec<&str> {
    said.iter().filter_map(|value| value["failure"].as_str()).collect()
}

fn is_a(failure: &Value, class: &str) -> bool {
    failure["parents"].as_array().expect("parents").iter().any(|parent| parent == class)
}

#[test]
fn twisted_writes_reads_and_is_called_back() {
    let (node, port) = node("", |setup| setup);
    let said = twisted(
        &port,
        &[],
        &[
            json!(["call", "hello"]),
            json!(["subscribe", {"section": "sky", "after": "0"}, 0]),
            json!(["call", "publish", ["Weather", "It rains."],
                {"section": "sky", "author": "Mia"}]),
            json!(["await", 1]),
            json!(["call", "publish", ["Other", {"bytes": [0, 255]}], {"section": "ground"}]),
            json!(["call", "read", ["Weather"]]),
            json!(["call", "read", ["Other"]]),
            json!(["call", "publish", ["Weather", "It pours."],
                {"section": "sky", "conflict": "overwrite"}]),
            json!(["await", 2]),
            json!(["call", "history", ["Weather"]]),
            json!(["unsubscribe"]),
            json!(["call", "stories", [], {"section": "ground"}]),
            json!(["call", "post", ["t", "a note"], {"media_type": "text/plain"}]),
            json!(["call", "statistics"]),
        ],
    );
    assert_eq!(failures(&said), [""; 0], "{said:?}");
    let answers = answers(&said);
    assert_eq!(answers[0], "Hello, World!");
    let made = answers[2];
    assert_eq!((&made["title"], &made["durability"]["met"]), (&json!("Weather"), &json!("local")));
    let read = answers[4];
    assert_eq!((&read["body"], &read["author"]), (&json!("It rains."), &json!("Mia")));
    assert_eq!(read["id"], made["id"]);
    assert_eq!(answers[5]["body_base64"], "AP8=");
    let revisions = answers[7]["revisions"].as_array().expect("revisions");
    assert_eq!(revisions.len(), 2);
    assert_eq!(revisions[1]["id"], made["id"]);
    assert_eq!(answers[8], true);
    assert_eq!(answers[9]["stories"][0]["title"], "Other");
    let counts = &answers[11]["counts"]["pb"];
    assert_eq!((&counts["connections"], &counts["updates"]), (&json!(1), &json!(2)), "{counts}");
    // What was sent to the callback is what a stream would have sent, with its cursors.
    let updates: Vec<&Value> = said.iter().filter(|value| value.get("update").is_some()).collect();
    let bodies: Vec<&Value> = updates.iter().map(|update| &update["is"]["body"]).collect();
    assert_eq!(bodies, ["It rains.", "It pours."]);
    assert_eq!(updates[0]["is"]["id"], made["id"]);
    // HTTP knows of it, and a reader goes on behind a cursor of the callback's.
    let http = node.http.get("/v1/stories/Weather").expect(200).json();
    assert_eq!(http["body"], "It pours.");
    let after = updates[0]["update"].as_str().expect("a cursor");
    let rest = twisted(&port, &[], &[json!(["subscribe", {"section": "sky", "after": after}, 1])]);
    let seen: Vec<&Value> = rest.iter().filter_map(|value| value.get("is")).collect();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0]["body"], "It pours.");
    await_that("the end of all connections", || {
        let page = node.http.get("/metrics").expect(200).text();
        let is_over = ["connections_open 0", "subscriptions_open 0"]
            .iter()
            .all(|line| page.contains(&format!("\nbellwether_broker_{line}\n")));
        if is_over { Ok(()) } else { Err(page) }
    });
}

#[test]
fn twisted_can_trap_what_is_refused() {
    let (_node, port) = node("", |setup| setup);
    let said = twisted(
        &port,
        &[],
        &[
            json!(["call", "publish", ["A", "one"]]),
            json!(["call", "publish", ["A", "two"]]),
            json!(["call", "publish", ["A", "two"], {"base": "0".repeat(64), "conflict": "fail"}]),
            json!(["call", "read", ["nowhere"]]),
            json!(["call", "read", []]),
            json!(["call", "publish", ["B", "x"], {"titel": "y"}]),
            json!(["call", "shout", ["x"]]),
            json!(["call", "withdraw", ["A", "a mistake"]]),
            json!(["call", "read", ["A"]]),
            json!(["call", "subscribe", ["no object"]]),
            json!(["call", "hello"]),
        ],
    );
    let found: Vec<&Value> = said.iter().filter(|value| value.get("failure").is_some()).collect();
    let classes = failures(&said);
    assert_eq!(classes[0], "bellwether.BaseRequired");
    assert_eq!(
        classes[2..],
        [
            "bellwether.NotFound",
            "bellwether.Malformed",
            "bellwether.BadFields",
            "twisted.spread.flavors.NoSuchMethod",
            "bellwether.Gone",
            "bellwether.Malformed",
        ]
    );
    assert!(is_a(found[0], "bellwether.Conflict") && is_a(found[0], "bellwether.Error"));
    for failure in &found {
        let is_ours = failure["failure"].as_str().is_some_and(|of| of.starts_with("bellwether."));
        assert_eq!(is_a(failure, "twisted.spread.pb.Error"), is_ours, "{failure}");
        assert!(is_a(failure, "builtins.Exception"), "{failure}");
    }
    assert_eq!(found[2]["problem"]["status"], 404);
    assert_eq!(found[4]["problem"]["fields"][0]["field"], "titel");
    assert_eq!(found[6]["problem"]["reason"], "a mistake");
    // None of them cost the connection.
    assert_eq!(answers(&said).last(), Some(&&json!("Hello, World!")));
}

#[test]
fn twisted_logs_in_with_a_token_and_out_by_letting_go() {
    let (node, port) = node(CLOSED, |setup| setup);
    let secret = node.token("ann", "write");
    let publish = |title: &str| json!(["call", "publish", [title, "x"]]);
    let steps = [
        publish("mine"),
        json!(["call", "read", ["mine"]]),
        json!(["drop"]),
        json!(["call", "statistics"]),
        publish("not mine"),
    ];
    let said = twisted(&port, &["--login", "ann", &secret], &steps);
    let answers = answers(&said);
    assert_eq!(answers[1]["author"], "ann");
    let counts = &answers[2]["counts"]["pb"];
    assert_eq!(counts["avatars"], 0, "{counts}");
    // The root may do what anyone may.
    assert_eq!(failures(&said), ["bellwether.SignInRequired"]);
    let failure = said.iter().find(|value| value.get("failure").is_some()).expect("one");
    assert!(is_a(failure, "twisted.cred.error.Unauthorized"), "{failure}");
    for login in [["--login", "ann", "bw_wrong"], ["--login", "bob", &secret]] {
        let said = twisted(&port, &login, &[]);
        assert_eq!(failures(&said), ["twisted.cred.error.UnauthorizedLogin"], "{said:?}");
    }
    let said =
        twisted(&port, &["--anonymous"], &[json!(["call", "read", ["mine"]]), publish("no")]);
    assert_eq!(failures(&said), ["bellwether.SignInRequired"]);
    assert_eq!(said[0]["answer"]["title"], "mine");
    let reader = node.token("ron", "read");
    let said = twisted(&port, &["--login", "ron", &reader], &[publish("no")]);
    assert_eq!(failures(&said), ["bellwether.Forbidden"]);
}

#[test]
fn twisted_takes_big_bodies_in_pages_and_sends_them_in_pieces() {
    let (node, port) = node("", |setup| setup);
    let body = "0123456789abcdef".repeat(60_000);
    node.http.write("big", &body);
    let said = twisted(
        &port,
        &[],
        &[
            json!(["call", "read", ["big"]]),
            json!(["pages", "readPaged", ["big"]]),
            json!(["call", "hello"]),
        ],
    );
    assert_eq!(
        (&said[0]["answer"]["left_out"], &said[0]["answer"]["title"]),
        (&json!(["body"]), &json!("big"))
    );
    let sizes = said[1]["pages"].as_array().expect("pages");
    assert_eq!(sizes.len(), body.len().div_ceil(8192));
    assert!(sizes[..sizes.len() - 1].iter().all(|size| *size == 8192));
    assert_eq!(said[1]["text"], body);
    assert_eq!(said[2]["answer"], "Hello, World!");
    // A body of more than fits in one string, as a list of texts, and cut once more on the wire:
    // its message in writes of 1,000 bytes, the next one in single bytes.
    let texts: Vec<String> = (0..9).map(|n| format!("{n} rain \u{e9}\n")).collect();
    let pieces: Vec<Value> =
        texts.iter().map(|text| json!({"text": text, "times": 10_000})).collect();
    let whole: String = texts.iter().map(|text| text.repeat(10_000)).collect();
    let said = twisted(
        &port,
        &[],
        &[
            json!(["cut", 1000]),
            json!(["call", "publish", ["pieces", pieces]]),
            json!(["cut", 1]),
            json!(["call", "hello"]),
            json!(["pages", "readPaged", ["pieces"]]),
        ],
    );
    assert_eq!(failures(&said), [""; 0], "{said:?}");
    assert_eq!(
        (&said[0]["answer"]["title"], &said[1]["answer"]),
        (&json!("pieces"), &json!("Hello, World!"))
    );
    assert!(whole.len() > 655_360 && said[2]["text"] == whole);
    assert_eq!(node.http.get("/v1/stories/pieces").expect(200).json()["body"], whole);
}

#[test]
fn a_callback_goes_on_at_another_node_of_the_herd() {
    let dir = scratch();
    let listen = |port: &Port| {
        format!("[[listen]]\nprotocol = \"pb\"\nendpoint = \"tcp:{}\"\n", port.number)
    };
    let ports = [Port::take(), Port::take()];
    let first = Node::start(Setup::new("node1").more(&listen(&ports[0])), &dir);
    let second = Setup::new("node2").peer("node1").more(&listen(&ports[1]));
    let _second = Node::start(second, &dir);
    let read_at_first = json!(["subscribe", {"after": "0"}, 1]);
    let said = twisted(&ports[0], &[], &[json!(["call", "publish", ["A", "one"]]), read_at_first]);
    let seen = said.iter().find(|value| value.get("update").is_some()).expect("an update");
    first.http.write("B", "two");
    let go_on = json!(["subscribe", {"after": seen["update"]}, 1]);
    let said = twisted(&ports[1], &[], &[go_on, json!(["call", "read", ["A"]])]);
    let bodies: Vec<&Value> = said.iter().filter_map(|value| value.get("is")).collect();
    assert_eq!(bodies.len(), 1, "{said:?}");
    assert_eq!(bodies[0]["body"], "two");
    assert_eq!(answers(&said)[1]["body"], "one");
}

/// Twisted's server, and where it listens.
fn server() -> (Process, String) {
    let mut command = client::<&str>("pb_server", &[]);
    let process = Process::start(command.stdin(Stdio::piped()));
    let said = process.stdout.wait(|out| out.contains("listening") && out.ends_with('\n'));
    assert!(said.is_ok(), "{said:?} {}", process.stderr.text());
    let port = values(&process.stdout.text())[0]["listening"].clone();
    (process, format!("127.0.0.1:{port}"))
}

/// What our client says to its arguments.
fn ours(server: &str, password: &str, words: &[&str]) -> Ended {
    let mut command = bellwether();
    command.arg("pb").args(words).args(["--server", server]).env("BELLWETHER_TOKEN", password);
    Ended::of(&mut command)
}

#[test]
fn our_client_calls_twisteds_server() {
    let (process, server) = server();
    let lines = |words: &[&str]| {
        let ended = ours(&server, "secret", words);
        assert!(ended.status.success(), "{words:?}: {}", ended.stderr);
        values(&ended.stdout)
    };
    let echoed = lines(&["echo", "x", "7", "[1, 2.5, null, true]", "k={\"a\": \"b\"}"]);
    assert_eq!(echoed, [json!([["x", 7, [1, 2.5, null, true]], {"k": {"a": "b"}}])]);
    // Twisted calls our object, and waits for its answers before it gives its own.
    let called = lines(&["callme", "@", "2", "--count", "2"]);
    let call = |n| json!({"called": "notify", "args": [n], "named": {"word": "w"}});
    assert_eq!(called, [call(0), call(1), json!(2)]);
    let answered = process.stdout.wait(|out| out.contains("\"called\": [null, null]"));
    assert!(answered.is_ok(), "{answered:?}");
    // Its pager, which asks for no answers.
    let paged = lines(&["pages", "@", "20000", "--count", "4"]);
    let sizes = |value: &Value| value["args"][0].as_str().map(str::len);
    let pages: Vec<usize> = paged.iter().filter_map(sizes).collect();
    assert_eq!(pages, [8192, 8192, 3616]);
    assert_eq!(lines(&["whoami", "--name", "alice"]), [json!("alice")]);
    assert_eq!(lines(&["whoami", "--anonymous"]), [json!("anonymous")]);
    let out = process.stdout.wait(|out| out.matches("logout").count() == 2);
    assert!(out.is_ok(), "{out:?}");
    for (password, words, says) in [
        ("secret", &["boom", "bad thing"][..], "builtins.ValueError: bad thing"),
        ("secret", &["nothing"], "NoSuchMethod"),
        ("wrong", &["whoami", "--name", "alice"], "twisted.cred.error.UnauthorizedLogin"),
        ("secret", &["strange"], "a class in it that is not known here"),
    ] {
        let ended = ours(&server, password, words);
        assert_eq!(ended.status.code(), Some(1), "{words:?}: {}", ended.stdout);
        assert!(ended.stderr.contains(says), "{words:?}: {}", ended.stderr);
    }
}

#[test]
fn our_client_calls_our_own_server() {
    let (node, port) = node(CLOSED, |setup| setup);
    let server = format!("127.0.0.1:{}", port.number);
    let secret = node.token("ann", "write,withdraw");
    let login = ["--name", "ann"];
    let made = ours(&server, &secret, &[&["publish", "A", "one"][..], &login].concat());
    assert!(made.status.success(), "{}", made.stderr);
    let read = ours(&server, "", &["read", "A"]);
    assert_eq!(values(&read.stdout)[0]["body"], "one");
    let followed = ours(&server, "", &["subscribe", "@", "after=0", "--count", "1"]);
    let called = values(&followed.stdout);
    let update = called.iter().find(|value| value["called"] == "update").expect("an update");
    assert_eq!(update["args"][1]["body"], "one");
    let refused = ours(&server, "", &["withdraw", "A"]);
    assert!(refused.stderr.contains("bellwether.SignInRequired"), "{}", refused.stderr);
    let gone = ours(&server, &secret, &[&["withdraw", "A", "why"][..], &login].concat());
    assert!(gone.status.success(), "{}", gone.stderr);
}
