"""A way between two nodes that takes its time, and counts what goes over it.

TCP on loopback, carried by this process: each piece is handed on when it has been under way for as
long as it should be. No rate, no loss; TCP's own handshake takes no time.
"""

import asyncio
import selectors
import threading
import time

TLS_HANDSHAKE, TLS_APPLICATION_DATA = 22, 23


class DelayedWay:
    """Listens on `port` and leads to another; `delay_s` is the time of one direction."""

    def __init__(self, to_port):
        self.to_port, self.delay_s = to_port, 0
        self.passed = []  # (when, bytes, is_from_dialler, connection)
        self.links = []
        # Unlike epoll, select waits by the microsecond.
        self.loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.server = self.call(asyncio.start_server(self.lead, "127.0.0.1", 0))
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        self.close_gate()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    async def lead(self, reader, writer):
        try:
            other = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.close()
            return
        link = (writer, other[1])
        self.links.append(link)
        self.accepted = time.monotonic()
        ways = (self.carry(reader, other[1], True, link), self.carry(other[0], writer, False, link))
        await asyncio.gather(*ways)

    async def carry(self, reader, writer, is_from_dialler, link):
        while piece := await self.read(reader):
            self.passed.append((time.monotonic(), piece, is_from_dialler, id(link)))
            self.loop.call_later(self.delay_s, writer.write, piece)
        self.loop.call_later(self.delay_s, writer.close)

    @staticmethod
    async def read(reader):
        try:
            return await reader.read(1 << 16)
        except OSError:
            return b""

    def cut(self):
        """Ends all connections, which may come again; when it did."""
        start = time.monotonic()
        self.call(self.end_links())
        return start

    async def end_links(self):
        for link in self.links:
            for writer in link:
                writer.close()
        self.links.clear()

    def close_gate(self):
        """Lets nobody through from now on."""
        self.server.close()
        self.cut()

    def open_gate(self):
        """Lets them through again; when the next connection began."""
        self.accepted = None
        self.server = self.call(asyncio.start_server(self.lead, "127.0.0.1", self.port))
        while self.accepted is None:
            time.sleep(0.001)
        return self.accepted

    def quiet(self):
        """Waits until nothing has passed for a while."""
        while self.passed and time.monotonic() - self.passed[-1][0] < 0.5:
            time.sleep(0.05)

    def authenticated_since(self, start):
        """When a dialler's last flight of the handshake came by: it knows then whom it met."""
        way = bytearray()
        for when, piece, is_from_dialler, _ in list(self.passed):
            if when >= start and is_from_dialler:
                way.extend(piece)
                if TLS_APPLICATION_DATA in kinds(bytes(way)):
                    return when
        return None

    def bytes_since(self, start, beyond_handshake=False):
        """How many bytes passed, both ways; only those behind the handshake of TLS if told so."""
        ways = {}
        for when, piece, is_from_dialler, link in list(self.passed):
            if when >= start:
                ways.setdefault((link, is_from_dialler), bytearray()).extend(piece)
        if not beyond_handshake:
            return sum(map(len, ways.values()))
        return sum(spoken(bytes(way)) for way in ways.values())


def kinds(way):
    """The types of the records that one direction began."""
    at, found = 0, []
    while at + 5 <= len(way):
        found.append(way[at])
        at += 5 + int.from_bytes(way[at + 3:at + 5], "big")
    return found


def spoken(way):
    """The bytes of one direction behind its handshake, whose encrypted part is one record (RFC 8446)."""
    if way[:1] != bytes([TLS_HANDSHAKE]):
        return len(way)
    at, is_behind, count = 0, False, 0
    while at + 5 <= len(way):
        bytes_with_head = 5 + int.from_bytes(way[at + 3:at + 5], "big")
        if is_behind:
            count += bytes_with_head
        is_behind = is_behind or way[at] == TLS_APPLICATION_DATA
        at += bytes_with_head
    return count
