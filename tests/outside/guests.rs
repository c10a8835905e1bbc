//! Other people's programs as processes under test: the clients of `tests/clients`, and servers of
//! foreign herds. What they need is installed by `make deps`; without it the tests fail and say so.

use crate::harness::{Ended, Node, Port, Process, bellwether};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Cargo's target folder, where `make deps` installs: the program stands two folders under it.
fn target() -> PathBuf {
    let program = PathBuf::from(bellwether().get_program());
    program.ancestors().nth(2).expect("target/PROFILE/bellwether").to_owned()
}

/// A path under the target folder, which `make deps` has filled.
pub(crate) fn installed(path: &str) -> PathBuf {
    let path = target().join(path);
    assert!(path.exists(), "{} is missing: run `make deps`", path.display());
    path
}

/// A client of `tests/clients`.
pub(crate) fn client<A: AsRef<str>>(name: &str, arguments: &[A]) -> Command {
    installed(if ["eventsource", "browser", "ws_node"].contains(&name) {
        "npm/node_modules"
    } else {
        "venv/bin/python"
    });
    let mut command = Command::new(root().join("tests/clients/run"));
    command.arg(name).args(arguments.iter().map(AsRef::as_ref));
    command.env("CARGO_TARGET_DIR", target());
    command
}

/// The folder that pictures of pages go to.
pub(crate) fn shots() -> PathBuf {
    let folder = target().join("shots");
    std::fs::create_dir_all(&folder).expect("a writable folder");
    folder
}

/// The JSON values of an output, one a line.
pub(crate) fn values(stdout: &str) -> Vec<Value> {
    let read =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    stdout.lines().map(read).collect()
}

/// Runs a client to its end, which must be a good one; what it said.
pub(crate) fn said<A: AsRef<str>>(name: &str, arguments: &[A]) -> Vec<Value> {
    values(&Ended::well(&mut client(name, arguments)))
}

/// The same with these bytes on its standard input.
pub(crate) fn said_to<A: AsRef<str>>(name: &str, arguments: &[A], input: &[u8]) -> Vec<Value> {
    let mut command = client(name, arguments);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a shell");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(input).expect("it takes the bytes");
    drop(pipe);
    let output = child.wait_with_output().expect("the child is ours");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}\n{stdout}{stderr}", output.status);
    values(&stdout)
}

/// A server of a foreign herd, on Twisted.
#[derive(Debug)]
pub(crate) struct Foreign {
    name: String,
    pub(crate) line: Port,
    pub(crate) at: Port,
    peers: Vec<u16>,
    process: Option<Process>,
}

impl Foreign {
    /// One that is not started yet.
    pub(crate) fn down(name: &str) -> Self {
        let (line, at) = (Port::take(), Port::take());
        Self { name: name.to_owned(), line, at, peers: Vec::new(), process: None }
    }

    /// Sends its reports to the server that listens there.
    pub(crate) fn peer(mut self, port: u16) -> Self {
        self.peers.push(port);
        self
    }

    /// Starts it, with nothing in its memory, and waits until it is ready.
    pub(crate) fn start(&mut self) {
        let mut command = Command::new(installed("venv/bin/python"));
        command.arg("-u").arg(root().join("bench/twisted/server.py"));
        command.arg(&self.name).arg(self.line.number.to_string());
        command.args(["--at-port", &self.at.number.to_string()]);
        for peer in &self.peers {
            command.args(["--peer", &format!("127.0.0.1:{peer}")]);
        }
        let process = Process::start(command.stdin(Stdio::null()));
        let ready = format!("ready {}\n", self.name);
        let said = process.stdout.wait(|text| text.contains(&ready));
        assert!(said.is_ok(), "{}: {}", self.name, process.stderr.text());
        self.process = Some(process);
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("it runs").kill9();
    }
}

/// The configuration of a listener for foreign servers.
pub(crate) fn at_listener(port: u16) -> String {
    format!("[[listen]]\nprotocol = \"at\"\nendpoint = \"tcp:{port}\"\n")
}

/// The configuration of a foreign server to send to.
pub(crate) fn at_peer(name: &str, port: u16, more: &str) -> String {
    format!(
        "[[peer]]\nname = \"{name}\"\nendpoint = \"tcp:127.0.0.1:{port}\"\nkind = \"at\"\n{more}\n"
    )
}

/// As `http://127.0.0.1:PORT/v1/stream?…`.
pub(crate) fn stream_url(node: &Node, query: &str) -> String {
    format!("{}/v1/stream{query}", node.url())
}
