//! Writes for several disks: when they are answered, and what is said of how far they came.

use crate::harness::{Herd, Node, Setup, await_that};
use crate::raw::{get, put};
use serde_json::{Value, json};

/// Tickets whose time was up.
const LATE: &str = "bellwether_spread_total{how=\"late\"}";

/// The names of the nodes that have an update on disk, as a node knows it.
fn on_disk(spread: &Value) -> Vec<String> {
    let nodes = spread["nodes"].as_array().expect("nodes").iter();
    let held = nodes.filter(|node| {
        assert_eq!(node["on_disk"] == true, node["at"].is_string(), "{spread}");
        node["on_disk"] == true
    });
    held.map(|node| node["node"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_write_for_two_more_nodes_is_answered_when_they_have_it() {
    let herd = Herd::mesh(3);
    let port = herd[0].http_port();
    for durability in ["2", "majority"] {
        let path = format!("/v1/stories/{durability}?durability={durability}");
        let made = put(port, &path, "", "x").expect(201);
        let location = format!("/v1/stories/{durability}");
        assert_eq!(made.field("location"), Some(&*location));
        let made = made.json();
        assert_eq!(made["durability"], json!({"asked": durability, "met": durability}));
        let id = made["id"].as_str().expect("an id");
        let spread = get(port, &format!("/v1/updates/{id}/spread"), "").expect(200).json();
        assert_eq!(
            (&spread["id"], &spread["asked"], &spread["met"]),
            (&json!(id), &json!(durability), &json!(durability))
        );
        let held = on_disk(&spread);
        assert!(held.len() >= if durability == "2" { 3 } else { 2 }, "{spread}");
        for node in herd.nodes.iter().filter(|node| held.contains(&node.setup.name)) {
            // It is on that disk: not even a kill takes it.
            node.http.get(&format!("/v1/stories/{durability}")).expect(200);
        }
    }
    get(port, &format!("/v1/updates/{}/spread", "a".repeat(64)), "").problem(404);
    get(port, "/v1/updates/x/spread", "").problem(400);
}

#[test]
fn a_write_whose_nodes_are_away_is_202_and_its_spread_shows_when_they_are_back() {
    let herd = Herd::mesh_of(3, |setup| setup.limit("spread_ms", 300));
    let port = herd[0].http_port();
    herd[1].signal("STOP");
    herd[2].signal("STOP");
    let made = put(port, "/v1/stories/a?durability=majority", "", "x").expect(202);
    let place = made.field("location").expect("where to ask").to_owned();
    let told = made.json();
    assert_eq!(told["durability"], json!({"asked": "majority", "met": false}));
    assert_eq!(place, format!("/v1/updates/{}/spread", told["id"].as_str().expect("an id")));
    let spread = get(port, &place, "").expect(200).json();
    assert_eq!(spread["met"], false);
    assert_eq!(on_disk(&spread), ["node1"]);
    assert_eq!(spread["nodes"].as_array().map(Vec::len), Some(3), "{spread}");
    assert_eq!(herd[0].metric(LATE), 1);
    herd[1].signal("CONT");
    herd[2].signal("CONT");
    await_that("the spread", || {
        let spread = get(port, &place, "").expect(200).json();
        let is_all = spread["met"] == "majority" && on_disk(&spread).len() == 3;
        if is_all { Ok(()) } else { Err(spread.to_string()) }
    });
}

#[test]
fn a_herd_may_ask_for_a_majority_by_default_and_the_line_protocol_waits_for_it_too() {
    let herd = Herd::mesh_of(3, |setup| setup.durability("majority"));
    let made = herd[0].http.put("/v1/stories/a", "x").expect(201).json();
    assert_eq!(made["durability"]["asked"], "majority");
    let posted = herd[1].http.post("/v1/topics/t", "x").expect(201).json();
    assert_eq!(posted["durability"]["met"], "majority");
    assert!(herd[2].line(b"IAMAT a +1+1 1\n").starts_with("AT node3 "));
    let view = herd[0].http.get("/v1/herd").expect(200).json();
    assert_eq!((&view["durability"], &view["majority"]), (&json!("majority"), &json!(2)));
    assert_eq!(herd[0].metric(LATE), 0);
}

#[test]
fn the_line_protocol_answers_in_the_end_when_nobody_else_is_there() {
    let node = Node::alone(Setup::new("Hill").durability("1").limit("spread_ms", 200).peer("away"));
    assert!(node.line(b"IAMAT a +1+1 1\n").starts_with("AT Hill "));
    assert_eq!(node.metric(LATE), 1);
}

#[test]
fn the_herd_is_shown_in_the_order_of_its_contract_by_names_and_versions() {
    let herd = Herd::mesh(2);
    herd[1].http.write("a", "x");
    herd.settle();
    let text = get(herd[0].http_port(), "/v1/herd", "").expect(200).text();
    let members = ["name", "nodes", "links", "vector"];
    let places = members.map(|name| text.find(&format!("\"{name}\":")).expect(name));
    assert!(places.is_sorted(), "{text}");
    assert!(text.starts_with("{\"name\":\"node1\",\"nodes\":[{\"name\":\"node1\",\"epoch\":"));
    let view: Value = serde_json::from_str(&text).expect("JSON");
    let origins: Vec<&String> = view["vector"].as_object().expect("names").keys().collect();
    assert_eq!(origins, ["node2"]);
    for name in [
        "bellwether_build_info{version=",
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
        "bellwether_link_state{peer=\"node2\",state=\"up\"} 1",
    ] {
        await_that("the metrics", || {
            let page = herd[0].http.get("/metrics").expect(200).text();
            if page.contains(&format!("\n{name}")) { Ok(()) } else { Err(format!("no {name}")) }
        });
    }
}
