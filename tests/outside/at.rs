//! Herds that are half ours and half someone else's: peers of kind `at`, both ways.

use crate::guests::{Foreign, at_listener, at_peer};
use crate::harness::{DEADLINE, Node, Port, Setup, await_that, scratch};
use crate::line::updates_of;
use crate::speech::{Talk, now_s};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// What a server of either kind holds of someone; `None` when it knows nothing of them.
fn held(port: u16, id: &str) -> Option<String> {
    let mut talk = Talk::open(port);
    let first = talk.send(format!("WHATSAT {id} 0 0\n")).text();
    first.starts_with("AT ").then_some(first)
}

/// Waits until the servers hold this line of someone.
fn await_held(ports: &[u16], id: &str, line: &str) {
    await_that(line, || {
        let lines: Vec<_> = ports.iter().map(|port| held(*port, id)).collect();
        let is_there = lines.iter().all(|held| held.as_deref() == Some(line));
        if is_there { Ok(()) } else { Err(format!("{lines:?}")) }
    });
}

/// Says new things of one id at the server until a whole herd holds the last: theirs forget what
/// came before their links were up.
fn warm_up(from: u16, all: &[u16], clock: &mut u64) {
    await_that("links between the foreign servers", || {
        *clock += 1;
        let line = Talk::open(from).ask(&format!("IAMAT warm +1+1 {clock}"));
        for _ in 0..50 {
            if all.iter().all(|port| held(*port, "warm").is_some_and(|held| held == line)) {
                return Ok(());
            }
        }
        Err(line)
    });
}

/// What two nodes have on disk, once it is the same.
fn same_vector(one: &Node, other: &Node) -> Value {
    await_that("equality", || {
        let (one, other) = (one.vector(), other.vector());
        if one == other { Ok(one) } else { Err(format!("{one} {other}")) }
    })
}

/// Two nodes of ours, linked; the first is joined to foreign servers by a listener for them.
fn ours(peers: &str) -> (Node, Node, Port) {
    let (dir, at) = (scratch(), Port::take());
    let first = Setup::new("node1").more(&at_listener(at.number)).more(peers);
    let first = Node::start(first, &dir);
    let second = Node::start(Setup::new("node2").peer("node1"), &dir);
    (first, second, at)
}

#[test]
fn reports_cross_between_the_herds_and_loops_are_cut() {
    // A ring of three of theirs, two of which are joined to one of ours: loops of every length.
    let (entry, mut far) = (Port::take(), Foreign::down("Far"));
    let mut left = Foreign::down("Left").peer(entry.number).peer(far.at.number);
    let mut right = Foreign::down("Right").peer(entry.number).peer(far.at.number);
    left = left.peer(right.at.number);
    right = right.peer(left.at.number);
    far = far.peer(left.at.number).peer(right.at.number);
    let dir = scratch();
    let first = Setup::new("node1").more(&at_listener(entry.number));
    let first = first.more(&at_peer("Left", left.at.number, ""));
    let first = first.more(&at_peer("Right", right.at.number, ""));
    let first = Node::start(first, &dir);
    let second = Node::start(Setup::new("node2").peer("node1"), &dir);
    [&mut left, &mut right, &mut far].into_iter().for_each(Foreign::start);
    let all = [&left.line, &right.line, &far.line].map(|port| port.number);
    let all = [&all[..], &[first.line_port(), second.line_port()]].concat();
    let mut clock = 0;
    for port in &all {
        warm_up(*port, &all, &mut clock);
    }
    let before = updates_of(&same_vector(&first, &second));
    // Each says something of someone of its own, then of the same one, later and later.
    for (n, port) in all.iter().enumerate() {
        let id = format!("id{n}");
        let line = Talk::open(*port).ask(&format!("IAMAT {id} +1.50-0{n} 00{n}.50"));
        assert!(line.ends_with(&format!(" {id} +1.50-0{n} 00{n}.50")), "{line}");
        await_held(&all, &id, &line);
        let line = Talk::open(*port).ask(&format!("IAMAT same +1+1 {}", now_s() + n as u64));
        await_held(&all, "same", &line);
    }
    // An older one goes nowhere.
    let now = held(all[0], "same").expect("a line");
    assert_eq!(Talk::open(second.line_port()).ask("IAMAT same +2+2 1"), now);
    let vector = same_vector(&first, &second);
    assert_eq!(updates_of(&vector) - before, 10, "each report is one update: {vector}");
}

#[test]
fn a_foreign_server_that_was_away_gets_the_newest_of_everyone() {
    let mut foreign = Foreign::down("Foreign");
    let (first, second, _at) = ours(&at_peer("Foreign", foreign.at.number, ""));
    let mut talk = Talk::open(second.line_port());
    let mut newest: Vec<String> = Vec::new();
    for n in 0..150 {
        talk.ask(&format!("IAMAT id{n} +1+1 1"));
        newest.push(talk.ask(&format!("IAMAT id{n} +2+2 2")));
    }
    await_held(&[first.line_port()], "id149", &newest[149]);
    foreign.start();
    for _ in 0..2 {
        for (n, line) in newest.iter().enumerate() {
            await_held(&[foreign.line.number], &format!("id{n}"), line);
        }
        // While it is away again, one more; it comes back with nothing in its memory.
        foreign.kill();
        newest[7] = talk.ask(&format!("IAMAT id7 +3+3 {}", now_s()));
        await_held(&[first.line_port()], "id7", &newest[7]);
        foreign.start();
    }
    // What comes when it is back goes over the same link.
    let line = talk.ask("IAMAT late +1+1 1");
    await_held(&[foreign.line.number], "late", &line);
}

