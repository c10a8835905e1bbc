"""TLS 1.3: handshakes, full and taken up again, and long answers, beside nginx with the same key."""

import contextlib
import functools
import re
import shutil
import subprocess
import time

import contestants
from harness import LOAD_CORE, Broken, free_port, on_both, pinned, spoken, wrk_sample
from web_cases import put_story, start_all

NAME = "localhost"
LONG_BYTES = 1_000_000
CLIENTS = 8  # of `openssl s_time` on each core; each has one connection at a time


def certificates(bench):
    """The folder of a certificate with its key; both servers show the same."""
    folder = bench.folder / "node-certificates"
    shutil.rmtree(folder, ignore_errors=True)
    command = [bench.bellwether_program, "dev-cert", "--dir", folder, NAME]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return folder


def bellwether_tls(bench, folder):
    """A fresh node that serves HTTP over TLS, too, at `tls_port`."""
    port = free_port()
    listen = f'[[listen]]\nprotocol = "http"\n' \
        f'endpoint = "tls:{folder}:port={port}:interface=127.0.0.1"\n'
    server = bench.bellwether("none", who="bellwether-tls", more=listen)
    server.tls_port = port
    return server


def wrk_command(bench, port, path, *options):
    """wrk over TLS; it takes no session up again."""
    seconds = max(1, round(bench.seconds))
    return ["wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", *options,
            f"https://127.0.0.1:{port}{path}"]


def full(bench, port):
    """A connection and handshake for each request; percentiles are those of the load's core."""
    # It may get no turn for long on the server's core.
    command = wrk_command(bench, port, "/hello", "-H", "Connection: close", "--timeout", "1m")
    samples = [wrk_sample(text) for text in spoken(on_both(command))]
    return {**samples[0], "requests": sum(sample["requests"] for sample in samples),
            "per_second": sum(sample["per_second"] for sample in samples)}


def long_answers(bench, port, path):
    """Answers of 1 MB on kept connections."""
    command = wrk_command(bench, port, path, "-H", "Accept: text/plain")
    return wrk_sample(*spoken([pinned(LOAD_CORE, command)]))


def resumed(bench, port):
    """Several `openssl s_time -reuse` side by side, each with a request on each connection."""
    seconds = max(1, round(bench.seconds))
    command = ["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-tls1_3",
               "-www", "/hello", "-reuse", "-time", str(seconds)]
    # It runs on to the end of a second of the clock, so from the start of one it has one more.
    time.sleep(1 - time.time() % 1)
    requests = 0
    for said in spoken(on_both(command) * CLIENTS):
        found = re.search(r"(\d+) connections in \d+ real seconds", said)
        # It prints an r for each session that was taken up again, and * for others; neither where
        # it got no turn on the server's core.
        marks = said.rpartition("starting")[2].split("\n\n")[0]
        if not found or ("*" in marks and marks.count("r") <= marks.count("*")):
            raise Broken(f"openssl s_time: sessions are not taken up again: {said.strip()}")
        requests += int(found[1])
    return {"requests": requests, "per_second": requests / (seconds + 1)}


def tls(bench):
    """Handshakes and long answers, one worker each."""
    folder = certificates(bench)
    files = bench.folder / "node-files"
    files.mkdir(exist_ok=True)
    ways = (
        ("TLS 1.3, a full handshake per request", "handshakes/s",
         lambda port, _: full(bench, port)),
        ("TLS 1.3, a resumed handshake per request", "handshakes/s",
         lambda port, _: resumed(bench, port)),
        ("TLS 1.3, answers of 1 MB", "answers/s",
         lambda port, long: long_answers(bench, port, long)),
    )
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(bellwether_tls(bench, folder))
        put_story(ours.port, "long", LONG_BYTES)
        (files / "long").write_bytes(b"x" * LONG_BYTES)
        pem = folder / f"{NAME}.pem"
        starters = [("nginx", functools.partial(contestants.nginx_tls, bench, files, pem))]
        rivals = [] if bench.smoke else start_all(bench, stack, "TLS", starters)
        for case, unit, load in ways:
            loads = [(ours, functools.partial(load, ours.tls_port, "/v1/stories/long"))]
            loads += [(rival, functools.partial(load, rival.port, "/files/long"))
                      for rival in rivals]
            rates = bench.alternate(case, loads, unit)
            for rival in rivals:
                bench.beat(case, rates, ours.name, rival.name, 1)


TLS_CASES = {"tls": tls}
