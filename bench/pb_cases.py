"""Calls over Perspective Broker beside Twisted's own server, and what an idle connection costs.

Both are loaded by `bellwether load pb:`, which is the same to both: Twisted's client would be the
limit at either.
"""

import functools
import socket

import contestants
from harness import free_port
from idle_cases import held_at
from web_cases import asked, put_story

# The dialect, then the call of `hello` on the root object.
HELLO = bytes.fromhex(
    "02827062 0280138706 81 07801a870181 0482726f6f74 058268656c6c6f 0181 01800b87 01800587")
LISTEN = """\
[[listen]]
protocol = "pb"
endpoint = "tcp:{port}:interface=127.0.0.1"
"""


def node(bench):
    """A node that speaks it, at `pb_port`."""
    port = free_port()
    server = bench.bellwether("none", more=LISTEN.format(port=port))
    server.pb_port = port
    return server


def calls(bench):
    """The shortest call, and a story of 1 kB as a dictionary of the same keys from both."""
    with node(bench) as ours:
        put_story(ours.port, "bench", 1000)
        with contestants.twisted_pb(bench) as twisted:
            for call, depth in (("hello", 1), ("hello", 16), ("read/bench", 1)):
                case = f"PB {call.partition('/')[0]}, 64 connections"
                case += f", pipelined ×{depth}" * (depth > 1)
                ports = [(ours, ours.pb_port), (twisted, twisted.port)]
                options = ["-c", 64, "--pipeline", depth]
                loads = [(server, functools.partial(
                    bench.own_load, f"pb://127.0.0.1:{port}/{call}", *options))
                         for server, port in ports]
                rates = bench.alternate(case, loads, "calls/s")
                bench.beat(case, rates, ours.name, twisted.name, 10)


def begun(port):
    """A connection on which a call was answered."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    asked(connection, HELLO, b"Hello, World!")
    return connection


def idle(bench):
    """RSS of a connection on which a call was answered."""
    with node(bench) as ours:
        held_at(bench, ours, "Perspective Broker", 3, lambda: begun(ours.pb_port))


PB_CASES = {"pb": calls, "pb-idle": idle}
