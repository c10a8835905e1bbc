"""News feeds: articles taken by TAKETHIS, and asked about by CHECK, beside INN."""

import contextlib
import select
import socket
import time

import contestants
from harness import Broken, free_port
from web_cases import start_all

BODY_BYTES = 1000
CHECKS_AT_LEAST = 100_000
CHUNK_BYTES = 256 << 10


class Names:
    """Message-IDs that were never given before."""

    def __init__(self):
        self.next = 0

    def take(self):
        self.next += 1
        return f"<{self.next}.{time.monotonic_ns()}@bench.example>"


def article(message_id, date):
    head = (f"Path: bench.example!not-for-mail\r\nFrom: bench <bench@bench.example>\r\n"
            f"Newsgroups: misc.test\r\nSubject: one of many\r\nDate: {date}\r\n"
            f"Message-ID: {message_id}\r\n\r\n")
    return f"{head}{'x' * 78}\r\n{('y' * 78 + chr(13) + chr(10)) * (BODY_BYTES // 80 - 1)}"


def takethis(names):
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
    message_id = names.take()
    return f"TAKETHIS {message_id}\r\n{article(message_id, date)}.\r\n".encode()


def check(names):
    return f"CHECK {names.take()}\r\n".encode()


def streamed(port, commands, wanted):
    """Sends all commands as fast as they are taken, and reads as many answers: how long it took."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        greeting = connection.recv(512)
        connection.sendall(b"MODE STREAM\r\n")
        if not greeting.startswith(b"20") or not connection.recv(512).startswith(b"203"):
            raise Broken("no stream of articles is taken")
        data, sent, answers, held = memoryview(b"".join(commands)), 0, 0, b""
        connection.setblocking(False)
        start = time.monotonic()
        while answers < len(commands):
            writable = [connection] if sent < len(data) else []
            readable, writable, _ = select.select([connection], writable, [], 30)
            if not readable and not writable:
                raise Broken(f"{answers} answers of {len(commands)}, and then nothing")
            if writable:
                sent += connection.send(data[sent:sent + CHUNK_BYTES])
            if readable:
                came = connection.recv(CHUNK_BYTES)
                if not came:
                    raise Broken(f"the end behind {answers} answers")
                lines = (held + came).split(b"\r\n")
                held = lines.pop()
                wrong = [line for line in lines if not line.startswith(wanted)]
                if wrong:
                    raise Broken(f"a wrong answer: {wrong[0]!r}")
                answers += len(lines)
        return time.monotonic() - start


def load(server, names, make, wanted, count):
    def run():
        commands = [make(names) for _ in range(count)]
        taken = streamed(server.news_port, commands, wanted)
        return {"requests": count, "per_second": count / taken, "p50_us": None, "p99_us": None}
    return run


def node(bench):
    """A node that takes news feeds, at `news_port`."""
    port = free_port()
    listen = f'[[listen]]\nprotocol = "nntp"\nendpoint = "tcp:{port}:interface=127.0.0.1"\n'
    server = bench.bellwether("local", more=listen)
    server.news_port = port
    return server


def feed(bench):
    """TAKETHIS of 1 kB and CHECK, as one stream; ours answers after fsync, INN does not sync."""
    names = Names()
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(node(bench))
        rivals = start_all(bench, stack, "feed", [("INN", lambda: contestants.inn(bench))])
        for what, make, wanted, count in (
                ("TAKETHIS of 1 kB", takethis, b"239", 20_000), ("CHECK", check, b"238", 200_000)):
            count = 500 if bench.smoke else count
            loads = [(server, load(server, names, make, wanted, count))
                     for server in (ours, *rivals)]
            rates = bench.alternate(f"feed: {what}", loads, "articles/s")
            if make is check:
                rate = rates[ours.name]
                bench.aim("feed: CHECK per second", rate, "≥ 100,000", rate >= CHECKS_AT_LEAST)
            else:
                bench.beat(f"feed: {what}", rates, ours.name, "INN", 1)


FEED_CASES = {"feed": feed}
