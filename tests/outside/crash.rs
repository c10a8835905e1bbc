//! Nodes that die without a word: what they acknowledged is there when they come back, what they
//! missed they get, and who followed them goes on elsewhere as if nothing had happened.

use crate::harness::{Client, DEADLINE, Herd, Reader, Stream, connect};
use bellwether::base::Rng;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

/// A source of chance that differs between runs; the seed is shown when a test fails.
fn chance() -> Rng {
    let seed = getrandom::u64().expect("the system's random numbers");
    eprintln!("seed {seed}");
    Rng::new(seed)
}

/// Posts so many updates, one after the other, over one connection; their ids.
fn post(client: &Client, topic: &str, updates: usize) -> Vec<String> {
    let path = format!("/v1/topics/{topic}?durability=none");
    let post = |n| client.post(&path, &format!("{topic} {n}")).expect(201).member("id");
    (0..updates).map(post).collect()
}

/// A reader of server-sent events, which goes from node to node.
struct Follower {
    stream: Stream,
    last_id: String,
    seen: BTreeSet<String>,
}

impl Follower {
    fn new(port: u16) -> Self {
        let stream = Stream::open(port, "/v1/stream", "");
        let last_id = stream.last_id().to_owned();
        Self { stream, last_id, seen: BTreeSet::new() }
    }

    /// Goes on at another node behind the last update that it took.
    fn resume(&mut self, port: u16) {
        self.stream = Stream::open(port, "/v1/stream", &self.last_id);
    }

    /// Takes updates until there are so many.
    fn take_until(&mut self, updates: usize) {
        while self.seen.len() < updates {
            let (cursor, update) = self.stream.next().expect("the node lives");
            self.take(cursor, &update);
        }
    }

    fn take(&mut self, cursor: String, update: &Value) {
        self.last_id = cursor;
        let id = update["id"].as_str().expect("an id");
        assert!(self.seen.insert(id.to_owned()), "twice: {update}");
    }

    /// All that comes from a node that died: what it had sent before.
    fn take_rest(&mut self) {
        while let Some((cursor, update)) = self.stream.next() {
            self.take(cursor, &update);
        }
    }
}

#[test]
fn who_follows_a_node_that_dies_goes_on_at_another_with_exactly_the_rest() {
    const EACH: usize = 300;
    let mut herd = Herd::mesh(3);
    let mut follower = Follower::new(herd[0].http_port());
    let writers: Vec<JoinHandle<Vec<String>>> = (0..4)
        .map(|writer| {
            let client = herd[2].http.clone();
            thread::spawn(move || post(&client, &format!("t{writer}"), EACH))
        })
        .collect();
    follower.take_until(100);
    herd[0].kill9();
    // One reader loses what is still in its socket, another reads it: both go on exactly.
    follower.resume(herd[1].http_port());
    follower.take_until(300);
    herd[0].restart();
    herd[1].kill9();
    follower.take_rest();
    follower.resume(herd[0].http_port());
    let written: BTreeSet<String> =
        writers.into_iter().flat_map(|writer| writer.join().expect("no post fails")).collect();
    follower.take_until(4 * EACH);
    assert!(follower.seen == written, "other updates than those that were written");
    let mut late = Reader::from_start();
    late.cursor.clone_from(&follower.last_id);
    assert_eq!(late.poll(&herd[2].http, 0), 0, "the last cursor is the end, also elsewhere");
}

#[test]
fn a_node_that_was_down_for_a_thousand_updates_catches_up_to_equality() {
    let mut herd = Herd::mesh(3);
    let before = herd[2].http.write("before", "Written by the node that dies.\n");
    herd.settle();
    herd[2].kill9();
    let writers: Vec<JoinHandle<Vec<String>>> = (0..4)
        .map(|writer| {
            let client = herd[writer % 2].http.clone();
            thread::spawn(move || post(&client, &format!("t{writer}"), 250))
        })
        .collect();
    let mut ids: Vec<String> = writers.into_iter().flat_map(|w| w.join().expect("posts")).collect();
    ids.push(before);
    herd[2].restart();
    let mut reader = Reader::from_start();
    reader.until_count(&herd[2].http, 1001);
    assert!(ids.iter().all(|id| reader.has(id)));
    let vector = herd.settle();
    let runs = vector.as_object().expect("epochs").values().filter_map(|runs| runs.as_array());
    assert!(runs.into_iter().all(|runs| runs.len() == 1), "no holes: {vector}");
    // The links are alive again in both directions.
    let after = herd[2].http.write("after", "Written by the node that came back.\n");
    reader.until_ids(&herd[0].http, &[&after]);
}

