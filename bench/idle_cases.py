"""What connections cost that do nothing: answered once and kept, or reading a quiet stream."""

import resource
import socket
import ssl
import time

from harness import Row, free_port
from tls_cases import bellwether_tls, certificates
from web_cases import HELLO, ask, asked

CONNECTIONS = 15_000
STREAM = b"GET /v1/stream?topic=quiet HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n"
SOCKET = (b"GET /v1/ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
HEARTBEAT_S = 15


def how_many(bench):
    wanted = 500 if bench.smoke else CONNECTIONS
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < wanted + 200:
        bench.notes.append(f"RLIMIT_NOFILE is {hard}: fewer than {wanted:,} idle connections")
        wanted = hard - 200
    return wanted


def told(port, command, end):
    """A connection that was greeted, gave a command, and has its answer."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    for request in (b"", command):
        asked(connection, request, end)
    return connection


def hello_over_tls(context, port):
    """A connection over TLS on which a request was answered."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection = context.wrap_socket(connection, server_hostname="localhost")
    asked(connection, HELLO, b"Hello, World!")
    return connection


def listening(bench, protocol):
    """A node that speaks it, at `idle_port`."""
    port = free_port()
    listen = f'[[listen]]\nprotocol = "{protocol}"\nendpoint = "tcp:{port}:interface=127.0.0.1"\n'
    server = bench.bellwether("none", more=listen)
    server.idle_port = port
    return server


def idle_ports(bench):
    """RSS of connections over Telnet, NNTP and TLS that were answered once."""
    for what, protocol, command, end in (("Telnet", "telnet", b"sections\r\n", b"\n> "),
                                         ("NNTP", "nntp", b"DATE\r\n", b"\r\n")):
        with listening(bench, protocol) as ours:
            held_at(bench, ours, what, 3, lambda: told(ours.idle_port, command, end))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with bellwether_tls(bench, certificates(bench)) as ours:
        held_at(bench, ours, "TLS", 12, lambda: hello_over_tls(context, ours.tls_port))


def held_at(bench, ours, what, most, begun, has_heartbeat=False):
    """What each of many connections adds, beside an aim of so many KiB at most; and what it costs
    to keep them, where that is told."""
    wanted = how_many(bench)
    warm = [begun() for _ in range(64)]
    before = ours.rss_bytes()
    held = [begun() for _ in range(wanted)]
    case = f"{wanted:,} idle connections, {what}"
    cpu = cpu_micros_each(bench, ours, wanted + len(warm)) if has_heartbeat else None
    each = (ours.rss_bytes() - before) / wanted / 1024
    for connection in warm + held:
        connection.close()
    bench.add(Row(case, ours.name, "KiB of RSS each", each))
    bench.aim(f"{case}: KiB of RSS each", each, f"≤ {most}", each <= most)
    if has_heartbeat:
        bench.add(Row(case, ours.name, "µs of CPU a second each", cpu))
        bench.aim(f"{case}: µs of CPU a second each", cpu, "≤ 1", cpu <= 1)


def idle(bench):
    """RSS and CPU of connections answered once, of quiet streams, and of quiet sockets."""
    for what, request, end in (("kept-alive", HELLO, b"Hello, World!"), ("SSE", STREAM, b"\r\n"),
                               ("WebSocket", SOCKET, b"\r\n\r\n")):
        with bench.bellwether("none") as ours:
            held_at(bench, ours, what, 3, lambda: ask(ours.port, request, end)[0], True)


def cpu_micros_each(bench, server, connections):
    """Over two heartbeats, so that each is paid for as often as it comes."""
    seconds = 1 if bench.smoke else 2 * HEARTBEAT_S
    before, start = server.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    used = server.cpu_seconds() - before
    return used * 1e6 / (time.monotonic() - start) / connections


IDLE_CASES = {"idle": idle, "idle-ports": idle_ports}
