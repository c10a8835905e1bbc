"""The herd's cases: how soon the others have it, what they cost each other, how they catch up."""

import http.client
import json
import random
import re
import shutil
import signal
import socket
import statistics
import threading
import time

from delay import DelayedWay
from harness import Broken, Row, Server, free_port


RETRY_S = 1  # as Retry-After says


class Node(Server):
    """One node of a herd, on whichever core the kernel likes; started again on its ports."""

    def __init__(self, bench, folder, name, peers, more=""):
        self.bench, self.folder, self.peers, self.more = bench, folder, peers, more
        self.http_port, self.peer_port = free_port(), free_port()
        self.herd_name = name
        self.config = folder / f"{name}.toml"
        self.process = None

    def start(self):
        peers = "".join(
            f'[[peer]]\nname = "{name}"\nendpoint = "tcp:127.0.0.1:{port}"\n'
            for name, port in self.peers)
        self.config.write_text(f"""\
name = "{self.herd_name}"
dir = "{self.folder}/{self.herd_name}"
[[listen]]
protocol = "http"
endpoint = "tcp:{self.http_port}:interface=127.0.0.1"
[[listen]]
protocol = "peer"
endpoint = "tcp:{self.peer_port}:interface=127.0.0.1"
{peers}{self.more}""")
        command = [self.bench.bellwether_program, "serve", self.config]
        super().__init__(self.herd_name, command, self.http_port, self.folder, core=None)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            super().stop()

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise Broken(f"{self.name}: GET {path}: {answer.status}")
            return json.loads(body)
        finally:
            connection.close()

    def view(self):
        return self.get("/v1/herd")


class Herd:
    """Some nodes, each linked to each, in a folder that goes with them."""

    def __init__(self, bench, nodes, more=""):
        self.folder = bench.folder / "node-herd"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.nodes = []
        for at in range(nodes):
            peers = [(node.herd_name, node.peer_port) for node in self.nodes]
            self.nodes.append(Node(bench, self.folder, f"node{at + 1}", peers, more))

    def __enter__(self):
        try:
            for node in self.nodes:
                node.start()
            for node in self.nodes:
                await_that(lambda: up(node.view()) == len(self.nodes) - 1, "all links")
        except BaseException:
            self.__exit__()
            raise
        return self.nodes

    def __exit__(self, *_):
        for node in self.nodes:
            node.stop()


def up(view):
    return sum(link["state"] == "up" for link in view["links"])


