"""The cases: what is measured, beside what, with which aim."""

import os
import resource
import socket
import statistics
import sys
import time

from harness import BENCH, Broken, Row, Server, free_port

IDLE_CONNECTIONS = 10_000


def ask(port, request):
    """Sends one request on a fresh connection; returns the connection and the whole answer."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(request)
    answer = b""
    while not (b"\r\n\r\n" in answer and answer.endswith(b"Hello, World!")):
        chunk = connection.recv(4096)
        if not chunk:
            raise Broken(f"/hello: the answer ends early: {answer!r}")
        answer += chunk
    return connection, answer


HELLO = b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def hello(bench):
    """GET /hello, plain and pipelined, beside a raw epoll responder that writes the same bytes."""
    with bench.bellwether("none") as ours:
        connection, answer = ask(ours.port, HELLO)
        connection.close()
        answer_file = bench.folder / "hello.http"
        answer_file.write_bytes(answer)
        port = free_port()
        command = [bench.rivals / "raw-hello", port, answer_file]
        with Server("raw epoll", command, port, bench.folder) as raw:
            for case, options in (
                ("/hello, 64 connections", []),
                ("/hello, 64 connections, pipelined ×16", ["-s", str(BENCH / "pipelined.lua")]),
            ):
                both = [(server, lambda port=server.port: bench.wrk(port, *options))
                        for server in (ours, raw)]
                rates = bench.alternate(case, both, "requests/s")
                ratio = rates[ours.name] / rates[raw.name]
                bench.aim(f"{case}: ours / raw epoll", ratio, "≥ 0.85", ratio >= 0.85)


def iamat(bench):
    """IAMAT with durability none and local beside a Twisted server of the same protocol."""
    port = free_port()
    command = [sys.executable, BENCH / "twisted/server.py", "twisted", port]
    with (bench.bellwether("none") as none, bench.bellwether("local") as local,
          Server("twisted", command, port, bench.folder) as twisted):
        ports = [(none, none.line_port), (local, local.line_port), (twisted, twisted.port)]
        for connections, depth in ((1, 1), (64, 1), (64, 16)):
            case = f"IAMAT, {connections} connection{'s' * (connections > 1)}"
            case += f", pipelined ×{depth}" * (depth > 1)
            options = ["--connections", connections, "--depth", depth]
            loads = [(server, lambda port=port: bench.load("line", port, *options))
                     for server, port in ports]
            rates = bench.alternate(case, loads, "IAMAT/s")
            for server, wanted in ((none, 5.0), (local, 1.5)):
                ratio = rates[server.name] / rates[twisted.name]
                what = f"{case}: {server.name} / twisted"
                bench.aim(what, ratio, f"≥ {wanted:g}", ratio >= wanted)


def syncs_per_second(bench):
    """How often the disk under the node's folder syncs 1 kB appended to a file."""
    path = bench.folder / "sync.probe"
    file = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    try:
        count, start = 0, time.monotonic()
        while (taken := time.monotonic() - start) < bench.seconds:
            os.write(file, b"x" * 1000)
            os.fdatasync(file)
            count += 1
        return count / taken
    finally:
        os.close(file)
        path.unlink()


def publish(bench):
    """POST of 1 kB to a topic, each acknowledged after fsync, beside the disk's own syncs."""
    with bench.bellwether("local") as ours:
        path = "/v1/topics/bench?durability=local"
        for connections in (1, 64):
            case = f"durable publish of 1 kB, {connections} in flight"
            options = ["--connections", connections, "--path", path]
            syncs = []

            def load():
                syncs.append(syncs_per_second(bench))
                return bench.load("publish", ours.port, *options)

            rate = bench.alternate(case, [(ours, load)], "publishes/s")[ours.name]
            disk = statistics.median(syncs)
            bench.add(Row(case, "the disk: fdatasync after 1 kB", "syncs/s", disk))
            if connections == 64:
                wanted = "≥ 10,000 on a disk of 500 syncs/s"
                reached = rate >= 10_000 if disk >= 500 else None
                bench.aim(f"{case}: per second", rate, wanted, reached)


def idle(bench):
    """Memory of a connection that has been answered once and is kept open."""
    wanted = 500 if bench.smoke else IDLE_CONNECTIONS
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < wanted + 200:
        bench.notes.append(f"RLIMIT_NOFILE is {hard}: fewer than {wanted:,} idle connections")
        wanted = hard - 200
    with bench.bellwether("none") as ours:
        warm = [ask(ours.port, HELLO)[0] for _ in range(64)]
        before = ours.rss_bytes()
        held = [ask(ours.port, HELLO)[0] for _ in range(wanted)]
        time.sleep(0.2)
        each = (ours.rss_bytes() - before) / wanted / 1024
        for connection in warm + held:
            connection.close()
        case = f"{wanted:,} idle connections"
        bench.add(Row(case, ours.name, "KiB of RSS each", each))
        bench.aim(f"{case}: KiB of RSS each", each, "≤ 6", each <= 6)


CASES = {"hello": hello, "iamat": iamat, "publish": publish, "idle": idle}
