"""The baseline: a server of the IAMAT/WHATSAT/AT herd protocol as a Twisted user would write it.

LineReceiver, one table in memory, flooding over kept connections to configured peers, no
durability. It does what the protocol asks (exact decimal times, the stored line answered byte for
byte, unknown lines echoed behind `? `) and avoids the slowdowns of herds in the wild: no log line
a request, no connection an update. It has no places of its own: WHATSAT lists none.

Usage: server.py NAME PORT [--at-port PORT] [--peer HOST:PORT ...]
AT lines are taken on the --at-port only, and sent to each --peer. Prints `ready NAME`.
"""

import argparse
import json
import re
import time
from decimal import Decimal

from twisted.internet import reactor
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, ReconnectingClientFactory
from twisted.protocols.basic import LineReceiver
from zope.interface import implementer

LATLON = re.compile(rb"([+-]\d{1,3}(?:\.\d+)?)([+-]\d{1,3}(?:\.\d+)?)").fullmatch
NUMBER = re.compile(rb"\d+(?:\.\d+)?").fullmatch
DIGITS = re.compile(rb"\d+").fullmatch
AHEAD_SECONDS_MAX = 24 * 3600
NO_PLACES = json.dumps({"html_attributions": [], "results": [], "status": "OK"}).encode()


class Herd:
    """What this server knows: who was where, and whom to tell."""

    def __init__(self, name):
        self.name = name
        self.reports = {}  # id -> ((time, origin, line), line)
        self.peers = set()

    def learn(self, client, when, origin, line, source=None):
        """Takes a report if it is newer, and tells the peers; returns the line now held."""
        order = (when, origin, line)
        held = self.reports.get(client)
        if held is not None and (order <= held[0] or (source is None and when == held[0][0])):
            return held[1]
        self.reports[client] = (order, line)
        for peer in self.peers:
            if peer is not source:
                peer.sendLine(line)
        return line


def place_is_valid(latlon):
    match = LATLON(latlon)
    return match and abs(float(match[1])) <= 90 and abs(float(match[2])) <= 180


@implementer(IHalfCloseableProtocol)
class Client(LineReceiver):
    delimiter = b"\n"
    MAX_LENGTH = 65_536

    def __init__(self, herd):
        self.herd = herd

    def connectionMade(self):
        self.transport.setTcpNoDelay(True)

    def lineReceived(self, line):
        fields = line.split()
        answer = None
        if len(fields) == 4:
            if fields[0] == b"IAMAT":
                answer = self.iamat(*fields[1:])
            elif fields[0] == b"WHATSAT":
                answer = self.whatsat(*fields[1:])
        self.sendLine(b"? " + line.removesuffix(b"\r") if answer is None else answer)

    def iamat(self, client, latlon, sent):
        if not NUMBER(sent) or not place_is_valid(latlon):
            return None
        when, now = Decimal(sent.decode()), Decimal(time.time_ns()).scaleb(-9)
        if when - now > AHEAD_SECONDS_MAX:
            return None
        skew = f"{now - when:+.9f}".encode()
        line = b" ".join((b"AT", self.herd.name, skew, client, latlon, sent))
        return self.herd.learn(client, when, self.herd.name, line)

    def whatsat(self, client, radius, bound):
        if not NUMBER(radius) or not DIGITS(bound) or float(radius) > 50 or int(bound) > 20:
            return None
        held = self.herd.reports.get(client)
        return held and held[1] + b"\n" + NO_PLACES + b"\n"

    def lineLengthExceeded(self, line):
        self.sendLine(b"? " + line[:1024])

    def readConnectionLost(self):
        rest = self.clearLineBuffer()
        if rest:
            self.lineReceived(rest)
        self.transport.loseConnection()

    def writeConnectionLost(self):
        pass


class Peer(LineReceiver):
    """A link to or from another server: AT lines in, or AT lines out."""

    delimiter = b"\n"

    def __init__(self, herd):
        self.herd = herd

    def lineReceived(self, line):
        fields = line.split()
        if len(fields) not in (6, 7) or fields[0] != b"AT":
            return
        _, origin, _, client, latlon, sent = fields[:6]
        if NUMBER(sent) and place_is_valid(latlon):
            self.herd.learn(client, Decimal(sent.decode()), origin, b" ".join(fields[:6]), self)


class OutgoingPeer(Peer):
    def connectionMade(self):
        self.transport.setTcpNoDelay(True)
        self.factory.resetDelay()
        self.herd.peers.add(self)

    def connectionLost(self, reason):
        self.herd.peers.discard(self)


class PeerFactory(ReconnectingClientFactory):
    noisy = False
    maxDelay = 5

    def __init__(self, herd):
        self.herd = herd

    def buildProtocol(self, address):
        peer = OutgoingPeer(self.herd)
        peer.factory = self
        return peer


class ServerFactory(Factory):
    noisy = False

    def __init__(self, protocol, herd):
        self.make, self.herd = protocol, herd

    def buildProtocol(self, address):
        return self.make(self.herd)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("name")
    parser.add_argument("port", type=int)
    parser.add_argument("--at-port", type=int)
    parser.add_argument("--peer", action="append", default=[], metavar="HOST:PORT")
    options = parser.parse_args()
    herd = Herd(options.name.encode())
    reactor.listenTCP(options.port, ServerFactory(Client, herd), 1024, "127.0.0.1")
    if options.at_port is not None:
        reactor.listenTCP(options.at_port, ServerFactory(Peer, herd), 50, "127.0.0.1")
    for peer in options.peer:
        host, port = peer.rsplit(":", 1)
        reactor.connectTCP(host, int(port), PeerFactory(herd))
    reactor.callWhenRunning(print, f"ready {options.name}", flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
