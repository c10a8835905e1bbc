//! What a herd is made of, from the command line: names, ports, links, and each node's
//! configuration. Pure, but for `exchange_keys`, `write` and `check_ports`.

use super::super::args::Args;
use super::super::failure::Failure;
use super::preset;
use super::topology::{Shape, Topology};
use crate::base::{ClientEndpoint, ServerEndpoint};
use crate::config::{
    ClosePolicy, Config, Durability, Listen, Peer, PeerKind, Service, load_or_make_key,
};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// The most nodes of one herd command.
const NODES_MAX: usize = 100;

/// Connections of a listener that may wait to be accepted; the default of endpoint strings.
const BACKLOG: u32 = 1024;

/// One node of the herd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodePlan {
    /// Its name in the herd.
    pub(super) name: String,
    pub(super) http: SocketAddr,
    pub(super) line: SocketAddr,
    pub(super) peer: SocketAddr,
    /// Where it serves both together with the others.
    pub(super) shared: Option<SocketAddr>,
    /// Where its configuration is written.
    pub(super) file: PathBuf,
    pub(super) config: Config,
}

/// First ports of each kind; node i has the i-th behind.
#[derive(Debug, Clone, Copy)]
struct Bases {
    http: u16,
    line: u16,
    peer: u16,
    /// One for all.
    shared: Option<u16>,
}

/// What is the same for all nodes.
struct Common<'a> {
    shape: Shape,
    bases: Bases,
    dir: &'a Path,
    durability: Durability,
    catch_up: bool,
    close: ClosePolicy,
}

/// The nodes that the command line asks for; `dir` must be absolute, or the nodes' stores are
/// relative to where they are started.
pub(super) fn nodes(args: &Args, dir: &Path) -> Result<Vec<NodePlan>, Failure> {
    let shape = shape(args)?;
    let base = |long, default| args.number(long, default, 1..=u16::MAX);
    let bases = Bases {
        http: base("http-base", 8001)?,
        line: base("line-base", 9001)?,
        peer: base("peer-base", 7001)?,
        shared: if args.has("shared-port") { Some(base("shared-port", 8000)?) } else { None },
    };
    bases.check(shape.names.len()).map_err(|what| args.wrong(&what))?;
    let durability = match args.text("durability")? {
        None => Durability::Local,
        Some(text) => {
            text.parse().map_err(|error| args.wrong(&format!("--durability: {error}")))?
        }
    };
    let close = match args.text("line-close")? {
        None => ClosePolicy::Never,
        Some(text) => {
            text.parse().map_err(|error| args.wrong(&format!("--line-close: {error}")))?
        }
    };
    let catch_up = !args.has("no-catch-up");
    let common = Common { shape, bases, dir, durability, catch_up, close };
    Ok((0..common.shape.names.len()).map(|node| common.node(node)).collect())
}

fn shape(args: &Args) -> Result<Shape, Failure> {
    let word = args.one_of("topology", Topology::WORDS)?;
    match args.text("preset")? {
        Some(_) if word.is_some() || args.has("nodes") => {
            Err(args.wrong("a preset has its own nodes and topology: leave the others out"))
        }
        Some(name) => preset::shape(name).map_err(|what| args.wrong(&what)),
        None => {
            let nodes = args.number("nodes", 5, 1..=NODES_MAX)?;
            Ok(Topology::new(word, nodes).shape(nodes))
        }
    }
}

impl Bases {
    fn check(self, nodes: usize) -> Result<(), String> {
        let shared = self.shared.map(|port| (port, port, "--shared-port"));
        let mut taken: Vec<(u16, u16, &str)> = shared.into_iter().collect();
        for (base, long) in
            [(self.http, "--http-base"), (self.line, "--line-base"), (self.peer, "--peer-base")]
        {
            let last = u16::try_from(nodes - 1).ok().and_then(|more| base.checked_add(more));
            let last = last.ok_or_else(|| format!("{long} {base}: no room for {nodes} ports"))?;
            let clash = taken.iter().find(|(from, to, _)| base <= *to && *from <= last);
            if let Some((_, _, other)) = clash {
                return Err(format!("{long} {base}: its ports overlap those of {other}"));
            }
            taken.push((base, last, long));
        }
        Ok(())
    }
}

