//! Perspective Broker in a simulated world, beside a node's HTTP.

use super::*;
use crate::accounts::{Act, Scopes, Token};
use crate::proto::pb::{Broker, Event, Jelly, ObjectId, PbLimits};
use crate::serve::pb::PbConnection;
use serde_json::json;

mod followers;
mod logins;

/// What a client has been told: the ids of calls that were answered, and by what; calls of its
/// objects, by object and method.
#[derive(Debug, Default)]
struct Told {
    answers: BTreeMap<u32, Result<Value, String>>,
    calls: Vec<(&'static str, String, Vec<Value>)>,
    remotes: Vec<i64>,
}

/// A client's end: its objects have names, its calls numbers.
struct Caller {
    no: usize,
    broker: Broker<&'static str, u32>,
    input: InBuf,
    said: Vec<u8>,
    last: u32,
    told: Told,
    /// It answers calls of its objects.
    is_quick: bool,
    /// What it owes, if it does not.
    owed: Vec<Option<crate::proto::pb::RequestId>>,
}

impl Caller {
    fn come(bench: &mut Bench) -> Self {
        let no = bench.connect_over(8787, PbConnection::new);
        let limits = PbLimits { references: 1 << 20, ..PbLimits::default() };
        let mut caller = Self {
            no,
            broker: Broker::client(limits),
            input: InBuf::new(8 << 20),
            said: Vec::new(),
            last: 0,
            told: Told::default(),
            is_quick: true,
            owed: Vec::new(),
        };
        while !caller.broker.is_running() {
            caller.talk(bench, 50);
        }
        caller
    }

    /// Sends what is to be said, and takes what came in so many milliseconds.
    fn talk(&mut self, bench: &mut Bench, ms: u64) {
        for _ in 0..5 {
            bench.send(self.no, std::mem::take(&mut self.said));
            bench.run(ms / 5);
            let came = std::mem::take(&mut bench.node.state.clients[self.no].bytes);
            assert_eq!(self.input.push(&came), came.len());
            while let Some(event) = self.broker.next(&mut self.input, &mut self.said).unwrap() {
                match event {
                    Event::Handled | Event::Released(_) => {}
                    Event::Answer(call, value) => {
                        note_remotes(&value, &mut self.broker, &mut self.told.remotes);
                        self.told.answers.insert(call, Ok(value.to_json()));
                    }
                    Event::Failed(call, failure) => {
                        let told = format!("{}: {}", failure.kind, failure.value);
                        self.told.answers.insert(call, Err(told));
                    }
                    Event::Call(call) => {
                        let args = call.args.iter().map(Jelly::to_json).collect();
                        self.told.calls.push((call.object, call.method.to_owned(), args));
                        if self.is_quick {
                            self.broker.answer(&mut self.said, call.id.as_ref(), &Jelly::None);
                        } else {
                            self.owed.push(call.id);
                        }
                    }
                }
            }
        }
    }

    /// Begins so many posts, each to a topic of its own.
    fn begin_posts(&mut self, count: u32) -> Vec<u32> {
        (0..count)
            .map(|n| {
                let topic = format!("t{n}");
                let args = vec![Jelly::Text(&topic), Jelly::Text("x")];
                self.begin(ObjectId::Name(b"root"), "post", args, &[])
            })
            .collect()
    }

    fn begin(
        &mut self,
        on: ObjectId<'_>,
        method: &str,
        args: Vec<Jelly<'_>>,
        named: &[(&str, &str)],
    ) -> u32 {
        self.last += 1;
        let named = named.iter().map(|(name, value)| (Jelly::Text(name), Jelly::Text(value)));
        let arguments = (args, named.collect());
        self.broker.call(&mut self.said, on, method, arguments, Some(self.last));
        self.last
    }

    fn answer(&mut self, call: u32) -> Result<Value, String> {
        let answer = self.told.answers.remove(&call);
        answer.unwrap_or_else(|| panic!("no answer to {call}: {:?}", self.told))
    }

    /// A call of the root with texts, and its answer.
    fn ask(
        &mut self,
        bench: &mut Bench,
        method: &str,
        texts: &[&str],
        named: &[(&str, &str)],
    ) -> Result<Value, String> {
        self.ask_of(bench, ObjectId::Name(b"root"), method, texts, named)
    }

