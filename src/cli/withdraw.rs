//! `bellwether withdraw`: takes a story back, for good, with the reason why.

use super::Command;
use super::args::{self, Args, DEFAULT_NODE, Opt};
use super::client::{Node, plain, story_path, with_query};
use super::failure::Failure;
use std::ffi::OsString;
use std::io::Write;

pub(super) const COMMAND: Command =
    Command { name: "withdraw", about: "withdraw a story, for good", help: HELP, run };

const HELP: &str = "\
Withdraws a story, for good: every node erases what it said and tells those who ask that it was
withdrawn, when and why. A new story takes a new title.

Usage: bellwether withdraw TITLE --reason TEXT [OPTION]…

Options:
  --reason TEXT   why; everyone can read it
  --to URL        the node (default http://127.0.0.1:8001, or $BELLWETHER_NODE); also --node
  --if-head ID    only if this revision is still the newest
  --durability W  when it counts as withdrawn (default: the node's)
  --json          print the node's whole answer
  -h, --help      this page

Prints the id of the withdrawal.

Examples:
  bellwether withdraw Weather --reason 'It did not rain.'
  bellwether withdraw Weather --reason 'A mistake' --to http://127.0.0.1:8003
";

const OPTIONS: &[Opt] = &[
    args::value("reason"),
    args::value("to"),
    args::value("node"),
    args::value("if-head"),
    args::value("durability"),
    args::flag("json"),
];

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("withdraw", OPTIONS, given)?;
    let title = args.only("title")?;
    let reason = args.text("reason")?.filter(|reason| !reason.trim().is_empty());
    let reason = reason.ok_or_else(|| args.wrong("say why with --reason"))?;
    let url = match args.text("to")? {
        Some(url) => url.to_owned(),
        None => args.nodes()?.first().map_or(DEFAULT_NODE, String::as_str).to_owned(),
    };
    let query = [("reason", Some(reason)), ("durability", args.text("durability")?)];
    let path = with_query(&story_path(title), &query);
    let json = Node::new(&url)?.delete(&path, args.text("if-head")?)?.into_json()?;
    if args.has("json") {
        writeln!(out, "{json}")?;
    } else {
        writeln!(out, "{}", plain(&json["id"]))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Reply, TestNode};
    use super::*;
    use std::sync::mpsc;

    fn withdraw(words: &[&str]) -> (Result<(), Failure>, String) {
        let given: Vec<OsString> = words.iter().map(OsString::from).collect();
        let mut out = Vec::new();
        let done = run(&given, &mut out);
        (done, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_story_is_withdrawn_with_its_reason() {
        let (sender, receiver) = mpsc::channel();
        let node = TestNode::new(move |asked| {
            sender.send(asked.clone()).unwrap();
            Reply::Json(200, "", r#"{"id":"abc"}"#.to_owned())
        });
        let words = ["A b", "--reason", "wrong & late", "--to", &node.url, "--if-head", "7f"];
        assert_eq!(withdraw(&words), (Ok(()), "abc\n".to_owned()));
        let asked = receiver.recv().unwrap();
        assert_eq!(asked.method, "DELETE");
        assert_eq!(asked.target, "/v1/stories/A%20b?reason=wrong%20%26%20late");
        assert_eq!(asked.header("if-match"), Some("\"7f\""));
    }

    #[test]
    fn a_refusal_is_said_and_a_reason_is_a_must() {
        let node = TestNode::new(|_| {
            let body = r#"{"title":"Gone","detail":"it was withdrawn","reason":"late"}"#;
            Reply::Json(410, "", body.to_owned())
        });
        let failure = withdraw(&["T", "--reason", "x", "--to", &node.url]).0.unwrap_err();
        assert_eq!(failure.exit_code(), 1);
        assert!(failure.to_string().ends_with("410: Gone: it was withdrawn: late"), "{failure}");
        for words in [&["T"][..], &["T", "--reason", " "], &["--reason", "x"]] {
            assert_eq!(withdraw(words).0.unwrap_err().exit_code(), 2, "{words:?}");
        }
    }
}
