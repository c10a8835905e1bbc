//! `bellwether sim`: the herd in virtual time, and whether it keeps what it promises.

mod plot;
mod seeds;
mod show;
mod tracing;

use super::Command;
use super::args::{self, Args, Opt};
use super::failure::Failure;
use crate::sim::{Faults, Grain, Plan, Shape};
use seeds::{Found, Until};
use std::ffi::OsString;
use std::io::Write;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

pub(super) const COMMAND: Command = Command {
    name: "sim",
    about: "simulate a herd in virtual time, and look whether it keeps its promises",
    help: HELP,
    run,
};

const HELP: &str = "\
Simulates a herd: real nodes, with their loops, links and stores, on a simulated network over
simulated disks, in virtual time. The seed decides all that happens. While things go wrong, and once
they are healed, it looks whether every promise is kept. Exits with 1, and names the seed and the
command that replays it, when one is broken.

Usage: bellwether sim [OPTION]…

Options:
  --nodes N        how many nodes; A-B: as the seed draws (default 5-12)
  --degree N       links of a node, in the mean; 2: a ring (default: as the seed draws, 8 when
                   there are more than 32 nodes)
  --updates N      how many updates are published while things go wrong (default 250)
  --rate N         how many of them a second, by the whole herd (default 50)
  --bytes N        the size of their payloads (default: stories, reports and bytes of any size)
  --faults WHAT    none, calm (what a good network does) or storm (crashes, cuts, bad disks …;
                   default calm)
  --latency A-B    latencies of links in ms (default 10-50)
  --bandwidth N    bytes that each way of a link carries in a millisecond (large herds)
  --scale, --whole simulate only what passes updates on, or whole nodes; unless told, herds of more
                   than 300 nodes are simulated without store and loop
  --plain          write only stories, reports and bytes, and keep all of it: no edits that are
                   merged, imports, large payloads, acts of the charter, retention
  --seed N         the first seed (default 1)
  --seeds N        how many seeds, one after the other (default 1)
  --minutes N      go on with seeds for so long, instead
  --jobs N         how many seeds at a time (default: one for each core)
  --twice          live through each seed twice: both must come to the same, to the byte
  --trace          show what each node does, on standard error
  --plot FILE      draw coverage over time and copies by node, as SVG
  --json           print one line of JSON
  -h, --help       this page

Times are counted from the moment an update can be read at its origin: behind its own disk.

Examples:
  bellwether sim --nodes 100 --degree 8 --faults none --updates 50
  bellwether sim --seeds 200 --faults storm
  bellwether sim --seed 17 --faults storm --trace
";

const OPTIONS: &[Opt] = &[
    args::value("nodes"),
    args::value("degree"),
    args::value("updates"),
    args::value("rate"),
    args::value("bytes"),
    args::value("faults"),
    args::value("latency"),
    args::value("bandwidth"),
    args::flag("scale"),
    args::flag("whole"),
    args::flag("plain"),
    args::value("seed"),
    args::value("seeds"),
    args::value("minutes"),
    args::value("jobs"),
    args::flag("twice"),
    args::flag("trace"),
    args::value("plot"),
    args::flag("json"),
];

/// More whole nodes than this do not fit into the memory of one machine.
const WHOLE_NODES_MAX: u64 = 5_000;
const NODES_MAX: u64 = 100_000;
const LATENCY_MS_MAX: u64 = 60_000;

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("sim", OPTIONS, given)?;
    args.none_free()?;
    let plan = plan(&args)?;
    let first = args.number("seed", 1, 0..=u64::MAX)?;
    let began = Instant::now();
    let until = match args.number("minutes", 0, 0..=100_000)? {
        0 => Until::Seeds(args.number("seeds", 1, 1..=u64::MAX)?),
        minutes => Until::Moment(began + Duration::from_secs(minutes * 60)),
    };
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let jobs = args.number("jobs", cores, 1..=1_024)?;
    if args.has("trace") {
        tracing::start()?;
    }
    let errand = seeds::Errand { plan: &plan, first, until, jobs, twice: args.has("twice") };
    let found = seeds::live_through(&errand);
    let wall = began.elapsed();
    if let Some(file) = args.raw("plot") {
        plot::draw(file.as_ref(), &found.report)?;
    }
    let replay = found.broken.first().map(|failed| command(&args, failed.seed));
    if args.has("json") {
        show::json(out, &plan, &found, wall, replay.as_deref())?;
    } else {
        show::table(out, &plan, &found, wall, replay.as_deref())?;
    }
    end(&found, replay.as_deref())
}

/// What the process ends with: the first seed that failed, last of all.
fn end(found: &Found, replay: Option<&str>) -> Result<(), Failure> {
    match (found.broken.first(), replay) {
        (Some(failed), Some(replay)) => {
            let text = format!("seed {} fails: {}; replay: {replay}", failed.seed, failed.what);
            Err(Failure::failed(text))
        }
        _ => Ok(()),
    }
}

