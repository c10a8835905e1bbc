"""A foreign herd's server, as far as its peers see it: takes AT lines, and says AT lines.

Usage: at_peer [--listen PORT] [--dial HOST:PORT]
Listens on 127.0.0.1 (0: any port) for what the herd floods to it. Each line of its own standard
input goes to the peer that it dials and keeps dialling; `close` closes that link (it is dialled
again at the next line). Lines given before the link is up wait for it. Ends at end of input.
Prints JSON lines: {"listening": port}, {"dialled": true}, {"accepted": n}, {"from": n, "at": line},
{"lost": n or "dialled"}, {"answered": line} for what a herd must never say. Text stands for bytes
one to one (latin-1).
"""

import argparse
import json

from twisted.internet import reactor, stdio
from twisted.internet.protocol import Factory, ReconnectingClientFactory
from twisted.protocols.basic import LineReceiver


def say(**value):
    print(json.dumps(value), flush=True)


class Inbound(LineReceiver):
    delimiter = b"\n"
    MAX_LENGTH = 1 << 20

    def __init__(self, number):
        self.number = number

    def connectionMade(self):
        say(accepted=self.number)

    def lineReceived(self, line):
        say(**{"from": self.number, "at": line.decode("latin-1")})

    def connectionLost(self, reason):
        say(lost=self.number)


class InboundFactory(Factory):
    noisy = False
    count = 0

    def buildProtocol(self, address):
        self.count += 1
        return Inbound(self.count)


class Outbound(LineReceiver):
    delimiter = b"\n"

    def connectionMade(self):
        self.transport.setTcpNoDelay(True)
        self.factory.resetDelay()
        self.factory.link = self
        say(dialled=True)
        self.factory.flush()

    def lineReceived(self, line):
        say(answered=line.decode("latin-1"))

    def connectionLost(self, reason):
        self.factory.link = None
        say(lost="dialled")


class OutboundFactory(ReconnectingClientFactory):
    noisy = False
    protocol = Outbound
    initialDelay, maxDelay = 0.05, 1.0

    def __init__(self):
        self.link, self.waiting = None, []

    def send(self, line):
        self.waiting.append(line)
        self.flush()

    def flush(self):
        while self.link and self.waiting:
            line = self.waiting.pop(0)
            if line == b"close":
                self.link.transport.loseConnection()
                self.link = None
            else:
                self.link.sendLine(line)


class Commands(LineReceiver):
    delimiter = b"\n"

    def __init__(self, outbound):
        self.outbound = outbound

    def lineReceived(self, line):
        self.outbound.send(line)

    def connectionLost(self, reason):
        # What was said last is written before the loop ends.
        if self.outbound.link:
            self.outbound.stopTrying()
            self.outbound.link.transport.loseConnection()
        reactor.callLater(0.05, reactor.stop)


def main():
    parser = argparse.ArgumentParser(prog="at_peer")
    parser.add_argument("--listen", type=int)
    parser.add_argument("--dial", metavar="HOST:PORT")
    options = parser.parse_args()
    if options.listen is not None:
        port = reactor.listenTCP(options.listen, InboundFactory(), 50, "127.0.0.1")
        say(listening=port.getHost().port)
    outbound = OutboundFactory()
    if options.dial:
        host, port = options.dial.rsplit(":", 1)
        reactor.connectTCP(host, int(port), outbound)
    stdio.StandardIO(Commands(outbound))
    reactor.run()


if __name__ == "__main__":
    main()
