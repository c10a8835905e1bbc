//! A herd in a network of its own, and what is asked of every herd once all is well again.

use super::door::Door;
use super::lab::{Lab, address};
use crate::harness::{Client, Herd, Node, Reader, Setup, await_that, key_of, scratch};
use serde_json::Value;
use std::collections::BTreeSet;

/// Where each node listens for its peers.
const PEER_PORT: u16 = 7001;

/// Some nodes, each in its namespace. What is spoken to by tests goes over unix sockets, what they
/// say to each other over the network.
#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) herd: Herd,
    _doors: Vec<Door>,
    lab: Lab,
}

impl Bed {
    /// Five nodes, each linked to each; none where the machine has no namespaces to give.
    pub(crate) fn mesh(change: impl Fn(Setup) -> Setup) -> Option<Self> {
        let pairs = (0..5).flat_map(|to| (0..to).map(move |from| (from, to)));
        Self::with(5, &pairs.collect::<Vec<_>>(), change)
    }

    /// Five nodes, each linked to the next.
    pub(crate) fn line(change: impl Fn(Setup) -> Setup) -> Option<Self> {
        Self::with(5, &[(0, 1), (1, 2), (2, 3), (3, 4)], change)
    }

    fn with(
        nodes: usize,
        edges: &[(usize, usize)],
        change: impl Fn(Setup) -> Setup,
    ) -> Option<Self> {
        let lab = Lab::of(nodes)?;
        let dir = scratch();
        let make = |node: usize| {
            let setup = Setup::new(&name(node)).under(&["nsenter", &lab.entry(node)]);
            // What vanishes is found out soon, and what can be reached again is soon dialled.
            let setup = setup.limit("peer_silence_ms", 1000).limit("connect_ms", 500);
            let setup = setup.more(&format!(
                "[[listen]]\nprotocol = \"http\"\nendpoint = \"unix:{}/{}.http\"\n\
                 [[listen]]\nprotocol = \"peer\"\nendpoint = \"tcp:{PEER_PORT}:interface={}\"\n\
                 [accounts]\nopen = true\n",
                dir.path().display(),
                name(node),
                address(node),
            ));
            Node::down(change(setup), &dir)
        };
        let mut nodes: Vec<Node> = (0..nodes).map(make).collect();
        let keys: Vec<String> = nodes.iter().map(|node| key_of(node.name(), &dir)).collect();
        introduce(&mut nodes, &keys, edges);
        let door = |node: &Node| {
            let socket = node.folder().join(format!("{}.http", node.name()));
            Door::open(node.http_port(), &socket)
        };
        let doors = nodes.iter().map(door).collect();
        let mut bed = Self { herd: Herd { nodes, dir }, _doors: doors, lab };
        bed.herd.nodes.iter_mut().for_each(Node::begin);
        bed.herd.nodes.iter().for_each(Node::await_ready);
        for (from, to) in edges {
            bed.await_links(*from, &[*to]);
        }
        Some(bed)
    }

    /// A client of one node.
    pub(crate) fn http(&self, node: usize) -> &Client {
        &self.herd[node].http
    }

    /// Lets nothing through from the first to the second.
    pub(crate) fn cut_one_way(&self, from: &[usize], to: &[usize]) {
        each_pair(from, to, |from, to| self.lab.cut(from, to));
    }

    /// Ends that.
    pub(crate) fn mend_one_way(&self, from: &[usize], to: &[usize]) {
        each_pair(from, to, |from, to| self.lab.mend(from, to));
    }

    /// Lets nothing through between the two.
    pub(crate) fn cut(&self, some: &[usize], others: &[usize]) {
        self.cut_one_way(some, others);
        self.cut_one_way(others, some);
    }

    /// Ends that.
    pub(crate) fn mend(&self, some: &[usize], others: &[usize]) {
        self.mend_one_way(some, others);
        self.mend_one_way(others, some);
    }

    /// Whom a node is linked to, in full: what each lacked at first has come.
    fn linked(&self, node: usize) -> BTreeSet<String> {
        let view = self.http(node).get("/v1/herd").expect(200).json();
        let links = view["links"].as_array().expect("a list of links");
        let up = links.iter().filter(|link| link["state"] == "up");
        up.map(|link| link["to"].as_str().expect("a name").to_owned()).collect()
    }