/// The command that lives through one seed again, with a trace.
fn command(args: &Args, seed: u64) -> String {
    let mut words = vec!["bellwether sim".to_owned()];
    let valued = ["nodes", "degree", "updates", "rate", "bytes", "faults", "latency", "bandwidth"];
    for option in valued {
        if let Some(value) = args.raw(option) {
            words.push(format!("--{option} {}", value.to_string_lossy()));
        }
    }
    let flags = ["scale", "whole", "plain"].into_iter().filter(|flag| args.has(flag));
    words.extend(flags.map(|flag| format!("--{flag}")));
    words.push(format!("--seed {seed} --trace"));
    words.join(" ")
}

fn plan(args: &Args) -> Result<Plan, Failure> {
    let default = Plan::default();
    let faults = args.one_of("faults", &Faults::NAMES)?.and_then(Faults::named);
    let degree = args.number("degree", 0, 0..=NODES_MAX as usize)?;
    let bytes = args.number("bytes", usize::MAX, 0..=usize::MAX)?;
    let most = if args.has("whole") { WHOLE_NODES_MAX } else { NODES_MAX };
    let grain = match (args.has("scale"), args.has("whole")) {
        (false, false) => None,
        (true, false) => Some(Grain::Links),
        (false, true) => Some(Grain::Whole),
        (true, true) => return Err(args.wrong("--scale and --whole exclude each other")),
    };
    let bandwidth = args.number("bandwidth", 0, 0..=1 << 40)?;
    Ok(Plan {
        nodes: range(args, "nodes", default.nodes, 1..=most)?,
        shape: match degree {
            0 => None,
            2 => Some(Shape::Ring),
            degree => Some(Shape::Degree(degree)),
        },
        updates: args.number("updates", default.updates, 0..=10_000_000)?,
        updates_per_s: args.number("rate", default.updates_per_s, 1..=1_000_000)?,
        payload_bytes: (bytes != usize::MAX).then_some(bytes.min(1 << 20)),
        faults: faults.unwrap_or(Faults::Calm),
        latency_ms: range(args, "latency", default.latency_ms, 0..=LATENCY_MS_MAX)?,
        bytes_per_ms: (bandwidth > 0).then_some(bandwidth),
        grain,
        is_plain: args.has("plain"),
    })
}

/// `A-B`, or `A` alone; a unit behind it is allowed when it is `ms`.
fn range(
    args: &Args,
    option: &str,
    default: RangeInclusive<u64>,
    bounds: RangeInclusive<u64>,
) -> Result<RangeInclusive<u64>, Failure> {
    let Some(text) = args.text(option)? else { return Ok(default) };
    let numbers = text.strip_suffix("ms").unwrap_or(text);
    let (from, to) = numbers.split_once('-').unwrap_or((numbers, numbers));
    match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(from), Ok(to)) if from <= to && bounds.contains(&from) && bounds.contains(&to) => {
            Ok(from..=to)
        }
        _ => {
            let (least, most) = bounds.into_inner();
            let what = format!("--{option} wants A-B from {least} to {most}, not {text:?}");
            Err(args.wrong(&what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &[&str]) -> (Result<(), Failure>, String) {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let mut out = Vec::new();
        let done = run(&words, &mut out);
        (done, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_herd_at_peace_is_shown_with_its_promises_kept() {
        let (done, text) = said(&["--nodes=4", "--updates=5", "--faults=none", "--twice"]);
        assert_eq!(done, Ok(()), "{text}");
        assert!(text.contains("100.0 %") && text.contains("no acknowledged update"), "{text}");
    }

    #[test]
    fn the_same_is_said_as_json() {
        let words = ["--nodes=3", "--updates=4", "--faults=none", "--seeds=2", "--json"];
        let (done, text) = said(&words);
        assert_eq!(done, Ok(()));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["coverage"], 1.0);
        assert_eq!((&json["herds"], &json["nodes"]), (&2.into(), &6.into()));
        assert!(json["broken"].as_array().unwrap().is_empty());
    }

    #[test]
    fn a_range_that_is_none_is_a_usage_error() {
        for wrong in ["--nodes=0", "--nodes=9-3", "--latency=x", "--latency=5-"] {
            assert_eq!(said(&[wrong]).0.unwrap_err().exit_code(), 2, "{wrong}");
        }
        let args = Args::parse("sim", OPTIONS, &["--latency=3-7ms".into()]).unwrap();
        assert_eq!(plan(&args).unwrap().latency_ms, 3..=7);
    }

    #[test]
    fn the_command_that_replays_a_seed_names_what_was_asked_for() {
        let words = ["--nodes=5-9", "--faults", "storm", "--seeds=200"].map(OsString::from);
        let args = Args::parse("sim", OPTIONS, &words).unwrap();
        let replay = "bellwether sim --nodes 5-9 --faults storm --seed 17 --trace";
        assert_eq!(command(&args, 17), replay);
    }
}
