"""Follows a stream with httpx-sse or sseclient-py, which parse and leave reconnecting to us: when a
connection fails or ends, the next URL is asked with the Last-Event-ID that the library holds.

Usage: sse --count N [--library httpx-sse|sseclient] [--timeout S] [--last-event-id ID] URL...
Prints {"url", "event", "id", "data"} a line for each event, and {"open": URL} when connected.
Exit: 0 once N events came, 1 if they did not in time, 2 wrong usage.
"""

import argparse
import itertools
import json
import os
import sys
import threading

import httpx
import httpx_sse
import sseclient


def by_httpx_sse(client, url, headers):
    with httpx_sse.connect_sse(client, "GET", url, headers=headers) as source:
        source.response.raise_for_status()
        say({"open": url})
        yield from source.iter_sse()


def by_sseclient(client, url, headers):
    headers = {"Accept": "text/event-stream", **headers}
    with client.stream("GET", url, headers=headers) as response:
        response.raise_for_status()
        say({"open": url})
        yield from sseclient.SSEClient(response.iter_raw()).events()


LIBRARIES = {"httpx-sse": by_httpx_sse, "sseclient": by_sseclient}


def say(value):
    print(json.dumps(value, ensure_ascii=False), flush=True)


def follow(options):
    """Yields (url, event), from node to node, for ever."""
    last = options.last_event_id
    pause = threading.Event()
    with httpx.Client(timeout=httpx.Timeout(options.timeout, connect=2)) as client:
        for url in itertools.cycle(options.urls):
            headers = {} if last is None else {"Last-Event-ID": last}
            try:
                for event in LIBRARIES[options.library](client, url, headers):
                    last = event.id or last
                    # httpx-sse makes an event of a block that only says `retry:`.
                    if event.data:
                        yield url, event
            except httpx.HTTPError as error:
                print(f"sse: {url}: {error!r}", file=sys.stderr, flush=True)
            pause.wait(0.1)


def give_up(options):
    print(f"sse: fewer than {options.count} events in {options.timeout} s", file=sys.stderr)
    os._exit(1)


def main():
    parser = argparse.ArgumentParser(prog="sse")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--library", choices=LIBRARIES, default="httpx-sse")
    parser.add_argument("--timeout", type=float, default=20)
    parser.add_argument("--last-event-id")
    parser.add_argument("urls", nargs="+", metavar="URL")
    options = parser.parse_args()
    deadline = threading.Timer(options.timeout, give_up, [options])
    deadline.daemon = True
    deadline.start()
    for url, event in itertools.islice(follow(options), options.count):
        say({"url": url, "event": event.event, "id": event.id or "", "data": event.data})


if __name__ == "__main__":
    main()
