"""WebSocket: messages that are sent back, beside /hello of the same node over the same client."""

import contextlib
import functools

from web_cases import View


def socket_echo(bench):
    """A text of 13 bytes over /v1/ws/echo beside /hello, whose body is as long."""
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(bench.bellwether("none"))
        echo, hello = View(ours, "bellwether, echo"), View(ours, "bellwether, /hello")
        at = f"127.0.0.1:{ours.port}"
        for case, options in (("WebSocket echo, 64 connections", ["-c", 64]),
                              ("WebSocket echo, 64 connections, pipelined ×16",
                               ["-c", 64, "--pipeline", 16])):
            loads = [(echo, functools.partial(bench.own_load, f"ws://{at}", *options)),
                     (hello, functools.partial(bench.own_load, f"http://{at}/hello", *options))]
            rates = bench.alternate(case, loads, "messages/s")
            if "pipelined" not in case:
                bench.beat(case, rates, echo.name, hello.name, 0.9)


WS_CASES = {"ws-echo": socket_echo}
