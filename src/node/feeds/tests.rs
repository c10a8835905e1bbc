//! A node and a news server over the simulated network: what is offered and when, and what is said
//! of articles that the disk is slow to take, or does not.

use super::*;
use crate::base::{InBuf, ServerEndpoint};
use crate::config::{Durability, Listen, Service};
use crate::news::{self, Revision, TOPIC_STORIES, Withdrawal};
use crate::node::prepare;
use crate::node::testing::{self, started, theirs_at};
use crate::proto::article::Article;
use crate::proto::nntp::{Command, CommandCodec, Event};
use crate::reactor::{ListenOptions, Outcome, Settings, SimFaults, SimLoop, SimNode, SimWorld};
use crate::serve::{Desk, Entry};
use crate::store::{Fault, SimDisk};
use crate::update::Kind;
use std::collections::BTreeMap;
use std::net::IpAddr;

const PORT: u16 = 9_119;
const OWN_PORT: u16 = 9_120;

/// A news server that holds its peers to the rules, and what it does otherwise than it might.
#[derive(Default)]
struct Theirs {
    /// It knows IHAVE alone.
    is_old: bool,
    /// So often it puts each article off.
    put_off: usize,
    /// It ends the connection behind so many articles.
    cut_behind: Option<usize>,
    /// It lets nobody in.
    refuses: bool,
    connections: usize,
    asked: BTreeMap<String, usize>,
    articles: BTreeMap<String, Vec<u8>>,
    twice: usize,
    most_open: usize,
    /// What was answered to a client of ours.
    heard: Vec<u8>,
}

struct TheirConnection {
    codec: CommandCodec,
    /// What was checked and not sent yet.
    open: usize,
    coming: Option<(String, Vec<u8>)>,
}

impl TheirConnection {
    fn new() -> Self {
        Self { codec: CommandCodec::new(1 << 20), open: 0, coming: None }
    }

    /// What an offer is answered with: put off, known, or to be sent.
    fn offered(&mut self, theirs: &mut Theirs, id: &str, codes: [u16; 3]) -> u16 {
        let asked = theirs.asked.entry(id.to_owned()).or_default();
        *asked += 1;
        if *asked <= theirs.put_off {
            return codes[0];
        }
        if theirs.articles.contains_key(id) {
            return codes[1];
        }
        self.open += 1;
        theirs.most_open = theirs.most_open.max(self.open);
        codes[2]
    }

    fn command(&mut self, theirs: &mut Theirs, command: Command<'_>) -> String {
        match command {
            Command::ModeStream if theirs.is_old => "500 what?\r\n".to_owned(),
            Command::ModeStream => "203 yes\r\n".to_owned(),
            Command::Check(id) => {
                assert!(!theirs.is_old, "a stream to an old server");
                let code = self.offered(theirs, id.as_str(), [431, 438, 238]);
                format!("{code} {id}\r\n")
            }
            Command::TakeThis(id) => {
                self.coming = Some((id.as_str().to_owned(), Vec::new()));
                String::new()
            }
            Command::Ihave(id) => {
                assert_eq!(self.open, 0, "IHAVE is not pipelined");
                let code = self.offered(theirs, id.as_str(), [436, 435, 335]);
                if code == 335 {
                    self.coming = Some((id.as_str().to_owned(), Vec::new()));
                }
                format!("{code} x\r\n")
            }
            other => panic!("a feeder says {other:?}"),
        }
    }

    fn taken(&mut self, theirs: &mut Theirs) -> String {
        let (id, bytes) = self.coming.take().expect("an article was announced");
        self.open -= 1;
        let article = Article::parse(&bytes).expect("an article");
        assert_eq!(article.message_id().expect("a good one").as_str(), id);
        assert_eq!(article.missing(&[]), None);
        theirs.twice += usize::from(theirs.articles.insert(id.clone(), bytes).is_some());
        if theirs.is_old { "235 yes\r\n".to_owned() } else { format!("239 {id}\r\n") }
    }
}

impl Protocol<Theirs> for TheirConnection {
    fn made(&mut self, cx: &mut Ctx<'_, Theirs>, theirs: &mut Theirs) -> Outcome {
        theirs.connections += 1;
        if theirs.refuses {
            cx.transport().write(b"502 not you\r\n");
            cx.transport().close();
            return Ok(());
        }
        cx.transport().write(b"200 hello\r\n");
        Ok(())
    }