impl Common<'_> {
    fn node(&self, node: usize) -> NodePlan {
        let at = |base, node| SocketAddr::from((Ipv4Addr::LOCALHOST, base + node as u16));
        let name = self.shape.names[node].clone();
        let http = at(self.bases.http, node);
        let line = at(self.bases.line, node);
        let peer = at(self.bases.peer, node);
        let mut config = Config::new(name.clone(), self.dir.join(&name));
        config.durability = self.durability;
        config.catch_up = self.catch_up;
        for (service, addr) in [(Service::Http, http), (Service::Line, line), (Service::Peer, peer)]
        {
            let close = if service == Service::Line { self.close } else { ClosePolicy::Never };
            let endpoint = ServerEndpoint::Tcp { addr, backlog: BACKLOG, reuse_port: false };
            config.listen.push(Listen { close, ..Listen::new(service, endpoint) });
        }
        let shared = self.bases.shared.map(|port| at(port, 0));
        config.listen.extend(shared.map(|addr| self.shared(addr)));
        // Both ends of a link dial, whoever comes first; the herd keeps one of two.
        for other in self.shape.neighbours(node) {
            let addr = at(self.bases.peer, other);
            let host = addr.ip().to_string();
            let endpoint = Some(ClientEndpoint::Tcp { host, port: addr.port(), timeout_ms: None });
            let name = self.shape.names[other].clone();
            config.peers.push(Peer { name, endpoint, kind: PeerKind::Herd, key: None });
        }
        let file = self.dir.join(format!("{name}.toml"));
        NodePlan { name, http, line, peer, shared, file, config }
    }

    /// The listener that all nodes have: the system gives each connection to one of them.
    fn shared(&self, addr: SocketAddr) -> Listen {
        let endpoint = ServerEndpoint::Tcp { addr, backlog: BACKLOG, reuse_port: true };
        let protocols = vec![Service::Http, Service::Line];
        Listen { protocols, close: self.close, ..Listen::new(Service::Auto, endpoint) }
    }
}

/// Sees that each node has a key, and tells each the keys of all: of its peers, to link to them; of
/// the others, to know their word when it comes by way of third ones.
pub(super) fn exchange_keys(nodes: &mut [NodePlan]) -> Result<(), Failure> {
    let mut keys = BTreeMap::new();
    for node in nodes.iter() {
        let key = load_or_make_key(&node.config.dir)
            .map_err(|error| Failure::failed(format!("{error}; or choose a --dir")))?;
        keys.insert(node.name.clone(), key.public());
    }
    for peer in nodes.iter_mut().flat_map(|node| &mut node.config.peers) {
        peer.key = keys.get(&peer.name).copied();
    }
    for NodePlan { name, config, .. } in nodes {
        for (other, key) in &keys {
            if other != name && config.peers.iter().all(|peer| peer.name != *other) {
                let (name, key) = (other.clone(), Some(*key));
                config.peers.push(Peer { name, endpoint: None, kind: PeerKind::Herd, key });
            }
        }
    }
    Ok(())
}

/// Writes each node's configuration, over that of an earlier herd in the directory.
pub(super) fn write(nodes: &[NodePlan], dir: &Path) -> Result<(), Failure> {
    let failed = |path: &Path, error| {
        Failure::failed(format!("cannot write {}: {error}; choose a --dir", path.display()))
    };
    std::fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
    for node in nodes {
        let written = std::fs::write(&node.file, node.config.to_toml());
        written.map_err(|error| failed(&node.file, error))?;
    }
    Ok(())
}