def await_that(condition, what, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Broken(f"{what}: not within {seconds} s")
        time.sleep(0.005)


def await_equality(nodes, seconds=600):
    def equal():
        vectors = [node.view()["vector"] for node in nodes]
        return all(vector == vectors[0] for vector in vectors)
    await_that(equal, "equality", seconds)


class Poster:
    """Posts to a topic over one connection, pipelined."""

    def __init__(self, node, topic, bytes, durability):
        self.socket = socket.create_connection(("127.0.0.1", node.http_port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = (
            f"POST /v1/topics/{topic}?durability={durability} HTTP/1.1\r\nHost: h\r\n"
            f"Content-Type: text/plain\r\nContent-Length: {bytes}\r\n\r\n").encode() + b"x" * bytes
        self.rest = b""

    def post(self, count):
        """Sends so many at once and waits for their answers; the last answer's body. Those that
        are to come later are sent again then."""
        last = None
        while count:
            sender = threading.Thread(target=self.socket.sendall, args=(self.request * count,))
            sender.start()
            bodies = [self.answer() for _ in range(count)]
            sender.join()
            last = next(filter(None, reversed(bodies)), last)
            count = bodies.count(None)
            if count:
                time.sleep(RETRY_S)
        return json.loads(last)

    def answer(self):
        """The body of the next answer; none of one that says "later"."""
        while (end := self.rest.find(b"\r\n\r\n")) < 0:
            self.receive()
        head, length = self.rest[:end], 0
        is_later = head.startswith(b"HTTP/1.1 503 ")
        if not is_later and not head.startswith(b"HTTP/1.1 201 "):
            raise Broken(f"not accepted: {head[:200]}")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        while len(self.rest) < end + 4 + length:
            self.receive()
        body, self.rest = self.rest[end + 4:end + 4 + length], self.rest[end + 4 + length:]
        return None if is_later else body

    def receive(self):
        chunk = self.socket.recv(1 << 18)
        if not chunk:
            raise Broken("the node closed a publisher's connection")
        self.rest += chunk

    def post_evenly(self, seconds, per_second):
        """At that rate, for so long; how many."""
        batch = max(1, per_second // 100)
        start, sent = time.monotonic(), 0
        while (now := time.monotonic() - start) < seconds:
            if sent > now * per_second:
                time.sleep(sent / per_second - now)
            self.post(batch)
            sent += batch
        return sent

    def close(self):
        self.socket.close()


class Reader(threading.Thread):
    """A reader of a node's stream: when each update came, by its id, in order."""

    def __init__(self, node, path):
        super().__init__(daemon=True)
        self.times, self.order, self.came = {}, [], threading.Condition()
        self.connection = http.client.HTTPConnection("127.0.0.1", node.http_port, timeout=60)
        self.connection.request("GET", path)
        self.answer = self.connection.getresponse()
        if self.answer.status != 200:
            raise Broken(f"{path}: {self.answer.status}")
        self.start()

    def run(self):
        rest = b""
        while chunk := self.answer.read1(1 << 16):
            now = time.monotonic()
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            with self.came:
                for line in lines:
                    if found := re.match(rb'data: \{"id":"([0-9a-f]{64})"', line):
                        self.times[found[1].decode()] = now
                        self.order.append(now)
                self.came.notify_all()

    def await_id(self, id):
        with self.came:
            if not self.came.wait_for(lambda: id in self.times, 60):
                raise Broken("an update did not come within 60 s")
            return self.times[id]

    def await_count(self, count):
        with self.came:
            if not self.came.wait_for(lambda: len(self.order) >= count, 60):
                raise Broken(f"{len(self.order)} of {count} updates came within 60 s")


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def latency(bench):
    """From the answer to a publisher, which is given after the fsync, to a reader elsewhere."""
    updates = 40 if bench.smoke else 2000
    with Herd(bench, 5) as nodes:
        reader = Reader(nodes[3], "/v1/stream")
        poster = Poster(nodes[0], "bench", 1000, "local")
        poster.post(1)
        reader.await_count(1)
        lags = []
        for _ in range(updates):
            id = poster.post(1)["id"]
            acked = time.monotonic()
            lags.append((reader.await_id(id) - acked) * 1e3)
            time.sleep(random.uniform(0, 0.002))
    case = "herd of 5, one update at a time: acknowledged to delivered at the fourth node"
    for share, most in ((0.5, 1), (0.99, 10)):
        value = percentile(lags, share)
        what = f"p{share * 100:.0f}"
        bench.add(Row(case, what, "ms", value))
        bench.aim(f"{case}: {what}, ms", value, f"≤ {most}", value <= most)


def envelope_bytes(body, origin, topic, media_type):
    """What an update without parents and alias takes in its canonical form."""
    fixed = 2 + 8 + 8 + 8 + 1 + 4 * 1 + 1 + 32 + 4
    return fixed + len(origin) + len(topic) + len(media_type) + body


def linkup(bench):
    """What a node that was away lacks, over a way of 20 ms there and back."""
    stored, missed, body = (3000, 1000, 1000) if bench.smoke else (1_000_000, 1000, 1000)
    one_way_s = 0.010
    # No heartbeat in what is counted.
    quiet = "[limits]\nheartbeat_ms = 30000\npeer_silence_ms = 120000\n"
    folder = bench.folder / "node-herd"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    here = Node(bench, folder, "here", [], quiet)
    with DelayedWay(here.peer_port) as way:
        away = Node(bench, folder, "away", [("here", way.port)], quiet)
        try:
            here.start()
            away.start()
            poster = Poster(here, "stored", 100, "none")
            for _ in range(stored // 1000):
                poster.post(1000)
            await_equality([here, away])
            way.delay_s = one_way_s
            equal_link_up(bench, way, here, away)
            away.stop()
            way.close_gate()
            begin = Poster(here, "stored", 1, "local").post(1)["cursor"]
            Poster(here, "missed", body, "local").post(missed)
            away.start()
            reader = Reader(away, f"/v1/stream?topic=missed&after={begin}")
            start = way.open_gate()
            reader.await_count(missed)
            await_equality([here, away])
        finally:
            here.stop()
            away.stop()
        carried = way.bytes_since(start)
    case = f"link-up, {missed:,} missed of {stored:,} at 20 ms there and back"
    for since, moment in (("the connection", start),
                          ("the end of authentication", way.authenticated_since(start))):
        for what, at, most in (("first", reader.order[0], 45), ("all", reader.order[-1], 1000)):
            ms = (at - moment) * 1e3
            bench.aim(f"{case}: {what} since {since}, ms", ms, f"≤ {most}", ms <= most)
    payload = missed * envelope_bytes(body, "here", "missed", "text/plain")
    over = (carried - payload) / payload * 100
    bench.add(Row(case, "bytes on the link", "bytes", carried))
    bench.aim(f"{case}: beyond the updates' own bytes, %", over, "≤ 5", over <= 5)


def equal_link_up(bench, way, here, away):
    """What two nodes say to each other that find that they have the same."""
    way.quiet()
    start = way.cut()
    await_that(lambda: way.bytes_since(start), "a dial")
    way.quiet()
    everything = way.bytes_since(start)
    spoken = way.bytes_since(start, beyond_handshake=True)
    # They are linked, and do not only know nothing better to say.
    Poster(here, "stored", 1, "local").post(1)
    await_equality([here, away])
    case = "link-up of two that have the same"
    bench.add(Row(case, "all bytes, both ways, the handshake of TLS with them", "bytes",
                  everything))
    bench.aim(f"{case}: bytes beyond the handshake", spoken, "< 200", spoken < 200)


def stopped(bench):
    """What the others pay for a node that is stopped while 5,000 updates a second are written."""
    seconds = 1 if bench.smoke else bench.stopped_seconds
    warm = 1 if bench.smoke else 20
    # Caches of a size that is full after a moment: what grows later is something else.
    small = "[limits]\ncache_bytes = 1048576\nindex_cache_bytes = 1048576\n"
    with Herd(bench, 5, small) as nodes:
        poster = Poster(nodes[0], "bench", 100, "none")
        poster.post_evenly(warm, 5000)
        awake, asleep = nodes[:4], nodes[4]
        grown = {}
        for what in ("all awake", "one stopped"):
            before = [node.rss_bytes() for node in awake]
            if what == "one stopped":
                asleep.process.send_signal(signal.SIGSTOP)
            sent = poster.post_evenly(seconds, 5000)
            grown[what] = [node.rss_bytes() - was for node, was in zip(awake, before)]
        asleep.process.send_signal(signal.SIGCONT)
        await_equality(nodes)
    case = f"{sent / seconds:,.0f} updates/s for {seconds:g} s"
    for what, growth in grown.items():
        bench.add(Row(case, f"{what}: growth of the node that grew most", "KiB",
                      max(growth) / 1024))
    beyond = (asleep - awake for asleep, awake in zip(grown["one stopped"], grown["all awake"]))
    worst = max(beyond) / 2**20
    what = f"{case}, one of five stopped: growth of each other beyond that with all awake, MiB"
    bench.aim(what, worst, "≤ 1", worst <= 1)


def before(bench):
    """Durable publishing beside an earlier version of this program: --before PROGRAM."""
    if not bench.before_program:
        bench.notes.append("before: no program to compare with: make bench BEFORE=REVISION")
        return
    path = "/v1/topics/bench?durability=local"
    options = ["--connections", 64, "--path", path]
    now_program = bench.bellwether_program
    with bench.bellwether("local") as ours:
        bench.bellwether_program = bench.before_program
        try:
            older = bench.bellwether("local", "before")
        finally:
            bench.bellwether_program = now_program
        with older:
            case = "durable publish of 1 kB, 64 in flight"
            loads = [(server, lambda port=server.port: bench.load("publish", port, *options))
                     for server in (ours, older)]
            rates = bench.alternate(case, loads, "publishes/s")
    ratio = rates[ours.name] / rates[older.name]
    bench.aim(f"{case}: now / before signing and encryption", ratio, "≥ 0.7", ratio >= 0.7)


HERD_CASES = {"herd-latency": latency, "herd-linkup": linkup, "herd-stopped": stopped,
              "before": before}
