//! `bellwether herd`: a herd on this machine, one process a node, each started again when it dies.

mod plan;
mod preset;
mod supervise;
mod topology;

use super::Command;
use super::args::{self, Args, Opt};
use super::failure::Failure;
use super::{leash, table};
use plan::NodePlan;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;
use std::process;

pub(super) const COMMAND: Command = Command {
    name: "herd",
    about: "start a herd of nodes on this machine and keep it running",
    help: HELP,
    run,
};

const HELP: &str = "\
Starts a herd on this machine, one process a node, and starts again what dies. Prints a table of the
nodes and, when all of them take work, `ready herd`. What the nodes log comes out on stderr, each
line behind the node's name. ^C or SIGTERM drains all of them; a second one ends them at once.

Usage: bellwether herd [OPTION]…

Options:
  --nodes N            how many (default 5), named node1, node2, …
  --topology T         ring, mesh or line (default: mesh for up to 5 nodes, ring for more)
  --preset NAME        instead of both a herd as courses use it: ucla-2014, ucla-2016, ucla-2017,
                       ucla-2018, ucla-2020, ucla-2021, ucla-2022, ucla-2023
  --dir DIR            configurations and data (default herd-data); a herd that stopped goes on
                       from there
  --http-base PORT     node i serves HTTP on this port + i - 1 (default 8001)
  --line-base PORT     likewise the line protocol, IAMAT and WHATSAT (default 9001)
  --peer-base PORT     likewise the links between nodes (default 7001)
  --shared-port PORT   HTTP and the line protocol also on this port of all nodes, told apart by
                       their first bytes; each connection goes to one of them (SO_REUSEPORT)
  --durability W       when a write counts: local, on its node's disk (default); none, at once and
                       on disk within 10 ms; N, on the disks of N more nodes; majority
  --no-catch-up        a node that died starts empty and learns only what is new, as in classic
                       herds: for comparison with them
  --line-close POLICY  when line connections are closed: never (default), answered, idle:150ms
  -h, --help           this page

Examples:
  bellwether herd
  bellwether herd --preset ucla-2022 --line-close answered --dir /tmp/herd
";

const OPTIONS: &[Opt] = &[
    args::value("nodes"),
    args::value("topology"),
    args::value("preset"),
    args::value("dir"),
    args::value("http-base"),
    args::value("line-base"),
    args::value("peer-base"),
    args::value("shared-port"),
    args::value("durability"),
    args::value("line-close"),
    args::flag("no-catch-up"),
];

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("herd", OPTIONS, given)?;
    args.none_free()?;
    let dir = args.raw("dir").unwrap_or(OsStr::new("herd-data"));
    let dir = std::path::absolute(Path::new(dir))
        .map_err(|error| args.wrong(&format!("--dir {}: {error}", dir.display())))?;
    let mut nodes = plan::nodes(&args, &dir)?;
    let program = std::env::current_exe()
        .map_err(|error| Failure::failed(format!("cannot find this program's file: {error}")))?;
    plan::check_ports(&nodes)?;
    plan::exchange_keys(&mut nodes)?;
    plan::write(&nodes, &dir)?;
    let launch = |node: &NodePlan| {
        let mut command = process::Command::new(&program);
        command.arg("serve").arg(&node.file).arg(leash::FLAG);
        command
    };
    supervise::run(&nodes, &launch, out)
}

/// The table of a herd that is ready.
fn show(nodes: &[NodePlan], processes: &[u32], out: &mut dyn Write) -> Result<(), Failure> {
    let mut rows = vec![table::row(["NODE", "HTTP", "LINE", "PEER", "PROCESS"])];
    for (node, process) in nodes.iter().zip(processes) {
        rows.push(vec![
            node.name.clone(),
            format!("http://{}", node.http),
            node.line.to_string(),
            node.peer.to_string(),
            process.to_string(),
        ]);
    }
    table::write(out, &rows)?;
    if let Some(shared) = nodes.first().and_then(|node| node.shared) {
        writeln!(out, "all nodes: HTTP and line on {shared}")?;
    }
    writeln!(out, "ready herd")?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_what_to_connect_to() {
        let args = Args::parse("herd", OPTIONS, &["--nodes=2".into()]).unwrap();
        let nodes = plan::nodes(&args, Path::new("/x")).unwrap();
        let mut out = Vec::new();
        show(&nodes, &[71, 72], &mut out).unwrap();
        let wanted = "\
NODE   HTTP                   LINE            PEER            PROCESS
node1  http://127.0.0.1:8001  127.0.0.1:9001  127.0.0.1:7001  71
node2  http://127.0.0.1:8002  127.0.0.1:9002  127.0.0.1:7002  72
ready herd
";
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }
}
