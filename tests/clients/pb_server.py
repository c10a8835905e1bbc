"""A Perspective Broker server on Twisted's own pb, for our side as its client.

Usage: pb_server
Listens on a free port of 127.0.0.1 and prints {"listening": port}. Its root has echo(*args, **named),
boom(text) (a ValueError), callme(callback, times), pages(collector, bytes), strange() (an answer of
a class that no client knows), and the logins: alice with the password secret, and anonymous; their
avatars have whoami() and echo. Prints {"logout": who} when an avatar's time is over, {"called": …}
what a callback answered. Ends at end of input.
"""

import json

from twisted.cred import checkers, portal
from twisted.internet import defer, reactor, stdio
from twisted.protocols.basic import LineReceiver
from twisted.spread import pb, util
from zope.interface import implementer


def say(**value):
    print(json.dumps(value, default=repr), flush=True)


class Strange(pb.Copyable):
    pass


class Methods:
    def echo(self, *args, **named):
        return [list(args), named]

    def boom(self, text):
        raise ValueError(text)

    def callme(self, callback, times):
        asked = [callback.callRemote("notify", n, word="w") for n in range(times)]
        done = defer.gatherResults(asked)
        done.addCallback(lambda answers: say(called=answers))
        return done.addCallback(lambda _: times)

    def pages(self, collector, size):
        util.StringPager(collector, b"x" * size, 8192)

    def strange(self):
        return Strange()


class Avatar(pb.Avatar, Methods):
    def __init__(self, name):
        self.name = name

    def perspective_whoami(self):
        return self.name


for name in ("echo", "boom", "callme", "pages", "strange"):
    setattr(Avatar, f"perspective_{name}", getattr(Methods, name))


@implementer(portal.IRealm)
class Realm:
    def requestAvatar(self, who, mind, *interfaces):
        name = "anonymous" if who is checkers.ANONYMOUS else who.decode()
        return pb.IPerspective, Avatar(name), lambda: say(logout=name)


class Root(pb._PortalRoot):
    """A portal's root that can be called without a login, too."""

    def rootObject(self, broker):
        wrapper = super().rootObject(broker)
        for name in ("echo", "boom", "callme", "pages", "strange"):
            setattr(wrapper, f"remote_{name}", getattr(Methods(), name))
        return wrapper


class Input(LineReceiver):
    delimiter = b"\n"

    def lineReceived(self, line):
        pass

    def connectionLost(self, reason):
        reactor.stop()


def main():
    known = checkers.InMemoryUsernamePasswordDatabaseDontUse(alice=b"secret")
    rooms = portal.Portal(Realm(), [known, checkers.AllowAnonymousAccess()])
    factory = pb.PBServerFactory(Root(rooms))
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    stdio.StandardIO(Input())
    reactor.callWhenRunning(lambda: say(listening=port.getHost().port))
    reactor.run()


if __name__ == "__main__":
    main()
