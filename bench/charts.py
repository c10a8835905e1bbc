"""SVG charts of the figures: bars beside each other, and rates as connections grow.

Drawn by hand: a few rectangles need no library. Colours hold on light and on dark pages.
"""

import html
import math
import re

OURS, OTHERS, TEXT, GRID = "#2a7de1", "#9aa5b1", "#6b7785", "#c4ccd4"
WIDTH, LABEL, BAR, GAP, TITLE = 760, 230, 18, 6, 34
# File, title, and how the names of its cases begin.
BARS = (
    ("hello.svg", "GET /hello on one core, requests a second", "/hello, "),
    ("iamat.svg", "IAMAT on one core, a second", "IAMAT, "),
    ("fanout.svg", "One update to many readers, deliveries a second", "fan-out"),
    ("publish.svg", "Durable publishes of 1 kB, a second", "durable publish"),
    ("story.svg", "A story of 1 kB, requests a second", "a story"),
)
GROWTH = "growth: "


def text(x, y, words, size=12, anchor="start", weight="normal"):
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" '
            f'font-weight="{weight}" fill="{TEXT}">{html.escape(words)}</text>')


def document(height, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
            f'width="{WIDTH}" height="{height:.0f}" font-family="sans-serif">\n'
            + "\n".join(parts) + "\n</svg>\n")


def bars(title, rows):
    """One group of bars a case, each group to its own scale."""
    parts, y = [text(0, 18, title, 15, weight="bold")], TITLE
    for case in dict.fromkeys(row.case for row in rows):
        group = [row for row in rows if row.case == case]
        most = max(row.value for row in group)
        y += 14
        parts.append(text(0, y, case, 12, weight="bold"))
        y += 8
        for row in group:
            length = (WIDTH - LABEL - 90) * row.value / most
            colour = OURS if row.who.startswith("bellwether") else OTHERS
            parts.append(text(LABEL - 8, y + 13, row.who, anchor="end"))
            parts.append(f'<rect x="{LABEL}" y="{y}" width="{max(1, length):.1f}" '
                         f'height="{BAR}" rx="2" fill="{colour}"/>')
            parts.append(text(LABEL + length + 6, y + 13, f"{row.value:,.0f}"))
            y += BAR + GAP
        y += 6
    return document(y + 4, parts)


def curve(title, rows):
    """Rates over connections, these on a scale of powers of ten."""
    left, top, right, bottom = 80, 46, WIDTH - 150, 300
    points = {}
    for row in rows:
        connections = int(re.search(r"([\d,]+) connections", row.case)[1].replace(",", ""))
        points.setdefault(row.who, []).append((connections, row.value))
    counts = sorted({count for line in points.values() for count, _ in line})
    most = max(rate for line in points.values() for _, rate in line) * 1.05
    def place(count, rate):
        span = math.log10(counts[-1] / counts[0]) or 1
        return (left + (right - left) * math.log10(count / counts[0]) / span,
                bottom - (bottom - top) * rate / most)
    parts = [text(0, 18, title, 15, weight="bold")]
    for count in counts:
        x, _ = place(count, 0)
        parts.append(f'<path d="M{x:.1f} {top}V{bottom}" stroke="{GRID}" stroke-width="0.5"/>')
        parts.append(text(x, bottom + 18, f"{count:,}", anchor="middle"))
    for step in range(5):
        rate = most * step / 4
        _, y = place(counts[0], rate)
        parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="{GRID}" stroke-width="0.5"/>')
        parts.append(text(left - 8, y + 4, f"{rate:,.0f}", anchor="end"))
    for who, line in points.items():
        places = [place(*point) for point in sorted(line)]
        colour = OURS if who.startswith("bellwether") else OTHERS
        way = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(f'<path d="M{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        parts.append(text(places[-1][0] + 8, places[-1][1] + 4, who))
    return document(bottom + 30, parts)


def draw(rows, folder):
    """Writes the charts that there are figures for; (file, title) of each."""
    drawn = []
    for name, title, prefix in BARS:
        if chosen := [row for row in rows if row.case.startswith(prefix)]:
            (folder / name).write_text(bars(title, chosen))
            drawn.append((name, title))
    if chosen := [row for row in rows if row.case.startswith(GROWTH)]:
        title = "GET /hello as busy connections grow, requests a second"
        (folder / "growth.svg").write_text(curve(title, chosen))
        drawn.append(("growth.svg", title))
    return drawn
