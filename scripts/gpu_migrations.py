#!/usr/bin/env python3
"""Moves a training GPT between two agents and processes on one card, and prints figures as JSON lines.

usage: gpu_migrations.py BUILD TEXT [--sizes 1g,10g] [--precisions fp32,bf16,bf16_masters]
                         [--only moves|checkpoints] [--device DEVICE] [--transports UCX_TLS] [--width W --layers L]

Every move must be bit-identical to the same training without a move: its losses and its final digest
are compared. The number of steps of a job follows from the time that a step and a start take here, so that
it still trains when its standby is ready. Figures have the form of scripts/bench.sh: {name, value, unit, goal, holds,
n, spread}.
With --device cpu:0 and a small model it checks itself on a machine without a GPU.
"""
import argparse
import json
import math
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


class Agents:
    """Two agents of this machine, each with `device`."""

    def __init__(self, build: pathlib.Path, device: str, transports: str):
        self.build = build
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cardswap-gpu-"))
        self.processes = []
        for host in "ab":
            with open(self.folder / f"{host}.log", "w", encoding="utf-8") as log:
                self.processes.append(subprocess.Popen(
                    [build / "agent/cardswapd", "--data-dir", self.folder / host, "--listen", "127.0.0.1:0",
                     "--host-name", f"host-{host}", "--device", device, "--transports", transports], stderr=log))
        for host in "ab":
            wait_for(30, f"agent {host}", (self.folder / host / "cardswapd.sock").exists)
        self.port = json.loads((self.folder / "b/agent.json").read_text())["port"]

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        for host in "ab" if failure else "":
            print(f"host {host}: {self.ask(host, 'jobs', check=False)}", self.ask(host, "logs", "gpt", "--tail", "20", check=False),
                  *lines_of(self.folder / f"{host}.log")[-20:], sep="\n", file=sys.stderr)
        for host in "ab":
            self.ask(host, "--quiet", "stop", "gpt", "--grace", "1s", check=False)
        for process in self.processes:
            process.terminate()
            process.wait()
        shutil.rmtree(self.folder)

    def ask(self, host: str, *arguments: str, check: bool = True) -> str:
        result = subprocess.run([self.build / "agent/cardswap", "--agent", self.folder / host / "cardswapd.sock", *arguments],
                                capture_output=True, text=True, check=False)
        if check and result.returncode != 0:
            raise RuntimeError(f"cardswap {' '.join(arguments)}: {result.stderr.strip()}")
        return result.stdout

    def wait_for(self, seconds: float, what: str, condition) -> None:
        """Does what wait_for() does, but gives up when the job has ended."""
        def seen() -> bool:
            reached = condition()
            jobs = [] if reached else sum((json.loads(self.ask(h, "-o", "json", "jobs"))["jobs"] for h in "ab"), [])
            if any(job["state"] == "failed" for job in jobs):
                raise RuntimeError(f"{what} did not happen: the job failed")
            return reached
        wait_for(seconds, what, seen)


def wait_for(seconds: float, what: str, condition) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError(f"{what} did not happen within {seconds} s")
        time.sleep(0.05)


def lines_of(path: pathlib.Path) -> list:
    return path.read_text().splitlines() if path.exists() else []


def print_figure(name: str, samples: list, unit: str, goal=None, lower: bool = True) -> None:
    value = statistics.median(samples)
    quartiles = statistics.quantiles(samples, n=4) if len(samples) > 1 else [value] * 3
    holds = None if goal is None else (value <= goal if lower else value >= goal)
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit, "goal": goal, "holds": holds,
                      "n": len(samples), "spread": round(quartiles[2] - quartiles[0], 4)}), flush=True)


def step_times(path: pathlib.Path) -> list:
    """[(clock at the start of a step in ns, its duration in ms)], from --times."""
    begins = [int(line.split()[2]) for line in lines_of(path)]
    return [(a, (b - a) / 1e6) for a, b in zip(begins, begins[1:])]


