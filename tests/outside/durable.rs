//! Answers and the disk: what is synced before an answer goes out, what a full disk refuses, and
//! what a node that is told to stop still brings home.

use crate::harness::{Ended, Herd, Node, Reader, Setup, await_that, connect};
use std::fs;
use std::io::{Read, Write};
use std::process::Command;

/// The system calls of a node, one line each, as strace wrote them; the node must have ended.
fn trace_of(node: &Node) -> Vec<String> {
    let text = fs::read(node.folder().join("trace")).expect("a trace: is strace installed?");
    String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
}

/// The first line behind `from` with all these words in it.
fn line_with(trace: &[String], from: usize, words: &[&str]) -> usize {
    let has_all = |line: &String| words.iter().all(|word| line.contains(word));
    let found = trace.iter().skip(from).position(has_all).map(|at| from + at);
    found.unwrap_or_else(|| panic!("no line with {words:?} behind {from}:\n{}", trace.join("\n")))
}

#[test]
fn what_is_promised_to_be_on_disk_is_synced_before_the_answer_and_the_rest_is_not_waited_for() {
    let dir = crate::harness::scratch();
    let trace = dir.path().join("trace").display().to_string();
    let calls = "trace=pwrite64,fdatasync,write,writev,sendto,sendmsg";
    let strace = ["strace", "-D", "-f", "-s", "4096", "-e", calls, "-o", &trace];
    let mut node = Node::start(Setup::new("hill").under(&strace), &dir);
    // The first of an epoch that goes out early waits until the log says so.
    node.http.put("/v1/stories/first?durability=none", "x").expect(201);
    for n in 0..3 {
        node.http.put(&format!("/v1/stories/safe-{n}?durability=local"), "x").expect(201);
        node.http.put(&format!("/v1/stories/fast-{n}?durability=none"), "x").expect(201);
    }
    node.stop();
    let trace = trace_of(&node);
    for n in 0..3 {
        let safe = format!("safe-{n}");
        let written = line_with(&trace, 0, &["pwrite64(", &safe]);
        let synced = line_with(&trace, written, &["fdatasync", "= 0"]);
        let answered = line_with(&trace, 0, &["HTTP/1.1 201", &safe]);
        assert!(synced < answered, "{safe} was answered before it was synced");
        let fast = format!("fast-{n}");
        let answered = line_with(&trace, 0, &["HTTP/1.1 201", &fast]);
        let written = line_with(&trace, 0, &["pwrite64(", &fast]);
        assert!(answered < written, "{fast} waited for the disk");
        line_with(&trace, written, &["fdatasync", "= 0"]);
    }
}

/// Sets how large a file of the node may get; none: as large as it likes.
fn limit_files(node: &Node, bytes: Option<u64>) {
    let bytes = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
    let process = node.process_id().to_string();
    let mut prlimit = Command::new("prlimit");
    Ended::well(prlimit.args(["--pid", &process, &format!("--fsize={bytes}:")]));
}

