"""The cases of a node by what it holds: what a publish costs, how soon it is ready, its memory."""

import random
import re
import shutil
import signal
import socket
import statistics
import time

from harness import Broken, Row, cpu_seconds
from herd import RETRY_S, Node, Poster

FRESH_MIB, STORIES_MIB = 12, 64
SETTLED_S = 10  # so long after a flood of stories all of it is indexed, and memory given back


def lone_node(bench, name):
    """A node without peers, in a folder of its own that is empty."""
    folder = bench.folder / f"node-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return Node(bench, folder, name, [])


class Filled:
    """A node that holds as many updates as asked for, and how many those are."""

    def __init__(self, bench):
        self.node, self.count = lone_node(bench, "stored"), 0
        self.node.start()

    def fill(self, count):
        """Publishes on a topic until so many are held, many at once."""
        poster = Poster(self.node, "stored", 100, "none")
        while self.count < count:
            batch = min(1000, count - self.count)
            poster.post(batch)
            self.count += batch
        poster.close()

    def settle(self):
        """Waits until the node has nothing to do: a checkpoint may follow what was written."""
        before, now = -1.0, cpu_seconds(self.node.process.pid)
        while now - before > 0.001:
            time.sleep(0.5)
            before, now = now, cpu_seconds(self.node.process.pid)


def filled(bench, count):
    """The node that earlier cases of this run filled, or a new one."""
    held = bench.shared.get("filled")
    if not held:
        held = bench.shared["filled"] = Filled(bench)
        bench.at_end(held.node.stop)
    held.fill(count)
    return held


def growth(bench):
    """What a durable publish costs beside 10⁴, 10⁵ and 10⁶ that are stored."""
    marks = (100, 1000) if bench.smoke else (10_000, 100_000, 1_000_000)
    options = ["--connections", 64, "--path", "/v1/topics/bench?durability=local"]
    case, costs = "durable publish of 1 kB, 64 in flight, by what is stored", []
    for mark in marks:
        held = filled(bench, mark)
        held.settle()
        before = cpu_seconds(held.node.process.pid)
        sample = bench.load("publish", held.node.http_port, *options)
        held.settle()
        cpu = (cpu_seconds(held.node.process.pid) - before) / sample["requests"] * 1e6
        held.count += sample["requests"]
        costs.append(cpu)
        bench.add(Row(case, f"from {mark:,} on", "publishes/s", sample["per_second"], cpu,
                      sample["p99_us"]))
    flatness = max(costs) / min(costs)
    what = f"{case}: CPU of the dearest / of the cheapest"
    bench.aim(what, flatness, "≤ 1.2", flatness <= 1.2)


def start(bench):
    """From the start of the process to `ready`, after an end in order and after a kill."""
    held = filled(bench, 3000 if bench.smoke else 1_000_000)
    case = f"start with {held.count:,} updates stored"
    held.settle()
    for end, how in ((signal.SIGTERM, "after an end in order"), (signal.SIGKILL, "after a kill")):
        times = []
        for _ in range(bench.rounds):
            held.node.process.send_signal(end)
            held.node.process.wait(60)
            begun = time.monotonic()
            held.node.start()
            times.append((time.monotonic() - begun) * 1e3)
        ms = statistics.median(times)
        bench.add(Row(case, how, "ms to ready", ms))
        bench.aim(f"{case}, {how}: ms", ms, "≤ 1000", ms <= 1000)
    bench.add(Row(case, "memory behind it", "MiB of RSS", held.node.rss_bytes() / 2**20))


def memory(bench):
    """The memory of a fresh node, and of one with stories: as they came, a while later, anew."""
    stories, body = (2000 if bench.smoke else 100_000), 2000
    wait_s = 0 if bench.smoke else SETTLED_S
    node = lone_node(bench, "memory")
    node.start()
    try:
        node.get("/v1/herd")
        fresh = node.rss_bytes() / 2**20
        put_stories(node, stories, body)
        filled_up = node.rss_bytes() / 2**20
        time.sleep(wait_s)
        settled = node.rss_bytes() / 2**20
        node.stop()
        node.start()
        node.get("/v1/stories?limit=100")
        anew = node.rss_bytes() / 2**20
    finally:
        node.stop()
    case = "memory of a node"
    rows = (("fresh", fresh, FRESH_MIB),
            (f"as {stories:,} stories of 2 kB came", filled_up, STORIES_MIB),
            (f"{wait_s} s behind {stories:,} stories of 2 kB", settled, STORIES_MIB),
            (f"started anew with {stories:,} stories of 2 kB", anew, STORIES_MIB))
    for who, mib, most in rows:
        bench.add(Row(case, who, "MiB of RSS", mib))
        bench.aim(f"{case}, {who}: MiB", mib, f"≤ {most}", mib <= most)


def put_stories(node, count, body_bytes):
    """Writes so many stories over one connection, a hundred at once."""
    draw = random.Random(1)
    with socket.create_connection(("127.0.0.1", node.http_port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = connection.makefile("rb")
        waiting = list(range(count))
        while waiting:
            titles, waiting = waiting[:100], waiting[100:]
            connection.sendall(b"".join(put_story(title, body_bytes, draw) for title in titles))
            if later := [title for title in titles if not is_taken(answers)]:
                time.sleep(RETRY_S)
                waiting += later


def put_story(title, body_bytes, draw):
    body = draw.randbytes(body_bytes // 2).hex().encode()
    return (f"PUT /v1/stories/Story-{title}?durability=none HTTP/1.1\r\nHost: h\r\n"
            f"If-None-Match: *\r\nContent-Type: text/plain\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def is_taken(answers):
    """Reads the next answer: false where the story is to come later."""
    status, length = answers.readline(), 0
    while (line := answers.readline()) != b"\r\n":
        if found := re.match(rb"(?i)content-length: (\d+)", line):
            length = int(found[1])
    answers.read(length)
    if status.startswith(b"HTTP/1.1 503 "):
        return False
    if not status.startswith(b"HTTP/1.1 201 "):
        raise Broken(f"a story was not taken: {status!r}")
    return True


STORED_CASES = {"stored": growth, "start": start, "memory": memory}