class Case:
    """A GPT of one size and precision."""

    WARM_UP = 5  # steps in which libraries load and memory is taken
    LEAD = 25    # steps before a move

    def __init__(self, options, size: str, width: int, layers: int, precision: str):
        self.options, self.size, self.precision = options, size, precision
        self.name = f"{size}_{precision}"
        self.steps, self.undisturbed = 0, []
        self.trainer_device = "cpu" if options.device.startswith("cpu") else options.device
        self.program = [str(options.build / "runtime/gpt"), "--text", options.text, "--width", str(width), "--layers", str(layers),
                        "--heads", "4", "--batch", "32", "--context", "64", *PRECISIONS[precision]]
        self.bytes = 12 * layers * 12 * width ** 2

    def train_undisturbed(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            first, losses, times = (pathlib.Path(folder) / name for name in ("first", "losses", "times"))
            began = time.monotonic_ns()
            self.train("--steps", "15", "--times", str(times), losses=first)
            start = (step_times(times)[0][0] - began) / 1e9
            step = statistics.median([ms for _, ms in step_times(times)][self.WARM_UP:]) / 1e3
            # A standby starts beside the job, and what the job has goes there twice, at no less than 1 GB/s.
            self.steps = self.LEAD + max(100, math.ceil((2 * start + 2 * self.bytes / 1e9 + 8) / step))
            print(f"{self.name}: starts in {start:.1f} s, steps in {step * 1e3:.1f} ms, trains {self.steps} steps", flush=True)
            self.train("--steps", str(self.steps), losses=losses)
            self.undisturbed = lines_of(losses)
            if self.undisturbed[:15] != lines_of(first)[:15]:
                raise RuntimeError(f"{self.name}: without any move, the same training computes one thing now and another then")

    def train(self, *arguments: str, losses: pathlib.Path = pathlib.Path("/dev/null")) -> None:
        told = subprocess.run([*self.program, "--device", self.trainer_device, "--loss-log", str(losses), *arguments],
                              stderr=subprocess.PIPE, text=True, check=False)
        if told.returncode != 0:
            raise RuntimeError(f"gpt {' '.join(arguments)} ended with {told.returncode}: {told.stderr.strip()[-2000:]}")

    def move(self, strategy: str) -> dict:
        """Makes one move of a fresh job; returns the output of `migrate -o json`, and more."""
        device = self.options.device
        with Agents(self.options.build, device, self.options.transports) as agents:
            log, times = agents.folder / "moved", agents.folder / "times"
            agents.ask("a", "run", "--name", "gpt", "--device", device, "--", *self.program, "--steps", str(self.steps),
                       "--loss-log", str(log), "--times", str(times))
            agents.wait_for(300, f"step {self.LEAD}", lambda: len(lines_of(log)) >= self.LEAD)
            began = time.monotonic_ns()
            told = json.loads(agents.ask("a", "-o", "json", "migrate", "gpt", "--to", f"127.0.0.1:{agents.port}/{device}",
                                         "--strategy", strategy, "--max-downtime", "60s"))
            agents.wait_for(300, "the end of the training", lambda: any(l.startswith("digest") for l in lines_of(log)))
            moved = [line for line in lines_of(log) if not line.startswith("moved")]
            if moved != self.undisturbed:
                other = next((a for a, b in zip(moved, self.undisturbed) if a != b), "fewer or more lines")
                raise RuntimeError(f"{self.name}, {strategy}: the job, moved at step {told['migrated_at_step']}, computed "
                                   f"something else: {other}")
            timed = step_times(times)
            before = [ms for at, ms in timed if at < began][self.WARM_UP:-1]
            during = [ms for at, ms in timed[: told["migrated_at_step"] - 1] if at >= began]
            told["slowdown_pct"] = (statistics.mean(during) / statistics.median(before) - 1) * 100 if before and during else None
            return told

    def print_moves(self) -> bool:
        """Makes all moves and prints their figures; returns False if one of them failed."""
        self.train_undisturbed()
        moved = True
        for strategy in ("rounds", "replay"):
            goals = strategy == "replay" and self.precision == "fp32"
            try:
                told = [self.move(strategy) for _ in range(3 if goals else 1)]
            except RuntimeError as error:
                print(f"gpu_migrations: {error}", file=sys.stderr)
                print_figure(f"cuda_{strategy}_bit_identical_{self.name}", [0], "yes", 1, lower=False)
                moved = False
                continue
            down = [t["downtime_ms"] for t in told]
            print_figure(f"cuda_{strategy}_bit_identical_{self.name}", [1 for _ in told], "yes", 1, lower=False)
            print_figure(f"cuda_{strategy}_rate_{self.name}", [t["progress"]["rate"] / 1e9 for t in told], "GB/s")
            print(f"{self.name}, {strategy}: the card's memory went {told[-1]['progress']['gpu_path'] or 'from the host'}", flush=True)
            if not goals:
                print_figure(f"cuda_{strategy}_downtime_ms_{self.name}", down, "ms")
                continue
            print_figure(f"cuda_replay_downtime_ms_{self.size}", down, "ms", 100)
            slow = [t["slowdown_pct"] for t in told if t["slowdown_pct"] is not None]
            if slow:
                print_figure(f"cuda_sync_slowdown_pct_{self.size}", slow, "%", 5)
        return moved

    def print_checkpoint_file(self) -> None:
        """Moves the same job by a checkpoint file in memory: stop, save, start, load, first step."""
        memory = "/dev/shm"
        fits = os.path.isdir(memory) and shutil.disk_usage(memory).free > 1.2 * self.bytes
        if not fits:
            print(f"{memory} is too small for {self.bytes} bytes: the checkpoint goes to a disk", flush=True)
        with tempfile.TemporaryDirectory(dir=memory if fits else None) as folder:
            file, log = f"{folder}/checkpoint", pathlib.Path(folder) / "times"
            self.train("--times", str(log), "--steps", "6", "--checkpoint", file)
            stopped = [int(line.split()[2]) for line in lines_of(log)][-1]
            self.train("--times", str(log), "--steps", "8", "--resume", file)
            resumed = [int(line.split()[2]) for line in lines_of(log)][6]
            print_figure(f"checkpoint_file_downtime_ms_{self.size}", [(resumed - stopped) / 1e6], "ms")

    def print_driver_checkpoint(self) -> None:
        """Stops the same job and brings it back with NVIDIA's driver, on the same card and without CRIU."""
        program = self.options.build / "tests/bench/bench_driver_checkpoint"
        if self.trainer_device == "cpu" or not program.exists():
            return
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder) / "losses"
            with subprocess.Popen([*self.program, "--steps", "1000000", "--device", self.trainer_device, "--loss-log", str(log)]) as job:
                try:
                    wait_for(120, "the first steps", lambda: len(lines_of(log)) >= 5)
                    told = subprocess.run([program, str(job.pid), self.size], capture_output=True, text=True, check=False)
                    # Some drivers and virtual machines cannot: that is worth knowing, not a failure of ours.
                    print(told.stdout or f"driver checkpoint: {told.stderr.strip()}", end="" if told.stdout else "\n", flush=True)
                    seen = len(lines_of(log))
                    if told.returncode == 0:
                        wait_for(60, "a step after the driver's restore", lambda: len(lines_of(log)) > seen)
                finally:
                    job.kill()


