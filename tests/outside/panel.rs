//! What operators see of a herd of real processes: the panel, the metrics of all nodes, the way of
//! an update, logs; and what they do by hand.

use crate::harness::{Ended, Herd, Node, Setup, await_that, bellwether, key_of, scratch};
use crate::raw::{RawAnswer, ask, get, put};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Nodes a, b, c in a line: the ends know each other by their keys, and have no link.
fn line() -> Herd {
    let dir = scratch();
    let names = ["a", "b", "c"];
    let keys = names.map(|name| key_of(name, &dir));
    let known = |name: usize| {
        let others = (0..3).filter(|other| *other != name && (*other != 1));
        let table = |other: usize| {
            format!("[[peer]]\nname = \"{}\"\nkey = \"{}\"\n", names[other], keys[other])
        };
        others.map(table).collect::<String>()
    };
    let setups = [
        Setup::new("a").peer("b").more(&known(0)),
        Setup::new("b"),
        Setup::new("c").peer("b").more(&known(2)),
    ];
    let mut nodes: Vec<Node> = setups.into_iter().map(|setup| Node::down(setup, &dir)).collect();
    nodes.iter_mut().for_each(Node::begin);
    nodes.iter().for_each(Node::await_ready);
    Herd { nodes, dir }
}

/// A page of a node as a browser gets it.
fn page(node: &Node, path: &str) -> RawAnswer {
    browse(node, "GET", path, "", "")
}

/// Waits until a text that is asked for anew each time has all of these in it.
fn await_text(what: &str, look: impl Fn() -> String, parts: &[&str]) -> String {
    await_that(what, || {
        let text = look();
        match parts.iter().find(|part| !text.contains(**part)) {
            None => Ok(text),
            Some(part) => Err(format!("no {part} in {text}")),
        }
    })
}

fn herd_metrics(node: &Node, lines: &[&str]) -> String {
    await_text("the herd's metrics", || node.http.get("/metrics/herd").expect(200).text(), lines)
}

/// Waits until the picture of the herd has these parts.
fn await_picture(node: &Node, parts: &[&str]) {
    await_text("the picture", || page(node, "/panel?part=live").expect(200).text(), parts);
}

/// Prometheus' own judgement, of a page of metrics or a file of rules.
fn promtool(words: &[&str], input: &str) {
    let mut command = Command::new("promtool");
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool is missing: run `make deps`");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(input.as_bytes()).expect("it takes the page");
    drop(pipe);
    let output = child.wait_with_output().expect("the child is ours");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    // Its advice comes there with a good status.
    assert_eq!(stderr.trim(), "", "{stdout}");
}

fn contrib(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(name);
    path.to_str().expect("a path in UTF-8").to_owned()
}