#[test]
fn a_full_disk_refuses_writes_while_reads_go_on_until_there_is_room_again() {
    let mut herd = Herd::mesh(2);
    let before = herd[0].http.write("before", "Kept.\n");
    let log = fs::metadata(herd[0].store().join("log-0000000001.seg")).expect("a segment");
    // Room for a part of a frame: what is written of it must not count.
    limit_files(&herd[0], Some(log.len() + 40));
    for n in 0..3 {
        let refused = herd[0].http.put(&format!("/v1/stories/refused-{n}"), "Lost.\n").expect(503);
        assert_eq!(refused.field("content-type"), "application/problem+json");
        assert!(refused.field("retry-after").parse::<u32>().is_ok(), "{refused:?}");
        assert_eq!(herd[0].http.get(&format!("/v1/stories/refused-{n}")).status, 404);
    }
    assert_eq!(herd[0].line(b"IAMAT dog +34.07-118.44 1.5\n"), "? IAMAT dog +34.07-118.44 1.5\n");
    assert_eq!(herd[0].http.get("/v1/stories/before").expect(200).member("id"), before);
    herd[0].http.get("/readyz").expect(503);
    herd[0].http.get("/healthz").expect(200);
    assert!(herd[0].http.get("/metrics").text().contains("\nbellwether_disk_failing 1\n"));
    // What the others write is shown here all the same, and read on.
    let elsewhere = herd[1].http.write("elsewhere", "On another disk.\n");
    Reader::from_start().until_ids(&herd[0].http, &[&before, &elsewhere]);
    limit_files(&herd[0], None);
    let after = await_that("room on the disk", || {
        let answer = herd[0].http.put("/v1/stories/after", "Kept.\n");
        if answer.status == 201 { Ok(answer.member("id")) } else { Err(answer.text()) }
    });
    herd[0].await_log("the disk takes writes again");
    herd[0].http.get("/readyz").expect(200);
    herd.settle();
    herd[0].kill9();
    herd[0].restart();
    for node in &herd.nodes {
        let mut reader = Reader::from_start();
        reader.until_ids(&node.http, &[&before, &elsewhere, &after]);
        reader.exhaust(&node.http);
        assert_eq!(reader.seen.len(), 3, "what was refused is nowhere: {:?}", reader.seen);
    }
}

#[test]
fn an_index_without_room_is_written_once_there_is_some_and_is_whole() {
    let mut node = Node::alone(Setup::new("hill"));
    node.await_checkpoint();
    // Room for the log, which is short, and not for the index.
    limit_files(&node, Some(4096));
    node.http.write("news", "In the log.\n");
    node.await_log("the index can't be written");
    assert_eq!(node.http.get("/v1/stories/news").expect(200).member("body"), "In the log.\n");
    limit_files(&node, None);
    node.await_checkpoint();
    node.http.write("more", "In the log, too.\n");
    node.kill9();
    node.restart();
    for (title, body) in [("news", "In the log.\n"), ("more", "In the log, too.\n")] {
        let path = format!("/v1/stories/{title}");
        assert_eq!(node.http.get(&path).expect(200).member("body"), body);
    }
}

#[test]
fn a_stop_answers_what_is_on_its_way_to_the_disk_and_ends_with_0() {
    // Each sync takes long enough to be told to stop in its midst.
    let slow = ["strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=fdatasync"];
    let slow = [&slow[..], &["-e", "inject=fdatasync:delay_enter=150000"]].concat();
    let mut node = Node::alone(Setup::new("hill").under(&slow));
    let mut socket = connect(node.http_port());
    let request = b"PUT /v1/stories/last HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nLast\n";
    socket.write_all(request).expect("the node takes it");
    await_that("a write on its way", || {
        let page = node.http.get("/metrics").expect(200).text();
        let waits = !page.contains("\nbellwether_pending_bytes 0\n");
        if waits { Ok(()) } else { Err(page) }
    });
    node.signal("TERM");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer, and the close");
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    node.await_stopped();
    node.setup.under.clear();
    node.restart();
    assert_eq!(node.http.get("/v1/stories/last").expect(200).member("body"), "Last\n");
    assert!(!node.log().contains("torn") && !node.log().contains("a new epoch begins"));
}

#[test]
fn a_stop_under_load_leaves_nothing_half_done() {
    let mut node = Node::alone(Setup::new("hill"));
    let (told, acked) = std::sync::mpsc::channel();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (client, told) = (node.http.clone(), told.clone());
            std::thread::spawn(move || {
                for n in 0.. {
                    let path = format!("/v1/stories/w{writer}-{n}");
                    match client.try_put(&path, b"x") {
                        Ok(answer) if answer.status == 201 => told.send(path).expect("a listener"),
                        Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text()),
                        Err(_) => return,
                    }
                }
            })
        })
        .collect();
    drop(told);
    let mut paths: Vec<String> = (0..50).map(|_| acked.recv().expect("an answer")).collect();
    node.stop();
    for writer in writers {
        writer.join().expect("a writer ends with the node");
    }
    paths.extend(acked.iter());
    node.restart();
    for path in &paths {
        node.http.get(path).expect(200);
    }
    assert!(!node.log().contains("torn") && !node.log().contains("a new epoch begins"));
}
