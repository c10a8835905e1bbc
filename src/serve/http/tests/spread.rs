//! Writes that ask for several disks, and where one asks how far they came.

use super::*;
use serde_json::json;

#[test]
fn a_write_whose_time_was_up_is_accepted_and_says_where_to_ask() {
    let mut bench = Bench::new();
    for request in [
        put("/v1/stories/a?durability=majority", "Content-Type: text/plain\r\n", "x"),
        put("/v1/topics/t?durability=majority", "", "x").replacen("PUT", "POST", 1),
    ] {
        let reply = bench.ask(request).is(202);
        let json = reply.json();
        assert_eq!(json["durability"], json!({"asked": "majority", "met": false}));
        let place = format!("/v1/updates/{}/spread", reply.id());
        assert_eq!(reply.field("location"), Some(&*place));
        let at = "2023-11-14T22:13:20.000Z";
        let spread = bench.get(&place).is(200);
        assert_eq!(spread.field("cache-control"), Some("no-store"));
        let here = json!({"node": "node1", "on_disk": true, "at": at});
        let there = json!({"node": "node2", "on_disk": false, "at": null});
        let expected = json!({"id": reply.id(), "asked": "majority", "met": false,
            "nodes": [here, there]});
        assert_eq!(spread.json(), expected);
        bench.node.state.has_spread = true;
        let spread = bench.get(&place).json();
        assert_eq!(
            (&spread["met"], &spread["nodes"][1]["on_disk"]),
            (&json!("majority"), &json!(true))
        );
        bench.node.state.has_spread = false;
    }
}

#[test]
fn a_write_that_spread_in_time_is_answered_as_any_other() {
    let mut bench = Bench::new();
    bench.node.state.has_spread = true;
    let reply = bench.put_text("/v1/stories/a?durability=2", "x").is(201);
    assert_eq!(reply.json()["durability"], json!({"asked": "2", "met": "2"}));
    assert_eq!(reply.field("location"), Some("/v1/stories/a"));
    bench.node.state.config.durability = Durability::Majority;
    let base = reply.id();
    let reply = bench.put_text(&format!("/v1/stories/a?base={base}"), "y").is(200);
    assert_eq!(reply.json()["durability"]["asked"], "majority");
}

#[test]
fn the_spread_of_what_is_not_here_is_not_found() {
    let mut bench = Bench::new();
    bench.get(&format!("/v1/updates/{}/spread", "0".repeat(64))).is(404);
    bench.get("/v1/updates/12/spread").is(400);
    assert_eq!(
        bench.ask("PUT /v1/updates/1/spread HTTP/1.1\r\nHost: a\r\n\r\n").is(405).field("allow"),
        Some("GET, HEAD, OPTIONS")
    );
    bench.node.state.is_held = true;
    let no = bench.connect();
    bench.send(no, put("/v1/stories/a?durability=1", "", "x"));
    bench.run(100);
    assert_eq!(bench.take(no), "", "its own disk has not answered");
    bench.disk(Settled::Refused);
    bench.run(100);
    Reply::of(&bench.take(no)).is(503);
}
