"""Muon for the matrices and Adafactor for the rest, with gradients that are accumulated over batches of a loader: also
from one epoch into the next."""

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

import cardswap
import trainer

args = trainer.options(accumulate=3)
model = nn.Sequential(nn.Embedding(64, 32), nn.Linear(32, 64), nn.LayerNorm(64), nn.ReLU(), nn.Linear(64, 64))
matrices = [model[1].weight, model[4].weight]
muon = torch.optim.Muon(matrices, lr=1e-2)
adafactor = torch.optim.Adafactor([p for p in model.parameters() if all(p is not matrix for matrix in matrices)])
words = torch.randint(64, (200,))
loader = DataLoader(TensorDataset(words, words.roll(1)), batch_size=8, shuffle=True)
log = trainer.Log(args)
batches = {"read": 0}
cardswap.track("batches", batches)
for epoch in cardswap.epochs(max(args.steps // len(loader), 1)):
    for x, y in cardswap.batches(loader):
        loss = nn.functional.cross_entropy(model(x), y) / args.accumulate
        loss.backward()
        batches["read"] += 1
        if batches["read"] % args.accumulate == 0:
            muon.step()
            adafactor.step()
            muon.zero_grad()
            adafactor.zero_grad()
        log.write(f"of epoch {epoch}", loss.item())
log.end()
