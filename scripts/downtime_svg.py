#!/usr/bin/env python3
"""Draws docs/downtime.svg from a table of `scripts/bench.sh cost`: the steps that a move costs the job, over the number
of steps for which its state keeps the link busy. One line of medians for each way to move; light or dark as the
reader's system is.

usage: CARDSWAP_COST_TABLE=FILE scripts/bench.sh cost; scripts/downtime_svg.py FILE >docs/downtime.svg
"""
import collections
import json
import math
import pathlib
import statistics
import sys

WAYS = {  # as the table has them: label, class, dashes
    "file-copy": ("checkpoint, copy, restart", "file", ""),
    "stop-copy": ("stop-copy", "stop", ""),
    "rounds": ("rounds", "rounds", "7 4"),
    "replay": ("replay", "replay", ""),
    "auto": ("auto", "auto", "2 4"),
}
KINDS = {"fp32": "fp32 gradients (state / 3)", "bf16": "bf16 gradients (state / 7)"}
FIGURES = {"stall": "stall: the latest step", "lost": "lost: all lateness"}
LEAST = 0.03  # of a step: what is less is drawn there
WIDTH, HEIGHT = 860, 640
LEFT, TOP, ACROSS, DOWN = 70, 96, 372, 232  # the panels: their first corner, and from one to the next
PANEL_WIDTH, PANEL_HEIGHT = 330, 180
STYLE = """
.ground { fill: #ffffff } .title { fill: #111827 } .word { fill: #4b5563 } .grid { stroke: #e5e7eb }
.file { stroke: #6b7280 } .stop { stroke: #c2410c } .rounds { stroke: #a16207 } .replay { stroke: #1d4ed8 }
.auto { stroke: #15803d } path { fill: none; stroke-width: 2.5; stroke-linejoin: round }
@media (prefers-color-scheme: dark) {
  .ground { fill: #0d1117 } .title { fill: #e6edf3 } .word { fill: #9da7b3 } .grid { stroke: #30363d }
  .file { stroke: #8b949e } .stop { stroke: #ff8a5c } .rounds { stroke: #e3b341 } .replay { stroke: #79a8ff }
  .auto { stroke: #56d364 }
}
"""


def read(text):
    """{(gradients, way, figure): {r: median}} of the complete rows without a limit; and how many values each median
    has."""
    samples = collections.defaultdict(list)
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # the last line of a run that was broken off
        if not isinstance(row, dict) or row.get("limited") or row.get("way") not in WAYS or row.get("r", 0) <= 0:
            continue
        for figure in FIGURES:
            samples[row["gradients"], row["way"], row["r"], figure].append(row[figure])
    medians = collections.defaultdict(dict)
    for (gradients, way, r, figure), values in samples.items():
        medians[gradients, way, figure][r] = statistics.median(values)
    return medians, [len(values) for values in samples.values()]


class Axes:
    """Where a number of steps and an r are in a panel; both axes are logarithmic."""

    def __init__(self, medians):
        every_r = {r for of in medians.values() for r in of}
        most = max(max(LEAST, value) for of in medians.values() for value in of.values())
        self.rs = sorted(every_r)
        self.ends = math.log10(self.rs[0] / 1.3), math.log10(self.rs[-1] * 1.3)
        self.low = math.log10(LEAST)
        self.high = math.log10(max(1, most) * 1.3)

    def x(self, r):
        return PANEL_WIDTH * (math.log10(r) - self.ends[0]) / (self.ends[1] - self.ends[0])

    def y(self, steps):
        share = (math.log10(max(LEAST, steps)) - self.low) / (self.high - self.low)
        return PANEL_HEIGHT * (1 - share)

    def ticks(self):
        return [tick for tick in (0.1, 1, 10, 100, 1000) if self.low < math.log10(tick) < self.high]


def panel(medians, axes, gradients, figure):
    out = []
    for tick in axes.ticks():
        y = axes.y(tick)
        out.append(f'<line class="grid" x1="0" x2="{PANEL_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(f'<text class="word" x="-8" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for r in axes.rs:
        out.append(
            f'<text class="word" x="{axes.x(r):.1f}" y="{PANEL_HEIGHT + 18}" text-anchor="middle">{r:g}</text>'
        )
    out.append(f'<line class="grid" x1="0" x2="{PANEL_WIDTH}" y1="{PANEL_HEIGHT}" y2="{PANEL_HEIGHT}"/>')
    out.append(f'<text class="title" x="0" y="-10">{FIGURES[figure]}; {KINDS.get(gradients, gradients)}</text>')
    for way, (label, name, dashes) in WAYS.items():
        points = sorted(medians.get((gradients, way, figure), {}).items())
        if not points:
            continue
        line = "L".join(f"{axes.x(r):.1f} {axes.y(steps):.1f}" for r, steps in points)
        said = ", ".join(f"r {r:g}: {steps:.2f}" for r, steps in points)
        out.append(
            f'<path class="{name}" stroke-dasharray="{dashes or "none"}" d="M{line}"><title>{label}; {said} steps'
            "</title></path>"
        )
    return out


def legend():
    out, at = [], LEFT
    for label, name, dashes in WAYS.values():
        out.append(f'<path class="{name}" stroke-dasharray="{dashes or "none"}" d="M{at} 52h28"/>')
        out.append(f'<text class="word" x="{at + 34}" y="56">{label}</text>')
        at += 62 + 7 * len(label)
    return out


def picture(text):
    medians, counts = read(text)
    if not medians:
        raise ValueError("no rows of a table of `scripts/bench.sh cost`")
    axes = Axes(medians)
    kinds = [kind for kind in KINDS if any(key[0] == kind for key in medians)]
    of = f"medians of {min(counts)}" + (f" to {max(counts)}" if max(counts) != min(counts) else "")
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="system-ui, sans-serif" font-size="13">',
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="title" x="{LEFT}" y="28" font-size="16" font-weight="600">What a move costs the job, in its own '
        "steps</text>",
        *legend(),
    ]
    for row, figure in enumerate(FIGURES):
        for column, kind in enumerate(kinds):
            out.append(f'<g transform="translate({LEFT + column * ACROSS} {TOP + row * DOWN})">')
            out += panel(medians, axes, kind, figure)
            out.append("</g>")
    out.append(
        f'<text class="word" x="{LEFT}" y="{HEIGHT - 60}">across: steps that the state takes the link; up: steps, both on '
        f"log scales; {of}</text>"
    )
    out.append(
        f'<text class="word" x="{LEFT}" y="{HEIGHT - 40}">GPT with AdamW between two network namespaces on one machine, '
        "no limit by --max-stall</text>"
    )
    out.append("</svg>")
    return "\n".join(out)


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    try:
        print(picture(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        sys.exit(f"downtime_svg.py: {error}")


if __name__ == "__main__":
    main()
