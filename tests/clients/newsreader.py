"""Reads and posts with pynntp.

Usage: newsreader [--timeout SECONDS] [--user NAME --password PASSWORD] PORT groups
       newsreader … PORT read GROUP          each article of a group, in the order of their numbers
       newsreader … PORT new GROUPS          ids of what came since 2026 in groups that match
       newsreader … PORT post GROUP SUBJECT  the body comes on standard input
Prints a JSON line for each: {"group", "low", "high", "status"}; {"number", "id", "headers": {name:
text}, "overview": {name: text}, "body"}; {"id"}; {"posted": id}; or {"error": code, "text"}.
Exit: 0, or 1 when the server said no.
"""

import argparse
import datetime
import json
import sys

import nntp


def say(value):
    print(json.dumps(value), flush=True)


def groups(client, _):
    for name, low, high, status in client.list_active():
        say({"group": name, "low": low, "high": high, "status": status})


def read(client, words):
    client.group(words[0])
    overviews = {number: dict(fields) for number, fields in client.xover((1,))}
    for number, message_id in list(client.xhdr("Message-ID", (1,))):
        message_id = message_id.strip()
        got, headers, body = client.article(number)
        by_id = client.article(message_id)
        if (got, body) != (number, by_id[2]):
            sys.exit(f"newsreader: {message_id} is {got} and not {number}, or differs by number and id")
        say({"number": number, "id": message_id, "headers": dict(headers),
             "overview": overviews[number], "body": body.decode()})


def new(client, words):
    for message_id in client.newnews(words[0], datetime.datetime(2026, 1, 1)):
        say({"id": message_id})


def post(client, words):
    headers = {"From": "Ann <ann@example.org>", "Newsgroups": words[0], "Subject": words[1]}
    say({"posted": client.post(headers, sys.stdin.buffer.read())})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--timeout", type=int, default=20)
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("port", type=int)
    parser.add_argument("verb", choices=["groups", "read", "new", "post"])
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    try:
        with nntp.NNTPClient("127.0.0.1", options.port, options.user, options.password,
                             timeout=options.timeout) as client:
            {"groups": groups, "read": read, "new": new, "post": post}[options.verb](client, options.words)
    except nntp.NNTPReplyError as error:
        say({"error": error.code, "text": error.message})
        sys.exit(1)


if __name__ == "__main__":
    main()