/// Says so if a port is taken, before any node is started.
pub(super) fn check_ports(nodes: &[NodePlan]) -> Result<(), Failure> {
    for node in nodes {
        let shared = node.shared.map(|addr| (addr, "shared", "--shared-port"));
        let own = [
            (node.http, "HTTP", "--http-base"),
            (node.line, "line", "--line-base"),
            (node.peer, "peer", "--peer-base"),
        ];
        for (addr, what, long) in own.into_iter().chain(shared) {
            if let Err(error) = TcpListener::bind(addr) {
                return Err(Failure::failed(format!(
                    "{addr}, the {what} port of {}, cannot be had ({error}): stop the program \
                     that holds it (an earlier herd?), or choose other ports with {long}",
                    node.name
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn planned(words: &[&str]) -> Result<Vec<NodePlan>, Failure> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        nodes(&Args::parse("herd", super::super::OPTIONS, &words)?, Path::new("/tmp/h"))
    }

    #[test]
    fn a_node_has_its_ports_its_store_and_both_ends_of_its_links() {
        let nodes =
            planned(&["--topology=line", "--nodes=3", "--line-close", "idle:150ms"]).unwrap();
        let wanted = "\
name = \"node2\"
dir = \"/tmp/h/node2\"
durability = \"local\"

[[listen]]
protocol = \"http\"
endpoint = \"tcp:8002:interface=127.0.0.1\"

[[listen]]
protocol = \"line\"
endpoint = \"tcp:9002:interface=127.0.0.1\"
close = \"idle:150ms\"

[[listen]]
protocol = \"peer\"
endpoint = \"tcp:7002:interface=127.0.0.1\"

[[peer]]
name = \"node1\"
endpoint = \"tcp:127.0.0.1:7001\"
kind = \"herd\"

[[peer]]
name = \"node3\"
endpoint = \"tcp:127.0.0.1:7003\"
kind = \"herd\"
";
        assert_eq!(nodes[1].config.to_toml(), wanted);
        for node in &nodes {
            assert_eq!(Config::parse(&node.config.to_toml(), "x").as_ref(), Ok(&node.config));
        }
        assert_eq!(nodes[2].file, Path::new("/tmp/h/node3.toml"));
    }

    #[test]
    fn five_nodes_are_a_mesh_and_presets_have_their_own_names() {
        let nodes = planned(&["--durability=none"]).unwrap();
        assert!(nodes.len() == 5 && nodes.iter().all(|node| node.config.peers.len() == 4));
        assert_eq!(nodes[0].config.durability, Durability::None);
        let nodes = planned(&["--preset", "ucla-2022"]).unwrap();
        assert_eq!(nodes[0].name, "Clark");
        assert_eq!(nodes[4].http.port(), 8005);
    }

    #[test]
    fn a_shared_port_is_everyone_s_beside_its_own() {
        let nodes = planned(&["--nodes=2", "--shared-port=8000", "--line-close=answered"]).unwrap();
        for node in &nodes {
            assert_eq!(node.config.listen.len(), 4);
            let listen = &node.config.listen[3];
            assert_eq!(listen.protocols, [Service::Http, Service::Line]);
            let endpoint = listen.endpoint.to_string();
            assert_eq!(endpoint, "tcp:8000:interface=127.0.0.1:reusePort=yes");
            assert_eq!(listen.close, ClosePolicy::Answered);
            assert_eq!(Config::parse(&node.config.to_toml(), "x").as_ref(), Ok(&node.config));
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        for (words, wanted) in [
            (&["--nodes=0"][..], "--nodes wants a number from 1 to 100"),
            (&["--preset=ucla-2022", "--nodes=5"], "leave the others out"),
            (&["--topology=star"], "wants one of ring, mesh, line"),
            (&["--http-base=65533"], "no room for 5 ports"),
            (&["--line-base=8005"], "overlap those of --http-base"),
            (&["--shared-port=8003"], "overlap those of --shared-port"),
            (&["--shared-port=0"], "--shared-port wants a number from 1"),
            (&["--durability=most"], "no durability"),
            (&["--line-close=soon"], "no close policy"),
        ] {
            let failure = planned(words).unwrap_err();
            assert!(failure.to_string().contains(wanted), "{failure}");
            assert_eq!(failure.exit_code(), 2, "{failure}");
        }
    }

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut nodes = planned(&["--nodes=1"]).unwrap();
        nodes[0].http = taken.local_addr().unwrap();
        let failure = check_ports(&nodes).unwrap_err();
        assert!(failure.to_string().contains("the HTTP port of node1"), "{failure}");
        assert!(failure.to_string().contains("--http-base"), "{failure}");
    }

    #[test]
    fn nodes_know_the_keys_of_their_peers() {
        let dir = tempfile::tempdir().unwrap();
        let planned = || {
            let args = Args::parse(
                "herd",
                super::super::OPTIONS,
                &["--nodes=4".into(), "--topology=line".into()],
            )
            .unwrap();
            let mut nodes = nodes(&args, dir.path()).unwrap();
            exchange_keys(&mut nodes).unwrap();
            nodes
        };
        let nodes = planned();
        for node in &nodes {
            assert_eq!(node.config.peers.len(), 3, "of some only the key");
            for peer in &node.config.peers {
                let key = load_or_make_key(&dir.path().join(&peer.name)).unwrap();
                assert_eq!(peer.key, Some(key.public()));
            }
        }
        assert_eq!(planned(), nodes, "a herd that goes on keeps its keys");
        std::fs::write(dir.path().join("node1/key"), "broken").unwrap();
        let mut nodes = nodes;
        let said = exchange_keys(&mut nodes).unwrap_err().to_string();
        assert!(said.contains("node1/key: not a key") && said.contains("--dir"), "{said}");
    }

    #[test]
    fn configurations_are_written_where_they_belong() {
        let dir = tempfile::tempdir().unwrap();
        let mut nodes = planned(&["--nodes=2"]).unwrap();
        for node in &mut nodes {
            node.file = dir.path().join(&node.name);
        }
        write(&nodes, dir.path()).unwrap();
        assert_eq!(Config::load(&nodes[1].file).as_ref(), Ok(&nodes[1].config));
        assert!(write(&nodes, &nodes[0].file).is_err());
    }
}
