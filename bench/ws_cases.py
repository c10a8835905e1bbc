"""WebSocket: messages that are sent back, beside /hello of the same node over the same client."""

import contextlib
import functools
import json
import subprocess

from harness import LOAD_CORE, Broken, pinned
from web_cases import View


def own_load(bench, url, *options):
    """Runs the program's own load generator on the load's core."""
    command = [bench.bellwether_program, "load", url, "--json", "--warmup", "0.2",
               "--duration", bench.seconds, *options]
    done = subprocess.run(pinned(LOAD_CORE, command), capture_output=True, text=True)
    if done.returncode:
        raise Broken(f"load {url}: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    if any(found["errors"].values()):
        raise Broken(f"load {url}: {found['errors']}")
    latency = found["latency_us"]
    return {"requests": found["requests"], "per_second": found["per_second"],
            "p50_us": latency["p50"], "p99_us": latency["p99"]}


def socket_echo(bench):
    """A text of 13 bytes over /v1/ws/echo beside /hello, whose body is as long."""
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(bench.bellwether("none"))
        echo, hello = View(ours, "bellwether, echo"), View(ours, "bellwether, /hello")
        at = f"127.0.0.1:{ours.port}"
        for case, options in (("WebSocket echo, 64 connections", ["-c", 64]),
                              ("WebSocket echo, 64 connections, pipelined ×16",
                               ["-c", 64, "--pipeline", 16])):
            loads = [(echo, functools.partial(own_load, bench, f"ws://{at}", *options)),
                     (hello, functools.partial(own_load, bench, f"http://{at}/hello", *options))]
            rates = bench.alternate(case, loads, "messages/s")
            if "pipelined" not in case:
                bench.beat(case, rates, echo.name, hello.name, 0.9)


WS_CASES = {"ws-echo": socket_echo}
