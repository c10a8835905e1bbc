//! `bellwether publish`: one story, new or edited, from a file or from stdin.

use super::Command;
use super::args::{self, Args, Opt};
use super::client::{Answer, Node, plain, story_path, with_query};
use super::failure::Failure;
use serde_json::{Map, Value};
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

pub(super) const COMMAND: Command =
    Command { name: "publish", about: "publish a story, or edit one", help: HELP, run };

const HELP: &str = "\
Publishes a story on a node; the herd carries it to all others. The body comes from a file or from
standard input. A story that exists is edited by naming the revision that the edit starts from.

Usage: bellwether publish TITLE [OPTION]…

Options:
  --node URL         the node (default http://127.0.0.1:8001, or $BELLWETHER_NODE)
  --file FILE        the body; - is standard input (default -)
  --headline TEXT    shown above the story (default: its title)
  --section NAME     where it belongs, like politics
  --author NAME      who wrote it
  --summary TEXT     what this revision is about, shown in the history
  --media-type TYPE  of the body (default: by the file's name, else text/plain)
  --base ID          the revision edited (bellwether history TITLE shows them)
  --conflict POLICY  when the base is not the newest: fail (default), merge the two (what is
                     not given stays as it is), keep both, or overwrite, which needs no base
  --alias NAME       its name elsewhere, like a Message-ID: published once, however often
  --durability W     when it counts as published: none or local (default: the node's)
  --json             print the node's whole answer
  -h, --help         this page

Prints the id of the new revision.

Examples:
  echo 'Rain from noon.' | bellwether publish Weather --section local --author Mia
  bellwether publish Weather --file weather.md --base 5f0c… --summary 'Wind added'
";

const OPTIONS: &[Opt] = &[
    args::value("node"),
    args::value("file"),
    args::value("headline"),
    args::value("section"),
    args::value("author"),
    args::value("summary"),
    args::value("media-type"),
    args::value("base"),
    args::value("conflict"),
    args::value("alias"),
    args::value("durability"),
    args::flag("json"),
];

/// A story with its fields goes out as this.
const JSON: &str = "application/json";

/// What `?conflict=` may be.
const POLICIES: &[&str] = &["fail", "merge", "keep", "overwrite"];

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("publish", OPTIONS, given)?;
    let title = args.only("title")?;
    let conflict = args.one_of("conflict", POLICIES)?;
    let node = Node::new(&args.nodes()?[0])?;
    let file = args.raw("file").unwrap_or(OsStr::new("-"));
    let (media_type, body) = content(&args, read_body(file)?, media_type_of(file))?;
    let query = [
        ("base", args.text("base")?),
        ("conflict", conflict),
        ("durability", args.text("durability")?),
        // Else it is in the JSON.
        ("alias", args.text("alias")?.filter(|_| media_type != JSON)),
    ];
    let path = with_query(&story_path(title), &query);
    let answer = node.put(&path, &media_type, &body, false)?;
    if !answer.is_success() {
        return Err(refused(&answer, title));
    }
    let waiting = answer.status == 202;
    let json = answer.into_json()?;
    if args.has("json") {
        writeln!(out, "{json}")?;
    } else {
        writeln!(out, "{}", plain(&json["id"]))?;
    }
    if waiting {
        let durability = &json["durability"];
        let (asked, met) = (plain(&durability["asked"]), plain(&durability["met"]));
        writeln!(io::stderr(), "accepted, not yet as durable as asked ({asked}): {met}")?;
    }
    Ok(())
}

fn read_body(file: &OsStr) -> Result<Vec<u8>, Failure> {
    if file != "-" {
        let named = Path::new(file).display();
        return std::fs::read(file)
            .map_err(|error| Failure::failed(format!("cannot read {named}: {error}")));
    }
    if io::stdin().is_terminal() {
        writeln!(io::stderr(), "type the story; a line with ^D alone ends it")?;
    }
    let mut body = Vec::new();
    let read = io::stdin().lock().read_to_end(&mut body);
    read.map_err(|error| Failure::failed(format!("cannot read standard input: {error}")))?;
    Ok(body)
}

/// The media type that a file's name tells.
pub(super) fn media_type_of(file: &OsStr) -> Option<&'static str> {
    let extension = Path::new(file).extension()?.to_str()?.to_lowercase();
    Some(match &*extension {
        "md" | "markdown" => "text/markdown",
        "html" | "htm" => "text/html",
        "txt" => "text/plain",
        "json" => "application/json",
        "xml" => "application/xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "pdf" => "application/pdf",
        _ => return None,
    })
}

/// What to PUT, with its content type: a JSON story for text, the bytes themselves for the rest.
fn content(
    args: &Args,
    body: Vec<u8>,
    by_name: Option<&'static str>,
) -> Result<(String, Vec<u8>), Failure> {
    let media_type = args.text("media-type")?.or(by_name);
    let mut story = Map::new();
    for key in ["headline", "section", "author", "summary"] {
        if let Some(text) = args.text(key)? {
            story.insert(key.to_owned(), text.into());
        }
    }
    let body = match String::from_utf8(body) {
        Ok(text) => text,
        Err(error) if story.is_empty() => {
            let media_type = media_type.unwrap_or("application/octet-stream");
            return Ok((media_type.to_owned(), error.into_bytes()));
        }
        Err(_) => {
            return Err(Failure::failed(
                "the body is not UTF-8 text: publish it without --headline, --section, --author \
                 and --summary, or convert it",
            ));
        }
    };
    for (key, text) in [("media_type", media_type), ("alias", args.text("alias")?)] {
        if let Some(text) = text {
            story.insert(key.to_owned(), text.into());
        }
    }
    story.insert("body".to_owned(), body.into());
    Ok((JSON.to_owned(), Value::Object(story).to_string().into_bytes()))
}

/// The node's refusal, with what to do about it.
fn refused(answer: &Answer, title: &str) -> Failure {
    let problem = answer.problem();
    let json = answer.json();
    Failure::failed(match answer.status {
        409 => {
            let theirs = plain(&json["theirs"]["id"]);
            let edit = if theirs.is_empty() { String::new() } else { format!(" {theirs}") };
            format!(
                "{problem}; read the newest revision{edit}, then edit it with --base, or try \
                 --conflict merge, or keep both with --conflict keep"
            )
        }
        428 => format!(
            "{problem}; name the revision you edit with --base (bellwether history {title:?} \
             shows it), or use --conflict overwrite"
        ),
        503 | 429 => {
            let seconds = answer.retry_after.unwrap_or(1);
            format!("{problem}; try again in {seconds} s")
        }
        _ => problem,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Reply, TestNode};
    use super::*;
    use std::sync::mpsc;

    fn publish(url: &str, words: &[&str]) -> (Result<(), Failure>, String) {
        let mut given: Vec<OsString> = words.iter().map(OsString::from).collect();
        given.extend(["--node".into(), url.into()]);
        let mut out = Vec::new();
        let done = run(&given, &mut out);
        (done, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_story_goes_out_as_json_with_its_fields_and_its_conditions_in_the_query() {
        let (sender, receiver) = mpsc::channel();
        let node = TestNode::new(move |asked| {
            sender.send(asked.clone()).unwrap();
            Reply::Json(201, "", r#"{"id":"abc","cursor":"c"}"#.to_owned())
        });
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("w.md");
        std::fs::write(&file, "# Rain\n").unwrap();
        let file = file.to_str().unwrap();
        let words = ["A b", "--file", file, "--section", "s", "--base", "x y", "--conflict=merge"];
        let words = [&words[..], &["--alias", "urn:1"]].concat();
        let (done, said) = publish(&node.url, &words);
        assert_eq!((done, &*said), (Ok(()), "abc\n"));
        let asked = receiver.recv().unwrap();
        assert_eq!(asked.method, "PUT");
        assert_eq!(asked.target, "/v1/stories/A%20b?base=x%20y&conflict=merge");
        assert_eq!(asked.header("content-type"), Some("application/json"));
        let wanted =
            r##"{"alias":"urn:1","body":"# Rain\n","media_type":"text/markdown","section":"s"}"##;
        assert_eq!(asked.json(), serde_json::from_str::<Value>(wanted).unwrap());
    }

    #[test]
    fn bytes_that_are_no_text_go_out_as_they_are() {
        let (sender, receiver) = mpsc::channel();
        let node = TestNode::new(move |asked| {
            sender.send(asked.clone()).unwrap();
            Reply::Json(201, "", r#"{"id":"abc"}"#.to_owned())
        });
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("w.png");
        std::fs::write(&file, b"\x89PNG\xff").unwrap();
        let file = file.to_str().unwrap();
        assert_eq!(publish(&node.url, &["P", "--file", file, "--alias=urn:1"]).0, Ok(()));
        let asked = receiver.recv().unwrap();
        assert_eq!(asked.target, "/v1/stories/P?alias=urn%3A1");
        assert_eq!(asked.header("content-type"), Some("image/png"));
        assert_eq!(asked.body, b"\x89PNG\xff");
        let refused = publish(&node.url, &["P", "--file", file, "--headline", "h"]).0;
        assert_eq!(refused.unwrap_err().exit_code(), 1);
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("w");
        std::fs::write(&file, "x").unwrap();
        let file = file.to_str().unwrap();
        for (status, body, wanted) in [
            (409, r#"{"title":"Conflict","theirs":{"id":"abc"}}"#, "newest revision abc"),
            (428, r#"{"title":"Base wanted"}"#, "--base (bellwether history \"T\""),
            (503, r#"{"title":"Disk full"}"#, "Disk full; try again in 7 s"),
        ] {
            let node =
                TestNode::new(move |_| Reply::Json(status, "Retry-After: 7\r\n", body.to_owned()));
            let failure = publish(&node.url, &["T", "--file", file]).0.unwrap_err();
            assert_eq!(failure.exit_code(), 1);
            assert!(failure.to_string().contains(wanted), "{failure}");
        }
        let missing = publish("http://a", &["T", "--file", "/no/such"]).0.unwrap_err();
        assert!(missing.to_string().contains("cannot read /no/such"));
    }
}