/// What a writer was told is on disk.
struct Acked {
    id: String,
    /// The story's path and body, unless it is an update of a topic.
    story: Option<(String, String)>,
}

/// Writes with durability `local` until the node is gone; tells each acknowledgement.
fn write_until_death(client: &Client, name: &str, acked: &Sender<Acked>) {
    for n in 0.. {
        let body = format!("{name} {n}");
        let story = (n % 2 == 0).then(|| (format!("/v1/stories/{name}-{n}"), body.clone()));
        let result = match &story {
            Some((path, _)) => client.try_put(&format!("{path}?durability=local"), body.as_bytes()),
            None => client.try_post("/v1/topics/load?durability=local", body.as_bytes()),
        };
        let Ok(answer) = result else { return };
        let told = acked.send(Acked { id: answer.expect(201).member("id"), story });
        if told.is_err() {
            return;
        }
    }
}

/// Reports positions, whose durability is `none`, until the node is gone: nothing is promised.
fn report_until_death(socket: &TcpStream, round: usize) {
    let mut answers = BufReader::new(socket.try_clone().expect("a socket")).lines();
    for n in 0.. {
        let line = format!("IAMAT dog{} +34.07-118.44 {round}{n:06}\n", n % 50);
        let mut out = socket;
        if out.write_all(line.as_bytes()).is_err() || !matches!(answers.next(), Some(Ok(_))) {
            return;
        }
    }
}

/// One round: load on the node, death at a moment of chance, and what was acknowledged until then.
fn load_and_kill(herd: &mut Herd, round: usize, rng: &mut Rng) -> Vec<Acked> {
    let (acked, told): (Sender<Acked>, Receiver<Acked>) = channel();
    let mut writers: Vec<JoinHandle<()>> = (0..6)
        .map(|writer| {
            let (client, acked) = (Client::new(herd[0].http_port()), acked.clone());
            let name = format!("r{round}-w{writer}");
            thread::spawn(move || write_until_death(&client, &name, &acked))
        })
        .collect();
    drop(acked);
    // Sent early, an epoch ends with its process; without, the next process goes on with it.
    if round % 2 == 1 {
        // It listens now; by the time that a thread runs it may be dead.
        let socket = connect(herd[0].line_port());
        writers.push(thread::spawn(move || report_until_death(&socket, round)));
    }
    let enough = rng.range(1..=60) as usize;
    let next = || told.recv_timeout(DEADLINE).expect("an acknowledgement");
    let mut all: Vec<Acked> = (0..enough).map(|_| next()).collect();
    herd[0].kill9();
    for writer in writers {
        writer.join().expect("writers end with the node");
    }
    all.extend(told.iter());
    all
}

#[test]
fn kill_9_under_load_loses_no_acknowledged_update() {
    const ROUNDS: usize = 24;
    let mut rng = chance();
    let mut herd = Herd::mesh_of(3, |setup| setup.durability("none"));
    let mut acked: Vec<Acked> = Vec::new();
    let mut reader = Reader::from_start();
    for round in 0..ROUNDS {
        let new = load_and_kill(&mut herd, round, &mut rng);
        herd[0].restart();
        // Where it stood before the crash is as good a place as any to go on from.
        reader.exhaust(&herd[0].http);
        for Acked { id, story } in &new {
            assert!(reader.has(id), "round {round}: {id} is lost");
            let Some((path, body)) = story else { continue };
            assert_eq!(herd[0].http.get(path).expect(200).member("body"), *body);
        }
        acked.extend(new);
    }
    assert!(acked.len() >= ROUNDS, "only {} were acknowledged", acked.len());
    herd.settle();
    for node in &herd.nodes {
        let mut reader = Reader::from_start();
        reader.exhaust(&node.http);
        let lost: Vec<&str> =
            acked.iter().map(|acked| &acked.id[..]).filter(|id| !reader.has(id)).collect();
        assert!(lost.is_empty(), "{} lacks {lost:?}", node.name());
    }
}
