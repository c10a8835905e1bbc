"""`GET /hello` in Twisted Web as its own howto shows it: a Resource, a Site, no access log.

Usage: web.py PORT, on 127.0.0.1. Prints `ready twisted`.
"""

import sys

from twisted.internet import reactor
from twisted.web import resource, server


class Hello(resource.Resource):
    isLeaf = True

    def render_GET(self, request):
        request.setHeader(b"content-type", b"text/plain")
        return b"Hello, World!"


class QuietSite(server.Site):
    def log(self, request):
        """A line a request would cost this side more than the others pay."""


def main():
    root = resource.Resource()
    root.putChild(b"hello", Hello())
    site = QuietSite(root)
    site.noisy = False
    reactor.listenTCP(int(sys.argv[1]), site, 4096, "127.0.0.1")
    reactor.callWhenRunning(print, "ready twisted", flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