    fn received(
        &mut self,
        cx: &mut Ctx<'_, Theirs>,
        theirs: &mut Theirs,
        input: &mut InBuf,
    ) -> Outcome {
        let mut out = String::new();
        while cx.more() {
            let mut codec = std::mem::replace(&mut self.codec, CommandCodec::new(1));
            let event = codec.next(input);
            let is_over = event.is_none();
            let mut said = String::new();
            let mut expects = false;
            match event {
                Some(Event::Command(command)) => {
                    let is_old_offer = matches!(command, Ok(Command::Ihave(_)));
                    said = self.command(theirs, command.expect("a command"));
                    expects = is_old_offer && said.starts_with("335");
                }
                Some(Event::Bytes(bytes)) => {
                    let coming = self.coming.as_mut().expect("an article");
                    coming.1.extend_from_slice(bytes);
                }
                Some(Event::End(_)) => said = self.taken(theirs),
                None => {}
            }
            self.codec = codec;
            if expects {
                self.codec.expect_block();
            }
            out.push_str(&said);
            if theirs.cut_behind.is_some_and(|most| theirs.articles.len() >= most) {
                theirs.cut_behind = None;
                cx.transport().abort();
                return Ok(());
            }
            if is_over {
                break;
            }
        }
        cx.transport().write(out.as_bytes());
        Ok(())
    }
}

/// A client of ours: says all at once, and keeps what is answered.
struct Says(Vec<u8>);

impl Protocol<Theirs> for Says {
    fn made(&mut self, cx: &mut Ctx<'_, Theirs>, _: &mut Theirs) -> Outcome {
        cx.transport().write(&self.0);
        Ok(())
    }

    fn received(
        &mut self,
        _: &mut Ctx<'_, Theirs>,
        theirs: &mut Theirs,
        input: &mut InBuf,
    ) -> Outcome {
        theirs.heard.extend_from_slice(input.take_all());
        Ok(())
    }
}

type World = testing::World<Theirs>;

fn configured(host: String) -> Config {
    let mut config = Config::new("node", "");
    let rules = FeedRules { offer: "*,!secret".to_owned(), ..FeedRules::default() };
    config.peers = vec![theirs_at(PeerKind::Nntp(rules), host, PORT)];
    let endpoint = format!("tcp:{OWN_PORT}:interface=0.0.0.0").parse().unwrap();
    config.listen = vec![Listen::new(Service::Nntp, endpoint)];
    config
}

impl World {
    fn new(state: Theirs) -> Self {
        Self::of(state, |theirs| configured(theirs.to_string()))
    }

    fn of(state: Theirs, configure: impl FnOnce(IpAddr) -> Config) -> Self {
        let faults = SimFaults { job_ms: 2..=2, ..SimFaults::calm() };
        let net = SimWorld::new(5, faults);
        let mut theirs = SimLoop::new(&net, "theirs", Settings::default(), state).unwrap();
        let here: ServerEndpoint = format!("tcp:{PORT}:interface=0.0.0.0").parse().unwrap();
        let build = |_: &Peer, _: &mut Theirs| -> Box<dyn Protocol<Theirs>> {
            Box::new(TheirConnection::new())
        };
        theirs.with(|cx, _| cx.listen(&here, ListenOptions::default(), build)).unwrap();
        let disk = SimDisk::new(5);
        let node = started(&net, configure(net.address("theirs")), &disk, 5);
        Self { net, node, theirs, disk }
    }

    fn write(&mut self, title: &str, section: &str, alias: &str, wire: &[u8]) -> String {
        let revision = Revision {
            generation: 1,
            title,
            section,
            wire,
            body: b"text\n",
            ..Revision::default()
        };
        self.put(Kind::Revision, alias, &revision.encode().unwrap())
    }

    fn put(&mut self, kind: Kind, alias: &str, payload: &[u8]) -> String {
        self.node.turn().unwrap();
        let receipt = self.node.with(|cx, node| {
            let entry = Entry {
                kind,
                topic: TOPIC_STORIES,
                media_type: "text/plain",
                alias,
                parents: Vec::new(),
                payload,
            };
            node.publish(cx, entry, Durability::Local).unwrap()
        });
        format!("<{}@bellwether.invalid>", receipt.cid)
    }

    /// Has a client of ours say this to the node's listener; what was answered within a while.
    fn say(&mut self, text: &str) -> String {
        self.theirs.state.heard.clear();
        let (host, port) = ("node".to_owned(), OWN_PORT);
        let node = ClientEndpoint::Tcp { host, port, timeout_ms: None };
        let text = text.as_bytes().to_vec();
        self.theirs.with(|cx, _| {
            let build = move |_: &Peer, _: &mut Theirs| -> Box<dyn Protocol<Theirs>> {
                Box::new(Says(text.clone()))
            };
            cx.connect(&node, ConnectOptions::default(), build);
        });
        self.run(3_000);
        String::from_utf8(self.theirs.state.heard.clone()).unwrap()
    }

    fn has(&self, id: &str) -> bool {
        self.theirs.state.articles.contains_key(id)
    }
}

