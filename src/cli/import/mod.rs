//! `bellwether import`: publishes a corpus to a node. One thread reads and parses; several send,
//! each story always by the same one, so that its revisions stay in order.

mod csv;
mod format;
mod git;
mod item;
mod jsonl;
mod map;
mod mediawiki;
mod progress;
mod rows;
mod send;
mod tally;

use super::Command;
use super::args::{self, Args, DEFAULT_NODE, Opt};
use super::client::Node;
use super::failure::Failure;
use format::Format;
use item::{Edition, Found, Sink};
use map::ColumnMap;
use progress::Progress;
use rows::Rows;
use send::Sender;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use tally::Tally;

pub(super) const COMMAND: Command = Command {
    name: "import",
    about: "publish a corpus: CSV, JSON Lines, MediaWiki, git, text",
    help: HELP,
    run,
};

const HELP: &str = "\
Publishes a corpus to a node. What a file is, its content tells:
  CSV with a header row (comma, semicolon or tab), JSON Lines   each row a story
  MediaWiki XML export         each page a story with all its revisions, authors and comments
  a git repository             each text file a story, each commit of it a revision
  UTF-8 text                   one story

Usage: bellwether import FILE… [OPTION]…

Options:
  --to URL         the node (default http://127.0.0.1:8001, or $BELLWETHER_NODE)
  --map KEY=COL,…  which columns of a table (or keys of JSON, like meta.title) fill a story:
                   title, headline, body, section, author, summary, language, media_type, lat,
                   lon, date, id, alias. Well-known names need no map; KEY= fills it with nothing.
                   Of a link, COL:section takes the section and COL:host the outlet
  --section NAME   put every story into this section
  --prefix TEXT    put before the paths that are titles of a repository's stories
  --limit N        stop after N stories and revisions
  --jobs N         connections that send at once (default 8)
  --durability W   when a revision counts as published (default: the node's)
  -h, --help       this page

Can be stopped and run again, also at another node: of one title, what has the same link, guid, wiki
revision or commit, or says the same, counts as duplicate. What somebody else wrote or edited is
left alone. Titles that occur twice get an id or a hash behind them.
Prints how many were accepted, duplicate, refused and repaired, with the reasons. Exits with 1
only if nothing could be imported or the node went away.

Examples:
  bellwether import NewsArticles.csv
  bellwether import posts.jsonl --map headline=subject,body=text,author=from --section letters
  bellwether import ~/src/project --prefix project/ --to http://127.0.0.1:8002
";

const OPTIONS: &[Opt] = &[
    args::value("to"),
    args::value("node"),
    args::value("map"),
    args::value("section"),
    args::value("prefix"),
    args::value("limit"),
    args::value("jobs"),
    args::value("durability"),
];

/// Editions that wait for one connection.
const QUEUE: usize = 16;

/// What was asked for.
struct Plan {
    url: String,
    sources: Vec<(PathBuf, Format)>,
    map: ColumnMap,
    section: Option<String>,
    prefix: String,
    limit: u64,
    jobs: usize,
    durability: Option<String>,
}

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let plan = Plan::new(&Args::parse("import", OPTIONS, given)?)?;
    // Says at once that nobody is there, instead of being patient.
    Node::new(&plan.url)?.get("/healthz")?;
    let tally = Tally::default();
    let done = transfer(&plan, &tally);
    tally.report(out)?;
    done?;
    if tally.is_useful() {
        Ok(())
    } else {
        Err(Failure::failed("import: nothing could be imported"))
    }
}

impl Plan {
    fn new(args: &Args) -> Result<Self, Failure> {
        if args.free().is_empty() {
            return Err(args.wrong("name a file or a git repository"));
        }
        let map = ColumnMap::parse(args.text("map")?)?;
        let url = match args.text("to")? {
            Some(url) => url.to_owned(),
            None => args.nodes()?.first().map_or(DEFAULT_NODE, String::as_str).to_owned(),
        };
        let limit = args.number("limit", u64::MAX, 1..=u64::MAX)?;
        let jobs = args.number("jobs", 8, 1..=256)?;
        let owned = |long| Ok::<_, Failure>(args.text(long)?.map(str::to_owned));
        let (section, durability) = (owned("section")?, owned("durability")?);
        let prefix = owned("prefix")?.unwrap_or_default();
        let source = |path: &OsString| {
            let path = PathBuf::from(path);
            format::of(&path, &map).map(|format| (path, format))
        };
        let sources = args.free().iter().map(source).collect::<Result<_, _>>()?;
        Ok(Self { url, sources, map, section, prefix, limit, jobs, durability })
    }

    /// Bytes of all files; none when a repository is among them.
    fn bytes(&self) -> Option<u64> {
        self.sources.iter().map(|(path, format)| bytes_of(path, *format)).sum()
    }
}

fn bytes_of(path: &Path, format: Format) -> Option<u64> {
    let known = format != Format::Git;
    known.then(|| path.metadata().map_or(0, |metadata| metadata.len()))
}

/// Reads all sources and sends what they hold.
fn transfer(plan: &Plan, tally: &Tally) -> Result<(), Failure> {
    let senders = (0..plan.jobs)
        .map(|_| Sender::new(&plan.url, tally, &thread::sleep, plan.durability.as_deref()))
        .collect::<Result<Vec<_>, _>>()?;
    let ended: OnceLock<Failure> = OnceLock::new();
    thread::scope(|scope| {
        let lane = |sender| {
            let (queue, editions) = sync_channel(QUEUE);
            let ended = &ended;
            scope.spawn(move || send_all(sender, &editions, ended));
            queue
        };
        let lanes = senders.into_iter().map(lane).collect();
        let mut intake = Intake::new(plan, tally, lanes);
        intake.read_all();
        // Dropping the queues ends the threads, after what is queued; the scope waits for them.
    });
    ended.into_inner().map_or(Ok(()), Err)
}

fn send_all(mut sender: Sender<'_>, editions: &Receiver<Edition>, ended: &OnceLock<Failure>) {
    for edition in editions {
        if let Err(failure) = sender.take(&edition) {
            // The first failure is told; the closed queue stops the reading.
            let _ = ended.set(failure);
            return;
        }
    }
}

/// Counts and routes what the readers find.
struct Intake<'a> {
    plan: &'a Plan,
    tally: &'a Tally,
    lanes: Vec<SyncSender<Edition>>,
    progress: Progress,
    source: usize,
    left: u64,
}

