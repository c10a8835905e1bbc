//! Callbacks: subscriptions, and those who do not keep up with them.

use super::*;

#[test]
fn a_callback_gets_updates_with_cursors_until_it_is_taken_back() {
    let mut bench = Bench::new();
    let mut caller = Caller::come(&mut bench);
    let (callback, _) = caller.subscribe(&mut bench, &[("section", "sky")]);
    for (title, section) in [("A", "sky"), ("B", "sea"), ("C", "sky")] {
        let fields = format!("?section={section}");
        bench.put_text(&format!("/v1/stories/{title}{fields}"), title).is(201);
    }
    caller.talk(&mut bench, 100);
    let cursor = caller.told.calls[0].2[0].as_str().unwrap().to_owned();
    assert_eq!(caller.seen(), ["A", "C"]);
    let mut later = Caller::come(&mut bench);
    later.subscribe(&mut bench, &[("after", &cursor)]);
    assert_eq!(later.seen(), ["B", "C"]);
    assert_eq!(bench.node.state.tally.pb.subscriptions, 2);
    assert!(caller.broker.export_again(callback));
    let args = vec![Jelly::Remote(callback)];
    let call = caller.begin(ObjectId::Name(b"root"), "unsubscribe", args, &[]);
    caller.talk(&mut bench, 100);
    assert_eq!(caller.answer(call), Ok(json!(true)));
    bench.put_text("/v1/stories/D?section=sky", "D").is(201);
    caller.talk(&mut bench, 100);
    assert_eq!(caller.seen(), [""; 0]);
    assert_eq!(bench.node.state.tally.pb.subscriptions, 1);
    bench.drop_client(later.no);
    assert_eq!(bench.node.state.tally.pb.subscriptions, 0);
    assert_eq!(bench.node.state.attending.len(), 0);
}

#[test]
fn an_update_that_no_string_holds_comes_without_its_body() {
    let mut bench = Bench::new();
    let mut caller = Caller::come(&mut bench);
    caller.subscribe(&mut bench, &[]);
    bench.put_text("/v1/stories/Big?headline=H", &"x".repeat(700_000)).is(201);
    caller.talk(&mut bench, 100);
    let (_, _, args) = &caller.told.calls[0];
    assert_eq!((&args[1]["left_out"], &args[1]["headline"]), (&json!(["body"]), &json!("H")));
    assert_eq!(args[1].get("body"), None);
}

#[test]
fn an_update_is_not_read_for_a_subscriber_that_owes_answers_and_it_is_told_of_the_gap() {
    let mut bench = Bench::new();
    bench.node.state.config.limits.pb_unanswered_updates = 2;
    bench.node.state.config.limits.lag_updates = 3;
    let mut caller = Caller::come(&mut bench);
    caller.is_quick = false;
    caller.subscribe(&mut bench, &[]);
    for n in 0..10 {
        bench.put_text(&format!("/v1/stories/A?conflict=overwrite&headline={n}"), &n.to_string());
        caller.talk(&mut bench, 50);
    }
    assert_eq!(caller.seen(), ["0", "1"], "no more than may be unanswered");
    caller.is_quick = true;
    for id in std::mem::take(&mut caller.owed) {
        caller.broker.answer(&mut caller.said, id.as_ref(), &Jelly::None);
    }
    caller.talk(&mut bench, 200);
    // The newest of the story, and how many came between.
    assert_eq!(caller.seen(), ["9", "gap 7"]);
    assert!(bench.node.state.tally.lagged > 0);
}

#[test]
fn a_subscriber_that_answers_nothing_is_cut() {
    let mut bench = Bench::new();
    bench.node.state.config.limits.stall_ms = 1_000;
    let mut caller = Caller::come(&mut bench);
    let mut quick = Caller::come(&mut bench);
    caller.is_quick = false;
    caller.subscribe(&mut bench, &[]);
    quick.subscribe(&mut bench, &[]);
    bench.put_text("/v1/stories/A", "a").is(201);
    quick.talk(&mut bench, 100);
    bench.run(500);
    assert!(!bench.is_closed(caller.no));
    bench.run(1_000);
    assert!(bench.is_closed(caller.no) && !bench.is_closed(quick.no));
    assert_eq!(bench.node.state.tally.stalled, 1);
    // Who owes nothing may be silent as long as it likes.
    bench.run(100_000);
    assert!(!bench.is_closed(quick.no));
}

#[test]
fn a_client_that_takes_nothing_of_what_waits_is_cut() {
    let mut bench = Bench::new();
    bench.node.state.config.limits.stall_ms = 2_000;
    let body = "x".repeat(500_000);
    bench.put_text("/v1/stories/A", &body).is(201);
    let mut caller = Caller::come(&mut bench);
    let conn = bench.node.state.clients[caller.no].conn.unwrap();
    bench.with(|cx, _| cx.transport_of(conn).pause());
    for _ in 0..10 {
        caller.begin(ObjectId::Name(b"root"), "read", vec![Jelly::Text("A")], &[]);
    }
    bench.send(caller.no, &caller.said);
    bench.run(1_500);
    // What could not be sent is not even made.
    assert!(bench.node.state.tally.pb.calls() < 10);
    assert_eq!(bench.node.state.tally.pb.connections, 1);
    bench.run(3_000);
    assert_eq!(bench.node.state.tally.pb.connections, 0);
}

#[test]
fn a_callback_without_the_method_is_called_once() {
    let mut bench = Bench::new();
    let mut caller = Caller::come(&mut bench);
    caller.is_quick = false;
    caller.subscribe(&mut bench, &[]);
    bench.put_text("/v1/stories/A", "a").is(201);
    caller.talk(&mut bench, 50);
    let failure = crate::proto::pb::Failure::no_such_method("remote_update");
    let id = caller.owed.pop().unwrap();
    caller.broker.fail(&mut caller.said, id.as_ref(), &failure);
    caller.talk(&mut bench, 50);
    assert_eq!(bench.node.state.tally.pb.subscriptions, 0);
}
