//! Listeners: behind proxies, on sockets of systemd, for several protocols at once, shared by
//! nodes; and restarts that no client sees.

use crate::guests::{said, said_to};
use crate::harness::{
    Ended, Node, Port, Process, Setup, await_that, bellwether, connect, scratch, signal,
};
use crate::raw::{Raw, ask, get, put, with_body};
use crate::speech::Talk;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n";

fn listen(protocol: &str, endpoint: &str) -> String {
    format!("[[listen]]\nprotocol = \"{protocol}\"\nendpoint = \"{endpoint}\"\n")
}

/// curl's output; it must succeed.
fn curl(arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*"]);
    Ended::well(command.args(arguments))
}

// ---- proxies ----

/// Connections of proxies that said nothing good.
const REFUSED: &str = "bellwether_proxies_refused_total";

/// A header of version 2: command, family and transport, what follows.
fn v2(command: u8, kind: u8, block: &[u8]) -> Vec<u8> {
    let length = (block.len() as u16).to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[0x20 | command, kind], &length, block].concat()
}

fn v1(ip: &str) -> Vec<u8> {
    format!("PROXY TCP4 {ip} 127.0.0.1 5000 80\r\n").into_bytes()
}

/// A node with a door for proxies, and its port.
fn proxied(more: &str, protocol: &str) -> (Node, Port) {
    let port = Port::take();
    let more = listen(protocol, &format!("haproxy:tcp:{}", port.number)) + more;
    (Node::alone(Setup::new("Hill").more(&more).limit("per_address", 2)), port)
}

#[test]
fn curl_speaks_the_proxy_protocol_and_who_does_not_gets_nothing() {
    let (node, port) = proxied("", "http");
    let url = format!("http://127.0.0.1:{}/hello", port.number);
    assert_eq!(curl(&["--haproxy-protocol", &url]), "Hello, World!");
    let mut bare = Command::new("curl");
    let ended = Ended::of(bare.args(["--silent", "--max-time", "20", "--noproxy", "*", &url]));
    assert!(!ended.status.success() && ended.stdout.is_empty(), "{ended:?}");
    assert_eq!(node.metric(REFUSED), 1);
    node.await_log("no PROXY header (byte 0)");
}

#[test]
fn what_both_versions_tell_is_who_the_client_is() {
    let (_node, port) = proxied("[accounts]\nopen = true\n", "http");
    let panel = b"GET /panel HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let asked = |header: &[u8]| ask(port.number, [header, panel].concat()).status;
    let four = |ip: [u8; 4]| [&ip[..], &[127, 0, 0, 1, 0x13, 0x88, 0, 80]].concat();
    // Who is on the node's own machine may see the panel of an open node, and nobody else.
    let near = asked(&v1("127.0.0.1"));
    assert_eq!(near, 200);
    assert_eq!(asked(&v2(1, 0x11, &four([127, 0, 0, 1]))), 200);
    assert_eq!(asked(&v2(0, 0, b"")), 200, "the proxy's own");
    assert_eq!(asked(&v2(1, 0x31, &[0; 216])), 200, "over a Unix socket");
    let far = asked(&v1("192.0.2.1"));
    assert_ne!(far, 200);
    let with_more = [four([192, 0, 2, 1]), vec![4, 0, 2, 0, 0]].concat();
    assert_eq!(asked(&v2(1, 0x11, &with_more)), far);
    assert_eq!(asked(b"PROXY UNKNOWN\r\n"), far, "nobody knows who");
    assert_eq!(asked(b"PROXY TCP6 2001:db8::1 ::1 5000 80\r\n"), far);
}

#[test]
fn limits_of_an_address_are_for_whom_the_proxy_tells_of() {
    let (_node, port) = proxied("", "http");
    let mut held: Vec<Raw> = (0..2).map(|_| Raw::open(port.number)).collect();
    for raw in &mut held {
        raw.send([&v1("192.0.2.1")[..], HELLO.as_bytes()].concat()).answer().expect(200);
    }
    let mut third = Raw::open(port.number);
    third.send_what_it_takes(&v1("192.0.2.1"));
    third.expect_end();
    ask(port.number, [&v1("192.0.2.2")[..], HELLO.as_bytes()].concat()).expect(200);
}

