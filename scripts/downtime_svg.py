#!/usr/bin/env python3
"""Draws docs/downtime.svg from the bench's figures: how long a job stands still, by its size.

usage: scripts/bench.sh --json curve | scripts/downtime_svg.py > docs/downtime.svg
"""
import json
import math
import re
import sys

WAYS = {  # name in the figures: label, colour, dashes
    "file-copy_interruption": ("checkpoint, copy, restart", "#8a8f98", ""),
    "stop-copy_interruption": ("stop-copy", "#c2410c", ""),
    "rounds_interruption": ("rounds", "#b45309", "6 4"),
    "replay_interruption": ("replay, with the wait before the last step", "#1d4ed8", "6 4"),
    "replay_downtime": ("replay, downtime", "#1d4ed8", ""),
}
WIDTH, HEIGHT = 810, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 310, 50, 60


def read(lines):
    points = {way: [] for way in WAYS}
    for line in lines:
        figure = json.loads(line)
        match = re.fullmatch(r"(.+)_ms_(\d+)mb", figure["name"])
        if match and match[1] in points:
            points[match[1]].append((float(match[2]), figure["value"]))
    return {way: sorted(of) for way, of in points.items() if of}


def main():
    points = read(line for line in sys.stdin if line.startswith("{"))
    if not points:
        sys.exit("downtime_svg.py: no figures of `scripts/bench.sh --json curve` on stdin")
    sizes = sorted({x for of in points.values() for x, _ in of})
    values = [y for of in points.values() for _, y in of]
    low = 10 ** math.floor(math.log10(min(values)))
    high = 10 ** math.ceil(math.log10(max(values)))

    def at_x(size):
        return LEFT + (WIDTH - LEFT - RIGHT) * size / (1.05 * sizes[-1])

    def at_y(ms):
        share = (math.log10(ms) - math.log10(low)) / (math.log10(high) - math.log10(low))
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="26" font-size="16" font-weight="600" fill="#111827">'
        "How long the job stands still, by the size of its state</text>",
    ]
    tick = low
    while tick <= high:
        label = f"{tick:g} ms" if tick < 1000 else f"{tick / 1000:g} s"
        out.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at_y(tick):.1f}" y2="{at_y(tick):.1f}" '
            'stroke="#e5e7eb"/>'
            f'<text x="{LEFT - 8}" y="{at_y(tick) + 4:.1f}" text-anchor="end" fill="#4b5563">{label}</text>'
        )
        tick *= 10
    step = 200 if sizes[-1] > 400 else 100
    for size in range(0, int(1.05 * sizes[-1]), step):
        out.append(
            f'<text x="{at_x(size):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle" '
            f'fill="#4b5563">{size} MB</text>'
        )
    # Labels beside the curves' ends, pushed apart where they would meet.
    ends = sorted((at_y(of[-1][1]), way) for way, of in points.items())
    label_at = {}
    last = -math.inf
    for y, way in ends:
        last = label_at[way] = max(y, last + 18)
    for way, of in points.items():
        label, colour, dashes = WAYS[way]
        path = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in of)
        out.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5" '
            f'stroke-dasharray="{dashes}" stroke-linejoin="round"/>'
        )
        out += [f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3.5" fill="{colour}"/>' for x, y in of]
        out.append(
            f'<text x="{WIDTH - RIGHT + 6}" y="{label_at[way] + 4:.1f}" fill="{colour}">{label}</text>'
        )
    out.append(
        f'<text x="{LEFT}" y="{HEIGHT - 12}" fill="#4b5563">GPT with AdamW, one link of 600 Mbit/s '
        "between two network namespaces; log scale</text>"
    )
    out.append("</svg>")
    print("\n".join(out))


main()
