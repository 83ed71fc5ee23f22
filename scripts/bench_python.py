#!/usr/bin/env python3
"""Measures trainers in Python, as JSON lines; scripts/bench.sh python calls it.

usage: bench_python.py BUILD_DIR [PART...]

Jobs of real agents, with the torch that scripts/setup.sh --python makes. The parts are idle, sync, replay, base and
no_line (needs root, and scripts/setup.sh --criu). Each figure comes from one run and compares measurements that were
made in turns.
"""

import json
import os
import pathlib
import statistics
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
PARTS = sys.argv[2:]
sys.path.insert(0, str(ROOT / "tests/python"))

from bench_operations import figure  # noqa: E402
from hosts import BUILD, Host, Moves, wait_until  # noqa: E402
from no_line_test import PROGRAMS, NoLine, environment_with_the_package  # noqa: E402

TRAINER = ROOT / "tests/python/measured.py"
PAIRS = 7  # of a standby each
BLOCK = 100  # steps
MIB = 512
ROWS = 800_000  # of 64 numbers, three times: 586 MiB


class TwoHosts:
    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cardswap-bench-")
        folder = pathlib.Path(self.folder.name)
        self.out = folder / "out"
        self.hosts = [Host(folder, name, Moves.programs) for name in "ab"]
        for host in self.hosts:
            wait_until(host.is_up, "an agent listens")
        return self

    def __exit__(self, *_):
        for host in self.hosts:
            host.stop()
        self.folder.cleanup()

    def run(self, *command):
        done = self.hosts[0].command("run", "--name", "job", "--device", "cpu:0", "--", *command)
        if done.returncode != 0:
            sys.exit(done.stderr)
        wait_until(lambda: (self.hosts[0].job()["step"] or 0) >= 3, "three steps: " + self.hosts[0].printed())

    def run_without_a_line(self, *arguments):
        folder = pathlib.Path(self.folder.name)
        python = environment_with_the_package(folder / "venv")
        set_ = [f"{name}={value}" for name, value in NoLine.of_jobs.items()]
        self.run("/usr/bin/env", *set_, python, ROOT / PROGRAMS / "gpt.py", "--steps", "1000000000", "--loss-log",
                 folder / "losses", *arguments)

    def step_on(self):
        step = self.hosts[0].job()["step"]
        wait_until(lambda: self.hosts[0].job()["step"] > step + 2, "steps")

    def run_python(self, *arguments):
        set_ = [f"{name}={value}" for name, value in Moves.of_jobs.items()]
        self.run("/usr/bin/env", *set_, Moves.python, TRAINER, "--out", self.out, *arguments)

    def move(self, *more):
        """Moves the job to the other agent, or back."""
        source, target = self.hosts
        self.hosts.reverse()
        moved = source.ask("migrate", "job", "--to", target.at(), "--max-stall", "none", "--timeout", "10m", *more)
        if moved["result"] != "ok":
            sys.exit(f"a move failed: {moved['error']}")
        return source.ask("status", moved["id"])

    def steps(self, count):
        """How long this many steps take from now on, in ms."""
        lines = lambda: self.out.read_text().splitlines()
        began = len(lines()) + 2
        wait_until(lambda: len(lines()) >= began + count, "steps")
        return statistics.median(float(line) for line in lines()[began:began + count])


def idle():
    with TwoHosts() as two:
        two.run_python("--how", "idle")
        wait_until(lambda: two.hosts[0].job()["state"] != "running", "the measuring's end", 600)
        samples = json.loads(two.out.read_text())
    step_us = 1e3 * statistics.median(samples["step_ms"])
    figure("python_idle_overhead_pct", samples["pct"], "%", round(0.1 + 100 * 5 / step_us, 3))
    figure("python_idle_overhead_us", samples["us"], "us")
    figure("python_idle_step_ms", samples["step_ms"], "ms")


def sync():
    """The time of a step while the state is sent at 50 MB/s, again and again, compared with the time before. The
    standby runs on the same machine."""
    slower = []
    with TwoHosts() as two:
        two.run_python("--how", "steps")
        source, target = two.hosts
        for _ in range(PAIRS):
            before = two.steps(BLOCK)
            started = source.ask("migrate", "job", "--to", target.at(), "--strategy", "rounds", "--bandwidth", "50MB/s",
                                 "--max-stall", "1ms", "--timeout", "10m", "--detach")
            state = lambda: source.ask("status", started["id"])["state"]
            wait_until(lambda: state() == "syncing", "it syncs")
            during = two.steps(BLOCK)
            if state() != "syncing":
                sys.exit("it had ended before it was measured")
            source.command("cancel", started["id"])
            wait_until(lambda: state() in ("aborted", "failed"), "it has ended")
            slower.append(100 * (during / before - 1))
    figure("python_sync_slowdown_pct", slower, "%", 10)


def replay():
    with TwoHosts() as two:
        two.run_python("--how", "steps")
        moved = [two.move("--strategy", "replay") for _ in range(PAIRS)]
    figure("python_replay_stall_steps", [one["stall_steps"] for one in moved if one["stall_steps"] is not None], "steps")
    figure("python_replay_lost_steps", [one["lost_steps"] for one in moved if one["lost_steps"] is not None], "steps")


def base():
    """The rate at which a state is sent while its job stands still: of Python's memory, compared with a C++
    program's."""
    def rate(two):
        two.move("--strategy", "stop-copy", "--compress", "off")  # the other side's memory is touched
        progress = two.move("--strategy", "stop-copy", "--compress", "off")["progress"]
        return progress["bytes_in_downtime"] / progress["freeze_send_ms"] * 1e3 / 2**20

    rates = {"python": [], "cpp": []}
    for _ in range(PAIRS // 2 + 1):
        with TwoHosts() as two:
            two.run_python("--how", "memory", "--mib", str(MIB))
            rates["python"].append(rate(two))
        with TwoHosts() as two:
            two.run(BUILD / "runtime/plain_memory", "--bytes", str(MIB << 20), "--dirty-share", "0", "--step-ms", "5",
                    "--steps", "1000000000")
            rates["cpp"].append(rate(two))
    figure("python_base_over_cpp", [ours / theirs for ours, theirs in zip(rates["python"], rates["cpp"])], "times", 0.95,
           lower_is_better=False)
    figure("python_base_rate", rates["python"], "MiB/s")


def no_line():
    """How long the job stands still when its process moves by CRIU: with its tensors in the arena, sent ahead of it;
    and with everything in the image, because the program has views of them."""
    if os.geteuid() != 0:
        sys.exit("no_line needs root")
    for name, views in (("arena", 0), ("image", 1)):
        with TwoHosts() as two:
            two.run_without_a_line("--rows", str(ROWS), "--views", str(views))
            moved = []
            for _ in range(PAIRS):
                moved.append(two.move("--arrive", "criu"))
                two.step_on()
        figure(f"python_no_line_{name}_downtime_ms", [one["downtime_ms"] for one in moved], "ms")
        for part in ("freeze", "dump", "ship", "restore", "verify"):
            figure(f"python_no_line_{name}_{part}_ms", [one["process"][f"{part}_ms"] for one in moved], "ms")
        figure(f"python_no_line_{name}_image", [one["process"]["image_bytes"] / 2**20 for one in moved], "MiB")


if __name__ == "__main__":
    parts = {"idle": idle, "sync": sync, "replay": replay, "base": base, "no_line": no_line}
    for part in PARTS or parts:
        parts[part]()
