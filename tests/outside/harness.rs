//! Nodes and herds under test, each a `bellwether serve` of its own with its files in a folder that
//! goes with it. Peer links run over unix sockets there. When a test fails, the logs are printed.

pub(crate) use crate::process::{DEADLINE, Ended, Port, Process, await_that, bellwether, signal};
pub(crate) use crate::wire::{Client, Reader, Stream, connect, exchange};

use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// A folder in `/tmp`, where names are short enough for sockets.
pub(crate) fn scratch() -> Arc<TempDir> {
    Arc::new(tempfile::Builder::new().prefix("bw").tempdir().expect("a folder in /tmp"))
}

/// What a node is to be.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) name: String,
    /// `local` unless set.
    pub(crate) durability: &'static str,
    /// Pairs of `[limits]`.
    pub(crate) limits: Vec<(&'static str, u64)>,
    /// Names of the nodes in the same folder that it dials.
    pub(crate) peers: Vec<String>,
    /// More TOML, of tables.
    pub(crate) more: String,
    /// Words before the program's own: `strace -o …`.
    pub(crate) under: Vec<String>,
}

impl Setup {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            durability: "local",
            // Tests wait for nothing that need not take long.
            limits: vec![("heartbeat_ms", 200), ("redial_min_ms", 20), ("redial_max_ms", 250)],
            peers: Vec::new(),
            more: String::new(),
            under: Vec::new(),
        }
    }

    pub(crate) fn durability(mut self, durability: &'static str) -> Self {
        self.durability = durability;
        self
    }

    pub(crate) fn limit(mut self, name: &'static str, value: u64) -> Self {
        self.limits.push((name, value));
        self
    }

    pub(crate) fn peer(mut self, name: &str) -> Self {
        self.peers.push(name.to_owned());
        self
    }

    pub(crate) fn more(mut self, toml: &str) -> Self {
        self.more.push_str(toml);
        self
    }

    pub(crate) fn under(mut self, words: &[&str]) -> Self {
        self.under.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// The configuration, with everything in `dir`.
    fn toml(&self, dir: &Path, http: &Port, line: &Port) -> String {
        let (name, dir) = (&self.name, dir.display());
        let mut toml = format!(
            "name = \"{name}\"\ndir = \"{dir}/{name}\"\ndurability = \"{}\"\n\
             [[listen]]\nprotocol = \"http\"\nendpoint = \"tcp:{}\"\n\
             [[listen]]\nprotocol = \"line\"\nendpoint = \"tcp:{}\"\n\
             [[listen]]\nprotocol = \"peer\"\nendpoint = \"unix:{dir}/{name}.sock\"\n",
            self.durability, http.number, line.number,
        );
        for peer in &self.peers {
            let endpoint = format!("unix:{dir}/{peer}.sock");
            let written = write!(toml, "[[peer]]\nname = \"{peer}\"\nendpoint = \"{endpoint}\"\n");
            written.expect("a String takes all");
        }
        toml.push_str(&self.more);
        toml.push_str("\n[limits]\n");
        for (limit, value) in &self.limits {
            writeln!(toml, "{limit} = {value}").expect("a String takes all");
        }
        toml
    }
}

/// The public key of a node in a folder, made before the node first runs.
pub(crate) fn key_of(name: &str, dir: &TempDir) -> String {
    let file = dir.path().join(format!("{name}.key.toml"));
    let home = dir.path().join(name);
    let toml = format!("name = \"{name}\"\ndir = \"{}\"\n", home.display());
    std::fs::write(&file, toml).expect("a writable folder");
    let said = Ended::well(bellwether().args(["key", "--config"]).arg(&file));
    said.trim_end().to_owned()
}

/// A node: up, or down until it is started again on the same ports.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) setup: Setup,
    pub(crate) http: Client,
    http_port: Port,
    line_port: Port,
    dir: Arc<TempDir>,
    process: Option<Process>,
    /// What earlier processes logged.
    past: String,
}

impl Node {
    /// Starts a node in a folder of its own and waits until it is ready.
    pub(crate) fn alone(setup: Setup) -> Self {
        Self::start(setup, &scratch())
    }

    /// Starts a node in a shared folder and waits until it is ready.
    pub(crate) fn start(setup: Setup, dir: &Arc<TempDir>) -> Self {
        let mut node = Self::down(setup, dir);
        node.restart();
        node
    }

