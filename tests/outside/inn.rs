//! INN, Debian's `inn2`, as a process under test: `innd` with all its files in a folder that goes
//! with it, and `innfeed`, which it starts, for what it sends.

use crate::harness::{Port, Process, await_that, scratch};
use crate::nntp::Talk;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;

/// Where Debian has its programs.
const BIN: &str = "/usr/lib/news/bin";
/// Its name in a Path.
pub(crate) const NAME: &str = "inn.example";

/// One news server: up, or down until it is started again.
#[derive(Debug)]
pub(crate) struct Inn {
    dir: Arc<TempDir>,
    port: Port,
    process: Option<Process>,
    is_root: bool,
}

/// What a command prints, without its last line end.
fn said(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output().expect("a program of coreutils");
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

impl Inn {
    /// Starts a server that has these groups and sends all it gets to these peers, by the names
    /// that they have in a Path and their ports.
    pub(crate) fn start(groups: &[&str], peers: &[(&str, u16)]) -> Self {
        assert!(Path::new(BIN).join("innd").exists(), "innd is missing: run `make deps`");
        let is_root = said("id", "-u") == "0";
        let mut inn = Self { dir: scratch(), port: Port::take(), process: None, is_root };
        inn.configure(groups, peers);
        inn.restart();
        inn
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).expect("a writable folder");
    }

    fn configure(&self, groups: &[&str], peers: &[(&str, u16)]) {
        let spool = ["articles", "overview", "incoming", "outgoing", "innfeed", "archive"];
        let spool = spool.map(|name| format!("spool/{name}"));
        let folders = ["etc", "etc/filter", "db", "log", "run", "tmp", "http"].map(str::to_owned);
        for folder in folders.iter().chain(&spool) {
            fs::create_dir_all(self.file(folder)).expect("a writable folder");
        }
        self.write("etc/inn.conf", &self.inn_conf());
        self.write("etc/storage.conf", "method tradspool {\n    newsgroups: *\n    class: 0\n}\n");
        let incoming =
            "streaming: true\nmax-connections: 50\npeer nodes {\n  hostname: 127.0.0.1\n}\n";
        self.write("etc/incoming.conf", incoming);
        self.write("etc/newsfeeds", &self.newsfeeds(peers));
        self.write("etc/innfeed.conf", &innfeed_conf(peers));
        self.write("etc/expire.ctl", "/remember/:10\n*:A:1:never:never\n");
        self.write("etc/control.ctl", "all:*:*:drop\n");
        let readers = "auth \"all\" {\n  hosts: \"*\"\n  default: \"<all>\"\n}\n\
                       access \"all\" {\n  users: \"*\"\n  newsgroups: \"*\"\n}\n";
        self.write("etc/readers.conf", readers);
        for empty in ["etc/moderators", "etc/distributions", "db/newsgroups", "db/active.times"] {
            self.write(empty, "");
        }
        let mut active = String::new();
        for own in ["control", "control.cancel", "junk"] {
            writeln!(active, "{own} 0000000000 0000000001 n").expect("a String takes all");
        }
        for group in groups {
            writeln!(active, "{group} 0000000000 0000000001 y").expect("a String takes all");
        }
        self.write("db/active", &active);
        self.write("db/history", "");
        if self.is_root {
            let mut chown = Command::new("chown");
            let chown = chown.args(["-R", "news:news"]).arg(self.dir.path());
            assert!(chown.status().expect("chown").success());
        }
        let mut make = self.command("makedbz");
        make.args(["-i", "-o", "-s", "1000", "-f"]).arg(self.file("db/history"));
        assert!(make.status().expect("makedbz").success(), "no history");
    }

    fn inn_conf(&self) -> String {
        let root = self.dir.path().display();
        let user = if self.is_root { "news".to_owned() } else { said("id", "-un") };
        let group = if self.is_root { "news".to_owned() } else { said("id", "-gn") };
        format!(
            "mta: \"/bin/true %s\"\novmethod: tradindexed\nhismethod: hisv6\npathhost: {NAME}\n\
             domain: example\nfromhost: {NAME}\npathnews: {root}\npathbin: {BIN}\n\
             pathetc: {root}/etc\npathdb: {root}/db\npathlog: {root}/log\npathrun: {root}/run\n\
             pathspool: {root}/spool\npatharticles: {root}/spool/articles\n\
             pathoverview: {root}/spool/overview\npathincoming: {root}/spool/incoming\n\
             pathoutgoing: {root}/spool/outgoing\npatharchive: {root}/spool/archive\n\
             pathhttp: {root}/http\npathtmp: {root}/tmp\npathcontrol: {BIN}/control\n\
             pathfilter: {root}/etc/filter\nrunasuser: {user}\nrunasgroup: {group}\n\
             port: {}\nbindaddress: 127.0.0.1\ndocancels: \"require-auth\"\n\
             remembertrash: false\nwanttrash: false\nverifygroups: false\nenableoverview: true\n\
             chanretrytime: 1\npauseretrytime: 1\n",
            self.port.number
        )
    }

    fn newsfeeds(&self, peers: &[(&str, u16)]) -> String {
        let mut text = "ME:*::\n".to_owned();
        if !peers.is_empty() {
            let config = self.file("etc/innfeed.conf");
            let config = config.display();
            writeln!(text, "innfeed!:!*:Tc,Wnm*:{BIN}/innfeed -y -c {config}")
                .expect("a String takes all");
        }
        for (name, _) in peers {
            writeln!(text, "{name}:*:Tm:innfeed!").expect("a String takes all");
        }
        text
    }

    /// A program of INN's as the user whose files these are.
    fn command(&self, program: &str) -> Command {
        let program = Path::new(BIN).join(program);
        let mut command = if self.is_root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=news", "--regid=news", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.env("INNCONF", self.file("etc/inn.conf")).current_dir(self.dir.path());
        command
    }

    /// Starts it; it must not run.
    pub(crate) fn restart(&mut self) {
        assert!(self.process.is_none(), "INN runs already");
        for left in ["run/innd.pid", "run/control", "run/nntpin", "run/innfeed.pid"] {
            let _ = fs::remove_file(self.file(left));
        }
        self.process = Some(Process::start(self.command("innd").arg("-d")));
        let port = self.port.number;
        await_that("INN", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())
        });
    }

    /// Kills it as a power cut would.
    pub(crate) fn kill9(&mut self) {
        self.process.take().expect("it runs").kill9();
    }

    /// A conversation with it, behind its greeting.
    pub(crate) fn talk(&self) -> Talk {
        Talk::with(self.port.number)
    }

    /// Hands an article over by IHAVE, which must be taken.
    pub(crate) fn hand(&self, id: &str, article: &str) {
        let mut talk = self.talk();
        talk.expect(335, &format!("IHAVE {id}"));
        talk.expect(235, &format!("{}.", article.replace("\r\n.", "\r\n..")));
    }

    /// True when it has the article of this Message-ID.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.talk().ask(&format!("STAT {id}")).starts_with("223 ")
    }

    /// The article of this Message-ID, which it must have, as its readers get it.
    pub(crate) fn article(&self, id: &str) -> String {
        let mut talk = self.talk();
        talk.expect(200, "MODE READER");
        talk.list(220, &format!("ARTICLE {id}")).join("\r\n") + "\r\n"
    }

    /// What `innfeed` and `innd` wrote down, for who looks into a failure.
    fn logs(&self) -> String {
        let mut all = String::new();
        for file in ["log/news", "log/errlog", "log/innfeed.log", "log/news.notice"] {
            if let Ok(text) = fs::read(self.file(file)) {
                let text = String::from_utf8_lossy(&text);
                writeln!(all, "--- {file}\n{text}").expect("a String takes all");
            }
        }
        all
    }
}

impl Drop for Inn {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = self.process.as_ref().map(|process| process.stderr.text());
            eprintln!("--- INN\n{}{}", said.unwrap_or_default(), self.logs());
        }
    }
}

fn innfeed_conf(peers: &[(&str, u16)]) -> String {
    let mut text = "pid-file: innfeed.pid\nlog-file: innfeed.log\nbacklog-directory: innfeed\n\
        backlog-rotate-period: 1\nbacklog-ckpt-period: 1\nbacklog-newfile-period: 1\n\
        initial-reconnect-time: 1\nmax-reconnect-time: 1\nclose-period: 6000\n\
        streaming: true\nmax-connections: 1\ninitial-connections: 1\nmax-queue-size: 100\n\
        article-timeout: 600\nresponse-timeout: 300\n"
        .to_owned();
    for (name, port) in peers {
        writeln!(text, "peer {name} {{\n  ip-name: 127.0.0.1\n  port-number: {port}\n}}")
            .expect("a String takes all");
    }
    text
}