#[test]
fn a_header_in_pieces_is_good_and_a_bad_or_late_one_is_closed() {
    let port = Port::take();
    let more =
        listen("line", &format!("haproxy:tcp:{}", port.number)) + "[accounts]\nopen = true\n";
    let node = Node::alone(Setup::new("Hill").more(&more).limit("proxy_ms", 300));
    for header in [v1("192.0.2.1"), v2(1, 0x11, &[192, 0, 2, 1, 127, 0, 0, 1, 0, 1, 0, 2])] {
        let mut raw = Raw::open(port.number);
        raw.send_in_pieces(&[&header[..], b"IAMAT kiwi +1+1 1\n"].concat(), 1);
        let answer = raw.text_until("\n");
        assert!(answer.starts_with("AT Hill +"), "{answer}");
    }
    let bad: [&[u8]; 5] = [
        b"IAMAT kiwi +1+1 1\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        b"PROXY TCP4 ",
    ];
    for header in bad {
        let mut raw = Raw::open(port.number);
        raw.send(header);
        raw.expect_end();
    }
    assert_eq!(node.metric(REFUSED), bad.len() as u64);
    node.await_log("no PROXY header in time");
}

#[test]
fn a_door_for_proxies_is_no_door_of_this_machine() {
    let (node, port) = proxied("", "http");
    // The listener is on loopback, and yet its clients come from anywhere: nobody may write.
    let body = with_body("PUT", "/v1/stories/a", "Content-Type: text/plain\r\n", b"x");
    assert_eq!(ask(port.number, [v1("192.0.2.1"), body].concat()).status, 401);
    assert_eq!(put(node.http_port(), "/v1/stories/a", "", "x").status, 401);
}

// ---- one port for several protocols ----

#[test]
fn one_port_serves_http_and_line_and_at() {
    let port = Port::take();
    let more = listen("auto", &format!("tcp:{}", port.number))
        + "protocols = [\"http\", \"line\", \"at\"]\n";
    let node = Node::alone(Setup::new("Hill").more(&more));
    let at = port.number.to_string();
    let url = format!("http://127.0.0.1:{at}/hello");
    // One connection for both requests.
    assert_eq!(curl(&[&url, &url]), "Hello, World!Hello, World!");
    let requests = "GET /hello HTTP/1.1\r\nHost: h\r\n\r\nHEAD /hello HTTP/1.1\r\nHost: h\r\n\r\n";
    for more in [&[][..], &["--pieces", "1"], &["--half-close"]] {
        let arguments = [&["127.0.0.1", &at], more, &["GET", "HEAD"]].concat();
        let answers = said_to("strict_http", &arguments, requests.as_bytes());
        assert_eq!((&answers[0]["status"], &answers[1]["status"]), (&200.into(), &200.into()));
    }
    let lines = ["IAMAT kiwi +34.068930-118.445127 1520023934.9", "WHATSAT kiwi 10 5", "what?"];
    let answers = said("line", &[&["127.0.0.1", &at, "--"], &lines[..]].concat());
    let line = |n: usize| answers[n]["line"].as_str().expect("a line").to_owned();
    assert!(line(0).starts_with("AT Hill +"), "{answers:?}");
    assert_eq!((line(1), line(2)), (line(0), "? what?".to_owned()));
    // A server of a foreign herd is heard, and never answered.
    let theirs = "AT Foreign +0.5 theirs +1+1 1";
    let mut server = Raw::open(port.number);
    server.send(format!("{theirs}\nIAMAT x +1+1 1\n"));
    await_that("what they said", || {
        let said = Talk::open(node.line_port()).ask("WHATSAT theirs 1 1");
        if said == theirs { Ok(()) } else { Err(said) }
    });
    server.half_close().expect_end();
}

