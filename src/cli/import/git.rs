//! A git repository: each text file a story, each commit that changes it an edition, oldest first.
//!
//! Asks the `git` program: `log` for what changed, `cat-file --batch` for the contents. Branches
//! that were merged follow one another (topological order), so that a story may see a state that
//! its file never had on one branch; at the end each story is brought to what HEAD has.

use super::super::failure::{Failure, one_line};
use super::super::publish::media_type_of;
use super::item::{self, Edition, Found, Sink, TITLE_BYTES_MAX, tidy};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Larger files are not read; a node takes far smaller ones.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What `log` says of a commit, between its `:` lines of `--raw`: id, author, subject.
const FORMAT: &str = "--format=%x01%H%x02%an%x02%s";

/// Whether a directory is a git repository: a work tree or a bare one.
pub(super) fn is_repository(dir: &Path) -> bool {
    let bare = || dir.join("objects").is_dir() && dir.join("refs").is_dir();
    dir.join(".git").exists() || dir.join("HEAD").is_file() && bare()
}

/// Reads all commits of HEAD's history. Titles are the paths of the files behind `prefix`.
pub(super) fn read(dir: &Path, prefix: &str, sink: Sink<'_>) -> Result<(), Failure> {
    let mut walk = Walk {
        prefix,
        blobs: Blobs::open(dir)?,
        held: BTreeMap::new(),
        commit: String::new(),
        author: None,
        summary: None,
    };
    let log: &[&str] = &[
        "log",
        "--reverse",
        "--topo-order",
        "--root",
        "--raw",
        "-z",
        "-c",
        "--no-renames",
        "--no-abbrev",
        FORMAT,
        "HEAD",
        "--",
    ];
    let mut flow = ControlFlow::Continue(());
    each_token(dir, log, &mut |tokens| {
        flow = walk.log_token(tokens, sink)?;
        Ok(flow)
    })?;
    if flow.is_continue() {
        let tree: &[&str] = &["ls-tree", "-r", "-z", "HEAD"];
        each_token(dir, tree, &mut |tokens| walk.tree_token(tokens, sink))?;
    }
    Ok(())
}

fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args([
        "-c",
        "core.quotePath=false",
        "-c",
        "log.showSignature=false",
    ]);
    command.env("GIT_OPTIONAL_LOCKS", "0");
    command
}

fn cannot_run(error: &io::Error) -> Failure {
    Failure::failed(format!("cannot run git: {error}; is it installed?"))
}

fn cannot_read(error: &io::Error) -> Failure {
    Failure::failed(format!("git broke off: {error}"))
}

/// Tokens, each ended by NUL, of a git command's output.
struct Tokens<'a> {
    output: &'a mut dyn BufRead,
}

impl Tokens<'_> {
    fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let mut token = Vec::new();
        self.output.read_until(0, &mut token).map_err(|error| cannot_read(&error))?;
        if token.is_empty() {
            return Ok(None);
        }
        if token.last() == Some(&0) {
            token.pop();
        }
        Ok(Some(token))
    }
}

/// What a step says about going on; it takes at least one token, or breaks.
type Step<'a> = &'a mut dyn FnMut(&mut Tokens<'_>) -> Result<ControlFlow<()>, Failure>;

/// Runs git and lets `step` take its tokens until it breaks or they end.
fn each_token(dir: &Path, args: &[&str], step: Step<'_>) -> Result<(), Failure> {
    let mut command = git(dir);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| cannot_run(&error))?;
    let mut broke = false;
    if let Some(stdout) = child.stdout.take() {
        let mut output = BufReader::new(stdout);
        while !broke && !output.fill_buf().map_err(|error| cannot_read(&error))?.is_empty() {
            broke = step(&mut Tokens { output: &mut output })?.is_break();
        }
    }
    // A git that we left in the middle ends on its closed pipe.
    let output = child.wait_with_output().map_err(|error| cannot_read(&error))?;
    if broke || output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().trim_start_matches("fatal: ");
    Err(Failure::failed(format!("git says about {}: {}", dir.display(), one_line(said))))
}

/// `cat-file --batch`: contents by object id.
struct Blobs {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// An object as `Blobs` gives it.
enum Blob {
    Bytes(Vec<u8>),
    TooLarge,
}

impl Blobs {
    fn open(dir: &Path) -> Result<Self, Failure> {
        let mut command = git(dir);
        command.args(["cat-file", "--batch"]).stderr(Stdio::null());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| cannot_run(&error))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => {
                Ok(Self { child, stdin, stdout: BufReader::new(stdout) })
            }
            _ => Err(Failure::failed("git has no standard input or output")),
        }
    }

    fn content(&mut self, id: &str) -> Result<Blob, Failure> {
        self.read(id).map_err(|error| cannot_read(&error))
    }

    fn read(&mut self, id: &str) -> io::Result<Blob> {
        writeln!(self.stdin, "{id}")?;
        self.stdin.flush()?;
        let mut head = String::new();
        self.stdout.read_line(&mut head)?;
        let size = head.trim_end().rsplit(' ').next().and_then(|size| size.parse::<u64>().ok());
        let size = size.ok_or_else(|| io::Error::other(format!("object {id}: {}", head.trim())))?;
        let blob = if size > FILE_BYTES_MAX {
            io::copy(&mut (&mut self.stdout).take(size), &mut io::sink())?;
            Blob::TooLarge
        } else {
            let mut bytes = vec![0; size as usize];
            self.stdout.read_exact(&mut bytes)?;
            Blob::Bytes(bytes)
        };
        self.stdout.read_exact(&mut [0])?;
        Ok(blob)
    }
}

