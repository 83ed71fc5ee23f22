"""One rank of the job of scripts/bench.sh ranks: a small model with DistributedDataParallel over Gloo.

It writes what it measures as JSON to --out, with its rank added to the name.
"""

import argparse
import datetime
import json
import pathlib
import statistics
import threading
import time

import torch
import torch.distributed as distributed
from torch.nn.parallel import DistributedDataParallel
from torch.optim import optimizer as of_all_optimizers

import cardswap
from cardswap import _groups as groups
from cardswap._communicator import NextCommunicator

parser = argparse.ArgumentParser()
parser.add_argument("--how", choices=["steps", "idle", "build", "until"])
parser.add_argument("--out", type=pathlib.Path)
parser.add_argument("--step-ms", type=float, default=0, help="that a step takes longer")
parser.add_argument("--until", type=int, default=0, help="the step after which it saves and ends")
parser.add_argument("--checkpoint", type=pathlib.Path)
parser.add_argument("--blocks", type=int, default=15)
args = parser.parse_args()

WIDTH = 64
torch.set_num_threads(1)
distributed.init_process_group("gloo")
rank = distributed.get_rank()


class Trainer:
    def __init__(self):
        torch.manual_seed(0)
        layers = [part for _ in range(3) for part in (torch.nn.Linear(WIDTH, WIDTH), torch.nn.ReLU())]
        self.model = DistributedDataParallel(torch.nn.Sequential(*layers))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)
        self.batches = cardswap.batches(range(10**12))
        self.plain = iter(range(10**12))
        self.hooks = dict(of_all_optimizers._global_optimizer_pre_hooks)
        self.steps = 0

    def step(self, is_a_jobs=True):
        """Gives what it took of this thread's processor time, in ns."""
        of_all_optimizers._global_optimizer_pre_hooks.clear()
        if is_a_jobs:
            of_all_optimizers._global_optimizer_pre_hooks.update(self.hooks)
        cpu = time.thread_time_ns()
        next(self.batches if is_a_jobs else self.plain)
        if args.step_ms:
            time.sleep(args.step_ms / 1e3)
        x = torch.randn(16, WIDTH)
        (self.model(x) - x).square().mean().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.steps += 1
        return time.thread_time_ns() - cpu

    def state(self):
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "steps": self.steps}

    def load(self, state):
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps = state["steps"]


def write(what):
    args.out.with_name(f"{args.out.name}.{rank}").write_text(json.dumps(what))


def steps(trainer):
    """Writes when each step began: what a move makes late is seen there too."""
    with open(f"{args.out}.{rank}", "a", buffering=1) as out:
        while True:
            if not cardswap.is_standby():
                out.write(f"{cardswap.steps()} {time.monotonic()}\n")
            trainer.step()


def until(trainer):
    """Goes on from the checkpoint, where there is one, and ends with one. Tells when its first and its last step ended:
    one clock for all processes of a host."""
    if args.checkpoint.exists():
        trainer.load(torch.load(args.checkpoint))
    began = []
    while trainer.steps < args.until:
        trainer.step()
        began.append(time.monotonic())
    if rank == 0:
        torch.save(trainer.state(), args.checkpoint)
    write({"first": began[0], "last": began[-1], "step_ms": 1e3 * (began[-1] - began[0]) / max(1, len(began) - 1)})


def idle(trainer):
    """Steps of a job of which no rank moves, and steps without the package's hook and boundary, in turns."""
    for _ in range(30):
        trainer.step()
        trainer.step(False)
    pct, us = [], []
    for _ in range(args.blocks):
        ours, more = [], []
        for at in range(30):
            took = {is_a_jobs: trainer.step(is_a_jobs) for is_a_jobs in (at % 2 == 0, at % 2 != 0)}
            ours.append(100 * (took[True] / took[False] - 1))
            more.append((took[True] - took[False]) / 1e3)
        pct.append(statistics.median(ours))
        us.append(statistics.median(more))
    write({"pct": pct, "us": us})


def build(trainer):
    """Steps while the next communicator is built beside them, against steps before, all ranks alike."""
    store = distributed.TCPStore("127.0.0.1", 0, None, rank == 0, wait_for_workers=False) if rank == 0 else None
    port = torch.tensor([store.port if store else 0])
    distributed.broadcast(port, 0)
    for _ in range(20):
        trainer.step()
    slower, took_ms = [], []
    for block in range(args.blocks):
        timed = lambda count: [clocked(trainer) for _ in range(count)]
        before = statistics.median(timed(15))
        beside = NextCommunicator(block + 1, groups.made(), f"127.0.0.1:{port.item()}",
                                  timeout=datetime.timedelta(seconds=60))
        thread = threading.Thread(target=beside.build)
        thread.start()
        during = [clocked(trainer)]
        while len(during) < 5 or thread.is_alive():
            during.append(clocked(trainer))
            if len(during) == 5:  # the same number on each rank
                thread.join()
        took_ms.append(beside.took_ms["connect"])
        overlapped = max(1, min(5, round(beside.took_ms["build"] / before + 0.5)))
        slower.append(100 * (statistics.mean(during[:overlapped]) / before - 1))
        beside.roll_back()
    write({"pct": slower, "connect_ms": took_ms})


def clocked(trainer):
    began = time.perf_counter()
    trainer.step()
    return 1e3 * (time.perf_counter() - began)


{"steps": steps, "until": until, "idle": idle, "build": build}[args.how](Trainer())
distributed.barrier()
distributed.destroy_process_group()
