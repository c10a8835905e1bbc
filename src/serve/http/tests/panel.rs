//! What operators see and do, over a herd that answers when a test lets it.

use super::{Bench, Reply, TestDesk};
use crate::reactor::{ConnId, Ctx};
use crate::serve::{About, Action, Console, Gathered, Ticket, Told};
use crate::update::Cid;
use serde_json::{Value, json};

/// The herd of these tests: what it says, and what it was asked and told.
#[derive(Default)]
pub(super) struct Herd {
    asked: Vec<About>,
    /// It says nothing yet.
    is_silent: bool,
    /// Too much is asked.
    is_busy: bool,
    waiting: Vec<ConnId>,
    acts: Vec<(String, String)>,
    traces: Vec<(Cid, String)>,
    refusal: Option<String>,
}

impl Herd {
    fn says(about: &About) -> Gathered {
        let told = |node: &str, body: &str, is_up: bool| Told {
            node: node.to_owned(),
            body: body.as_bytes().to_vec(),
            is_up,
            age_ms: is_up.then_some(0),
            between_ms: (0, 0),
        };
        let link = |to: &str| json!({"to": to, "state": "up", "mode": "eager", "lag_updates": 0});
        Gathered::from(match about {
            About::Metrics => vec![
                told("node1", "# HELP x X.\n# TYPE x gauge\nx 1\n", true),
                told("node2", "", false),
            ],
            About::Glance => vec![
                told("node1", &json!({"links": [link("<node2>")]}).to_string(), true),
                told("<node2>", "", false),
            ],
            About::Detail(name) => vec![told(name, r#"{"log_level": "info"}"#, true)],
            About::Trace(_) => vec![
                told("node1", r#"{"held": true, "at_us": 5000, "now_ms": 0}"#, true),
                told("<node2>", r#"{"held": true, "from": "node1", "at_us": 7000}"#, true),
            ],
        })
    }
}

impl Console for TestDesk {
    fn ask_herd(&mut self, _: &mut Ctx<'_, Self>, about: &About) -> Option<u64> {
        if self.herd.is_busy {
            return None;
        }
        self.herd.asked.push(about.clone());
        Some(self.herd.asked.len() as u64 - 1)
    }

    fn answers(&mut self, number: u64, conn: ConnId) -> Option<Gathered> {
        if self.herd.is_silent {
            self.herd.waiting.push(conn);
            return None;
        }
        self.herd.asked.get(number as usize).map(Herd::says)
    }

    fn act(
        &mut self,
        _: &mut Ctx<'_, Self>,
        action: &Action,
        who: &str,
    ) -> Result<Option<Ticket>, String> {
        self.herd.acts.push((action.to_string(), who.to_owned()));
        self.herd.refusal.clone().map_or(Ok(None), Err)
    }

    fn note_trace(&mut self, cid: Cid, trace_id: &str) {
        self.herd.traces.push((cid, trace_id.to_owned()));
    }

    fn members(&self) -> Vec<(String, bool)> {
        vec![("node1".to_owned(), false), ("gone".to_owned(), true), ("b&".to_owned(), false)]
    }
}

/// What someone on the node's machine gets.
fn ask(bench: &mut Bench, target: &str) -> Reply {
    bench.ask(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

#[test]
fn the_metrics_of_the_herd_say_who_is_down() {
    let mut bench = Bench::new();
    let reply = bench.get("/metrics/herd").is(200);
    assert_eq!(reply.field("content-type"), Some(crate::metrics::Exposition::MEDIA_TYPE));
    for line in ["x{node=\"node1\"} 1", "bellwether_up{node=\"node2\"} 0"] {
        assert!(reply.body.lines().any(|have| have == line), "{reply:?}");
    }
}

#[test]
fn who_asks_the_herd_too_much_is_told_to_come_back() {
    let mut bench = Bench::new();
    bench.node.state.herd.is_busy = true;
    for target in ["/metrics/herd", "/v1/panel", "/panel"] {
        let reply = ask(&mut bench, target).is(503);
        assert_eq!(reply.field("retry-after"), Some("1"), "{target}");
    }
}

#[test]
fn who_asks_the_herd_waits_for_it_and_pipelined_requests_wait_behind() {
    let mut bench = Bench::new();
    bench.node.state.herd.is_silent = true;
    let no = bench.connect();
    let request = "GET /v1/panel HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    bench.send(no, format!("{request}GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
    bench.run(50);
    assert_eq!(bench.take(no), "");
    bench.with(|cx, desk| {
        desk.herd.is_silent = false;
        for conn in std::mem::take(&mut desk.herd.waiting) {
            cx.transport_of(conn).notify();
        }
    });
    bench.run(50);
    let text = bench.take(no);
    assert!(text.contains("\"up\":false") && text.ends_with("Hello, World!"), "{text}");
    // An answer that never comes ends in a refusal.
    bench.node.state.herd.is_silent = true;
    bench.send(no, request);
    bench.run(6_000);
    assert!(bench.take(no).starts_with("HTTP/1.1 503 "));
    bench.send(no, request);
    bench.run(10);
    bench.drop_client(no);
    bench.node.state.herd.is_silent = false;
    ask(&mut bench, "/v1/panel").is(200);
}

#[test]
fn the_panel_is_whole_without_script_and_its_parts_can_be_had_alone() {
    let mut bench = Bench::new();
    let page = ask(&mut bench, "/panel");
    assert_eq!((page.status, page.field("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.field("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    for part in ["&#60;node2&#62;: down", "Retire b&#38;", "It logs from info on", "/panel.js"] {
        assert!(page.body.contains(part), "{part}\n{}", page.body);
    }
    for part in ["<node2>", "Retire gone", "Retire node1", "style=\"", "onclick"] {
        assert!(!page.body.contains(part), "{part}");
    }
    let live = ask(&mut bench, "/panel?part=live");
    assert!(live.body.contains("<svg") && !live.body.contains("<html"), "{live:?}");
    let charts = ask(&mut bench, "/panel?part=charts&node=other");
    assert!(charts.body.contains("It logs from info on"), "{charts:?}");
    assert!(bench.node.state.herd.asked.contains(&About::Detail("other".to_owned())));
    for (path, media_type) in
        [("/panel.css", "text/css; charset=utf-8"), ("/panel.js", "text/javascript; charset=utf-8")]
    {
        assert_eq!(bench.get(path).is(200).field("content-type"), Some(media_type));
    }
    ask(&mut bench, "/panel?spread=x").is(400);
    let id = "0".repeat(64);
    let spread = ask(&mut bench, &format!("/panel?spread={id}"));
    assert!(spread.body.contains("data-after=\"2.0\""), "{}", spread.body);
    let trace = bench.get(&format!("/v1/updates/{id}/trace")).is(200).json();
    assert_eq!((&trace["id"], &trace["nodes"][1]["from"]), (&json!(id), &json!("node1")));
    bench.get("/v1/updates/x/trace").is(400);
}

fn form(fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /panel/do HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\
         {fields}Content-Length: {length}\r\n\r\n{body}"
    )
}

#[test]
fn what_is_done_by_hand_is_asked_about_first_and_done_by_a_form_of_this_site() {
    let mut bench = Bench::new();
    let page = ask(&mut bench, "/panel/confirm?do=drop&target=%3Cb%3E");
    assert!(page.body.contains("drop the link to &#60;b&#62;"), "{}", page.body);
    assert!(page.body.contains("method=\"post\""), "{}", page.body);
    ask(&mut bench, "/panel/confirm?do=explode").is(400);
    ask(&mut bench, "/panel/do").is(405);
    assert!(bench.node.state.herd.acts.is_empty());
    let cookie = page.field("set-cookie").unwrap().split_once(';').unwrap().0;
    let cookie = format!("Cookie: {cookie}\r\n");
    let (_, csrf) = page.body.split_once("name=\"csrf\" value=\"").unwrap();
    let csrf = csrf.split_once('"').unwrap().0;
    let body = format!("csrf={csrf}&do=drop&target=%3Cb%3E");
    let done = bench.ask(form(&format!("Origin: http://localhost\r\n{cookie}"), &body));
    assert!(done.status == 200 && done.body.contains("&#60;b&#62;"), "{done:?}");
    let acts = std::mem::take(&mut bench.node.state.herd.acts);
    assert!(acts.len() == 1 && acts[0].0 == "drop the link to <b>", "{acts:?}");
    assert!(acts[0].1.contains("127.0.0.1"), "{acts:?}");
    let drain = format!("csrf={csrf}&do=drain");
    for (fields, body, status) in [
        ("Origin: http://evil\r\n", &drain[..], 403),
        ("Origin: null\r\n", &drain, 403),
        ("Sec-Fetch-Site: cross-site\r\n", &drain, 403),
        ("", "csrf=guess&do=drain", 403),
        ("", "do=drain", 403),
        ("", &format!("csrf={csrf}&do=explode"), 400),
        ("", &format!("csrf={csrf}&do=dial"), 400),
        ("", "%", 400),
        ("", &"x".repeat(5_000), 413),
    ] {
        bench.ask(form(&format!("{fields}{cookie}"), body)).is(status);
    }
    bench.ask(form("", &drain)).is(403);
    assert!(bench.node.state.herd.acts.is_empty());
    bench.node.state.herd.refusal = Some("no link to <b>".to_owned());
    let refused = bench.ask(form(&cookie, &format!("csrf={csrf}&do=drop&target=b")));
    assert!(
        refused.status == 409 && refused.body.contains("no link to &#60;b&#62;"),
        "{refused:?}"
    );
}

#[test]
fn a_write_with_a_traceparent_belongs_to_its_trace() {
    let mut bench = Bench::new();
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let field = format!("Content-Type: text/plain\r\nTraceparent: 00-{id}-00f067aa0ba902b7-01\r\n");
    let made = bench.put("/v1/stories/a", &field, "x").is(201);
    let traces = &bench.node.state.herd.traces;
    assert_eq!(*traces, [(made.id().parse().unwrap(), id.to_owned())]);
    bench.put("/v1/stories/b", "Content-Type: text/plain\r\nTraceparent: x\r\n", "x").is(201);
    assert_eq!(bench.node.state.herd.traces.len(), 1);
}

#[test]
fn requests_that_ask_too_much_are_counted_by_limit_and_address() {
    let mut bench = Bench::new();
    bench.put("/v1/stories/a", "Content-Type: text/plain\r\n", &"x".repeat(1 << 21)).is(413);
    let over: Vec<_> = bench.node.state.tally.over().map(|(limit, _, n)| (limit, n)).collect();
    assert_eq!(over, [("body too large", 1)]);
    let page: Value = json!(bench.get("/metrics").is(200).body);
    assert!(page.as_str().unwrap().contains("bellwether_http_request_seconds_count 1"), "{page}");
}

#[test]
fn where_accounts_are_not_open_the_panel_is_for_who_has_signed_in() {
    let mut bench = Bench::new();
    bench.node.state.config.accounts_open = Some(false);
    for path in ["/panel", "/panel?part=live", "/panel/confirm?do=drain", "/v1/panel"] {
        ask(&mut bench, path).is(401);
    }
    bench.ask(form("", "do=drain")).is(401);
    let page = bench.ask("GET /panel HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n");
    assert_eq!((page.status, page.field("location")), (303, Some("/sign-in?to=%2Fpanel")));
    assert!(bench.node.state.herd.asked.is_empty() && bench.node.state.herd.acts.is_empty());
    // What says nothing of anyone is for all.
    ask(&mut bench, "/panel.css").is(200);
    ask(&mut bench, "/metrics/herd").is(200);
}