/// `TAKETHIS` of an article of this name.
fn takethis(id: &str) -> String {
    format!("TAKETHIS {id}\r\n{}.\r\n", article(id))
}

fn article(id: &str) -> String {
    format!(
        "Path: theirs!x\r\nFrom: a@b.example\r\nNewsgroups: world\r\nSubject: s\r\n\
         Date: 1 Jan 1970 00:00:00 +0000\r\nMessage-ID: {id}\r\n\r\ntext\r\n"
    )
}

#[test]
fn every_story_is_offered_once_though_the_connection_is_cut() {
    let mut world = World::new(Theirs { cut_behind: Some(70), ..Theirs::default() });
    let mut ids: Vec<String> = Vec::new();
    for n in 0..300 {
        ids.push(world.write(&format!("s{n}"), "world", "", b""));
        if n % 40 == 0 {
            world.run(20);
        }
    }
    world.run(30_000);
    let missing = ids.iter().filter(|id| !world.has(id)).count();
    let theirs = &world.theirs.state;
    assert_eq!((missing, theirs.articles.len(), theirs.twice), (0, 300, 0));
    assert!(theirs.most_open > 1 && theirs.most_open <= 128, "{}", theirs.most_open);
}

#[test]
fn what_is_put_off_is_offered_again_and_an_old_server_gets_one_at_a_time() {
    for is_old in [false, true] {
        let mut world = World::new(Theirs { is_old, put_off: 2, ..Theirs::default() });
        let ids: Vec<String> =
            (0..5).map(|n| world.write(&format!("s{n}"), "world", "", b"")).collect();
        world.run(60_000);
        for id in &ids {
            assert!(world.has(id), "{id}, old: {is_old}");
            assert_eq!(world.theirs.state.asked[id], 3, "old: {is_old}");
        }
    }
}

#[test]
fn a_server_that_refuses_us_is_asked_ever_more_seldom_and_fed_once_it_does_not() {
    let mut world = World::new(Theirs { refuses: true, ..Theirs::default() });
    let id = world.write("a", "world", "", b"");
    world.run(60_000);
    let dials = world.theirs.state.connections;
    assert!((5..40).contains(&dials), "{dials} dials in a minute");
    world.theirs.state.refuses = false;
    world.run(10_000);
    assert!(world.has(&id));
}

#[test]
fn what_is_not_for_a_server_or_came_through_it_is_not_offered() {
    let mut world = World::new(Theirs::default());
    let secret = world.write("a", "secret", "", b"");
    let (through, other) = ("<through@x.example>", "<other@x.example>");
    for (id, path) in [(through, "node!!theirs!x"), (other, "node!!elsewhere!theirs")] {
        let wire = article(id).replace("Path: theirs!x", &format!("Path: {path}"));
        let head = &wire[..wire.find("\r\n\r\n").unwrap() + 2];
        world.write(&news::message_title(id), "world", id, head.as_bytes());
    }
    world.run(5_000);
    assert!(world.has(other) && !world.has(through) && !world.has(&secret));
    let sent = String::from_utf8(world.theirs.state.articles[other].clone()).unwrap();
    assert_eq!(sent, article(other).replace("Path: theirs!x", "Path: node!!elsewhere!theirs"));
}

#[test]
fn a_node_that_was_down_goes_on_where_the_server_had_everything() {
    let mut world = World::new(Theirs::default());
    let ids: Vec<String> =
        (0..50).map(|n| world.write(&format!("s{n}"), "world", "", b"")).collect();
    world.run(20_000);
    assert!(ids.iter().all(|id| world.has(id)));
    let World { net, node, theirs, disk } = world;
    drop(node);
    let node = started(&net, configured(net.address("theirs").to_string()), &disk, 5);
    let mut world = World { net, node, theirs, disk };
    let more = world.write("more", "world", "", b"");
    world.run(5_000);
    assert!(world.has(&more));
    assert_eq!(world.theirs.state.asked.values().sum::<usize>(), 51, "none is offered again");
}

#[test]
fn a_withdrawal_is_a_cancel_of_what_was_taken_away() {
    let mut world = World::new(Theirs::default());
    let id = "<gone@x.example>";
    let title = news::message_title(id);
    let wire = article(id).replace("Path: theirs!x", "Path: elsewhere!x");
    let head = &wire[..wire.find("\r\n\r\n").unwrap() + 2];
    world.write(&title, "world", id, head.as_bytes());
    world.run(3_000);
    let gone = Withdrawal { title: &title, reason: "wrong", wire: b"Newsgroups: world\r\n" };
    world.put(Kind::Withdrawal, "", &gone.encode().unwrap());
    world.run(3_000);
    let theirs = world.theirs.state.articles.values();
    let control = format!("\r\nControl: cancel {id}\r\n");
    let cancels = theirs.filter(|bytes| String::from_utf8_lossy(bytes).contains(&control));
    assert_eq!(cancels.count(), 1);
    assert_eq!(world.theirs.state.articles.len(), 2);
}