impl<'a> Intake<'a> {
    fn new(plan: &'a Plan, tally: &'a Tally, lanes: Vec<SyncSender<Edition>>) -> Self {
        let progress = Progress::new(plan.bytes());
        Self { plan, tally, lanes, progress, source: 0, left: plan.limit }
    }

    fn read_all(&mut self) {
        let mut rows = Rows::new(self.plan.map.clone());
        for (at, (path, format)) in self.plan.sources.iter().enumerate() {
            self.source = at;
            let mut flow = ControlFlow::Continue(());
            let done = read(path, *format, &self.plan.prefix, &mut rows, &mut |found| {
                flow = self.take(found);
                flow
            });
            if let Err(failure) = done {
                self.tally.refuse(&failure.to_string(), &path.display().to_string());
            }
            self.progress.file_done(bytes_of(path, *format).unwrap_or(0));
            if flow.is_break() {
                break;
            }
        }
        self.progress.end();
    }

    fn take(&mut self, found: Found) -> ControlFlow<()> {
        match found {
            Found::Position(position) => self.progress.read(position),
            Found::Refused(why, what) => self.tally.refuse(why, &what),
            Found::Repaired(how, what) => self.tally.repair(how, &what),
            Found::Duplicate => self.tally.duplicate(),
            Found::Edition(edition) => self.route(*edition)?,
        }
        self.progress.show(self.tally);
        ControlFlow::Continue(())
    }

