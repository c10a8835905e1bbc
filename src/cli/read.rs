//! `bellwether read`: the body of a story on stdout, as it was published.

use super::Command;
use super::args::{self, Args, Opt};
use super::client::{Node, story_path, with_query};
use super::failure::Failure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::ffi::OsString;
use std::io::{self, Write};

pub(super) const COMMAND: Command =
    Command { name: "read", about: "print a story, or one of its revisions", help: HELP, run };

const HELP: &str = "\
Prints the body of a story as it was published, byte for byte, on standard output.

Usage: bellwether read TITLE [OPTION]…

Options:
  --node URL  the node (default http://127.0.0.1:8001, or $BELLWETHER_NODE)
  --rev ID    an older revision (bellwether history TITLE shows them)
  --json      print the whole revision as JSON: headline, section, author, body, …
  -h, --help  this page

Examples:
  bellwether read Weather
  bellwether read Weather --json --node http://127.0.0.1:8003 | jq .author
";

const OPTIONS: &[Opt] = &[args::value("node"), args::value("rev"), args::flag("json")];

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("read", OPTIONS, given)?;
    let title = args.only("title")?;
    let path = with_query(&story_path(title), &[("rev", args.text("rev")?)]);
    let answer = Node::new(&args.nodes()?[0])?.get(&path)?;
    if args.has("json") && answer.is_success() {
        out.write_all(answer.body().trim_ascii_end())?;
        return Ok(writeln!(out)?);
    }
    let revision = answer.into_json()?;
    let body = body_of(&revision).ok_or_else(|| {
        Failure::failed("the answer has no body: is this an address of a bellwether node?")
    })?;
    out.write_all(&body)?;
    if let Some(heads) = revision["conflicts"].as_array().filter(|heads| !heads.is_empty()) {
        let count = heads.len();
        writeln!(
            io::stderr(),
            "this story has {count} more newest revision(s), edited at the same time: \
             bellwether read {title:?} --json names them under conflicts, and bellwether read \
             {title:?} --rev ID | bellwether publish {title:?} --base ID --conflict merge brings \
             one together with what is shown"
        )?;
    }
    Ok(())
}

/// The bytes of a revision: `body`, or `body_base64` for what is not text.
pub(super) fn body_of(revision: &Value) -> Option<Vec<u8>> {
    match (&revision["body"], &revision["body_base64"]) {
        (Value::String(text), _) => Some(text.as_bytes().to_vec()),
        (_, Value::String(text)) => STANDARD.decode(text).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Reply, TestNode};
    use super::*;

    fn read(status: u16, body: &'static str, words: &[&str]) -> (Result<(), Failure>, Vec<u8>) {
        let node = TestNode::new(move |asked| {
            assert_eq!(asked.target, "/v1/stories/T?rev=7");
            Reply::Json(status, "", body.to_owned())
        });
        let mut given: Vec<OsString> = words.iter().map(OsString::from).collect();
        given.extend(["T".into(), "--rev=7".into(), "--node".into(), node.url.clone().into()]);
        let mut out = Vec::new();
        (run(&given, &mut out), out)
    }

    #[test]
    fn the_body_comes_out_as_it_was() {
        assert_eq!(read(200, r#"{"body":"a\u0000b"}"#, &[]), (Ok(()), b"a\0b".to_vec()));
        assert_eq!(read(200, r#"{"body_base64":"/w=="}"#, &[]), (Ok(()), b"\xff".to_vec()));
        let json = r#"{"body":"x"}"#;
        assert_eq!(read(200, json, &["--json"]).1, [json.as_bytes(), b"\n"].concat());
    }

    #[test]
    fn what_is_no_story_is_a_failure() {
        let gone = r#"{"title":"Withdrawn","reason":"wrong"}"#;
        let failure = read(410, gone, &["--json"]).0.unwrap_err();
        assert_eq!(failure.to_string(), "the node answered 410: Withdrawn: wrong");
        assert_eq!(read(200, "{}", &[]).0.unwrap_err().exit_code(), 1);
    }
}
