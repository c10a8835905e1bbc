//! What an operator does with a node that runs: commands against its configuration, a look at its
//! figures and its memory.

use crate::harness::{Ended, Node, bellwether};

impl Node {
    /// Runs a command of the program on this node, with this on its standard input.
    pub(crate) fn run(&self, words: &[&str], input: &str) -> Ended {
        let mut command = bellwether();
        Ended::fed(command.args(words).arg("--config").arg(self.config()), input.as_bytes())
    }

    /// The same for a command that must succeed; what it says, without its last end of line.
    pub(crate) fn run_well(&self, words: &[&str], input: &str) -> String {
        let ended = self.run(words, input);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        ended.stdout.trim_end().to_owned()
    }

    /// A new token for this name.
    pub(crate) fn token(&self, name: &str, scope: &str) -> String {
        let token = self.run_well(&["token", "--name", name, "--scope", scope], "");
        assert!(token.starts_with("bw_") && token.len() == 46, "{token}");
        token
    }

    /// The id of the token of this name.
    pub(crate) fn token_id(&self, name: &str) -> String {
        let list = self.run_well(&["token", "list"], "");
        let row = list.lines().find(|line| line.contains(name)).expect("its row");
        row.split(' ').next().expect("an id").to_owned()
    }

    /// Takes back the token of this name.
    pub(crate) fn revoke_token(&self, name: &str) {
        self.run_well(&["token", "revoke", &self.token_id(name)], "");
    }

    /// One of its metrics, named with its labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let page = self.http.get("/metrics").expect(200).text();
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {page}"))
    }

    /// How much memory its process has in use, in bytes.
    pub(crate) fn resident_bytes(&self) -> usize {
        let path = format!("/proc/{}/status", self.process_id());
        let status = std::fs::read_to_string(path).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let kib: usize = line.trim_end_matches("kB").trim().parse().expect("a number");
        kib * 1024
    }
}