# AdamW in fp32 has 12 bytes of state a parameter, a block 12 width^2 parameters: width and layers.
SIZES = {"1g": (768, 12), "10g": (1536, 30)}
PRECISIONS = {"fp32": [], "bf16": ["--bf16"], "bf16_masters": ["--bf16-weights"]}


def names_of(known: dict):
    def parse(text: str) -> list:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(known)}")
        return names
    return parse


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("text")
    parser.add_argument("--sizes", type=names_of(SIZES), default=list(SIZES))
    parser.add_argument("--precisions", type=names_of(PRECISIONS), default=list(PRECISIONS))
    parser.add_argument("--only", choices=["moves", "checkpoints"])
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--transports", default="", help="of the agents; default: what UCX chooses")
    parser.add_argument("--width", type=int, help="of a model of your own, in place of --sizes")
    parser.add_argument("--layers", type=int, default=2)
    options = parser.parse_args()
    shapes = {"small": (options.width, options.layers)} if options.width else {name: SIZES[name] for name in options.sizes}
    moved = True
    for size, (width, layers) in shapes.items():
        for precision in options.precisions:
            case = Case(options, size, width, layers, precision)
            if options.only != "checkpoints":
                moved = case.print_moves() and moved
            if options.only != "moves" and precision == "fp32":
                case.print_checkpoint_file()
                case.print_driver_checkpoint()
    return 0 if moved else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as error:
        print(f"gpu_migrations: {error}", file=sys.stderr)
        sys.exit(1)
