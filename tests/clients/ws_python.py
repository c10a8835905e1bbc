"""Speaks over a WebSocket by PyPI's `websockets`: what comes on standard input goes out, a line a
message, and the other way round.

Usage: ws_python [--token T] [--plain] [--timeout S] URL < LINES
`--plain` offers no permessage-deflate. It closes when its input ends.
Prints {"open": extensions}, {"text"} or {"bytes"} a message, {"closed": code} at the end.
Exit: 0 when it closed, 1 when the server did or it took too long, 2 wrong usage.
"""

import argparse
import json
import os
import sys
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


def say(value):
    print(json.dumps(value), flush=True)


def listen(socket):
    try:
        for message in socket:
            say({"text": message} if isinstance(message, str) else {"bytes": message.hex()})
    except ConnectionClosed:
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--token")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--timeout", type=float, default=20)
    parser.add_argument("url")
    options = parser.parse_args()
    threading.Timer(options.timeout, lambda: os._exit(1)).start()
    headers = {"Authorization": f"Bearer {options.token}"} if options.token else None
    compression = None if options.plain else "deflate"
    with connect(options.url, additional_headers=headers, compression=compression,
                 max_size=None) as socket:
        say({"open": socket.response.headers.get("Sec-WebSocket-Extensions")})
        listener = threading.Thread(target=listen, args=(socket,))
        listener.start()
        for line in sys.stdin:
            socket.send(line.rstrip("\n"))
        # What was sent before a ping is answered before its pong, where answers wait for no disk.
        socket.ping().wait(options.timeout)
        socket.close()
        listener.join()
        say({"closed": socket.close_code})
        os._exit(0 if socket.close_code == 1000 else 1)


main()
