"""HTTP: /hello four ways beside all rivals, a story, and how rates hold as connections grow."""

import contextlib
import functools
import json
import socket

import contestants
from harness import BENCH, Broken

HELLO = b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
GROWTH = (10, 100, 1_000, 10_000)


def ask(port, request, end=b"Hello, World!"):
    """Sends one request on a fresh connection; returns the connection and the whole answer."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    return connection, asked(connection, request, end, b"\r\n\r\n")


def asked(connection, request, end, within=b""):
    """The answer to a request, which has `within` in it and is over with `end`."""
    connection.sendall(request)
    answer = b""
    while not (within in answer and answer.endswith(end)):
        chunk = connection.recv(65_536)
        if not chunk:
            raise Broken(f"the answer ends early: {answer!r}")
        answer += chunk
    return answer


def answered(port, request):
    connection, answer = ask(port, request)
    connection.close()
    return answer


def start_all(bench, stack, case, starters):
    """The rivals that run, each known to answer; a loud line for each that does not."""
    servers = []
    for name, start in starters:
        try:
            servers.append(stack.enter_context(start()))
        except (contestants.Missing, Broken) as error:
            bench.miss(case, name, error)
    return servers


def hello_rivals(bench, answer_file):
    """All; in a smoke run those that need nothing to be installed or built for long."""
    starters = [("raw epoll", functools.partial(contestants.raw_hello, bench, answer_file))]
    if not bench.smoke:
        starters += [(name, functools.partial(contestants.framework, bench, name))
                     for name in contestants.FRAMEWORKS]
        starters += [("nginx", functools.partial(contestants.nginx, bench)),
                     ("h2o", functools.partial(contestants.h2o, bench))]
    return starters


def hello(bench):
    """GET /hello four ways, beside a raw epoll responder and six servers."""
    pipelined = ["-s", str(BENCH / "pipelined.lua")]
    ways = (
        ("/hello, 64 connections", 0.95, lambda port: bench.wrk(port)),
        ("/hello, 64 connections, pipelined ×16", 0.80, lambda port: bench.wrk(port, *pipelined)),
        ("/hello, 1,024 connections", 0.95, lambda port: bench.wrk(port, connections=1024)),
        ("/hello, a new connection per request", 0.95, lambda port: bench.load(
            "get", port, "--path", "/hello", "--connections", 64, "--fresh")),
    )
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(bench.bellwether("none"))
        answer_file = bench.folder / "hello.http"
        answer_file.write_bytes(answered(ours.port, HELLO))
        starters = hello_rivals(bench, answer_file)
        rivals = start_all(bench, stack, "/hello", starters)
        for rival in rivals:
            answered(rival.port, HELLO)
        for case, least, load in ways:
            servers = [ours, *rivals]
            loads = [(server, functools.partial(load, server.port)) for server in servers]
            rates = bench.alternate(case, loads, "requests/s")
            bench.beat(case, rates, ours.name, "raw epoll", least)
            for rival in rivals[1:]:
                bench.beat(case, rates, ours.name, rival.name, 1, strictly=True)


def put_story(port, title, body_bytes):
    """Stores a story; returns the body of the answer to its GET."""
    line = b"All the news that fits on one line of this story. "
    body = (line * (body_bytes // len(line) + 1))[:body_bytes]
    head = f"PUT /v1/stories/{title} HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    connection, answer = ask(port, request, b"}")
    connection.close()
    if not answer.startswith(b"HTTP/1.1 201 "):
        raise Broken(f"no story: {answer!r}")
    connection, answer = ask(port, f"GET /v1/stories/{title} HTTP/1.1\r\nHost: h\r\n\r\n".encode(),
                             b"}")
    connection.close()
    content = answer.partition(b"\r\n\r\n")[2]
    if not answer.startswith(b"HTTP/1.1 200 ") or len(json.loads(content)["body"]) != body_bytes:
        raise Broken(f"not the story: {answer!r}")
    return content


class View:
    """One server under another name: the same process, another path."""

    def __init__(self, server, name):
        self.name, self.cpu_seconds = name, server.cpu_seconds


def story(bench):
    """A story of 1 kB and its page beside /hello, and beside nginx with the same bytes in a file."""
    case = "a story of 1 kB, 64 connections"
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(bench.bellwether("none"))
        content = put_story(ours.port, "bench", 1000)
        files = bench.folder / "node-files"
        files.mkdir(exist_ok=True)
        (files / "story.json").write_bytes(content)
        paths = [(View(ours, "bellwether, story"), ours.port, "/v1/stories/bench"),
                 (View(ours, "bellwether, page"), ours.port, "/stories/bench"),
                 (View(ours, "bellwether, /hello"), ours.port, "/hello")]
        if not bench.smoke:
            starters = [("nginx", lambda: contestants.nginx(bench, files))]
            for nginx in start_all(bench, stack, case, starters):
                paths.append((View(nginx, "nginx, file"), nginx.port, "/files/story.json"))
        loads = [(view, functools.partial(bench.wrk, port, path=path))
                 for view, port, path in paths]
        rates = bench.alternate(case, loads, "requests/s")
    bench.beat(case, rates, "bellwether, story", "bellwether, /hello", 0.90)
    bench.beat(case, rates, "bellwether, page", "bellwether, /hello", 0.80)
    bench.beat(case, rates, "bellwether, story", "nginx, file", 1.2, strictly=True)


def twisted_http(bench):
    """GET /hello beside Twisted Web."""
    case = "/hello beside Twisted Web, 64 connections"
    with bench.bellwether("none") as ours, contestants.twisted_web(bench) as twisted:
        answered(twisted.port, HELLO)
        loads = [(server, functools.partial(bench.wrk, server.port)) for server in (ours, twisted)]
        rates = bench.alternate(case, loads, "requests/s")
    bench.beat(case, rates, ours.name, twisted.name, 4)


def growth(bench):
    """The rate of /hello as connections grow, all of them busy; they stand before time counts."""
    counts = (10, 100) if bench.smoke else GROWTH
    reached = {}
    with bench.bellwether("none") as ours:
        answer_file = bench.folder / "hello.http"
        answer_file.write_bytes(answered(ours.port, HELLO))
        with contestants.raw_hello(bench, answer_file) as raw:
            for count in counts:
                options = ["--path", "/hello", "--connections", count]
                loads = [(server, functools.partial(bench.load, "get", server.port, *options))
                         for server in (ours, raw)]
                case = f"growth: /hello, {count:,} connections"
                rates = bench.alternate(case, loads, "requests/s")
                for name, rate in rates.items():
                    reached.setdefault(name, []).append(rate)
    for name, rates in reached.items():
        flat = min(rates) / max(rates)
        what = (f"growth: /hello from {counts[0]} to {counts[-1]:,} connections: "
                f"{name}: least / most")
        is_ours = name == ours.name
        bench.aim(what, flat, "≥ 0.8" if is_ours else "for comparison",
                  flat >= 0.8 if is_ours else None)


WEB_CASES = {"hello": hello, "story": story, "twisted-http": twisted_http, "growth": growth}
