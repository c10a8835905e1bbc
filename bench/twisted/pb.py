"""A Perspective Broker server as Twisted's own howto shows it: a Root with remote methods.

`hello` answers with a text, `read` with a dictionary in memory that has the keys of a story's JSON.

Usage: pb.py PORT, on 127.0.0.1. Prints `ready twisted`.
"""

import sys

from twisted.internet import reactor
from twisted.spread import pb

ID = "0123456789abcdef" * 4
STORY = {
    "id": ID, "title": "bench", "headline": "", "media_type": "text/plain", "section": "",
    "body": ("All the news that fits on one line of this story. " * 100)[:1000], "summary": "",
    "author": "", "language": "", "located": None, "at": "2026-11-22T01:28:00.000Z",
    "origin": "bench", "seq": 1, "base": [], "generation": 1, "conflicts": [],
}


class Root(pb.Root):
    def remote_hello(self):
        return "Hello, World!"

    def remote_read(self, title):
        return STORY


def main():
    factory = pb.PBServerFactory(Root())
    factory.noisy = False
    reactor.listenTCP(int(sys.argv[1]), factory, 4096, "127.0.0.1")
    reactor.callWhenRunning(print, "ready twisted", flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
