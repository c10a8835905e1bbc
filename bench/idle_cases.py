"""What connections cost that do nothing: answered once and kept, or reading a quiet stream."""

import resource
import time

from harness import Row
from web_cases import HELLO, ask

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


def idle(bench):
    """RSS and CPU of connections answered once, of quiet streams, and of quiet sockets."""
    wanted = how_many(bench)
    for what, request, end in (("kept-alive", HELLO, b"Hello, World!"), ("SSE", STREAM, b"\r\n"),
                               ("WebSocket", SOCKET, b"\r\n\r\n")):
        with bench.bellwether("none") as ours:
            warm = [ask(ours.port, request, end)[0] for _ in range(64)]
            before = ours.rss_bytes()
            held = [ask(ours.port, request, end)[0] for _ in range(wanted)]
            case = f"{wanted:,} idle connections, {what}"
            cpu = cpu_micros_each(bench, ours, wanted + len(warm))
            each = (ours.rss_bytes() - before) / wanted / 1024
            for connection in warm + held:
                connection.close()
        bench.add(Row(case, ours.name, "KiB of RSS each", each))
        bench.add(Row(case, ours.name, "µs of CPU a second each", cpu))
        bench.aim(f"{case}: KiB of RSS each", each, "≤ 3", each <= 3)
        bench.aim(f"{case}: µs of CPU a second each", cpu, "≤ 1", cpu <= 1)


def cpu_micros_each(bench, server, connections):
    """Over two heartbeats, so that each is paid for as often as it comes."""
    seconds = 1 if bench.smoke else 2 * HEARTBEAT_S
    before, start = server.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    used = server.cpu_seconds() - before
    return used * 1e6 / (time.monotonic() - start) / connections


IDLE_CASES = {"idle": idle}
