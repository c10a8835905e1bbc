"""A client of the line protocol as Twisted's LineReceiver makes it.

Usage: line HOST PORT [--together] [--stay SECONDS] [--timeout SECONDS] LINE...
Sends the lines one after the other, each when the one before was answered; with --together all in
one write. Prints one JSON line an answer: {"line": first line, "json": what a WHATSAT listed, or
null}. Text stands for bytes one to one (latin-1), in arguments too. With --stay it keeps the
connection so long after the last answer and prints {"extra": line} for what should not come.
Exit: 0 when each line was answered, 1 if not in time or the server closed early.
"""

import argparse
import json
import sys

from twisted.internet import reactor
from twisted.internet.protocol import ClientFactory
from twisted.protocols.basic import LineReceiver


class Client(LineReceiver):
    delimiter = b"\n"
    MAX_LENGTH = 1 << 24

    def __init__(self, lines, together, done):
        self.unsent, self.together, self.done = list(lines), together, done
        self.unanswered = len(lines)
        self.first = None  # of a WHATSAT's answer, while its JSON comes
        self.listing = []
        self.asked = []

    def connectionMade(self):
        if self.together:
            self.transport.write(b"".join(line + b"\n" for line in self.unsent))
            self.asked, self.unsent = self.unsent, []
        else:
            self.ask()

    def ask(self):
        if self.unsent:
            line = self.unsent.pop(0)
            self.asked.append(line)
            self.sendLine(line)

    def lineReceived(self, line):
        if not self.unanswered:
            say({"extra": line.decode("latin-1")})
        elif self.first is not None:
            if line:
                self.listing.append(line)
            else:
                self.answered(self.first, json.loads(b"\n".join(self.listing)))
        elif line.startswith(b"AT ") and self.asked[0].split()[:1] == [b"WHATSAT"]:
            self.first, self.listing = line, []
        else:
            self.answered(line, None)

    def answered(self, line, listing):
        say({"line": line.decode("latin-1"), "json": listing})
        self.first = None
        self.asked.pop(0)
        self.unanswered -= 1
        self.ask()
        if not self.unanswered:
            self.done()

    def connectionLost(self, reason):
        if self.unanswered:
            fail(f"the server closed with {self.unanswered} answers to come")
        elif reactor.running:
            reactor.stop()


class Factory(ClientFactory):
    noisy = False

    def __init__(self, make):
        self.make = make

    def buildProtocol(self, address):
        return self.make()

    def clientConnectionFailed(self, connector, reason):
        fail(reason.getErrorMessage())


status = 0


def say(value):
    print(json.dumps(value), flush=True)


def fail(why):
    global status
    status = 1
    print(f"line: {why}", file=sys.stderr, flush=True)
    if reactor.running:
        reactor.stop()


def main():
    parser = argparse.ArgumentParser(prog="line")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--together", action="store_true")
    parser.add_argument("--stay", type=float, default=0)
    parser.add_argument("--timeout", type=float, default=20)
    parser.add_argument("lines", nargs="+", metavar="LINE")
    options = parser.parse_args()
    lines = [line.encode("latin-1") for line in options.lines]

    def done():
        reactor.callLater(options.stay, lambda: reactor.running and reactor.stop())

    make = lambda: Client(lines, options.together, done)
    reactor.connectTCP(options.host, options.port, Factory(make))
    reactor.callLater(options.timeout, fail, f"not all answers in {options.timeout} s")
    reactor.run()
    sys.exit(status)


if __name__ == "__main__":
    main()
