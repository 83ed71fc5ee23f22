"""One rank of a job of many: DistributedDataParallel over Gloo, with several buckets, dropout and an average over batches.

It takes the steps that --until allows, or all of them.
"""

import argparse
import os
import pathlib
import random
import time

import cardswap
import numpy
import torch
import torch.distributed as distributed
from torch.nn.parallel import DistributedDataParallel

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=40)
parser.add_argument("--loss-log", default="/dev/stdout", help="the rank is added to the name")
parser.add_argument("--until", default="")
parser.add_argument("--last", default="", help="a file; it ends behind the step whose number is there")
parser.add_argument("--busy", default="", help="while there is such a file with the rank in its name, that rank takes no step")
parser.add_argument("--group", default="", help="a file; behind the step whose number is there all ranks make another group")
parser.add_argument("--step-ms", type=float, default=0, help="that a step takes longer")
parser.add_argument("--late", default="", help="while there is this file, which names a rank: that one is 2 s late, once")
args = parser.parse_args()


def reads(path, step):
    return path and os.path.exists(path) and step + 1 >= int(open(path).read())


def is_late(rank):
    """Whether this rank is to be late in this step."""
    late = pathlib.Path(args.late)
    if cardswap.is_standby() or not late.is_file() or late.read_text() != str(rank):
        return False
    late.unlink()
    return True


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(24, 96)
        self.norm = torch.nn.BatchNorm1d(96)
        self.inner = torch.nn.ModuleList(torch.nn.Linear(96, 96) for _ in range(3))
        self.drop = torch.nn.Dropout(0.2)
        self.last = torch.nn.Linear(96, 7)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        for layer in self.inner:
            x = torch.relu(layer(x))
        return self.last(self.drop(x))


torch.set_num_threads(1)
distributed.init_process_group("gloo")
rank = distributed.get_rank()
torch.manual_seed(0)
net = DistributedDataParallel(Net(), bucket_cap_mb=0.05)
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
torch.manual_seed(100 + rank)
random.seed(rank)
numpy.random.seed(rank)
grouped = None
with open(f"{args.loss_log}.{rank}", "a", buffering=1) as log:
    for step in cardswap.batches(range(args.steps)):
        if args.step_ms:
            time.sleep(args.step_ms / 1e3)
        if args.late and is_late(rank):
            time.sleep(2)
        generator = torch.Generator().manual_seed(1000 * step + 10 * rank)
        x, y = torch.randn(8, 24, generator=generator), torch.randint(0, 7, (8,), generator=generator)
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if not cardswap.is_standby():
            log.write(f"step {step} loss {loss.item().hex()}\n")
        while args.busy and not cardswap.is_standby() and os.path.exists(f"{args.busy}.{rank}"):
            time.sleep(0.005)  # as in a validation, or when a checkpoint is saved
        while args.until and not cardswap.is_standby() and cardswap.steps() >= int(open(args.until).read()):
            time.sleep(0.005)
        if grouped is None and not cardswap.is_standby() and reads(args.group, step):
            grouped = torch.ones(1)
            distributed.all_reduce(grouped, group=distributed.new_group())
            open(f"{args.group}.{rank}", "w").write(str(int(grouped.item())))
        if reads(args.last, step):
            break
    log.write(f"digest {cardswap.state_digest()}\n")
distributed.barrier()  # who ends before that takes a collective of another one along
distributed.destroy_process_group()
