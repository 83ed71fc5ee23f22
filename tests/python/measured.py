"""The trainer of scripts/bench.sh python. It prints a JSON object, or a line of its time for each step."""

import argparse
import json
import statistics
import time

import torch
import torch.nn as nn
from torch.optim import optimizer as of_all_optimizers

import cardswap

parser = argparse.ArgumentParser()
parser.add_argument("--how", choices=["idle", "steps", "memory"])
parser.add_argument("--out")
parser.add_argument("--blocks", type=int, default=41)
parser.add_argument("--pairs", type=int, default=50, help="of steps, a block")
parser.add_argument("--mib", type=int, default=512)
parser.add_argument("--width", type=int, default=256)
args = parser.parse_args()
torch.manual_seed(1)
torch.set_num_threads(1)


class Trainer:
    def __init__(self, layers=8):
        self.width = width = args.width
        self.model = nn.Sequential(*(part for _ in range(layers)
                                     for part in (nn.Linear(width, width), nn.LayerNorm(width), nn.ReLU())))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)
        self.plain = iter(range(10**12))
        self.batches = cardswap.batches(range(10**12))
        self.hooks = dict(of_all_optimizers._global_optimizer_pre_hooks)

    def step(self, is_a_jobs=True):
        """Gives what it took of this thread's processor time, and by the clock, in ns."""
        of_all_optimizers._global_optimizer_pre_hooks.clear()
        if is_a_jobs:
            of_all_optimizers._global_optimizer_pre_hooks.update(self.hooks)
        batches = self.batches if is_a_jobs else self.plain
        began, cpu = time.perf_counter_ns(), time.thread_time_ns()
        next(batches)
        x = torch.randn(64, self.width)
        loss = (self.model(x) - x).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return time.thread_time_ns() - cpu, time.perf_counter_ns() - began


def idle():
    """Steps of a job that nobody moves, and steps without the package's hook and boundary, in turns: pairs of
    neighbours, of which now one and now the other is first. What the library's threads take is added."""
    trainer = Trainer()
    for _ in range(100):
        trainer.step()
        trainer.step(False)
    samples = {"pct": [], "us": [], "step_ms": []}
    for _ in range(args.blocks):
        pct, more, plain = [], [], []
        others, mine = time.process_time_ns() - time.thread_time_ns(), time.thread_time_ns()
        for at in range(args.pairs):
            took = {is_a_jobs: trainer.step(is_a_jobs)[0] for is_a_jobs in (at % 2 == 0, at % 2 != 0)}
            pct.append(100 * (took[True] / took[False] - 1))
            more.append((took[True] - took[False]) / 1e3)
            plain.append(took[False] / 1e6)
        mine = time.thread_time_ns() - mine
        others = time.process_time_ns() - time.thread_time_ns() - others
        samples["pct"].append(statistics.median(pct) + 100 * others / mine)
        samples["us"].append(statistics.median(more) + others / 1e3 / args.pairs)
        samples["step_ms"].append(statistics.median(plain))
    with open(args.out, "w") as out:
        json.dump(samples, out)


def steps():
    trainer = Trainer()
    with open(args.out, "a", buffering=1) as out:
        while True:
            _, took = trainer.step()
            if not cardswap.is_standby():
                out.write(f"{took / 1e6}\n")


def memory():
    state = torch.zeros(args.mib << 18)
    cardswap.track("state", state)
    for step in cardswap.batches(range(10**9)):
        state[step % 1000] += 1
        time.sleep(0.005)


{"idle": idle, "steps": steps, "memory": memory}[args.how]()