    fn ask_of(
        &mut self,
        bench: &mut Bench,
        on: ObjectId<'_>,
        method: &str,
        texts: &[&str],
        named: &[(&str, &str)],
    ) -> Result<Value, String> {
        let args = texts.iter().map(|text| Jelly::Text(text)).collect();
        let call = self.begin(on, method, args, named);
        self.talk(bench, 100);
        self.answer(call)
    }

    /// Logs in: the avatar.
    fn log_in(&mut self, bench: &mut Bench, name: &str, token: &Token) -> Result<i64, String> {
        let call = self.begin(ObjectId::Name(b"root"), "login", vec![Jelly::Text(name)], &[]);
        self.talk(bench, 50);
        let given = self.answer(call)?;
        let challenge = challenge_of(&given[0]);
        let challenger = self.told.remotes.pop().unwrap();
        let response = token.digest().response(&challenge);
        let args = vec![Jelly::Bytes(&response), Jelly::None];
        let call = self.begin(ObjectId::Number(challenger), "respond", args, &[]);
        self.broker.release(&mut self.said, challenger);
        self.talk(bench, 50);
        self.answer(call).map(|_| self.told.remotes.pop().unwrap())
    }

    /// An object of this client, as it is given to the node.
    fn object(&mut self, name: &'static str) -> Jelly<'static> {
        Jelly::Remote(self.broker.export(name).unwrap())
    }

    fn subscribe(&mut self, bench: &mut Bench, named: &[(&str, &str)]) -> (i64, Value) {
        let callback = self.object("callback");
        let Jelly::Remote(id) = callback else { unreachable!() };
        let call = self.begin(ObjectId::Name(b"root"), "subscribe", vec![callback], named);
        self.talk(bench, 100);
        (id, self.answer(call).unwrap())
    }

    /// The bodies of updates, and the numbers of gaps, that came since the last time.
    fn seen(&mut self) -> Vec<String> {
        let calls = std::mem::take(&mut self.told.calls);
        let shown = |(_, method, args): (&str, String, Vec<Value>)| match &*method {
            "update" => args[1]["body"].as_str().unwrap_or("?").to_owned(),
            _ => format!("{method} {}", args[1]["count"]),
        };
        calls.into_iter().map(shown).collect()
    }
}

fn challenge_of(shown: &Value) -> Vec<u8> {
    use base64::Engine;
    match shown {
        Value::String(text) => text.as_bytes().to_vec(),
        other => {
            let text = other["base64"].as_str().unwrap();
            base64::engine::general_purpose::STANDARD.decode(text).unwrap()
        }
    }
}

/// Keeps the node's objects in an answer.
fn note_remotes(value: &Jelly<'_>, broker: &mut Broker<&'static str, u32>, found: &mut Vec<i64>) {
    match value {
        Jelly::Remote(id) => {
            assert!(broker.keep(*id));
            found.push(*id);
        }
        Jelly::Tuple(of) => of.iter().for_each(|value| note_remotes(value, broker, found)),
        _ => {}
    }
}

fn token_of(bench: &mut Bench, name: &str, scopes: Scopes, seed: u8) -> Token {
    let token = Token::of([seed; 32]);
    let act = Act::Token { id: token.id(), name: name.to_owned(), scopes, digest: token.digest() };
    bench.act(&act);
    token
}

#[test]
fn a_story_is_published_read_and_listed() {
    let mut bench = Bench::new();
    let mut caller = Caller::come(&mut bench);
    let fields = [("section", "sky"), ("headline", "Rain")];
    let made = caller.ask(&mut bench, "publish", &["Weather", "It rains."], &fields).unwrap();
    assert_eq!(made["title"], "Weather");
    let read = caller.ask(&mut bench, "read", &["Weather"], &[]).unwrap();
    assert_eq!((&read["body"], &read["headline"]), (&json!("It rains."), &json!("Rain")));
    assert_eq!(read, bench.get("/v1/stories/Weather").is(200).json());
    let history = caller.ask(&mut bench, "history", &["Weather"], &[]).unwrap();
    assert_eq!(history, bench.get("/v1/stories/Weather/history").is(200).json());
    let listed = caller.ask(&mut bench, "stories", &[], &[("section", "sky")]).unwrap();
    assert_eq!(listed["stories"][0]["id"], made["id"]);
    let numbers = caller.ask(&mut bench, "statistics", &[], &[]).unwrap();
    assert_eq!((&numbers["counts"]["pb"]["calls"], &numbers["name"]), (&json!(5), &json!("node1")));
    let revision = [("rev", made["id"].as_str().unwrap())];
    assert_eq!(caller.ask(&mut bench, "read", &["Weather"], &revision), Ok(read));
}

#[test]
fn a_conversation_is_the_same_over_a_network_that_cuts_and_delays() {
    for seed in 0..20 {
        let mut bench = Bench::over(seed, SimFaults::calm());
        let mut caller = Caller::come(&mut bench);
        caller.talk(&mut bench, 1_000);
        let callback = caller.object("callback");
        let root = ObjectId::Name(b"root");
        let subscribed = caller.begin(root, "subscribe", vec![callback], &[]);
        let long = "x".repeat(100_000);
        let args = vec![Jelly::Text("A"), Jelly::Text(&long)];
        let written = caller.begin(root, "publish", args, &[]);
        caller.talk(&mut bench, 10_000);
        let read = caller.begin(root, "read", vec![Jelly::Text("A")], &[]);
        let collector = caller.object("collector");
        let args = vec![collector, Jelly::Text("A")];
        let paged = caller.begin(root, "readPaged", args, &[]);
        caller.talk(&mut bench, 20_000);
        for call in [subscribed, written, paged] {
            assert!(caller.answer(call).is_ok(), "seed {seed}");
        }
        assert_eq!(caller.answer(read).unwrap()["body"], long, "seed {seed}");
        let calls = std::mem::take(&mut caller.told.calls);
        let methods: Vec<&str> = calls.iter().map(|(_, method, _)| &**method).collect();
        let pages = ["gotPage"; 13];
        assert_eq!(methods, [&["update"], &pages[..], &["endedPaging"]].concat(), "seed {seed}");
    }
}

#[test]
fn a_write_is_answered_when_the_disk_has_it_and_others_go_on() {
    let mut bench = Bench::new();
    let mut caller = Caller::come(&mut bench);
    bench.node.state.is_held = true;
    let root = ObjectId::Name(b"root");
    let write = |caller: &mut Caller, body: &'static str| {
        let args = vec![Jelly::Text("A"), Jelly::Text(body)];
        caller.begin(root, "publish", args, &[("conflict", "overwrite")])
    };
    let (first, second) = (write(&mut caller, "1"), write(&mut caller, "2"));
    let read = caller.begin(root, "hello", Vec::new(), &[]);
    caller.talk(&mut bench, 100);
    assert_eq!(caller.answer(read), Ok(json!("Hello, World!")));
    assert!(caller.told.answers.is_empty());
    bench.disk(Settled::Done);
    caller.talk(&mut bench, 100);
    assert!(caller.answer(first).is_ok());
    // The second could not be judged before the first was safe.
    assert!(caller.told.answers.is_empty());
    bench.disk(Settled::Refused);
    caller.talk(&mut bench, 100);
    let refused = caller.answer(second).unwrap_err();
    assert!(refused.starts_with("bellwether.TryLater: this node's disk failed"), "{refused}");
}

#[test]
fn a_disk_that_gives_no_answer_is_told_and_its_writes_make_room() {
    let mut bench = Bench::new();
    let mut caller = Caller::come(&mut bench);
    bench.node.state.is_held = true;
    let args = vec![Jelly::Text("A"), Jelly::Text("1")];
    let write = caller.begin(ObjectId::Name(b"root"), "publish", args, &[]);
    caller.talk(&mut bench, 29_000);
    assert!(caller.told.answers.is_empty());
    caller.talk(&mut bench, 2_000);
    let late = caller.answer(write).unwrap_err();
    assert!(late.starts_with("bellwether.TryLater: this node's disk gave no answer"), "{late}");
    bench.disk(Settled::Done);
    caller.talk(&mut bench, 100);
    let args = vec![Jelly::Text("A")];
    let read = caller.begin(ObjectId::Name(b"root"), "read", args, &[]);
    caller.talk(&mut bench, 100);
    assert_eq!(caller.answer(read).unwrap()["body"], "1");
}

#[test]
fn a_client_that_ends_its_side_still_gets_its_answers() {
    let mut bench = Bench::new();
    let mut caller = Caller::come(&mut bench);
    bench.node.state.is_held = true;
    let calls = caller.begin_posts(70);
    bench.send(caller.no, std::mem::take(&mut caller.said));
    bench.half_close(caller.no);
    bench.run(100);
    assert!(!bench.is_closed(caller.no));
    for _ in 0..2 {
        bench.disk(Settled::Done);
        caller.talk(&mut bench, 100);
    }
    for call in calls {
        assert!(caller.answer(call).is_ok());
    }
    bench.run(100);
    assert!(bench.is_closed(caller.no));
}

#[test]
fn writes_under_way_are_bounded_and_the_rest_is_not_read() {
    let mut bench = Bench::new();
    let mut caller = Caller::come(&mut bench);
    bench.node.state.is_held = true;
    let topics = caller.begin_posts(100);
    caller.talk(&mut bench, 100);
    assert_eq!(bench.node.state.open.len(), 64);
    bench.disk(Settled::Done);
    caller.talk(&mut bench, 100);
    bench.disk(Settled::Done);
    caller.talk(&mut bench, 100);
    for topic in topics {
        assert!(caller.answer(topic).is_ok());
    }
}

#[test]
fn a_body_goes_in_pages_as_fast_as_they_are_taken() {
    let mut bench = Bench::new();
    let body = "0123456789".repeat(50_000);
    bench.put_text("/v1/stories/Big", &body).is(201);
    let mut caller = Caller::come(&mut bench);
    let collector = caller.object("collector");
    let args = vec![collector, Jelly::Text("Big")];
    let call = caller.begin(ObjectId::Name(b"root"), "readPaged", args, &[]);
    caller.talk(&mut bench, 1_000);
    assert_eq!(caller.answer(call), Ok(Value::Null));
    let calls = std::mem::take(&mut caller.told.calls);
    let (last, pages) = calls.split_last().unwrap();
    assert_eq!(last.1, "endedPaging");
    assert!(
        pages.iter().all(|(object, method, _)| (*object, &**method) == ("collector", "gotPage"))
    );
    let came: String = pages.iter().map(|(_, _, args)| args[0].as_str().unwrap()).collect();
    assert_eq!(came, body);
    assert_eq!(pages.len(), body.len().div_ceil(8192));
}

#[test]
fn searches_are_asked_one_after_the_other_and_answered_as_http_answers() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/Flood?section=sea", "high water").is(201);
    bench.put_text("/v1/stories/Rain?section=sky", "low water").is(201);
    bench.index("Flood");
    bench.index("Rain");
    let mut caller = Caller::come(&mut bench);
    let found = caller.ask(&mut bench, "search", &["water"], &[]).unwrap();
    assert_eq!(found, bench.get("/v1/search?q=water").is(200).json());
    let found = caller.ask(&mut bench, "search", &["water"], &[("section", "sky")]).unwrap();
    assert_eq!(found["hits"][0]["title"], "Rain");
    let refused = caller.ask(&mut bench, "search", &["-x"], &[]).unwrap_err();
    assert!(refused.starts_with("bellwether.Malformed: words: "), "{refused}");
    bench.node.state.is_search_held = true;
    let root = ObjectId::Name(b"root");
    let ask = |caller: &mut Caller| caller.begin(root, "search", vec![Jelly::Text("high")], &[]);
    let calls: Vec<u32> = (0..17).map(|_| ask(&mut caller)).collect();
    caller.talk(&mut bench, 100);
    assert_eq!(bench.node.state.asks.len(), 1);
    let refused = caller.answer(calls[16]).unwrap_err();
    assert!(refused.starts_with("bellwether.TryLater: 16 searches wait"), "{refused}");
    bench.node.state.is_search_held = false;
    bench.with(|cx, desk| desk.answer_searches(cx));
    caller.talk(&mut bench, 200);
    for call in &calls[..16] {
        assert_eq!(caller.answer(*call).unwrap()["hits"][0]["title"], "Flood");
    }
    // Who goes away asks for nothing any more.
    bench.node.state.is_search_held = true;
    ask(&mut caller);
    caller.talk(&mut bench, 50);
    bench.drop_client(caller.no);
    assert_eq!(bench.node.state.asks.len(), 0);
}