/// A listener of ours in the role of a foreign server: all that each connection said to its end.
struct Shots {
    port: u16,
    heard: Receiver<String>,
}

impl Shots {
    fn listen(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
        let (said, heard) = channel();
        thread::spawn(move || {
            while let Ok((mut socket, _)) = listener.accept() {
                let mut text = String::new();
                socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
                let read = socket.read_to_string(&mut text);
                if read.is_err() || said.send(text).is_err() {
                    return;
                }
            }
        });
        Self { port, heard }
    }

    fn next(&self) -> String {
        self.heard.recv_timeout(DEADLINE).expect("a connection")
    }
}

impl Drop for Shots {
    fn drop(&mut self) {
        // Wakes the thread, which finds nobody to tell.
        let (_, heard) = channel();
        self.heard = heard;
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

#[test]
fn a_server_that_wants_a_connection_an_update_gets_it() {
    let port = Port::take();
    let peer = at_peer("Foreign", port.number, "per_update = true");
    let node = Node::alone(Setup::new("node1").more(&peer));
    let mut talk = Talk::open(node.line_port());
    // Nobody listens yet: nothing is lost.
    let mut lines: Vec<String> = (0..5).map(|n| talk.ask(&format!("IAMAT id{n} +1+1 1"))).collect();
    node.await_log("trying on");
    let shots = Shots::listen(port.number);
    lines.extend((5..20).map(|n| talk.ask(&format!("IAMAT id{n} +1+1 1"))));
    for line in lines {
        assert_eq!(shots.next(), line + "\n");
    }
    // Nothing but reports goes there.
    node.http.write("a", "body");
    talk.ask("IAMAT id0 +1+1 1");
    let line = talk.ask("IAMAT last +1+1 1");
    assert_eq!(shots.next(), line + "\n");
}

#[test]
fn what_foreign_servers_say_is_taken_in_all_their_ways_and_never_answered() {
    let (first, second, at) = ours("");
    let ports = [first.line_port(), second.line_port()];
    let mut talk = Talk::open(at.number);
    for (n, (fields, end)) in [
        ("AT Alford +0.5 id0 +1.0-0 1.50", "\n"),
        ("AT Alford -1.5e-05 id1 +1+1 1", "\r\n"),
        ("AT Alford 0.25 id2 +1+1 1", " \t\n"),
        ("AT N1 +0 id3 +1+1 1", "\n"),
    ]
    .into_iter()
    .enumerate()
    {
        // Some add the name of who hands it on.
        let more = if n == 3 { " Alford" } else { "" };
        talk.send(format!("{fields}{more}{end}"));
        await_held(&ports, &format!("id{n}"), fields);
    }
    // Older by number changes nothing, greater by server's name in the same moment does.
    talk.send("AT Zzz +0 id0 +9+9 1.49\nAT Alford +0.5 id0 +1.0-0 01.500000\n");
    talk.send("AT Bolden +0.5 id0 +2+2 1.5\n");
    await_held(&ports, "id0", "AT Bolden +0.5 id0 +2+2 1.5");
    // What else is said there is not answered, an overlong line included.
    talk.send("nonsense\nIAMAT x +1+1 1\nWHATSAT id0 1 1\n\nAT A +0 x +91+1 1\n");
    talk.send(format!("AT A +0 x +1+1 {}\n", now_s() + 48 * 3600));
    talk.send(vec![b'x'; 200_000]).send("\n");
    // The last line needs no end.
    talk.send("AT Alford +1 last +1+1 1").half_close();
    assert_eq!(talk.rest(), b"");
    await_held(&ports, "last", "AT Alford +1 last +1+1 1");
    assert_eq!(held(ports[0], "x"), None);
    // From a client it is an error.
    let forged = format!("AT Alford +1 last +9+9 {}", now_s());
    assert_eq!(Talk::open(ports[0]).ask(&forged), format!("? {forged}"));
    assert_eq!(held(ports[1], "last").as_deref(), Some("AT Alford +1 last +1+1 1"));
}

#[test]
fn a_foreign_server_may_answer_over_the_link_that_we_dialled() {
    let port = Port::take();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number)).expect("a free port");
    let (first, second, _at) = ours(&at_peer("Foreign", port.number, ""));
    let (socket, _) = listener.accept().expect("our link");
    socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    let mut link = BufReader::new(socket);
    let said = "AT Foreign +0.1 theirs +1+1 1";
    link.get_mut().write_all(format!("{said}\nnonsense\n").as_bytes()).expect("a link");
    await_held(&[first.line_port(), second.line_port()], "theirs", said);
    // It is not told what it has said itself, nor anything that is not a report.
    let ours = Talk::open(second.line_port()).ask("IAMAT ours +1+1 1");
    let mut line = String::new();
    link.read_line(&mut line).expect("a line in time");
    assert_eq!(line, ours + "\n");
}
