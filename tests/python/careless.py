"""A trainer whose author did one thing that does not move, or that must not happen twice: --how."""

import atexit

import numpy
import torch

import cardswap
import trainer

args = trainer.options(how="", ends="")
model = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.Tanh(), torch.nn.Linear(256, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
hidden = torch.zeros(64)  # "local": a plain variable that the next step reads


def refuse(value):
    if cardswap.is_standby():
        raise LookupError("the author did not think of this")


def note_the_end():
    with open(args.ends, "a") as file:
        file.write("it ended\n")


if args.how == "unnoticed":
    noise = numpy.random.default_rng(3)
    validation = torch.utils.data.DataLoader(torch.randn(4, 64))
if args.how == "ranks":  # as one of two: torch's stand-in for the other needs no second process
    from torch.testing._internal.distributed.fake_pg import FakeStore
    torch.distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=2)
if args.ends:
    atexit.register(note_the_end)
if args.how == "raises":
    cardswap.track("fragile", get=lambda: 1, set=refuse)
if args.how == "loop":
    steps = range(args.steps)
else:
    steps = cardswap.batches(iter(range(args.steps)) if args.how == "iterator" else range(args.steps))
log = trainer.Log(args)
for step in steps:
    x = torch.randn(8, 64) + (hidden if args.how == "local" else 0)
    loss = model(x).square().mean()
    if args.how != "accumulates" or step == 0:
        optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    hidden = torch.tanh(x.mean(0)).detach()
    log.write(step, loss.item())
log.end()
if args.ends:
    with open(args.ends, "a") as file:
        file.write("saved\n")
