"""One update to many readers: until the last has it."""

import contextlib
import functools
import os
import pathlib
import time

import contestants
from harness import SERVER_CORE, Group
from herd import Herd
from web_cases import start_all

READERS, BODY_BYTES = 10_000, 1000


def options_of(bench, bytes=BODY_BYTES):
    readers, updates = (200, 3) if bench.smoke else (READERS, 10)
    return ["--readers", readers, "--updates", updates, "--bytes", bytes]


def load(bench, protocol, ports, *options):
    """The CPU of so many subscriptions would drown that of the deliveries: it is left out."""
    return {**bench.fanout(protocol, ports, *options), "cpu": None}


def fanout(bench):
    """Beside a raw loop that writes the same bytes, NATS core and Redis pub/sub."""
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(bench.bellwether("none"))
        options = options_of(bench)
        case = f"fan-out of 1 kB to {options[1]:,} readers"
        event_bytes = bench.fanout("sse", [ours.port], *options)["event_bytes"]
        raw = stack.enter_context(contestants.raw_fanout(bench))
        same_bytes = options_of(bench, event_bytes - len("\n"))
        loads = [(ours, functools.partial(load, bench, "sse", [ours.port], *options)),
                 (raw, functools.partial(load, bench, "raw", [raw.port], *same_bytes))]
        if not bench.smoke:
            starters = [("NATS core", functools.partial(contestants.nats, bench)),
                        ("Redis pub/sub", functools.partial(contestants.redis, bench, False))]
            for rival in start_all(bench, stack, case, starters):
                protocol = "nats" if rival.name.startswith("NATS") else "redis"
                loads.append((rival, functools.partial(
                    load, bench, protocol, [rival.port], *options)))
        rates = bench.alternate(case, loads, "deliveries/s")
    slower = rates[raw.name] / rates[ours.name]
    what = f"{case}: time to the last, times that of the raw loop"
    bench.aim(what, slower, "≤ 1.3", slower <= 1.3)
    for rival in ("NATS core", "Redis pub/sub"):
        bench.beat(case, rates, ours.name, rival, 1, strictly=True)


def pin(servers):
    """Moves all their threads to the server's core, where the rival's are."""
    for server in servers:
        for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {SERVER_CORE})


def fanout_cluster(bench):
    """Three nodes on one core, each with a third of the readers; published at the first."""
    readers = 150 if bench.smoke else 3_000
    options = [*options_of(bench), "--readers", readers]
    case = f"fan-out of 1 kB to {readers:,} readers at three nodes on one core"
    with contextlib.ExitStack() as stack:
        nodes = stack.enter_context(Herd(bench, 3))
        pin(nodes)
        ours = Group("bellwether herd of 3", nodes)
        ports = [node.http_port for node in nodes]
        loads = [(ours, functools.partial(load, bench, "sse", ports, *options))]
        if not bench.smoke:
            starters = [("NATS cluster", functools.partial(contestants.nats_cluster, bench, 3))]
            for rival in start_all(bench, stack, case, starters):
                ports = [member.port for member in rival.members]
                # Each must have heard of the others, and of whom they serve.
                time.sleep(2)
                loads.append((rival, functools.partial(load, bench, "nats", ports, *options)))
        rates = bench.alternate(case, loads, "deliveries/s")
    bench.beat(case, rates, ours.name, "NATS cluster", 1, strictly=True)


FANOUT_CASES = {"fanout": fanout, "fanout-cluster": fanout_cluster}
