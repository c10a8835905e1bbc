//! The supervisor with shell scripts for nodes: `cat` ends with its input, as a node on its leash.

use super::super::super::args::Args;
use super::super::plan;
use super::*;
use std::path::Path;

fn nodes(count: usize) -> Vec<NodePlan> {
    let given = [format!("--nodes={count}").into()];
    let args = Args::parse("herd", super::super::OPTIONS, &given).unwrap();
    plan::nodes(&args, Path::new("/x")).unwrap()
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// A herd of such nodes with its events; signals that ask to stop are left to the other tests.
struct Bench<'a> {
    herd: Herd<'a>,
    events: Receiver<Event>,
    tell: Sender<Event>,
    listener: Listener,
    out: Vec<u8>,
}

impl<'a> Bench<'a> {
    fn new(nodes: &'a [NodePlan], launch: Launch<'a>) -> Self {
        let (tell, events) = channel();
        let listener = Listener::new(&[SIGCHLD], tell.clone()).unwrap();
        let herd = Herd::new(nodes, launch, tell.clone());
        Self { herd, events, tell, listener, out: Vec::new() }
    }

    /// Goes on until `enough` says so.
    fn run(&mut self, enough: impl Fn(&Herd<'_>, Option<Event>) -> bool) -> Result<(), Failure> {
        loop {
            let event = next(&self.events, self.herd.due());
            self.herd.step(event, &mut self.out)?;
            if enough(&self.herd, event) {
                return Ok(());
            }
        }
    }

    /// Stops it: what it printed.
    fn end(mut self) -> String {
        self.herd.stop();
        self.herd.await_end(&self.events);
        self.listener.close();
        assert!(self.herd.members.iter().all(|member| matches!(member.life, Life::None)));
        String::from_utf8(self.out).unwrap()
    }
}

#[test]
fn a_herd_is_ready_when_all_are_and_stops_by_the_leash() {
    let nodes = nodes(3);
    let launch = |node: &NodePlan| shell(&format!("echo ready {}; cat", node.name));
    let mut bench = Bench::new(&nodes, &launch);
    bench.herd.start().unwrap();
    assert_eq!(bench.run(|herd, _| herd.is_shown), Ok(()));
    let out = bench.end();
    assert_eq!(out.lines().last(), Some("ready herd"));
    assert_eq!(out.lines().count(), 5);
}

#[test]
fn a_node_that_dies_is_started_again() {
    let nodes = nodes(1);
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("lived").display().to_string();
    let script = format!("echo ready node1; test -e {mark} && exec cat; touch {mark}; read line");
    let launch = |_: &NodePlan| shell(&script);
    let mut bench = Bench::new(&nodes, &launch);
    bench.herd.start().unwrap();
    bench.run(|herd, _| herd.is_shown).unwrap();
    let first = bench.herd.members[0].process();
    let Life::Running { child, .. } = &mut bench.herd.members[0].life else { panic!() };
    child.kill().unwrap();
    bench.run(|herd, _| herd.due().is_some()).unwrap();
    let ready = |event: Option<Event>| matches!(event, Some(Event::Ready { .. }));
    bench.run(|herd, event| ready(event) && herd.members[0].process() != first).unwrap();
    assert_eq!(bench.end().matches("ready herd").count(), 1);
}

#[test]
fn rests_grow_to_five_seconds_and_start_again_after_ten_good_ones() {
    let nodes = nodes(1);
    let launch = |_: &NodePlan| shell("exit");
    let mut bench = Bench::new(&nodes, &launch);
    let mut rng = Rng::new(1);
    let mut is_within = |lived: u64, cap: u128| {
        let rest = bench.herd.members[0].rest(Duration::from_secs(lived), &mut rng).as_millis();
        (cap / 2..=cap).contains(&rest)
    };
    for cap in [200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
        assert!(is_within(9, cap), "{cap}");
    }
    assert!(is_within(10, 200) && is_within(0, 400));
    bench.end();
}

#[test]
fn a_node_that_cannot_start_ends_the_herd() {
    let nodes = nodes(2);
    let launch = |node: &NodePlan| match &*node.name {
        "node1" => shell("echo ready node1; cat"),
        _ => shell("echo 'the port is taken' >&2; exit 1"),
    };
    let mut bench = Bench::new(&nodes, &launch);
    bench.herd.start().unwrap();
    let failure = bench.run(|_, _| false).unwrap_err().to_string();
    assert!(failure.contains("node2 did not start (exit status: 1)"), "{failure}");
    assert_eq!(bench.end(), "");
    let launch = |_: &NodePlan| Command::new("/no/such/program");
    let mut bench = Bench::new(&nodes, &launch);
    let failure = bench.herd.start().unwrap_err();
    assert!(failure.to_string().contains("cannot start /no/such/program"));
    bench.end();
}

#[test]
fn a_node_that_does_not_stop_is_killed_when_told_again() {
    let nodes = nodes(1);
    let launch = |_: &NodePlan| shell("exec 0</dev/null; echo ready node1; exec sleep 1000");
    let mut bench = Bench::new(&nodes, &launch);
    bench.herd.start().unwrap();
    bench.run(|herd, _| herd.is_shown).unwrap();
    bench.tell.send(Event::Stop).unwrap();
    bench.end();
}
