#!/usr/bin/env python3
"""Measures moves of one rank of a job of many, as JSON lines; scripts/bench.sh ranks calls it.

usage: bench_ranks.py BUILD_DIR [--moves N] [PART...]

Jobs of torchrun under real agents, with the torch that scripts/setup.sh --python makes: DistributedDataParallel over
Gloo, a small model, steps of 30 ms. The parts are pause, restart, build and idle; N is the number of moves, or of
restarts, of each (9). Two agents of this machine stand for two hosts. A pause is by how much the step in which the ranks
stood was late, as the loops themselves timed it, the latest of them. Stall and lost time are the agents', and have in
them what the newcomer's start takes of this machine's cores from the job.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
PARTS = sys.argv[2:]
sys.path.insert(0, str(ROOT / "tests/python"))

from bench_operations import figure  # noqa: E402
from hosts import OF_AGENTS, Host, Moves, wait_until  # noqa: E402

TRAINER = ROOT / "tests/python/measured_ranks.py"
MOVES = 9
STEP_MS = 30
if "--moves" in PARTS:
    MOVES = int(PARTS.pop(PARTS.index("--moves") + 1))
    PARTS.remove("--moves")


def torchrun(ranks, *arguments):
    return [Moves.python, "-B", "-m", "torch.distributed.run", "--nproc-per-node", str(ranks), "--rdzv-backend", "c10d",
            "--rdzv-endpoint", "127.0.0.1:0", TRAINER, *arguments]


class RanksJob:
    """A job of so many ranks on the first of two agents, that trains until it is stopped."""

    def __init__(self, ranks, *arguments):
        self.count = ranks
        self.arguments = arguments

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cardswap-bench-")
        folder = pathlib.Path(self.folder.name)
        self.out = folder / "out"
        self.hosts = [Host(folder, name, Moves.programs) for name in "ab"]
        for host in self.hosts:
            wait_until(host.is_up, "an agent listens")
        env = {**Moves.of_jobs, **OF_AGENTS}
        done = self.hosts[0].command("run", "--name", "job", "--device", "cpu:0", "--", "/usr/bin/env",
                                     *(f"{name}={value}" for name, value in env.items()),
                                     *torchrun(self.count, "--out", self.out, *self.arguments))
        if done.returncode != 0:
            sys.exit(done.stderr)
        return self

    def __exit__(self, *_):
        for host in self.hosts:
            for job in host.ask("jobs", "--all")["jobs"]:
                host.command("stop", job["name"], "--grace", "0s", "--force")
            host.stop()
        self.folder.cleanup()

    def steps(self):
        jobs = [job for host in self.hosts for job in host.ask("jobs")["jobs"]]
        return [one["step"] for job in jobs for one in job["ranks"] if one["moved_to"] is None]

    def train_on(self, steps):
        known = self.steps()
        until = max(known or [0]) + steps
        wait_until(lambda: len(self.steps()) == self.count and min(self.steps()) > until,
                   f"{steps} steps: " + self.hosts[0].printed(), 300)

    def move(self, times):
        """Moves rank 1 to the other agent and back again, so many times in all."""
        conductor = self.hosts[0]
        self.train_on(30)
        for at in range(times):
            moved = conductor.ask("migrate", "job/1", "--to", self.hosts[(at + 1) % 2].at(), "--max-stall", "none",
                                  "--timeout", "5m")
            if moved["result"] != "ok":
                sys.exit(f"a move failed: {moved['error']}")
            asked = lambda: conductor.ask("status", moved["id"])
            wait_until(lambda: asked()["lost_is_final"], "the steps after it")
            yield {**asked(), "pause_ms": self.pause_at(moved["migrated_at_step"])}
            self.train_on(30)

    def pause_at(self, step):
        """How late the longest step around that one was, of all ranks."""
        late = []
        for rank in range(self.count):
            began = {}
            for line in pathlib.Path(f"{self.out}.{rank}").read_text().splitlines():
                at, when = line.split()
                began[int(at)] = 1e3 * float(when)
            took = {at: began[at + 1] - began[at] for at in range(step - 25, step + 3) if {at, at + 1} <= began.keys()}
            usual = statistics.median(took[at] for at in took if at < step - 3)
            late.append(max(took[at] for at in took if at >= step - 3) - usual)
        return max(late)


def times_of_states(moved):
    """How long the gang was in each state, and when its first rank stood, in ms."""
    at = {one["state"]: one["at_ms"] for one in moved["history"]}
    names = list(at)
    return {name: at[after] - at[name] for name, after in zip(names, names[1:])}


def pause():
    """Of 2, 3 and 8 ranks."""
    pauses = {}
    for ranks in (2, 3, 8):
        with RanksJob(ranks, "--how", "steps", "--step-ms", str(STEP_MS)) as job:
            moved = list(job.move(MOVES if ranks == 3 else (MOVES + 1) // 2))
        pauses[ranks] = [one["pause_ms"] for one in moved]
        figure(f"ranks_pause_{ranks}_ranks_ms" if ranks != 3 else "ranks_pause_ms", pauses[ranks], "ms",
               100 if ranks == 3 else None)
        if ranks != 3:
            continue
        took = [one["communicator"] for one in moved]
        figure("ranks_communicator_ms", [one["try_ms"] + one["exchange_ms"] for one in took], "ms", 10)
        figure("ranks_communicator_built_ms", [one["build_ms"] for one in took], "ms")
        figure("ranks_stall_ms", [one["stall_ms"] for one in moved], "ms")
        figure("ranks_lost_ms", [one["lost_ms"] for one in moved], "ms")
        figure("ranks_downtime_ms", [one["downtime_ms"] for one in moved], "ms")
        figure("ranks_step_ms", [one["step_ms"] for one in moved], "ms")
        for state in ("freezing", "committed", "resumed"):
            figure(f"ranks_{state}_ms", [times_of_states(one)[state] for one in moved], "ms")
    few = statistics.median(pauses[2])
    figure("ranks_pause_growth", [one / few for one in pauses[8]], "times", 1.5)
    return pauses[3]


def restart(pauses):
    """What a job of 3 ranks takes to stop, save, start again by torchrun and load, over the pause of a move."""
    took = []
    with tempfile.TemporaryDirectory(prefix="cardswap-bench-") as name:
        folder = pathlib.Path(name)
        env = {**os.environ, **Moves.of_jobs, **OF_AGENTS}

        def run(until):
            subprocess.run(torchrun(3, "--how", "until", "--step-ms", str(STEP_MS), "--until", str(until), "--out",
                                    folder / "out", "--checkpoint", folder / "checkpoint"), env=env, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            ranks = [json.loads((folder / f"out.{rank}").read_text()) for rank in range(3)]
            return max(one["first"] for one in ranks), max(one["last"] for one in ranks), ranks[0]["step_ms"]

        _, last, step_ms = run(30)
        for at in range((MOVES + 1) // 2):
            first, next_last, step_ms = run(30 * (at + 2))
            took.append(1e3 * (first - last) - step_ms)
            last = next_last
    figure("ranks_restart_ms", took, "ms")
    middle = statistics.median(pauses)
    figure("restart_over_ranks_pause", [one / middle for one in took], "times", 20, lower_is_better=False)


def of_each_rank(how, *more):
    """What each of the ranks of a job under an agent has measured."""
    with RanksJob(3, "--how", how, *more) as job:
        files = [pathlib.Path(f"{job.out}.{rank}") for rank in range(3)]
        wait_until(lambda: job.hosts[0].job()["state"] not in ("running", "starting"), "the measuring's end", 600)
        if not all(file.exists() for file in files):
            sys.exit(job.hosts[0].printed())
        return [json.loads(file.read_text()) for file in files]


def build():
    measured = of_each_rank("build", "--step-ms", str(STEP_MS), "--blocks", str(2 * MOVES))
    figure("ranks_build_slowdown_pct", [pct for one in measured for pct in one["pct"]], "%", 10)
    figure("ranks_build_ms", [ms for one in measured for ms in one["connect_ms"]], "ms")


def idle():
    measured = of_each_rank("idle", "--blocks", str(MOVES))
    figure("ranks_idle_overhead_us", [us for one in measured for us in one["us"]], "us", 10)
    figure("ranks_idle_overhead_pct", [pct for one in measured for pct in one["pct"]], "%")


if __name__ == "__main__":
    wanted = PARTS or ["pause", "restart", "build", "idle"]
    if unknown := set(wanted) - {"pause", "restart", "build", "idle"}:
        sys.exit(f"there is no part {', '.join(sorted(unknown))}")
    pauses = pause() if {"pause", "restart"} & set(wanted) else []
    if "restart" in wanted:
        restart(pauses)
    if "build" in wanted:
        build()
    if "idle" in wanted:
        idle()