#[test]
fn a_server_feeds_from_where_its_name_leads_and_from_where_it_is_said_to_dial() {
    let by_name = |_: IpAddr| configured("theirs".to_owned());
    let said = |theirs: IpAddr| {
        let mut config = configured("elsewhere".to_owned());
        if let PeerKind::Nntp(rules) = &mut config.peers[0].kind {
            rules.from = vec![theirs];
        }
        config
    };
    let neither = |_: IpAddr| configured("elsewhere".to_owned());
    let ask = |mut world: World| world.say("MODE STREAM\r\nCHECK <a@x.example>\r\n");
    let mut world = World::of(Theirs::default(), by_name);
    world.run(5_000);
    for heard in [ask(world), ask(World::of(Theirs::default(), said))] {
        assert!(heard.ends_with("203 stream on\r\n238 <a@x.example>\r\n"), "{heard}");
    }
    let heard = ask(World::of(Theirs::default(), neither));
    assert!(!heard.contains("238 ") && heard.ends_with("may do so\r\n"), "{heard}");
}

#[test]
fn answers_wait_for_the_disk_and_keep_their_order() {
    let mut world = World::new(Theirs::default());
    let ids: Vec<String> = (0..40).map(|n| format!("<t{n}@x.example>")).collect();
    let mut script = "MODE STREAM\r\n".to_owned();
    let mut wanted = vec!["203".to_owned()];
    for id in &ids {
        script.extend([format!("CHECK {id}\r\n"), takethis(id), format!("CHECK {id}\r\n")]);
        wanted.extend([format!("238 {id}"), format!("239 {id}"), format!("431 {id}")]);
    }
    let heard = world.say(&script);
    let lines: Vec<&str> = heard.lines().skip(1).collect();
    assert_eq!(lines.len(), wanted.len(), "{heard}");
    for (line, wanted) in lines.iter().zip(&wanted) {
        // What is asked while it is on its way to the disk is not known yet, or known by then.
        let is_known = wanted.starts_with("431") && line.starts_with("438");
        assert!(line.starts_with(&wanted[..]) || is_known, "{line} is not {wanted}");
    }
}

#[test]
fn a_disk_that_fails_lets_nobody_believe_that_an_article_is_safe() {
    let mut world = World::new(Theirs::default());
    world.run(1_000);
    world.disk.fail_writes(Fault::Write);
    let heard = world.say(&format!("MODE STREAM\r\n{}", takethis("<a@x.example>")));
    assert!(heard.contains("\r\n400 ") && !heard.contains("239"), "{heard}");
    let script = format!("IHAVE <b@x.example>\r\n{}.\r\n", article("<b@x.example>"));
    let heard = world.say(&script);
    assert!(heard.contains("\r\n436 ") && !heard.contains("235"), "{heard}");
    world.disk.heal();
    while world.node.state.unready().is_some() {
        world.run(10);
    }
    let heard = world.say(&script);
    assert!(heard.contains("\r\n235 "), "{heard}");
}

/// How many turns a node needs to see that none of 32 stories with this body is for a server.
fn turns_to_look_through(body: &[u8]) -> u64 {
    let mut world = World::new(Theirs { refuses: true, ..Theirs::default() });
    for n in 0..32 {
        let title = format!("s{n}");
        let (title, section) = (&title[..], "secret");
        let revision = Revision { generation: 1, title, section, body, ..Revision::default() };
        world.put(Kind::Revision, "", &revision.encode().unwrap());
        world.run(50);
    }
    world.theirs.state.refuses = false;
    let before = world.node.reactor.stats().turns;
    world.run(10_000);
    assert!(world.theirs.state.asked.is_empty());
    assert!(world.node.state.fed(0).unwrap().is_some(), "all was looked through");
    world.node.reactor.stats().turns - before
}

#[test]
fn large_stories_are_looked_through_in_many_turns() {
    let [few, many] = [1, 256 << 10].map(|bytes| turns_to_look_through(&vec![b'x'; bytes]));
    // Two of them are a turn's share.
    assert!(many >= few + 12, "{many} turns, and {few}");
}

#[test]
fn whoever_is_connected_is_told_that_the_node_stops() {
    let mut world = World::new(Theirs::default());
    prepare(&mut world.node.reactor);
    let heard = world.say("MODE STREAM\r\n");
    assert!(heard.ends_with("203 stream on\r\n"), "{heard}");
    world.node.with(|cx, _| cx.stop());
    world.run(1_000);
    let heard = String::from_utf8_lossy(&world.theirs.state.heard);
    assert!(heard.ends_with("203 stream on\r\n400 this server stops\r\n"), "{heard}");
}
