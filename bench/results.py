"""What a run says: tables of figures and of aims, the machine, the rivals' versions, charts."""

import dataclasses
import json
import math
import os
import pathlib
import platform
import time

import charts
import contestants
from harness import Broken

# A load average of a machine that does something else.
BUSY_FROM = 0.7


def number(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def figures_table(rows):
    """Ratios are ours, the first of a case, to each rival's; the CPU is the server's."""
    head = ("case", "who", "median", "unit", "ours / it", "CPU s per million", "ours / it",
            "p50 µs", "p99 µs")
    return [head] + [
        (row.case, row.who, number(row.value), row.unit, number(row.rate_ratio),
         number(row.cpu_s_per_million), number(row.cpu_ratio), number(row.p50_us),
         number(row.p99_us))
        for row in rows
    ]


def aims_table(aims):
    words = {True: "reached", False: "**missed**", None: "does not apply"}
    return [("aim", "value", "wanted", "")] + [
        (aim.what, number(aim.value), aim.wanted, words[aim.reached]) for aim in aims
    ]


def markdown(table):
    widths = [max(map(len, column)) for column in zip(*table)]
    def line(cells):
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths)) + " |"
    rule = line(["-" * width for width in widths])
    return "\n".join([line(table[0]), rule, *map(line, table[1:])])


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def machine():
    return f"{cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}"


def busy(bench):
    """A warning, if others worked on the machine when the run began."""
    if bench.load_average < BUSY_FROM:
        return []
    return ["", "**The machine was busy with other work: these figures are not to be relied on.**",
            ""]


def check_whole(bench, cases):
    """Each case gave a figure, and each figure is one."""
    for name, rows in cases.items():
        if not rows:
            raise Broken(f"{name}: no figure")
        for row in rows:
            if row.value is None or not math.isfinite(row.value):
                raise Broken(f"{name}: {row.case}: {row.who}: no figure")


def summary(bench):
    """Figures, aims, and what is not there."""
    text = "".join(f"**{line}**\n\n" for line in bench.missing)
    text += markdown(figures_table(bench.rows)) + "\n\n" + markdown(aims_table(bench.aims)) + "\n"
    return text + "".join(f"\nNote: {note}\n" for note in bench.notes)


def document(bench, command, drawn):
    """The whole of RESULTS.md."""
    reached = sum(aim.reached is True for aim in bench.aims)
    missed = sum(aim.reached is False for aim in bench.aims)
    lines = [
        "# Results",
        "",
        f"Written by `{command}`, {time.strftime('%F %T %z')}; do not edit.",
        f"{bench.rounds} rounds of {bench.seconds:g} s, contestants in turn, medians; the server "
        "on one core, the load on another.",
        "",
        f"Machine: {machine()}; load average at the start {bench.load_average:.2f}.",
        *busy(bench),
        f"Aims: {reached} reached, {missed} missed.",
        "",
    ]
    lines += [f"![{title}]({name})" for name, title in drawn] + [""]
    loud = [f"- **{line}**" for line in bench.missing] or ["None."]
    lines += ["## Not measured", "", *loud, ""]
    lines += ["## Aims", "", markdown(aims_table(bench.aims)), ""]
    lines += ["## Figures", "", "`ours / it`: above 1 in a rate ours does more, below 1 in CPU it "
              "pays less.", "", markdown(figures_table(bench.rows)), ""]
    lines += [f"Note: {note}\n" for note in bench.notes]
    versions = [("program", "version"), *contestants.versions(bench)]
    lines += ["## Versions", "", markdown(versions), ""]
    return "\n".join(lines)


def keep(bench, command):
    """Writes results.json, RESULTS.md and its charts, and prints the figures; what was drawn."""
    drawn = charts.draw(bench.rows, bench.folder)
    everything = {
        "machine": machine(), "rounds": bench.rounds, "seconds": bench.seconds,
        "notes": bench.notes, "missing": bench.missing,
        "rows": [dataclasses.asdict(row) for row in bench.rows],
        "aims": [dataclasses.asdict(aim) for aim in bench.aims],
    }
    (bench.folder / "results.json").write_text(json.dumps(everything, indent=1) + "\n")
    (bench.folder / "RESULTS.md").write_text(document(bench, command, drawn))
    print(summary(bench))
    return drawn


def publish(bench, drawn, folder):
    """Copies RESULTS.md and its charts to where the sources show them."""
    for name in ("RESULTS.md", *(name for name, _ in drawn)):
        (folder / name).write_bytes((bench.folder / name).read_bytes())
