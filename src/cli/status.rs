//! `bellwether status`: what nodes say about the herd.

use super::Command;
use super::args::{self, Args, Opt};
use super::client::{Node, plain};
use super::failure::{Failure, one_line};
use super::table;
use serde_json::Value;
use std::ffi::OsString;
use std::io::Write;

pub(super) const COMMAND: Command = Command {
    name: "status",
    about: "show the nodes of a herd, their links and lag",
    help: HELP,
    run,
};

const HELP: &str = "\
Shows how the herd looks from a node, or from several: which nodes there are and whether they are
up, the links between them, and how many updates each link is behind.

Usage: bellwether status [OPTION]…

Options:
  --node URL  a node to ask; may be given several times
              (default http://127.0.0.1:8001, or $BELLWETHER_NODE)
  --json      print each node's answer as one line of JSON
  -h, --help  this page

Exits with 1 when a node that was asked does not answer; the others are shown all the same.

Examples:
  bellwether status
  bellwether status --node http://127.0.0.1:8001 --node http://127.0.0.1:8002
";

const OPTIONS: &[Opt] = &[args::value("node"), args::flag("json")];

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("status", OPTIONS, given)?;
    args.none_free()?;
    let nodes: Vec<Node> =
        args.nodes()?.iter().map(|url| Node::new(url)).collect::<Result<_, _>>()?;
    let mut silent = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        if at > 0 && !args.has("json") {
            writeln!(out)?;
        }
        match node.get("/v1/herd").map_err(Failure::from).and_then(super::client::Answer::into_json)
        {
            Ok(herd) if args.has("json") => writeln!(out, "{herd}")?,
            Ok(herd) => show(out, node.base(), &herd)?,
            Err(failure) => {
                if !args.has("json") && nodes.len() > 1 {
                    writeln!(out, "{}: {failure}", node.base())?;
                }
                silent.push(failure);
            }
        }
    }
    match silent.len() {
        0 => Ok(()),
        1 => Err(silent.remove(0)),
        count => Err(Failure::failed(format!(
            "{count} of {} nodes did not answer; the first: {}",
            nodes.len(),
            silent[0]
        ))),
    }
}

fn show(out: &mut dyn Write, base: &str, herd: &Value) -> Result<(), Failure> {
    let cell = |value: &Value, key: &str| one_line(&plain(&value[key]));
    writeln!(out, "as {} ({base}) sees it", cell(herd, "name"))?;
    let mut rows = vec![table::row(["NODE", "UP", "VERSION", "EPOCH", "BEHIND", "LAST SEEN"])];
    for node in herd["nodes"].as_array().into_iter().flatten() {
        let up = match node["up"].as_bool() {
            Some(true) => "up".to_owned(),
            Some(false) => "down".to_owned(),
            None => cell(node, "up"),
        };
        let (name, version) = (cell(node, "name"), cell(node, "version"));
        let (epoch, behind) = (cell(node, "epoch"), behind(&cell(node, "lag_updates")));
        rows.push(vec![name, up, version, epoch, behind, cell(node, "last_seen")]);
    }
    table::write(out, &rows)?;
    let links = herd["links"].as_array().map_or(&[][..], Vec::as_slice);
    if links.is_empty() {
        return Ok(writeln!(out, "no links")?);
    }
    let mut rows = vec![table::row(["LINK", "STATE", "MODE", "BEHIND", "ROUND TRIP"])];
    for link in links {
        let ends = format!("{} - {}", cell(link, "from"), cell(link, "to"));
        let behind = behind(&cell(link, "lag_updates"));
        let trip = match cell(link, "rtt_ms") {
            trip if trip.is_empty() => trip,
            trip => format!("{trip} ms"),
        };
        rows.push(vec![ends, cell(link, "state"), cell(link, "mode"), behind, trip]);
    }
    Ok(table::write(out, &rows)?)
}

/// How many updates a node lacks; nothing when the answer does not say.
fn behind(lag: &str) -> String {
    if lag.is_empty() { String::new() } else { format!("{lag} updates") }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Reply, TestNode};
    use super::*;

    #[test]
    fn nodes_and_links_are_tables_and_a_silent_node_is_a_failure() {
        let node = TestNode::new(|asked| {
            assert_eq!(asked.target, "/v1/herd");
            let body = r#"{"name":"Hill","nodes":[{"name":"Hill","epoch":"a1","version":"0.1.0",
                "up":true,"last_seen":null},{"name":"Jaquez","epoch":"b2","version":"0.1.0",
                "up":false,"lag_updates":7,"last_seen":"2026-11-21T10:00:00Z"}],
                "links":[{"from":"Hill",
                "to":"Jaquez","state":"up","mode":"flood","lag_updates":0,"rtt_ms":0.4}],
                "vector":{}}"#;
            Reply::Json(200, "", body.to_owned())
        });
        let mut out = Vec::new();
        run(&["--node".into(), node.url.clone().into()], &mut out).unwrap();
        let wanted = format!(
            "as Hill ({}) sees it\n\
             NODE    UP    VERSION  EPOCH  BEHIND     LAST SEEN\n\
             Hill    up    0.1.0    a1\n\
             Jaquez  down  0.1.0    b2     7 updates  2026-11-21T10:00:00Z\n\
             LINK           STATE  MODE   BEHIND     ROUND TRIP\n\
             Hill - Jaquez  up     flood  0 updates  0.4 ms\n",
            node.url
        );
        assert_eq!(String::from_utf8(out).unwrap(), wanted);

        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let gone = format!("http://{gone}");
        let given = ["--json", "--node", &gone, "--node", &node.url].map(OsString::from);
        let mut out = Vec::new();
        assert_eq!(run(&given, &mut out).unwrap_err().exit_code(), 1);
        assert_eq!(String::from_utf8(out).unwrap().lines().count(), 1);
    }
}
