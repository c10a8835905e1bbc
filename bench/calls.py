"""System calls of the program for a piece of work, as strace counts them."""

import collections
import contextlib
import re
import shutil
import socket

from harness import Broken, Server, free_port

HELLO = b"GET /hello HTTP/1.1\r\nHost: gate\r\n\r\n"
STORY = b"GET /v1/stories/Gate HTTP/1.1\r\nHost: gate\r\n\r\n"
STREAM = b"GET /v1/stream?topic=gate HTTP/1.1\r\nHost: gate\r\n\r\n"
# So many pieces of work in each of so many rounds, of which the median counts: now and then the
# index is written meanwhile.
PIECES = 200
ROUNDS = 3
READERS = 16


def with_body(start, body):
    return (f"{start} HTTP/1.1\r\nHost: gate\r\nContent-Type: text/plain\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


def publish(durability):
    return with_body(f"POST /v1/topics/gate?durability={durability}", "x" * 1000)


class Client:
    """One connection, one request or batch at a time."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.bytes = b""

    def until(self, find):
        """Reads until `find` says where what is waited for ends; takes it off."""
        while (end := find(self.bytes)) is None:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise Broken(f"the answer ends early: {self.bytes[:200]!r}")
            self.bytes += chunk
        taken, self.bytes = self.bytes[:end], self.bytes[end:]
        return taken

    def ask(self, request, depth=1):
        self.socket.sendall(request * depth)
        for _ in range(depth):
            answer = self.until(end_of_http)
            if not answer.startswith(b"HTTP/1.1 2"):
                raise Broken(f"{request[:40]!r} is answered {answer[:200]!r}")

    def report(self, line):
        self.socket.sendall(line)
        answer = self.until(lambda have: have.find(b"\n") + 1 or None)
        if not answer.startswith(b"AT "):
            raise Broken(f"{line!r} is answered {answer!r}")

    def event(self):
        def end(have):
            at = have.find(b"event: update")
            behind = have.find(b"\n\n", at)
            return None if at < 0 or behind < 0 else behind + 2
        self.until(end)

    def mark(self):
        """Leaves a line in the trace: asks for what is not there."""
        self.socket.sendall(b"GET /mark HTTP/1.1\r\nHost: gate\r\n\r\n")
        self.until(end_of_http)


def end_of_http(have):
    head, gap, _ = have.partition(b"\r\n\r\n")
    if not gap:
        return None
    length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE)[1])
    end = len(head) + len(gap) + length
    return end if end <= len(have) else None


class Traced:
    """Fresh nodes in a row, one of them under strace."""

    def __init__(self, target, folder, durability, nodes, traced):
        self.trace = folder / "trace"
        self.http = [free_port() for _ in range(nodes)]
        self.line = free_port()
        peers = [free_port() for _ in range(nodes)]
        self.stack = contextlib.ExitStack()
        for n in reversed(range(nodes)):
            listen = [("http", self.http[n]), ("peer", peers[n])] + [("line", self.line)] * (n == 0)
            text = f'name = "node{n}"\ndir = "{folder}/node{n}"\ndurability = "{durability}"\n'
            for protocol, port in listen:
                text += f'[[listen]]\nprotocol = "{protocol}"\n'
                text += f'endpoint = "tcp:{port}:interface=127.0.0.1"\n'
            for other in range(n + 1, min(n + 2, nodes)):
                text += f'[[peer]]\nname = "node{other}"\n'
                text += f'endpoint = "tcp:127.0.0.1:{peers[other]}"\n'
            config = folder / f"node{n}.toml"
            config.write_text(text)
            strace = ["strace", "-D", "-f", "-s", "16", "-o", self.trace] if n == traced else []
            command = [*strace, target / "release/bellwether", "serve", config]
            server = Server(f"gate-node{n}", command, self.http[n], folder, core=None)
            self.stack.enter_context(server)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def windows(self):
        """The calls between the marks, window by window."""
        found = [collections.Counter()]
        for line in self.trace.read_text(errors="replace").splitlines():
            call = re.match(r"\d+ +(\w+)\(", line)  # not its end, where another one came between
            if '"GET /mark HTTP/' in line:
                found.append(collections.Counter())
            elif call:
                found[-1][call[1]] += 1
        # What follows a mark's request until its answer is out is the mark's own.
        return found[1:-1:2]


def http(request, depth=1):
    """Asks for the same all the time."""
    def start(nodes):
        client = Client(nodes.http[0])
        return lambda _: client.ask(request, depth)
    return start


def story(nodes):
    client = Client(nodes.http[0])
    client.ask(with_body("PUT /v1/stories/Gate", "x" * 1000))
    return lambda _: client.ask(STORY)


def reports(nodes):
    client = Client(nodes.line)
    return lambda n: client.report(b"IAMAT gate +34.068930-118.445127 %d.5\n" % (1_700_000_000 + n))


def deliveries(nodes):
    """Each to one reader; every so many of them share an update."""
    readers = [Client(nodes.http[0]) for _ in range(READERS)]
    for reader in readers:
        reader.socket.sendall(STREAM)
        reader.until(lambda have: have.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in have else None)
    writer = Client(nodes.http[0])

    def one(n):
        if n % READERS == 0:
            writer.ask(publish("none"))
            for reader in readers:
                reader.event()
    return one


def floods(nodes):
    """An update goes from the first node to the last, by way of the one under strace."""
    reader = Client(nodes.http[-1])
    reader.socket.sendall(STREAM)
    writer = Client(nodes.http[0])

    def one(_):
        writer.ask(publish("none"))
        reader.event()
    return one


# By case: durability, nodes, which of them is traced, how one piece of work is done.
CASES = {
    "hello": ("none", 1, 0, http(HELLO)),
    "pipelined": ("none", 1, 0, http(HELLO, 16)),
    "story": ("none", 1, 0, story),
    "iamat": ("none", 1, 0, reports),
    "iamat-local": ("local", 1, 0, reports),
    "publish": ("local", 1, 0, http(publish("local"))),
    "flood": ("none", 3, 1, floods),
    "sse": ("none", 1, 0, deliveries),
}


def count(target, folder, case):
    durability, nodes, traced, start = CASES[case]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Traced(target, folder, durability, nodes, traced) as herd:
        do, marker = start(herd), Client(herd.http[traced])
        for n in range(PIECES):
            do(n)
        for n in range(PIECES, (ROUNDS + 1) * PIECES):
            if n % PIECES == 0:
                marker.mark()
            do(n)
            if (n + 1) % PIECES == 0:
                marker.mark()
        trace = herd
    windows = trace.windows()
    if len(windows) != ROUNDS:
        raise Broken(f"{case}: {len(windows)} of {ROUNDS} rounds are in {trace.trace}")
    middle = sorted(windows, key=lambda window: sum(window.values()))[ROUNDS // 2]
    shutil.rmtree(folder)
    return {name: calls / PIECES for name, calls in middle.items()}


def count_all(target):
    """By case and system call, how many there are for a piece of work."""
    return {case: count(target, target / "bench/gate" / case, case) for case in CASES}
