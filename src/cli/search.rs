//! `bellwether search`: the stories in which words stand.

use super::Command;
use super::args::{self, Args, Opt};
use super::client::{Node, plain, with_query};
use super::failure::{Failure, one_line};
use super::table;
use serde_json::Value;
use std::ffi::OsString;
use std::io::Write;

pub(super) const COMMAND: Command =
    Command { name: "search", about: "find stories by their words", help: HELP, run };

const HELP: &str = "\
Finds the stories in which all words occur, the best first. \"two words\" is a phrase, flo* the
beginning of a word, -rain what must not occur.

Usage: bellwether search WORD… [OPTION]…

Options:
  --node URL      the node (default http://127.0.0.1:8001, or $BELLWETHER_NODE)
  --section NAME  only stories of this section
  --since DAY     only stories written on this day (2026-11-22) or later
  --until DAY     only stories written on this day or before
  --limit N       at most so many (default 20, at most 100)
  --json          print one JSON object a line instead: {title, id, headline, section, at, snippet}
  -h, --help      this page

Examples:
  bellwether search river 'flo*'
  bellwether search '\"high water\"' --section world --json | jq -r .title
";

const OPTIONS: &[Opt] = &[
    args::value("node"),
    args::value("section"),
    args::value("since"),
    args::value("until"),
    args::value("limit"),
    args::flag("json"),
];

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("search", OPTIONS, given)?;
    let words = args.words()?.join(" ");
    if words.is_empty() {
        return Err(args.wrong("it needs a word to look for"));
    }
    let limit: usize = args.number("limit", 20, 1..=100)?;
    let node = Node::new(&args.nodes()?[0])?;
    let limit = limit.to_string();
    let asked = [
        ("q", Some(&words[..])),
        ("section", args.text("section")?),
        ("since", args.text("since")?),
        ("until", args.text("until")?),
        ("limit", Some(&limit)),
    ];
    let found = node.get(&with_query("/v1/search", &asked))?.into_json()?;
    let hits = found["hits"].as_array().map_or(&[][..], |hits| hits);
    if args.has("json") {
        for hit in hits {
            writeln!(out, "{hit}")?;
        }
    } else {
        let mut rows = vec![table::row(["AT", "TITLE", "HEADLINE", "TEXT"])];
        rows.extend(hits.iter().map(row));
        table::write(out, &rows)?;
    }
    Ok(())
}

fn row(hit: &Value) -> Vec<String> {
    let cell = |key: &str| one_line(&plain(&hit[key]));
    let parts = hit["snippet"].as_array().into_iter().flatten();
    let snippet: String = parts.filter_map(|part| part["text"].as_str()).collect();
    vec![cell("at"), cell("title"), cell("headline"), one_line(&snippet)]
}
