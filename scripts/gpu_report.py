#!/usr/bin/env python3
"""Collects the results of a visit to a card, as one JSON file and one Markdown table in DIR.

usage: gpu_report.py record DIR COMMIT STAGE OUTCOME SECONDS FIGURES
       gpu_report.py show DIR COMMIT

A visit may take several calls of scripts/gpu_check.sh. Results for the same commit and kind of card
are collected; a stage that is run again replaces its former result. `show` prints the table, with exit status 1
when a stage failed or a figure misses its goal.
"""
import datetime
import json
import pathlib
import subprocess
import sys


def card_here() -> dict:
    names = ["name", "uuid", "driver_version", "memory.total"]
    line = subprocess.run(["nvidia-smi", f"--query-gpu={','.join(names)}", "--format=csv,noheader"],
                          capture_output=True, text=True, check=False).stdout.splitlines()
    return dict(zip(names, [part.strip() for part in line[0].split(",")])) if line else {}


def kind(card: dict) -> dict:
    """What makes two cards equal: a later call may get another card of the same kind."""
    return {name: value for name, value in card.items() if name != "uuid"}


def figures_in(output: str) -> list:
    figures = []
    for line in output.splitlines():
        try:
            figures += [json.loads(line)] if line.startswith("{") else []
        except ValueError:
            print(f"gpu_report: no figure: {line}", file=sys.stderr)
    return figures


class Visit:
    """One commit on cards of one kind: its stages by name, each with outcome, seconds, date and figures."""

    def __init__(self, folder: pathlib.Path, commit: str, card: dict):
        model = card.get("name", "no card").lower().replace(" ", "-")
        self.path = folder / f"{model}-{commit[:12]}.json"
        self.uuid = card.get("uuid")
        self.seen = {"commit": commit, "card": card, "stages": {}}
        if self.path.exists():
            before = json.loads(self.path.read_text())
            if (before["commit"], kind(before["card"])) == (commit, kind(card)):
                self.seen = before

    def record(self, stage: str, outcome: str, seconds: int, output: str) -> None:
        self.seen["stages"][stage] = {"outcome": outcome, "seconds": seconds,
                                      "date": datetime.date.today().isoformat(), "uuid": self.uuid, "figures": figures_in(output)}
        self.path.write_text(json.dumps(self.seen, indent=1) + "\n")
        self.path.with_suffix(".md").write_text(self.table())

    def figures(self) -> list:
        """All figures, and those that follow from several stages."""
        all_ = [figure for stage in self.seen["stages"].values() for figure in stage["figures"]]
        by_name = {figure["name"]: figure for figure in all_}
        small, large = (by_name.get(f"cuda_replay_downtime_ms_{size}") for size in ("1g", "10g"))
        if small and large:
            ratio = round(large["value"] / small["value"], 4)
            all_.append({"name": "cuda_replay_downtime_10g_over_1g", "value": ratio, "unit": "ratio", "goal": 1.5,
                         "holds": ratio <= 1.5, "n": 1, "spread": 0})
        slow = [by_name[f"cuda_sync_slowdown_pct_{size}"] for size in ("1g", "10g") if f"cuda_sync_slowdown_pct_{size}" in by_name]
        if slow:
            all_.append({**max(slow, key=lambda figure: figure["value"]), "name": "cuda_sync_slowdown_pct"})
        return all_

    def good(self) -> bool:
        return (all(stage["outcome"] == "passed" for stage in self.seen["stages"].values())
                and not any(figure["holds"] is False for figure in self.figures()))

    def table(self) -> str:
        card, stages = self.seen["card"], self.seen["stages"]
        dates = sorted({stage["date"] for stage in stages.values()})
        lines = [f"{card.get('name', '?')}, driver {card.get('driver_version', '?')}, {' and '.join(dates)}, commit "
                 f"{self.seen['commit']}.", "", "| stage | outcome | seconds |", "|---|---|---|"]
        lines += [f"| {name} | {stage['outcome']} | {stage['seconds']} |" for name, stage in stages.items()]
        lines += ["", "| figure | value | unit | goal | holds | n | spread |", "|---|---|---|---|---|---|---|"]
        for f in self.figures():
            holds = {None: "", True: "yes", False: "**no**"}[f["holds"]]
            goal = "" if f["goal"] is None else f["goal"]
            lines.append(f"| {f['name']} | {f['value']} | {f['unit']} | {goal} | {holds} | {f['n']} | {f['spread']} |")
        return "\n".join(lines) + "\n"


def main() -> int:
    verb, folder, commit, *rest = sys.argv[1:]
    visit = Visit(pathlib.Path(folder), commit, card_here())
    if verb == "record":
        stage, outcome, seconds, figures = rest
        visit.record(stage, outcome, int(seconds), pathlib.Path(figures).read_text())
        return 0
    print(visit.table())
    return 0 if visit.good() else 1


if __name__ == "__main__":
    sys.exit(main())
