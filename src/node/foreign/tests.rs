//! A node and a foreign server over the simulated network, the node's disk slow or failing.

use super::*;
use crate::base::{InBuf, ServerEndpoint};
use crate::config;
use crate::node::testing::{self, started, theirs_at};
use crate::proto::line::{Decimal, Latlon};
use crate::reactor::{ListenOptions, Outcome, Settings, SimFaults, SimLoop, SimNode, SimWorld};
use crate::serve::Desk;
use crate::serve::line::{PlacesDesk, ReportAnswer};
use crate::store::{Fault, SimDisk};

const PORT: u16 = 9_100;

/// The foreign server: what it says to each that connects, and what it heard.
#[derive(Default)]
struct Theirs {
    says: Vec<u8>,
    heard: Vec<u8>,
}

struct TheirConnection;

impl Protocol<Theirs> for TheirConnection {
    fn made(&mut self, cx: &mut Ctx<'_, Theirs>, theirs: &mut Theirs) -> Outcome {
        cx.transport().write(&theirs.says);
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
}

type World = testing::World<Theirs>;

impl World {
    fn new(says: Vec<u8>, job_ms: u64, per_update: bool) -> Self {
        let faults = SimFaults { job_ms: job_ms..=job_ms, ..SimFaults::calm() };
        let net = SimWorld::new(5, faults);
        let state = Theirs { says, heard: Vec::new() };
        let mut theirs = SimLoop::new(&net, "theirs", Settings::default(), state).unwrap();
        let here: ServerEndpoint = format!("tcp:{PORT}:interface=0.0.0.0").parse().unwrap();
        let build =
            |_: &Peer, _: &mut Theirs| -> Box<dyn Protocol<Theirs>> { Box::new(TheirConnection) };
        theirs.with(|cx, _| cx.listen(&here, ListenOptions::default(), build)).unwrap();
        let mut config = Config::new("node", "");
        config.listen = Vec::new();
        config.peers = vec![theirs_at(PeerKind::At { per_update }, "theirs".to_owned(), PORT)];
        config.limits.pending_bytes = 64 << 10;
        let disk = SimDisk::new(5);
        let node = started(&net, config, &disk, 5);
        Self { net, node, theirs, disk }
    }

    /// A client's report of this id.
    fn report(&mut self, id: &str) -> ReportAnswer {
        self.node.turn().unwrap();
        let latlon = Latlon::parse(b"+34.068930-118.445127").unwrap();
        let time = Decimal::parse(b"2.5").unwrap();
        self.node.with(|cx, node| node.report(cx, id.as_bytes(), &latlon, &time))
    }

    fn knows(&self, id: &str) -> bool {
        news::report(self.node.state.store().index(), id.as_bytes()).unwrap().is_some()
    }

    fn was_told_of(&self, id: &str) -> usize {
        let heard = String::from_utf8_lossy(&self.theirs.state.heard).into_owned();
        heard.lines().filter(|line| line.contains(&format!(" {id} "))).count()
    }
}

fn at(id: &str) -> String {
    format!("AT Theirs +0.5 {id} +34.068930-118.445127 1.5\n")
}

#[test]
fn reports_of_a_foreign_server_wait_for_a_slow_disk_and_none_is_lost() {
    let ids: Vec<String> = (0..2_000).map(|n| format!("id{n}")).collect();
    let says: String = ids.iter().map(|id| at(id)).collect();
    let mut world = World::new(says.into_bytes(), 50, false);
    world.run(20_000);
    let lost = ids.iter().filter(|id| !world.knows(id)).count();
    assert_eq!(lost, 0, "of {}", ids.len());
    assert_eq!(ids.iter().map(|id| world.was_told_of(id)).sum::<usize>(), 0, "they have them");
}

#[test]
fn a_report_whose_write_was_refused_is_taken_again_and_hides_no_other() {
    let mut world = World::new(at("first").into_bytes(), 1, false);
    world.disk.fail_writes(Fault::Write);
    world.run(1_000);
    assert!(!world.knows("first") && world.node.state.unready().is_some());
    world.disk.heal();
    let mut tries = 0;
    while world.node.state.unready().is_some() {
        tries += 1;
        assert!(tries < 10_000, "the disk is found good");
        world.run(1);
    }
    assert!(matches!(world.report("second"), ReportAnswer::After(..)));
    world.run(5_000);
    assert!(world.knows("first") && world.knows("second"));
    assert_eq!((world.was_told_of("second"), world.was_told_of("first")), (1, 0));
}

#[test]
fn a_server_with_a_connection_for_each_report_is_fed_a_share_a_turn() {
    let mut world = World::new(Vec::new(), 1, true);
    world.run(100);
    world.node.state.foreign[0].is_busy = true;
    for n in 0..1_000 {
        world.node.turn().unwrap();
        world.node.with(|cx, node| {
            let entry = crate::serve::Entry {
                kind: Kind::Data,
                topic: "noise",
                media_type: "text/plain",
                alias: "",
                parents: Vec::new(),
                payload: b"noise",
            };
            node.publish(cx, entry, config::Durability::Local).unwrap();
        });
        if n % 50 == 0 {
            world.run(20);
        }
    }
    world.report("last");
    world.run(100);
    let passed = |world: &World| {
        world.node.state.foreign[0].feed.as_ref().map_or(0, |feed| feed.cursor().0.count())
    };
    let before = passed(&world);
    world.node.with(|cx, node| {
        node.foreign[0].is_busy = false;
        node.feed_foreign(cx);
    });
    assert_eq!(passed(&world) - before, TURN_UPDATES as u64);
    world.run(1_000);
    assert_eq!(world.was_told_of("last"), 1);
}
