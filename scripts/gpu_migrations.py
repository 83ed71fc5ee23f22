#!/usr/bin/env python3
"""Moves a training GPT between two agents and processes on one card, and prints figures as JSON lines.

usage: gpu_migrations.py BUILD TEXT [--quick] [--device DEVICE] [--width W --layers L]

Every move must be bit-identical to the same training without a move: its losses and its final digest
are compared. Figures are those of scripts/bench.sh: {name, value, unit, goal, holds, n, spread}.
With --device cpu:0 and a small model it checks itself on a machine without a GPU.
"""
import argparse
import json
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

    def __init__(self, build: pathlib.Path, device: str):
        self.build, self.device = build, device
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cardswap-gpu-"))
        self.processes = []
        for host in "ab":
            with open(self.folder / f"{host}.log", "w", encoding="utf-8") as log:
                self.processes.append(subprocess.Popen(
                    [build / "agent/cardswapd", "--data-dir", self.folder / host, "--listen", "127.0.0.1:0",
                     "--host-name", f"host-{host}", "--device", device], stderr=log))
        for host in "ab":
            wait_for(30, f"agent {host}", (self.folder / host / "cardswapd.sock").exists)
        self.port = json.loads((self.folder / "b/agent.json").read_text())["port"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
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
    """[(clock at a step's start in ns, ms that it took)], from --times."""
    begins = [int(line.split()[2]) for line in lines_of(path)]
    return [(a, (b - a) / 1e6) for a, b in zip(begins, begins[1:])]


def move(build, device, trainer, steps, strategy, undisturbed) -> dict:
    """One move of a fresh job at a quarter of its steps; what `migrate -o json` said, and more."""
    with Agents(build, device) as agents:
        log, times = agents.folder / "moved", agents.folder / "times"
        agents.ask("a", "run", "--name", "gpt", "--device", device, "--", *trainer, "--loss-log", str(log), "--times", str(times))
        wait_for(600, "a quarter of the training", lambda: len(lines_of(log)) >= steps // 4)
        began = time.monotonic_ns()
        told = json.loads(agents.ask("a", "-o", "json", "migrate", "gpt", "--to", f"127.0.0.1:{agents.port}/{device}",
                                     "--strategy", strategy, "--max-downtime", "60s"))
        wait_for(900, "the end of the training", lambda: any(l.startswith("digest") for l in lines_of(log)))
        moved = [line for line in lines_of(log) if not line.startswith("moved")]
        if moved != undisturbed:
            raise RuntimeError(f"{strategy}: the job that moved computed something else")
        before = [ms for at, ms in step_times(times) if at < began][2:]
        during = [ms for at, ms in step_times(times) if at >= began][: told["migrated_at_step"] - len(before) - 3]
        told["slowdown_pct"] = (statistics.mean(during) / statistics.median(before) - 1) * 100 if before and during else None
        return told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("text")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--width", type=int)
    parser.add_argument("--layers", type=int)
    options = parser.parse_args()
    # AdamW in fp32 has 12 bytes of state a parameter, a block 12 width^2 parameters.
    sizes = {"1g": (768, 12, 200), "10g": (1536, 30, 80)}
    if options.quick:
        del sizes["10g"]
    if options.width:
        sizes = {"small": (options.width, options.layers or 2, 60)}
    downtimes = {}
    slowdowns = []
    for name, (width, layers, steps) in sizes.items():
        for kind, precision in (("fp32", []), ("bf16", ["--bf16"]), ("bf16_masters", ["--bf16-weights"])):
            trainer = [str(options.build / "runtime/gpt"), "--steps", str(steps), "--text", options.text, "--width", str(width),
                       "--layers", str(layers), "--heads", "4", "--batch", "32", "--context", "64", *precision]
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / "undisturbed"
                subprocess.run([*trainer, "--device", options.device.replace("cpu:0", "cpu"), "--loss-log", str(path)], check=True)
                undisturbed = lines_of(path)
            for strategy in ("rounds", "replay"):
                told = [move(options.build, options.device, trainer, steps, strategy, undisturbed)
                        for _ in range(3 if strategy == "replay" and not precision else 1)]
                down = [t["downtime_ms"] for t in told]
                print_figure(f"cuda_{strategy}_bit_identical_{name}_{kind}", [1 for _ in told], "yes", 1, lower=False)
                if strategy == "replay" and not precision:
                    downtimes[name] = statistics.median(down)
                    print_figure(f"cuda_replay_downtime_ms_{name}", down, "ms", 100)
                    slow = [t["slowdown_pct"] for t in told if t["slowdown_pct"] is not None]
                    if slow:
                        print_figure(f"cuda_sync_slowdown_pct_{name}", slow, "%", 5)
                        slowdowns += slow
                else:
                    print_figure(f"cuda_{strategy}_downtime_ms_{name}_{kind}", down, "ms")
            if not precision:
                save_and_load(options, trainer, name)
                driver_checkpoint(options, trainer, name)
    if slowdowns:
        print_figure("cuda_sync_slowdown_pct", slowdowns, "%", 5)
    if len(downtimes) == 2:
        print_figure("cuda_replay_downtime_10g_over_1g", [downtimes["10g"] / downtimes["1g"]], "ratio", 1.5)
    return 0


def save_and_load(options, trainer, name) -> None:
    """The same job moved by a checkpoint file in memory: stop, save, start, load, first step."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        file, log = f"{folder}/checkpoint", pathlib.Path(folder) / "times"
        device = options.device.replace("cpu:0", "cpu")
        common = ["--device", device, "--times", str(log), "--loss-log", "/dev/null"]
        short = list(trainer)
        short[short.index("--steps") + 1] = "6"
        subprocess.run([*short, *common, "--checkpoint", file], check=True)
        stopped = [int(line.split()[2]) for line in lines_of(log)][-1]
        short[short.index("--steps") + 1] = "8"
        subprocess.run([*short, *common, "--resume", file], check=True)
        resumed = [int(line.split()[2]) for line in lines_of(log)][6]
        print_figure(f"checkpoint_file_downtime_ms_{name}", [(resumed - stopped) / 1e6], "ms")


def driver_checkpoint(options, trainer, name) -> None:
    """The same job stopped and brought back by NVIDIA's driver, on the same card and without CRIU."""
    program = options.build / "tests/bench/bench_driver_checkpoint"
    if not options.device.startswith("cuda") or not program.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder) / "losses"
        long = list(trainer)
        long[long.index("--steps") + 1] = "1000000"
        with subprocess.Popen([*long, "--device", options.device, "--loss-log", str(log)]) as job:
            try:
                wait_for(300, "the first steps", lambda: len(lines_of(log)) >= 5)
                told = subprocess.run([program, str(job.pid), name], capture_output=True, text=True, check=False)
                # Some drivers and virtual machines cannot: that is worth knowing, not a failure of ours.
                print(told.stdout or f"driver checkpoint: {told.stderr.strip()}", end="" if told.stdout else "\n", flush=True)
                seen = len(lines_of(log))
                if told.returncode == 0:
                    wait_for(60, "a step after the driver's restore", lambda: len(lines_of(log)) > seen)
            finally:
                job.kill()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as error:
        print(f"gpu_migrations: {error}", file=sys.stderr)
        sys.exit(1)
