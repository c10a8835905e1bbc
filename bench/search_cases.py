"""Searching in a hundred thousand stories, through HTTP: how long an answer takes."""

import http.client
import itertools
import json
import random
import statistics
import time
import urllib.parse

from harness import Row
from stored import lone_node

STORIES, WORDS = 100_000, 50_000
P99_MS_MAX = 20
INDEX_SECONDS_MAX = 600


def vocabulary(draw):
    """Words that are as often as words are: the nth comes about a 1/n as often as the first."""
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = {"".join(draw.choices(letters, range(26, 0, -1), k=draw.randint(2, 10)))
             for _ in range(WORDS * 2)}
    words = sorted(words)[:WORDS]
    draw.shuffle(words)
    return words, list(itertools.accumulate(1 / (place + 2) for place in range(WORDS)))


def stories(draw, words, weights, count):
    """Stories of about 2 kB, in forty sections."""
    for number in range(count):
        text = draw.choices(words, cum_weights=weights, k=350)
        yield {"title": f"story-{number}", "headline": " ".join(text[:7]),
               "section": f"section {number % 40}", "body": " ".join(text)}


def questions(draw, words, weights):
    """What readers ask: a word or three, phrases, beginnings, within a section or not."""
    while True:
        rare = words[draw.randrange(200, WORDS // 5)]
        any_two = draw.choices(words, cum_weights=weights, k=2)
        kind = draw.random()
        if kind < 0.4:
            typed = rare
        elif kind < 0.7:
            typed = " ".join(any_two)
        elif kind < 0.8:
            typed = " ".join([*any_two, rare])
        elif kind < 0.88:
            typed = f'"{any_two[0]} {any_two[1]}"'
        elif kind < 0.95:
            typed = rare[:4] + "*"
        else:
            typed = f"{any_two[0]} -{rare}"
        more = {"section": f"section {draw.randrange(40)}"} if draw.random() < 0.2 else {}
        yield urllib.parse.urlencode({"q": typed, **more})


def fill(node, folder, documents):
    """Writes the stories, some at once, and waits until all can be found; how long each took."""
    connection = http.client.HTTPConnection("127.0.0.1", node.http_port, timeout=60)
    begun = time.monotonic()
    for story in documents:
        target = f"/v1/stories/{story.pop('title')}?durability=none"
        while True:
            connection.request("PUT", target, json.dumps(story),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 503:
                break
            time.sleep(0.05)
    written = time.monotonic()
    while node.get("/v1/search?q=nothing")["indexing"]:
        if time.monotonic() > written + INDEX_SECONDS_MAX:
            raise TimeoutError("the search index did not catch up")
        time.sleep(0.05)
    connection.close()
    return written - begun, time.monotonic() - begun


def search(bench):
    """Searches, one after another, over one connection."""
    draw = random.Random(7)
    words, weights = vocabulary(draw)
    count = 500 if bench.smoke else STORIES
    node = lone_node(bench, "search")
    node.start()
    try:
        _, indexed = fill(node, bench.folder, stories(draw, words, weights, count))
        connection = http.client.HTTPConnection("127.0.0.1", node.http_port, timeout=60)
        taken = []
        asked = itertools.islice(questions(draw, words, weights), 100 if bench.smoke else 3000)
        for query in asked:
            begun = time.monotonic()
            connection.request("GET", f"/v1/search?{query}")
            answer = connection.getresponse()
            answer.read()
            taken.append((time.monotonic() - begun) * 1e3)
            if answer.status != 200:
                raise OSError(f"/v1/search?{query}: {answer.status}")
        connection.close()
        rss = node.rss_bytes() / 2**20
    finally:
        node.stop()
    size = sum(file.stat().st_size for file in (bench.folder / "node-search/search").glob("search*"))
    case = f"search in {count:,} stories of 2 kB"
    p99 = statistics.quantiles(taken, n=100)[98]
    bench.add(Row(case, "all questions", "answers/s", 1e3 * len(taken) / sum(taken),
                  p99_us=p99 * 1e3, p50_us=statistics.median(taken) * 1e3))
    bench.add(Row(case, "written and indexed", "stories/s", count / indexed))
    bench.add(Row(case, "the index", "MiB", size / 2**20))
    bench.add(Row(case, "memory behind it", "MiB of RSS", rss))
    bench.aim(f"{case}: p99, ms", p99, f"≤ {P99_MS_MAX}", p99 <= P99_MS_MAX)


SEARCH_CASES = {"search": search}
