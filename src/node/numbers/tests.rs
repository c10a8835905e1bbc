//! A node and newsreaders over the simulated network, its disk slow, failing or without power.

use super::*;
use crate::base::{ClientEndpoint, InBuf, Rng};
use crate::config::{Durability, Listen};
use crate::news::{Numbered, Revision, TOPIC_STORIES};
use crate::node::testing::{self, started};
use crate::reactor::{
    ConnectOptions, Lost, Outcome, Peer, Protocol, Settings, SimFaults, SimLoop, SimNode, SimWorld,
};
use crate::serve::{Desk, Entry};
use crate::store::{Direction, Fault, SimDisk};
use crate::update::Kind;

const PORT: u16 = 119;

/// A newsreader's machine: what it says to the node, and what it heard.
#[derive(Default)]
struct Theirs {
    says: Vec<u8>,
    heard: Vec<u8>,
    is_over: bool,
}

struct Reader;

impl Protocol<Theirs> for Reader {
    /// Says it all at once and closes its side.
    fn made(&mut self, cx: &mut Ctx<'_, Theirs>, theirs: &mut Theirs) -> Outcome {
        cx.transport().write(&theirs.says);
        cx.transport().close_write();
        Ok(())
    }

    fn received(
        &mut self,
        _cx: &mut Ctx<'_, Theirs>,
        theirs: &mut Theirs,
        input: &mut InBuf,
    ) -> Outcome {
        theirs.heard.extend_from_slice(input.take_all());
        Ok(())
    }

    fn lost(&mut self, _cx: &mut Ctx<'_, Theirs>, theirs: &mut Theirs, _reason: Lost) {
        theirs.is_over = true;
    }
}

type World = testing::World<Theirs>;

impl World {
    fn new(faults: SimFaults) -> Self {
        Self::over(SimWorld::new(5, faults), SimDisk::new(5), 5)
    }

    fn over(net: SimWorld, disk: SimDisk, seed: u64) -> Self {
        let theirs = SimLoop::new(&net, "theirs", Settings::default(), Theirs::default()).unwrap();
        let mut config = Config::new("node", "");
        config.accounts_open = Some(true);
        let endpoint = format!("tcp:{PORT}:interface=0.0.0.0").parse().unwrap();
        config.listen = vec![Listen::new(Service::Nntp, endpoint)];
        let node = started(&net, config, &disk, seed);
        Self { net, node, theirs, disk }
    }

    /// All that is answered to this.
    fn talk(&mut self, says: &str) -> String {
        self.theirs.turn().unwrap();
        self.theirs.state = Theirs { says: says.replace('\n', "\r\n").into(), ..Theirs::default() };
        let endpoint =
            ClientEndpoint::Tcp { host: "node".to_owned(), port: PORT, timeout_ms: None };
        let build = |_: &Peer, _: &mut Theirs| -> Box<dyn Protocol<Theirs>> { Box::new(Reader) };
        self.theirs.with(|cx, _| cx.connect(&endpoint, ConnectOptions::default(), build));
        self.run(10_000);
        String::from_utf8(std::mem::take(&mut self.theirs.state.heard)).unwrap()
    }

    fn publish(&mut self, title: &str, section: &str, durability: Durability) {
        self.node.turn().unwrap();
        let revision = Revision { generation: 1, title, section, ..Revision::default() };
        let payload = revision.encode().unwrap();
        self.node.with(|cx, node| {
            let entry = Entry {
                kind: Kind::Revision,
                topic: TOPIC_STORIES,
                media_type: "text/plain",
                alias: "",
                parents: Vec::new(),
                payload: &payload,
            };
            node.publish(cx, entry, durability).unwrap();
        });
    }

    fn numbers(&self, section: &str) -> Vec<Numbered> {
        let index = self.node.state.store().index();
        news::numbered(index, section, 0..=u64::MAX, usize::MAX, Direction::Up).unwrap()
    }
}

