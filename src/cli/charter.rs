//! `bellwether charter`: who may link to the herd.

use super::Command;
use super::args::{self, Args, Opt};
use super::client::{Answer, Node, plain};
use super::failure::{Failure, one_line};
use super::table;
use crate::herd::{Act, Named};
use crate::update::PublicKey;
use serde_json::Value;
use std::ffi::OsString;
use std::io::Write;

pub(super) const COMMAND: Command = Command {
    name: "charter",
    about: "say whose keys the herd's links are open to",
    help: HELP,
    run,
};

const HELP: &str = "\
The herd's charter is the list of its members' keys. A change is an update that floods to every
node; from then on all nodes link to who is on it, and to nobody who was retired. The first `add`
founds the charter, with the node that is asked as its other member.

Usage: bellwether charter show [OPTION]…
       bellwether charter add NAME KEY [OPTION]…
       bellwether charter retire KEY [OPTION]…

KEY is what `bellwether key` prints on the node's machine: 64 hex digits. Who is retired stays so; a
node that comes back takes a new key.

Options:
  --node URL  a member, asked on its own machine (default http://127.0.0.1:8001, or
              $BELLWETHER_NODE)
  --json      print the charter as the node gives it
  -h, --help  this page

Examples:
  bellwether charter add Hill $(ssh hill bellwether key --config hill.toml)
  bellwether charter show --json
";

const OPTIONS: &[Opt] = &[args::value("node"), args::flag("json")];
const PATH: &str = "/v1/charter";

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("charter", OPTIONS, given)?;
    let words = args.words()?;
    let node = Node::new(&args.nodes()?[0])?;
    match words[..] {
        ["show"] => {}
        ["add", name, key] => {
            let added = Named { name: name.to_owned(), key: parsed(&args, key)? };
            add(&node, added)?;
        }
        ["retire", key] => {
            charter(&node)?;
            act(&node, &Act::Retire { key: parsed(&args, key)? })?;
        }
        _ => return Err(args.wrong("say show, add NAME KEY or retire KEY")),
    }
    show(&args, &node, out)
}

fn parsed(args: &Args, key: &str) -> Result<PublicKey, Failure> {
    key.parse().map_err(|error| args.wrong(&format!("{key}: {error}")))
}

/// The first member after the node itself makes the charter.
fn add(node: &Node, added: Named) -> Result<(), Failure> {
    let charter = charter(node)?;
    if !charter["founding"].is_null() {
        return act(node, &Act::Add(added));
    }
    let key = plain(&charter["key"]).parse();
    let key = key.map_err(|error| Failure::failed(format!("the node\'s own key: {error}")))?;
    let founder = Named { name: plain(&charter["node"]), key };
    act(node, &Act::Found { members: vec![founder, added] })
}

fn charter(node: &Node) -> Result<Value, Failure> {
    node.get(PATH)?.into_json()
}

fn act(node: &Node, act: &Act) -> Result<(), Failure> {
    let answer: Answer = node.post(PATH, "application/json", &act.encode())?;
    answer.into_json().map(|_| ())
}

fn show(args: &Args, node: &Node, out: &mut dyn Write) -> Result<(), Failure> {
    let charter = charter(node)?;
    if args.has("json") {
        writeln!(out, "{charter}")?;
        return Ok(());
    }
    if charter["founding"].is_null() {
        writeln!(out, "no charter: links are open to the keys in each node\'s configuration, and")?;
        writeln!(out, "to any on its own machine whose name has none there")?;
        return Ok(());
    }
    let mut rows = vec![table::row(["NAME", "KEY", "STANDING"])];
    for member in charter["members"].as_array().into_iter().flatten() {
        let cell = |key: &str| one_line(&plain(&member[key]));
        let standing = if member["retired"] == true { "retired" } else { "member" };
        rows.push(vec![cell("name"), cell("key"), standing.to_owned()]);
    }
    Ok(table::write(out, &rows)?)
}