#[test]
fn subscriptions_and_pages_of_a_connection_are_bounded() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/A", &"x".repeat(900_000)).is(201);
    let mut caller = Caller::come(&mut bench);
    let root = ObjectId::Name(b"root");
    let calls: Vec<u32> = (0..65)
        .map(|_| {
            let callback = caller.object("callback");
            caller.begin(root, "subscribe", vec![callback], &[])
        })
        .collect();
    caller.talk(&mut bench, 100);
    let refused = caller.answer(calls[64]).unwrap_err();
    assert!(refused.starts_with("bellwether.TryLater: a connection has at most 64"), "{refused}");
    assert_eq!(bench.node.state.tally.pb.subscriptions, 64);
    let calls: Vec<u32> = (0..17)
        .map(|_| {
            let collector = caller.object("collector");
            caller.begin(root, "readPaged", vec![collector, Jelly::Text("A")], &[])
        })
        .collect();
    caller.talk(&mut bench, 100);
    let refused = caller.answer(calls[16]).unwrap_err();
    assert!(refused.starts_with("bellwether.TryLater: 16 bodies are on their way"), "{refused}");
}

#[test]
fn arguments_are_bound_as_python_binds_them() {
    let mut bench = Bench::new();
    let mut caller = Caller::come(&mut bench);
    for (method, args, named, says) in [
        ("read", &["a", "b", "c"][..], &[][..], "read takes 2 arguments by place, 3 were given"),
        ("read", &[], &[("titel", "a")], "read takes no argument \"titel\""),
        ("read", &["a"], &[("title", "a")], "read got several values for \"title\""),
        ("read", &[], &[], "the argument title is missing"),
        ("history", &["a"], &[("limit", "many")], "limit is a number from 1 to 500"),
        ("subscribe", &["x"], &[], "callback is no referenceable object"),
        ("subscribe", &[], &[], "the argument callback is missing"),
        ("publish", &["a"], &[], "the argument body is missing"),
        (
            "publish",
            &["a", "b"],
            &[("conflict", "x")],
            "conflict is fail, keep, overwrite or merge",
        ),
    ] {
        let refused = caller.ask(&mut bench, method, args, named).unwrap_err();
        assert_eq!(refused, format!("bellwether.Malformed: {says}"));
    }
    let refused = caller.ask(&mut bench, "publish", &["a", "b"], &[("x", "y")]).unwrap_err();
    assert!(refused.starts_with("bellwether.BadFields"), "{refused}");
    let names: Vec<String> = (0..65).map(|number| format!("name{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| (&**name, "x")).collect();
    let refused = caller.ask(&mut bench, "publish", &["a", "b"], &many).unwrap_err();
    let says = "publish takes at most 64 arguments by name, not 65";
    assert_eq!(refused, format!("bellwether.Malformed: {says}"));
    let unknown = caller.ask(&mut bench, "remote_read", &[], &[]).unwrap_err();
    assert!(unknown.starts_with("twisted.spread.flavors.NoSuchMethod"), "{unknown}");
}

#[test]
fn a_message_has_its_time_and_what_is_kept_of_it_is_counted() {
    let mut bench = Bench::new();
    let caller = Caller::come(&mut bench);
    let part = [&b"\x00\x00\x08\x82"[..], &vec![b'x'; 20_000]].concat();
    bench.send(caller.no, [&b"\x02\x80"[..], &part].concat());
    bench.run(100);
    assert_eq!(bench.node.state.tally.body_bytes, part.len() as u64 + 2);
    // Ten seconds, and one for each KiB that came.
    bench.run(28_000);
    assert!(!bench.is_closed(caller.no));
    bench.run(3_000);
    assert!(bench.is_closed(caller.no));
    assert_eq!(bench.node.state.tally.body_bytes, 0);
    assert_eq!(bench.node.state.tally.pb.connections, 0);
    let broken = Caller::come(&mut bench);
    bench.send(broken.no, b"\x01\x81");
    bench.run(100);
    assert!(bench.is_closed(broken.no));
}

/// A client whose calls stand so close that a part of one had always come was taken for slow.
#[test]
fn a_client_that_is_always_in_the_middle_of_a_message_is_not_slow() {
    let mut bench = Bench::new();
    let mut caller = Caller::come(&mut bench);
    let mut held = Vec::new();
    for _ in 0..40 {
        caller.begin(ObjectId::Name(b"root"), "hello", Vec::new(), &[]);
        held.append(&mut caller.said);
        // All of the call before, and the beginning of this one.
        let rest = held.split_off(held.len() - 5);
        bench.send(caller.no, std::mem::replace(&mut held, rest));
        bench.run(1_000);
    }
    assert!(!bench.is_closed(caller.no));
    caller.said = held;
    caller.talk(&mut bench, 100);
    assert_eq!(caller.told.answers.len(), 40);
    // One that does not go on is.
    caller.begin(ObjectId::Name(b"root"), "hello", Vec::new(), &[]);
    bench.send(caller.no, &caller.said[..5]);
    bench.run(12_000);
    assert!(bench.is_closed(caller.no));
}
