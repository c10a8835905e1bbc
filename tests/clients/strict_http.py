"""Sends requests as they are, and has h11, a strict HTTP/1.1 implementation, judge the answers.

Usage: strict_http HOST PORT [--timeout SECONDS] [--pieces N] [--half-close] METHOD... < REQUESTS
Standard input goes out byte for byte, N bytes at a time if told. One METHOD for each answer that is
due (HEAD's have no body). Prints a JSON line an answer: {"status", "reason", "version", "headers":
[[name, value], ...], "body", "informational": [status, ...]}, then {"closed": whether the server
closed after the last}. Text stands for bytes one to one (latin-1).
Exit: 0 when each due answer came and h11 found nothing wrong, 1 otherwise.
"""

import argparse
import json
import socket
import sys
import time

import h11


def send(connection, data, pieces):
    if not pieces:
        return connection.sendall(data)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(0, len(data), pieces):
        connection.sendall(data[at:at + pieces])
        time.sleep(0.001)


class Answers:
    """The answers on one connection, each judged by an h11 client of its own."""

    def __init__(self, connection):
        self.connection, self.rest, self.ended = connection, b"", False

    def receive(self, judge):
        if self.rest:
            data, self.rest = self.rest, b""
        else:
            data = self.connection.recv(65_536)
            self.ended = not data
        judge.receive_data(data)

    def next(self, method):
        judge = h11.Connection(h11.CLIENT)
        asked = h11.Request(method=method, target="/", headers=[("Host", "x")])
        judge.send(asked)
        judge.send(h11.EndOfMessage())
        answer = {"body": "", "informational": []}
        while True:
            event = judge.next_event()
            if event is h11.NEED_DATA:
                self.receive(judge)
            elif isinstance(event, h11.InformationalResponse):
                answer["informational"].append(event.status_code)
            elif isinstance(event, h11.Response):
                answer["status"] = event.status_code
                answer["reason"] = event.reason.decode("latin-1")
                answer["version"] = event.http_version.decode()
                answer["headers"] = [
                    [name.decode("latin-1"), value.decode("latin-1")]
                    for name, value in event.headers]
            elif isinstance(event, h11.Data):
                answer["body"] += bytes(event.data).decode("latin-1")
            elif isinstance(event, h11.EndOfMessage):
                self.rest = judge.trailing_data[0]
                return answer
            else:
                raise h11.RemoteProtocolError(f"the server ended the connection: {event!r}")

    def closed(self):
        """Whether the server closed, or does within a moment, with nothing more said."""
        if self.rest:
            raise h11.RemoteProtocolError(f"bytes behind the last answer: {self.rest[:80]!r}")
        self.connection.settimeout(0.3)
        try:
            more = b"" if self.ended else self.connection.recv(80)
        except TimeoutError:
            return False
        except ConnectionResetError:
            return True
        if more:
            raise h11.RemoteProtocolError(f"bytes behind the last answer: {more!r}")
        return True


def main():
    parser = argparse.ArgumentParser(prog="strict_http")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--timeout", type=float, default=20)
    parser.add_argument("--pieces", type=int, default=0)
    parser.add_argument("--half-close", action="store_true")
    parser.add_argument("methods", nargs="+", metavar="METHOD")
    options = parser.parse_args()
    try:
        connection = socket.create_connection((options.host, options.port), options.timeout)
        send(connection, sys.stdin.buffer.read(), options.pieces)
        if options.half_close:
            connection.shutdown(socket.SHUT_WR)
        answers = Answers(connection)
        for method in options.methods:
            print(json.dumps(answers.next(method)), flush=True)
        print(json.dumps({"closed": answers.closed()}), flush=True)
    except (OSError, h11.RemoteProtocolError) as error:
        sys.exit(f"strict_http: {error!r}")


if __name__ == "__main__":
    main()