#[test]
fn the_panel_and_the_metrics_show_every_node_over_links_alone_and_which_is_dead() {
    let mut herd = line();
    // The ends have no link to each other: what c says of itself comes by way of b.
    let ups = ["a", "b", "c"].map(|name| format!("\nbellwether_up{{node=\"{name}\"}} 1\n"));
    let text = herd_metrics(&herd[0], &ups.each_ref().map(String::as_str));
    for name in ["a", "b", "c"] {
        let sample = format!("\nprocess_threads{{node=\"{name}\"}} ");
        assert!(text.contains(&sample), "{name}: {text}");
    }
    promtool(&["check", "metrics"], &text);
    promtool(&["check", "metrics"], &herd[1].http.get("/metrics").expect(200).text());
    let html = page(&herd[0], "/panel").expect(200).text();
    for part in ["<title>a: up", "<title>b: up", "<title>c: up", "The last hour of a"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let other = page(&herd[0], "/panel?part=charts&node=c").expect(200).text();
    assert!(other.contains("It logs from info on"), "{other}");
    let view = herd[0].http.get("/v1/panel").expect(200).json();
    assert_eq!(view["nodes"][2]["says"]["name"], "c", "{view}");

    herd[2].kill9();
    let text = herd_metrics(&herd[0], &["\nbellwether_up{node=\"c\"} 0\n"]);
    assert!(text.contains("\nbellwether_answer_age_seconds{node=\"c\"} "), "{text}");
    promtool(&["check", "metrics"], &text);
    await_picture(&herd[0], &["<title>c: down", "<title>b – c: down"]);

    herd[2].restart();
    herd_metrics(&herd[0], &["\nbellwether_up{node=\"c\"} 1\n"]);
    await_picture(&herd[0], &["<title>c: up", "<title>b – c: up"]);
}

#[test]
fn a_node_that_hangs_is_down_and_holds_up_nobody_for_long() {
    let herd = Herd::mesh(3);
    herd_metrics(&herd[0], &["\nbellwether_up{node=\"node3\"} 1\n"]);
    herd[2].signal("STOP");
    let text = herd_metrics(&herd[0], &["\nbellwether_up{node=\"node3\"} 0\n"]);
    assert!(text.contains("\nbellwether_up{node=\"node2\"} 1\n"), "{text}");
    herd[2].signal("CONT");
    herd_metrics(&herd[0], &["\nbellwether_up{node=\"node3\"} 1\n"]);
}

#[test]
fn the_way_of_an_update_is_shown_hop_by_hop_from_any_node() {
    let herd = line();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let fields = format!("Traceparent: 00-{trace}-00f067aa0ba902b7-01\r\n");
    let made = put(herd[0].http_port(), "/v1/stories/x", &fields, "text").expect(201).json();
    let id = made["id"].as_str().expect("an id").to_owned();
    herd[0].await_log(&format!("update {id} is of trace {trace}"));
    herd.settle();
    let path = format!("/v1/updates/{id}/trace");
    for node in &herd.nodes {
        let view = await_that("the whole way", || {
            let view = node.http.get(&path).expect(200).json();
            let nodes = view["nodes"].as_array().expect("a list");
            let is_whole = nodes.len() == 3 && nodes.iter().all(|hop| hop["at_us"].is_u64());
            if is_whole { Ok(view) } else { Err(view.to_string()) }
        });
        assert_eq!((&view["origin"], &view["trace_id"]), (&"a".into(), &trace.into()), "{view}");
        let hops = view["nodes"].as_array().expect("a list");
        let from = |name: &str| hops.iter().find(|hop| hop["node"] == name).map(|h| &h["from"]);
        assert_eq!(from("a"), Some(&Value::Null), "{view}");
        assert_eq!(from("b"), Some(&"a".into()), "{view}");
        assert_eq!(from("c"), Some(&"b".into()), "{view}");
        assert!(hops.iter().all(|hop| hop["on_disk_ms"].is_u64()), "{view}");
    }
    let said = Ended::well(bellwether().args(["trace", &id, "--node", &herd[2].url()]));
    assert!(said.starts_with(&format!("trace {trace}\nNODE")), "{said}");
    assert_eq!(said.matches("published here").count(), 1, "{said}");
    let html = page(&herd[1], &format!("/panel?spread={id}")).expect(200).text();
    assert_eq!(html.matches("data-after=").count(), 3, "{html}");
    let unknown = "0".repeat(64);
    let ended = Ended::of(bellwether().args(["trace", &unknown, "--node", &herd[0].url()]));
    assert_eq!(ended.status.code(), Some(1));
}

/// A request as a browser on the node's machine makes it.
fn browse(node: &Node, method: &str, path: &str, fields: &str, body: &str) -> RawAnswer {
    let (port, length) = (node.http_port(), body.len());
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/html\r\n{fields}\
         Content-Length: {length}\r\n\r\n{body}"
    );
    ask(port, request)
}

/// Posts the form behind a question, as a browser does.
fn act(node: &Node, word: &str, target: &str) -> RawAnswer {
    let question = page(node, &format!("/panel/confirm?do={word}&target={target}")).expect(200);
    let cookie = question.field("set-cookie").expect("a cookie").to_owned();
    let (cookie, _) = cookie.split_once(';').expect("its attributes");
    let html = question.text();
    let value = |name: &str| {
        let (_, rest) = html.split_once(&format!("name=\"{name}\" value=\"")).expect(name);
        rest.split_once('"').expect("a quote").0.to_owned()
    };
    let form = format!("csrf={}&do={}&target={}", value("csrf"), value("do"), value("target"));
    let fields = format!(
        "Origin: http://127.0.0.1:{}\r\nCookie: {cookie}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n",
        node.http_port()
    );
    browse(node, "POST", "/panel/do", &fields, &form)
}