    /// Hands the edition to its story's connection; breaks when that has ended, or at the limit.
    fn route(&mut self, mut edition: Edition) -> ControlFlow<()> {
        edition.source = self.source;
        if let Some(section) = &self.plan.section {
            edition.section = Some(section.clone());
        }
        for change in edition.fit() {
            self.tally.repair(change, &edition.title);
        }
        let lane = crc32fast::hash(edition.title.as_bytes()) as usize % self.lanes.len();
        if self.lanes[lane].send(edition).is_err() {
            return ControlFlow::Break(());
        }
        self.left -= 1;
        if self.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Reads one source to its end, or until the sink breaks.
fn read(
    path: &Path,
    format: Format,
    prefix: &str,
    rows: &mut Rows,
    sink: Sink<'_>,
) -> Result<(), Failure> {
    let failed = |error| Failure::failed(format!("cannot read it: {error}"));
    let open = || File::open(path).map(BufReader::new).map_err(failed);
    match format {
        Format::Git => git::read(path, prefix, sink),
        Format::Csv(delimiter) => csv::read(open()?, delimiter, rows, sink),
        Format::JsonLines => jsonl::read(open()?, rows, sink),
        Format::MediaWiki => mediawiki::read(open()?, sink),
        Format::Text => {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            let taken = match git::text(std::fs::read(path).map_err(failed)?) {
                Some(body) => rows.take_text(&name, body, sink),
                None => sink(Found::Refused("not text", name.into_owned())),
            };
            let (ControlFlow::Continue(()) | ControlFlow::Break(())) = taken;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Reply, TestNode};
    use super::*;
    use std::sync::{Arc, Mutex};

    /// A node that takes everything: what it was told.
    fn accepting() -> (TestNode, Arc<Mutex<Vec<String>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&told);
        let node = TestNode::new(move |asked| {
            if asked.method == "PUT" {
                shared.lock().unwrap().push(asked.target.clone());
            }
            Reply::Json(201, "", r#"{"id":"1"}"#.to_owned())
        });
        (node, told)
    }

    fn import(words: &[&str]) -> (Result<(), Failure>, String) {
        let given: Vec<OsString> = words.iter().map(OsString::from).collect();
        let mut out = Vec::new();
        let done = run(&given, &mut out);
        (done, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_table_and_a_text_arrive_over_several_connections() {
        let (node, told) = accepting();
        let dir = tempfile::tempdir().unwrap();
        let table = dir.path().join("t.csv");
        let text = dir.path().join("page.md");
        let rows: Vec<String> = (0..100).map(|i| format!("T{i},text {i}")).collect();
        std::fs::write(&table, format!("title,text\n{}\nx,\n", rows.join("\n"))).unwrap();
        std::fs::write(&text, "# Head\n\nBody\n").unwrap();
        let (table, text) = (table.to_str().unwrap(), text.to_str().unwrap());
        let (done, said) = import(&[table, text, "--to", &node.url, "--jobs=4"]);
        assert_eq!(done, Ok(()));
        let wanted =
            "accepted 101, duplicate 0, refused 1\n  1 refused: no text (first: line 102)\n";
        assert_eq!(said, wanted);
        let mut told = std::mem::take(&mut *told.lock().unwrap());
        told.sort();
        told.dedup();
        assert_eq!(told.len(), 101);
        assert!(told.contains(&"/v1/stories/page.md".to_owned()));
        let (_, said) = import(&[table, "--to", &node.url, "--limit", "7", "--section", "s"]);
        assert!(said.starts_with("accepted 7,"), "{said}");
    }

    #[test]
    fn nothing_to_import_and_no_node_are_failures() {
        let dir = tempfile::tempdir().unwrap();
        let table = dir.path().join("t.csv");
        std::fs::write(&table, "title,text\nx,\n").unwrap();
        let table = table.to_str().unwrap();
        let (node, _) = accepting();
        let (done, said) = import(&[table, "--to", &node.url]);
        assert_eq!(done.unwrap_err().exit_code(), 1);
        assert!(said.starts_with("accepted 0, duplicate 0, refused 1"));
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let failure = import(&[table, "--to", &format!("http://{gone}")]).0.unwrap_err();
        assert!(failure.to_string().contains("cannot reach"), "{failure}");
        assert_eq!(import(&["--to", &node.url]).0.unwrap_err().exit_code(), 2);
        assert_eq!(import(&["/no/such", "--to", &node.url]).0.unwrap_err().exit_code(), 1);
    }
}
