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
import sys
import time

BENCH = pathlib.Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
START_SECONDS_MAX = 20


class Broken(Exception):
    """A server or a load that did not do what it should: no figure can be had."""


class Missing(Exception):
    """A rival that is not installed, or not built."""


def pinned(core, command):
    pin = [] if core is None else ["taskset", "-c", str(core)]
    return [*pin, *map(str, command)]


def on_both(command):
    """A load of which the server's core has a second one, which only runs while the server waits.

    For what costs the client more than the server: with a core each, all servers would be as fast
    as the client.
    """
    return [pinned(LOAD_CORE, command), ["chrt", "--idle", "0", *pinned(SERVER_CORE, command)]]


def spoken(commands):
    """Runs commands side by side; what each wrote."""
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
               for command in commands]
    told = [client.communicate() for client in clients]
    for client, (text, error) in zip(clients, told):
        if client.returncode:
            raise Broken(f"{client.args}: {text.strip()} {error.strip()}")
    return [text for text, _ in told]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pid):
    """User and system time of all threads of a process, to the nanosecond."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def process_and_children(pid):
    pids = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            pids += process_and_children(int(child))
    return pids


class Server:
    """A server process on its core (None: on any), from its `ready` line on.

    One that says nothing is ready when its port takes a connection.
    """

    def __init__(self, name, command, port, folder, core=SERVER_CORE, says_ready=True):
        self.name, self.port = name, port
        self.log = folder / f"{name.replace(' ', '-').replace('/', '-')}.log"
        with open(self.log, "wb") as log:
            # Nobody reads the pipe of one that does not say `ready`: full, it would stop it.
            output = subprocess.PIPE if says_ready else log
            self.process = subprocess.Popen(
                pinned(core, command), stdout=output, stderr=log)
        try:
            if says_ready:
                self.await_ready()
            else:
                self.await_port()
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

    def await_port(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    raise Broken(f"{self.name} ended at its start: see {self.log}") from None
                if time.monotonic() > deadline:
                    raise Broken(f"{self.name} takes no connection: see {self.log}") from None
                time.sleep(0.02)

    def cpu_seconds(self):
        """User and system time of all its threads and of its processes."""
        ticks = 0
        for pid in process_and_children(self.process.pid):
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
            fields = stat.rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS

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


class Group:
    """Servers that are one contestant."""

    def __init__(self, name, members):
        self.name, self.members = name, members

    def cpu_seconds(self):
        return sum(member.cpu_seconds() for member in self.members)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for member in self.members:
            member.stop()


@dataclasses.dataclass
class Row:
    """What one contestant reached in one case: medians over the rounds."""

    case: str
    who: str
    unit: str
    value: float
    cpu_s_per_million: float | None = None
    p99_us: float | None = None
    p50_us: float | None = None
    rate_ratio: float | None = None  # the case's first contestant, which is ours, to this one
    cpu_ratio: float | None = None


def medians(samples):
    """Of rate, CPU, p99 and p50; none where a load cannot say."""
    def median(key):
        values = [sample[key] for sample in samples if sample.get(key) is not None]
        return statistics.median(values) if values else None
    return [median(key) for key in ("per_second", "cpu", "p99_us", "p50_us")]


@dataclasses.dataclass
class Aim:
    """A ratio or a figure beside what was hoped for."""

    what: str
    value: float
    wanted: str
    reached: bool | None  # None: the aim does not apply here


def measured(case, server, load):
    """One sample, with the server's CPU seconds per million requests."""
    before = server.cpu_seconds()
    sample = load()
    cpu = server.cpu_seconds() - before
    if not sample["requests"]:
        raise Broken(f"{case}: {server.name} answered nothing")
    return {"cpu": cpu / sample["requests"] * 1e6, **sample}


def percentile_us(text, percent):
    """Of wrk's latency distribution; none where it is zero."""
    number, scale = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[scale] or None


