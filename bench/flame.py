"""Where the server's time goes in one case, as a flame graph: `make flame CASE=hello`.

Runs the case's load while perf samples the server's stacks, folds them, and draws
target/bench/flame-CASE.svg: each box is a function, as wide as its share of the samples, on top of
its caller. The whole name and the share show when the pointer rests on a box.
"""

import argparse
import collections
import html
import re
import signal
import subprocess
import sys

from harness import Bench, Broken
from web_cases import put_story

WIDTH, ROW, CHARACTER = 1200, 17, 6.6
SMALLEST_SHOWN = 0.4  # of a pixel's width
SAMPLES_A_SECOND = 997  # a prime: not in step with anything that the server does at intervals
STACK_BYTES = 16_384


def loads(bench, ours):
    """The cases that one load on one server makes."""
    put_story(ours.port, "bench", 1000)
    publish = ["--connections", 64, "--path", "/v1/topics/bench?durability=local"]
    return {
        "hello": lambda: bench.load("get", ours.port, "--path", "/hello", "--connections", 64),
        "pipelined": lambda: bench.load(
            "get", ours.port, "--path", "/hello", "--connections", 64, "--depth", 16),
        "fresh": lambda: bench.load(
            "get", ours.port, "--path", "/hello", "--connections", 64, "--fresh"),
        "story": lambda: bench.load(
            "get", ours.port, "--path", "/v1/stories/bench", "--connections", 64),
        "iamat": lambda: bench.load("line", ours.line_port, "--connections", 64),
        "publish": lambda: bench.load("publish", ours.port, *publish),
        "fanout": lambda: bench.fanout("sse", [ours.port], "--readers", 1000, "--updates", 200),
    }


def sampled(bench, case):
    """perf's own text of each sample: its stack, the innermost function first."""
    data = bench.folder / "perf.data"
    with bench.bellwether("none") as ours:
        known = loads(bench, ours)
        if case not in known:
            raise Broken(f"no such case: {case}; there are {', '.join(known)}")
        command = ["perf", "record", "--quiet", "-F", SAMPLES_A_SECOND,
                   "--call-graph", f"dwarf,{STACK_BYTES}", "-o", data, "-p", ours.process.pid]
        with subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True) as perf:
            try:
                known[case]()
            finally:
                perf.send_signal(signal.SIGINT)
            _, said = perf.communicate()
    done = subprocess.run(["perf", "script", "-i", data, "-F", "ip,sym", "--no-inline"],
                          capture_output=True, text=True)
    data.unlink(missing_ok=True)
    if done.returncode or not done.stdout.strip():
        raise Broken(f"perf took no samples: {said} {done.stderr}")
    return done.stdout


def folded(text):
    """How often each stack came, the outermost function first."""
    stacks = collections.Counter()
    for sample in text.split("\n\n"):
        names = [re.sub(r"::h[0-9a-f]{16}$", "", line.split(None, 1)[1])
                 for line in sample.splitlines() if len(line.split(None, 1)) == 2]
        if names:
            stacks[tuple(reversed(names))] += 1
    return stacks


class Box:
    """A function called from one place: its samples, and what it called."""

    def __init__(self):
        self.samples, self.called = 0, collections.defaultdict(Box)

    def add(self, stack, samples):
        self.samples += samples
        if stack:
            self.called[stack[0]].add(stack[1:], samples)

    def depth(self):
        return 1 + max((box.depth() for box in self.called.values()), default=0)


def colour(name):
    """Kernel blue, ours warm, libraries grey."""
    if name.startswith("bellwether") or "bellwether::" in name:
        return "#f2a154"
    return "#b9c2cc" if "::" in name or name == "[unknown]" else "#8fb8e8"


def draw(box, name, left, level, top, scale, whole, parts):
    width = box.samples * scale
    if width < SMALLEST_SHOWN:
        return
    y = (top - level) * ROW
    share = 100 * box.samples / whole
    words = name[:max(0, int(width / CHARACTER))]
    label = f'<text x="{left + 2:.1f}" y="{y + 12}">{html.escape(words)}</text>'
    parts.append(
        f'<g><title>{html.escape(name)}: {share:.2f} %</title><rect x="{left:.1f}" y="{y}" '
        f'width="{max(0.3, width - 0.3):.1f}" height="{ROW - 1}" fill="{colour(name)}"/>'
        f'{label if len(words) > 2 else ""}</g>')
    for child, called in sorted(box.called.items()):
        draw(called, child, left, level + 1, top, scale, whole, parts)
        left += called.samples * scale


def svg(stacks, title):
    root = Box()
    for stack, samples in stacks.items():
        root.add(stack, samples)
    depth, parts = root.depth(), []
    draw(root, title, 0, 0, depth, WIDTH / root.samples, root.samples, parts)
    height = (depth + 1) * ROW
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'font-family="monospace" font-size="11"><rect width="100%" height="100%" '
            f'fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("case")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--target", default="target")
    settings = {"rounds": 1, "smoke": False, "stopped_seconds": 0, "bellwether": None,
                "before": None}
    options = argparse.Namespace(**settings, **vars(parser.parse_args()))
    bench = Bench(options)
    try:
        stacks = folded(sampled(bench, options.case))
        path = bench.folder / f"flame-{options.case}.svg"
        title = f"{options.case}: {stacks.total():,} samples of the server"
        path.write_text(svg(stacks, title))
        print(f"{path}: {title}")
    except Broken as error:
        sys.exit(f"flame: {error}")
    finally:
        bench.clean()


if __name__ == "__main__":
    main()