impl Drop for Blobs {
    fn drop(&mut self) {
        // It only waits for more questions: nothing is lost.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Walk<'a> {
    prefix: &'a str,
    blobs: Blobs,
    /// The object that each path was last published with, or refused with.
    held: BTreeMap<Vec<u8>, String>,
    /// Of the last commit read; HEAD, at last.
    commit: String,
    author: Option<String>,
    summary: Option<String>,
}

impl Walk<'_> {
    /// One step through `git log --raw -z`: a commit, or a change with its path.
    fn log_token(
        &mut self,
        tokens: &mut Tokens<'_>,
        sink: Sink<'_>,
    ) -> Result<ControlFlow<()>, Failure> {
        let Some(token) = tokens.next()? else { return Ok(ControlFlow::Break(())) };
        let token = String::from_utf8_lossy(token.trim_ascii_start()).into_owned();
        if let Some(commit) = token.strip_prefix('\u{1}') {
            let mut parts = commit.splitn(3, '\u{2}').map(str::trim);
            let mut part = || parts.next().unwrap_or_default();
            let (id, author, subject) = (part(), part(), part());
            id.clone_into(&mut self.commit);
            self.author = Some(tidy(author)).filter(|text| !text.is_empty());
            self.summary = Some(tidy(subject)).filter(|text| !text.is_empty());
        } else if token.starts_with(':') {
            let Some(path) = tokens.next()? else { return Ok(ControlFlow::Break(())) };
            if let Some((mode, object)) = after(&token) {
                return self.change(&path, mode, object, sink);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// One entry of `git ls-tree -r -z HEAD`: `mode type object TAB path`.
    fn tree_token(
        &mut self,
        tokens: &mut Tokens<'_>,
        sink: Sink<'_>,
    ) -> Result<ControlFlow<()>, Failure> {
        let Some(token) = tokens.next()? else { return Ok(ControlFlow::Break(())) };
        let Some(tab) = token.iter().position(|byte| *byte == b'\t') else {
            return Ok(ControlFlow::Continue(()));
        };
        let head = String::from_utf8_lossy(&token[..tab]);
        let words: Vec<&str> = head.split(' ').collect();
        match words[..] {
            [mode, "blob", object] => self.change(&token[tab + 1..], mode, object, sink),
            _ => Ok(ControlFlow::Continue(())),
        }
    }

    /// `path` became `object`: publishes it, unless it was that already.
    fn change(
        &mut self,
        path: &[u8],
        mode: &str,
        object: &str,
        sink: Sink<'_>,
    ) -> Result<ControlFlow<()>, Failure> {
        if !mode.starts_with("100") || self.held.get(path).is_some_and(|held| held == object) {
            return Ok(ControlFlow::Continue(()));
        }
        self.held.insert(path.to_vec(), object.to_owned());
        let shown = String::from_utf8_lossy(path).into_owned();
        let title = format!("{}{shown}", self.prefix);
        let valid = std::str::from_utf8(path).is_ok() && tidy(&title) == title;
        if !valid || title.len() > TITLE_BYTES_MAX {
            return Ok(sink(Found::Refused("a path that cannot be a title", shown)));
        }
        let bytes = match self.blobs.content(object)? {
            Blob::TooLarge => return Ok(sink(Found::Refused("larger than 16 MiB", shown))),
            Blob::Bytes(bytes) => bytes,
        };
        let Some(body) = text(bytes) else {
            return Ok(sink(Found::Refused("not text", shown)));
        };
        Ok(sink(Found::Edition(Box::new(Edition {
            media_type: media_type_of(shown.as_ref())
                .filter(|kind| kind.starts_with("text/"))
                .map(str::to_owned),
            alias: Some(item::alias(&format!("git:{}:{shown}", self.commit))),
            title,
            body,
            author: self.author.clone(),
            summary: self.summary.clone(),
            interleaved: true,
            ..Edition::default()
        }))))
    }
}

/// The mode and the object after a change, from a line of `--raw`: `:M M O O S`, or with one colon,
/// one mode and one object more for each further parent of a merge. None when it was deleted.
fn after(line: &str) -> Option<(&str, &str)> {
    let parents = line.bytes().take_while(|byte| *byte == b':').count();
    let words: Vec<&str> = line[parents..].split(' ').collect();
    let (mode, object) = (words.get(parents)?, words.get(2 * parents + 1)?);
    let deleted = object.bytes().all(|byte| byte == b'0');
    (!deleted).then_some((*mode, *object))
}

/// The bytes as text; none when they are not UTF-8 or have a NUL.
pub(super) fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::super::item::tests::collect;
    use super::*;

    struct Repository(tempfile::TempDir);

    impl Repository {
        fn new() -> Self {
            let repository = Self(tempfile::tempdir().unwrap());
            repository.git(&["init", "-q", "-b", "main"]);
            repository
        }

        fn git(&self, args: &[&str]) -> bool {
            let mut command = git(self.0.path());
            command.args(["-c", "user.name=Zoë", "-c", "user.email=z@example.org"]);
            command.args(["-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null"]);
            command.env("GIT_CONFIG_GLOBAL", "/dev/null").args(args);
            command.output().unwrap().status.success()
        }

        fn write(&self, path: &str, bytes: &[u8]) {
            std::fs::write(self.0.path().join(path), bytes).unwrap();
        }

        fn commit(&self, message: &str) {
            assert!(self.git(&["add", "-A"]) && self.git(&["commit", "-qm", message]));
        }

        fn read(&self) -> Vec<Found> {
            collect(|sink| read(self.0.path(), "", sink)).unwrap()
        }
    }

    fn told(found: &[Found]) -> Vec<String> {
        let line = |found: &Found| match found {
            Found::Edition(e) => {
                format!("{} = {} ({})", e.title, e.body, e.summary.as_deref().unwrap_or("-"))
            }
            Found::Refused(why, what) => format!("{what}: {why}"),
            other => format!("{other:?}"),
        };
        found.iter().map(line).collect()
    }

    #[test]
    fn each_commit_of_a_file_is_an_edition_oldest_first() {
        let repository = Repository::new();
        repository.write("a.md", b"1");
        repository.write("sp ace.txt", b"x");
        repository.commit("first\n\nwith more");
        repository.write("a.md", b"2");
        repository.write("bin", b"\0\xff");
        repository.commit("second");
        assert!(repository.git(&["mv", "a.md", "b.md"]));
        repository.commit("renamed");
        let found = repository.read();
        let wanted = [
            "a.md = 1 (first)",
            "sp ace.txt = x (first)",
            "a.md = 2 (second)",
            "bin: not text",
            "b.md = 2 (renamed)",
        ];
        assert_eq!(told(&found), wanted);
        let Found::Edition(first) = &found[0] else { panic!() };
        assert_eq!(first.author.as_deref(), Some("Zoë"));
        assert_eq!(first.media_type.as_deref(), Some("text/markdown"));
        let Found::Edition(second) = &found[2] else { panic!() };
        let [first_alias, second_alias] = [first, second].map(|e| e.alias.clone().unwrap());
        assert!(first_alias.starts_with("git:") && first_alias.ends_with(":a.md"));
        assert_eq!((first_alias.len(), first_alias == second_alias), (4 + 40 + 5, false));
        assert!(first.interleaved && is_repository(repository.0.path()));
    }

    #[test]
    fn merges_end_at_what_head_has() {
        let repository = Repository::new();
        repository.write("a", b"1");
        repository.commit("base");
        assert!(repository.git(&["checkout", "-qb", "side"]));
        repository.write("a", b"side");
        repository.commit("side");
        assert!(repository.git(&["checkout", "-q", "main"]));
        repository.write("b", b"main");
        repository.commit("main");
        // The side's change is dropped by the merge: no commit says so, HEAD does.
        assert!(repository.git(&["merge", "-q", "-s", "ours", "-m", "merged", "side"]));
        let told = told(&repository.read());
        assert_eq!(told.first().unwrap(), "a = 1 (base)");
        assert!(told.contains(&"a = side (side)".to_owned()));
        assert_eq!(told.last().unwrap(), "a = 1 (merged)");
        assert_eq!(told.len(), 4);
    }

    #[test]
    fn raw_lines_of_commits_and_merges_are_understood() {
        assert_eq!(after(":100644 100755 aaa bbb M"), Some(("100755", "bbb")));
        assert_eq!(after("::100644 100644 100644 aaa bbb ccc MM"), Some(("100644", "ccc")));
        assert_eq!(after(":100644 000000 aaa 000 D"), None);
        assert_eq!(after(":"), None);
    }

    #[test]
    fn a_repository_without_commits_is_an_error() {
        let repository = Repository::new();
        let failure = collect(|sink| read(repository.0.path(), "", sink)).unwrap_err();
        assert!(failure.to_string().starts_with("git says about"), "{failure}");
    }
}