def wrk_sample(text):
    """What wrk said; it has no latency of pipelined requests."""
    if "Socket errors" in text or "Non-2xx" in text or "Requests/sec" not in text:
        raise Broken(f"wrk: {text.strip()}")
    return {
        "requests": int(re.search(r"(\d+) requests in", text)[1]),
        "per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
        "p50_us": percentile_us(text, 50), "p99_us": percentile_us(text, 99),
    }


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
        self.rows, self.aims, self.notes, self.missing = [], [], [], []
        self.shared, self.endings = {}, []  # what one case leaves to later ones, and how it ends
        self.load_average = os.getloadavg()[0]
        self.folder.mkdir(parents=True, exist_ok=True)
        if len(CORES) < 2:
            self.notes.append("one core only: server and load share it, the rates mean little")

    def bellwether(self, durability, who="bellwether", more=""):
        """A fresh node with an HTTP and a line listener, and more of a configuration."""
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
{more}""")
        server = Server(name, [self.bellwether_program, "serve", config], http, self.folder)
        server.line_port = line
        return server

    def alternate(self, case, contestants, unit):
        """Loads each contestant in turn, round by round.

        A contestant is a server and a function that loads it and returns {requests, per_second,
        p99_us}. Ours comes first; a rival that fails is out, loudly. Keeps the medians, each
        beside the first contestant's; returns those of the rates.
        """
        samples = {server.name: [] for server, _ in contestants}
        ours = contestants[0][0].name
        for _ in range(self.rounds):
            for server, load in contestants:
                if server.name not in samples:
                    continue
                try:
                    samples[server.name].append(measured(case, server, load))
                except Broken as error:
                    if server.name == ours:
                        raise
                    self.miss(case, server.name, error)
                    del samples[server.name]
        rows = [Row(case, name, unit, *medians(taken)) for name, taken in samples.items()]
        for row in rows[1:]:
            row.rate_ratio = rows[0].value / row.value
            if row.cpu_s_per_million and rows[0].cpu_s_per_million:
                row.cpu_ratio = rows[0].cpu_s_per_million / row.cpu_s_per_million
        self.rows += rows
        return {row.who: row.value for row in rows}

    def miss(self, case, who, why):
        """Says that a rival is not in the figures; in a smoke run that is a failure."""
        line = f"{case}: NOT MEASURED: {who}: {why}"
        if self.smoke:
            raise Broken(line)
        print(f"*** {line}", file=sys.stderr, flush=True)
        self.missing.append(line)

    def beat(self, case, rates, ours, rival, least, strictly=False):
        """An aim: ours at so many times that rival, if it was there."""
        if rival not in rates:
            return
        ratio = rates[ours] / rates[rival]
        reached = ratio > least if strictly else ratio >= least
        sign = ">" if strictly else "≥"
        self.aim(f"{case}: {ours} / {rival}", ratio, f"{sign} {least:g}", reached)

    def load(self, mode, port, *options):
        """Runs the load generator on its core."""
        return self.client("load", [mode, port, "--seconds", self.seconds, *options])

    def client(self, program, options):
        command = [self.rivals / program, *options]
        done = subprocess.run(pinned(LOAD_CORE, command), capture_output=True, text=True)
        what = f"{program} {options[0]}"
        if done.returncode:
            raise Broken(f"{what} failed: {done.stderr.strip()}")
        sample = json.loads(done.stdout)
        if sample["errors"]:
            raise Broken(f"{what}: {sample['errors']} wrong answers: {done.stderr.strip()}")
        return sample

    def fanout(self, protocol, ports, *options):
        """Runs the fan-out's readers and publisher on the load's core."""
        return self.client("fanout", [protocol, *ports, *options])

    def wrk(self, port, *options, path="/hello", connections=64):
        """Runs wrk on the load's core."""
        seconds = max(1, round(self.seconds))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *options,
                   f"http://127.0.0.1:{port}{path}"]
        return wrk_sample(*spoken([pinned(LOAD_CORE, command)]))

    def own_load(self, url, *options):
        """Runs the program's own load generator on the load's core."""
        command = [self.bellwether_program, "load", url, "--json", "--warmup", "0.2",
                   "--duration", self.seconds, *options]
        done = subprocess.run(pinned(LOAD_CORE, command), capture_output=True, text=True)
        if done.returncode:
            raise Broken(f"load {url}: {done.stderr.strip()}")
        found = json.loads(done.stdout)
        if any(found["errors"].values()):
            raise Broken(f"load {url}: {found['errors']}")
        latency = found["latency_us"]
        return {"requests": found["requests"], "per_second": found["per_second"],
                "p50_us": latency["p50"], "p99_us": latency["p99"]}

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
