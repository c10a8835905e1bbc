//! The pieces of work.

use crate::client::{Script, Speech};
use crate::timers;
use crate::world::{HTTP_PORT, LINE_PORT, Scene, play};
use bellwether::config::Durability;
use std::io;
use std::path::Path;

/// What can be counted, and for each what one piece of work is.
pub(crate) const NAMES: &[&str] = &[
    "hello",
    "pipelined",
    "story",
    "page",
    "iamat",
    "iamat-local",
    "publish",
    "flood",
    "flood-64",
    "sse",
    "timers",
];

const HELLO: Script = Script {
    speech: Speech::Http,
    connections: 1,
    depth: 1,
    port: HTTP_PORT,
    request: |_| b"GET /hello HTTP/1.1\r\nHost: node0\r\n\r\n".to_vec(),
};

/// The first writes the story, the others read it.
const STORY: Script = Script {
    request: |n| match n {
        0 => post("PUT", "/v1/stories/The%20Story", &"x".repeat(1_000)),
        _ => b"GET /v1/stories/The%20Story HTTP/1.1\r\nHost: node0\r\n\r\n".to_vec(),
    },
    ..HELLO
};

/// The same, as a page for people.
const PAGE: Script = Script {
    request: |n| match n {
        0 => (STORY.request)(0),
        _ => b"GET /stories/The%20Story HTTP/1.1\r\nHost: node0\r\n\r\n".to_vec(),
    },
    ..HELLO
};

const PUBLISH: Script =
    Script { request: |n| post("POST", "/v1/topics/bench", &format!("{n:01000}")), ..HELLO };

/// Everyone moves on all the time.
const IAMAT: Script = Script {
    speech: Speech::Line,
    connections: 64,
    depth: 1,
    port: LINE_PORT,
    request: |n| {
        let (id, lat) = (n % 1_000, n % 90);
        format!("IAMAT client{id} +{lat}.068930-118.445127 {}.5\n", 1_767_225_600 + n).into_bytes()
    },
};

const READER: Script = Script {
    speech: Speech::Events,
    connections: 64,
    request: |_| b"GET /v1/stream?topic=bench HTTP/1.1\r\nHost: node0\r\n\r\n".to_vec(),
    ..HELLO
};

fn post(method: &str, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: node0\r\nContent-Type: text/plain\r\n");
    format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Plays a case; how many pieces of work were done while it was counted.
pub(crate) fn run(name: &str, folder: &Path) -> io::Result<u64> {
    let none = |script| alone(Durability::None, script);
    let scene = match name {
        "timers" => return timers::run(),
        "hello" => none(HELLO),
        "pipelined" => none(Script { depth: 16, ..HELLO }),
        "story" => none(STORY),
        "page" => none(PAGE),
        "iamat" => none(IAMAT),
        "iamat-local" => alone(Durability::Local, IAMAT),
        "publish" => alone(Durability::Local, Script { connections: 64, ..PUBLISH }),
        "sse" => Scene { scripts: vec![READER, PUBLISH], ..none(READER) },
        "flood" => row(PUBLISH),
        "flood-64" => row(Script { connections: 64, ..PUBLISH }),
        _ => return Err(io::Error::other(format!("there is no case {name}"))),
    };
    // What is counted are the answers of the first script: batches of its depth.
    let done = play(&scene, folder)?[0] / scene.scripts[0].depth as u64;
    assert!(done > 0, "{name} does something");
    Ok(done)
}

/// One node and its clients. Many of them are served a little more slowly, lest a case be long.
fn alone(durability: Durability, script: Script) -> Scene {
    let delay_ms = if script.connections > 1 { 20 } else { 2 };
    Scene { nodes: 1, tested: 0, durability, delay_ms, scripts: vec![script] }
}

/// Three nodes in a row; clients write at one end, and the one in the middle hands on.
fn row(script: Script) -> Scene {
    Scene { nodes: 3, tested: 1, ..alone(Durability::None, script) }
}