#[test]
fn who_speaks_tls_where_there_is_none_is_closed() {
    let port = Port::take();
    let node =
        Node::alone(Setup::new("Hill").more(&listen("auto", &format!("tcp:{}", port.number))));
    let mut command = Command::new("curl");
    let url = format!("https://127.0.0.1:{}/hello", port.number);
    let ended =
        Ended::of(command.args(["-k", "--silent", "--max-time", "20", "--noproxy", "*", &url]));
    assert!(!ended.status.success(), "{ended:?}");
    node.await_log("nothing of what is spoken here begins like this");
    ask(port.number, HELLO).expect(200);
}

#[test]
fn what_can_not_be_told_apart_is_refused_at_the_start() {
    let port = Port::take();
    for (protocols, why) in [
        ("[\"http\", \"peer\"]", "is not told from its first bytes"),
        ("[\"http\", \"http\"]", "is named twice"),
        ("[]", "is empty"),
        ("\"http\"", "must be a list of strings in quotes"),
    ] {
        let more = listen("auto", &format!("tcp:{}", port.number));
        let more = format!("{more}protocols = {protocols}\n");
        let refusal = Node::down(Setup::new("Hill").more(&more), &scratch()).refusal();
        assert_eq!(refusal.status.code(), Some(1));
        assert!(refusal.stderr.contains(why), "{refusal:?}");
    }
}

// ---- sockets of a supervisor ----

/// A configuration that is not run by the harness.
fn written(dir: &Path, listeners: &str, more: &str) -> String {
    let file = dir.join("Hill.toml");
    let home = dir.join("Hill");
    let toml = format!("name = \"Hill\"\ndir = \"{}\"\n{listeners}{more}", home.display());
    std::fs::write(&file, toml).expect("a writable folder");
    file.to_str().expect("UTF-8").to_owned()
}

#[test]
fn systemd_hands_over_its_sockets_and_a_restart_keeps_them() {
    let dir = scratch();
    let (web, places) = (Port::take(), Port::take());
    let listeners = listen("http", "systemd:domain=INET:index=0")
        + &listen("line", "systemd:domain=INET:name=places");
    let config = written(dir.path(), &listeners, "[accounts]\nopen = true\n");
    let mut command = Command::new("systemd-socket-activate");
    for port in [&web, &places] {
        command.args(["-l", &format!("127.0.0.1:{}", port.number)]);
    }
    command.args(["--fdname=web:places", "--"]).arg(bellwether().get_program());
    let mut process = Process::start(command.args(["serve", &config]).stdin(Stdio::null()));
    await_that("a listener", || {
        let said = process.stderr.text();
        if said.matches("Listening on").count() == 2 { Ok(()) } else { Err(said) }
    });
    // It is the first who comes that has the node started, and who is answered.
    ask(web.number, HELLO).expect(200);
    let mut talk = Talk::open(places.number);
    assert!(talk.ask("IAMAT kiwi +1+1 1").starts_with("AT Hill +"));
    process.signal("USR2");
    let again = process.stdout.wait(|said| said.matches("ready Hill\n").count() == 2);
    assert!(again.is_ok(), "{again:?} {}", process.stderr.text());
    ask(web.number, HELLO).expect(200);
    assert!(Talk::open(places.number).ask("IAMAT kiwi +1+1 1").starts_with("AT Hill +"));
    process.signal("TERM");
    assert_eq!(process.await_end().code(), Some(0));
}

#[test]
fn a_socket_that_nobody_handed_over_is_missed() {
    let dir = scratch();
    let config = written(dir.path(), &listen("http", "systemd:domain=INET:index=0"), "");
    let ended = Ended::of(bellwether().args(["serve", &config]));
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("no such socket was handed to this process"), "{ended:?}");
}