    /// A node that is not started yet; its configuration is written.
    pub(crate) fn down(setup: Setup, dir: &Arc<TempDir>) -> Self {
        let (http_port, line_port) = (Port::take(), Port::take());
        let http = Client::new(http_port.number);
        let (dir, past) = (Arc::clone(dir), String::new());
        let node = Self { setup, http, http_port, line_port, dir, process: None, past };
        std::fs::write(node.config(), node.toml()).expect("a writable folder");
        node
    }

    fn toml(&self) -> String {
        self.setup.toml(self.dir.path(), &self.http_port, &self.line_port)
    }

    /// Writes the configuration of its present setup, which it may be told to read.
    pub(crate) fn rewrite_config(&self) {
        std::fs::write(self.config(), self.toml()).expect("a writable folder");
    }

    pub(crate) fn name(&self) -> &str {
        &self.setup.name
    }

    /// Its configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join(format!("{}.toml", self.setup.name))
    }

    /// The folder of its store.
    pub(crate) fn store(&self) -> PathBuf {
        self.dir.path().join(&self.setup.name)
    }

    /// The folder that it shares with its herd.
    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// As `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port.number)
    }

    pub(crate) fn http_port(&self) -> u16 {
        self.http_port.number
    }

    pub(crate) fn line_port(&self) -> u16 {
        self.line_port.number
    }

    /// The id of its process, which must run.
    pub(crate) fn process_id(&self) -> u32 {
        self.process().id()
    }

    fn process(&self) -> &Process {
        self.process.as_ref().unwrap_or_else(|| panic!("{} does not run", self.name()))
    }

    fn command(&self) -> Command {
        let mut words = self.setup.under.iter();
        let mut command = match words.next() {
            None => bellwether(),
            Some(program) => {
                let mut command = Command::new(program);
                command.args(words).arg(bellwether().get_program());
                command
            }
        };
        command.arg("serve").arg(self.config()).arg("--until-eof");
        // The pipe is never written to: when we are gone, so is the node.
        command.stdin(Stdio::piped());
        command
    }

    /// Starts it, with the configuration of its present setup; it must not run.
    pub(crate) fn begin(&mut self) {
        assert!(self.process.is_none(), "{} runs already", self.name());
        std::fs::write(self.config(), self.toml()).expect("a writable folder");
        self.http = Client::new(self.http_port.number);
        self.process = Some(Process::start(&mut self.command()));
    }

    /// Waits until a node that was begun is ready.
    pub(crate) fn await_ready(&self) {
        self.await_ready_times(1);
    }

    /// Waits until its process has said so many times that it is ready.
    pub(crate) fn await_ready_times(&self, times: usize) {
        let line = format!("ready {}\n", self.name());
        let said = self.process().stdout.wait(|text| text.matches(&line).count() >= times);
        assert!(said.is_ok(), "{} did not become ready: {said:?}", self.name());
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn restart(&mut self) {
        self.begin();
        self.await_ready();
    }

    /// Starts a node that must refuse to run: its exit status and what it said.
    pub(crate) fn refusal(&mut self) -> Ended {
        self.begin();
        let mut process = self.process.take().expect("it was begun");
        let status = process.await_end();
        let (stdout, stderr) = (process.stdout.text(), process.stderr.text());
        self.past.push_str(&stderr);
        Ended { status, stdout, stderr }
    }

    /// Kills it as a power cut would.
    pub(crate) fn kill9(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill9();
        self.past.push_str(&process.stderr.text());
    }

    /// Drains it by SIGTERM; it must end well.
    pub(crate) fn stop(&mut self) {
        self.process().signal("TERM");
        self.await_stopped();
    }

    /// Waits for the end of a node that was told to stop.
    pub(crate) fn await_stopped(&mut self) {
        let mut process = self.process.take().expect("it runs");
        let status = process.await_end();
        self.past.push_str(&process.stderr.text());
        assert_eq!(status.code(), Some(0), "{} ended badly", self.name());
    }

    pub(crate) fn signal(&self, name: &str) {
        self.process().signal(name);
    }

    /// What its present process has logged.
    pub(crate) fn log(&self) -> String {
        self.process().stderr.text()
    }

    /// Waits until its present process has logged a line with `text` in it.
    pub(crate) fn await_log(&self, text: &str) {
        let found = self.process().stderr.wait(|log| log.contains(text));
        assert!(found.is_ok(), "{} never logged {text:?}", self.name());
    }

    /// Sends bytes to its line listener, closes our side, and reads all that it answers.
    pub(crate) fn line(&self, bytes: &[u8]) -> String {
        let answer = exchange(self.line_port(), bytes);
        String::from_utf8(answer).expect("answers in UTF-8")
    }

    /// Waits until all that it has is in its index on disk.
    pub(crate) fn await_checkpoint(&self) {
        await_that("a checkpoint", || {
            let page = self.http.get("/metrics").expect(200).text();
            let is_done = page.contains("\nbellwether_overlay_bytes 0\n");
            if is_done { Ok(()) } else { Err(page) }
        });
    }

    /// What it has on disk, by epoch, from `/v1/herd`, which has it by origin and epoch.
    pub(crate) fn vector(&self) -> Value {
        let herd = self.http.get("/v1/herd").json();
        let origins = herd["vector"].as_object().expect("origins");
        let epochs = origins.values().flat_map(|epochs| epochs.as_object().expect("epochs"));
        epochs.map(|(epoch, runs)| (epoch.clone(), runs.clone())).collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let last = self.process.as_ref().map(|process| process.stderr.text());
            let (name, past) = (self.name(), &self.past);
            eprintln!("--- log of {name}\n{past}{}", last.unwrap_or_default());
        }
    }
}

