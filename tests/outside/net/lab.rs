//! A network for one herd: a namespace for each node and one with the bridge that joins them.
//!
//! Nothing of it is in the machine's own network: no interface, no address, no rule. What a test
//! makes goes with it, also when it fails; what a killed run left is removed by the next one, which
//! knows it by the id of a process that is gone.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The names of all namespaces begin so; the id of the process that made them follows.
const MARK: &str = "bellwether-test-";

/// Where `ip netns` keeps them.
const NAMESPACES: &str = "/run/netns";

/// Runs one command; what it said when it failed.
fn run(words: &[&str]) -> Result<(), String> {
    let shown = words.join(" ");
    let ran = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).output();
    let Output { status, stderr, .. } = ran.map_err(|error| format!("{shown}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{shown}: {status}: {}", String::from_utf8_lossy(&stderr).trim()))
}

/// Why this machine can't make namespaces, if so. Looked at once.
fn obstacle() -> Option<&'static str> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    let look = || {
        sweep();
        let lab = Lab::make(2)?;
        lab.rule("-I", 0, 1)?;
        run(&["nsenter", &lab.entry(0), "true"])
    };
    FOUND.get_or_init(|| look().err()).as_deref()
}

/// Removes what runs left that were killed.
fn sweep() {
    let Ok(entries) = fs::read_dir(NAMESPACES) else { return };
    for name in entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
        let maker = name.strip_prefix(MARK).and_then(|rest| rest.split('-').next());
        if maker.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            // Another run may do the same at the same time.
            let _ = run(&["ip", "netns", "delete", &name]);
        }
    }
}

/// Says what is not tested here, past the capture of output, and in a file that `make test` shows
/// at its end.
fn say_skipped(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let said = format!("SKIPPED {test}: no network namespaces: {why}\n");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped");
    let noted = fs::OpenOptions::new().create(true).append(true).open(file);
    let noted = noted.and_then(|mut file| file.write_all(said.as_bytes()));
    let shown = io::stderr().write_all(said.as_bytes());
    noted.and(shown).expect("a skipped test must be heard of");
}

/// The network of one herd, whose nodes are numbered from 0.
#[derive(Debug)]
pub(crate) struct Lab {
    name: String,
    nodes: usize,
}

impl Lab {
    /// A network for so many nodes. None where the machine can't make one: that is said loudly, and
    /// fails the test where `CI` is set, since nothing would be proven there.
    pub(crate) fn of(nodes: usize) -> Option<Self> {
        let Some(why) = obstacle() else {
            return Some(Self::make(nodes).expect("a network, as a moment ago"));
        };
        let is_ci = env::var_os("CI").is_some_and(|value| value != OsString::new());
        assert!(!is_ci, "CI must be able to make network namespaces: {why}");
        say_skipped(why);
        None
    }

    fn make(nodes: usize) -> Result<Self, String> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let lab = Self { name: format!("{MARK}{}-{number}", std::process::id()), nodes };
        let bridge = lab.bridge();
        run(&["ip", "netns", "add", &bridge])?;
        run(&["ip", "-n", &bridge, "link", "add", "bridge", "type", "bridge"])?;
        run(&["ip", "-n", &bridge, "link", "set", "bridge", "up"])?;
        for node in 0..nodes {
            lab.join(node)?;
        }
        Ok(lab)
    }

    /// Makes a node's namespace and plugs it into the bridge.
    fn join(&self, node: usize) -> Result<(), String> {
        let (bridge, own) = (&self.bridge(), &self.namespace(node));
        let (port, address) = (&format!("port{node}"), &format!("{}/24", address(node)));
        run(&["ip", "netns", "add", own])?;
        let pair = ["type", "veth", "peer", "name", "eth0", "netns", own];
        run(&[&["ip", "-n", bridge, "link", "add", port][..], &pair].concat())?;
        run(&["ip", "-n", bridge, "link", "set", port, "master", "bridge", "up"])?;
        run(&["ip", "-n", own, "address", "add", address, "dev", "eth0"])?;
        run(&["ip", "-n", own, "link", "set", "eth0", "up"])?;
        run(&["ip", "-n", own, "link", "set", "lo", "up"])
    }

    fn bridge(&self) -> String {
        format!("{}-bridge", self.name)
    }

    fn namespace(&self, node: usize) -> String {
        format!("{}-{node}", self.name)
    }

    /// What `nsenter` needs to enter a node's network, and nothing else of its surroundings.
    pub(crate) fn entry(&self, node: usize) -> String {
        let namespace: PathBuf = [NAMESPACES, &self.namespace(node)].iter().collect();
        format!("--net={}", namespace.display())
    }

    /// Adds or takes away the rule by which packets from one node vanish at another.
    fn rule(&self, change: &str, from: usize, to: usize) -> Result<(), String> {
        let (entry, source) = (&self.entry(to), &address(from));
        let rule = ["-w", change, "INPUT", "-s", source, "-j", "DROP"];
        run(&[&["nsenter", entry, "iptables"][..], &rule].concat())
    }

    /// Lets all that one node sends to another vanish on its way. Not the other way round.
    pub(crate) fn cut(&self, from: usize, to: usize) {
        self.rule("-I", from, to).expect("a rule, as a moment ago");
    }

    /// Ends one such cut.
    pub(crate) fn mend(&self, from: usize, to: usize) {
        self.rule("-D", from, to).expect("a rule that is there");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let nodes = (0..self.nodes).map(|node| self.namespace(node));
        for namespace in nodes.chain([self.bridge()]) {
            // One that was never made, since making the one before failed, is no news.
            if !Path::new(NAMESPACES).join(&namespace).exists() {
                continue;
            }
            if let Err(why) = run(&["ip", "netns", "delete", &namespace]) {
                eprintln!("a namespace stays behind: {why}");
            }
        }
    }
}

/// The address of a node in its network.
pub(crate) fn address(node: usize) -> String {
    format!("10.77.0.{}", node + 1)
}
