"""Clients as CS 131's students and graders write them, on asyncio's streams.

Usage: cs131 STYLE HOST PORT [--timeout SECONDS] [--no-newline] [--pieces N] TEXT...
Each TEXT is a command. STYLE:
  half-close   write all, close the writing side, read to the end
  read-to-eof  write all, read to the end without closing anything: the server has to
  persistent   write one, read its answer, write the next, on one connection
  each         a fresh connection a command: write, read one answer, close
Prints one JSON line: {"answers": [text, ...]}; the first two styles have one: all that came. An
answer is a line, and with WHATSAT's goes its JSON to the blank line. Text stands for bytes one to
one (latin-1). --no-newline: the last command has no line end. --pieces: written N bytes at a time.
Exit: 0 done, 1 not in time or refused.
"""

import argparse
import asyncio
import json
import sys


async def write(writer, data, pieces):
    for at in range(0, len(data), pieces or len(data)):
        writer.write(data[at:at + (pieces or len(data))])
        await writer.drain()
        if pieces:
            await asyncio.sleep(0.001)


async def read_answer(reader, command):
    answer = await reader.readline()
    if command.split()[:1] == [b"WHATSAT"] and answer.startswith(b"AT "):
        answer += await reader.readuntil(b"\n\n")
    return answer


async def to_the_end(options, commands):
    reader, writer = await asyncio.open_connection(options.host, options.port)
    await write(writer, b"".join(commands), options.pieces)
    if options.style == "half-close":
        writer.write_eof()
    answers = await reader.read(-1)
    writer.close()
    return [answers]


async def by_turns(options, commands):
    answers = []
    reader = writer = None
    for command in commands:
        if writer is None or options.style == "each":
            reader, writer = await asyncio.open_connection(options.host, options.port)
        await write(writer, command, options.pieces)
        answers.append(await read_answer(reader, command))
        if options.style == "each":
            writer.close()
            await writer.wait_closed()
    return answers


def main():
    parser = argparse.ArgumentParser(prog="cs131")
    parser.add_argument("style", choices=["half-close", "read-to-eof", "persistent", "each"])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--timeout", type=float, default=20)
    parser.add_argument("--no-newline", action="store_true")
    parser.add_argument("--pieces", type=int, default=0)
    parser.add_argument("commands", nargs="+", metavar="TEXT")
    options = parser.parse_args()
    commands = [text.encode("latin-1") + b"\n" for text in options.commands]
    if options.no_newline:
        commands[-1] = commands[-1][:-1]
    run = by_turns if options.style in ("persistent", "each") else to_the_end
    try:
        answers = asyncio.run(asyncio.wait_for(run(options, commands), options.timeout))
    except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
        sys.exit(f"cs131: {error!r}")
    print(json.dumps({"answers": [answer.decode("latin-1") for answer in answers]}))


if __name__ == "__main__":
    main()
