#!/usr/bin/env python3
"""Writes a visit's JSON and Markdown from what scripts/gpu_check.sh left: gpu_report.py DIR COMMIT

Exit status 1 when a figure misses its goal.
"""
import datetime
import json
import pathlib
import subprocess
import sys


def card() -> dict:
    names = ["name", "uuid", "driver_version", "memory.total"]
    line = subprocess.run(["nvidia-smi", f"--query-gpu={','.join(names)}", "--format=csv,noheader"],
                          capture_output=True, text=True, check=False).stdout.splitlines()
    return dict(zip(names, [part.strip() for part in line[0].split(",")])) if line else {}


def main() -> int:
    folder, commit = pathlib.Path(sys.argv[1]), sys.argv[2]
    stages = [line.split("\t") for line in (folder / ".stages").read_text().splitlines()]
    figures = [json.loads(line) for line in (folder / ".figures").read_text().splitlines() if line.startswith("{")]
    seen = {
        "date": datetime.date.today().isoformat(),
        "commit": commit,
        "card": card(),
        "stages": [{"stage": s, "outcome": o, "seconds": int(t)} for s, o, t in stages],
        "figures": figures,
    }
    name = f"{seen['card'].get('name', 'no card').lower().replace(' ', '-')}-{seen['date']}"
    (folder / f"{name}.json").write_text(json.dumps(seen, indent=1) + "\n")
    rows = ["| figure | value | unit | goal | holds | n | spread |", "|---|---|---|---|---|---|---|"]
    for f in figures:
        holds = {None: "", True: "yes", False: "**no**"}[f["holds"]]
        goal = "" if f["goal"] is None else f["goal"]
        rows.append(f"| {f['name']} | {f['value']} | {f['unit']} | {goal} | {holds} | {f['n']} | {f['spread']} |")
    told = ", ".join(f"{s} {o}" for s, o, _ in stages)
    head = f"{seen['card'].get('name', '?')}, driver {seen['card'].get('driver_version', '?')}, {seen['date']}, commit {commit[:12]}: {told}."
    (folder / f"{name}.md").write_text("\n".join([head, "", *rows]) + "\n")
    print((folder / f"{name}.md").read_text())
    return 1 if any(f["holds"] is False for f in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