#[test]
fn what_an_operator_does_by_hand_happens_and_is_logged() {
    let herd = Herd::mesh(2);
    await_picture(&herd[0], &["<title>node1 – node2: up"]);
    assert!(act(&herd[0], "drop", "node2").expect(200).text().contains("Done"));
    herd[0].await_log("operator somebody at 127.0.0.1");
    herd[0].await_log("drop the link to node2");
    herd[0].await_log("link to node2 lost");
    await_picture(&herd[0], &["<title>node1 – node2: up"]);
    let refused = act(&herd[1], "drop", "nobody").expect(409).text();
    assert!(refused.contains("no link to nobody stands here"), "{refused}");
    act(&herd[1], "dial", "node9").expect(409);

    act(&herd[0], "level", "debug").expect(200);
    let id = herd[0].http.write("a", "x");
    herd[0].await_log(&format!("update {id} can be read here"));

    // Only a form of this very site does anything, and only here.
    let form = "csrf=&do=drain&target=";
    for fields in ["", "Origin: http://evil.example\r\n"] {
        browse(&herd[1], "POST", "/panel/do", fields, form).expect(403);
    }
    let elsewhere = get(herd[1].http_port(), "/panel", "Accept: text/html\r\n").expect(303);
    assert_eq!(elsewhere.field("location"), Some("/sign-in?to=%2Fpanel"));
    herd[1].http.get("/readyz").expect(200);

    let mut herd = herd;
    act(&herd[1], "drain", "").expect(200);
    herd[1].await_stopped();
}

#[test]
fn a_member_is_retired_by_hand() {
    let herd = Herd::mesh(2);
    let keys = herd[1].http.get("/v1/charter").json();
    let key = keys["key"].as_str().expect("a key").to_owned();
    let words = ["charter", "add", "node2", &key, "--node", &herd[0].url()];
    Ended::well(bellwether().args(words));
    let html = || page(&herd[0], "/panel").text();
    await_text("the charter", html, &["Retire node2", "<title>node1 – node2: up"]);
    act(&herd[0], "retire", "node2").expect(200);
    let charter = || herd[0].http.get("/v1/charter").text();
    await_text("the retirement", charter, &["\"retired\":true"]);
    herd[0].await_log("link to node2 ends");
}

#[test]
fn logs_may_be_json_and_change_their_level_while_the_node_runs() {
    let log = "[log]\nformat = \"json\"\nlevel = \"warn\"\n";
    let mut node = Node::alone(Setup::new("Hill").more(log));
    let first = node.http.write("a", "x");
    node.setup.more = log.replace("warn", "debug");
    node.rewrite_config();
    node.signal("HUP");
    node.await_log("the configuration was read again");
    let second = node.http.write("b", "x");
    node.await_log(&second);
    // What is wrong changes nothing.
    node.setup.more = "[log]\nlevel = \"loud\"\n".to_owned();
    node.rewrite_config();
    node.signal("HUP");
    node.await_log("the configuration stays as it was");
    let text = node.log();
    assert!(!text.contains(&first), "{text}");
    let mut lines = text.lines().peekable();
    assert!(lines.peek().is_some());
    for line in lines {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_eq!(line["node"], "Hill");
        for key in ["at", "level", "target", "message"] {
            assert!(line[key].is_string(), "{line}");
        }
    }
}

#[test]
fn what_is_ready_for_other_programs_is_what_they_want() {
    for file in ["alerts.yml", "prometheus.yml"] {
        let kind = if file == "alerts.yml" { "rules" } else { "config" };
        promtool(&["check", kind, &contrib(file)], "");
    }
    let board = std::fs::read_to_string(contrib("grafana.json")).expect("a dashboard");
    let board: Value = serde_json::from_str(&board).expect("JSON");
    // Each metric that it or an alert names is one that a herd gives.
    let herd = Herd::mesh(2);
    herd[0].http.write("a", "x");
    herd[0].line(b"IAMAT a +1+1 1\n");
    let page = herd_metrics(&herd[0], &["\nbellwether_up{node=\"node2\"} 1\n"]);
    let rules = std::fs::read_to_string(contrib("alerts.yml")).expect("rules");
    let rules = rules.lines().filter(|line| line.contains("expr:")).map(str::to_owned);
    let panels = board["panels"].as_array().expect("panels").iter();
    let shown = panels.flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let shown = shown.map(|target| target["expr"].as_str().expect("an expression").to_owned());
    let mut count = 0;
    for expression in rules.chain(shown) {
        for word in expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
            if word.starts_with("bellwether_") || word.starts_with("process_") {
                count += 1;
                assert!(page.contains(&format!("\n{word}{{")), "{word} of {expression}\n{page}");
            }
        }
    }
    assert!(count > 15, "{count}");
}
