"""Walks an Atom feed from its newest document to its oldest archive (RFC 5005) with feedparser.

Usage: feed [--timeout SECONDS] URL
Prints a JSON line a document: {"url", "bozo": null or what feedparser complains of, "id", "title",
"links": {rel: href}, "entries": [{"id", "title", "link", "updated", "author", "content", "tags"}],
"deleted": [{"ref", "when", "comment"}]}. What is deleted (RFC 6721) is read with ElementTree, which
also says whether the document is well-formed; feedparser keeps the last of a document only, and has
to agree on that.
Exit: 0 when the walk came to its end, 1 otherwise.
"""

import argparse
import json
import sys
import urllib.request
import xml.etree.ElementTree

import feedparser

AT = "{http://purl.org/atompub/tombstones/1.0}"


def deleted(data):
    found = []
    for element in xml.etree.ElementTree.fromstring(data).iter(AT + "deleted-entry"):
        comment = element.findtext(AT + "comment", "")
        found.append({"ref": element.get("ref"), "when": element.get("when"), "comment": comment})
    return found


def entry(parsed):
    content = parsed.get("content", [{}])[0].get("value", parsed.get("summary", ""))
    return {"id": parsed.id, "title": parsed.title, "link": parsed.link,
            "updated": parsed.updated, "author": parsed.get("author", ""), "content": content,
            "tags": [tag.term for tag in parsed.get("tags", [])]}


def document(url, timeout):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        data = answer.read()
        headers = {name.lower(): value for name, value in answer.headers.items()}
    headers["content-location"] = url
    parsed = feedparser.parse(data, response_headers=headers)
    gone = deleted(data)
    theirs = parsed.feed.get("at_deleted-entry", {}).get("ref")
    if gone and theirs not in [one["ref"] for one in gone]:
        raise ValueError(f"feedparser has {theirs!r} deleted, not one of {gone}")
    return {"url": url, "bozo": str(parsed.bozo_exception) if parsed.bozo else None,
            "id": parsed.feed.id, "title": parsed.feed.title,
            "links": {link.rel: link.href for link in parsed.feed.links},
            "entries": [entry(one) for one in parsed.entries], "deleted": gone}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--timeout", type=float, default=20)
    parser.add_argument("url")
    options = parser.parse_args()
    url, seen = options.url, set()
    while url:
        if url in seen:
            sys.exit(f"feed: {url} comes twice")
        seen.add(url)
        read = document(url, options.timeout)
        print(json.dumps(read), flush=True)
        url = read["links"].get("prev-archive")


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, xml.etree.ElementTree.ParseError) as error:
        sys.exit(f"feed: {error}")