/// The codes of all replies, those in blocks left out.
fn codes(heard: &str) -> Vec<&str> {
    let is_reply = |line: &&str| {
        let code = line.get(..3).unwrap_or_default();
        code.len() == 3
            && code.bytes().all(|byte| byte.is_ascii_digit())
            && line[3..].starts_with(' ')
    };
    heard.lines().filter(is_reply).map(|line| &line[..3]).collect()
}

const POST: &str = "POST\nFrom: a@b.example\nNewsgroups: world\nSubject: Rain\n\nIt rains.\n.\n";

#[test]
fn whoever_comes_from_afar_reads_and_posts_and_is_let_in_or_fed_by_no_password() {
    for faults in [SimFaults::none(), SimFaults::calm()] {
        let mut world = World::new(faults);
        world.publish("first", "world", Durability::Local);
        world.run(1_000);
        let heard = world.talk(&format!(
            "AUTHINFO USER ann\nAUTHINFO PASS x\nIHAVE <a@b>\nTAKETHIS <a@b>\nQUIT\n.\n\
             MODE STREAM\n{POST}GROUP world\nLISTGROUP\nARTICLE 2\nQUIT\n"
        ));
        let expected =
            ["200", "483", "483", "480", "480", "480", "340", "240", "211", "211", "220", "205"];
        assert_eq!(codes(&heard), expected, "{heard}");
        assert!(heard.contains("\r\n\r\nIt rains.\r\n.\r\n"), "{heard}");
    }
}

#[test]
fn a_post_behind_which_its_writer_closes_is_answered_once_it_is_on_disk() {
    let mut world = World::new(SimFaults { job_ms: 700..=700, ..SimFaults::none() });
    world.publish("first", "world", Durability::Local);
    world.run(2_000);
    let heard = world.talk(&format!("{POST}GROUP world\n"));
    assert_eq!(codes(&heard), ["200", "340", "240", "211"], "{heard}");
    assert!(heard.ends_with("211 2 1 2 world\r\n"), "{heard}");
}

#[test]
fn a_connection_ends_with_its_input_however_much_a_turn_takes_of_it() {
    let mut world = World::new(SimFaults::none());
    for count in 250..260 {
        let heard = world.talk(&"DATE\n".repeat(count));
        assert_eq!(codes(&heard).len(), count + 1);
        assert!(world.theirs.state.is_over, "{count} commands");
    }
}

#[test]
fn a_disk_that_fails_is_441_and_reads_go_on() {
    let mut world = World::new(SimFaults::none());
    world.publish("first", "world", Durability::Local);
    world.run(1_000);
    world.disk.fail_writes(Fault::Write);
    let heard = world.talk(&format!("{POST}GROUP world\nOVER 1-\n"));
    assert_eq!(codes(&heard), ["200", "340", "441", "211", "224"], "{heard}");
    assert!(heard.contains("211 1 1 1 world\r\n"), "{heard}");
}

#[test]
fn what_had_a_number_when_the_power_failed_has_it_after() {
    let mut rng = Rng::new(9);
    for round in 0..8 {
        let mut world = World::new(SimFaults { job_ms: 0..=30, ..SimFaults::none() });
        for n in 0..60 {
            let durability = if rng.chance(1, 2) { Durability::None } else { Durability::Local };
            let section = ["world", "sport", ""][rng.range(0..=2) as usize];
            world.publish(&format!("s{n}"), section, durability);
            // Over some checkpoints of the index, and in the middle of one.
            world.run(rng.range(0..=200));
        }
        let before = ["world", "sport", ""].map(|section| world.numbers(section));
        let disk = world.disk.crash(&mut rng);
        let mut after = World::over(SimWorld::new(round, SimFaults::none()), disk, 100 + round);
        after.run(5_000);
        for (section, before) in ["world", "sport", ""].iter().zip(&before) {
            let after = after.numbers(section);
            let names = |all: &[Numbered]| -> Vec<_> {
                all.iter().map(|numbered| (numbered.number, numbered.dot)).collect()
            };
            let count = before.len();
            assert!(after.len() >= count, "round {round}: what had a number was on disk");
            assert_eq!(names(&after[..count]), names(before), "round {round}, {section}");
        }
    }
}
