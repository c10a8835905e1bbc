"""A person at a Telnet console, with telnetlib3's client.

Usage: telnet [--timeout SECONDS] [--columns N] [--rows N] HOST PORT
Reads steps from standard input, one a line, texts with the escapes of JSON's strings:
    expect TEXT   waits until this was shown, and forgets what was shown up to there
    send TEXT     sends it
    slow TEXT     sends it one byte at a time, each in a segment of its own, and waits for nothing
    end           waits until the server closes
Prints {"did": N} after each. Exit: 0 when all steps were done, 1 otherwise.
"""

import argparse
import asyncio
import json
import socket
import sys

import telnetlib3


class Person:
    def __init__(self, reader, writer, timeout):
        self.reader, self.writer, self.timeout = reader, writer, timeout
        self.shown = ""

    async def more(self):
        data = await asyncio.wait_for(self.reader.read(4096), self.timeout)
        self.shown += data
        return bool(data)

    async def expect(self, text):
        while text not in self.shown:
            if not await self.more():
                raise EOFError("the server closed")
        self.shown = self.shown.split(text, 1)[1]

    async def end(self):
        while await self.more():
            pass

    def slow(self, text):
        raw = self.writer.transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in text.encode():
            self.writer.transport.write(bytes([byte]))

    async def do(self, step):
        verb, _, text = step.partition(" ")
        text = json.loads(f'"{text}"')
        if verb == "expect":
            await self.expect(text)
        elif verb == "send":
            self.writer.write(text)
        elif verb == "slow":
            self.slow(text)
        elif verb == "end":
            await self.end()
        else:
            raise ValueError(f"no step {verb}")


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--timeout", type=float, default=20)
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    reader, writer = await telnetlib3.open_connection(
        options.host, options.port, encoding="utf-8", term="xterm-256color",
        cols=options.columns, rows=options.rows)
    person = Person(reader, writer, options.timeout)
    loop = asyncio.get_running_loop()
    count = 0
    while step := (await loop.run_in_executor(None, sys.stdin.readline)).rstrip("\n"):
        try:
            await person.do(step)
        except (EOFError, ValueError, asyncio.TimeoutError) as error:
            print(f"telnet: {step}: {error!r}, shown: {person.shown!r}", file=sys.stderr)
            return 1
        count += 1
        print(json.dumps({"did": count}), flush=True)
    writer.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