    /// Waits until a node is linked to these, and perhaps to others.
    pub(crate) fn await_links(&self, node: usize, peers: &[usize]) {
        await_that(&format!("links of {} to {peers:?}", name(node)), || {
            let linked = self.linked(node);
            let is_linked = peers.iter().all(|peer| linked.contains(&name(*peer)));
            if is_linked { Ok(()) } else { Err(format!("{linked:?}")) }
        });
    }

    /// Waits until a node has lost its links to these.
    pub(crate) fn await_losses(&self, node: usize, peers: &[usize]) {
        await_that(&format!("losses by {} of {peers:?}", name(node)), || {
            let linked = self.linked(node);
            let is_linked = peers.iter().any(|peer| linked.contains(&name(*peer)));
            if is_linked { Err(format!("{linked:?}")) } else { Ok(()) }
        });
    }

    /// Waits until some nodes have the same on disk.
    pub(crate) fn await_equality(&self, nodes: &[usize]) {
        await_that("equality of some nodes", || {
            let vectors: Vec<Value> = nodes.iter().map(|node| self.herd[*node].vector()).collect();
            let is_same = vectors.iter().all(|vector| *vector == vectors[0]);
            if is_same { Ok(()) } else { Err(format!("{vectors:?}")) }
        });
    }

    /// What every herd owes once nothing is broken any more: all nodes hold the same updates, those
    /// that were acknowledged are among them, and none of them stands for another.
    pub(crate) fn agree(&self, acknowledged: &[String]) {
        let vector = self.herd.settle();
        let runs = vector.as_object().expect("epochs").values().filter_map(Value::as_array);
        let count = |run: &Value| Some(run[1].as_u64()? + 1 - run[0].as_u64()?);
        let held: u64 = runs.flatten().map(|run| count(run).expect("a run")).sum();
        let mut all = BTreeSet::new();
        for node in &self.herd.nodes {
            let mut reader = Reader::from_start_with_gaps();
            reader.exhaust(&node.http);
            // What is erased is known, if no longer said.
            let is_erased = |id: &str| node.http.get(&format!("/v1/revisions/{id}")).status == 410;
            let is_lost = |id: &&String| !reader.has(id) && !is_erased(id);
            let lost: Vec<&String> = acknowledged.iter().filter(is_lost).collect();
            assert!(lost.is_empty(), "{} lost {} updates: {lost:?}", node.name(), lost.len());
            // As many ids as places in the vector: no place was taken twice.
            let gone = reader.gone.unwrap_or(0);
            assert_eq!(reader.seen.len() as u64 + gone, held, "on {}: {vector}", node.name());
            all.extend(reader.ids().map(str::to_owned));
            assert_eq!(all.len() as u64 + gone, held, "{} holds what others don't", node.name());
        }
    }

    /// What all nodes show in the same way.
    pub(crate) fn same_on_all(&self, path: &str, status: u16) -> Value {
        let show = |node: &Node| node.http.get(path).expect(status).json();
        let shown: Vec<Value> = self.herd.nodes.iter().map(show).collect();
        for (node, other) in self.herd.nodes.iter().zip(&shown) {
            assert_eq!(*other, shown[0], "{} shows {path} differently", node.name());
        }
        shown[0].clone()
    }
}

/// Tells each node its neighbours' keys, and whom to dial: the first of each pair does.
fn introduce(nodes: &mut [Node], keys: &[String], edges: &[(usize, usize)]) {
    for (from, to) in edges.iter().copied() {
        let endpoint = format!("endpoint = \"tcp:{}:{PEER_PORT}\"\n", address(to));
        for (node, peer, endpoint) in [(from, to, &endpoint[..]), (to, from, "")] {
            let (name, key) = (name(peer), &keys[peer]);
            let table = format!("[[peer]]\nname = \"{name}\"\nkey = \"{key}\"\n{endpoint}");
            nodes[node].setup.more.push_str(&table);
        }
    }
}

/// The name of a node.
fn name(node: usize) -> String {
    format!("node{}", node + 1)
}

fn each_pair(some: &[usize], others: &[usize], mut act: impl FnMut(usize, usize)) {
    for one in some {
        for other in others {
            act(*one, *other);
        }
    }
}