/// Some nodes in one folder.
#[derive(Debug)]
pub(crate) struct Herd {
    pub(crate) nodes: Vec<Node>,
    pub(crate) dir: Arc<TempDir>,
}

impl Herd {
    /// Each node linked to the next.
    pub(crate) fn ring(nodes: usize) -> Self {
        let edges: Vec<_> = (0..nodes).map(|node| (node, (node + 1) % nodes)).collect();
        Self::with(nodes, &edges, |setup| setup)
    }

    /// Each node linked to each.
    pub(crate) fn mesh(nodes: usize) -> Self {
        Self::mesh_of(nodes, |setup| setup)
    }

    /// A mesh of nodes that are changed before they start.
    pub(crate) fn mesh_of(nodes: usize, change: impl Fn(Setup) -> Setup) -> Self {
        let pairs = (0..nodes).flat_map(|to| (0..to).map(move |from| (from, to)));
        Self::with(nodes, &pairs.collect::<Vec<_>>(), change)
    }

    /// Nodes `node1`… with these links, which the first of each pair dials; all are ready.
    pub(crate) fn with(
        nodes: usize,
        edges: &[(usize, usize)],
        change: impl Fn(Setup) -> Setup,
    ) -> Self {
        let dir = scratch();
        let name = |node: usize| format!("node{}", node + 1);
        let setup = |node: usize| {
            let ours = edges.iter().filter(|(from, to)| *from == node && from != to);
            let setup = Setup::new(&name(node));
            change(ours.fold(setup, |setup, (_, to)| setup.peer(&name(*to))))
        };
        let mut nodes: Vec<Node> = (0..nodes).map(|node| Node::down(setup(node), &dir)).collect();
        nodes.iter_mut().for_each(Node::begin);
        nodes.iter().for_each(Node::await_ready);
        Self { nodes, dir }
    }

    /// Waits until all nodes that run have the same on disk; that.
    pub(crate) fn settle(&self) -> Value {
        let up: Vec<&Node> = self.nodes.iter().filter(|node| node.process.is_some()).collect();
        await_that("equality of all nodes", || {
            let vectors: Vec<Value> = up.iter().map(|node| node.vector()).collect();
            let is_same = vectors.iter().all(|vector| *vector == vectors[0]);
            if is_same { Ok(vectors[0].clone()) } else { Err(format!("{vectors:?}")) }
        })
    }
}

impl std::ops::Index<usize> for Herd {
    type Output = Node;

    fn index(&self, node: usize) -> &Node {
        &self.nodes[node]
    }
}

impl std::ops::IndexMut<usize> for Herd {
    fn index_mut(&mut self, node: usize) -> &mut Node {
        &mut self.nodes[node]
    }
}
