//! `bellwether load`: a load generator in the manner of wrk on our own loop, closed or open, for
//! all that a node speaks.

mod asker;
mod crew;
mod fleet;
mod http;
mod line;
mod pace;
mod pb;
mod plan;
mod plot;
mod show;
mod stream;
mod tally;
#[cfg(test)]
mod tests;
mod url;
mod wire;
mod ws;

use super::Command;
use super::args::{self, Args, Opt};
use super::failure::Failure;
use fleet::Found;
use plan::Plan;
use std::ffi::OsString;
use std::io::Write;
use std::sync::Arc;
use url::Scheme;

pub(super) const COMMAND: Command = Command {
    name: "load",
    about: "load a server in the manner of wrk, and measure how it answers",
    help: HELP,
    run,
};

const HELP: &str = "\
Loads a server for a while and says how many requests a second it answered, how long answers took,
and what went wrong. Without --rate each connection asks again when it is answered (a closed loop).
With --rate requests start at an even pace, whatever the server does, and latency counts from the
moment when each was meant to start: a server that stalls is charged for all that it kept waiting.

Usage: bellwether load [OPTION]… URL

URLs:
  http://HOST:PORT/TARGET      HTTP/1.1 requests, all alike
  line://HOST:PORT             lines of the line protocol, IAMAT unless --line says otherwise
  pb://HOST:PORT[/METHOD/ARG…]  calls of a root over Perspective Broker (default hello), with texts
                               as arguments
  publish://HOST:PORT[/TARGET] POSTs of updates (default target /v1/topics/load)
  sse://HOST:PORT[/TARGET]     readers of a stream (default target /v1/stream)
  ws://HOST:PORT[/TARGET]      messages to be sent back (default target /v1/ws/echo)

Options:
  -c, --connections N  connections at a time (default 1); of sse: readers
  -d, --duration S     seconds that count (default 10)
  -t, --threads N      threads, each with its own loop (default 1)
      --warmup S       seconds before those that count, once all are connected (default 0.5)
      --rate N         requests a second in all: an open loop. Its last two milliseconds before a
                       start the client waits awake, which takes a core and starts no one late
      --pipeline N     requests at a time on each connection (default 1); in a closed loop they are
                       written together, and the next when all are answered
      --no-keep-alive  a new connection for each request; latency then counts its making
      --timeout S      seconds until an answer is given up and its connection cut (default 5)
      --json           print one line of JSON
      --plot FILE      draw latency by percentile and throughput over time, as SVG
  -h, --help           this page

Options for http:
      --method NAME    (default GET, or POST with a body)
      --body TEXT      send this; of ws: in each message (default as many bytes as /hello has)
  -H, --header TEXT    'Name: value', also for publish, sse and ws; may be given more than once

Options for line:
      --line TEXT      what to send; {name}, {n} and {time} become a client's name, the number of
                       the request on its connection, and seconds that grow
      --names N        how many names {name} goes through (default: one for each connection)

Options for publish, and for the publisher of sse:
      --size N         bytes of an update, at least 42 (default 1000); of ws: of a message
      --durability W   none, local, a number of nodes, majority (default: what the node says)
      --publish N      of sse: publish N updates a second under a topic of their own, and measure
                       how long each takes to each reader and to the last. Without it readers take
                       what others publish, and the last delivery is counted from the first

Only good answers count: status 400 and above, lines that the server did not take, broken and
missing answers are errors, by kind. Exits with 1 when nothing succeeded.

Examples:
  bellwether load http://127.0.0.1:8001/hello -c 64 -d 10
  bellwether load publish://127.0.0.1:8001 -c 64 --rate 5000 --durability local --plot out.svg
  bellwether load sse://127.0.0.1:8001 -c 10000 --publish 10
";

const OPTIONS: &[Opt] = &[
    args::value("connections").or('c'),
    args::value("duration").or('d'),
    args::value("threads").or('t'),
    args::value("warmup"),
    args::value("rate"),
    args::value("pipeline"),
    args::flag("no-keep-alive"),
    args::value("timeout"),
    args::flag("json"),
    args::value("plot"),
    args::value("method"),
    args::value("body"),
    args::value("header").or('H'),
    args::value("line"),
    args::value("names"),
    args::value("size"),
    args::value("durability"),
    args::value("publish"),
];

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("load", OPTIONS, given)?;
    let mut plan = Plan::read(&args)?;
    fleet::look_up(&mut plan)?;
    let plan = Arc::new(plan);
    let found = fleet::run(&plan)?;
    if let Some(file) = args.raw("plot") {
        plot::draw(file.as_ref(), &plan, &found)?;
    }
    if args.has("json") {
        show::json(out, &plan, &found)?;
    } else {
        show::table(out, &plan, &found)?;
    }
    if has_succeeded(&plan, &found) {
        Ok(())
    } else {
        Err(Failure::failed(format!("nothing of {} succeeded: see the errors above", plan.url)))
    }
}

fn has_succeeded(plan: &Plan, found: &Found) -> bool {
    match (plan.scheme, plan.rate_per_s) {
        // Nobody may have had anything to say.
        (Scheme::Sse, None) => found.deliveries.streams > 0,
        (Scheme::Sse, Some(_)) => found.deliveries.count > 0,
        _ => found.tally.answers > 0,
    }
}
