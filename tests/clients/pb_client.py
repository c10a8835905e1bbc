"""A Perspective Broker client on Twisted's own pb: calls a node, is called back, logs in, pages.

Usage: pb_client PORT [--login NAME PASSWORD | --anonymous] STEP…
Each STEP is JSON: ["call", METHOD, [ARG…], {NAME: VALUE}] (an ARG {"bytes": [N…]} is bytes,
{"text": TEXT, "times": N} a long text), ["subscribe", {NAME: VALUE}, COUNT] and ["await", COUNT]
(until so many updates have come in all), ["unsubscribe"], ["pages", METHOD, [ARG…]], ["drop"] (lets
go of the avatar), ["reconnect"], ["cut", SIZE] (what is sent from here on goes out in pieces of so
many bytes, each in a write of its own).
Prints JSON lines: {"answer": …}, {"failure": class, "value", "parents", "problem"}, {"update":
cursor, "is": …}, {"gap": cursor, "is": …}, {"pages": [sizes], "text"}, {"lost": true}.
"""

import json
import sys

from twisted.cred.credentials import UsernamePassword
from twisted.internet import defer, reactor, task
from twisted.spread import pb, util


def say(**value):
    print(json.dumps(value, default=repr), flush=True)


class Callback(pb.Referenceable):
    """What the node calls."""

    def __init__(self):
        self.count, self.waiting = 0, []

    def remote_update(self, cursor, update):
        say(update=cursor, **{"is": update})
        self.count += 1
        self.waiting = [(count, done) for count, done in self.waiting if not self.fire(count, done)]

    def fire(self, count, done):
        if self.count >= count:
            done.callback(None)
            return True
        return False

    def remote_gap(self, cursor, gap):
        say(gap=cursor, **{"is": gap})

    def until(self, count):
        done = defer.Deferred()
        if not self.fire(count, done):
            self.waiting.append((count, done))
        return done


def made(arg):
    """What an argument in JSON stands for."""
    if isinstance(arg, list):
        return [made(part) for part in arg]
    if isinstance(arg, dict) and "bytes" in arg:
        return bytes(arg["bytes"])
    if isinstance(arg, dict) and "times" in arg:
        return arg["text"] * arg["times"]
    return arg


class Cut:
    """A transport that writes in pieces, one in each turn of the reactor."""

    def __init__(self, transport):
        self.transport, self.size, self.waiting = transport, 1, bytearray()
        transport.setTcpNoDelay(True)

    def __getattr__(self, name):
        return getattr(self.transport, name)

    def write(self, data):
        if not self.waiting:
            reactor.callLater(0, self.turn)
        self.waiting += data

    def turn(self):
        self.transport.write(bytes(self.waiting[:self.size]))
        del self.waiting[:self.size]
        if self.waiting:
            reactor.callLater(0, self.turn)


class Told(Exception):
    """A failure was shown."""


async def ask(deferred):
    """The answer; a failure is shown as it came, before it becomes an exception."""
    answer, failure = await deferred.addCallbacks(lambda answer: (answer, None),
                                                  lambda failure: (None, failure))
    if failure is None:
        return answer
    kind = failure.type.decode() if isinstance(failure.type, bytes) else str(failure.type)
    say(failure=kind, value=str(failure.value), parents=list(map(str, failure.parents)),
        problem=getattr(failure, "problem", None))
    raise Told


class Run:
    def __init__(self, port, login):
        self.port, self.login, self.callback = port, login, Callback()

    async def connect(self):
        self.factory = pb.PBClientFactory()
        reactor.connectTCP("127.0.0.1", self.port, self.factory)
        self.root = await ask(self.factory.getRootObject())
        self.root.notifyOnDisconnect(lambda _: say(lost=True))
        self.object = self.root
        if self.login == "anonymous":
            self.object = await ask(self.root.callRemote("loginAnonymous", None))
        elif self.login:
            name, password = (text.encode() for text in self.login)
            credentials = UsernamePassword(name, password)
            self.object = await ask(self.factory.login(credentials, self.callback))

    async def step(self, step):
        kind, *rest = step
        if kind == "call":
            method, args, named = rest + [[], {}][len(rest) - 1:]
            say(answer=await ask(self.object.callRemote(method, *made(args), **named)))
        elif kind == "subscribe":
            say(answer=await ask(self.object.callRemote("subscribe", self.callback, **rest[0])))
            await self.callback.until(rest[1])
        elif kind == "await":
            await self.callback.until(rest[0])
        elif kind == "unsubscribe":
            say(answer=await ask(self.object.callRemote("unsubscribe", self.callback)))
        elif kind == "pages":
            method, args = rest
            pages = await ask(util.getAllPages(self.object, method, *args))
            say(pages=[len(page) for page in pages], text=b"".join(pages).decode())
        elif kind == "drop":
            self.object = self.root
        elif kind == "cut":
            broker = self.root.broker
            if not isinstance(broker.transport, Cut):
                broker.transport = Cut(broker.transport)
            broker.transport.size = rest[0]
        elif kind == "reconnect":
            self.factory.disconnect()
            self.object = self.root = None
            await self.connect()
        else:
            raise ValueError(kind)

    async def main(self, steps):
        try:
            await self.connect()
        except Told:
            return
        for step in steps:
            try:
                await self.step(json.loads(step))
            except Told:
                pass


def main():
    port, rest, login = int(sys.argv[1]), sys.argv[2:], None
    if rest[:1] == ["--login"]:
        login, rest = (rest[1], rest[2]), rest[3:]
    elif rest[:1] == ["--anonymous"]:
        login, rest = "anonymous", rest[1:]
    run = Run(port, login)
    task.react(lambda _: defer.ensureDeferred(run.main(rest)))


if __name__ == "__main__":
    main()
