"""TLS 1.3: handshakes, full and taken up again, and long answers, beside nginx with the same key."""

import contextlib
import functools
import re
import shutil
import subprocess

import contestants
from harness import LOAD_CORE, Broken, free_port, percentile_us, pinned
from web_cases import put_story, start_all

NAME = "localhost"
LONG_BYTES = 1_000_000
CLIENTS = 4  # of `openssl s_time`, which has one connection at a time


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


def wrk(bench, port, path, *options):
    """Runs wrk over TLS; it takes no session up again."""
    seconds = max(1, round(bench.seconds))
    command = ["wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", *options,
               f"https://127.0.0.1:{port}{path}"]
    done = subprocess.run(pinned(LOAD_CORE, command), capture_output=True, text=True)
    text = done.stdout
    if done.returncode or "Non-2xx" in text or "Requests/sec" not in text:
        raise Broken(f"wrk: {text.strip()} {done.stderr.strip()}")
    return {
        "requests": int(re.search(r"(\d+) requests in", text)[1]),
        "per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
        "p50_us": percentile_us(text, 50), "p99_us": percentile_us(text, 99),
    }


def resumed(bench, port):
    """Several `openssl s_time -reuse` side by side, each with a request on each connection."""
    seconds = max(1, round(bench.seconds))
    command = pinned(LOAD_CORE, ["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-tls1_3",
                                 "-www", "/hello", "-reuse", "-time", seconds])
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
               for _ in range(CLIENTS)]
    requests = 0
    for client in clients:
        said, error = client.communicate()
        found = re.search(r"(\d+) connections in \d+ real seconds", said)
        if client.returncode or not found:
            raise Broken(f"openssl s_time: {said.strip()} {error.strip()}")
        # It prints an r for each session that was taken up again, and * for others.
        marks = said.rpartition("starting")[2].split("\n\n")[0]
        if marks.count("r") <= marks.count("*"):
            raise Broken("openssl s_time: sessions are not taken up again")
        requests += int(found[1])
    return {"requests": requests, "per_second": requests / seconds}


def tls(bench):
    """Handshakes and long answers, one worker each."""
    folder = certificates(bench)
    files = bench.folder / "node-files"
    files.mkdir(exist_ok=True)
    ways = (
        ("TLS 1.3, a full handshake per request", "handshakes/s",
         lambda port, _: wrk(bench, port, "/hello", "-H", "Connection: close")),
        ("TLS 1.3, a resumed handshake per request", "handshakes/s",
         lambda port, _: resumed(bench, port)),
        ("TLS 1.3, answers of 1 MB", "answers/s",
         lambda port, long: wrk(bench, port, long, "-H", "Accept: text/plain")),
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