/// The next word that a supervisor is told.
fn hear(supervisor: &UnixDatagram) -> String {
    let mut words = [0; 64];
    loop {
        match supervisor.recv(&mut words) {
            Ok(length) => return String::from_utf8_lossy(&words[..length]).into_owned(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("no word in time: {error}"),
        }
    }
}

/// A supervisor that listens at this path.
fn supervisor_at(path: &Path) -> UnixDatagram {
    let supervisor = UnixDatagram::bind(path).expect("a socket");
    supervisor.set_read_timeout(Some(crate::harness::DEADLINE)).expect("a deadline");
    supervisor
}

/// How a supervisor is asked for time.
const ASKS: &str = "EXTEND_TIMEOUT_USEC=";

#[test]
fn a_supervisor_is_asked_for_time_while_an_archive_opens_and_closes() {
    let dir = scratch();
    let port = Port::take();
    let config = written(dir.path(), &listen("http", &format!("tcp:{}", port.number)), "");
    let path = dir.path().join("notify");
    let supervisor = supervisor_at(&path);
    // How often time is asked for before this is said.
    let asked_until = |wanted: &str| {
        let mut asked = 0;
        loop {
            let word = hear(&supervisor);
            if word == wanted {
                return asked;
            }
            asked += u32::from(word == format!("{ASKS}150000"));
        }
    };
    // A slow disk, and a watchdog that wants to hear much sooner.
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-o", "/dev/null", "-e", "trace=fdatasync"]);
    command.args(["-e", "inject=fdatasync:delay_enter=500000"]).arg(bellwether().get_program());
    command.args(["serve", &config]).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "100000");
    let mut process = Process::start(command.stdin(Stdio::null()));
    assert!(asked_until("READY=1") >= 3, "{}", process.stderr.text());
    process.signal("USR2");
    assert_eq!(asked_until("RELOADING=1"), 0, "the loop tells that it turns");
    assert!(asked_until("READY=1") >= 3, "{}", process.stderr.text());
    process.signal("TERM");
    asked_until("STOPPING=1");
    assert_eq!(process.await_end().code(), Some(0));
}

#[test]
fn a_supervisor_is_told_what_becomes_of_the_node() {
    let dir = scratch();
    let port = Port::take();
    let config = written(dir.path(), &listen("http", &format!("tcp:{}", port.number)), "");
    let path = dir.path().join("notify");
    let supervisor = supervisor_at(&path);
    let heard = |wanted: &str| loop {
        let word = hear(&supervisor);
        if word == wanted {
            return;
        }
        assert!(word == "WATCHDOG=1" || word.starts_with(ASKS), "{word}");
    };
    let mut command = bellwether();
    command.args(["serve", &config]).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "100000");
    let mut process = Process::start(command.stdin(Stdio::null()));
    for word in ["WATCHDOG=1", "READY=1", "WATCHDOG=1", "WATCHDOG=1"] {
        heard(word);
    }
    process.signal("USR2");
    heard("RELOADING=1");
    heard("READY=1");
    process.signal("TERM");
    heard("STOPPING=1");
    assert_eq!(process.await_end().code(), Some(0));
}

// ---- restarts ----

/// Clients that go on until they are told to stop. Whatever goes wrong is a panic of theirs.
struct Crowd {
    is_over: Arc<AtomicBool>,
    served: Vec<Arc<AtomicU64>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Crowd {
    fn new() -> Self {
        Self { is_over: Arc::default(), served: Vec::new(), threads: Vec::new() }
    }

    /// Adds one who is served again and again.
    fn with(mut self, mut serve: impl FnMut(u64) + Send + 'static) -> Self {
        let (is_over, served) = (Arc::clone(&self.is_over), Arc::new(AtomicU64::new(0)));
        self.served.push(Arc::clone(&served));
        self.threads.push(thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                serve(served.fetch_add(1, Ordering::Relaxed));
            }
        }));
        self
    }

    /// Waits until each was served some more.
    fn go_on(&self) {
        let before: Vec<u64> = self.served.iter().map(|n| n.load(Ordering::Relaxed)).collect();
        await_that("service for all", || {
            let now: Vec<u64> = self.served.iter().map(|n| n.load(Ordering::Relaxed)).collect();
            let all = before.iter().zip(&now).all(|(before, now)| *now > before + 5);
            if all || self.threads.iter().any(thread::JoinHandle::is_finished) {
                Ok(())
            } else {
                Err(format!("{before:?} {now:?}"))
            }
        });
    }

    /// Nobody had anything to complain of.
    fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("no client failed");
        }
    }
}

