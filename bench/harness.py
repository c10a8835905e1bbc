"""Starts servers and loads on a core each, reads the kernel's accounts, keeps the figures."""

import dataclasses
import json
import os
import pathlib
import re
import select
import shutil
import socket
import statistics
import subprocess
import time

BENCH = pathlib.Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
START_SECONDS_MAX = 20


class Broken(Exception):
    """A server or a load that did not do what it should: no figure can be had."""


def pinned(core, command):
    pin = [] if core is None else ["taskset", "-c", str(core)]
    return [*pin, *map(str, command)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pid):
    """User and system time of all threads of a process, to the nanosecond."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


class Server:
    """A server process on its core (None: on any), from its `ready` line on."""

    def __init__(self, name, command, port, folder, core=SERVER_CORE):
        self.name, self.port = name, port
        self.log = folder / f"{name.replace(' ', '-')}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                pinned(core, command), stdout=subprocess.PIPE, stderr=log)
        try:
            self.await_ready()
        except BaseException:
            self.stop()
            raise

    def await_ready(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        output = b""
        while not re.search(rb"^ready ", output, re.MULTILINE):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                waited = f"in {START_SECONDS_MAX} s"
                raise Broken(f"{self.name} did not say ready {waited}: see {self.log}")
            chunk = os.read(self.process.stdout.fileno(), 4096)
            if not chunk:
                raise Broken(f"{self.name} ended at its start: see {self.log}")
            output += chunk

    def cpu_seconds(self):
        """User and system time of all its threads."""
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


@dataclasses.dataclass
class Row:
    """What one contestant reached in one case: medians over the rounds."""

    case: str
    who: str
    unit: str
    value: float
    cpu_s_per_million: float | None = None
    p99_us: float | None = None
    rate_ratio: float | None = None  # to the case's last contestant
    cpu_ratio: float | None = None


def medians(samples):
    """Of rate, CPU and p99; none where a load cannot say."""
    def median(key):
        values = [sample[key] for sample in samples if sample[key] is not None]
        return statistics.median(values) if values else None
    return [median(key) for key in ("per_second", "cpu", "p99_us")]


@dataclasses.dataclass
class Aim:
    """A ratio or a figure beside what was hoped for."""

    what: str
    value: float
    wanted: str
    reached: bool | None  # None: the aim does not apply here


class Bench:
    """One run: how long, with which programs, and what came out."""

    def __init__(self, options):
        self.rounds = 1 if options.smoke else options.rounds
        self.seconds = 0.3 if options.smoke else options.seconds
        self.smoke = options.smoke
        self.target = pathlib.Path(options.target).resolve()
        self.folder = self.target / "bench"
        self.stopped_seconds = options.stopped_seconds
        self.bellwether_program = options.bellwether or self.target / "release/bellwether"
        self.before_program = options.before
        self.rivals = self.target / "rivals/release"
        self.rows, self.aims, self.notes = [], [], []
        self.shared, self.endings = {}, []  # what one case leaves to later ones, and how it ends
        self.folder.mkdir(parents=True, exist_ok=True)
        if len(CORES) < 2:
            self.notes.append("one core only: server and load share it, the rates mean little")

    def bellwether(self, durability, who="bellwether"):
        """A fresh node with an HTTP and a line listener."""
        name = f"{who} {durability}"
        folder = self.folder / f"node-{who}-{durability}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        http, line = free_port(), free_port()
        config = folder / "node.toml"
        config.write_text(f"""\
name = "bench"
dir = "{folder}/data"
durability = "{durability}"
[[listen]]
protocol = "http"
endpoint = "tcp:{http}:interface=127.0.0.1"
[[listen]]
protocol = "line"
endpoint = "tcp:{line}:interface=127.0.0.1"
""")
        server = Server(name, [self.bellwether_program, "serve", config], http, self.folder)
        server.line_port = line
        return server

    def alternate(self, case, contestants, unit):
        """Loads each contestant in turn, round by round.

        A contestant is a server and a function that loads it and returns {requests, per_second,
        p99_us}. Keeps the medians, each beside the last contestant's; returns those of the rates.
        """
        samples = {server.name: [] for server, _ in contestants}
        for _ in range(self.rounds):
            for server, load in contestants:
                before = server.cpu_seconds()
                sample = load()
                cpu = server.cpu_seconds() - before
                if not sample["requests"]:
                    raise Broken(f"{case}: {server.name} answered nothing")
                samples[server.name].append({**sample, "cpu": cpu / sample["requests"] * 1e6})
        rows = [Row(case, name, unit, *medians(taken)) for name, taken in samples.items()]
        for row in rows[:-1]:
            row.rate_ratio = row.value / rows[-1].value
            if rows[-1].cpu_s_per_million:
                row.cpu_ratio = row.cpu_s_per_million / rows[-1].cpu_s_per_million
        self.rows += rows
        return {row.who: row.value for row in rows}

    def load(self, mode, port, *options):
        """Runs the load generator on its core."""
        command = [self.rivals / "load", mode, port, "--seconds", self.seconds, *options]
        done = subprocess.run(pinned(LOAD_CORE, command), capture_output=True, text=True)
        if done.returncode:
            raise Broken(f"load {mode} failed: {done.stderr.strip()}")
        sample = json.loads(done.stdout)
        if sample["errors"]:
            raise Broken(f"load {mode}: {sample['errors']} wrong answers: {done.stderr.strip()}")
        return sample

    def wrk(self, port, *options):
        """Runs wrk at 64 connections against /hello."""
        seconds = max(1, round(self.seconds))
        command = ["wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", *options,
                   f"http://127.0.0.1:{port}/hello"]
        done = subprocess.run(pinned(LOAD_CORE, command), capture_output=True, text=True)
        text = done.stdout
        if done.returncode or "Socket errors" in text or "Non-2xx" in text:
            raise Broken(f"wrk: {text.strip()} {done.stderr.strip()}")
        number, scale = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
        p99_us = float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[scale]
        return {
            "requests": int(re.search(r"(\d+) requests in", text)[1]),
            "per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
            "p99_us": p99_us or None,  # wrk has none for pipelined requests
        }

    def at_end(self, ending):
        """Has this called when all cases are over."""
        self.endings.append(ending)

    def clean(self):
        """Ends what is shared and removes the nodes' data; the logs and results stay."""
        for ending in self.endings:
            ending()
        for folder in self.folder.glob("node-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, row):
        self.rows.append(row)

    def aim(self, what, value, wanted, reached):
        self.aims.append(Aim(what, value, wanted, reached))
