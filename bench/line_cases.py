"""The line protocol beside Twisted: one server, and a herd of five on one core."""

import functools
import itertools
import socket
import time

import contestants
from harness import Broken, Server, free_port

HERD = 5
PATIENCE_S = 60


def iamat(bench):
    """IAMAT with durability none and local beside a Twisted server of the same protocol."""
    with (bench.bellwether("none") as none, bench.bellwether("local") as local,
          contestants.twisted_line(bench) as twisted):
        ports = [(none, none.line_port), (local, local.line_port), (twisted, twisted.port)]
        for connections, depth in ((1, 1), (64, 1), (64, 16)):
            case = f"IAMAT, {connections} connection{'s' * (connections > 1)}"
            case += f", pipelined ×{depth}" * (depth > 1)
            options = ["--connections", connections, "--depth", depth]
            loads = [(server, functools.partial(bench.load, "line", port, *options))
                     for server, port in ports]
            rates = bench.alternate(case, loads, "IAMAT/s")
            if connections == 64:
                bench.beat(case, rates, none.name, twisted.name, 10)
                bench.beat(case, rates, local.name, twisted.name, 2.5)


def consecutive_ports(count):
    """The first of so many free ones in a row."""
    while True:
        first = free_port()
        probes = []
        try:
            for port in range(first, first + count):
                probes.append(socket.create_server(("127.0.0.1", port)))
            return first
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()


def our_herd(bench, nodes):
    """A ring, as the rival's."""
    folder = contestants.fresh_folder(bench, "ring")
    http, line, peer = (consecutive_ports(nodes) for _ in range(3))
    command = [bench.bellwether_program, "herd", "--nodes", nodes, "--topology", "ring",
               "--dir", folder / "data", "--durability", "none", "--http-base", http,
               "--line-base", line, "--peer-base", peer]
    server = Server("bellwether herd", command, http, bench.folder)
    server.line_ports = [line + at for at in range(nodes)]
    return server


def say(port, line):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(line)
        return connection.makefile("rb").readline()


def await_everywhere(ports, client, patience_s=PATIENCE_S):
    """Until each knows that client, told to the first only."""
    said = f"IAMAT {client} +34.068930-118.445127 {time.time_ns() / 1e9:.9f}\n".encode()
    if not say(ports[0], said).startswith(b"AT "):
        raise Broken("the last IAMAT was refused")
    deadline = time.monotonic() + patience_s
    for port in ports[1:]:
        while not say(port, f"WHATSAT {client} 1 1\n".encode()).startswith(b"AT "):
            if time.monotonic() > deadline:
                raise Broken(f"a node did not hear of {client} within {patience_s} s")
            time.sleep(0.002)


def await_links(ports, names):
    """Until all are linked. The rival tells nothing again to a peer that comes later."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await_everywhere(ports, next(names), patience_s=1)
        except Broken:
            if time.monotonic() > deadline:
                raise


def iamat_herd(bench):
    """IAMAT at one node of five that share the core, until all five know all of it."""
    case = f"IAMAT, herd of {HERD} on one core, 64 connections, until all know"
    names = (f"last-{at}" for at in itertools.count())

    def load(ports):
        sample = bench.load("line", ports[0], "--connections", 64)
        start = time.monotonic()
        await_everywhere(ports, next(names))
        taken = sample["seconds"] + time.monotonic() - start
        return {**sample, "per_second": sample["requests"] / taken}

    with our_herd(bench, HERD) as ours, contestants.twisted_herd(bench, HERD) as twisted:
        herds = (ours, twisted)
        for herd in herds:
            await_links(herd.line_ports, names)
        loads = [(herd, functools.partial(load, herd.line_ports)) for herd in herds]
        rates = bench.alternate(case, loads, "IAMAT/s")
    bench.beat(case, rates, ours.name, twisted.name, 10)


LINE_CASES = {"iamat": iamat, "iamat-herd": iamat_herd}
