//! `bellwether history`: the revisions of a story.

use super::Command;
use super::args::{self, Args, Opt};
use super::client::{Answer, Node, plain, story_path, with_query};
use super::failure::{Failure, one_line};
use super::table;
use serde_json::Value;
use std::ffi::OsString;
use std::io::Write;
use std::ops::ControlFlow;

pub(super) const COMMAND: Command =
    Command { name: "history", about: "list the revisions of a story", help: HELP, run };

const HELP: &str = "\
Lists the revisions of a story, newest first: when, who, how many bytes, its id, what it says about
itself.

Usage: bellwether history TITLE [OPTION]…

Options:
  --node URL  the node (default http://127.0.0.1:8001, or $BELLWETHER_NODE)
  --limit N   at most so many (default 1000)
  --json      print one JSON object a line instead: {id, base, at, author, summary, bytes}
  -h, --help  this page

Examples:
  bellwether history Weather
  bellwether history Weather --json | jq -r .id
";

const OPTIONS: &[Opt] = &[args::value("node"), args::value("limit"), args::flag("json")];

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("history", OPTIONS, given)?;
    let title = args.only("title")?;
    let limit: usize = args.number("limit", 1000, 1..=1_000_000)?;
    let node = Node::new(&args.nodes()?[0])?;
    let mut rows = vec![table::row(["AT", "AUTHOR", "BYTES", "REVISION", "SUMMARY"])];
    let mut lines: Vec<String> = Vec::new();
    let get = |path: &str| Ok(node.get(path)?);
    walk(title, get, |revision| {
        if args.has("json") {
            lines.push(revision.to_string());
        } else {
            rows.push(row(revision));
        }
        let count = lines.len().max(rows.len() - 1);
        if count < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    for line in &lines {
        writeln!(out, "{line}")?;
    }
    if !args.has("json") {
        table::write(out, &rows)?;
    }
    Ok(())
}

fn row(revision: &Value) -> Vec<String> {
    let cell = |key: &str| one_line(&plain(&revision[key]));
    vec![cell("at"), cell("author"), cell("bytes"), cell("id"), cell("summary")]
}

/// Shows the revisions of a story to `visit`, page by page as `get` brings them from the node,
/// until it breaks or they end.
pub(super) fn walk(
    title: &str,
    mut get: impl FnMut(&str) -> Result<Answer, Failure>,
    mut visit: impl FnMut(&Value) -> ControlFlow<()>,
) -> Result<(), Failure> {
    let path = format!("{}/history", story_path(title));
    let mut token: Option<String> = None;
    loop {
        let page = get(&with_query(&path, &[("before", token.as_deref())]))?.into_json()?;
        for revision in page["revisions"].as_array().into_iter().flatten() {
            if visit(revision).is_break() {
                return Ok(());
            }
        }
        let next = page["next"].as_str().map(str::to_owned);
        // A token that does not move on would keep us here for ever.
        if next.is_none() || next == token {
            return Ok(());
        }
        token = next;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Reply, TestNode};
    use super::*;

    fn node() -> TestNode {
        TestNode::new(|asked| {
            let body = match &*asked.target {
                "/v1/stories/T/history" => {
                    r#"{"revisions":[{"id":"c","base":["b"],"at":"2026-11-21T10:00:00Z",
                        "author":"Mia","summary":"two\nlines","bytes":12}],"next":"n 1"}"#
                }
                "/v1/stories/T/history?before=n%201" => {
                    r#"{"revisions":[{"id":"b","base":[],"at":"2026-11-20T10:00:00Z",
                        "author":null,"summary":null,"bytes":1}],"next":null}"#
                }
                other => panic!("{other}"),
            };
            Reply::Json(200, "", body.to_owned())
        })
    }

    fn history(words: &[&str]) -> String {
        let node = node();
        let mut given: Vec<OsString> = words.iter().map(OsString::from).collect();
        given.extend(["T".into(), "--node".into(), node.url.clone().into()]);
        let mut out = Vec::new();
        run(&given, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn all_pages_are_one_table() {
        let wanted = "\
AT                    AUTHOR  BYTES  REVISION  SUMMARY
2026-11-21T10:00:00Z  Mia     12     c         two lines
2026-11-20T10:00:00Z          1      b
";
        assert_eq!(history(&[]), wanted);
    }

    #[test]
    fn json_is_a_line_a_revision_and_the_limit_holds() {
        let text = history(&["--json", "--limit", "1"]);
        assert_eq!(text.lines().count(), 1);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["id"], "c");
        assert_eq!(history(&["--json"]).lines().count(), 2);
    }
}