/// A connection that is kept while the node keeps it.
fn keeping(port: u16, request: impl Fn(u64) -> Vec<u8> + Send + 'static) -> impl FnMut(u64) + Send {
    let mut kept: Option<Raw> = None;
    move |number| {
        let raw = kept.get_or_insert_with(|| Raw::open(port));
        let answer = raw.ask(request(number));
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        if answer.closes() {
            kept = None;
        }
    }
}

/// A connection for each line, closed by whoever asks.
fn one_line(port: u16) -> impl FnMut(u64) + Send {
    move |number| {
        let mut socket = connect(port);
        let line = format!("IAMAT kiwi +1+1 {number}\n");
        socket.write_all(line.as_bytes()).expect("it takes the line");
        socket.shutdown(Shutdown::Write).expect("an open connection");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("AT ") && answer.ends_with('\n'), "{answer:?}");
    }
}

fn crowd(http: u16, line: u16) -> Crowd {
    let hello = |_| HELLO.as_bytes().to_vec();
    let write = |number: u64| {
        let path = format!("/v1/topics/t{}", number % 3);
        with_body("POST", &path, "Content-Type: text/plain\r\n", b"news")
    };
    let new = move |_| {
        let answer = ask(http, "GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert_eq!(answer.text(), "Hello, World!");
    };
    let crowd = Crowd::new().with(keeping(http, hello)).with(keeping(http, hello));
    crowd.with(keeping(http, write)).with(new).with(new).with(one_line(line))
}

#[test]
fn a_restart_loses_no_request() {
    // Only a busy machine needs so long.
    let setup = Setup::new("Hill").limit("farewell_ms", 20_000).limit("drain_ms", 25_000);
    let node = Node::alone(setup);
    let crowd = crowd(node.http_port(), node.line_port());
    let before = put(node.http_port(), "/v1/stories/before", "", "x").expect(201).json();
    let id = node.process_id();
    for restarts in 1..=3 {
        crowd.go_on();
        node.signal("USR2");
        node.await_ready_times(restarts + 1);
        assert_eq!(node.process_id(), id);
    }
    crowd.go_on();
    crowd.end();
    let after = get(node.http_port(), "/v1/stories/before", "").expect(200).json();
    assert_eq!(after["id"], before["id"]);
}

#[test]
fn load_sees_nothing_of_a_restart() {
    let setup = Setup::new("Hill").limit("farewell_ms", 20_000).limit("drain_ms", 25_000);
    let node = Node::alone(setup);
    let url = format!("{}/hello", node.url());
    let start = |words: &[&str]| {
        let mut command = bellwether();
        command.args(["load", &url, "--json", "--warmup=0.05", "--duration=4"]).args(words);
        Process::start(command.stdin(Stdio::null()))
    };
    let mut loads = [start(&["-c8"]), start(&["-c4", "--no-keep-alive"])];
    for restarts in 1..=2 {
        ask(node.http_port(), HELLO).expect(200);
        node.signal("USR2");
        node.await_ready_times(restarts + 1);
    }
    for load in &mut loads {
        assert_eq!(load.await_end().code(), Some(0), "{}", load.stderr.text());
        let found: serde_json::Value =
            serde_json::from_str(&load.stdout.text()).expect("one line of JSON");
        let errors = found["errors"].as_object().expect("errors by kind");
        assert!(errors.values().all(|count| *count == 0), "{found}");
        assert!(found["requests"].as_u64() > Some(0), "{found}");
    }
}

#[test]
fn a_changed_configuration_holds_after_a_restart_and_a_broken_one_restarts_nothing() {
    let mut node = Node::alone(Setup::new("Hill"));
    let port = Port::take();
    node.setup.more = "nonsense = 1\n".to_owned();
    node.rewrite_config();
    node.signal("USR2");
    node.await_log("no other program takes over: ");
    ask(node.http_port(), HELLO).expect(200);
    node.setup.more = listen("http", &format!("tcp:{}", port.number));
    node.rewrite_config();
    node.signal("USR2");
    node.await_ready_times(2);
    for port in [port.number, node.http_port()] {
        ask(port, HELLO).expect(200);
    }
    // And without it, nobody listens there any more.
    node.setup.more.clear();
    node.rewrite_config();
    node.signal("USR2");
    node.await_ready_times(3);
    let gone = TcpStream::connect(("127.0.0.1", port.number)).map_err(|error| error.kind());
    assert_eq!(gone.err(), Some(ErrorKind::ConnectionRefused));
    node.stop();
    let gone = TcpStream::connect(("127.0.0.1", node.http_port())).map_err(|error| error.kind());
    assert_eq!(gone.err(), Some(ErrorKind::ConnectionRefused));
}

// ---- a port of several nodes ----

/// Who answers on a port of the line protocol, asked for the so many-th time.
fn who(port: u16, count: u32) -> String {
    let said = Talk::open(port).ask(&format!("IAMAT bird{count} +1+1 1"));
    said.split(' ').nth(1).expect("a name").to_owned()
}

#[test]
fn a_herd_shares_a_port_and_a_node_of_it_restarts_unseen() {
    let dir = scratch();
    let (http, line, peer, shared) = (Port::block(2), Port::block(2), Port::block(2), Port::take());
    let mut command = bellwether();
    command.args(["herd", "--nodes=2", "--dir"]).arg(dir.path().join("herd"));
    for (option, port) in
        [("http-base", &http[0]), ("line-base", &line[0]), ("peer-base", &peer[0])]
    {
        command.arg(format!("--{option}={}", port.number));
    }
    command.arg(format!("--shared-port={}", shared.number));
    let mut herd = Process::start(command.stdin(Stdio::null()));
    let table = herd.stdout.wait(|said| said.contains("ready herd\n"));
    let table = table.unwrap_or_else(|said| panic!("{said} {}", herd.stderr.text()));
    assert!(table.contains(&format!("HTTP and line on 127.0.0.1:{}\n", shared.number)), "{table}");
    let mut count = 0;
    for name in ["node1", "node2"] {
        await_that("each node's turn", || {
            count += 1;
            let answered = who(shared.number, count);
            if answered == name { Ok(()) } else { Err(answered) }
        });
    }
    let row = table.lines().find(|line| line.starts_with("node1 ")).expect("a row");
    let process: u32 = row.split(' ').next_back().and_then(|id| id.parse().ok()).expect("an id");
    let restart = |times: usize| {
        signal(process, "USR2");
        let back = format!("node1 is back, as process {process}\n");
        let said = herd.stderr.wait(|said| said.matches(&back).count() == times);
        assert!(said.is_ok(), "{said:?}");
    };
    // A busy machine needs more time than the herd gives.
    let mut config = std::fs::OpenOptions::new();
    let config = config.append(true).open(dir.path().join("herd/node1.toml"));
    let patience = b"\n[limits]\nfarewell_ms = 20000\ndrain_ms = 25000\n";
    config.expect("its configuration").write_all(patience).expect("a writable folder");
    restart(1);
    let crowd = crowd(shared.number, shared.number);
    for times in 2..=3 {
        crowd.go_on();
        restart(times);
    }
    crowd.go_on();
    crowd.end();
    herd.signal("TERM");
    assert_eq!(herd.await_end().code(), Some(0));
}
