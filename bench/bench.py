"""Measures Bellwether beside its rivals, in one run on one machine: `make bench`.

The server has one core, the load another. Contestants take turns, round by round; medians are
shown. Rates mean little alone: compare ratios, and the server's own CPU seconds per million.
Results: RESULTS.md, its charts and results.json, in target/bench; after a run of all cases
RESULTS.md and the charts in bench/ too.
"""

import argparse
import resource
import sys

import results
from durable_cases import DURABLE_CASES
from fanout_cases import FANOUT_CASES
from feed_cases import FEED_CASES
from harness import BENCH, Bench, Broken
from herd import HERD_CASES
from idle_cases import IDLE_CASES
from line_cases import LINE_CASES
from pb_cases import PB_CASES
from search_cases import SEARCH_CASES
from stored import STORED_CASES
from tls_cases import TLS_CASES
from web_cases import WEB_CASES
from ws_cases import WS_CASES

CASES = {
    **WEB_CASES, **LINE_CASES, **FANOUT_CASES, **DURABLE_CASES, **IDLE_CASES, **STORED_CASES,
    **SEARCH_CASES, **FEED_CASES, **TLS_CASES, **HERD_CASES, **WS_CASES, **PB_CASES,
}
# Without another program to compare with it has nothing to say.
NEEDS_BEFORE = "before"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add = parser.add_argument
    add("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default all")
    add("--rounds", type=int, default=5)
    add("--seconds", type=float, default=2.0, help="of each load in each round")
    add("--smoke", action="store_true", help="a moment each: that it runs, not how fast")
    add("--target", default="target", help="cargo's target folder")
    add("--bellwether", help="the server to measure; default TARGET/release/bellwether")
    add("--before", help="an earlier version of the server, for the case `before`")
    add("--stopped-seconds", type=float, default=30, help="how long a node is stopped")
    options = parser.parse_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    return options


def run(bench, names):
    """Runs the cases; the rows that each gave, and what broke. One that breaks hinders no other."""
    rows, broken = {}, []
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        before = len(bench.rows)
        try:
            CASES[name](bench)
        except (Broken, OSError) as error:
            broken.append(f"{name}: {error}")
            bench.missing.append(f"The case {name} broke: {error}")
            continue
        rows[name] = bench.rows[before:]
    return rows, broken


def main():
    options = arguments()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    bench = Bench(options)
    names = options.cases or [name for name in CASES if name != NEEDS_BEFORE or options.before]
    is_whole_run = not options.cases and not options.smoke
    command = "make bench" + f" CASES=\"{' '.join(options.cases)}\"" * bool(options.cases)
    command += f" ROUNDS={bench.rounds} SECONDS={bench.seconds:g}"
    try:
        rows, broken = run(bench, names)
        results.check_whole(bench, rows)
        drawn = results.keep(bench, command)
        if is_whole_run:
            results.publish(bench, drawn, BENCH)
        if broken:
            sys.exit("bench " + "; ".join(broken))
    except Broken as error:
        sys.exit(f"bench {error}")
    finally:
        bench.clean()


if __name__ == "__main__":
    main()
