"""Durable publishing: acknowledged after it is on disk, beside what the disk itself gives."""

import contextlib
import functools
import os
import time

import contestants
from web_cases import start_all

BODY_BYTES = 1000
FLIGHTS = (1, 64)
IN_PLACE_BYTES = 16 << 20


class Disk:
    """Writes so many bodies and syncs them, again and again: the ceiling of a group commit.

    An append makes the file longer, which the file system has to write down with each sync; into
    a file of its full length it need not: that is the higher ceiling.
    """

    def __init__(self, bench, group, grows):
        self.bench, self.group, self.grows = bench, group, grows
        how = "append" if grows else "write in place"
        self.name = f"the disk: {how} + fdatasync" + f" of {group} together" * (group > 1)
        self.path = bench.folder / "sync.probe"

    def cpu_seconds(self):
        return sum(os.times()[:2])

    def load(self):
        file = os.open(self.path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        if not self.grows:
            os.write(file, bytes(IN_PLACE_BYTES))
            os.fsync(file)
            os.lseek(file, 0, os.SEEK_SET)
        micros, start = [], time.monotonic()
        try:
            while time.monotonic() - start < self.bench.seconds:
                before = time.monotonic()
                if not self.grows and os.lseek(file, 0, os.SEEK_CUR) > IN_PLACE_BYTES // 2:
                    os.lseek(file, 0, os.SEEK_SET)
                os.write(file, b"x" * BODY_BYTES * self.group)
                os.fdatasync(file)
                micros.append((time.monotonic() - before) * 1e6)
            taken = time.monotonic() - start
        finally:
            os.close(file)
            self.path.unlink()
        micros.sort()
        count = len(micros) * self.group
        return {"requests": count, "per_second": count / taken,
                "p50_us": micros[len(micros) // 2], "p99_us": micros[len(micros) * 99 // 100]}


def publish_rivals(bench):
    """Who acknowledges what is on disk, and JetStream as it comes, which does not wait for it."""
    return [] if bench.smoke else [
        ("JetStream, sync always", "jetstream", lambda: contestants.jetstream(bench, True)),
        ("JetStream, default", "jetstream", lambda: contestants.jetstream(bench, False)),
        ("Redis, appendfsync always", "redis", lambda: contestants.redis(bench, True)),
    ]


def publish(bench):
    """POST of 1 kB to a topic, each acknowledged after fsync."""
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(bench.bellwether("local"))
        rivals = []
        for name, protocol, start in publish_rivals(bench):
            servers = start_all(bench, stack, "durable publish", [(name, start)])
            rivals += [(server, protocol) for server in servers]
        for flight in FLIGHTS:
            publish_in_flight(bench, ours, rivals, flight)


def publish_in_flight(bench, ours, rivals, flight):
    case = f"durable publish of 1 kB, {flight} in flight"
    options = ["--connections", flight, "--bytes", BODY_BYTES]
    path = ["--path", "/v1/topics/bench?durability=local"]
    disks = [Disk(bench, flight, grows) for grows in (True, False)]
    loads = [(ours, functools.partial(bench.load, "publish", ours.port, *options, *path))]
    loads += [(disk, disk.load) for disk in disks]
    loads += [(rival, functools.partial(bench.load, protocol, rival.port, *options))
              for rival, protocol in rivals]
    rates = bench.alternate(case, loads, "publishes/s")
    rows = {row.who: row for row in bench.rows if row.case == case}
    mine = rows[ours.name]
    if flight == 1:
        times = mine.p50_us / min(rows[disk.name].p50_us for disk in disks)
        bench.aim(f"{case}: p50, times that of the faster raw fdatasync", times, "≤ 2", times <= 2)
        return
    bench.aim(f"{case}: per second", mine.value, "≥ 25,000", mine.value >= 25_000)
    bench.aim(f"{case}: p99, ms", mine.p99_us / 1e3, "≤ 10", mine.p99_us <= 10_000)
    for rival, _ in rivals:
        if "default" not in rival.name:
            bench.beat(case, rates, ours.name, rival.name, 1, strictly=True)


DURABLE_CASES = {"publish": publish}
