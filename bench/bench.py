"""Measures Bellwether beside its rivals, in one run on one machine: `make bench`.

The server has one core, the load another. Contestants take turns, round by round; medians are
shown. Rates mean little alone: compare ratios, and the server's own CPU seconds per million.
Results: target/bench/results.json and results.md.
"""

import argparse
import dataclasses
import json
import os
import platform
import resource
import sys
import time

from cases import CASES
from harness import Bench, Broken
from herd import HERD_CASES
from stored import STORED_CASES

CASES = {**CASES, **HERD_CASES, **STORED_CASES}


def number(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def results_table(rows):
    """Ratios are to the last contestant of the case; the CPU is the server's, user and system."""
    head = ("case", "who", "median", "unit", "ratio", "CPU s per million", "ratio", "p99 µs")
    return [head] + [
        (row.case, row.who, number(row.value), row.unit, number(row.rate_ratio),
         number(row.cpu_s_per_million), number(row.cpu_ratio), number(row.p99_us))
        for row in rows
    ]


def aims_table(aims):
    words = {True: "reached", False: "missed", None: "does not apply"}
    return [("aim", "value", "wanted", "")] + [
        (aim.what, number(aim.value), aim.wanted, words[aim.reached]) for aim in aims
    ]


def markdown(table):
    widths = [max(map(len, column)) for column in zip(*table)]
    def line(cells):
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths)) + " |"
    rule = line(["-" * width for width in widths])
    return "\n".join([line(table[0]), rule, *map(line, table[1:])])


def report(bench):
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"
    when = time.strftime("%F %T %z")
    text = f"{machine}; {bench.rounds} rounds of {bench.seconds:g} s; {when}\n\n"
    text += markdown(results_table(bench.rows)) + "\n\n" + markdown(aims_table(bench.aims)) + "\n"
    text += "".join(f"\nNote: {note}\n" for note in bench.notes)
    (bench.folder / "results.md").write_text(text)
    everything = {
        "machine": machine, "rounds": bench.rounds, "seconds": bench.seconds, "notes": bench.notes,
        "rows": [dataclasses.asdict(row) for row in bench.rows],
        "aims": [dataclasses.asdict(aim) for aim in bench.aims],
    }
    (bench.folder / "results.json").write_text(json.dumps(everything, indent=1) + "\n")
    print(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add = parser.add_argument
    add("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default all")
    add("--rounds", type=int, default=5)
    add("--seconds", type=float, default=3.0, help="of each load in each round")
    add("--smoke", action="store_true", help="a moment each: that it runs, not how fast")
    add("--target", default="target", help="cargo's target folder")
    add("--bellwether", help="the server to measure; default TARGET/release/bellwether")
    add("--before", help="an earlier version of the server, for the case `before`")
    add("--stopped-seconds", type=float, default=30, help="how long a node is stopped")
    options = parser.parse_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    bench = Bench(options)
    try:
        for name in options.cases or CASES:
            print(f"{name} …", file=sys.stderr, flush=True)
            CASES[name](bench)
    except (Broken, OSError) as error:
        sys.exit(f"bench {name}: {error}")
    finally:
        bench.clean()
    report(bench)


if __name__ == "__main__":
    main()
